//! What a recorded result says, worked out again from what was seen: whatever does not follow is told, with its place.
//!
//! Nothing here knows a formula. What was seen is brought back, and what judged and recorded it then does so again.

mod ab;
mod again;
mod differences;
mod given;
mod page;
mod plain;
mod repeats;
mod report;
mod run;
mod search;
mod shards;
mod sums;

use serde::Serialize;

use self::differences::differences;
pub use self::{
    ab::ab,
    given::why as given,
    page::{PageError, page, site},
    repeats::repeats,
    report::{recorded_version, result},
    search::{ladder, search},
};
use crate::model::json;

/// What verifying has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// What does not follow.
    pub wrong: Vec<Wrong>,
    /// What can't be worked out again, and why: one sentence each.
    pub open: Vec<String>,
    /// Values that were worked out again and are as they are said.
    pub follow: usize,
    /// Values that nothing else in the result says anything of: they are taken as they are told.
    pub given: usize,
}

/// A value that does not follow from what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Where it stands, as in `runs[0].metrics[0].max`.
    pub place: String,
    /// What is said there.
    pub said: String,
    /// What would follow.
    pub follows: String,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.wrong.is_empty()
    }

    fn wrong(&mut self, place: impl Into<String>, said: impl ToString, follows: impl ToString) {
        self.wrong.push(Wrong {
            place: place.into(),
            said: said.to_string(),
            follows: follows.to_string(),
        });
    }

    /// Two numbers that must be one.
    fn same<T: PartialEq + ToString>(&mut self, place: impl Into<String>, said: T, follows: T) {
        if said != follows {
            self.wrong(place, said, follows);
        }
    }

    fn open(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.open.contains(&why) {
            self.open.push(why);
        }
    }

    /// Holds what is said against what was worked out again.
    ///
    /// # Errors
    /// Where one of them can't be written as JSON.
    fn compare<T: Serialize>(&mut self, said: &T, again: &T) -> Result<(), serde_json::Error> {
        let (said, again) = (json::value(said)?, json::value(again)?);
        differences(&said, &again, self);
        Ok(())
    }
}
