//! The journal beside the server: what was told as failed and may be stored, for the next start to settle.
//!
//! A message is written down, and the disk has it, before it is told as failed. That happens only when its outcome is
//! unknown, in a thread of its own that writes down together what comes together: a message that is saved, or certainly
//! not, costs nothing.

use std::{path::Path, sync::Arc, thread};

use bson::oid::ObjectId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Origin;
use crate::message::Kind;
use file::JournalFile;
pub(super) use file::Unknown;

#[cfg(test)]
pub(crate) mod desk;
mod file;

pub use file::JournalError;

/// Whether the journal does its work, for `/health`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum JournalState {
    /// There is none.
    #[default]
    Off,
    /// What it was given is on the disk.
    Well,
    /// It could not write the last time, for this reason.
    Failing(String),
}

/// A journal that is open, before the writer has it.
pub struct Journal {
    entry: Entry,
    answers: Answers,
    earlier: Vec<Unknown>,
}

/// Where entries go. None of its calls waits.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    orders: mpsc::UnboundedSender<Order>,
    origin: Arc<Origin>,
    state: Arc<Mutex<JournalState>>,
}

/// Says which messages were written down, or can't be.
pub(super) type Answers = mpsc::UnboundedReceiver<Written>;

/// The messages of one write.
pub(super) struct Written {
    pub(super) ids: Vec<ObjectId>,
    pub(super) is_on_disk: bool,
}

#[derive(Debug)]
enum Order {
    Record(Unknown),
    Settle(Vec<ObjectId>),
}

impl Journal {
    /// Opens and locks the file, and makes it where there is none.
    ///
    /// # Errors
    /// The store keeps nothing, or the file can't be used, is in use, or belongs to another store.
    pub fn open(path: &Path, origin: Option<Origin>) -> Result<Self, JournalError> {
        let origin = origin.ok_or(JournalError::NothingLasts)?;
        let file = JournalFile::open(path, &origin)?;
        let earlier: Vec<Unknown> = file.live().cloned().collect();
        let (orders, inbox) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(JournalState::Well));
        let for_thread = Arc::clone(&state);
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_down(file, inbox, &answer, &for_thread))
            .map_err(|source| JournalError::Io {
                path: path.to_owned(),
                what: "written by a thread",
                source,
            })?;
        let entry = Entry {
            orders,
            origin: Arc::new(origin),
            state,
        };
        Ok(Self {
            entry,
            answers,
            earlier,
        })
    }

    /// Messages that an earlier process left to be settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.earlier.len()
    }

    pub(super) fn entry(&self) -> Entry {
        self.entry.clone()
    }

    pub(super) fn into_parts(self) -> (Entry, Answers, Vec<Unknown>) {
        (self.entry, self.answers, self.earlier)
    }
}

impl Entry {
    /// Has a message written down; [`Answers`] says when it is.
    pub(super) fn record(&self, id: ObjectId, kind: Kind) {
        let origin = Origin::clone(&self.origin);
        let order = Order::Record(Unknown { id, kind, origin });
        if self.orders.send(order).is_err() {
            *self.state.lock() = JournalState::Failing("its thread has ended".to_owned());
        }
    }

    /// Has it noted that these are settled.
    pub(super) fn settle(&self, ids: Vec<ObjectId>) {
        let _gone = self.orders.send(Order::Settle(ids));
    }

    pub(super) fn state(&self) -> JournalState {
        self.state.lock().clone()
    }
}

/// The thread: takes all that waits, writes it at once, and answers.
fn write_down(
    mut file: JournalFile,
    mut inbox: mpsc::UnboundedReceiver<Order>,
    answer: &mpsc::UnboundedSender<Written>,
    state: &Mutex<JournalState>,
) {
    while let Some(first) = inbox.blocking_recv() {
        let mut unknown = Vec::new();
        let mut settled = Vec::new();
        let others = std::iter::from_fn(|| inbox.try_recv().ok());
        for order in std::iter::once(first).chain(others) {
            match order {
                Order::Record(message) => unknown.push(message),
                Order::Settle(ids) => settled.extend(ids),
            }
        }
        let ids: Vec<ObjectId> = unknown.iter().map(|message| message.id).collect();
        let mut written = Ok(());
        if !ids.is_empty() {
            written = file.record(unknown);
            let is_on_disk = written.is_ok();
            // Nobody may be waiting any more.
            let _gone = answer.send(Written { ids, is_on_disk });
        }
        // A message is settled after it was written down, so this order of the two is theirs.
        let settled = file.settle(settled);
        note(state, written.and(settled));
    }
}

/// Says it once when it begins to fail, and once when it is well again.
fn note(state: &Mutex<JournalState>, written: std::io::Result<()>) {
    let mut state = state.lock();
    let now = match written {
        Ok(()) => JournalState::Well,
        Err(error) => JournalState::Failing(error.to_string()),
    };
    if *state != now {
        match &now {
            JournalState::Failing(why) => tracing::error!(
                "the journal can't be written ({why}): if this process is killed before the store answers, messages \
                 that were told as failed may stay stored"
            ),
            _ => tracing::info!("the journal is written again, with what it had missed"),
        }
        *state = now;
    }
}
