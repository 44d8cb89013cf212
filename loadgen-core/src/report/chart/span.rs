//! When faults were on, marked in every chart over time.

use super::{Ink, plot::Plot, svg::Svg};
use crate::model::Nanos;

/// What is marked is never thinner than so many seconds, so that it is seen.
const LEAST: f64 = 0.15;

/// A fault, in seconds from the start of the schedule.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Span {
    /// The fault's name.
    pub name: String,
    pub from: f64,
    /// `None`: it was never mended, or is still on.
    pub to: Option<f64>,
}

impl Span {
    /// Of a fault that began and ended then, in nanoseconds from the start of the schedule; `None` of one that never began.
    pub fn of(name: &str, start: Option<Nanos>, end: Option<Nanos>) -> Option<Self> {
        let from = start?;
        Some(Self {
            name: name.to_owned(),
            from: from as f64 / 1e9,
            to: end.map(|end| end.max(from) as f64 / 1e9),
        })
    }

    /// The part of it that lies within an axis; `None` where none does.
    fn within(&self, (first, last): (f64, f64)) -> Option<(f64, f64)> {
        let from = self.from.max(first);
        let to = self.to.unwrap_or(last).max(self.from + LEAST).min(last);
        (from < to).then_some((from, to))
    }

    /// Whether it was on in these seconds.
    pub(super) fn touches(&self, seconds: &std::ops::Range<usize>) -> bool {
        let to = self.to.unwrap_or(f64::INFINITY).max(self.from + LEAST);
        self.from < seconds.end as f64 && to > seconds.start as f64
    }
}

/// Draws them behind what a plot shows, from its top to its bottom.
pub(super) fn draw(svg: &mut Svg, spans: &[Span], plot: &Plot, (low, high): (f64, f64)) {
    for (from, to) in spans.iter().filter_map(|span| span.within(plot.ends())) {
        svg.area(Ink::Fault, plot.at(from, high), plot.at(to, low));
    }
}

/// What a pointer on these seconds is told of them.
pub(super) fn told(spans: &[Span], seconds: &std::ops::Range<usize>) -> String {
    let on = spans.iter().filter(|span| span.touches(seconds));
    on.map(|span| format!(", inside of {}", span.name))
        .collect()
}

/// What the marks stand for, in a legend; nothing without any.
pub(super) fn key(spans: &[Span]) -> Option<(Ink, String)> {
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    (!names.is_empty()).then(|| {
        (
            Ink::Fault,
            format!("inside of a fault: {}", names.join(", ")),
        )
    })
}
