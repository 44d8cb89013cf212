//! The SVG that charts are drawn onto. Colours are names of the page's style sheet, so that one drawing serves the light
//! page, the dark one and paper; plotters' own SVG can only have fixed ones.

use std::{convert::Infallible, fmt::Write as _, mem};

use plotters::style::{Color, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, Pos, VPos},
};

use super::TEXT;

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
    Shade,
    Heat1,
    Heat2,
    Heat3,
    Heat4,
    Heat5,
    Heat6,
}

impl Ink {
    const ALL: [Ink; 17] = [
        Ink::Text,
        Ink::Muted,
        Ink::Grid,
        Ink::Subject,
        Ink::AsSent,
        Ink::Floor,
        Ink::Baseline,
        Ink::Fourth,
        Ink::Limit,
        Ink::Disturbed,
        Ink::Shade,
        Ink::Heat1,
        Ink::Heat2,
        Ink::Heat3,
        Ink::Heat4,
        Ink::Heat5,
        Ink::Heat6,
    ];

    /// The shades of a heat map, the lightest first.
    pub(super) const HEAT: [Ink; 6] = [
        Ink::Heat1,
        Ink::Heat2,
        Ink::Heat3,
        Ink::Heat4,
        Ink::Heat5,
        Ink::Heat6,
    ];

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
            Ink::Shade => "shade",
            Ink::Heat1 => "h1",
            Ink::Heat2 => "h2",
            Ink::Heat3 => "h3",
            Ink::Heat4 => "h4",
            Ink::Heat5 => "h5",
            Ink::Heat6 => "h6",
        }
    }

    /// plotters knows colours only: the red of this one is the ink's place, and the surface reads it back.
    fn colour(self) -> RGBColor {
        RGBColor(self as u8, 0, 0)
    }

    fn of(colour: BackendColor) -> Ink {
        let place = usize::from(colour.rgb.0);
        Self::ALL.get(place).copied().unwrap_or(Ink::Text)
    }

    /// A line of so many units.
    pub(super) fn line(self, width: u32) -> ShapeStyle {
        Color::stroke_width(&self.colour(), width)
    }

    /// A line that is never dashed, for bars.
    pub(super) fn bar(self, width: u32) -> ShapeStyle {
        let RGBColor(place, _, _) = self.colour();
        Color::stroke_width(&RGBColor(place, SOLID, 0), width)
    }

    /// An area.
    pub(super) fn area(self) -> ShapeStyle {
        self.colour().filled()
    }

    /// A text whose anchor is there.
    pub(super) fn text(self, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
        TextStyle {
            font: ("sans-serif", TEXT).into(),
            color: self.colour().to_backend_color(),
            pos: Pos::new(horizontal, vertical),
        }
    }
}

/// The green of a colour whose lines are not dashed.
const SOLID: u8 = 1;

/// The SVG so far. Shapes of one look that follow each other become one element.
pub(super) struct Surface<'a> {
    svg: &'a mut String,
    size: (u32, u32),
    look: String,
    path: String,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Surface<'a> {
    pub(super) fn new(svg: &'a mut String, size: (u32, u32), label: &str) -> Self {
        // Writing to a String can't fail, here and below.
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
            size.0,
            size.1,
            escaped(label)
        );
        Self {
            svg,
            size,
            look: String::new(),
            path: String::new(),
        }
    }

    fn add(&mut self, look: String, path: &str) {
        if self.look != look {
            self.flush();
            self.look = look;
        }
        self.path.push_str(path);
    }

    fn flush(&mut self) {
        let path = mem::take(&mut self.path);
        if !path.is_empty() {
            let _ = write!(self.svg, "<path {} d=\"{path}\"/>", self.look);
        }
        self.look.clear();
    }

    fn stroked<S: BackendStyle>(&mut self, style: &S, path: &str) -> Drawn {
        let ink = Ink::of(style.color()).name();
        let kind = if style.color().rgb.1 == SOLID {
            't'
        } else {
            's'
        };
        let look = match style.stroke_width() {
            1 => format!("class=\"{kind}-{ink}\""),
            width => format!("class=\"{kind}-{ink}\" stroke-width=\"{width}\""),
        };
        self.add(look, path);
        Ok(())
    }

    fn filled<S: BackendStyle>(&mut self, style: &S, path: &str) -> Drawn {
        self.add(
            format!("class=\"f-{}\"", Ink::of(style.color()).name()),
            path,
        );
        Ok(())
    }
}

/// A path through points, each relative to the one before: half as long as with whole coordinates.
fn through(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut path = String::new();
    let mut last: Option<BackendCoord> = None;
    for (x, y) in points {
        let _ = match last {
            None => write!(path, "M{x} {y}"),
            Some((_, from)) if from == y => write!(path, "h{}", x - last.map_or(0, |l| l.0)),
            Some((from, _)) if from == x => write!(path, "v{}", y - last.map_or(0, |l| l.1)),
            Some((fx, fy)) => write!(path, "l{} {}", x - fx, y - fy),
        };
        last = Some((x, y));
    }
    path
}

impl DrawingBackend for Surface<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.flush();
        self.svg.push_str("</svg>");
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.filled(&color, &format!("M{x} {y}h1v1h-1z"))
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.stroked(style, &through([from, to]))
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let (width, height) = (right - left, bottom - top);
        let path = format!("M{left} {top}h{width}v{height}h{}z", -width);
        if fill {
            self.filled(style, &path)
        } else {
            self.stroked(style, &path)
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.stroked(style, &through(path))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let (start, across) = (x - radius as i32, 2 * radius);
        let path = format!(
            "M{start} {y}a{radius} {radius} 0 1 0 {across} 0a{radius} {radius} 0 1 0 -{across} 0z"
        );
        if fill {
            self.filled(style, &path)
        } else {
            self.stroked(style, &path)
        }
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.filled(style, &(through(corners) + "z"))
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        (x, y): BackendCoord,
    ) -> Drawn {
        self.flush();
        // From the anchor to the base line, as fractions of the text's height.
        let y = match style.anchor().v_pos {
            VPos::Top => y + TEXT * 4 / 5,
            VPos::Center => y + TEXT * 7 / 20,
            VPos::Bottom => y - TEXT * 3 / 10,
        };
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let _ = write!(
            self.svg,
            "<text class=\"f-{}\" x=\"{x}\" y=\"{y}\"{anchor}>{}</text>",
            Ink::of(style.color()).name(),
            escaped(text)
        );
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        _: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((super::text_width(text) as u32, TEXT as u32))
    }
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
    fn every_ink_is_found_again_by_its_colour() {
        for ink in Ink::ALL {
            let (r, g, b) = ink.colour().rgb();
            let colour = BackendColor {
                alpha: 1.0,
                rgb: (r, g, b),
            };
            assert_eq!(Ink::of(colour), ink);
        }
    }

    #[test]
    fn a_path_goes_from_point_to_point() {
        assert_eq!(through([(1, 2), (5, 2), (5, 9), (4, 8)]), "M1 2h4v7l-1 -1");
    }
}
