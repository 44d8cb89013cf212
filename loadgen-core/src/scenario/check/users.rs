//! Reads users that a server knows already: CSV by RFC 4180, with or without a header row.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use csv::StringRecord;

use super::{Checker, rows::Rows};
use crate::scenario::{KnownUser, Located, written::Placed};

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
    /// `None`: tokens come from elsewhere, and what stands here is not used.
    token: Option<usize>,
    /// The others, with their names.
    others: Vec<(usize, String)>,
    /// How many there are at least and at most.
    fields: RangeInclusive<usize>,
}

impl Checker<'_> {
    /// The users of a file; `with_tokens`: their tokens stand there too, and come from nowhere else.
    pub(super) fn known_users(
        &mut self,
        file: &Placed<String>,
        with_tokens: bool,
    ) -> Result<Vec<KnownUser>, Located> {
        let rows = Rows::read(self.data_file(file)?)?;
        let mut columns = Columns {
            id: 0,
            token: with_tokens.then_some(1),
            others: Vec::new(),
            fields: if with_tokens { 2..=2 } else { 1..=2 },
        };
        let mut rows_of: HashMap<&str, &StringRecord> = HashMap::new();
        let mut known = Vec::new();
        for (number, row) in rows.rows.iter().enumerate() {
            let header = match number {
                0 => header(row, with_tokens).map_err(|message| rows.wrong(row, message))?,
                _ => None,
            };
            if let Some(header) = header {
                columns = header;
                continue;
            }
            let user = columns
                .user(row)
                .map_err(|message| rows.wrong(row, message))?;
            let id = rows.id(row, columns.id)?;
            if let Some(first) = rows_of.insert(id, row) {
                let what = format!(
                    "{id:?} is the user of line {} already: each user has one line",
                    rows.line(first)
                );
                return Err(rows.wrong_at(row, columns.id, what));
            }
            known.push(user);
        }
        Ok(known)
    }
}

/// The columns that a first row names; `None`: it is a user's.
fn header(row: &StringRecord, with_tokens: bool) -> Result<Option<Columns>, String> {
    let place = |name: &str| row.iter().position(|field| field == name);
    let token = place("token");
    if let Some(id) = place("id").filter(|_| token.is_some() || !with_tokens) {
        let mut others: Vec<(usize, String)> = Vec::new();
        for (at, name) in row.iter().enumerate() {
            if at == id || Some(at) == token {
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
        return Ok(Some(Columns {
            id,
            token: token.filter(|_| with_tokens),
            others,
            fields: row.len()..=row.len(),
        }));
    }
    let is_heading = |field: &str| HEADINGS.contains(&field.to_ascii_lowercase().as_str());
    match row.iter().find(|field| is_heading(field)) {
        Some(_) if with_tokens => Err(
            "this looks like a header row, and names no columns `id` and `token`: write id,token and what else there is"
                .to_owned(),
        ),
        Some(_) => Err(
            "this looks like a header row, and names no column `id`: write id and what else there is"
                .to_owned(),
        ),
        None => Ok(None),
    }
}

impl Columns {
    fn user(&self, row: &StringRecord) -> Result<KnownUser, String> {
        let (fields, named) = (row.len(), *self.fields.end());
        if fields > named && self.others.is_empty() {
            return Err(format!(
                "{fields} fields: a token with a comma stands in quotes, and further columns are named by a header row id,token,…"
            ));
        }
        if fields != named && !self.others.is_empty() {
            return Err(format!("{fields} fields, and the header row has {named}"));
        }
        let field = |at: usize| row.get(at).unwrap_or_default();
        let (id, token) = (field(self.id), self.token.map_or("", field));
        if id.is_empty() || self.token.is_some() && token.is_empty() {
            return Err(match self.token {
                Some(_) => "a line is a user's id, a comma and the token",
                None => "a line is a user's id",
            }
            .to_owned());
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
