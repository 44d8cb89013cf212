//! An SVG of lines, areas and texts. Its colours are names of the page's style sheet, so that one drawing serves the
//! light page, the dark one and paper.

use std::{fmt, mem};

use super::{TEXT, UNITS};

/// A colour by what it stands for; the style sheet says which it is (`templates/page.css`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Text,
    Muted,
    Grid,
    Subject,
    AsSent,
    Floor,
    Baseline,
    Fourth,
    Limit,
    Disturbed,
    /// While a fault was on.
    Fault,
    Shade,
    /// A shade of a heat map, from 0, the lightest, to 5.
    Heat(u8),
}

impl Ink {
    /// The name in the style sheet, after `s-` for lines, `t-` for bars and `f-` for areas.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Ink::Text => "text",
            Ink::Muted => "muted",
            Ink::Grid => "grid",
            Ink::Subject => "subject",
            Ink::AsSent => "sent",
            Ink::Floor => "floor",
            Ink::Baseline => "base",
            Ink::Fourth => "fourth",
            Ink::Limit => "limit",
            Ink::Disturbed => "bad",
            Ink::Fault => "fault",
            Ink::Shade => "shade",
            Ink::Heat(shade) => ["h1", "h2", "h3", "h4", "h5", "h6"][shade as usize],
        }
    }

    /// A line of so many units, dashed where the style sheet dashes lines of this colour.
    pub(super) const fn line(self, width: u32) -> Look {
        Look::Line(self, width)
    }

    /// A line of so many units that says little.
    pub(super) const fn faint(self, width: u32) -> Look {
        Look::Faint(self, width)
    }

    /// A line of so many units that is never dashed.
    pub(super) const fn bar(self, width: u32) -> Look {
        Look::Bar(self, width)
    }
}

/// How a shape looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Line(Ink, u32),
    Bar(Ink, u32),
    Faint(Ink, u32),
    Area(Ink),
}

impl fmt::Display for Look {
    /// As attributes of an element.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, ink, width, more) = match *self {
            Look::Line(ink, width) => ('s', ink, width, ""),
            Look::Bar(ink, width) => ('t', ink, width, ""),
            Look::Faint(ink, width) => ('s', ink, width, " few"),
            Look::Area(ink) => ('f', ink, 1, ""),
        };
        write!(f, "class=\"{kind}-{}{more}\"", ink.name())?;
        match width {
            1 => Ok(()),
            width => write!(f, " stroke-width=\"{width}\""),
        }
    }
}

/// A place in a drawing, in units from its left and its top.
pub(super) type Point = (i32, i32);

/// Which part of a text lies at its place, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Middle,
    Right,
}

/// Which part of a text lies at its place, from the top down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Top,
    Middle,
    Bottom,
}

/// A mark that is told from the others without its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Disc,
    Square,
    Triangle,
    Diamond,
    Cross,
}

/// A stretch of a horizontal axis that a pointer can rest on, and what is told then.
pub(super) struct Stretch {
    /// The same in all charts of a page where the same is shown: the second, the percentile.
    pub at: String,
    pub from: Point,
    pub to: Point,
    pub told: String,
}

/// The SVG so far. Shapes of one look that follow each other become one element.
pub(super) struct Svg {
    text: String,
    look: Look,
    /// The shapes of that look which are no element yet.
    path: String,
}

impl Svg {
    /// An empty one; `label` is for those who can't see it.
    pub(super) fn new((width, height): (u32, u32), label: &str) -> Self {
        let label = escaped(label);
        Self {
            text: format!(
                "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">"
            ),
            look: Look::Area(Ink::Text),
            path: String::new(),
        }
    }

    /// An empty one that is a file of its own: it has its size, its colours and a card to lie on.
    pub(super) fn alone((width, height): (u32, u32), label: &str, colours: &str) -> Self {
        let label = escaped(label);
        Self {
            text: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"{label}\"><style>{colours}</style><rect class=\"card\" width=\"{width}\" height=\"{height}\" rx=\"20\"/>",
                width / UNITS,
                height / UNITS
            ),
            look: Look::Area(Ink::Text),
            path: String::new(),
        }
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.flush();
        self.text + "</svg>"
    }

    /// A line through points; nothing without any.
    pub(super) fn line(&mut self, look: Look, points: impl IntoIterator<Item = Point>) {
        self.add(look, &through(points));
    }

    /// A rectangle between two corners.
    pub(super) fn area(&mut self, ink: Ink, (x1, y1): Point, (x2, y2): Point) {
        let (left, top) = (x1.min(x2), y1.min(y2));
        let (width, height) = ((x1 - x2).abs(), (y1 - y2).abs());
        self.add(
            Look::Area(ink),
            &format!("M{left} {top}h{width}v{height}h{}z", -width),
        );
    }

    /// A disc around a point.
    pub(super) fn dot(&mut self, ink: Ink, (x, y): Point, radius: i32) {
        let (start, across) = (x - radius, 2 * radius);
        self.add(
            Look::Area(ink),
            &format!(
                "M{start} {y}a{radius} {radius} 0 1 0 {across} 0a{radius} {radius} 0 1 0 -{across} 0z"
            ),
        );
    }

    /// A mark around a point, about as large as a disc of the radius.
    pub(super) fn mark(&mut self, ink: Ink, shape: Shape, (x, y): Point, radius: i32) {
        let r = radius;
        let area = match shape {
            Shape::Disc => return self.dot(ink, (x, y), r),
            Shape::Cross => {
                for (up, down) in [(-r, r), (r, -r)] {
                    self.line(ink.bar(5), [(x - r, y + up), (x + r, y + down)]);
                }
                return;
            }
            Shape::Square => return self.area(ink, (x - r, y - r), (x + r, y + r)),
            Shape::Triangle => format!("M{x} {}l{r} {}h{}z", y - r, 2 * r, -2 * r),
            Shape::Diamond => {
                let far = r * 5 / 4;
                format!("M{x} {}l{far} {far}l-{far} {far}l-{far} -{far}z", y - far)
            }
        };
        self.add(Look::Area(ink), &area);
    }

    /// A circle around a point, filled with nothing of its own.
    pub(super) fn ring(&mut self, ink: Ink, (x, y): Point, radius: i32) {
        let (start, across) = (x - radius, 2 * radius);
        self.add(
            ink.bar(4),
            &format!(
                "M{start} {y}a{radius} {radius} 0 1 0 {across} 0a{radius} {radius} 0 1 0 -{across} 0z"
            ),
        );
    }

    /// Shapes that a pointer on them tells of.
    pub(super) fn titled(&mut self, title: &str, draw: impl FnOnce(&mut Self)) {
        self.within("<g>", title, draw, "</g>");
    }

    /// Shapes that lead somewhere.
    pub(super) fn link(&mut self, page: &str, title: &str, draw: impl FnOnce(&mut Self)) {
        let open = format!("<a href=\"{}\">", escaped(page));
        self.within(&open, title, draw, "</a>");
    }

    fn within(&mut self, open: &str, title: &str, draw: impl FnOnce(&mut Self), close: &str) {
        self.flush();
        self.text
            .push_str(&format!("{open}<title>{}</title>", escaped(title)));
        draw(self);
        self.flush();
        self.text.push_str(close);
    }

    /// Stretches beside each other, drawn by nothing until a pointer is on one.
    pub(super) fn stretches(&mut self, stretches: impl IntoIterator<Item = Stretch>) {
        self.flush();
        self.text.push_str("<g class=\"hits\">");
        for Stretch {
            at,
            from: (left, top),
            to: (right, bottom),
            told,
        } in stretches
        {
            self.text.push_str(&format!(
                "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" data-at=\"{at}\"><title>{}</title></rect>",
                right - left,
                bottom - top,
                escaped(&told)
            ));
        }
        self.text.push_str("</g>");
    }

    /// A text whose `side` and `edge` lie at the point.
    pub(super) fn text(&mut self, ink: Ink, (side, edge): (Side, Edge), (x, y): Point, text: &str) {
        self.flush();
        // From there to the base line, as fractions of the text's height.
        let y = match edge {
            Edge::Top => y + TEXT * 4 / 5,
            Edge::Middle => y + TEXT * 7 / 20,
            Edge::Bottom => y - TEXT * 3 / 10,
        };
        let anchor = match side {
            Side::Left => "",
            Side::Middle => " text-anchor=\"middle\"",
            Side::Right => " text-anchor=\"end\"",
        };
        let (look, text) = (Look::Area(ink), escaped(text));
        self.text.push_str(&format!(
            "<text {look} x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>"
        ));
    }

    /// A text whose top and whose `side` lie at the point.
    pub(super) fn heading(&mut self, ink: Ink, side: Side, at: Point, text: &str) {
        self.text(ink, (side, Edge::Top), at, text);
    }

    fn add(&mut self, look: Look, path: &str) {
        if self.look != look && !path.is_empty() {
            self.flush();
            self.look = look;
        }
        self.path.push_str(path);
    }

    fn flush(&mut self) {
        let path = mem::take(&mut self.path);
        if !path.is_empty() {
            self.text
                .push_str(&format!("<path {} d=\"{path}\"/>", self.look));
        }
    }
}

/// A path through points, each relative to the one before: half as long as with whole coordinates.
fn through(points: impl IntoIterator<Item = Point>) -> String {
    let mut last: Option<Point> = None;
    points
        .into_iter()
        .map(|(x, y)| match last.replace((x, y)) {
            None => format!("M{x} {y}"),
            Some((from, same)) if same == y => format!("h{}", x - from),
            Some((same, from)) if same == x => format!("v{}", y - from),
            Some((from_x, from_y)) => format!("l{} {}", x - from_x, y - from_y),
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_from_point_to_point() {
        assert_eq!(through([(1, 2), (5, 2), (5, 9), (4, 8)]), "M1 2h4v7l-1 -1");
    }

    #[test]
    fn shapes_of_one_look_share_an_element() {
        let mut svg = Svg::new((10, 20), "a < b");
        svg.line(Ink::Subject.line(4), [(0, 0), (5, 5)]);
        svg.line(Ink::Subject.line(4), [(5, 5), (5, 0)]);
        svg.line(Ink::Subject.bar(1), [(0, 0), (5, 0)]);
        svg.area(Ink::Heat(1), (3, 4), (1, 2));
        svg.text(Ink::Muted, (Side::Right, Edge::Top), (9, 0), "\"&\"");
        assert_eq!(
            svg.finish(),
            concat!(
                r#"<svg viewBox="0 0 10 20" role="img" aria-label="a &lt; b">"#,
                r#"<path class="s-subject" stroke-width="4" d="M0 0l5 5M5 5v-5"/>"#,
                r#"<path class="t-subject" d="M0 0h5"/><path class="f-h2" d="M1 2h2v2h-2z"/>"#,
                r#"<text class="f-muted" x="9" y="19" text-anchor="end">&quot;&amp;&quot;</text></svg>"#,
            )
        );
    }
}
