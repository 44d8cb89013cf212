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
    Metric, Nanos, histogram,
    numbers::{count, duration, limit as shown},
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

/// A second of the schedule with its latencies.
pub(in crate::report) struct Column {
    /// From the start of the schedule.
    pub second: usize,
    /// The latencies of its deliveries.
    pub histogram: Histogram<u64>,
}

/// What else there is to say of each second.
pub(in crate::report) enum Lane {
    /// Seconds in which others had the machine.
    Disturbed(Vec<usize>),
    /// When a fault was on.
    Fault(Span),
    /// The largest sample of a metric in each second.
    Largest(Metric, Vec<(usize, Nanos)>),
}

impl Lane {
    /// What it says of some seconds, behind other words; nothing of most.
    fn told(&self, seconds: Range<usize>) -> String {
        match self {
            Lane::Disturbed(disturbed) => match disturbed.iter().any(|one| seconds.contains(one)) {
                true => ", disturbed".to_owned(),
                false => String::new(),
            },
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
            Lane::Disturbed(seconds) => {
                format!("seconds in which others had the machine: {}", seconds.len())
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

/// The map over the lanes; `limit` is drawn as a line.
pub(crate) fn heat(columns: &[Column], lanes: &[Lane], limit: Nanos) -> Figure {
    let definition = Metric::Delivery.definition();
    let title = "When deliveries were slow";
    let note = format!(
        "{}, {} → {}: each column is a second by intended send, each cell a range of latencies; the stronger its colour, the larger its share of that second’s deliveries, up to 30 % and more. Beneath, what the machine and the generator did in the same seconds.",
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
    let groups = columns.chunk_by(|a, b| a.second / together == b.second / together);
    let stretch = |group: &[Column]| {
        let (from, to) = (group.first()?.second, group.last()?.second + 1);
        let mut all = histogram::empty();
        for column in group {
            all.add(&column.histogram).ok()?;
        }
        let mut told = format!(
            "{}: {} deliveries",
            told_seconds(from, together),
            count(all.len())
        );
        for p in [50.0, 99.0] {
            if let Ok(latency) = percentile::of(&all, p) {
                told += &format!(", p{p} {}", duration(latency));
            }
        }
        if !all.is_empty() {
            told += &format!(", max {}", duration(all.max()));
        }
        for lane in lanes {
            told += &lane.told(from..to);
        }
        let left = plot.at(from as f64, 0.0).0;
        let right = plot.at(to as f64, 0.0).0;
        Some(Stretch {
            at: (from / together * together).to_string(),
            from: (left, frame.top),
            to: (right, frame.bottom),
            told,
        })
    };
    groups.filter_map(stretch).collect()
}

fn ends(columns: &[Column]) -> (f64, f64) {
    let first = columns.first().map_or(0, |column| column.second);
    let last = columns.last().map_or(0, |column| column.second);
    (first as f64, last as f64 + 1.0)
}

/// Draws the map, and returns where its values are.
fn draw_map(svg: &mut Svg, frame: Frame, columns: &[Column], limit: Nanos) -> Plot {
    let histograms = columns.iter().map(|column| &column.histogram);
    let latencies = histograms
        .filter(|histogram| !histogram.is_empty())
        .flat_map(|histogram| [histogram.min(), histogram.max()]);
    let (first, last) = ends(columns);
    let y = Axis::around(limit, latencies, Room::Up(MAP - TEXT as u32));
    let plot = Plot::over_time(frame.within(Margins::headed()), (first, last), y, None);
    plot.mesh(svg, "");
    let place = (LEFT as i32, frame.top);
    svg.heading(Ink::Muted, Side::Right, place, "latency");
    // By shade, so that each shade becomes one element.
    let cells = cells(columns, last - first);
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

fn cells(columns: &[Column], span: f64) -> Vec<Cell> {
    let together = together(span);
    let mut cells = Vec::new();
    for group in columns.chunk_by(|a, b| a.second / together == b.second / together) {
        let mut rows: BTreeMap<i32, u64> = BTreeMap::new();
        let mut all = 0;
        for column in group {
            for recorded in column.histogram.iter_recorded() {
                let row = (recorded.value_iterated_to().max(1) as f64).log10() * ROWS_PER_DECADE;
                *rows.entry(row.floor() as i32).or_default() += recorded.count_at_value();
                all += recorded.count_at_value();
            }
        }
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        for (row, count) in rows {
            let share = count as f64 / all as f64;
            let edge = |row: i32| 10f64.powf(f64::from(row) / ROWS_PER_DECADE);
            cells.push(Cell {
                left: first.second as f64,
                right: last.second as f64 + 1.0,
                low: edge(row),
                high: edge(row + 1),
                shade: SHADES.iter().rposition(|from| share >= *from).unwrap_or(0),
            });
        }
    }
    cells
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
    let (bars, ink): (Vec<(usize, Nanos)>, Ink) = match lane {
        Lane::Disturbed(seconds) => (seconds.iter().map(|s| (*s, 1)).collect(), Ink::Disturbed),
        Lane::Largest(_, values) => (values.clone(), Ink::Muted),
        Lane::Fault(_) => (Vec::new(), Ink::Fault),
    };
    let most = bars.iter().map(|bar| bar.1).fold(1, Nanos::max) as f64;
    let (inner, y) = (frame.within(Margins::headed()), Axis::plain(0.0, most));
    let plot = Plot::over_time(inner, (first, last), y, axis);
    svg.area(Ink::Shade, plot.at(first, most), plot.at(last, 0.0));
    if let Lane::Fault(fault) = lane {
        span::draw(svg, std::slice::from_ref(fault), &plot, (0.0, most));
    }
    for (second, height) in bars {
        let (left, height) = (second as f64, height as f64);
        svg.area(ink, plot.at(left, height), plot.at(left + 1.0, 0.0));
    }
    if axis.is_some() {
        plot.mesh(svg, SCHEDULE);
    }
}
