//! Broken promises with their first few cases, gathered while the account is gone through.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    judge::Check,
    model::Nanos,
    plan::{Plan, Send},
};

/// How many examples of a finding are kept.
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

/// Findings so far, by check.
pub(super) struct Findings<'a> {
    plan: &'a Plan,
    by_check: BTreeMap<Check, Finding>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            by_check: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, check: Check, case: Case) {
        self.add_times(check, 1, case);
    }

    /// Counts a case as often as it came.
    pub(super) fn add_times(&mut self, check: Check, times: u64, case: Case) {
        let plan = self.plan;
        let finding = self.of(check);
        finding.count += times;
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(Example {
                message: Some(case.message),
                sender: Some(plan.users[case.send.sender as usize].clone()),
                recipient: Some(plan.users[case.member as usize].clone()),
                at: Some(case.send.at),
                note: case.note,
            });
        }
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

    pub(super) fn into_sorted(self) -> Vec<Finding> {
        self.by_check.into_values().collect()
    }
}
