//! Rows of a CSV file (RFC 4180) that a scenario names: each row and each field with its place.

use std::ops::Range as ByteRange;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::DataFile;
use crate::scenario::Located;

/// What spreadsheets begin a file with, some of them twice.
const MARK: char = '\u{feff}';
/// The server takes ids of 1 to 128 bytes.
const LONGEST_ID: usize = 128;

/// The rows of a file; blank lines are none.
pub(super) struct Rows {
    data: DataFile,
    pub(super) rows: Vec<StringRecord>,
}

impl Rows {
    pub(super) fn read(data: DataFile) -> Result<Self, Located> {
        let text = data.text.trim_start_matches(MARK);
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        let mut rows = Vec::new();
        for row in reader.records() {
            let row = row.map_err(|error| data.wrong(0..0, format!("no CSV: {error}")))?;
            if row.iter().any(|field| !field.is_empty()) {
                rows.push(row);
            }
        }
        Ok(Self { data, rows })
    }

    /// A mistake in a row.
    pub(super) fn wrong(&self, row: &StringRecord, message: impl Into<String>) -> Located {
        let start = self.start(row);
        let text = &self.data.text[start..];
        let length = text.find('\n').unwrap_or(text.len());
        self.data.wrong(start..start + length, message)
    }

    /// A mistake in a field of a row.
    pub(super) fn wrong_at(
        &self,
        row: &StringRecord,
        field: usize,
        message: impl Into<String>,
    ) -> Located {
        let start = self.start(row);
        let place = place_of(&self.data.text[start..], field);
        self.data
            .wrong(start + place.start..start + place.end, message)
    }

    /// The line that a row begins in, from 1.
    pub(super) fn line(&self, row: &StringRecord) -> usize {
        self.wrong(row, "").line
    }

    /// An id that a server can take.
    pub(super) fn id<'a>(&self, row: &'a StringRecord, field: usize) -> Result<&'a str, Located> {
        let id = row.get(field).unwrap_or_default();
        let wrong = |message: String| Err(self.wrong_at(row, field, message));
        match id {
            "" => wrong("an id is not empty".to_owned()),
            _ if id.len() > LONGEST_ID => wrong(format!(
                "an id has at most {LONGEST_ID} bytes, this one {}",
                id.len()
            )),
            _ if id.chars().any(char::is_control) => wrong(format!(
                "{id:?} has a line end or another control character: an id has none"
            )),
            _ => Ok(id),
        }
    }

    fn start(&self, row: &StringRecord) -> usize {
        let text = &self.data.text;
        let mark = text.len() - text.trim_start_matches(MARK).len();
        let start = row.position().map_or(0, |at| at.byte() as usize) + mark;
        // A row's place is the end of the row before it, where lines end in two characters.
        let rest = &text[start..];
        start + rest.len() - rest.trim_start_matches(['\r', '\n']).len()
    }
}

/// Where in the text of a row a field stands, without the blanks around it.
fn place_of(row: &str, field: usize) -> ByteRange<usize> {
    let mut quoted = false;
    let mut number = 0;
    let mut start = 0;
    let mut end = row.len();
    for (at, character) in row.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted && number == field => end = at,
            ',' if !quoted => {
                number += 1;
                start = at + 1;
            }
            '\n' if !quoted => end = at,
            _ => {}
        }
        if end < row.len() {
            break;
        }
    }
    let text = &row[start..end];
    let start = start + text.len() - text.trim_start().len();
    start..start + text.trim().len()
}
