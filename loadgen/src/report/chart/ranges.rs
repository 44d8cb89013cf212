//! Latencies side by side: a row for each, from its fastest to its slowest sample.

use plotters::{
    chart::ChartBuilder,
    element::{Circle, PathElement},
    style::text_anchor::{HPos, VPos},
};

use super::{
    Area, BENEATH, ChartError, Figure, Ink, Size, TEXT,
    axis::{Axis, Room},
    figure, mesh,
};
use crate::{
    model::{clock::Nanos, numbers::duration},
    report::statements::{percentile, percentile_value},
    result::MetricResult,
};

/// Of a row, in units: a line of text, two on a phone, and the bar.
const fn row_height(size: Size) -> u32 {
    match size {
        Size::Wide => 84,
        Size::Narrow => 112,
    }
}

/// One latency.
pub(in crate::report) struct Row<'a> {
    /// What sets it apart from the others.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Its numbers.
    pub result: &'a MetricResult,
}

/// Rows without samples are left out; `None` if none is left.
pub(in crate::report) fn ranges(
    title: &str,
    note: &str,
    rows: &[Row<'_>],
    limit: Nanos,
) -> Result<Option<Figure>, ChartError> {
    let rows: Vec<&Row<'_>> = rows.iter().filter(|row| row.result.n > 0).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let height = |size| rows.len() as u32 * row_height(size) + BENEATH + TEXT as u32;
    let figure = figure(title, note, vec![], height, |area, size| {
        draw(area, size, &rows, limit)
    })?;
    Ok(Some(figure))
}

fn draw(area: &Area<'_>, size: Size, rows: &[&Row<'_>], limit: Nanos) -> Result<(), ChartError> {
    let lows = rows.iter().filter_map(|row| row.result.min);
    let highs = rows.iter().filter_map(|row| row.result.max);
    let x = Axis::latency(
        lows.min().unwrap_or(limit).min(limit),
        highs.max().unwrap_or(limit).max(limit),
        Room::Across(size.width() - 3 * TEXT as u32),
    );
    let bottom = rows.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin_top(TEXT / 2)
        .margin_left(TEXT)
        .margin_right(2 * TEXT)
        .x_label_area_size(BENEATH)
        .build_cartesian_2d(x, Axis::plain(0.0, bottom))?;
    mesh(&mut chart, "latency, on a logarithmic scale")?;
    let (width, _) = area.dim_in_pixel();
    for (place, row) in rows.iter().enumerate() {
        let result = row.result;
        // Counted from the top; the bar lies beneath the text, 26 units from the row's end.
        let unit = 1.0 / f64::from(row_height(size));
        let at = bottom - place as f64 - 1.0 + 26.0 * unit;
        let line = |from: Nanos, to: Nanos, thick| {
            PathElement::new(vec![(from as f64, at), (to as f64, at)], row.ink.bar(thick))
        };
        // Only beside the bar, so that it does not cross the numbers.
        chart.draw_series([PathElement::new(
            vec![
                (limit as f64, at - 20.0 * unit),
                (limit as f64, at + 20.0 * unit),
            ],
            Ink::Limit.bar(3),
        )])?;
        if let (Some(min), Some(max)) = (result.min, result.max) {
            chart.draw_series([line(min, max, 2)])?;
        }
        let (p50, p99) = (
            percentile_value(result, 50.0),
            percentile_value(result, 99.0),
        );
        if let (Some(p50), Some(p99)) = (p50, p99) {
            chart.draw_series([line(p50, p99, 10)])?;
        }
        if let Some(p50) = p50 {
            chart.draw_series([Circle::new((p50 as f64, at), 9, row.ink.area())])?;
        }
        let top = chart
            .plotting_area()
            .map_coordinate(&(limit as f64, bottom - place as f64))
            .1;
        area.draw_text(
            &row.name,
            &Ink::Text.text(HPos::Left, VPos::Top),
            (TEXT, top + TEXT / 4),
        )?;
        let (side, x, line) = match size {
            Size::Wide => (HPos::Right, width as i32 - 2 * TEXT, 0),
            Size::Narrow => (HPos::Left, TEXT, TEXT * 6 / 5),
        };
        area.draw_text(
            &numbers(result, size),
            &Ink::Muted.text(side, VPos::Top),
            (x, top + TEXT / 4 + line),
        )?;
    }
    Ok(())
}

fn numbers(result: &MetricResult, size: Size) -> String {
    let short = format!(
        "p50 {}, p99 {}",
        percentile(result, 50.0),
        percentile(result, 99.0)
    );
    match size {
        Size::Narrow => short,
        Size::Wide => format!(
            "{short}, max {}, n = {}",
            result.max.map_or_else(|| "-".to_owned(), duration),
            crate::model::numbers::count(result.n)
        ),
    }
}
