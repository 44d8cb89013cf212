//! Broken promises with their first few cases, gathered while the account is gone through.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outcomes::{Breach, Outcomes};
use crate::{
    judge::Check,
    model::Nanos,
    plan::{Plan, Send},
};

/// How many examples of a finding are kept, each of another message or another cause.
const EXAMPLES: usize = 10;

/// A broken promise: how often, and the first few cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// Which promise.
    pub check: Check,
    /// How often.
    pub count: u64,
    /// The first few cases.
    pub examples: Vec<Example>,
}

/// One case of a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Example {
    /// The message's number in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<u32>,
    /// The sender's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The id of the user who saw it, or should have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The intended time of the message from the start of the schedule, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Nanos>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many other cases have the same message and the same note: a message to 999 that is lost is one example.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Example {
    /// Whether it tells of the same message and cause.
    fn is_like(&self, other: &Example) -> bool {
        self.message == other.message && self.note == other.note
    }
}

impl Finding {
    /// Keeps an example, or counts it with the one that is like it. Of a cause that no kept example has, one is kept even
    /// where there is no room for more.
    fn keep(&mut self, example: Example) {
        let mut kept = self.examples.iter_mut();
        if let Some(like) = kept.find(|kept| kept.is_like(&example)) {
            like.more += 1;
            return;
        }
        if self.examples.len() < EXAMPLES {
            self.examples.push(example);
            return;
        }
        let causes = |note: &Option<String>| {
            let examples = self.examples.iter();
            examples.filter(|kept| kept.note == *note).count()
        };
        let spare = |kept: &Example| causes(&kept.note) > 1;
        if causes(&example.note) == 0
            && let Some(place) = self.examples.iter().rposition(spare)
        {
            self.examples[place] = example;
        }
    }
}

/// A (message, member) pair with a remark.
#[derive(Clone)]
pub(super) struct Case {
    message: u32,
    send: Send,
    member: u32,
    note: Option<String>,
}

impl Case {
    pub(super) fn of(message: u32, send: &Send, member: u32) -> Self {
        Self {
            message,
            send: *send,
            member,
            note: None,
        }
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        self.note = Some(match self.note {
            Some(first) => format!("{first}, {note}"),
            None => note,
        });
        self
    }

    /// Whether the member is the sender itself.
    pub(super) fn is_own(&self) -> bool {
        self.member == self.send.sender
    }

    /// With a word on it where it is about the sender's own copy.
    pub(super) fn named(self) -> Self {
        if self.is_own() {
            self.note("the sender's own copy")
        } else {
            self
        }
    }
}

/// A case as it is told.
pub(super) fn example(plan: &Plan, case: Case) -> Example {
    Example {
        message: Some(case.message),
        sender: Some(plan.users[case.send.sender as usize].clone()),
        recipient: Some(plan.users[case.member as usize].clone()),
        at: Some(case.send.at),
        note: case.note,
        more: 0,
    }
}

/// Findings so far, by check, and the outcomes that they are found among.
pub(super) struct Findings<'a> {
    plan: &'a Plan,
    by_check: BTreeMap<Check, Finding>,
    pub(super) outcomes: Outcomes,
}

impl<'a> Findings<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            by_check: BTreeMap::new(),
            outcomes: Outcomes::new(plan),
        }
    }

    pub(super) fn add(&mut self, check: Check, case: Case) {
        self.add_times(check, 1, case);
    }

    /// Counts a case as often as it came.
    pub(super) fn add_times(&mut self, check: Check, times: u64, case: Case) {
        let breach = Breach {
            message: case.message,
            member: case.member,
            times: u32::try_from(times).unwrap_or(u32::MAX),
        };
        self.outcomes.broke(check, breach);
        let example = example(self.plan, case);
        let finding = self.of(check);
        finding.count += times;
        finding.keep(example);
    }

    pub(super) fn add_counted(
        &mut self,
        check: Check,
        count: u64,
        examples: impl Iterator<Item = Example>,
    ) {
        if count == 0 {
            return;
        }
        self.outcomes.broke_apart(check, count);
        let finding = self.of(check);
        finding.count += count;
        let room = EXAMPLES.saturating_sub(finding.examples.len());
        finding.examples.extend(examples.take(room));
    }

    fn of(&mut self, check: Check) -> &mut Finding {
        self.by_check.entry(check).or_insert_with(|| Finding {
            check,
            count: 0,
            examples: Vec::new(),
        })
    }

    /// How many promises were broken so far.
    pub(super) fn count(&self) -> u64 {
        self.by_check.values().map(|finding| finding.count).sum()
    }

    /// How often this one was.
    pub(super) fn count_of(&self, check: Check) -> u64 {
        self.by_check.get(&check).map_or(0, |finding| finding.count)
    }

    /// In the order of the checks.
    pub(super) fn into_sorted(self) -> (Vec<Finding>, Outcomes) {
        (self.by_check.into_values().collect(), self.outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(message: u32, note: Option<&str>) -> Example {
        Example {
            message: Some(message),
            note: note.map(str::to_owned),
            ..Example::default()
        }
    }

    #[test]
    fn examples_are_one_for_each_message_and_cause_and_show_every_cause() {
        let mut finding = Finding {
            check: Check::Lost,
            count: 0,
            examples: Vec::new(),
        };
        for message in 0..20 {
            for _ in 0..999 {
                finding.keep(example(message, None));
            }
        }
        assert_eq!(finding.examples.len(), EXAMPLES);
        assert!(finding.examples.iter().all(|example| example.more == 998));
        // Kinds that come late are shown all the same, in the place of the last of a kind that has several.
        finding.keep(example(30, Some("twice")));
        finding.keep(example(31, Some("twice")));
        finding.keep(example(31, Some("three times")));
        let notes: Vec<_> = finding
            .examples
            .iter()
            .map(|kept| kept.note.as_deref())
            .collect();
        let mut wanted = vec![None; 8];
        wanted.extend([Some("three times"), Some("twice")]);
        assert_eq!(notes, wanted);
        assert_eq!(finding.examples[9].message, Some(30));
    }
}
