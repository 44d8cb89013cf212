//! Numbers of a run as they might have been, had its seconds been others of their kind.

use std::collections::BTreeSet;

use crate::{
    judge::{bootstrap, statistic},
    model::{HistogramError, Nanos, histogram},
    observed::PROMISE,
    result::WindowResult,
};

/// Resamples: enough for a stable second digit of the 2.5 % tails.
const RESAMPLES: usize = 2_000;
/// Fewer seconds than these say little about how seconds vary.
pub(super) const FEWEST: usize = 10;
/// The floor is only as long as it must be; its seconds vary less.
pub(super) const FEWEST_OF_A_FLOOR: usize = 4;

/// A number of all deliveries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    /// 0 to 100.
    Percentile(f64),
    Mean,
    /// The share at or under a limit.
    Within(Nanos),
}

/// The seconds of a run.
#[derive(Debug)]
pub(super) struct Windows {
    /// All latencies that occur, ascending.
    values: Vec<u64>,
    /// Of each second: which of the values, how often.
    seconds: Vec<Vec<(u32, u64)>>,
    /// Of each second: deliveries, and how many of them were over the promise, counted exactly.
    counts: Vec<(u64, u64)>,
    /// Deliveries that came in no second.
    lost: u64,
}

/// A statistic of each resample.
#[derive(Debug, Clone)]
pub(super) struct Draws(Vec<f64>);

impl Draws {
    /// This and another, resample by resample.
    pub(super) fn related(&self, other: &Draws, relate: fn(f64, f64) -> f64) -> Draws {
        let pairs = self.0.iter().zip(&other.0);
        Draws(pairs.map(|(one, other)| relate(*one, *other)).collect())
    }
}

/// The 95 % interval of a relation between two runs.
pub(super) fn interval(one: &Draws, other: &Draws, relate: fn(f64, f64) -> f64) -> (f64, f64) {
    bootstrap::ends(one.related(other, relate).0)
}

impl Windows {
    pub(super) fn of(windows: &[WindowResult], lost: u64) -> Result<Self, HistogramError> {
        let histograms = windows
            .iter()
            .map(|window| histogram::decode(&window.histogram))
            .collect::<Result<Vec<_>, _>>()?;
        let values: BTreeSet<u64> = histograms
            .iter()
            .flat_map(|histogram| histogram.iter_recorded())
            .map(|recorded| recorded.value_iterated_to())
            .collect();
        let values: Vec<u64> = values.into_iter().collect();
        let place = |value| values.partition_point(|known| *known < value) as u32;
        let seconds = histograms
            .iter()
            .map(|histogram| {
                histogram
                    .iter_recorded()
                    .map(|recorded| {
                        (
                            place(recorded.value_iterated_to()),
                            recorded.count_at_value(),
                        )
                    })
                    .collect()
            })
            .collect();
        Ok(Self {
            values,
            seconds,
            counts: windows.iter().map(|w| (w.deliveries, w.over)).collect(),
            lost,
        })
    }

    /// The share of deliveries within a limit; lost ones are over it.
    pub(super) fn within(&self, limit: Nanos) -> Option<f64> {
        let once: Vec<usize> = (0..self.counts.len()).collect();
        (!once.is_empty()).then(|| self.share(&once, limit))
    }

    /// Statistics of many runs whose seconds were drawn from this one's; `None` with fewer of them than `fewest`.
    pub(super) fn draws(
        &self,
        statistics: &[Statistic],
        stream: u64,
        fewest: usize,
    ) -> Option<Vec<Draws>> {
        // Without histograms there is nothing to draw from.
        if self.seconds.len() < fewest || self.values.is_empty() {
            return None;
        }
        // The same seconds for every statistic, so that a ratio of two of them is one of the same run.
        let mut counts = vec![0; self.values.len()];
        let mut draws = vec![Draws(Vec::with_capacity(RESAMPLES)); statistics.len()];
        bootstrap::resample(self.seconds.len(), RESAMPLES, stream, |drawn| {
            let n = self.count(drawn, &mut counts);
            for (statistic, draws) in statistics.iter().zip(&mut draws) {
                draws.0.push(match *statistic {
                    Statistic::Percentile(p) => self.percentile(&counts, n, p),
                    Statistic::Mean => self.mean(drawn),
                    Statistic::Within(limit) => self.share(drawn, limit),
                });
            }
        });
        Some(draws)
    }

    /// How often each value is there in the drawn seconds, and how many there are in all.
    fn count(&self, drawn: &[usize], counts: &mut [u64]) -> u64 {
        counts.fill(0);
        let mut n = 0;
        for &second in drawn {
            for &(value, count) in &self.seconds[second] {
                counts[value as usize] += count;
                n += count;
            }
        }
        n
    }

    fn percentile(&self, counts: &[u64], n: u64, percentile: f64) -> f64 {
        let rank = ((n as f64 * (percentile / 100.0).next_down()).ceil() as u64).max(1);
        let mut seen = 0;
        let place = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        place.map_or(0.0, |place| self.values[place] as f64)
    }

    fn mean(&self, drawn: &[usize]) -> f64 {
        let cells = drawn.iter().flat_map(|&second| &self.seconds[second]);
        let (sum, n) = cells.fold((0.0, 0), |(sum, n), &(value, count)| {
            (
                sum + self.values[value as usize] as f64 * count as f64,
                n + count,
            )
        });
        sum / n.max(1) as f64
    }

    fn share(&self, drawn: &[usize], limit: Nanos) -> f64 {
        let (mut within, mut n) = (0, 0);
        for &second in drawn {
            let (deliveries, over) = self.counts[second];
            n += deliveries;
            within += if limit == PROMISE {
                deliveries - over.min(deliveries)
            } else {
                let cells = self.seconds[second].iter();
                cells
                    .filter(|(value, _)| self.values[*value as usize] <= limit)
                    .map(|(_, count)| count)
                    .sum()
            };
        }
        statistic::share(within, (n + self.lost).max(1))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::model::histogram;

    fn window(latencies: impl IntoIterator<Item = u64>) -> WindowResult {
        let mut histogram = histogram::empty();
        for latency in latencies {
            histogram.saturating_record(latency);
        }
        WindowResult {
            second: 0,
            deliveries: histogram.len(),
            over: 0,
            lost: Some(0),
            p50: None,
            p99: None,
            max: None,
            scheduled: 0,
            sent: 0,
            lateness_max: None,
            hiccup_max: None,
            machine: None,
            histogram: histogram::encode(&histogram),
        }
    }

    #[test]
    fn equal_seconds_leave_no_doubt() {
        let windows = Windows::of(&vec![window(1..=1_000); 12], 0).unwrap();
        let statistics = [Statistic::Percentile(99.0)];
        let draws = windows.draws(&statistics, 0, FEWEST).unwrap().remove(0);
        assert_eq!(interval(&draws, &draws, |a, b| b / a), (1.0, 1.0));
        assert_eq!(draws.0[0], 990.0);
    }

    #[test]
    fn few_seconds_have_no_interval() {
        let windows = Windows::of(&vec![window(1..=1_000); 9], 0).unwrap();
        assert!(windows.draws(&[Statistic::Mean], 0, FEWEST).is_none());
    }

    #[test]
    fn what_was_lost_is_over_the_limit() {
        let windows = Windows::of(&vec![window(1..=100); 10], 1_000).unwrap();
        assert_eq!(windows.within(PROMISE), Some(0.5));
    }

    /// Two runs of the same thing, whose seconds vary together: a 95 % interval of their ratio leaves out 1 about five
    /// times in a hundred, where one that took deliveries as independent would do so most of the time.
    #[test]
    fn two_runs_of_the_same_differ_as_seldom_as_the_interval_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut run = |stream| {
            let windows: Vec<WindowResult> = (0..40)
                .map(|_| {
                    let slow = 1.0 + rng.random::<f64>();
                    let base = (100_000.0 * slow) as u64;
                    window((0..20).map(|step| base + step * base / 20))
                })
                .collect();
            let windows = Windows::of(&windows, 0).unwrap();
            let statistics = [Statistic::Percentile(50.0)];
            let draws = windows.draws(&statistics, stream, FEWEST);
            draws.unwrap().remove(0)
        };
        let pairs = 60;
        let covered = (0..pairs)
            .filter(|_| {
                let (low, high) = interval(&run(0), &run(1), |a, b| b / a);
                low <= 1.0 && 1.0 <= high
            })
            .count();
        assert!((52..=60).contains(&covered), "{covered} of {pairs}");
    }
}
