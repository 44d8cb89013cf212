//! What a server said when it refused messages: its own words, and how often.

use std::collections::BTreeMap;

use printable::escaped;
use serde::{Deserialize, Serialize};

/// So many different words are kept, the first in their alphabet: which they are does not depend on who heard them when.
const KEPT: usize = 50;
/// Of each, so many characters.
const LENGTH: usize = 160;

/// Acknowledgements that refused a message, by the server's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refusals {
    words: BTreeMap<String, u64>,
    count: u64,
}

impl Refusals {
    /// Counts one. The words are a stranger's: what is long is cut, and what acts on a terminal is escaped.
    pub fn add(&mut self, words: &str) {
        let mut kept: String = words.chars().take(LENGTH).collect();
        if kept.len() < words.len() {
            kept.push('…');
        }
        self.count += 1;
        self.say(escaped(&kept).into_owned(), 1);
    }

    /// As a result records them: words that are cut and escaped already, and how often they were said.
    pub fn recorded<'a>(words: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut refusals = Self::default();
        for (words, times) in words {
            refusals.count += times;
            refusals.say(words.to_owned(), times);
        }
        refusals
    }

    /// Adds another part's.
    pub(super) fn merge(&mut self, other: Refusals) {
        self.count += other.count;
        for (words, times) in other.words {
            self.say(words, times);
        }
    }

    /// How many there were, those whose words were not kept too.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The words, and how often they were said: what was said most comes first.
    pub fn by_words(&self) -> Vec<(&str, u64)> {
        let words = self.words.iter();
        let mut words: Vec<_> = words.map(|(words, times)| (&**words, *times)).collect();
        words.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        words
    }

    fn say(&mut self, words: String, times: u64) {
        *self.words.entry(words).or_default() += times;
        // Whoever is last stays last, whatever else comes: so parts merge into the same in any order.
        if self.words.len() > KEPT {
            self.words.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_cut_and_harmless() {
        let mut refusals = Refusals::default();
        for _ in 0..3 {
            refusals.add("You are blocked");
        }
        refusals.add("\u{1b}[2J\n");
        refusals.add(&"é".repeat(1_000));
        let said = refusals.by_words();
        assert_eq!(said[0], ("You are blocked", 3));
        assert!(said.iter().any(|(words, _)| *words == "\\u{1b}[2J\\n"));
        let longest = said.iter().map(|(words, _)| words.chars().count()).max();
        assert_eq!(longest, Some(LENGTH + 1));
        assert_eq!(refusals.count(), 5);
    }

    #[test]
    fn however_many_different_words_there_are_few_are_kept_and_all_are_counted() {
        let numbered = |numbers: std::ops::Range<u32>| {
            let mut refusals = Refusals::default();
            for number in numbers {
                refusals.add(&format!("no {number:04}"));
            }
            refusals
        };
        let (mut one, mut other) = (numbered(0..300), numbered(200..700));
        let whole = {
            let mut whole = numbered(0..300);
            for number in 200..700 {
                whole.add(&format!("no {number:04}"));
            }
            whole
        };
        let (first, second) = (one.clone(), other.clone());
        one.merge(second);
        other.merge(first);
        assert_eq!(one, other);
        assert_eq!(one, whole);
        assert_eq!((one.count(), one.by_words().len()), (800, KEPT));
    }
}
