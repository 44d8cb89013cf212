//! The percentile spectrum: how long all but a few deliveries took, each further nine as wide as the one before.

use hdrhistogram::Histogram;

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Labels, Margins, Plot},
    svg::{Edge, Side, Svg},
    text_width,
};
use crate::model::{
    Metric, Nanos,
    metric::Definition,
    numbers::{count, limit as shown},
    percentile::BEYOND,
};

/// The height of the chart, in units.
const HEIGHT: u32 = 720;
/// Points of a curve between two nines: more than can be told apart.
const POINTS_PER_NINE: f64 = 48.0;

/// One curve: the latencies of one metric of one run.
pub(crate) struct Series {
    /// What it is, where its metric alone does not say so: the floor, a baseline.
    pub name: Option<String>,
    /// Its metric, which names it otherwise and says where its clock starts and ends.
    pub metric: Metric,
    /// The colour of the curve and of its entry in the legend.
    pub ink: Ink,
    /// All its samples, in nanoseconds.
    pub histogram: Histogram<u64>,
}

/// The first series is the subject: the part of the axis of which its samples can't tell is shaded.
pub(crate) fn spectrum(series: &[Series], limit: Nanos) -> Figure {
    let legend = series.iter().map(|series| {
        let Definition {
            title, from, to, ..
        } = series.metric.definition();
        let name = series.name.as_deref().unwrap_or(title);
        let n = count(series.histogram.len());
        (series.ink, format!("{name}, {from} → {to} (n = {n})"))
    });
    let title = "How long deliveries took, from the fastest to the slowest";
    let note = format!(
        "Latency up, on a logarithmic scale; to the right the share of deliveries that were at least this fast, each further nine as wide as the one before. The line marks the promise of {}. In the shaded part fewer than {BEYOND} samples lie beyond a percentile, so that it says little.",
        shown(limit)
    );
    let draw = |svg: &mut Svg, frame: Frame, size| draw(svg, frame, size, series, limit);
    figure(title, note, legend.collect(), |_| HEIGHT, draw)
}

fn draw(svg: &mut Svg, frame: Frame, size: Size, series: &[Series], limit: Nanos) {
    let n = series.first().map_or(0, |subject| subject.histogram.len());
    let ends = series
        .iter()
        .flat_map(|series| [series.histogram.min(), series.histogram.max()]);
    let y = Axis::around(limit, ends, Room::Up(HEIGHT - BENEATH - TEXT as u32));
    let x = Axis::nines(n, size.across());
    let ((_, right), (low, high)) = (x.ends(), y.ends());
    let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y);
    let shade_from = (1.0 - BEYOND / n.max(1) as f64).max(0.0);
    svg.area(Ink::Shade, plot.at(shade_from, low), plot.at(right, high));
    plot.mesh(svg, "share of deliveries that were at least this fast");
    let line = plot.at(0.0, limit as f64);
    svg.line(Ink::Limit.line(3), [line, plot.at(right, limit as f64)]);
    for series in series.iter().rev() {
        let curve = curve(&series.histogram, right).into_iter();
        let points = curve.map(|(share, latency)| plot.at(share, latency));
        svg.line(series.ink.line(4), points);
    }
    svg.heading(Ink::Muted, Side::Right, (LEFT as i32, 0), "latency");
    let (place, promise) = (
        (line.0 + TEXT / 2, line.1),
        format!("promise: {}", shown(limit)),
    );
    svg.text(Ink::Limit, (Side::Left, Edge::Bottom), place, &promise);
    // At the bottom: what is slow is at the top.
    let (shade_left, bottom) = plot.at(shade_from, low);
    let (shade_right, _) = plot.at(right, low);
    let few = format!("fewer than {BEYOND} samples");
    if size == Size::Wide && shade_right - shade_left > text_width(&few) + TEXT {
        let at = ((shade_left + shade_right) / 2, bottom - TEXT / 3);
        svg.text(Ink::Muted, (Side::Middle, Edge::Bottom), at, &few);
    }
}

/// (share, latency), up to the share that a histogram's last sample stands for.
fn curve(histogram: &Histogram<u64>, right: f64) -> Vec<(f64, f64)> {
    let n = histogram.len().max(1) as f64;
    let last = n.log10().min(-(1.0 - right).log10());
    let steps = (last * POINTS_PER_NINE).ceil() as u32;
    let point = |step| {
        let nines = last * f64::from(step) / f64::from(steps.max(1));
        let share = 1.0 - 10f64.powf(-nines);
        (share, histogram.value_at_quantile(share) as f64)
    };
    (0..=steps).map(point).collect()
}
