//! What the plan draws at random: conversations by popularity, sizes of bodies, times out of ranges.

use rand::{
    Rng, RngExt,
    distr::{Distribution, weighted::WeightedIndex},
};
use rand_distr::LogNormal;

use crate::{
    model::{Nanos, body, nanos},
    scenario::{Range, Size, Sizes, Span},
};

/// The 99th percentile of a normal distribution lies so many standard deviations above its median.
const P99_DEVIATIONS: f64 = 2.326_347_874;

/// Zipf's law over conversations: the k-th is chosen with a weight of 1 / k^exponent.
pub(super) enum Popularity {
    Even(usize),
    Zipf(WeightedIndex<f64>),
}

impl Popularity {
    pub(super) fn new(exponent: f64, count: usize) -> Self {
        let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
        match WeightedIndex::new(weights) {
            Ok(weighted) if exponent != 0.0 => Popularity::Zipf(weighted),
            _ => Popularity::Even(count),
        }
    }

    pub(super) fn draw(&self, rng: &mut impl Rng) -> usize {
        match self {
            Popularity::Even(count) => rng.random_range(0..*count),
            Popularity::Zipf(weighted) => weighted.sample(rng),
        }
    }
}

/// A time out of a range, evenly.
pub(super) fn time(range: Range<Span>, rng: &mut impl Rng) -> Nanos {
    rng.random_range(nanos(range.low.0)..=nanos(range.high.0))
}

/// How long bodies are, ready to be drawn.
pub(super) enum BodySizes {
    Range(Range<Size>),
    LogNormal(LogNormal<f64>),
    Weighted(WeightedIndex<f64>, Vec<Range<Size>>),
}

impl BodySizes {
    pub(super) fn new(sizes: &Sizes) -> Self {
        let shortest = Range::fixed(Size(body::LEAST_BYTES as u32));
        match sizes {
            Sizes::Range(range) => BodySizes::Range(*range),
            Sizes::LogNormal { median, p99 } => {
                let mean = f64::from(median.0).ln();
                let deviation = (f64::from(p99.0).ln() - mean) / P99_DEVIATIONS;
                // Only a scenario that nobody checked has sizes without a distribution.
                LogNormal::new(mean, deviation)
                    .map_or(BodySizes::Range(shortest), BodySizes::LogNormal)
            }
            Sizes::Weighted(ranges) => {
                let weights = ranges.iter().map(|(_, weight)| weight);
                WeightedIndex::new(weights).map_or(BodySizes::Range(shortest), |weighted| {
                    let ranges = ranges.iter().map(|(range, _)| *range).collect();
                    BodySizes::Weighted(weighted, ranges)
                })
            }
        }
    }

    pub(super) fn draw(&self, rng: &mut impl Rng) -> u32 {
        match self {
            BodySizes::Range(range) => rng.random_range(range.low.0..=range.high.0),
            BodySizes::LogNormal(lengths) => {
                let bytes = lengths.sample(rng).round() as u32;
                bytes.clamp(body::LEAST_BYTES as u32, body::MOST_BYTES as u32)
            }
            BodySizes::Weighted(weighted, ranges) => {
                let range = ranges[weighted.sample(rng)];
                rng.random_range(range.low.0..=range.high.0)
            }
        }
    }
}
