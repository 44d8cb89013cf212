//! What was seen of a fault: when it really was, what shows that it bit, and what went wrong with it.

use serde::{Deserialize, Serialize};

use crate::model::Nanos;

/// What was seen of a planned fault. Times are on the schedule's own time line, as the plan's are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultSeen {
    /// Its name in the plan.
    pub name: String,
    /// When it was brought about; `None`: it never was.
    pub start: Option<Nanos>,
    /// When all was as before; `None`: it never was.
    pub end: Option<Nanos>,
    /// What shows that it bit, in words; `None`: nothing does.
    pub proof: Option<String>,
    /// Why it could not be brought about, looked at or mended.
    pub trouble: Option<String>,
}

impl FaultSeen {
    /// Of a fault that nothing is known of yet.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Adds what another part of the run saw of the same fault: it lasted from the first to the last that anybody saw.
    pub(super) fn merge(&mut self, other: Self) {
        self.start = match (self.start, other.start) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.end = self.end.max(other.end);
        self.proof = self.proof.take().max(other.proof);
        self.trouble = self.trouble.take().max(other.trouble);
    }

    /// Why the run says nothing of the fault, if so.
    pub fn is_void_because(&self) -> Option<String> {
        match (&self.trouble, self.start, &self.proof) {
            (Some(trouble), ..) => Some(trouble.clone()),
            (None, None, _) => Some("it was never brought about".to_owned()),
            (None, Some(_), None) => Some("nothing shows that it had any effect".to_owned()),
            (None, Some(_), Some(_)) => None,
        }
    }
}
