//! A plot: where its values go in a drawing, and its axes with their lines and labels.

use super::{
    BENEATH, LEFT, Size, TEXT,
    axis::Axis,
    svg::{Edge, Ink, Point, Side, Svg},
};

/// How far a tick sticks out of an axis, in units.
const TICK: i32 = TEXT / 4;

/// A rectangle of a drawing, in units; its right and its bottom are the first that no longer belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Frame {
    /// The upper part of that height, and the rest.
    pub(super) fn split(self, height: u32) -> (Self, Self) {
        let middle = self.top + height as i32;
        let (mut upper, mut lower) = (self, self);
        upper.bottom = middle;
        lower.top = middle;
        (upper, lower)
    }

    /// So many parts of that height beneath each other. The last has room for the axis of all, which must fit the size.
    pub(super) fn stacked(
        mut self,
        count: usize,
        height: u32,
        size: Size,
    ) -> impl Iterator<Item = (Self, Option<Size>)> {
        (1..=count).map(move |place| {
            let axis = (place == count).then_some(size);
            let (own, rest) = self.split(height + axis.map_or(0, |_| BENEATH));
            self = rest;
            (own, axis)
        })
    }

    /// Without margins around it.
    pub(super) fn within(self, margins: Margins) -> Self {
        Self {
            left: self.left + margins.left,
            top: self.top + margins.top,
            right: self.right - margins.right,
            bottom: self.bottom - margins.bottom,
        }
    }
}

/// Room that stays free around a plot and its labels, in units.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Margins {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Margins {
    /// Room for a heading above and for half a label at the right.
    pub(super) const fn headed() -> Self {
        Self {
            left: 0,
            top: TEXT + TEXT / 2,
            right: 2 * TEXT,
            bottom: 0,
        }
    }
}

/// Where the values of two axes go.
pub(super) struct Plot {
    frame: Frame,
    x: Axis,
    y: Axis,
    labels: Labels,
}

/// Which axes have room for their labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels {
    pub left: bool,
    pub beneath: bool,
}

impl Labels {
    pub(super) const BOTH: Self = Self {
        left: true,
        beneath: true,
    };
}

/// What the horizontal axis of numbers over time is.
pub(super) const SCHEDULE: &str = "time from the start of the schedule";

impl Plot {
    /// A plot of numbers over seconds; its horizontal axis has labels where the size is given for which they must fit.
    pub(super) fn over_time(
        frame: Frame,
        (first, last): (f64, f64),
        y: Axis,
        labelled: Option<Size>,
    ) -> Self {
        let x = match labelled {
            Some(size) => Axis::seconds(first, last, size.across()),
            None => Axis::plain(first, last),
        };
        let labels = Labels {
            left: true,
            beneath: labelled.is_some(),
        };
        Self::new(frame, labels, x, y)
    }

    /// A plot of rows beneath each other, the first of which ends at their number; only the axis beneath has labels.
    pub(super) fn of_rows(frame: Frame, rows: usize, x: Axis) -> Self {
        let inner = frame.within(Margins {
            left: TEXT,
            top: TEXT / 2,
            right: 2 * TEXT,
            bottom: 0,
        });
        let labels = Labels {
            left: false,
            beneath: true,
        };
        Self::new(inner, labels, x, Axis::plain(0.0, rows as f64))
    }

    /// A plot that fills a frame together with its labels.
    pub(super) fn new(frame: Frame, labels: Labels, x: Axis, y: Axis) -> Self {
        let frame = frame.within(Margins {
            left: if labels.left { LEFT as i32 } else { 0 },
            bottom: if labels.beneath { BENEATH as i32 } else { 0 },
            ..Margins::default()
        });
        Self {
            frame,
            x,
            y,
            labels,
        }
    }

    /// Where the plot lies, without its labels.
    pub(super) fn frame(&self) -> Frame {
        self.frame
    }

    /// The first and the last value of the horizontal axis.
    pub(super) fn ends(&self) -> (f64, f64) {
        self.x.ends()
    }

    /// The place of a value on both axes.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.across(x), self.up(y))
    }

    fn across(&self, x: f64) -> i32 {
        self.x.place(x, (self.frame.left, self.frame.right - 1))
    }

    fn up(&self, y: f64) -> i32 {
        self.y.place(y, (self.frame.bottom - 1, self.frame.top))
    }

    /// The lines of both axes, their labels where there is room for them, and what the horizontal one is; empty is nothing.
    pub(super) fn mesh(&self, svg: &mut Svg, title: &str) {
        let Frame {
            left,
            top,
            right,
            bottom,
        } = self.frame;
        if self.labels.beneath && !title.is_empty() {
            let middle = left + (right - left) / 2;
            let at = (middle, bottom + BENEATH as i32);
            svg.text(Ink::Muted, (Side::Middle, Edge::Bottom), at, title);
        }
        let thin = Ink::Grid.line(1);
        for (x, _) in self.x.ticks() {
            let x = self.across(*x);
            svg.line(thin, [(x, bottom - 1), (x, top)]);
        }
        for (y, _) in self.y.ticks() {
            let y = self.up(*y);
            svg.line(thin, [(left, y), (right - 1, y)]);
        }
        if self.labels.left {
            self.label_left(svg);
        }
        if self.labels.beneath {
            self.label_beneath(svg);
        }
    }

    fn label_left(&self, svg: &mut Svg) {
        let axis = self.frame.left - 1;
        let thick = Ink::Grid.line(2);
        svg.line(
            thick,
            [(axis, self.frame.top), (axis, self.frame.bottom - 1)],
        );
        for (y, label) in self.y.ticks() {
            let y = self.up(*y);
            let at = (axis + 1 - 2 * TICK, y);
            svg.text(Ink::Muted, (Side::Right, Edge::Middle), at, label);
            svg.line(thick, [(axis - TICK, y), (axis, y)]);
        }
    }

    fn label_beneath(&self, svg: &mut Svg) {
        let axis = self.frame.bottom;
        let thick = Ink::Grid.line(2);
        svg.line(
            thick,
            [(self.frame.left, axis), (self.frame.right - 1, axis)],
        );
        for (x, label) in self.x.ticks() {
            let x = self.across(*x);
            let at = (x, axis + 2 * TICK);
            svg.text(Ink::Muted, (Side::Middle, Edge::Top), at, label);
            svg.line(thick, [(x, axis), (x, axis + TICK)]);
        }
    }
}
