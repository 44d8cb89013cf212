//! The heat map: which latencies each second had, above what the machine and the generator did in it.

use std::{collections::BTreeMap, ops::Range};

use hdrhistogram::Histogram;

use super::{
    BENEATH, Figure, Ink, LEFT, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Margins, Plot, SCHEDULE},
    span::{self, Span},
    svg::{Side, Stretch, Svg},
    together, told_seconds,
};
use crate::model::{
    Metric, Nanos,
    numbers::{counted, duration, limit as shown},
    percentile,
};

/// Of the map itself, in units.
const MAP: u32 = 560;
/// Of a lane with its name above it, in units.
const LANE: u32 = 78;
/// Rows for each factor of ten.
const ROWS_PER_DECADE: f64 = 12.0;
/// From which share of a column's deliveries on a cell has which shade.
const SHADES: [f64; 6] = [0.0, 0.003, 0.01, 0.03, 0.1, 0.3];

/// Seconds of the schedule with the latencies of their deliveries, as far as they are drawn and told.
#[derive(Debug, Clone)]
pub(in crate::report) struct Column {
    /// From the start of the schedule.
    seconds: Range<usize>,
    /// How many deliveries each row of the map has.
    rows: BTreeMap<i32, u64>,
    n: u64,
    /// The fastest and the slowest, nanoseconds; `None` without any.
    ends: Option<[Nanos; 2]>,
    /// Those percentiles that the samples bear, nanoseconds.
    percentiles: Vec<(f64, Nanos)>,
}

impl Column {
    /// That of these deliveries, in nanoseconds.
    pub(in crate::report) fn of(seconds: Range<usize>, latencies: &Histogram<u64>) -> Self {
        let mut rows: BTreeMap<i32, u64> = BTreeMap::new();
        for recorded in latencies.iter_recorded() {
            let row = (recorded.value_iterated_to().max(1) as f64).log10() * ROWS_PER_DECADE;
            *rows.entry(row.floor() as i32).or_default() += recorded.count_at_value();
        }
        let at = |p| Some((p, percentile::of(latencies, p).ok()?));
        Self {
            seconds,
            rows,
            n: latencies.len(),
            ends: (!latencies.is_empty()).then(|| [latencies.min(), latencies.max()]),
            percentiles: [50.0, 99.0].into_iter().filter_map(at).collect(),
        }
    }

    /// The same for more seconds.
    pub(in crate::report) fn stretch(&mut self, seconds: Range<usize>) {
        self.seconds = seconds;
    }

    /// What it says, for a pointer on it.
    fn told(&self) -> String {
        let seconds = told_seconds(self.seconds.start, self.seconds.len());
        let mut told = format!("{seconds}: {}", counted(self.n, "delivery"));
        for (p, latency) in &self.percentiles {
            told += &format!(", p{p} {}", duration(*latency));
        }
        if let Some([_, slowest]) = self.ends {
            told += &format!(", max {}", duration(slowest));
        }
        told
    }
}

/// What else there is to say of each second.
pub(in crate::report) enum Lane {
    /// In how many seconds others had the machine, and in which stretches these lie.
    Disturbed(usize, Vec<Range<usize>>),
    /// When a fault was on.
    Fault(Span),
    /// The largest sample of a metric in each second.
    Largest(Metric, Vec<(usize, Nanos)>),
}

impl Lane {
    /// What it says of some seconds, behind other words; nothing of most.
    fn told(&self, seconds: Range<usize>) -> String {
        match self {
            Lane::Disturbed(_, disturbed) => {
                let both = |one: &Range<usize>| one.start < seconds.end && seconds.start < one.end;
                match disturbed.iter().any(both) {
                    true => ", disturbed".to_owned(),
                    false => String::new(),
                }
            }
            Lane::Fault(fault) => span::told(std::slice::from_ref(fault), &seconds),
            Lane::Largest(metric, values) => {
                let values = values.iter().filter(|value| seconds.contains(&value.0));
                let longest = values.map(|value| value.1).max();
                longest.map_or_else(String::new, |longest| {
                    format!(", {} {}", metric.definition().title, duration(longest))
                })
            }
        }
    }

    fn title(&self) -> String {
        match self {
            Lane::Disturbed(seconds, _) => {
                format!("seconds in which others had the machine: {seconds}")
            }
            Lane::Fault(fault) => format!("inside of the fault {}", fault.name),
            Lane::Largest(metric, values) => {
                let longest = values.iter().map(|value| value.1).max();
                let longest = longest.map_or_else(|| "none".to_owned(), duration);
                format!("longest {}: {longest}", metric.definition().title)
            }
        }
    }
}

/// The map over the lanes; `by` says in which second a delivery counts, and `limit` is drawn as a line.
pub(crate) fn heat(columns: &[Column], by: &str, lanes: &[Lane], limit: Nanos) -> Figure {
    let definition = Metric::Delivery.definition();
    let title = "When deliveries were slow";
    let note = format!(
        "{}, {} → {}: each column is a second by {by}, each cell a range of latencies; the stronger its colour, the larger its share of that second’s deliveries, up to 30 % and more. Beneath, what the machine and the generator did in the same seconds.",
        definition.title, definition.from, definition.to
    );
    let height = MAP + BENEATH + lanes.len() as u32 * LANE;
    let draw = |svg: &mut Svg, frame: Frame, size: Size| {
        let (map, rest) = frame.split(MAP);
        let plot = draw_map(svg, map, columns, limit);
        for (lane, (own, axis)) in lanes.iter().zip(rest.stacked(lanes.len(), LANE, size)) {
            draw_lane(svg, own, lane, ends(columns), axis);
        }
        // On a phone nothing rests on anything.
        if size == Size::Wide {
            svg.stretches(stretches(frame, &plot, columns, lanes));
        }
    };
    figure(title, note, key(limit), |_| height, draw)
}

/// What the shades and the line stand for.
fn key(limit: Nanos) -> Vec<(Ink, String)> {
    let percent = |share: f64| format!("{} %", 100.0 * share);
    let shades = SHADES.iter().enumerate().map(|(shade, from)| {
        let text = match (shade, SHADES.get(shade + 1)) {
            (0, Some(to)) => format!("under {} of a second’s deliveries", percent(*to)),
            (_, Some(to)) => format!("{} to {}", percent(*from), percent(*to)),
            (_, None) => format!("{} or more", percent(*from)),
        };
        (Ink::Heat(shade as u8), text)
    });
    shades
        .chain([(Ink::Limit, format!("the limit of {}", shown(limit)))])
        .collect()
}

/// What each column says, for a pointer on it.
fn stretches(frame: Frame, plot: &Plot, columns: &[Column], lanes: &[Lane]) -> Vec<Stretch> {
    let (first, last) = ends(columns);
    let together = together(last - first);
    let stretch = |column: &Column| {
        let Range { start, end } = column.seconds;
        let mut told = column.told();
        for lane in lanes {
            told += &lane.told(start..end);
        }
        Stretch {
            // As panels of the same seconds have it.
            at: (start / together * together).to_string(),
            from: (plot.at(start as f64, 0.0).0, frame.top),
            to: (plot.at(end as f64, 0.0).0, frame.bottom),
            told,
        }
    };
    columns.iter().map(stretch).collect()
}

fn ends(columns: &[Column]) -> (f64, f64) {
    let first = columns.first().map_or(0, |column| column.seconds.start);
    let last = columns.last().map_or(1, |column| column.seconds.end);
    (first as f64, last as f64)
}

/// Draws the map, and returns where its values are.
fn draw_map(svg: &mut Svg, frame: Frame, columns: &[Column], limit: Nanos) -> Plot {
    let latencies = columns.iter().filter_map(|column| column.ends).flatten();
    let (first, last) = ends(columns);
    let y = Axis::around(limit, latencies, Room::Up(MAP - TEXT as u32));
    let plot = Plot::over_time(frame.within(Margins::headed()), (first, last), y, None);
    plot.mesh(svg, "");
    let place = (LEFT as i32, frame.top);
    svg.heading(Ink::Muted, Side::Right, place, "latency");
    // By shade, so that each shade becomes one element.
    let cells = cells(columns);
    for shade in 0..SHADES.len() {
        for cell in cells.iter().filter(|cell| cell.shade == shade) {
            let (from, to) = (plot.at(cell.left, cell.high), plot.at(cell.right, cell.low));
            svg.area(Ink::Heat(shade as u8), from, to);
        }
    }
    let line = [first, last].map(|second| plot.at(second, limit as f64));
    svg.line(Ink::Limit.line(3), line);
    plot
}

struct Cell {
    left: f64,
    right: f64,
    low: f64,
    high: f64,
    shade: usize,
}

fn cells(columns: &[Column]) -> Vec<Cell> {
    let edge = |row: i32| 10f64.powf(f64::from(row) / ROWS_PER_DECADE);
    let of = |column: &Column| {
        let (seconds, n) = (column.seconds.clone(), column.n);
        let cell = move |(&row, &count): (&i32, &u64)| {
            let share = count as f64 / n as f64;
            Cell {
                left: seconds.start as f64,
                right: seconds.end as f64,
                low: edge(row),
                high: edge(row + 1),
                shade: SHADES.iter().rposition(|from| share >= *from).unwrap_or(0),
            }
        };
        column.rows.iter().map(cell).collect::<Vec<_>>()
    };
    columns.iter().flat_map(of).collect()
}

/// The last lane carries the axis of all.
fn draw_lane(
    svg: &mut Svg,
    frame: Frame,
    lane: &Lane,
    (first, last): (f64, f64),
    axis: Option<Size>,
) {
    let place = (LEFT as i32, frame.top + TEXT / 3);
    svg.heading(Ink::Text, Side::Left, place, &lane.title());
    let (bars, ink): (Vec<(Range<usize>, Nanos)>, Ink) = match lane {
        Lane::Disturbed(_, seconds) => {
            let bars = seconds.iter().map(|seconds| (seconds.clone(), 1));
            (bars.collect(), Ink::Disturbed)
        }
        Lane::Largest(_, values) => {
            let bars = values
                .iter()
                .map(|&(second, value)| (second..second + 1, value));
            (bars.collect(), Ink::Muted)
        }
        Lane::Fault(_) => (Vec::new(), Ink::Fault),
    };
    let most = bars.iter().map(|bar| bar.1).fold(1, Nanos::max) as f64;
    let (inner, y) = (frame.within(Margins::headed()), Axis::plain(0.0, most));
    let plot = Plot::over_time(inner, (first, last), y, axis);
    svg.area(Ink::Shade, plot.at(first, most), plot.at(last, 0.0));
    if let Lane::Fault(fault) = lane {
        span::draw(svg, std::slice::from_ref(fault), &plot, (0.0, most));
    }
    for (Range { start, end }, height) in bars {
        let (left, right, height) = (start as f64, end as f64, height as f64);
        svg.area(ink, plot.at(left, height), plot.at(right, 0.0));
    }
    if axis.is_some() {
        plot.mesh(svg, SCHEDULE);
    }
}
