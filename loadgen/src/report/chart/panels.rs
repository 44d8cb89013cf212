//! Numbers over time: panels of lines above each other, with one axis of time.

use plotters::{
    chart::ChartBuilder,
    element::Rectangle,
    series::LineSeries,
    style::text_anchor::{HPos, VPos},
};

use super::{Area, BENEATH, ChartError, Figure, Ink, LEFT, Size, TEXT, axis::Axis, figure, mesh};

/// Of a panel with its title above it, in units.
const PANEL: u32 = 300;

/// Numbers of one unit.
pub(in crate::report) struct Panel {
    /// What they are.
    pub title: String,
    /// A number with its unit.
    pub show: fn(f64) -> String,
    /// The axis reaches at least to here.
    pub at_least: f64,
    /// In the order of drawing.
    pub lines: Vec<Line>,
}

/// A line through the middles of seconds.
pub(in crate::report) struct Line {
    /// What it stands for.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Its width, in units.
    pub width: u32,
    /// (second, number).
    pub points: Vec<(usize, f64)>,
}

/// Panels over the seconds from `first` to before `last`; those of `shaded` are marked in all of them.
pub(in crate::report) fn panels(
    title: &str,
    note: &str,
    panels: &[Panel],
    (first, last): (usize, usize),
    shaded: &[usize],
) -> Result<Figure, ChartError> {
    let mut legend: Vec<(Ink, String)> = Vec::new();
    for line in panels.iter().flat_map(|panel| &panel.lines) {
        let entry = (line.ink, line.name.clone());
        if !legend.contains(&entry) {
            legend.push(entry);
        }
    }
    if !shaded.is_empty() {
        legend.push((Ink::Disturbed, "others had the machine".to_owned()));
    }
    let height = panels.len() as u32 * PANEL + BENEATH;
    figure(
        title,
        note,
        legend,
        |_| height,
        |area, size| {
            let mut rest = area.clone();
            for (place, panel) in panels.iter().enumerate() {
                let axis = (place + 1 == panels.len()).then_some(size);
                let (own, others) = rest.split_vertically(PANEL + axis.map_or(0, |_| BENEATH));
                draw(&own, panel, (first as f64, last as f64), shaded, axis)?;
                rest = others;
            }
            Ok(())
        },
    )
}

fn draw(
    area: &Area<'_>,
    panel: &Panel,
    (first, last): (f64, f64),
    shaded: &[usize],
    axis: Option<Size>,
) -> Result<(), ChartError> {
    area.draw_text(
        &panel.title,
        &Ink::Text.text(HPos::Left, VPos::Top),
        (LEFT as i32, TEXT / 4),
    )?;
    let points = panel.lines.iter().flat_map(|line| &line.points);
    let most = points.map(|point| point.1).fold(panel.at_least, f64::max);
    let x = match axis {
        Some(size) => Axis::seconds(first, last, size.across()),
        None => Axis::plain(first, last),
    };
    let y = Axis::from_zero(most, panel.show);
    let high = y.ends().1;
    let mut chart = ChartBuilder::on(area)
        .margin_top(TEXT + TEXT / 2)
        .margin_right(2 * TEXT)
        .margin_bottom(if axis.is_some() { 0 } else { TEXT })
        .x_label_area_size(if axis.is_some() { BENEATH } else { 0 })
        .y_label_area_size(LEFT)
        .build_cartesian_2d(x, y)?;
    chart.draw_series(shaded.iter().map(|&second| {
        let left = second as f64;
        Rectangle::new([(left, high), (left + 1.0, 0.0)], Ink::Disturbed.area())
    }))?;
    let title = axis.map_or("", |_| "time from the start of the schedule");
    mesh(&mut chart, title)?;
    for line in &panel.lines {
        let middle = |point: &(usize, f64)| (point.0 as f64 + 0.5, point.1);
        chart.draw_series(LineSeries::new(
            line.points.iter().map(middle),
            line.ink.line(line.width),
        ))?;
    }
    Ok(())
}
