//! Tables and sentences for a terminal: without lines, numbers at the right of their columns, no wider than there is room.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

/// How wide a text may be, in columns of a terminal; `None`: as wide as it is.
pub type Width = Option<usize>;

/// Between two columns.
const GAP: usize = 2;
/// What follows a number and is no word of its own.
const UNITS: [&str; 8] = ["ns", "µs", "ms", "s", "%", "×", "KiB", "MiB"];
/// A blank at which no line ends (U+00A0), while a text is wrapped.
const TOGETHER: char = '\u{a0}';
/// Before the lines below a heading.
const INDENT: u16 = 2;

/// A column of a table that leaves columns out where there is no room for them.
#[derive(Debug, Clone)]
pub struct Column {
    /// What stands above it.
    pub title: String,
    /// The columns with the highest go first; those with 0 stay.
    pub rank: u8,
    /// What stands in it, from above.
    pub cells: Vec<String>,
}

impl Column {
    /// One without cells.
    pub fn new(title: impl Into<String>, rank: u8) -> Self {
        Self {
            title: title.into(),
            rank,
            cells: Vec::new(),
        }
    }
}

/// A table without rows.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Sets what stands in these columns to the right.
pub fn align_right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Sets the columns apart, and those from the first with numbers on to the right.
pub fn align_numbers(table: &mut Table, first: usize) {
    let columns = first..table.column_count();
    align_right(table, columns);
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP as u16));
    }
}

/// The columns that there is room for, each row in one line: the first from `numbers` on at the right, no line with blanks
/// at its end, no line feed behind the last.
pub fn fitted(mut columns: Vec<Column>, numbers: usize, width: Width) -> String {
    loop {
        let table = plain(&columns, numbers);
        let widths = table.column_max_content_widths();
        let gaps = GAP * widths.len().saturating_sub(1);
        let all = widths
            .iter()
            .map(|&width| usize::from(width))
            .sum::<usize>()
            + gaps;
        let droppable = columns.iter().map(|column| column.rank).max().unwrap_or(0);
        if droppable == 0 || width.is_none_or(|width| all <= width) {
            return table.trim_fmt();
        }
        // Of several that are as dear, the last.
        let last = columns
            .iter()
            .rposition(|column| column.rank == droppable)
            .unwrap_or_default();
        columns.remove(last);
    }
}

fn plain(columns: &[Column], numbers: usize) -> Table {
    let mut table = plain_table();
    table.set_header(columns.iter().map(|column| &column.title));
    let rows = columns.iter().map(|column| column.cells.len()).max();
    for row in 0..rows.unwrap_or(0) {
        let cells = columns.iter().map(|column| column.cells.get(row));
        table.add_row(cells.map(|cell| cell.cloned().unwrap_or_default()));
    }
    align_numbers(&mut table, numbers);
    table
}

/// Sentences behind the words for what they are about, wrapped between words: the second and further lines of one begin
/// below its first. `indent`: all of it stands below a heading.
pub fn sentences(rows: &[(&str, String)], indent: bool, width: Width) -> String {
    let mut table = wrapping(width);
    for (about, text) in rows {
        table.add_row([*about, &held_together(text)]);
    }
    if let Some(about) = table.column_mut(0) {
        about.set_padding((before(indent), 1));
        about.set_constraint(ColumnConstraint::ContentWidth);
    }
    if let Some(text) = table.column_mut(1) {
        text.set_padding((0, 0));
    }
    table.trim_fmt().replace(TOGETHER, " ")
}

/// A sentence by itself, wrapped between words.
pub fn paragraph(text: &str, indent: bool, width: Width) -> String {
    let mut table = wrapping(width);
    table.add_row([held_together(text)]);
    if let Some(text) = table.column_mut(0) {
        text.set_padding((before(indent), 0));
    }
    table.trim_fmt().replace(TOGETHER, " ")
}

/// A text whose numbers stay in one line with their units.
fn held_together(text: &str) -> String {
    let mut held = String::with_capacity(text.len());
    for word in text.split_inclusive(' ') {
        let unit = word.trim_end_matches([' ', ',', ';', '.', ')', ':']);
        if UNITS.contains(&unit) && held.ends_with(' ') {
            let end = held.trim_end_matches(' ').len();
            if held[..end].ends_with(|last: char| last.is_ascii_digit()) {
                held.truncate(end);
                held.push(TOGETHER);
            }
        }
        held.push_str(word);
    }
    held
}

const fn before(indent: bool) -> u16 {
    if indent { INDENT } else { 0 }
}

/// A table whose texts are wrapped where there is no room.
fn wrapping(width: Width) -> Table {
    let mut table = plain_table();
    wrap(&mut table, width);
    table
}

/// Wraps the texts of a table where there is no room for them.
pub fn wrap(table: &mut Table, width: Width) {
    match width.and_then(|width| u16::try_from(width).ok()) {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let cells = |title: &str, rank, cells: [&str; 2]| Column {
            cells: cells.map(str::to_owned).into(),
            ..Column::new(title, rank)
        };
        vec![
            cells("metric", 0, ["delivery latency", "join"]),
            cells("p50", 0, ["312 µs", "1.35 ms"]),
            cells("p90", 2, ["608 µs", "2.37 ms"]),
            cells("max", 1, ["4.30 ms", "2.74 ms"]),
        ]
    }

    #[test]
    fn a_table_leaves_out_what_there_is_no_room_for_and_wraps_no_row() {
        for (width, titles) in [
            (None, &["metric", "p50", "p90", "max"][..]),
            (Some(43), &["metric", "p50", "p90", "max"]),
            (Some(42), &["metric", "p50", "max"]),
            (Some(33), &["metric", "p50"]),
            // A name and its number stay even where they do not fit.
            (Some(5), &["metric", "p50"]),
        ] {
            let text = fitted(columns(), 1, width);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 3, "{text}");
            let head: Vec<&str> = lines[0].split_whitespace().collect();
            assert_eq!(head, titles);
            assert!(lines.iter().all(|line| line.trim_end() == *line));
        }
        assert!(fitted(columns(), 1, None).starts_with("metric            "));
        assert!(
            fitted(columns(), 1, None).contains("\njoin              1.35 ms  2.37 ms  2.74 ms")
        );
    }

    #[test]
    fn a_paragraph_is_wrapped_below_its_heading() {
        assert_eq!(
            paragraph("one two three", true, Some(10)),
            "  one two\n  three"
        );
        assert_eq!(paragraph("one two three", false, None), "one two three");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        assert_eq!(
            paragraph("of all 99 %, 12.5 ms", false, Some(9)),
            "of all\n99 %,\n12.5 ms"
        );
    }

    #[test]
    fn sentences_are_wrapped_between_words_below_their_first_line() {
        let rows = [
            ("cpu", "0.292 ms per message".to_owned()),
            ("floor", "p50 187 µs".to_owned()),
        ];
        assert_eq!(
            sentences(&rows, true, Some(20)),
            "  cpu   0.292 ms per\n        message\n  floor p50 187 µs"
        );
        assert_eq!(
            sentences(&rows, false, None),
            "cpu   0.292 ms per message\nfloor p50 187 µs"
        );
    }
}
