//! What all rooms speak of: the clock, the metrics, the names of events, bodies, histograms, and numbers for people.

pub mod body;
pub mod clock;
pub mod delay;
pub mod form;
pub mod histogram;
pub mod json;
pub mod metric;
pub(crate) mod named;
pub mod numbers;
pub mod packed;
pub mod path;
pub mod percentile;
pub mod shape;
pub mod shapes;
pub mod vocabulary;

pub use self::{
    body::{BodyText, RunId},
    clock::{Clock, Nanos, nanos},
    delay::Delay,
    form::{Blank, Form},
    histogram::HistogramError,
    metric::{Count, Metric},
    path::Path,
    shapes::{Answer, Answers, Paths, Shapes},
    vocabulary::{BusMode, Delivery, Dialect, Kind, Meaning, Names, Reading, Vocabulary},
};
