//! Cases of one kind: all are counted, and the first few are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many cases are kept.
const KEPT: usize = 10;

/// A count, and the first few cases in their own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct First<T> {
    count: u64,
    cases: Vec<T>,
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self {
            count: 0,
            cases: Vec::new(),
        }
    }
}

impl<T: Ord> First<T> {
    /// Counts a case, and keeps it if it is one of the first.
    pub fn add(&mut self, case: T) {
        self.count += 1;
        self.keep(case);
    }

    /// Adds those of another part.
    pub fn merge(&mut self, other: First<T>) {
        self.count += other.count;
        for case in other.cases {
            self.keep(case);
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first few.
    pub fn cases(&self) -> &[T] {
        &self.cases
    }

    fn keep(&mut self, case: T) {
        let place = self.cases.partition_point(|known| *known <= case);
        if place < KEPT {
            self.cases.insert(place, case);
            self.cases.truncate(KEPT);
        }
    }
}
