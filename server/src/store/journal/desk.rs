//! The other side of the journal for a simulated disk: what is to be written down, without a file and without a thread.

use std::sync::Arc;

use bson::oid::ObjectId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Entry, Journal, JournalState, Order, Unknown, Written};
use crate::{message::Kind, store::Origin};

/// A message that was told as failed while nobody knew whether it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) id: ObjectId,
    pub(crate) kind: Kind,
    pub(crate) session: String,
}

/// Where orders to write come in.
pub(crate) struct Desk {
    inbox: mpsc::UnboundedReceiver<Order>,
    answer: mpsc::UnboundedSender<Written>,
}

/// A journal that begins with what earlier processes have left on the simulated disk.
pub(crate) fn journal(origin: Origin, earlier: &[Note]) -> (Journal, Desk) {
    let (orders, inbox) = mpsc::unbounded_channel();
    let (answer, answers) = mpsc::unbounded_channel();
    let earlier = earlier.iter().map(|note| Unknown {
        id: note.id,
        kind: note.kind,
        origin: Origin {
            session: note.session.clone(),
            place: origin.place.clone(),
        },
    });
    let journal = Journal {
        earlier: earlier.collect(),
        entry: Entry {
            orders,
            origin: Arc::new(origin),
            state: Arc::new(Mutex::new(JournalState::Well)),
        },
        answers,
    };
    (journal, Desk { inbox, answer })
}

impl Desk {
    /// Waits for something to write: what is unknown, and what is settled. `None` once the journal is gone.
    pub(crate) async fn next(&mut self) -> Option<(Vec<Note>, Vec<ObjectId>)> {
        let first = self.inbox.recv().await?;
        let (mut unknown, mut settled) = (Vec::new(), Vec::new());
        let others = std::iter::from_fn(|| self.inbox.try_recv().ok());
        for order in std::iter::once(first).chain(others) {
            match order {
                Order::Record(Unknown { id, kind, origin }) => unknown.push(Note {
                    id,
                    kind,
                    session: origin.session,
                }),
                Order::Settle(ids) => settled.extend(ids),
            }
        }
        Some((unknown, settled))
    }

    /// Says that these were written down, or could not be.
    pub(crate) fn written(&self, ids: Vec<ObjectId>, is_on_disk: bool) {
        // Nobody may be waiting any more.
        let _gone = self.answer.send(Written { ids, is_on_disk });
    }
}
