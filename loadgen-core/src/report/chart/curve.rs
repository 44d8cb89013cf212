//! Numbers over the rate: the response-throughput curve, of one system or of several over each other.

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Labels, Margins, Plot},
    svg::{Side, Svg},
};
use crate::model::{
    Nanos,
    numbers::{count, limit as shown},
};

/// The height of the chart, in units.
const HEIGHT: u32 = 560;

/// A line over the rate.
pub(crate) struct Curve {
    /// What it stands for.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Its width, in units.
    pub width: u32,
    /// Messages per second, and the number there, the lowest rate first.
    pub points: Vec<(f64, f64)>,
}

/// Latencies in nanoseconds on a logarithmic scale, with limits as lines.
pub(crate) fn latencies(title: &str, note: &str, curves: &[Curve], limits: &[Nanos]) -> Figure {
    let y = |curves: &[Curve]| {
        let all = curves.iter().flat_map(|curve| &curve.points);
        let all = all.map(|point| point.1 as Nanos);
        let lowest = limits.iter().copied().min().unwrap_or(1_000_000);
        let limits = limits.iter().copied();
        Axis::around(lowest, all.chain(limits), Room::Up(HEIGHT - BENEATH))
    };
    let names = limits.iter().map(|limit| shown(*limit));
    let names = names.collect::<Vec<_>>().join(", ");
    let of_limits = (!limits.is_empty()).then(|| (Ink::Limit, format!("limits: {names}")));
    chart(title, note, curves, of_limits, limits, "latency", y)
}

/// Numbers on a linear scale, from zero; `show` gives them their unit.
pub(crate) fn numbers(
    (title, note, what): (&str, &str, &str),
    curves: &[Curve],
    show: fn(f64) -> String,
) -> Figure {
    let y = |curves: &[Curve]| {
        let all = curves.iter().flat_map(|curve| &curve.points);
        Axis::from_zero(all.map(|point| point.1).fold(0.0, f64::max), show)
    };
    chart(title, note, curves, None, &[], what, y)
}

fn chart(
    title: &str,
    note: &str,
    curves: &[Curve],
    further: Option<(Ink, String)>,
    limits: &[Nanos],
    what: &str,
    y: impl Fn(&[Curve]) -> Axis,
) -> Figure {
    let legend = curves.iter().map(|curve| (curve.ink, curve.name.clone()));
    let legend = legend.chain(further).collect();
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let most = points().map(|point| point.0).fold(0.0, f64::max);
    let draw = |svg: &mut Svg, frame: Frame, _: Size| {
        let x = Axis::from_zero(most, |rate| format!("{}/s", count(rate.round() as u64)));
        let right = x.ends().1;
        let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y(curves));
        plot.mesh(svg, "messages sent per second");
        svg.heading(Ink::Muted, Side::Left, (LEFT as i32, TEXT / 8), what);
        for &limit in limits {
            let line = [0.0, right].map(|rate| plot.at(rate, limit as f64));
            svg.line(Ink::Limit.bar(2), line);
        }
        for curve in curves {
            let at = curve
                .points
                .iter()
                .map(|&(rate, number)| plot.at(rate, number));
            let at: Vec<_> = at.collect();
            svg.line(curve.ink.line(curve.width), at.iter().copied());
            for at in at {
                svg.dot(curve.ink, at, 7);
            }
        }
    };
    figure(title, note, legend, |_| HEIGHT, draw)
}
