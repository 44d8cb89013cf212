//! Latencies side by side: a row for each, from its fastest to its slowest sample.

use super::{
    BENEATH, Figure, Ink, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Plot},
    svg::{Side, Svg},
};
use crate::{
    model::{Nanos, numbers::duration},
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

/// One latency: its fastest and slowest sample, its median and p99.
pub(in crate::report) struct Row<'a> {
    /// What sets it apart from the others.
    pub name: String,
    /// The colour of the bar.
    pub ink: Ink,
    /// Its samples' numbers.
    pub result: &'a MetricResult,
}

/// Rows without samples are left out; `None` if there are not two left to stand side by side.
pub(in crate::report) fn ranges(
    title: &str,
    note: &str,
    rows: &[Row<'_>],
    limit: Nanos,
) -> Option<Figure> {
    let rows: Vec<&Row<'_>> = rows.iter().filter(|row| row.result.n > 0).collect();
    let height = |size| rows.len() as u32 * row_height(size) + BENEATH + TEXT as u32;
    let drawn = || {
        figure(title, note, vec![], height, |svg, frame, size| {
            draw(svg, frame, size, &rows, limit);
        })
    };
    (rows.len() > 1).then(drawn)
}

fn draw(svg: &mut Svg, frame: Frame, size: Size, rows: &[&Row<'_>], limit: Nanos) {
    let ends = rows.iter().flat_map(|row| [row.result.min, row.result.max]);
    let room = Room::Across(size.width() - 3 * TEXT as u32);
    let x = Axis::around(limit, ends.flatten(), room);
    let bottom = rows.len() as f64;
    let plot = Plot::of_rows(frame, rows.len(), x);
    plot.mesh(svg, "latency, on a logarithmic scale");
    for (place, row) in rows.iter().enumerate() {
        let top = bottom - place as f64;
        // The bar lies beneath the text, 26 units from the row's end.
        let unit = 1.0 / f64::from(row_height(size));
        let told = format!("{}: {}", row.name, numbers(row.result, Size::Wide));
        svg.titled(&told, |svg| {
            draw_bar(svg, &plot, row, (top - 1.0 + 26.0 * unit, unit), limit);
        });
        let (_, top) = plot.at(limit as f64, top);
        svg.heading(Ink::Text, Side::Left, (TEXT, top + TEXT / 4), &row.name);
        let (side, x, line) = match size {
            Size::Wide => (Side::Right, frame.right - 2 * TEXT, 0),
            Size::Narrow => (Side::Left, TEXT, TEXT * 6 / 5),
        };
        let (place, numbers) = ((x, top + TEXT / 4 + line), numbers(row.result, size));
        svg.heading(Ink::Muted, side, place, &numbers);
    }
}

/// The bar of a row at a height, where a unit of the drawing is that long.
fn draw_bar(svg: &mut Svg, plot: &Plot, row: &Row<'_>, (at, unit): (f64, f64), limit: Nanos) {
    // Only beside the bar, so that it does not cross the numbers.
    let beside = [-20.0, 20.0].map(|off| plot.at(limit as f64, at + off * unit));
    svg.line(Ink::Limit.bar(3), beside);
    let mut line = |from: Nanos, to: Nanos, thick| {
        let ends = [from, to].map(|latency| plot.at(latency as f64, at));
        svg.line(row.ink.bar(thick), ends);
    };
    if let (Some(min), Some(max)) = (row.result.min, row.result.max) {
        line(min, max, 2);
    }
    let percentile = |wanted| percentile_value(row.result, wanted);
    if let (Some(p50), Some(p99)) = (percentile(50.0), percentile(99.0)) {
        line(p50, p99, 10);
    }
    if let Some(p50) = percentile(50.0) {
        svg.dot(row.ink, plot.at(p50 as f64, at), 9);
    }
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
