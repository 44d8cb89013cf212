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
    /// Each percentile of what was due, with its interval; `None` with too few samples, and of what never came.
    pub latencies: Vec<(Option<Nanos>, Option<[Nanos; 2]>)>,
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

/// The runs in their order; `limit` is drawn as a line.
pub(crate) fn trend(
    title: &str,
    metric: Metric,
    percentiles: &[f64],
    points: &[Point],
    limit: Nanos,
) -> Figure {
    let name = metric.definition().title;
    let named = |p: &f64| match *p {
        50.0 => format!("{name}, median"),
        p => format!("{name}, p{p}"),
    };
    let names: Vec<String> = percentiles.iter().map(named).collect();
    let mut legend: Vec<(Ink, String)> = INKS.into_iter().zip(names.iter().cloned()).collect();
    legend.push((Ink::Limit, format!("the limit of {}", shown(limit))));
    let note = "Each run leads to its page. A disc is a PASS, a cross a FAIL, a diamond INCONCLUSIVE, a ring INVALID, which says nothing about the server. Of the seconds that each verdict rests on, on a logarithmic scale; upright bars are 95 % intervals by the ranks of the seconds, where these are known.";
    let draw = |svg: &mut Svg, frame: Frame, size| draw(svg, frame, size, &names, points, limit);
    figure(title, note, legend, |_| HEIGHT, draw)
}

/// Of the median, and of the percentile that the limit is on.
const INKS: [Ink; 2] = [Ink::Subject, Ink::Baseline];

fn draw(svg: &mut Svg, frame: Frame, size: Size, names: &[String], points: &[Point], limit: Nanos) {
    let days = points.iter().map(|point| point.name.clone()).collect();
    let x = Axis::row(days, size.across());
    let y = Axis::around(
        limit,
        known(points),
        Room::Up(HEIGHT - BENEATH - TEXT as u32),
    );
    let last = points.len() as f64;
    let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y);
    plot.mesh(svg, "when it was measured (UTC)");
    svg.heading(Ink::Muted, Side::Right, (LEFT as i32, 0), "latency");
    let line = [0.0, last].map(|place| plot.at(place, limit as f64));
    svg.titled(&format!("the limit of {}", shown(limit)), |svg| {
        svg.line(Ink::Limit.bar(3), line);
    });
    for (which, (ink, name)) in INKS.into_iter().zip(names).enumerate() {
        let at = |(place, point): (usize, &Point)| {
            let latency = point.latencies.get(which)?.0?;
            Some(plot.at(place as f64 + 0.5, latency as f64))
        };
        let way = points.iter().enumerate().filter_map(at);
        svg.titled(name, |svg| svg.line(ink.line(3), way));
        for (place, point) in points.iter().enumerate() {
            let Some((Some(latency), interval)) = point.latencies.get(which).copied() else {
                continue;
            };
            let place = place as f64 + 0.5;
            let title = format!("{name} {}: {}", duration(latency), point.title);
            svg.link(&point.page, &title, |svg| {
                if let Some(ends) = interval {
                    svg.line(ink.bar(3), ends.map(|end| plot.at(place, end as f64)));
                }
                point.mark.draw(svg, ink, plot.at(place, latency as f64));
            });
        }
    }
}

fn known(points: &[Point]) -> impl Iterator<Item = Nanos> {
    let latencies = points.iter().flat_map(|point| &point.latencies);
    latencies.flat_map(|(latency, interval)| {
        let ends = interval.iter().flatten().copied();
        latency.iter().copied().chain(ends).collect::<Vec<_>>()
    })
}

/// The last percentile of each run, as small as a word.
pub(in crate::report) fn spark(points: &[Point], limit: Nanos) -> String {
    let of = |point: &Point| point.latencies.last().and_then(|latency| latency.0);
    let (width, height) = SPARK;
    let frame = Frame {
        left: 2 * RADIUS,
        top: 2 * RADIUS,
        right: width as i32 - 2 * RADIUS,
        bottom: height as i32 - 2 * RADIUS,
    };
    let x = Axis::plain(0.0, points.len().saturating_sub(1).max(1) as f64);
    let y = Axis::around(limit, points.iter().filter_map(of), Room::Up(height));
    let labels = Labels {
        left: false,
        beneath: false,
    };
    let plot = Plot::new(frame, labels, x, y);
    let mut svg = Svg::new(SPARK, &format!("{} runs", points.len()));
    let ends = plot.ends();
    svg.line(
        Ink::Limit.bar(2),
        [ends.0, ends.1].map(|x| plot.at(x, limit as f64)),
    );
    let at = |(place, point): (usize, &Point)| Some(plot.at(place as f64, of(point)? as f64));
    let way: Vec<_> = points.iter().enumerate().filter_map(at).collect();
    svg.line(Ink::Baseline.bar(3), way);
    for (place, point) in points.iter().enumerate() {
        if let Some(latency) = of(point) {
            let at = plot.at(place as f64, latency as f64);
            svg.link(
                &point.page,
                &format!("{}: {}", duration(latency), point.title),
                |svg| {
                    point.mark.draw(svg, Ink::Baseline, at);
                },
            );
        }
    }
    svg.finish()
}
