//! Messages by their sender's `clientMsgId`: a repetition gets the first one's acknowledgement.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use futures::{FutureExt as _, future::Shared};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

/// An acknowledgement, encoded.
pub type EncodedAck = Arc<RawValue>;

/// Resolves to the first message's acknowledgement; an error if it never had one.
pub type Earlier = Shared<oneshot::Receiver<EncodedAck>>;

/// Bytes of keys and acknowledgements that are remembered. What is forgotten is still unique in the store.
const MAX_BYTES: usize = 16 << 20;

type Key = (Arc<str>, Arc<str>);

/// Remembers the messages that carry a `clientMsgId`.
#[derive(Debug, Clone, Default)]
pub struct ClientMessages(Arc<Mutex<Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    slots: HashMap<Key, Slot>,
    /// Those that have ended well, oldest first.
    ended: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
enum Slot {
    Pending(Earlier),
    Ended(EncodedAck),
}

/// What a `clientMsgId` means.
#[derive(Debug)]
pub enum Seen {
    /// It is the first: whoever has the ticket tells how it ends.
    First(Ticket),
    /// The first one is still on its way.
    Pending(Earlier),
    /// The first one is stored.
    Ended(EncodedAck),
}

/// The right and the duty to end a message. Dropped without an end, the message may be sent again.
#[derive(Debug)]
pub struct Ticket {
    key: Key,
    answer: Option<oneshot::Sender<EncodedAck>>,
    messages: ClientMessages,
}

impl ClientMessages {
    /// Looks a message up and, if it is the first of its name, claims the name.
    #[must_use]
    pub fn begin(&self, sender_id: &str, client_msg_id: &str) -> Seen {
        let key: Key = (sender_id.into(), client_msg_id.into());
        match self.0.lock().slots.entry(key.clone()) {
            Entry::Occupied(slot) => match slot.get() {
                Slot::Pending(earlier) => Seen::Pending(earlier.clone()),
                Slot::Ended(ack) => Seen::Ended(Arc::clone(ack)),
            },
            Entry::Vacant(slot) => {
                let (answer, earlier) = oneshot::channel();
                slot.insert(Slot::Pending(earlier.shared()));
                Seen::First(Ticket {
                    key,
                    answer: Some(answer),
                    messages: self.clone(),
                })
            }
        }
    }
}

impl Ticket {
    /// The message is stored: repetitions get this from now on.
    pub fn stored(mut self, ack: EncodedAck) {
        let mut remembered = self.messages.0.lock();
        remembered.bytes += weight(&self.key, &ack);
        remembered
            .slots
            .insert(self.key.clone(), Slot::Ended(Arc::clone(&ack)));
        remembered.ended.push_back(self.key.clone());
        while remembered.bytes > MAX_BYTES {
            let Some(oldest) = remembered.ended.pop_front() else {
                break;
            };
            if let Some(Slot::Ended(ack)) = remembered.slots.remove(&oldest) {
                remembered.bytes -= weight(&oldest, &ack);
            }
        }
        drop(remembered);
        self.tell(ack);
    }

    /// The message is not stored: those who wait are told, and the name is free for another try.
    pub fn not_stored(mut self, ack: EncodedAck) {
        self.tell(ack);
    }

    fn tell(&mut self, ack: EncodedAck) {
        if let Some(answer) = self.answer.take() {
            // Nobody may be waiting.
            let _nobody = answer.send(ack);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut remembered = self.messages.0.lock();
        if let Entry::Occupied(slot) = remembered.slots.entry(self.key.clone())
            && matches!(slot.get(), Slot::Pending(_))
        {
            slot.remove();
        }
    }
}

fn weight((sender_id, client_msg_id): &Key, ack: &EncodedAck) -> usize {
    sender_id.len() + client_msg_id.len() + ack.get().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(text: &str) -> EncodedAck {
        Arc::from(serde_json::value::to_raw_value(text).unwrap())
    }

    fn first(messages: &ClientMessages, id: &str) -> Ticket {
        match messages.begin("u", id) {
            Seen::First(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_repetition_gets_the_first_ones_answer_before_and_after_its_end() {
        let messages = ClientMessages::default();
        let ticket = first(&messages, "1");
        let Seen::Pending(earlier) = messages.begin("u", "1") else {
            panic!("not pending")
        };
        assert!(matches!(
            messages.begin("somebody else", "1"),
            Seen::First(_)
        ));
        ticket.stored(ack("done"));
        assert_eq!(earlier.now_or_never().unwrap().unwrap().get(), "\"done\"");
        let Seen::Ended(again) = messages.begin("u", "1") else {
            panic!("not ended")
        };
        assert_eq!(again.get(), "\"done\"");
    }

    #[test]
    fn what_is_not_stored_may_be_sent_again() {
        let messages = ClientMessages::default();
        let ticket = first(&messages, "1");
        let Seen::Pending(earlier) = messages.begin("u", "1") else {
            panic!("not pending")
        };
        ticket.not_stored(ack("failed"));
        assert_eq!(earlier.now_or_never().unwrap().unwrap().get(), "\"failed\"");
        drop(first(&messages, "1"));
        drop(first(&messages, "1"));
        assert!(messages.0.lock().slots.is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let messages = ClientMessages::default();
        let big = ack(&"x".repeat(1 << 20));
        for id in 0..40 {
            first(&messages, &id.to_string()).stored(Arc::clone(&big));
        }
        assert!(matches!(messages.begin("u", "0"), Seen::First(_)));
        assert!(matches!(messages.begin("u", "39"), Seen::Ended(_)));
        let remembered = messages.0.lock();
        assert!(remembered.bytes <= MAX_BYTES && remembered.ended.len() == remembered.slots.len());
    }
}
