//! The histograms of a result: HdrHistogram V2 with compression, in base64, as all implementations of it read them.

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};

/// Largest sample that is kept as it is: one hour. Anything longer is counted as clamped.
pub const MOST_NANOS: u64 = 3_600_000_000_000;
/// Significant decimal digits of every histogram.
const DIGITS: u8 = 3;

/// An empty histogram with the bounds that all share, so that counts can be added. It has some 270 KB of counters, of
/// which only those that are used take memory.
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MOST_NANOS, DIGITS).unwrap_or_else(|error| {
        unreachable!("the bounds are constants that a test builds: {error}")
    })
}

/// Why a histogram in a result can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// Not base64.
    #[error("a histogram in the result is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not a histogram.
    #[error("a histogram in the result can't be decoded: {0}")]
    Content(#[from] hdrhistogram::serialization::DeserializeError),
    /// Of other bounds than the one that it should be added to.
    #[error("the histograms of the result don't go together: {0}")]
    Bounds(#[from] hdrhistogram::AdditionError),
}

/// The histogram as HdrHistogram V2, compressed, in base64.
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Compressing into a vector can't fail.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    STANDARD.encode(bytes)
}

/// From text; no text is no samples.
///
/// # Errors
/// [`HistogramError`] when the text is something else.
pub fn decode(text: &str) -> Result<Histogram<u64>, HistogramError> {
    if text.is_empty() {
        return Ok(empty());
    }
    let bytes = STANDARD.decode(text)?;
    Ok(Deserializer::new().deserialize(&mut bytes.as_slice())?)
}

/// The sum of several.
///
/// # Errors
/// [`HistogramError`] when one of them can't be read or does not fit.
pub fn merged<'a>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Histogram<u64>, HistogramError> {
    let mut sum = empty();
    for text in texts {
        sum.add(decode(text)?)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let mut histogram = empty();
        for value in [1, 5_000_000, 3_600_000_000_000] {
            histogram.saturating_record(value);
        }
        assert_eq!(decode(&encode(&histogram)).unwrap(), histogram);
        assert!(decode("").unwrap().is_empty());
        assert_eq!(
            merged([encode(&histogram).as_str(), ""]).unwrap(),
            histogram
        );
    }

    #[test]
    fn another_text_is_refused() {
        assert!(matches!(decode("%"), Err(HistogramError::Base64(_))));
        assert!(matches!(decode("AAAA"), Err(HistogramError::Content(_))));
    }
}
