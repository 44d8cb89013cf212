//! What all rooms speak of: the clock, the metrics, the names of events, bodies, histograms, and numbers for people.

pub mod body;
pub mod clock;
pub mod histogram;
pub mod metric;
pub(crate) mod named;
pub mod numbers;
pub mod percentile;
pub mod vocabulary;

pub use self::{
    body::{BodyText, RunId},
    clock::{Clock, Nanos, nanos},
    histogram::HistogramError,
    metric::{Count, Metric},
    vocabulary::{Delivery, Dialect, Fields, Kind, Meaning, Names, Vocabulary},
};
