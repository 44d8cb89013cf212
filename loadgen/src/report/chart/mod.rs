//! The charts of a page: drawn with plotters onto an SVG surface of our own, since the page decides the colours.

mod axis;
mod heat;
mod panels;
mod ranges;
mod spectrum;
mod surface;
mod trend;

use std::convert::Infallible;

use plotters::{
    chart::ChartContext,
    coord::{Shift, cartesian::Cartesian2d},
    drawing::{DrawingArea, DrawingAreaErrorKind},
    prelude::IntoDrawingArea,
    style::text_anchor::{HPos, VPos},
};

use self::{
    axis::{Axis, Room},
    surface::Surface,
};
pub(super) use self::{
    heat::{Column, Lane, heat},
    panels::{Line, Panel, panels},
    ranges::{Row, ranges},
    trend::{Point, trend},
};
pub(crate) use self::{
    spectrum::{Series, spectrum},
    surface::Ink,
};
use crate::model::histogram::HistogramError;

/// Units of a drawing in a pixel of the page: whole numbers are too coarse for curves.
const UNITS: u32 = 2;
/// The height of a text, in units.
const TEXT: i32 = 24;
/// Room for the labels of a vertical axis, in units.
const LEFT: u32 = 124;
/// Room beneath a plot for the labels of its horizontal axis and its title, in units.
const BENEATH: u32 = 84;

/// A chart in both of its widths, with what a reader must know to read it.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// What it shows.
    pub title: String,
    /// How it is read, in a sentence or two.
    pub note: String,
    /// What its lines stand for.
    pub legend: Vec<(Ink, String)>,
    /// Where the clocks of its rows start and end, by row.
    pub points: Vec<(String, String)>,
    /// SVG for wide screens and paper.
    pub wide: String,
    /// SVG for phones.
    pub narrow: String,
}

impl Figure {
    /// With a list of clock points beneath it.
    pub(super) fn with_points(mut self, points: Vec<(String, String)>) -> Self {
        self.points = points;
        self
    }
}

/// For what a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Wide,
    Narrow,
}

impl Size {
    /// In units.
    const fn width(self) -> u32 {
        match self {
            Size::Wide => 860 * UNITS,
            Size::Narrow => 360 * UNITS,
        }
    }

    /// The horizontal axis of a plot with labels at its left.
    const fn across(self) -> Room {
        Room::Across(self.width() - LEFT - 2 * TEXT as u32)
    }
}

/// Why a chart could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// plotters refused.
    #[error("a chart could not be drawn: {0}")]
    Drawing(#[from] DrawingAreaErrorKind<Infallible>),
    /// The result has a histogram that can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

type Area<'a> = DrawingArea<Surface<'a>, Shift>;

/// Draws onto a surface of the size and gives the SVG; `label` is for those who can't see it.
fn svg(
    size: Size,
    height: u32,
    label: &str,
    draw: impl FnOnce(&Area<'_>) -> Result<(), ChartError>,
) -> Result<String, ChartError> {
    let mut text = String::new();
    {
        let root = Surface::new(&mut text, (size.width(), height), label).into_drawing_area();
        draw(&root)?;
        root.present()?;
    }
    Ok(text)
}

/// A figure that is drawn the same way in both widths.
fn figure(
    title: impl Into<String>,
    note: impl Into<String>,
    legend: Vec<(Ink, String)>,
    height: impl Fn(Size) -> u32,
    draw: impl Fn(&Area<'_>, Size) -> Result<(), ChartError>,
) -> Result<Figure, ChartError> {
    let title = title.into();
    let drawn = |size| svg(size, height(size), &title, |area| draw(area, size));
    Ok(Figure {
        wide: drawn(Size::Wide)?,
        narrow: drawn(Size::Narrow)?,
        note: note.into(),
        legend,
        points: Vec::new(),
        title,
    })
}

/// About how wide a text is, in units.
fn text_width(text: &str) -> i32 {
    // Letters are a bit more than half as wide as high, on average.
    text.chars().count() as i32 * TEXT * 11 / 20
}

type Chart<'a, 's> = ChartContext<'a, Surface<'s>, Cartesian2d<Axis, Axis>>;

/// The lines of both axes, their labels where there is room for them, and what the horizontal one is; empty is nothing.
fn mesh(chart: &mut Chart<'_, '_>, title: &str) -> Result<(), ChartError> {
    let label = Ink::Muted.text(HPos::Center, VPos::Top);
    let mut mesh = chart.configure_mesh();
    mesh.bold_line_style(Ink::Grid.line(1))
        .axis_style(Ink::Grid.line(2))
        .x_label_style(label.clone())
        .y_label_style(label.clone())
        .axis_desc_style(label)
        .set_all_tick_mark_size(TEXT / 4);
    if !title.is_empty() {
        mesh.x_desc(title);
    }
    mesh.draw()?;
    Ok(())
}
