//! Latencies from run to run.

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Labels, Margins, Plot},
    svg::{self, Side, Svg},
};
use crate::{
    judge::Verdict,
    model::{
        Metric, Nanos,
        numbers::{duration, limit as shown},
    },
    observed::PROMISE,
};

/// The height of the chart, in units.
const HEIGHT: u32 = 460;
/// A sparkline, in units.
const SPARK: (u32, u32) = (320, 84);
/// Half as wide as a mark, in units.
const RADIUS: i32 = 9;

/// One run on the way of a scenario from run to run.
pub(crate) struct Point {
    /// When it was, as short as an axis wants it.
    pub name: String,
    /// When it was, how it ended, of what.
    pub title: String,
    /// Its page, from the index.
    pub page: String,
    /// How it ended.
    pub mark: Mark,
    /// Whether something else was asked than in the run before: no line joins the two.
    pub asks_anew: bool,
    /// Each percentile of what was due.
    pub latencies: Vec<Latency>,
}

/// A percentile of what was due in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Latency {
    /// It, and its interval where that is known.
    Known(Nanos, Option<[Nanos; 2]>),
    /// It is of those that never came: its mark is at the upper edge.
    Never,
    /// Nobody knows.
    TooFew,
}

impl Latency {
    const fn known(self) -> Option<Nanos> {
        match self {
            Latency::Known(latency, _) => Some(latency),
            Latency::Never | Latency::TooFew => None,
        }
    }
}

/// A latency that the runs are held against, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Against {
    pub at: Nanos,
    pub what: String,
}

impl Against {
    /// The limit of the scenario.
    pub(crate) fn limit(at: Nanos) -> Self {
        Self {
            at,
            what: format!("the limit of {}", shown(at)),
        }
    }

    /// What the system promises, whether the scenario asks for it or not.
    pub(crate) fn promise() -> Self {
        Self {
            at: PROMISE,
            what: format!("{}, which the system promises", shown(PROMISE)),
        }
    }
}

/// The shape of a dot, so that it can be told without its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Disc,
    Cross,
    Diamond,
    Ring,
}

impl Mark {
    /// That of a verdict.
    pub(crate) const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Mark::Disc,
            Verdict::Fail => Mark::Cross,
            Verdict::Inconclusive => Mark::Diamond,
            Verdict::Invalid => Mark::Ring,
        }
    }

    fn draw(self, svg: &mut Svg, ink: Ink, (x, y): svg::Point) {
        let r = RADIUS;
        match self {
            Mark::Disc => svg.dot(ink, (x, y), r),
            Mark::Ring => svg.ring(ink, (x, y), r),
            Mark::Cross => {
                svg.line(ink.bar(5), [(x - r, y - r), (x + r, y + r)]);
                svg.line(ink.bar(5), [(x - r, y + r), (x + r, y - r)]);
            }
            Mark::Diamond => svg.line(
                ink.bar(4),
                [(x, y - r), (x + r, y), (x, y + r), (x - r, y), (x, y - r)],
            ),
        }
    }
}

/// The runs in their order, and what they are held against.
pub(crate) fn trend(
    title: &str,
    metric: Metric,
    percentiles: &[f64],
    points: &[Point],
    against: Option<&Against>,
) -> Figure {
    let name = metric.definition().title;
    let named = |p: &f64| match *p {
        50.0 => format!("{name}, median"),
        p => format!("{name}, p{p}"),
    };
    let names: Vec<String> = percentiles.iter().map(named).collect();
    let mut legend: Vec<(Ink, String)> = INKS.into_iter().zip(names.iter().cloned()).collect();
    legend.extend(against.map(|line| (Ink::Limit, line.what.clone())));
    let note = "Each run leads to its page. A disc is a PASS, a cross a FAIL, a diamond INCONCLUSIVE, a ring INVALID, which says nothing about the server. Of the seconds that each verdict rests on, on a logarithmic scale; upright bars are 95 % intervals by the ranks of the seconds, where these are known. A mark at the upper edge is of what never came. No line joins runs between which the scenario was changed.";
    let draw = |svg: &mut Svg, frame: Frame, size| draw(svg, frame, size, &names, points, against);
    figure(title, note, legend, |_| HEIGHT, draw)
}

/// Of the median, and of the percentile that the limit is on.
const INKS: [Ink; 2] = [Ink::Subject, Ink::Baseline];

fn draw(
    svg: &mut Svg,
    frame: Frame,
    size: Size,
    names: &[String],
    points: &[Point],
    against: Option<&Against>,
) {
    let days = points.iter().map(|point| point.name.clone()).collect();
    let x = Axis::row(days, size.across());
    let y = upright(
        against,
        known(points),
        Room::Up(HEIGHT - BENEATH - TEXT as u32),
    );
    let (last, top) = (points.len() as f64, y.ends().1);
    let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y);
    plot.mesh(svg, "when it was measured (UTC)");
    svg.heading(Ink::Muted, Side::Right, (LEFT as i32, 0), "latency");
    if let Some(line) = against {
        let way = [0.0, last].map(|place| plot.at(place, line.at as f64));
        svg.titled(&line.what, |svg| svg.line(Ink::Limit.bar(3), way));
    }
    for (which, (ink, name)) in INKS.into_iter().zip(names).enumerate() {
        let of = |point: &Point| point.latencies.get(which).copied();
        let at = |place: usize, latency: f64| plot.at(place as f64 + 0.5, latency);
        for way in ways(points, of) {
            let way = way.into_iter();
            let way = way.map(|(place, latency)| at(place, latency as f64));
            svg.titled(name, |svg| svg.line(ink.line(3), way));
        }
        for (place, point) in points.iter().enumerate() {
            let (latency, interval, told) = match of(point) {
                Some(Latency::Known(latency, interval)) => {
                    (latency as f64, interval, duration(latency))
                }
                Some(Latency::Never) => (top, None, "never".to_owned()),
                Some(Latency::TooFew) | None => continue,
            };
            let title = format!("{name} {told}: {}", point.title);
            svg.link(&point.page, &title, |svg| {
                if let Some(ends) = interval {
                    svg.line(ink.bar(3), ends.map(|end| at(place, end as f64)));
                }
                point.mark.draw(svg, ink, at(place, latency));
            });
        }
    }
}

/// Runs that a line may join, with their places: it ends where the percentile of a run is not known, and where another question
/// was asked.
fn ways(points: &[Point], of: impl Fn(&Point) -> Option<Latency>) -> Vec<Vec<(usize, Nanos)>> {
    let mut ways: Vec<Vec<(usize, Nanos)>> = vec![Vec::new()];
    for (place, point) in points.iter().enumerate() {
        let known = of(point).and_then(Latency::known);
        if point.asks_anew || known.is_none() {
            ways.push(Vec::new());
        }
        if let (Some(way), Some(latency)) = (ways.last_mut(), known) {
            way.push((place, latency));
        }
    }
    // One by itself is a mark and no line.
    ways.retain(|way| way.len() > 1);
    ways
}

/// All that is known of these runs, with the ends of intervals.
fn known(points: &[Point]) -> impl Iterator<Item = Nanos> {
    let latencies = points.iter().flat_map(|point| &point.latencies);
    latencies.flat_map(|latency| match latency {
        Latency::Known(latency, interval) => {
            let ends = interval.iter().flatten().copied();
            ends.chain([*latency]).collect::<Vec<_>>()
        }
        Latency::Never | Latency::TooFew => Vec::new(),
    })
}

/// An axis with room for what these latencies are held against, and for them.
fn upright(
    against: Option<&Against>,
    mut latencies: impl Iterator<Item = Nanos>,
    room: Room,
) -> Axis {
    let first = against.map(|line| line.at).or_else(|| latencies.next());
    Axis::around(first.unwrap_or(PROMISE), latencies, room)
}

/// The last percentile of each run, as small as a word.
pub(in crate::report) fn spark(points: &[Point], against: Option<&Against>) -> String {
    let of = |point: &Point| point.latencies.last().copied();
    let (width, height) = SPARK;
    let frame = Frame {
        left: 2 * RADIUS,
        top: 2 * RADIUS,
        right: width as i32 - 2 * RADIUS,
        bottom: height as i32 - 2 * RADIUS,
    };
    let x = Axis::plain(0.0, points.len().saturating_sub(1).max(1) as f64);
    let last = points.iter().filter_map(|point| of(point)?.known());
    let y = upright(against, last, Room::Up(height));
    let top = y.ends().1;
    let labels = Labels {
        left: false,
        beneath: false,
    };
    let plot = Plot::new(frame, labels, x, y);
    let mut svg = Svg::new(SPARK, &format!("{} runs", points.len()));
    if let Some(line) = against {
        let ends = plot.ends();
        let way = [ends.0, ends.1].map(|x| plot.at(x, line.at as f64));
        svg.line(Ink::Limit.bar(2), way);
    }
    for way in ways(points, of) {
        let way = way.into_iter();
        let way = way.map(|(place, latency)| plot.at(place as f64, latency as f64));
        svg.line(Ink::Baseline.bar(3), way);
    }
    for (place, point) in points.iter().enumerate() {
        let (latency, told) = match of(point) {
            Some(Latency::Known(latency, _)) => (latency as f64, duration(latency)),
            Some(Latency::Never) => (top, "never".to_owned()),
            Some(Latency::TooFew) | None => continue,
        };
        let at = plot.at(place as f64, latency);
        svg.link(&point.page, &format!("{told}: {}", point.title), |svg| {
            point.mark.draw(svg, Ink::Baseline, at);
        });
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(latencies: &[(Latency, bool)]) -> Vec<Point> {
        let point = |(latency, asks_anew): &(Latency, bool)| Point {
            name: "a day".to_owned(),
            title: "a run".to_owned(),
            page: "a-run.html".to_owned(),
            mark: Mark::Disc,
            asks_anew: *asks_anew,
            latencies: vec![*latency],
        };
        latencies.iter().map(point).collect()
    }

    fn of(point: &Point) -> Option<Latency> {
        point.latencies.first().copied()
    }

    #[test]
    fn a_line_joins_neighbours_only_of_which_the_same_was_asked() {
        let known = |latency| Latency::Known(latency, None);
        let runs = points(&[
            (known(1), false),
            (known(2), false),
            (Latency::Never, false),
            (known(3), false),
            (known(4), false),
            (known(5), true),
            (known(6), false),
            (known(7), true),
        ]);
        let joined = ways(&runs, of);
        assert_eq!(
            joined,
            [
                vec![(0, 1), (1, 2)],
                vec![(3, 3), (4, 4)],
                vec![(5, 5), (6, 6)]
            ]
        );
    }

    #[test]
    fn what_never_came_has_a_mark_and_nothing_known_needs_no_line() {
        let runs = points(&[(Latency::Never, false), (Latency::TooFew, false)]);
        let drawn = trend("From run to run", Metric::Delivery, &[99.0], &runs, None);
        let svg = &drawn.wide;
        assert_eq!(svg.matches("<a ").count(), 1, "{svg}");
        assert!(svg.contains("never: a run"), "{svg}");
        assert!(!svg.contains("limit"), "{svg}");
    }
}
