//! How many there were of each kind in every second, above each other: colour and pattern say which kind.

use super::{
    BENEATH, Figure, Ink, Size, TEXT,
    axis::Axis,
    figure,
    plot::{Frame, Margins, Plot, SCHEDULE},
    span::{self, Span},
    svg::{Stretch, Svg},
    together, told_seconds,
};
use crate::model::numbers::count;

/// Of the plot, in units.
const HEIGHT: u32 = 420;

/// One kind, by second.
pub(in crate::report) struct Layer {
    /// What it is.
    pub name: String,
    /// The colour of its areas and of its entry in the legend.
    pub ink: Ink,
    /// Its areas are crossed by lines so many units apart, so that colour is not all that tells it; `None`: plain.
    pub hatch: Option<i32>,
    /// How many in each second of the schedule; what follows has none.
    pub seconds: Vec<u64>,
}

/// Layers above each other over the seconds from `first` to before `last`, the first at the bottom.
pub(in crate::report) fn stack(
    title: &str,
    note: &str,
    layers: &[Layer],
    (first, last): (usize, usize),
    spans: &[Span],
) -> Figure {
    let legend = layers.iter().map(|layer| (layer.ink, layer.name.clone()));
    let legend = legend.chain(span::key(spans)).collect();
    let draw = |svg: &mut Svg, frame: Frame, size: Size| {
        let columns = columns(layers, (first, last));
        let most = columns
            .iter()
            .map(|column| column.per_second.iter().sum::<f64>());
        let most = most.fold(1.0, f64::max);
        let y = Axis::from_zero(most, |rate| format!("{}/s", count(rate as u64)));
        let ends = (0.0, y.ends().1);
        let inner = frame.within(Margins {
            top: TEXT / 2,
            ..Margins::headed()
        });
        let plot = Plot::over_time(inner, (first as f64, last as f64), y, Some(size));
        span::draw(svg, spans, &plot, ends);
        plot.mesh(svg, SCHEDULE);
        for (place, layer) in layers.iter().enumerate() {
            draw_layer(svg, &plot, &columns, place, layer);
        }
        if size == Size::Wide {
            svg.stretches(stretches(frame, &plot, &columns, layers, spans));
        }
    };
    figure(title, note, legend, |_| HEIGHT + BENEATH, draw)
}

/// Some seconds that are drawn together.
struct Column {
    seconds: std::ops::Range<usize>,
    /// Of each layer, how many a second.
    per_second: Vec<f64>,
}

fn columns(layers: &[Layer], (first, last): (usize, usize)) -> Vec<Column> {
    let together = together((last - first) as f64);
    let starts = (first..last).step_by(together);
    starts
        .map(|from| {
            let seconds = from..(from + together).min(last);
            let of = |layer: &Layer| {
                let within = layer.seconds.iter().take(seconds.end).skip(seconds.start);
                within.sum::<u64>() as f64 / seconds.len() as f64
            };
            Column {
                per_second: layers.iter().map(of).collect(),
                seconds,
            }
        })
        .collect()
}

fn draw_layer(svg: &mut Svg, plot: &Plot, columns: &[Column], place: usize, layer: &Layer) {
    let corners = columns.iter().filter_map(|column| {
        let beneath: f64 = column.per_second[..place].iter().sum();
        let own = column.per_second[place];
        let (from, to) = (column.seconds.start as f64, column.seconds.end as f64);
        (own > 0.0).then(|| (plot.at(from, beneath + own), plot.at(to, beneath)))
    });
    let corners: Vec<_> = corners.collect();
    svg.titled(&layer.name, |svg| {
        for &((left, top), (right, bottom)) in &corners {
            svg.area(layer.ink, (left + 1, top), (right - 1, bottom));
        }
        let Some(apart) = layer.hatch else {
            return;
        };
        for &((left, top), (right, bottom)) in &corners {
            for y in (top..bottom).filter(|y| y % apart == 0) {
                svg.line(Ink::Grid.line(2), [(left + 1, y), (right - 1, y)]);
            }
        }
    });
}

/// What each column says, for a pointer on it.
fn stretches(
    frame: Frame,
    plot: &Plot,
    columns: &[Column],
    layers: &[Layer],
    spans: &[Span],
) -> Vec<Stretch> {
    let stretch = |column: &Column| {
        let seconds = &column.seconds;
        let counts = layers.iter().map(|layer| {
            let within = layer.seconds.iter().take(seconds.end).skip(seconds.start);
            (within.sum::<u64>(), &layer.name)
        });
        let counts = counts.filter(|(n, _)| *n > 0);
        let counts: Vec<String> = counts
            .map(|(n, name)| format!("{} {name}", count(n)))
            .collect();
        let second = told_seconds(seconds.start, seconds.len());
        Stretch {
            at: seconds.start.to_string(),
            from: (plot.at(seconds.start as f64, 0.0).0, frame.top),
            to: (plot.at(seconds.end as f64, 0.0).0, frame.bottom),
            told: format!(
                "{second}: {}{}",
                counts.join(", "),
                span::told(spans, seconds)
            ),
        }
    };
    columns.iter().map(stretch).collect()
}
