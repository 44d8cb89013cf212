//! Messages by their sender's `clientMsgId`: a repetition gets the first one's acknowledgement.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use futures::{FutureExt as _, future::Shared};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::message::{Conversation, Message};

/// An acknowledgement, encoded.
pub type EncodedAck = Arc<RawValue>;

/// Resolves to the first message's acknowledgement; an error if it never had one.
pub type Earlier = Shared<oneshot::Receiver<EncodedAck>>;

/// Bytes of keys and acknowledgements that are remembered. What is forgotten is still unique in the store.
const MAX_BYTES: usize = 16 << 20;

/// What makes two messages the same: the same sender, saying it in the same conversation, under the same
/// `clientMsgId`. In another conversation it is another message, or its acknowledgement would tell there what was said
/// here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(Arc<KeyParts>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct KeyParts {
    conversation: Conversation,
    sender_id: String,
    client_msg_id: String,
}

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
    /// Looks a message up and, if it is the first of its name, claims the name; `None` if it has no `clientMsgId`.
    #[must_use]
    pub fn begin(&self, message: &Message) -> Option<Seen> {
        let key = Key::of(message)?;
        Some(match self.0.lock().slots.entry(key.clone()) {
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
        })
    }
}

impl Key {
    fn of(message: &Message) -> Option<Self> {
        Some(Self(Arc::new(KeyParts {
            conversation: message.conversation.clone(),
            sender_id: message.sender_id.clone(),
            client_msg_id: message.client_msg_id.clone()?,
        })))
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

fn weight(Key(key): &Key, ack: &EncodedAck) -> usize {
    key.conversation.id.len() + key.sender_id.len() + key.client_msg_id.len() + ack.get().len()
}

#[cfg(test)]
mod tests {
    use bson::{DateTime, oid::ObjectId};

    use super::*;
    use crate::message::Kind;

    fn ack(text: &str) -> EncodedAck {
        Arc::from(serde_json::value::to_raw_value(text).unwrap())
    }

    fn message(kind: Kind, conversation: &str, sender: &str, id: &str) -> Message {
        Message {
            id: ObjectId::new(),
            conversation: Conversation {
                kind,
                id: conversation.to_owned(),
            },
            workspace_id: None,
            sender_id: sender.to_owned(),
            body: "x".to_owned(),
            image: None,
            image_key: None,
            client_msg_id: Some(id.to_owned()),
            created_at: DateTime::now(),
        }
    }

    fn begin(messages: &ClientMessages, id: &str) -> Seen {
        messages
            .begin(&message(Kind::Room, "r", "u", id))
            .expect("it has a clientMsgId")
    }

    fn first(messages: &ClientMessages, id: &str) -> Ticket {
        match begin(messages, id) {
            Seen::First(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_repetition_gets_the_first_ones_answer_before_and_after_its_end() {
        let messages = ClientMessages::default();
        let ticket = first(&messages, "1");
        let Seen::Pending(earlier) = begin(&messages, "1") else {
            panic!("not pending")
        };
        ticket.stored(ack("done"));
        assert_eq!(earlier.now_or_never().unwrap().unwrap().get(), "\"done\"");
        let Seen::Ended(again) = begin(&messages, "1") else {
            panic!("not ended")
        };
        assert_eq!(again.get(), "\"done\"");
    }

    #[test]
    fn in_another_conversation_or_from_another_sender_it_is_another_message() {
        let messages = ClientMessages::default();
        let pending = first(&messages, "1");
        first(&messages, "2").stored(ack("done"));
        for (kind, conversation, sender) in [
            (Kind::Room, "s", "u"),
            (Kind::Channel, "r", "u"),
            (Kind::Room, "r", "v"),
            (Kind::Room, "", "ru"),
            (Kind::Room, "ru", ""),
        ] {
            for id in ["1", "2"] {
                let other = message(kind, conversation, sender, id);
                assert!(
                    matches!(messages.begin(&other), Some(Seen::First(_))),
                    "{other:?}"
                );
            }
        }
        drop(pending);
        let unnamed = Message {
            client_msg_id: None,
            ..message(Kind::Room, "r", "u", "")
        };
        assert!(messages.begin(&unnamed).is_none());
    }

    #[test]
    fn what_is_not_stored_may_be_sent_again() {
        let messages = ClientMessages::default();
        let ticket = first(&messages, "1");
        let Seen::Pending(earlier) = begin(&messages, "1") else {
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
        assert!(matches!(begin(&messages, "0"), Seen::First(_)));
        assert!(matches!(begin(&messages, "39"), Seen::Ended(_)));
        let remembered = messages.0.lock();
        assert!(remembered.bytes <= MAX_BYTES && remembered.ended.len() == remembered.slots.len());
    }
}
