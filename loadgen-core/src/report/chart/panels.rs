//! Numbers over time: panels of lines above each other, with one axis of time.

use std::ops::Range;

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::Axis,
    figure,
    plot::{Frame, Margins, Plot, SCHEDULE},
    span::{self, Span},
    svg::{Side, Stretch, Svg},
    together, told_seconds,
};

/// Of a panel with its title above it, in units.
const PANEL: u32 = 300;

/// Numbers of one unit.
pub(in crate::report) struct Panel {
    /// What the numbers are, above the panel.
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
    /// The colour of the line and of its entry in the legend.
    pub ink: Ink,
    /// Its width, in units.
    pub width: u32,
    /// Second of the schedule, and the number in it.
    pub points: Vec<(usize, f64)>,
}

/// Panels over the seconds from `first` to before `last`; stretches of them that are `shaded`, and the faults, are marked in
/// all of them.
pub(in crate::report) fn panels(
    title: &str,
    note: &str,
    panels: &[Panel],
    (first, last): (usize, usize),
    shaded: &[Range<usize>],
    faults: &[Span],
) -> Figure {
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
    legend.extend(span::key(faults));
    let height = panels.len() as u32 * PANEL + BENEATH;
    let draw = |svg: &mut Svg, frame: Frame, size: Size| {
        for (panel, (own, axis)) in panels.iter().zip(frame.stacked(panels.len(), PANEL, size)) {
            let marked = (shaded, faults);
            draw(svg, own, panel, (first as f64, last as f64), marked, axis);
        }
        if size == Size::Wide {
            svg.stretches(stretches(frame, panels, (first, last), (shaded, faults)));
        }
    };
    figure(title, note, legend, |_| height, draw)
}

/// What all lines say of each second, for a pointer on it.
fn stretches(
    frame: Frame,
    panels: &[Panel],
    (first, last): (usize, usize),
    (shaded, faults): (&[Range<usize>], &[Span]),
) -> Vec<Stretch> {
    let whole = Plot::over_time(
        frame.within(Margins::headed()),
        (first as f64, last as f64),
        Axis::plain(0.0, 1.0),
        None,
    );
    let together = together((last - first) as f64);
    let starts = (first..last).filter(|second| *second == first || second % together == 0);
    starts
        .map(|from| {
            let to = (from / together * together + together).min(last);
            let mut told = told_seconds(from, together);
            let lines = panels
                .iter()
                .flat_map(|panel| panel.lines.iter().map(move |line| (panel.show, line)));
            for (nth, (show, line)) in lines.enumerate() {
                let points = line.points.iter();
                let within = points.filter(|point| (from..to).contains(&point.0));
                if let Some(most) = within.map(|point| point.1).reduce(f64::max) {
                    let before = if nth == 0 { ": " } else { ", " };
                    told += &format!("{before}{} {}", line.name, show(most));
                }
            }
            if shaded.iter().any(|one| one.start < to && from < one.end) {
                told += ", disturbed";
            }
            told += &span::told(faults, &(from..to));
            Stretch {
                at: (from / together * together).to_string(),
                from: (whole.at(from as f64, 0.0).0, frame.top),
                to: (whole.at(to as f64, 0.0).0, frame.bottom),
                told,
            }
        })
        .collect()
}

/// The last panel carries the axis of all.
fn draw(
    svg: &mut Svg,
    frame: Frame,
    panel: &Panel,
    (first, last): (f64, f64),
    (shaded, faults): (&[Range<usize>], &[Span]),
    axis: Option<Size>,
) {
    let place = (LEFT as i32, frame.top + TEXT / 4);
    svg.heading(Ink::Text, Side::Left, place, &panel.title);
    let points = panel.lines.iter().flat_map(|line| &line.points);
    let most = points.map(|point| point.1).fold(panel.at_least, f64::max);
    let y = Axis::from_zero(most, panel.show);
    let high = y.ends().1;
    let inner = frame.within(Margins {
        bottom: if axis.is_some() { 0 } else { TEXT },
        ..Margins::headed()
    });
    let plot = Plot::over_time(inner, (first, last), y, axis);
    for seconds in shaded {
        let (left, right) = (seconds.start as f64, seconds.end as f64);
        svg.area(Ink::Disturbed, plot.at(left, high), plot.at(right, 0.0));
    }
    span::draw(svg, faults, &plot, (0.0, high));
    plot.mesh(svg, SCHEDULE);
    for line in &panel.lines {
        let points = line.points.iter();
        svg.titled(&line.name, |svg| {
            svg.line(
                line.ink.line(line.width),
                points.map(|&(second, number)| plot.at(second as f64 + 0.5, number)),
            );
        });
    }
}
