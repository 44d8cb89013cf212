//! The formats that a recorded result can be had in, one exporter a file.

mod benchmark;
pub mod chart;
mod csv;
mod floor;
mod format;
mod histogram_log;
mod html;
mod junit;
mod latencies;
pub mod markdown;
mod openmetrics;
pub mod publish;
pub mod statements;
pub mod table;
mod terminal;

pub use self::{
    format::{Choice, Format, RenderError},
    histogram_log::LogError,
    terminal::{render, summary},
};
