//! The percentile spectrum: how long all but a few deliveries took, each further nine as wide as the one before.

use hdrhistogram::Histogram;
use plotters::{
    chart::ChartBuilder,
    element::{PathElement, Rectangle},
    series::LineSeries,
    style::text_anchor::{HPos, VPos},
};

use super::{
    Area, BENEATH, ChartError, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure, mesh, text_width,
};
use crate::model::{
    clock::Nanos,
    metric::Metric,
    numbers::{count, limit as shown},
    percentile::BEYOND,
};

/// In units.
const HEIGHT: u32 = 720;
/// Points of a curve between two nines: more than can be told apart.
const POINTS_PER_NINE: f64 = 48.0;

/// One curve.
pub(crate) struct Series {
    /// What it is, where its metric alone does not say so: the floor, a baseline.
    pub name: Option<String>,
    /// Its metric, which names it otherwise and says where its clock starts and ends.
    pub metric: Metric,
    /// Its colour.
    pub ink: Ink,
    /// Its samples.
    pub histogram: Histogram<u64>,
}

/// The first series is the subject: the part of the axis of which its samples can't tell is shaded.
pub(crate) fn spectrum(series: &[Series], limit: Nanos) -> Result<Figure, ChartError> {
    let legend = series
        .iter()
        .map(|series| {
            let definition = series.metric.definition();
            let name = series.name.as_deref().unwrap_or(definition.title);
            let text = format!(
                "{name}, {} → {} (n = {})",
                definition.from,
                definition.to,
                count(series.histogram.len())
            );
            (series.ink, text)
        })
        .collect();
    let title = "How long deliveries took, from the fastest to the slowest";
    let note = format!(
        "Latency up, on a logarithmic scale; to the right the share of deliveries that were at least this fast, each further nine as wide as the one before. The line marks the promise of {}. In the shaded part fewer than {BEYOND} samples lie beyond a percentile, so that it says little.",
        shown(limit)
    );
    figure(
        title,
        note,
        legend,
        |_| HEIGHT,
        |area, size| draw(area, size, series, limit),
    )
}

fn draw(area: &Area<'_>, size: Size, series: &[Series], limit: Nanos) -> Result<(), ChartError> {
    let n = series.first().map_or(0, |subject| subject.histogram.len());
    let lows = series.iter().map(|series| series.histogram.min());
    let highs = series.iter().map(|series| series.histogram.max());
    let y = Axis::latency(
        lows.min().unwrap_or(limit).min(limit),
        highs.max().unwrap_or(limit).max(limit),
        Room::Up(HEIGHT - BENEATH - TEXT as u32),
    );
    let x = Axis::nines(n, size.across());
    let ((_, right), (low, high)) = (x.ends(), y.ends());
    let mut chart = ChartBuilder::on(area)
        .margin_top(TEXT + TEXT / 2)
        .margin_right(2 * TEXT)
        .x_label_area_size(BENEATH)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(x, y)?;
    let supported = 1.0 - BEYOND / n.max(1) as f64;
    let shade_from = supported.max(0.0);
    chart.draw_series([Rectangle::new(
        [(shade_from, low), (right, high)],
        Ink::Shade.area(),
    )])?;
    mesh(
        &mut chart,
        "share of deliveries that were at least this fast",
    )?;
    chart.draw_series([PathElement::new(
        vec![(0.0, limit as f64), (right, limit as f64)],
        Ink::Limit.line(3),
    )])?;
    for series in series.iter().rev() {
        chart.draw_series(LineSeries::new(
            curve(&series.histogram, right),
            series.ink.line(4),
        ))?;
    }
    area.draw_text(
        "latency",
        &Ink::Muted.text(HPos::Right, VPos::Top),
        (LEFT as i32, 0),
    )?;
    let plot = chart.plotting_area();
    let (left, line) = plot.map_coordinate(&(0.0, limit as f64));
    area.draw_text(
        &format!("promise: {}", shown(limit)),
        &Ink::Limit.text(HPos::Left, VPos::Bottom),
        (left + TEXT / 2, line),
    )?;
    // At the bottom: what is slow is at the top.
    let (shade_left, bottom) = plot.map_coordinate(&(shade_from, low));
    let (shade_right, _) = plot.map_coordinate(&(right, low));
    let few = format!("fewer than {BEYOND} samples");
    if size == Size::Wide && shade_right - shade_left > text_width(&few) + TEXT {
        area.draw_text(
            &few,
            &Ink::Muted.text(HPos::Center, VPos::Bottom),
            ((shade_left + shade_right) / 2, bottom - TEXT / 3),
        )?;
    }
    Ok(())
}

/// (share, latency), up to the share that a histogram's last sample stands for.
fn curve(histogram: &Histogram<u64>, right: f64) -> Vec<(f64, f64)> {
    let n = histogram.len().max(1) as f64;
    let last = n.log10().min(-(1.0 - right).log10());
    let steps = (last * POINTS_PER_NINE).ceil() as u32;
    let mut curve: Vec<(f64, f64)> = Vec::new();
    for step in 0..=steps {
        let nines = last * f64::from(step) / f64::from(steps.max(1));
        let share = 1.0 - 10f64.powf(-nines);
        curve.push((share, histogram.value_at_quantile(share) as f64));
    }
    curve
}
