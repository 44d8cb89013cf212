//! Percentiles that the samples can bear, and what is needed for those that they can't.

use hdrhistogram::Histogram;

/// A percentile is shown only if at least this many samples lie beyond it (`docs/MEASUREMENT.md`, rule 7).
pub const BEYOND: f64 = 10.0;

/// Samples without which a percentile (0 to 100) says nothing.
pub fn needed(percentile: f64) -> u64 {
    // Rounded before the ceiling: 10 / 0.001 must be 10,000 and not 10,001 by a floating-point hair.
    let exact = BEYOND / (1.0 - percentile / 100.0);
    let rounded = exact.round();
    if (exact - rounded).abs() < 1e-6 * exact {
        rounded as u64
    } else {
        exact.ceil() as u64
    }
}

/// A percentile (0 to 100) in the histogram's unit, if there are enough samples for it.
///
/// # Errors
/// How many samples it needs.
pub fn of(histogram: &Histogram<u64>, percentile: f64) -> Result<u64, u64> {
    let needed = needed(percentile);
    if histogram.len() < needed {
        return Err(needed);
    }
    // 99.9 / 100 is a hair above 0.999, which would make the 29,971st of 30,000 samples out of the 29,970th. The other
    // implementations of HdrHistogram round this hair away, too.
    Ok(histogram.value_at_quantile((percentile / 100.0).next_down()))
}

/// The same of samples of which so many never came: these took longer than any other. `None`: the percentile is one of
/// them.
///
/// # Errors
/// How many samples it needs.
pub fn of_due(histogram: &Histogram<u64>, lost: u64, percentile: f64) -> Result<Option<u64>, u64> {
    let (came, due) = (histogram.len(), histogram.len() + lost);
    let needed = needed(percentile);
    if due < needed {
        return Err(needed);
    }
    let rank = ((due as f64 * (percentile / 100.0).next_down()).ceil() as u64).max(1);
    Ok(
        (rank <= came)
            .then(|| histogram.value_at_quantile((rank as f64 / came as f64).next_down())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram;

    #[test]
    fn rule_07_a_percentile_needs_ten_samples_beyond_it() {
        assert_eq!(needed(50.0), 20);
        assert_eq!(needed(99.0), 1_000);
        assert_eq!(needed(99.9), 10_000);
        assert_eq!(needed(99.99), 100_000);
    }

    #[test]
    fn rule_07_a_percentile_is_the_sample_of_its_rank() {
        let mut histogram = histogram::empty();
        histogram.saturating_record_n(1, 29_970);
        histogram.saturating_record_n(1_000, 30);
        assert_eq!(of(&histogram, 99.9), Ok(1));
    }

    #[test]
    fn rule_13_what_never_came_took_longer_than_all_that_did() {
        let mut histogram = histogram::empty();
        for value in 1..=990 {
            histogram.saturating_record(value);
        }
        assert_eq!(of_due(&histogram, 10, 99.0), Ok(Some(990)));
        assert_eq!(of_due(&histogram, 11, 99.0), Ok(None));
        assert_eq!(of_due(&histogram, 10, 50.0), Ok(Some(500)));
        assert_eq!(of_due(&histogram, 9, 99.0), Err(1_000));
        histogram.saturating_record_n(990, 10);
        assert_eq!(
            of_due(&histogram, 0, 50.0).ok(),
            of(&histogram, 50.0).ok().map(Some)
        );
        assert_eq!(of_due(&histogram::empty(), 20, 50.0), Ok(None));
    }

    #[test]
    fn rule_07_one_sample_too_few_is_refused_with_the_number() {
        let mut histogram = histogram::empty();
        for value in 1..=999 {
            histogram.saturating_record(value);
        }
        assert_eq!(of(&histogram, 99.0), Err(1_000));
        histogram.saturating_record(1_000);
        assert_eq!(of(&histogram, 99.0), Ok(990));
    }
}
