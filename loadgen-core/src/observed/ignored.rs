//! What came, is legal, and is nobody's here: events of other names, packets of other namespaces, each counted by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// As many names are told apart; a server that makes up names fills no memory.
const MOST_NAMES: usize = 200;
/// Of a name, so many bytes are kept.
const MOST_BYTES: usize = 100;
/// What the names beyond are counted under.
const OTHERS: &str = "(others)";

/// How often each name came that nothing was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ignored(BTreeMap<String, u64>);

impl Ignored {
    /// Counts one.
    pub fn add(&mut self, name: &str) {
        self.add_many(name, 1);
    }

    /// Adds another part's.
    pub fn merge(&mut self, other: Ignored) {
        for (name, count) in other.0 {
            self.add_many(&name, count);
        }
    }

    /// By name, how often it came.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.0
    }

    fn add_many(&mut self, name: &str, count: u64) {
        let name = &name[..name.floor_char_boundary(MOST_BYTES)];
        if let Some(known) = self.0.get_mut(name) {
            *known += count;
            return;
        }
        let name = match self.0.len() < MOST_NAMES {
            true => name,
            false => OTHERS,
        };
        *self.0.entry(name.to_owned()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_and_no_server_can_make_up_too_many() {
        let mut ignored = Ignored::default();
        for _ in 0..3 {
            ignored.add("typing");
        }
        let mut other = Ignored::default();
        other.add("typing");
        ignored.merge(other);
        assert_eq!(ignored.counts()["typing"], 4);
        for number in 0..1_000 {
            ignored.add(&format!("{number}{}", "é".repeat(200)));
        }
        assert_eq!(ignored.counts().values().sum::<u64>(), 1_004);
        assert!(ignored.counts().len() <= MOST_NAMES + 1);
        assert!(ignored.counts().keys().all(|name| name.len() <= MOST_BYTES));
    }
}
