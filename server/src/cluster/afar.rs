//! Who got a message that another server delivered: they get its end, and nobody else does. Pure.

use std::collections::{HashMap, VecDeque};

use crate::delivery::Recipients;

/// Messages of other servers without an end that are remembered. Above that the oldest are forgotten, and their
/// members do not hear how they ended.
const REMEMBERED: usize = 131_072;

/// Messages by their temporary id.
#[derive(Debug, Default)]
pub struct FromAfar {
    messages: HashMap<String, Recipients>,
    /// The oldest first; those that have ended too, until they are passed.
    order: VecDeque<String>,
}

impl FromAfar {
    /// Remembers who got a message; false if another one had to be forgotten for it.
    pub fn remember(&mut self, key: String, recipients: Recipients) -> bool {
        self.order.push_back(key.clone());
        self.messages.insert(key, recipients);
        while self
            .order
            .front()
            .is_some_and(|oldest| !self.messages.contains_key(oldest))
        {
            self.order.pop_front();
        }
        // One that never ends must not keep the names of all that came after it.
        if self.order.len() > 2 * REMEMBERED {
            self.order.retain(|key| self.messages.contains_key(key));
        }
        if self.messages.len() <= REMEMBERED {
            return true;
        }
        let oldest = self.order.pop_front();
        oldest.is_none_or(|oldest| self.messages.remove(&oldest).is_none())
    }

    /// Who got it, once.
    pub fn end(&mut self, key: &str) -> Option<Recipients> {
        self.messages.remove(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_message_ends_once_and_the_oldest_is_forgotten_first() {
        let mut afar = FromAfar::default();
        let nobody = || -> Recipients { Arc::new([]) };
        assert!(afar.remember("a".into(), nobody()));
        assert!(afar.end("a").is_some() && afar.end("a").is_none());
        for i in 0..REMEMBERED {
            assert!(afar.remember(i.to_string(), nobody()));
        }
        assert_eq!(afar.order.len(), REMEMBERED, "what has ended is not kept");
        assert!(!afar.remember("one more".into(), nobody()));
        assert!(afar.end("0").is_none() && afar.end("1").is_some());
    }
}
