//! Latencies from run to run.

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Labels, Margins, Plot},
    svg::{Side, Svg},
};
use crate::model::{Nanos, numbers::limit as shown};

/// The height of the chart, in units.
const HEIGHT: u32 = 460;

/// One run on the way of a scenario from run to run.
pub(in crate::report) struct Point {
    /// What it is called on the axis.
    pub name: String,
    /// Median and p99 of what was due; `None` with too few samples, and of what never came.
    pub latencies: [Option<Nanos>; 2],
}

/// The runs in their order; `limit` is drawn as a line.
pub(crate) fn trend(title: &str, points: &[Point], limit: Nanos) -> Figure {
    let legend = vec![
        (Ink::Subject, "delivery latency, p50".to_owned()),
        (Ink::Baseline, "delivery latency, p99".to_owned()),
        (Ink::Limit, format!("the promise of {}", shown(limit))),
    ];
    let note = "Of the seconds that each verdict rests on, on a logarithmic scale.";
    let draw = |svg: &mut Svg, frame: Frame, size| draw(svg, frame, size, points, limit);
    figure(title, note, legend, |_| HEIGHT, draw)
}

fn draw(svg: &mut Svg, frame: Frame, size: Size, points: &[Point], limit: Nanos) {
    let names = points.iter().map(|point| point.name.clone()).collect();
    let x = Axis::row(names, size.across());
    let known = points.iter().flat_map(|point| point.latencies).flatten();
    let y = Axis::around(limit, known, Room::Up(HEIGHT - BENEATH - TEXT as u32));
    let last = points.len() as f64;
    let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y);
    plot.mesh(svg, "run, by the version that was measured");
    svg.heading(Ink::Muted, Side::Right, (LEFT as i32, 0), "latency");
    let line = [0.0, last].map(|place| plot.at(place, limit as f64));
    svg.line(Ink::Limit.bar(3), line);
    for (which, ink) in [Ink::Subject, Ink::Baseline].into_iter().enumerate() {
        let at = |(place, point): (usize, &Point)| {
            Some(plot.at(place as f64 + 0.5, point.latencies[which]? as f64))
        };
        let at: Vec<_> = points.iter().enumerate().filter_map(at).collect();
        svg.line(ink.line(4), at.iter().copied());
        for at in at {
            svg.dot(ink, at, 8);
        }
    }
}
