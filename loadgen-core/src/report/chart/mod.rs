//! The charts of a page, as SVG whose colours are classes of the page's style sheet.

mod axis;
mod curve;
mod forest;
mod heat;
mod pairs;
mod panels;
mod plot;
mod ranges;
mod rivals;
mod span;
mod spectrum;
mod stack;
mod svg;
mod trend;

use self::{axis::Room, plot::Frame, svg::Svg};
pub(crate) use self::{
    curve::{Curve, latencies, numbers},
    forest::{Ratio, forest},
    pairs::{Pair, Together, pairs},
    rivals::{Numbers, Rival, picture, rivals},
    spectrum::{Series, spectrum},
    svg::Ink,
    trend::{Against, Latency, Mark, Point, trend},
};
pub(super) use self::{
    heat::{Column, Lane, heat},
    panels::{Line, Panel, panels},
    ranges::{Row, ranges},
    span::Span,
    stack::{Layer, stack},
    trend::spark,
};

/// The style sheet of all pages, which says what each colour is.
const PAGE_STYLE: &str = include_str!("../../../templates/page.css");

/// The part of it that a chart in a file of its own needs: the colours, light and dark, and the looks of lines and texts.
fn style_alone() -> String {
    let (colours, rest) = PAGE_STYLE.split_once("* { box-sizing").unwrap_or_default();
    let looks = rest.lines().filter_map(|line| match line {
        text if text.starts_with("figure svg text") => text.strip_prefix("figure "),
        look if look.starts_with("svg ") => Some(look),
        _ => None,
    });
    let looks: Vec<_> = looks.collect();
    format!(
        "{colours}{}\n.card {{ fill: var(--card); }}",
        looks.join("\n")
    )
}

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
    /// The heading: what it shows.
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
    /// How wide the drawing is, in units.
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

/// A figure that is drawn the same way in both widths.
fn figure(
    title: impl Into<String>,
    note: impl Into<String>,
    legend: Vec<(Ink, String)>,
    height: impl Fn(Size) -> u32,
    draw: impl Fn(&mut Svg, Frame, Size),
) -> Figure {
    let title = title.into();
    let drawn = |size: Size| {
        let (width, height) = (size.width(), height(size));
        let mut svg = Svg::new((width, height), &title);
        let whole = Frame {
            left: 0,
            top: 0,
            right: width as i32,
            bottom: height as i32,
        };
        draw(&mut svg, whole, size);
        svg.finish()
    };
    Figure {
        wide: drawn(Size::Wide),
        narrow: drawn(Size::Narrow),
        note: note.into(),
        legend,
        points: Vec::new(),
        title,
    }
}

/// Seconds are drawn together where there are more of them than can be told apart.
pub(super) const MOST_COLUMNS: f64 = 150.0;

/// How many seconds one column stands for: a power of two, so that columns become half as many as a run goes on.
pub(super) fn together(span: f64) -> usize {
    let least = (span / MOST_COLUMNS).ceil().max(1.0);
    (least as usize).next_power_of_two()
}

/// The seconds of a column, as it is told.
fn told_seconds(second: usize, together: usize) -> String {
    match together {
        1 => format!("second {second}"),
        more => format!("seconds {second} to {}", second + more - 1),
    }
}

/// About how wide a text is, in units.
fn text_width(text: &str) -> i32 {
    // Letters are a bit more than half as wide as high, on average.
    text.chars().count() as i32 * TEXT * 11 / 20
}
