//! Ratios beneath each other, each with its interval, around the line where nothing changed.

use super::{
    BENEATH, Figure, Ink, Size, TEXT,
    axis::{Axis, Room},
    figure,
    plot::{Frame, Plot},
    svg::{Side, Svg},
};

/// Of a row, in units: a line of text, two on a phone, and the bar.
const fn row_height(size: Size) -> u32 {
    match size {
        Size::Wide => 76,
        Size::Narrow => 104,
    }
}

/// How many times as large a number became.
pub(crate) struct Ratio {
    /// Which number.
    pub name: String,
    /// From what to what, in words.
    pub told: String,
    /// What is most likely.
    pub value: f64,
    /// Its interval; `None` of too few runs.
    pub interval: Option<(f64, f64)>,
    /// Whether it differs for certain.
    pub certain: bool,
}

/// `None` without rows.
pub(crate) fn forest(title: &str, note: &str, rows: &[Ratio]) -> Option<Figure> {
    let legend = vec![
        (Ink::Subject, "differs for certain".to_owned()),
        (Ink::Floor, "not certain".to_owned()),
        (Ink::Text, "no difference".to_owned()),
    ];
    let height = |size| rows.len() as u32 * row_height(size) + BENEATH + TEXT as u32;
    let drawn = || {
        figure(title, note, legend, height, |svg, frame, size| {
            draw(svg, frame, size, rows);
        })
    };
    (!rows.is_empty()).then(drawn)
}

fn draw(svg: &mut Svg, frame: Frame, size: Size, rows: &[Ratio]) {
    let ends = rows.iter().flat_map(|row| {
        let (low, high) = row.interval.unwrap_or((row.value, row.value));
        [low, high, row.value]
    });
    let room = Room::Across(size.width() - 3 * TEXT as u32);
    let x = Axis::ratios(ends, room);
    let bottom = rows.len() as f64;
    let plot = Plot::of_rows(frame, rows.len(), x);
    plot.mesh(
        svg,
        "the change divided by the base, on a logarithmic scale",
    );
    for (place, row) in rows.iter().enumerate() {
        let top = bottom - place as f64;
        // The bar lies beneath the text, 20 units from the row's end.
        let unit = 1.0 / f64::from(row_height(size));
        let at = top - 1.0 + 20.0 * unit;
        let ink = if row.certain {
            Ink::Subject
        } else {
            Ink::Floor
        };
        svg.titled(&format!("{}: {}", row.name, row.told), |svg| {
            let beside = [-16.0, 16.0].map(|off| plot.at(1.0, at + off * unit));
            svg.line(Ink::Text.bar(3), beside);
            if let Some((low, high)) = row.interval {
                svg.line(
                    ink.bar(if row.certain { 8 } else { 3 }),
                    [low, high].map(|end| plot.at(end, at)),
                );
            }
            match row.certain {
                true => svg.dot(ink, plot.at(row.value, at), 10),
                false => svg.ring(ink, plot.at(row.value, at), 8),
            }
        });
        let (_, top) = plot.at(1.0, top);
        svg.heading(Ink::Text, Side::Left, (TEXT, top + TEXT / 4), &row.name);
        let (side, x, line) = match size {
            Size::Wide => (Side::Right, frame.right - 2 * TEXT, 0),
            Size::Narrow => (Side::Left, TEXT, TEXT * 6 / 5),
        };
        svg.heading(Ink::Muted, side, (x, top + TEXT / 4 + line), &row.told);
    }
}
