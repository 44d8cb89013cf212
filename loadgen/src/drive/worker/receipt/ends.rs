//! Confirmed and Failed: which message they end, and whether its receiver was ever given the temporary id.

use std::sync::atomic::Ordering::Relaxed;

use super::{Receipts, hash};
use crate::{
    drive::worker::payload::{Misfit, Payload},
    model::{Meaning, Metric, Nanos},
    observed::presence::END_OWED,
    plan::Send,
};

/// A temporary id in use.
pub(super) struct Open {
    message: u32,
    waiting: u32,
}

impl Receipts {
    /// A user was given a message under a temporary id; without a stamp, as somebody who should not have got it.
    pub(super) fn wait_for_end(
        &self,
        user: u32,
        stamp: Option<Nanos>,
        message: u32,
        temp_id: &str,
    ) {
        self.delivered.borrow_mut().insert((message, user), stamp);
        let mut open = self.open.borrow_mut();
        let waiting = open.entry(hash(temp_id)).or_insert(Open {
            message,
            waiting: 0,
        });
        waiting.waiting += 1;
    }

    pub(super) fn confirmed(
        &self,
        user: u32,
        stamp: Nanos,
        name: &str,
        payload: &Payload<'_>,
    ) -> Result<(), Misfit> {
        let (message, send, slot, sent) = self.locate(user, payload)?;
        self.sign(message, sent, stamp);
        self.fits(user, &send, slot, name, Meaning::Confirmed);
        if self.is_from(payload, &send) == Some(false) {
            self.job.ledger.wrong_sender(slot);
        }
        let temp_id = payload.temp_id().map(hash);
        let known = temp_id.and_then(|id| self.message_under(id));
        // Where a server has no temporary ids, the body says which message it is; and who was given none can't be told of
        // a wrong one.
        let kind = self.job.plan.conversation_of(&send).kind;
        let paths = &self.job.vocabulary.shapes(kind).confirmed;
        let named = !self.mapped || paths.temp_id.is_some();
        let given = self.delivered.borrow().contains_key(&(message, user));
        self.next_arrival(user);
        let ledger = &self.job.ledger;
        let first_end = ledger.confirmed(slot, payload.id().map(hash));
        ledger.confirmed_after(message, stamp.saturating_sub(sent));
        if first_end {
            self.ended(user, stamp, message, &send, temp_id, true);
        }
        if self.changed(message, &send, &payload.body()?) {
            self.job.ledger.changed(slot);
        }
        if payload.id().is_none() && self.job.vocabulary.whole_contract {
            return Err(Misfit::unexpected("a confirmation without an id"));
        }
        match known {
            // After the end a temporary id is forgotten, and before the delivery it is unknown: the ledger tells
            // these as a double end and as an early one.
            None if first_end && given && named => Err(Misfit::orphaned(format!(
                "message {message} under tempId {:?}, which nobody was given",
                payload.temp_id().unwrap_or("(none)")
            ))),
            Some(other) if other != message => Err(Misfit::orphaned(format!(
                "message {message} under the tempId of message {other}"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn failed(
        &self,
        user: u32,
        stamp: Nanos,
        name: &str,
        payload: &Payload<'_>,
    ) -> Result<(), Misfit> {
        let Some(temp_id) = payload.temp_id() else {
            // Another server may say which message it was by the message itself.
            let (message, send, slot, _) = match self.job.vocabulary.whole_contract {
                true => Err(Misfit::unexpected("a failure without a temporary id")),
                false => self
                    .locate(user, payload)
                    .map_err(|_| Misfit::unexpected("a failure without a temporary id")),
            }?;
            self.fail(user, stamp, name, (message, &send, slot), None);
            return Ok(());
        };
        let Some(message) = self.message_under(hash(temp_id)) else {
            // Whoever has just come may hear the end of what was said before.
            let came = self.member(user, |member| member.came);
            if came > 0 && stamp < came + END_OWED {
                return Ok(());
            }
            return Err(Misfit::orphaned(format!("unknown tempId {temp_id:?}")));
        };
        let send = self.job.plan.sends[message as usize];
        let slot = self.job.plan.slot(&send, user).ok_or_else(|| {
            Misfit::orphaned(format!("message {message} of another conversation"))
        })?;
        self.fail(
            user,
            stamp,
            name,
            (message, &send, slot),
            Some(hash(temp_id)),
        );
        Ok(())
    }

    fn fail(
        &self,
        user: u32,
        stamp: Nanos,
        name: &str,
        (message, send, slot): (u32, &Send, usize),
        temp_id: Option<u64>,
    ) {
        if let Some(sent) = self.job.ledger.sent_at(message) {
            self.sign(message, sent, stamp);
        }
        self.fits(user, send, slot, name, Meaning::Failed);
        self.next_arrival(user);
        if self.job.ledger.failed(slot) {
            self.ended(user, stamp, message, send, temp_id, false);
        }
    }

    fn ended(
        &self,
        user: u32,
        stamp: Nanos,
        message: u32,
        send: &Send,
        temp_id: Option<u64>,
        confirmed: bool,
    ) {
        self.job.progress.ended.fetch_add(1, Relaxed);
        let delivered = self.delivered.borrow_mut().remove(&(message, user));
        if delivered.is_some()
            && let Some(temp_id) = temp_id
        {
            self.forget_one(temp_id);
        }
        if !confirmed && send.sender == user {
            let refused = self
                .job
                .plan
                .slot(send, user)
                .is_some_and(|slot| self.job.ledger.slot(slot).ack_refused());
            self.job
                .progress
                .failed
                .fetch_add(u64::from(!refused), Relaxed);
        }
        let sent = self.job.ledger.sent_at(message).unwrap_or_default();
        if !confirmed || !self.measured(send) || self.did_not_read(user, sent) {
            return;
        }
        if send.sender == user {
            let intended = self.intended(send, sent);
            self.recorder()
                .record_in(send.phase, Metric::Confirm, intended, stamp);
        } else if let Some(Some(delivered)) = delivered {
            self.recorder()
                .record_in(send.phase, Metric::ConfirmAfterDelivery, delivered, stamp);
        }
    }

    /// Which message a temporary id stands for, as long as some local user waits for its end.
    pub(super) fn message_under(&self, temp_id: u64) -> Option<u32> {
        self.open.borrow().get(&temp_id).map(|open| open.message)
    }

    /// One local user waits no longer for the end of a temporary id.
    fn forget_one(&self, temp_id: u64) {
        let mut open = self.open.borrow_mut();
        if let Some(entry) = open.get_mut(&temp_id) {
            entry.waiting -= 1;
            if entry.waiting == 0 {
                open.remove(&temp_id);
            }
        }
    }
}
