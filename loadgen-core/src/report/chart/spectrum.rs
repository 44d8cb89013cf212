//! The percentile spectrum: how long all but a few deliveries took, each further nine as wide as the one before.

use hdrhistogram::Histogram;

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Labels, Margins, Plot},
    svg::{Side, Stretch, Svg},
};
use crate::model::{
    Metric, Nanos,
    metric::Definition,
    numbers::{count, duration, limit as shown},
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

/// The curves of these latencies; `limit` is drawn as a line.
pub(crate) fn spectrum(series: &[Series], limit: Nanos) -> Figure {
    let mut legend: Vec<_> = series
        .iter()
        .map(|series| {
            let Definition { from, to, .. } = series.metric.definition();
            let n = count(series.histogram.len());
            let name = series.name();
            (series.ink, format!("{name}, {from} → {to} (n = {n})"))
        })
        .collect();
    legend.push((Ink::Limit, format!("the limit of {}", shown(limit))));
    let title = "How long deliveries took, from the fastest to the slowest";
    let note = format!(
        "Latency up, on a logarithmic scale; to the right the share of deliveries that were at least this fast, each further nine as wide as the one before. Each curve ends with its slowest sample; where it is faint, fewer than {BEYOND} of its samples lie beyond, so that it says little."
    );
    let draw = |svg: &mut Svg, frame: Frame, size| draw(svg, frame, size, series, limit);
    figure(title, note, legend, |_| HEIGHT, draw)
}

impl Series {
    fn name(&self) -> &str {
        let title = self.metric.definition().title;
        self.name.as_deref().unwrap_or(title)
    }

    /// The share from which on too few of its samples lie beyond.
    fn bears(&self) -> f64 {
        (1.0 - BEYOND / self.histogram.len().max(1) as f64).max(0.0)
    }
}

fn draw(svg: &mut Svg, frame: Frame, size: Size, series: &[Series], limit: Nanos) {
    let most = series.iter().map(|series| series.histogram.len()).max();
    let ends = series
        .iter()
        .flat_map(|series| [series.histogram.min(), series.histogram.max()]);
    let y = Axis::around(limit, ends, Room::Up(HEIGHT - BENEATH - TEXT as u32));
    let x = Axis::nines(most.unwrap_or(0), size.across());
    let (_, right) = x.ends();
    let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y);
    plot.mesh(svg, "share of deliveries that were at least this fast");
    let line = [0.0, right].map(|share| plot.at(share, limit as f64));
    svg.titled(&format!("the limit of {}", shown(limit)), |svg| {
        svg.line(Ink::Limit.bar(3), line);
    });
    for series in series.iter().rev() {
        let (sure, few): (Vec<_>, Vec<_>) = curve(&series.histogram, right)
            .into_iter()
            .partition(|(share, _)| *share <= series.bears());
        let place = |&(share, latency): &(f64, f64)| plot.at(share, latency);
        let slowest = duration(series.histogram.max());
        svg.titled(&format!("{}, at most {slowest}", series.name()), |svg| {
            let joint = sure.last().into_iter();
            svg.line(series.ink.faint(4), joint.chain(&few).map(place));
            svg.line(series.ink.line(4), sure.iter().map(place));
        });
    }
    svg.heading(Ink::Muted, Side::Right, (LEFT as i32, 0), "latency");
    if size == Size::Wide {
        svg.stretches(stretches(&plot, series, right));
    }
}

/// What all curves say of each percentile that can be told from the next, for a pointer on it.
fn stretches(plot: &Plot, series: &[Series], right: f64) -> Vec<Stretch> {
    const PER_NINE: f64 = 12.0;
    let nines = -(1.0 - right).log10();
    let columns = (nines * PER_NINE).ceil() as u32;
    let share = |column: u32| 1.0 - 10f64.powf(-(f64::from(column) / PER_NINE).min(nines));
    let Frame { top, bottom, .. } = plot.frame();
    let stretch = |column: u32| {
        let middle = (share(column) + share(column + 1)) / 2.0;
        let said: Vec<String> = series
            .iter()
            .filter(|series| middle <= series.bears())
            .map(|series| {
                let latency = series.histogram.value_at_quantile(middle);
                format!("{} {}", series.name(), duration(latency))
            })
            .collect();
        let percent = format!("{:.6}", 100.0 * middle);
        let short: String = percent
            .chars()
            .take(3 + (f64::from(column) / PER_NINE) as usize)
            .collect();
        let short = short.trim_end_matches('.');
        let told = match said.is_empty() {
            true => format!("p{short}: fewer than {BEYOND} samples beyond"),
            false => format!("p{short}: {}", said.join(", ")),
        };
        Stretch {
            at: format!("p{short}"),
            from: (plot.at(share(column), 1.0).0, top),
            to: (plot.at(share(column + 1), 1.0).0, bottom),
            told,
        }
    };
    (0..columns).map(stretch).collect()
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
    // Up to the very slowest sample.
    let slowest = (point(steps).0, histogram.max() as f64);
    (0..=steps).map(point).chain([slowest]).collect()
}
