//! Latencies from run to run.

use plotters::{
    chart::ChartBuilder,
    element::{Circle, PathElement},
    series::LineSeries,
    style::text_anchor::{HPos, VPos},
};

use super::{
    Area, BENEATH, ChartError, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure, mesh,
};
use crate::model::{clock::Nanos, numbers::limit as shown};

/// In units.
const HEIGHT: u32 = 460;

/// One run.
pub(in crate::report) struct Point {
    /// What it is called on the axis.
    pub name: String,
    /// Median and p99; `None` with too few samples.
    pub latencies: [Option<Nanos>; 2],
}

/// The runs in their order; `limit` is drawn as a line.
pub(crate) fn trend(title: &str, points: &[Point], limit: Nanos) -> Result<Figure, ChartError> {
    let legend = vec![
        (Ink::Subject, "delivery latency, p50".to_owned()),
        (Ink::Baseline, "delivery latency, p99".to_owned()),
        (Ink::Limit, format!("the promise of {}", shown(limit))),
    ];
    let note = "Of the seconds that each verdict rests on, on a logarithmic scale.";
    figure(
        title,
        note,
        legend,
        |_| HEIGHT,
        |area, size| draw(area, size, points, limit),
    )
}

fn draw(area: &Area<'_>, size: Size, points: &[Point], limit: Nanos) -> Result<(), ChartError> {
    let known = || {
        points
            .iter()
            .flat_map(|point| point.latencies)
            .flatten()
            .chain([limit])
    };
    let names = points.iter().map(|point| point.name.clone()).collect();
    let x = Axis::row(names, size.across());
    let y = Axis::latency(
        known().min().unwrap_or(limit),
        known().max().unwrap_or(limit),
        Room::Up(HEIGHT - BENEATH - TEXT as u32),
    );
    let last = points.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin_top(TEXT + TEXT / 2)
        .margin_right(2 * TEXT)
        .x_label_area_size(BENEATH)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(x, y)?;
    mesh(&mut chart, "run, by its commit")?;
    area.draw_text(
        "latency",
        &Ink::Muted.text(HPos::Right, VPos::Top),
        (LEFT as i32, 0),
    )?;
    chart.draw_series([PathElement::new(
        vec![(0.0, limit as f64), (last, limit as f64)],
        Ink::Limit.bar(3),
    )])?;
    for (which, ink) in [Ink::Subject, Ink::Baseline].into_iter().enumerate() {
        let at: Vec<(f64, f64)> = points
            .iter()
            .enumerate()
            .filter_map(|(place, point)| Some((place as f64 + 0.5, point.latencies[which]? as f64)))
            .collect();
        chart.draw_series(LineSeries::new(at.iter().copied(), ink.line(4)))?;
        chart.draw_series(at.into_iter().map(|at| Circle::new(at, 8, ink.area())))?;
    }
    Ok(())
}
