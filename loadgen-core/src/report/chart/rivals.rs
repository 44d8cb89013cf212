//! What several systems do over the rate, each with a mark of its own, so that they are told apart without colours.

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Labels, Margins, Plot},
    style_alone,
    svg::{Edge, Shape, Side, Svg},
    text_width,
};
use crate::model::{Nanos, numbers::limit as shown};

/// The height of the plot with its labels, in units.
const PLOT: u32 = 520;
/// How far the lines of the legend lie apart, in units.
const LEADING: i32 = TEXT + TEXT / 2;
/// The line and the mark before a name in the legend, in units.
const SAMPLE: i32 = 70;
/// How large marks are, in units.
const RADIUS: i32 = 9;

/// The colours and the marks of systems, in their order.
const LOOKS: [(Ink, Shape); 5] = [
    (Ink::Subject, Shape::Disc),
    (Ink::Baseline, Shape::Square),
    (Ink::Fourth, Shape::Triangle),
    (Ink::AsSent, Shape::Diamond),
    (Ink::Floor, Shape::Cross),
];

/// One system.
pub(crate) struct Rival {
    /// As the legend has it.
    pub name: String,
    /// Messages per second, above zero, and the number there, the lowest rate first.
    pub points: Vec<(f64, f64)>,
}

/// What the numbers are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Numbers {
    /// Nanoseconds on a logarithmic scale up to the second; what is above is drawn at the upper edge. The first is a limit.
    Latencies(Nanos, Nanos),
    /// On a linear scale from zero, with their unit.
    Plain(fn(f64) -> String),
}

/// The numbers of all rivals over the rate; `None` where there is none.
pub(crate) fn rivals(
    (title, note, what): (&str, &str, &str),
    rivals: &[Rival],
    numbers: Numbers,
) -> Option<Figure> {
    drawn(rivals)?;
    let height = |size| PLOT + legend_height(rivals, size, numbers);
    Some(figure(
        title,
        note,
        Vec::new(),
        height,
        |svg, frame, size| {
            draw(svg, frame, size, what, rivals, numbers);
        },
    ))
}

/// The same as a picture by itself, with a heading: light or dark as its reader's system is.
pub(crate) fn picture(
    heading: &str,
    what: &str,
    rivals: &[Rival],
    numbers: Numbers,
) -> Option<String> {
    drawn(rivals)?;
    let size = Size::Wide;
    let (width, top) = (size.width(), 3 * TEXT);
    let bottom = top + (PLOT + legend_height(rivals, size, numbers)) as i32;
    let height = bottom + TEXT / 2;
    let mut svg = Svg::alone((width, height as u32), heading, &style_alone());
    svg.heading(Ink::Text, Side::Left, (TEXT, TEXT), heading);
    let frame = Frame {
        left: 0,
        top,
        right: width as i32,
        bottom,
    };
    draw(&mut svg, frame, size, what, rivals, numbers);
    Some(svg.finish())
}

/// The lowest and the highest rate; `None` where nothing is to be drawn.
fn drawn(rivals: &[Rival]) -> Option<(f64, f64)> {
    let rates = rivals.iter().flat_map(|rival| &rival.points);
    let rates = rates.map(|point| point.0);
    let ends = |(low, high): (f64, f64), rate: f64| (low.min(rate), high.max(rate));
    let (low, high) = rates.fold((f64::INFINITY, 0.0), ends);
    (high > 0.0).then_some((low, high))
}

fn draw(svg: &mut Svg, frame: Frame, size: Size, what: &str, rivals: &[Rival], numbers: Numbers) {
    let (legend, frame) = frame.split(legend_height(rivals, size, numbers));
    let (low, high) = drawn(rivals).unwrap_or((1.0, 10.0));
    let x = Axis::rates(low, high, size.across());
    let all = || rivals.iter().flat_map(|rival| &rival.points);
    let y = match numbers {
        Numbers::Latencies(limit, most) => {
            let latencies = all().map(|point| (point.1 as Nanos).min(most));
            Axis::around(limit, latencies, Room::Up(PLOT - BENEATH))
        }
        Numbers::Plain(show) => {
            let most = all().map(|point| point.1).fold(0.0, f64::max);
            Axis::from_zero(most, show)
        }
    };
    let (first, last) = x.ends();
    let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y);
    plot.mesh(svg, "messages sent per second");
    let place = (LEFT as i32, frame.top + TEXT / 8);
    svg.heading(Ink::Muted, Side::Left, place, what);
    if let Numbers::Latencies(limit, _) = numbers {
        let line = [first, last].map(|rate| plot.at(rate, limit as f64));
        svg.line(Ink::Limit.bar(3), line);
    }
    for (rival, (ink, shape)) in rivals.iter().zip(LOOKS.into_iter().cycle()) {
        let at = rival
            .points
            .iter()
            .map(|&(rate, number)| plot.at(rate, number));
        let at: Vec<_> = at.collect();
        svg.titled(&rival.name, |svg| {
            svg.line(ink.line(4), at.iter().copied());
            for at in at {
                svg.mark(ink, shape, at, RADIUS);
            }
        });
    }
    draw_legend(svg, legend, size, rivals, numbers);
}

/// All that the legend names: the systems, and the limit, which on its line would lie over theirs.
fn names(rivals: &[Rival], numbers: Numbers) -> Vec<String> {
    let limit = match numbers {
        Numbers::Latencies(limit, _) => Some(format!("limit: {}", shown(limit))),
        Numbers::Plain(_) => None,
    };
    let systems = rivals.iter().map(|rival| rival.name.clone());
    systems.chain(limit).collect()
}

/// Where each name lies, and how high all of them are.
fn places(names: &[String], size: Size) -> (Vec<(i32, i32)>, i32) {
    let (mut x, mut y) = (TEXT, 0);
    let mut places = Vec::new();
    for name in names {
        let width = SAMPLE + text_width(name) + 2 * TEXT;
        if x > TEXT && x + width > size.width() as i32 {
            (x, y) = (TEXT, y + LEADING);
        }
        places.push((x, y));
        x += width;
    }
    (places, y + LEADING + TEXT / 2)
}

fn legend_height(rivals: &[Rival], size: Size, numbers: Numbers) -> u32 {
    places(&names(rivals, numbers), size).1 as u32
}

fn draw_legend(svg: &mut Svg, frame: Frame, size: Size, rivals: &[Rival], numbers: Numbers) {
    let names = names(rivals, numbers);
    let (places, _) = places(&names, size);
    let looks = LOOKS.into_iter().cycle().take(rivals.len()).map(Some);
    // What comes after the systems is the limit.
    let looks = looks.chain(std::iter::repeat(None));
    for ((name, look), (x, y)) in names.iter().zip(looks).zip(places) {
        let y = frame.top + y + LEADING / 2;
        let sample = [(x, y), (x + SAMPLE - TEXT / 2, y)];
        match look {
            Some((ink, shape)) => {
                svg.line(ink.line(4), sample);
                svg.mark(ink, shape, (x + (SAMPLE - TEXT / 2) / 2, y), RADIUS);
            }
            None => svg.line(Ink::Limit.bar(3), sample),
        }
        svg.text(Ink::Text, (Side::Left, Edge::Middle), (x + SAMPLE, y), name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> [Rival; 2] {
        [("own", 1.0), ("other < 1", 3.0)].map(|(name, slower)| Rival {
            name: name.to_owned(),
            points: [100.0, 1_000.0, 5_000.0]
                .map(|rate| (rate, rate * slower * 1_000.0))
                .to_vec(),
        })
    }

    #[test]
    fn the_limit_is_named_in_the_legend_and_not_over_what_lies_on_it() {
        // All of a system's points lie where the line of the limit begins.
        let on_it = Rival {
            name: "on it".to_owned(),
            points: vec![(100.0, 5e6), (101.0, 5.1e6), (5_000.0, 4.9e6)],
        };
        let numbers = Numbers::Latencies(5_000_000, 100_000_000);
        let names = names(std::slice::from_ref(&on_it), numbers);
        assert_eq!(names, ["on it", "limit: 5 ms"]);
        let picture = picture("a", "p99", &[on_it], numbers).unwrap();
        let height = |text: &str| {
            let (before, _) = picture.rsplit_once(&format!(">{text}<")).expect(text);
            let (_, place) = before.rsplit_once(" y=\"").unwrap();
            place.split('"').next().unwrap().to_owned()
        };
        assert_eq!(height("limit: 5 ms"), height("on it"));
        assert_eq!(picture.matches("limit: 5 ms").count(), 1);
    }

    #[test]
    fn a_picture_is_whole_by_itself_in_light_and_dark() {
        let numbers = Numbers::Latencies(5_000_000, 100_000_000);
        let picture = picture("a & b", "p99", &two(), numbers).unwrap();
        assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        for said in [
            "a &amp; b",
            "--subject:",
            "prefers-color-scheme: dark",
            "svg .s-subject {",
            "svg text {",
            "own",
            "other &lt; 1",
            "limit: 5 ms",
            "1,000/s",
            "10 ms",
        ] {
            assert!(picture.contains(said), "{said} is not in {picture}");
        }
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let none = [Rival {
            name: "own".to_owned(),
            points: Vec::new(),
        }];
        let words = ("title", "note", "what");
        assert!(rivals(words, &none, Numbers::Plain(|number| number.to_string())).is_none());
    }

    #[test]
    fn names_that_do_not_fit_beside_each_other_lie_beneath() {
        let plain = Numbers::Plain(|number| number.to_string());
        let (places, height) = places(&names(&two(), plain), Size::Wide);
        assert_eq!(
            (places[0].1, places[1].1, height),
            (0, 0, LEADING + TEXT / 2)
        );
        let long = "a rather long name of a system".repeat(2);
        let rivals = two().map(|rival| Rival {
            name: format!("{} {long}", rival.name),
            ..rival
        });
        let (places, height) = super::places(&names(&rivals, plain), Size::Narrow);
        assert_eq!(
            (places[1], height),
            ((TEXT, LEADING), 2 * LEADING + TEXT / 2)
        );
    }
}
