//! What is said: sizes of bodies and the text that they are made of.

use super::{Range, Size};
use crate::model::BodyText;

/// What messages are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Messages {
    /// Bytes of a body; without meaning where the text is whole lines.
    pub size: Sizes,
    /// The text behind the marker that says which message it is.
    pub text: BodyText,
}

/// How long bodies are.
#[derive(Debug, Clone, PartialEq)]
pub enum Sizes {
    /// One size, or evenly from a range.
    Range(Range<Size>),
    /// Log-normal, as the lengths of what people write are: half are shorter than `median`, one in a hundred is longer
    /// than `p99`. Cut to what a body may have.
    LogNormal {
        /// Half of the bodies are shorter.
        median: Size,
        /// One in a hundred is longer.
        p99: Size,
    },
    /// Ranges with their weights, which need no common sum.
    Weighted(Vec<(Range<Size>, f64)>),
}
