//! A run beside its baseline: how many times sooner deliveries are, and whether the limit tells the two apart at all.

use super::{
    limits::{Held, Value},
    seconds,
};
use crate::{
    model::{HistogramError, numbers::duration, percentile},
    result::Run,
};

/// Fewer seconds than these have no interval at 95 % by their ranks.
const FEWEST: usize = 6;

/// The median of a run's deliveries, and where it lies.
struct Median {
    value: f64,
    /// At 95 %, by the ranks of the seconds' own medians; `None` of too few seconds.
    interval: Option<[f64; 2]>,
}

/// A run's deliveries beside those of its baseline.
pub(super) struct Versus {
    before: f64,
    after: f64,
    /// The one divided by the other, whichever way it is above one.
    times: f64,
    is_sooner: bool,
    /// Of [`Versus::times`], at 95 %.
    interval: Option<[f64; 2]>,
    name: String,
    base: String,
}

/// How much sooner a delivery of the run is than one of its baseline; `None` where either has too few.
///
/// # Errors
/// When a histogram can't be read.
pub(super) fn versus(baseline: &Run, run: &Run) -> Result<Option<Versus>, HistogramError> {
    // Of both the same seconds, whichever way the baseline was judged.
    let with_disturbed = seconds::counts_disturbed(run);
    let both = (
        median(baseline, with_disturbed)?,
        median(run, with_disturbed)?,
    );
    let (Some(before), Some(after)) = both else {
        return Ok(None);
    };
    let ratio = before.value / after.value;
    let interval = before.interval.zip(after.interval);
    let interval = interval.map(|([least, most], [low, high])| [least / high, most / low]);
    let is_sooner = ratio >= 1.0;
    Ok(Some(Versus {
        before: before.value,
        after: after.value,
        times: if is_sooner { ratio } else { 1.0 / ratio },
        is_sooner,
        interval: match is_sooner {
            true => interval,
            false => interval.map(|[low, high]| [1.0 / high, 1.0 / low]),
        },
        name: named(run),
        base: named(baseline),
    }))
}

impl Versus {
    /// In a sentence.
    pub(super) fn told(&self) -> String {
        let (name, base, word) = (&self.name, &self.base, self.word());
        let both = format!(
            "{} at the median instead of {}",
            duration(self.after as u64),
            duration(self.before as u64)
        );
        let times = self.times();
        match self.interval {
            Some([low, high]) if low <= 1.0 => format!(
                "With {name} and with {base} messages arrive alike, as far as these two runs can tell: {both} ({times} times {word}, 95 % interval {} to {}).",
                digits(low),
                digits(high),
            ),
            _ => format!(
                "With {name} a message arrives {times} times {word} than with {base} ({}): {both}.",
                self.between(),
            ),
        }
    }

    /// How many times, with three digits.
    pub(super) fn times(&self) -> String {
        digits(self.times)
    }

    /// Sooner or later.
    pub(super) fn word(&self) -> &'static str {
        if self.is_sooner { "sooner" } else { "later" }
    }

    /// The baseline, in a few words.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The interval in words.
    pub(super) fn between(&self) -> String {
        match self.interval {
            Some([low, high]) => format!(
                "95 % interval of these two runs {} to {}",
                digits(low),
                digits(high)
            ),
            None => "too few seconds for an interval".to_owned(),
        }
    }
}

/// That the baseline keeps the limit, too.
///
/// # Errors
/// When a histogram can't be read.
pub(super) fn also_kept(baseline: &Run, held: &Held<'_>) -> Result<Option<String>, HistogramError> {
    let Value::Known(value) = held.of_another(baseline)? else {
        return Ok(None);
    };
    Ok(held.holds(value).then(|| {
        format!(
            "But {} keeps this limit too ({}, limit {}): the limit does not tell the two apart.",
            named(baseline),
            held.beside(value),
            held.bound()
        )
    }))
}

fn median(run: &Run, with_disturbed: bool) -> Result<Option<Median>, HistogramError> {
    let taken = || seconds::taken(run, with_disturbed);
    let latencies = seconds::latencies_in(run, taken())?;
    let Ok(value) = percentile::of(&latencies, 50.0) else {
        return Ok(None);
    };
    let value = value as f64;
    let seconds = taken().filter_map(|window| window.p50);
    let mut seconds: Vec<f64> = seconds.map(|p50| p50 as f64).collect();
    seconds.sort_by(f64::total_cmp);
    let interval = by_rank(&seconds).map(|[low, high]| [low.min(value), high.max(value)]);
    Ok(Some(Median { value, interval }))
}

/// Where the median of what sorted values are drawn from lies with 95 %, whatever their distribution is.
pub(super) fn by_rank(sorted: &[f64]) -> Option<[f64; 2]> {
    let n = sorted.len();
    if n < FEWEST {
        return None;
    }
    let beyond = match n {
        ..500 => by_coins(n),
        _ => (n as f64 / 2.0 - 0.98 * (n as f64).sqrt()) as usize,
    };
    let low = beyond.saturating_sub(1);
    Some([*sorted.get(low)?, *sorted.get(n - 1 - low)?])
}

/// How many of `n` values may lie on the far side of the median: less often than in 2.5 % of all cases so few or fewer of as
/// many coins show heads.
fn by_coins(n: usize) -> usize {
    let (mut tail, mut term, mut heads) = (0.0, 0.5f64.powi(n as i32), 0);
    while tail + term <= 0.025 {
        tail += term;
        term *= (n - heads) as f64 / (heads + 1) as f64;
        heads += 1;
    }
    heads
}

/// A run in a few words, where two are told apart.
fn named(run: &Run) -> String {
    format!("{} delivery", run.mode())
}

/// Three digits.
fn digits(number: f64) -> String {
    match number {
        100.0.. => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_median_is_the_exact_one_by_ranks() {
        let values = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        assert_eq!(by_rank(&values(5)), None);
        // Conover's table: the first and last of six, the sixth and fifteenth of twenty.
        assert_eq!(by_rank(&values(6)), Some([1.0, 6.0]));
        assert_eq!(by_rank(&values(20)), Some([6.0, 15.0]));
        let [low, high] = by_rank(&values(3_000)).unwrap();
        assert!(low > 1_400.0 && high < 1_600.0, "{low} {high}");
    }
}
