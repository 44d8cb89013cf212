//! What the members of a message were told about it, taken together: whether it was refused, and what contradicts what.

use super::{Evidence, Promises};
use crate::plan::Send;

/// What the members of a message were told about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answers {
    /// Somebody got it, the sender too.
    pub(super) delivered: bool,
    /// Somebody was told that it is stored, by an event.
    confirmed: bool,
    /// Somebody was told that it could not be stored, by an event.
    failed: bool,
    /// One and the same member was told both.
    both: bool,
    /// The sender was told that it is stored, by the acknowledgement.
    pub(super) accepted: bool,
    /// The sender was told that it was not taken, by the acknowledgement.
    pub(super) refused: bool,
    /// The first id that a member was told, as bits of its hash.
    pub(super) id: Option<u64>,
    /// Somebody was told another.
    pub(super) ids_differ: bool,
}

impl Answers {
    pub(super) fn of(evidence: &Evidence<'_>, send: &Send) -> Self {
        let mut told = Self::default();
        let members = &evidence.plan.conversation_of(send).members;
        for (position, &member) in members.iter().enumerate() {
            let seen = evidence.ledger().slot(send.slot as usize + position);
            let (confirmed, failed) = (seen.confirmations() > 0, seen.failures() > 0);
            told.delivered |= seen.deliveries() > 0;
            told.confirmed |= confirmed;
            told.failed |= failed;
            told.both |= confirmed && failed;
            if let Some(id) = seen.id() {
                told.ids_differ |= seen.id_differs() || told.id.is_some_and(|known| known != id);
                told.id.get_or_insert(id);
            }
            if member == send.sender && evidence.promises.acks && seen.acks() > 0 {
                told.accepted = !seen.ack_refused();
                told.refused = seen.ack_refused();
            }
        }
        told
    }

    /// Somebody was told that it is stored. Where no Confirmed comes, the acknowledgement is all that the store can be held
    /// against.
    pub(super) fn is_confirmed(&self, promises: Promises) -> bool {
        self.confirmed || self.accepted && !promises.ends
    }

    /// Somebody was told that it is stored in any way, and nobody that it is not: the store is held against that. By the
    /// system's contract an acknowledgement comes after the save, and of a server that saves first so does the delivery, under
    /// the id of the document.
    pub(super) fn is_told_stored(&self, promises: Promises) -> bool {
        let acknowledged = self.accepted && promises.whole_contract;
        let came = self.delivered && promises.final_ids;
        self.is_confirmed(promises) || (acknowledged || came) && !self.failed && !self.refused
    }

    /// Somebody was told that it is not stored, and nobody that it is but by a mistake that is told apart.
    pub(super) fn is_failed(&self) -> bool {
        self.failed || self.refused && !self.confirmed
    }

    /// Whether it was refused before it became a message: nobody is owed it. Where a server delivers first, a refusal of
    /// what somebody has got is a save that failed.
    pub(super) fn is_turned_away(&self, promises: Promises) -> bool {
        self.refused && !self.confirmed && !(promises.ends && self.delivered)
    }

    /// Which two answers can't both be true.
    pub(super) fn contradiction(&self, promises: Promises) -> Option<&'static str> {
        match *self {
            Self {
                refused: true,
                confirmed: true,
                ..
            } => Some("acknowledged with success: false, and confirmed"),
            Self {
                refused: true,
                delivered: true,
                ..
            } if !promises.ends => Some("refused, and delivered all the same"),
            // What a member was told twice is found at that member.
            Self { both: true, .. } => None,
            Self {
                confirmed: true,
                failed: true,
                ..
            } => Some("confirmed to some, failed to others"),
            Self {
                accepted: true,
                failed: true,
                ..
            } if promises.whole_contract => Some("acknowledged with success: true, and failed"),
            _ => None,
        }
    }
}
