//! The formats that a recorded result can be had in, one exporter a file.

mod answer;
mod benchmark;
pub mod chart;
mod csv;
mod exposition;
mod faults;
mod floor;
mod format;
mod histogram_log;
mod html;
pub(crate) mod junit;
mod latencies;
mod limits;
pub mod live;
pub mod markdown;
mod openmetrics;
pub mod publish;
pub(crate) mod script;
pub(crate) mod seconds;
pub(crate) mod setting;
pub mod statements;
pub mod table;
mod terminal;
mod versus;

pub use self::{
    format::{Choice, Format, RenderError},
    histogram_log::LogError,
    terminal::summary,
};

use crate::{model::HistogramError, result::Report};

/// The headline of a result in one line: the answer to its question, or first why there is none.
///
/// # Errors
/// When a histogram can't be read.
pub fn headline(report: &Report) -> Result<String, HistogramError> {
    Ok(answer::headline(report)?.join(" "))
}
