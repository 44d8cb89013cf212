//! Reads users that a server knows already: CSV by RFC 4180, with or without a header row.

use std::collections::{BTreeMap, HashMap};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::{Checker, DataFile};
use crate::scenario::{KnownUser, Located, written::Placed};

/// The server takes ids of 1 to 128 bytes.
const LONGEST_ID: usize = 128;
/// What no user is called and no token says: a first row with one of these is a header row.
const HEADINGS: [&str; 8] = [
    "id",
    "token",
    "user",
    "user_id",
    "userid",
    "username",
    "user_token",
    "name",
];

/// Where in a row what stands.
struct Columns {
    id: usize,
    token: usize,
    /// The others, with their names.
    others: Vec<(usize, String)>,
}

impl Checker<'_> {
    pub(super) fn known_users(
        &mut self,
        file: &Placed<String>,
        users: u32,
    ) -> Result<Vec<KnownUser>, Located> {
        let data = self.data_file(file)?;
        let rows = rows(&data)?;
        let mut columns = Columns {
            id: 0,
            token: 1,
            others: Vec::new(),
        };
        let mut lines_of: HashMap<&str, usize> = HashMap::new();
        let mut known = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            if number == 0
                && let Some(header) = header(row).map_err(|message| wrong(&data, row, message))?
            {
                columns = header;
                continue;
            }
            let user = columns
                .user(row)
                .map_err(|message| wrong(&data, row, message))?;
            let id = row.get(columns.id).unwrap_or_default();
            if let Some(first) = lines_of.insert(id, wrong(&data, row, "").line) {
                let what =
                    format!("{id:?} is the user of line {first} already: each user has one line");
                return Err(wrong(&data, row, what));
            }
            known.push(user);
        }
        if known.len() < users as usize {
            return Err(self.wrong(
                &file.span,
                format!(
                    "the file has {} users, and the population {users}",
                    known.len()
                ),
            ));
        }
        Ok(known)
    }
}

/// All rows; blank lines are none.
fn rows(data: &DataFile) -> Result<Vec<StringRecord>, Located> {
    // Spreadsheets begin a file with a byte order mark.
    let text = data.text.strip_prefix('\u{feff}').unwrap_or(&data.text);
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
    Ok(rows)
}

/// The columns that a first row names; `None`: it is a user's.
fn header(row: &StringRecord) -> Result<Option<Columns>, String> {
    let place = |name: &str| row.iter().position(|field| field == name);
    if let (Some(id), Some(token)) = (place("id"), place("token")) {
        let mut others: Vec<(usize, String)> = Vec::new();
        for (at, name) in row.iter().enumerate() {
            if at == id || at == token {
                continue;
            }
            let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_word) {
                return Err(format!(
                    "a column is named by letters, digits, _ and -, and {name:?} is not"
                ));
            }
            if name == "index" || others.iter().any(|(_, other)| other == name) {
                return Err(format!(
                    "the column {name:?} is there already: name it otherwise"
                ));
            }
            others.push((at, name.to_owned()));
        }
        return Ok(Some(Columns { id, token, others }));
    }
    let is_heading = |field: &str| HEADINGS.contains(&field.to_ascii_lowercase().as_str());
    match row.iter().find(|field| is_heading(field)) {
        Some(_) => Err(
            "this looks like a header row, and names no columns `id` and `token`: write id,token and what else there is"
                .to_owned(),
        ),
        None => Ok(None),
    }
}

impl Columns {
    fn user(&self, row: &StringRecord) -> Result<KnownUser, String> {
        let fields = 2 + self.others.len();
        if row.len() > fields && self.others.is_empty() {
            return Err(format!(
                "{} fields: a token with a comma stands in quotes, and further columns are named by a header row id,token,…",
                row.len()
            ));
        }
        if row.len() != fields && !self.others.is_empty() {
            return Err(format!(
                "{} fields, and the header row has {fields}",
                row.len()
            ));
        }
        let field = |at: usize| row.get(at).unwrap_or_default();
        let (id, token) = (field(self.id), field(self.token));
        if id.is_empty() || token.is_empty() {
            return Err("a line is a user's id, a comma and the token".to_owned());
        }
        if id.len() > LONGEST_ID {
            return Err(format!(
                "an id has at most {LONGEST_ID} bytes, this one {}",
                id.len()
            ));
        }
        if let Some(field) = row.iter().find(|field| field.chars().any(char::is_control)) {
            return Err(format!(
                "{field:?} has a line end or another control character: no header and no address can hold it"
            ));
        }
        let columns: BTreeMap<String, String> = self
            .others
            .iter()
            .map(|(at, name)| (name.clone(), field(*at).to_owned()))
            .collect();
        Ok(KnownUser {
            id: id.to_owned(),
            token: token.to_owned(),
            columns,
        })
    }
}

/// A mistake in a row, shown in place.
fn wrong(data: &DataFile, row: &StringRecord, message: impl Into<String>) -> Located {
    let mark = data.text.len() - data.text.trim_start_matches('\u{feff}').len();
    let start = row.position().map_or(0, |at| at.byte() as usize) + mark;
    // A row's place is the end of the row before it, where lines end in two characters.
    let blanks =
        data.text[start..].len() - data.text[start..].trim_start_matches(['\r', '\n']).len();
    let start = start + blanks;
    let length = data.text[start..]
        .find('\n')
        .unwrap_or(data.text.len() - start);
    data.wrong(start..start + length, message)
}
