//! The axes of all charts: where a value goes, which values are labelled, and with which unit.

use std::iter;

use super::{TEXT, text_width};
use crate::model::{
    Nanos,
    numbers::{count, limit},
};

/// No axis is longer, whatever is to be drawn.
const LARGEST: f64 = 1e300;

/// How far apart values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// As far as they differ.
    Linear,
    /// As far as their logarithms differ: latencies.
    Logarithmic,
    /// Each further nine of a share as far as the one before: 90 %, 99 %, 99.9 %.
    Nines,
}

/// How long an axis is, in units, and so which labels fit beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// From left to right.
    Across(u32),
    /// From the bottom up.
    Up(u32),
}

impl Room {
    const fn length(self) -> i32 {
        match self {
            Room::Across(length) | Room::Up(length) => length as i32,
        }
    }

    /// How far apart the middles of two labels must be.
    fn apart(self, one: &str, other: &str) -> i32 {
        match self {
            Room::Across(_) => (text_width(one) + text_width(other)) / 2 + TEXT / 2,
            Room::Up(_) => TEXT * 5 / 4,
        }
    }
}

/// The values between two ends, how far apart they lie, and which of them are labelled.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Room for a limit and all these latencies, in nanoseconds.
    pub(super) fn around(
        limit: Nanos,
        latencies: impl IntoIterator<Item = Nanos>,
        room: Room,
    ) -> Self {
        let (low, high) = latencies
            .into_iter()
            .fold((limit, limit), |(low, high), latency| {
                (low.min(latency), high.max(latency))
            });
        Self::latency(low, high, room)
    }

    /// Latencies from the one to the other, in nanoseconds, with whole labelled steps around them.
    fn latency(low: Nanos, high: Nanos, room: Room) -> Self {
        let low = (low.max(1_000) as f64 * 0.9).max(1_000.0);
        let high = (high as f64 * 1.1).max(low * 10.0);
        let with = |steps| Self {
            scale: Scale::Logarithmic,
            low,
            high,
            ticks: latencies(low, high, steps),
        };
        // From all of 1, 2, 5 in each decade to one of each decade, until they fit.
        [&[1.0, 2.0, 5.0][..], &[1.0, 5.0]]
            .into_iter()
            .map(with)
            .find(|axis| axis.thinned(room).ticks.len() == axis.ticks.len())
            .unwrap_or_else(|| with(&[1.0]).thinned(room))
    }

    /// Without the labels that would lie on top of the one before.
    fn thinned(&self, room: Room) -> Self {
        let mut ticks = self.ticks.clone();
        let at = |value: f64| self.place(value, (0, room.length()));
        ticks.dedup_by(|next, last| at(next.0) - at(last.0) < room.apart(&last.1, &next.1));
        Self { ticks, ..*self }
    }

    /// Shares up to the last that `n` samples can tell of.
    pub(super) fn nines(n: u64, room: Room) -> Self {
        let most = (n.max(10) as f64).log10().max(1.0);
        let label = |nines: usize| match nines {
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            more => format!("99.{} %", "9".repeat(more - 2)),
        };
        let mut ticks = vec![(0.0, "0 %".to_owned()), (0.5, "50 %".to_owned())];
        ticks.extend(
            (1..=most as usize).map(|nines| (1.0 - 10f64.powi(-(nines as i32)), label(nines))),
        );
        Self {
            scale: Scale::Nines,
            low: 0.0,
            high: 1.0 - 10f64.powf(-most),
            ticks,
        }
        .thinned(room)
    }

    /// Seconds of the schedule.
    pub(super) fn seconds(first: f64, last: f64, room: Room) -> Self {
        const STEPS: [f64; 12] = [
            1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0,
        ];
        let span = last - first;
        let labels = (room.length() / room.apart("600 min", "600 min")).max(1);
        let step = STEPS
            .into_iter()
            .find(|step| span / step <= f64::from(labels))
            .unwrap_or(span / f64::from(labels));
        let label = |at: f64| match step {
            minutes if minutes >= 60.0 => format!("{:.0} min", at / 60.0),
            _ => format!("{at:.0} s"),
        };
        let ticks = multiples(step, first, last, label);
        Self::linear(first, last.max(first + 1.0), ticks)
    }

    /// Rates per second from the one to the other, as far apart as their logarithms differ.
    pub(super) fn rates(low: f64, high: f64, room: Room) -> Self {
        // Of what is no rate there are no decades.
        let (low, high) = (drawn(low, 1e-9), drawn(high, 1e-9));
        let (low, high) = (low * 0.9, (high * 1.1).max(low * 2.0));
        let label = |rate: f64| match rate {
            small if small < 1.0 => format!("{small}/s"),
            rate => format!("{}/s", count(rate.round() as u64)),
        };
        let few: Vec<f64> = round(low, high, &[1.0, 2.0, 5.0]).collect();
        let ticks = match few.len() {
            0..3 => round(low, high, &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]).collect(),
            _ => few,
        };
        Self {
            scale: Scale::Logarithmic,
            low,
            high,
            ticks: ticks.into_iter().map(|rate| (rate, label(rate))).collect(),
        }
        .thinned(room)
    }

    /// From zero to a bit more than the largest, with a few round steps.
    pub(super) fn from_zero(most: f64, show: impl Fn(f64) -> String) -> Self {
        let most = drawn(most, 0.0);
        let step = round_step(most / 4.0);
        let high = (most * 1.08).max(step);
        Self::linear(0.0, high, distinct(step, 0.0, high, show))
    }

    /// Percentages above and beneath zero, with a few round steps.
    pub(super) fn percents(low: f64, high: f64) -> Self {
        let (low, high) = (drawn(low, -LARGEST), drawn(high, -LARGEST));
        let high = high.max(low + 1.0);
        let step = round_step((high - low) / 5.0);
        let label = |percent: f64| match &*format!("{percent:+.0} %") {
            "+0 %" | "-0 %" => "0 %".to_owned(),
            some => some.to_owned(),
        };
        Self::linear(low, high, distinct(step, low, high, label))
    }

    /// Room for "no difference" and all these ratios.
    pub(super) fn ratios(ratios: impl IntoIterator<Item = f64>, room: Room) -> Self {
        const STEPS: [f64; 13] = [
            0.01, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0, 1.1, 1.25, 2.0, 5.0, 10.0, 100.0,
        ];
        let (low, high) = ratios
            .into_iter()
            .fold((0.9, 1.1), |(low, high): (f64, f64), ratio| {
                (low.min(ratio), high.max(ratio))
            });
        let (low, high) = (low.max(1e-3) / 1.02, high.min(1e3) * 1.02);
        let within = STEPS.into_iter().filter(|step| (low..=high).contains(step));
        let label = |step: f64| match step {
            1.0 => "as before".to_owned(),
            step => format!("× {step}"),
        };
        Self {
            scale: Scale::Logarithmic,
            low,
            high,
            ticks: within.map(|step| (step, label(step))).collect(),
        }
        .thinned(room)
    }

    /// Things in a row, each with its name as far as these fit.
    pub(super) fn row(names: Vec<String>, room: Room) -> Self {
        let high = names.len().max(1) as f64;
        let named = names.into_iter().enumerate();
        let middles = named.map(|(place, name)| (place as f64 + 0.5, name));
        Self::linear(0.0, high, middles.collect()).thinned(room)
    }

    /// From the one to the other, without labels.
    pub(super) fn plain(low: f64, high: f64) -> Self {
        Self::linear(low, high, Vec::new())
    }

    fn linear(low: f64, high: f64, ticks: Vec<(f64, String)>) -> Self {
        Self {
            scale: Scale::Linear,
            low,
            high,
            ticks,
        }
    }

    /// The smallest and the largest value.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The values that are labelled, with their labels.
    pub(super) fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }

    /// Where a value goes on the way from one place to another; what lies beyond an end stays at it.
    pub(super) fn place(&self, value: f64, (from, to): (i32, i32)) -> i32 {
        let (low, high) = (self.scaled(self.low), self.scaled(self.high));
        let part = (self.scaled(value) - low) / (high - low);
        from + (f64::from(to - from) * part).round() as i32
    }

    fn scaled(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.ln(),
            Scale::Nines => -(1.0 - value).log10(),
        }
    }
}

/// A value that an axis can have: not less than that, and finite. What is no number is as little as can be.
fn drawn(value: f64, least: f64) -> f64 {
    match value > least {
        true => value.min(LARGEST),
        false => least,
    }
}

/// The multiples of a step between two ends, labelled.
fn multiples(step: f64, low: f64, high: f64, label: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    let places = (low / step).ceil() as i64..=(high / step).floor() as i64;
    let values = places.map(|place| place as f64 * step);
    values.map(|value| (value, label(value))).collect()
}

/// The same of the first step, from this one up, that gives each of them a label of its own: whole numbers have none for a half.
fn distinct(step: f64, low: f64, high: f64, label: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    let steps = iter::successors(Some(step), |step| Some(round_step(1.5 * step)));
    let mut all = steps.map(|step| multiples(step, low, high, &label));
    let are_distinct = |ticks: &Vec<(f64, String)>| {
        let mut pairs = ticks.windows(2);
        pairs.all(|pair| pair[0].1 != pair[1].1)
    };
    all.find(are_distinct).unwrap_or_default()
}

fn latencies(low: f64, high: f64, steps: &[f64]) -> Vec<(f64, String)> {
    round(low, high, steps)
        .map(|value| (value, limit(value.round() as Nanos)))
        .collect()
}

/// The values between two ends that are one of the steps in a decade.
fn round(low: f64, high: f64, steps: &[f64]) -> impl Iterator<Item = f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    decades
        .flat_map(move |decade| steps.iter().map(move |step| step * 10f64.powi(decade)))
        .filter(move |value| (low..=high).contains(value))
}

/// 1, 2 or 5 times a power of ten, at least as large.
fn round_step(step: f64) -> f64 {
    if step <= 0.0 || !step.is_finite() {
        return 1.0;
    }
    let decade = 10f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * decade >= step);
    factor.unwrap_or(10.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn every_label_has_its_unit() {
        assert_eq!(
            labels(&Axis::latency(150_000, 7_800_000, Room::Up(600))),
            ["200 µs", "500 µs", "1 ms", "2 ms", "5 ms"]
        );
        assert_eq!(
            labels(&Axis::latency(8_000, 900_000_000, Room::Across(700))),
            ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms"]
        );
        assert_eq!(
            labels(&Axis::nines(13_000, Room::Across(1_500))),
            ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]
        );
        assert_eq!(
            labels(&Axis::seconds(3.0, 25.0, Room::Across(1_500))),
            [
                "4 s", "6 s", "8 s", "10 s", "12 s", "14 s", "16 s", "18 s", "20 s", "22 s", "24 s"
            ]
        );
        assert_eq!(
            labels(&Axis::seconds(0.0, 600.0, Room::Across(700))),
            ["0 min", "2 min", "4 min", "6 min", "8 min", "10 min"]
        );
        assert_eq!(
            labels(&Axis::from_zero(640.0, |rate| format!("{rate:.0}/s"))),
            ["0/s", "200/s", "400/s", "600/s"]
        );
        assert_eq!(
            labels(&Axis::rates(80.0, 11_000.0, Room::Across(1_500))),
            [
                "100/s", "200/s", "500/s", "1,000/s", "2,000/s", "5,000/s", "10,000/s"
            ]
        );
        assert_eq!(
            labels(&Axis::rates(210.0, 400.0, Room::Across(1_500))),
            ["200/s", "300/s", "400/s"]
        );
        assert_eq!(
            labels(&Axis::percents(-12.0, 33.0)),
            ["-10 %", "0 %", "+10 %", "+20 %", "+30 %"]
        );
    }

    /// Where values are few, half a step has no name of its own among whole numbers.
    #[test]
    fn no_two_labels_beside_each_other_are_the_same() {
        let rate = |rate: f64| format!("{}/s", count(rate as u64));
        assert_eq!(labels(&Axis::from_zero(1.0, rate)), ["0/s", "1/s"]);
        assert_eq!(labels(&Axis::from_zero(2.0, rate)), ["0/s", "1/s", "2/s"]);
        assert_eq!(labels(&Axis::from_zero(0.0, rate)), ["0/s", "1/s"]);
        assert_eq!(labels(&Axis::percents(-0.6, 1.2)), ["0 %", "+1 %"]);
    }

    #[test]
    fn what_is_no_number_has_an_axis_with_ends_and_a_few_labels() {
        let show = |value: f64| format!("{value:e}");
        let odd = [
            0.0,
            -1.0,
            1e-300,
            1e300,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        for value in odd {
            let mut all = vec![Axis::from_zero(value, show)];
            for other in odd {
                all.push(Axis::percents(value, other));
                all.push(Axis::rates(value, other, Room::Up(700)));
            }
            for axis in all {
                let (low, high) = axis.ends();
                assert!(low.is_finite() && high.is_finite(), "{axis:?}");
                assert!(axis.ticks().len() < 40, "{axis:?}");
                axis.place(value, (0, 700));
            }
        }
    }

    #[test]
    fn labels_that_do_not_fit_are_left_out() {
        assert_eq!(
            labels(&Axis::nines(13_000, Room::Across(520))),
            ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]
        );
        let narrow = Axis::latency(1_000, 3_600_000_000_000, Room::Across(400));
        assert!((2..6).contains(&narrow.ticks.len()), "{narrow:?}");
    }

    #[test]
    fn each_nine_is_as_far_as_the_one_before() {
        let axis = Axis::nines(10_000, Room::Across(1_500));
        let at = |share| axis.place(share, (0, 400));
        assert_eq!([at(0.0), at(0.9), at(0.99), at(0.999)], [0, 100, 200, 300]);
        // What lies beyond stays at the edge.
        assert_eq!(at(1.0), 400);
    }

    #[test]
    fn latencies_are_mapped_by_their_logarithm() {
        let axis = Axis::latency(100_000, 10_000_000, Room::Up(700));
        let (low, high) = axis.ends();
        assert_eq!(axis.place(low, (0, 1_000)), 0);
        assert_eq!(axis.place(high, (0, 1_000)), 1_000);
        assert_eq!(axis.place((low * high).sqrt(), (0, 1_000)), 500);
    }
}
