//! Reads rooms and channels that a server has already: CSV of a conversation's id and its users.

use std::collections::HashMap;

use csv::StringRecord;

use super::{Checker, rows::Rows};
use crate::{
    model::Kind,
    scenario::{Existing, KnownUser, Located, written::Listed},
};

/// Who can be a member: the users of a file, or whoever is named where no file says who there is.
pub(super) struct Roll {
    pub(super) users: Vec<KnownUser>,
    numbers: HashMap<String, u32>,
    /// Whether there are no others than these.
    closed: bool,
}

/// Where in a row what stands.
struct Columns {
    id: usize,
    /// `None`: there is no header row, and users stand everywhere behind the id.
    named: Option<Named>,
}

/// What a header row names.
struct Named {
    users: Vec<usize>,
    /// By column: whether it has a name at all.
    all: Vec<bool>,
}

impl Roll {
    /// Of the users of a file; `None`: of those who are named.
    pub(super) fn of(known: Option<Vec<KnownUser>>) -> Self {
        let closed = known.is_some();
        let users = known.unwrap_or_default();
        let numbers = (0..).zip(&users);
        Self {
            numbers: numbers.map(|(at, user)| (user.id.clone(), at)).collect(),
            users,
            closed,
        }
    }

    /// The number of a user; `None`: there is no such user.
    fn number(&mut self, id: &str) -> Option<u32> {
        let known = self.numbers.get(id).copied();
        if known.is_some() || self.closed {
            return known;
        }
        let number = self.users.len() as u32;
        self.users.push(KnownUser {
            id: id.to_owned(),
            ..KnownUser::default()
        });
        self.numbers.insert(id.to_owned(), number);
        Some(number)
    }
}

/// What was read of a file's conversations so far.
struct Reading<'a> {
    rows: &'a Rows,
    kind: Kind,
    conversations: Vec<Existing>,
    /// The first row of each conversation.
    first: Vec<&'a StringRecord>,
    by_id: HashMap<&'a str, usize>,
    /// The row of each membership.
    memberships: HashMap<(usize, u32), &'a StringRecord>,
}

impl Checker<'_> {
    /// The conversations of a file, in its order.
    pub(super) fn existing(
        &mut self,
        kind: Kind,
        listed: &Listed,
        roll: &mut Roll,
    ) -> Result<Vec<Existing>, Located> {
        let rows = Rows::read(self.data_file(&listed.file)?)?;
        let columns = match rows.rows.first() {
            None => {
                let none = format!("the file has no {}", name(kind));
                return Err(self.wrong(&listed.file.span, none));
            }
            Some(first) => header(first).map_err(|message| rows.wrong(first, message))?,
        };
        let skipped = usize::from(columns.is_some());
        let columns = columns.unwrap_or(Columns { id: 0, named: None });
        let mut reading = Reading {
            rows: &rows,
            kind,
            conversations: Vec::new(),
            first: Vec::new(),
            by_id: HashMap::new(),
            memberships: HashMap::new(),
        };
        for row in &rows.rows[skipped..] {
            reading.row(row, &columns, roll)?;
        }
        match reading.conversations.is_empty() {
            true => {
                let none = format!("the file has no {} below its header row", name(kind));
                Err(self.wrong(&listed.file.span, none))
            }
            false => reading.complete(),
        }
    }
}

impl<'a> Reading<'a> {
    fn row(
        &mut self,
        row: &'a StringRecord,
        columns: &Columns,
        roll: &mut Roll,
    ) -> Result<(), Located> {
        let id = self.rows.id(row, columns.id)?;
        let next = self.conversations.len();
        let conversation = *self.by_id.entry(id).or_insert(next);
        if conversation == next {
            self.conversations.push(Existing {
                kind: self.kind,
                id: id.to_owned(),
                members: Vec::new(),
            });
            self.first.push(row);
        }
        // Tables pad what is shorter than their longest line.
        let there = |&field: &usize| row.get(field).is_some_and(|user| !user.is_empty());
        let of_users = match &columns.named {
            Some(named) => {
                if let Some(field) = (0..row.len()).filter(there).find(|&at| !named.has(at)) {
                    return Err(self.beyond(row, field));
                }
                named.users.clone()
            }
            None => (columns.id + 1..row.len()).collect(),
        };
        let of_users: Vec<usize> = of_users.into_iter().filter(there).collect();
        if of_users.is_empty() {
            let what = format!(
                "a line is a {0}'s id and its users: {0},user or {0},user,user",
                name(self.kind)
            );
            return Err(self.rows.wrong(row, what));
        }
        of_users
            .into_iter()
            .try_for_each(|field| self.member(conversation, row, field, roll))
    }

    /// Whoever stands where the header row names no column would be left out, and nobody would know.
    fn beyond(&self, row: &StringRecord, field: usize) -> Located {
        let what = format!(
            "the header row names no column here, so that {:?} would be left out: name each column, as in {}",
            row.get(field).unwrap_or_default(),
            match self.kind {
                Kind::Room => "room,user_a,user_b",
                Kind::Channel => "channel,user_1,user_2,user_3",
            }
        );
        self.rows.wrong_at(row, field, what)
    }

    fn member(
        &mut self,
        conversation: usize,
        row: &'a StringRecord,
        field: usize,
        roll: &mut Roll,
    ) -> Result<(), Located> {
        let user = self.rows.id(row, field)?;
        let wrong = |message: String| Err(self.rows.wrong_at(row, field, message));
        let Some(number) = roll.number(user) else {
            return wrong(format!(
                "{user:?} is none of the {} users: add it to the users' file, or to `users`, how many of the file there are",
                roll.users.len()
            ));
        };
        let Existing { id, members, .. } = &mut self.conversations[conversation];
        if let Some(earlier) = self.memberships.insert((conversation, number), row) {
            let line = self.rows.line(earlier);
            return wrong(format!(
                "{user:?} is a member of {id:?} by line {line} already: each membership is there once"
            ));
        }
        if self.kind == Kind::Room && members.len() == 2 {
            return wrong(format!(
                "{user:?} is the third user of the room {id:?}: a room has two, and what has more is a channel"
            ));
        }
        members.push(number);
        Ok(())
    }

    /// Nobody is alone.
    fn complete(mut self) -> Result<Vec<Existing>, Located> {
        for (conversation, first) in self.conversations.iter_mut().zip(&self.first) {
            if conversation.members.len() < 2 {
                return Err(self.rows.wrong(
                    first,
                    format!(
                        "the {} {:?} has one user: a message needs somebody who gets it, so add another or leave the line out",
                        name(self.kind),
                        conversation.id
                    ),
                ));
            }
            conversation.members.sort_unstable();
        }
        Ok(self.conversations)
    }
}

impl Named {
    fn has(&self, column: usize) -> bool {
        self.all.get(column).copied().unwrap_or(false)
    }
}

/// The columns that a first row names; `None`: it is a conversation's.
fn header(row: &StringRecord) -> Result<Option<Columns>, String> {
    let names: Vec<String> = row.iter().map(plain).collect();
    let is_id = |name: &String| matches!(&**name, "id" | "room" | "channel" | "conversation");
    let is_user = |name: &String| {
        let rest = name
            .strip_prefix("user")
            .or_else(|| name.strip_prefix("member"));
        rest.is_some_and(|rest| rest.len() <= 1 || rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let users: Vec<usize> = (0..names.len()).filter(|&at| is_user(&names[at])).collect();
    match names.iter().position(is_id) {
        Some(id) if !users.is_empty() => {
            let all = names.iter().map(|name| !name.is_empty()).collect();
            let named = Some(Named { users, all });
            Ok(Some(Columns { id, named }))
        }
        Some(_) => Err(
            "this looks like a header row, and names no column of users: write room,user_a,user_b or channel,user and what else there is"
                .to_owned(),
        ),
        None if names.iter().any(|name| matches!(&**name, "user" | "member")) => Err(
            "this looks like a header row, and names no column of the conversation: write room,user_a,user_b or channel,user and what else there is"
                .to_owned(),
        ),
        None => Ok(None),
    }
}

/// A column's name as it is compared: `roomId`, `room_id` and `Room` are one.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|&c| c != '_' && c != '-' && c != ' ');
    let name: String = letters.flat_map(char::to_lowercase).collect();
    match name.strip_suffix("id").filter(|rest| !rest.is_empty()) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Room => "room",
        Kind::Channel => "channel",
    }
}
