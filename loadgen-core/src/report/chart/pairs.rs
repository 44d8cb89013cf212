//! Pairs of blocks, one after the other: by how much the change is slower in each, and what all of them say together.

use super::{
    Figure, Ink, LEFT, Size,
    axis::Axis,
    figure,
    plot::{Frame, Labels, Margins, Plot},
    svg::{Side, Svg},
};

/// The height of the chart, in units.
const HEIGHT: u32 = 460;

/// One pair; a ratio is the change's number divided by the base's.
pub(crate) struct Pair {
    /// What it is called on the axis.
    pub name: String,
    /// `None`: there is no number.
    pub ratio: Option<f64>,
    /// Whether it counts.
    pub counts: bool,
}

/// What all pairs say together, as ratios.
pub(crate) struct Together {
    /// The estimate.
    pub ratio: Option<f64>,
    /// The ends of its interval, where it has them.
    pub interval: Option<(f64, f64)>,
    /// From which ratio on the change is too slow.
    pub margin: f64,
}

/// The pairs in their order, over the interval.
pub(crate) fn pairs(title: &str, pairs: &[Pair], together: &Together) -> Figure {
    let mut legend = vec![
        (
            Ink::Subject,
            "the change against the base, cycle by cycle, and the estimate of all".to_owned(),
        ),
        (Ink::Limit, "the margin".to_owned()),
    ];
    if pairs.iter().any(|pair| !pair.counts) {
        legend.push((Ink::Disturbed, "left out".to_owned()));
    }
    let note = "Above 0 % the change took longer. The shaded band is the interval of all cycles that count.";
    let draw = |svg: &mut Svg, frame: Frame, size| draw(svg, frame, size, pairs, together);
    figure(title, note, legend, |_| HEIGHT, draw)
}

fn draw(svg: &mut Svg, frame: Frame, size: Size, pairs: &[Pair], together: &Together) {
    let percent = |ratio: f64| 100.0 * (ratio - 1.0);
    let names = pairs.iter().map(|pair| pair.name.clone()).collect();
    let x = Axis::row(names, size.across());
    let band = together
        .interval
        .into_iter()
        .flat_map(|(low, high)| [low, high]);
    let known = pairs.iter().filter_map(|pair| pair.ratio).chain(band);
    let (low, high) = known
        .chain([1.0, together.margin])
        .map(percent)
        .fold((0.0_f64, 0.0_f64), |(low, high), one| {
            (low.min(one), high.max(one))
        });
    let room = (high - low) * 0.08;
    let y = Axis::percents(low - room, high + room);
    let last = pairs.len().max(1) as f64;
    let plot = Plot::new(frame.within(Margins::headed()), Labels::BOTH, x, y);
    let at = |place: f64, ratio: f64| plot.at(place, percent(ratio));
    if let Some((from, to)) = together.interval {
        svg.area(Ink::Shade, at(0.0, from), at(last, to));
    }
    plot.mesh(svg, "cycle");
    svg.heading(Ink::Muted, Side::Right, (LEFT as i32, 0), "slower by");
    svg.line(Ink::Muted.bar(2), [at(0.0, 1.0), at(last, 1.0)]);
    let margin = [0.0, last].map(|place| at(place, together.margin));
    svg.line(Ink::Limit.line(3), margin);
    if let Some(ratio) = together.ratio {
        svg.line(Ink::Subject.bar(3), [at(0.0, ratio), at(last, ratio)]);
    }
    for (place, pair) in pairs.iter().enumerate() {
        if let Some(ratio) = pair.ratio {
            let ink = if pair.counts {
                Ink::Subject
            } else {
                Ink::Disturbed
            };
            svg.dot(ink, at(place as f64 + 0.5, ratio), 9);
        }
    }
}
