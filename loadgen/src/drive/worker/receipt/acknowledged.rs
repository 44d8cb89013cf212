//! Acknowledgements of messages: when they came, what they said, and in which words they refused.

use std::sync::atomic::Ordering::Relaxed;

use super::{Receipts, hash};
use crate::{
    drive::worker::payload::{self, Acknowledgement},
    model::{Answer, Metric, Nanos, path},
    observed::{Stray, StrayKind},
    plan::Send,
};

/// What was made of an acknowledgement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::drive::worker) struct Acknowledged {
    /// The first one of its message.
    pub(in crate::drive::worker) first: bool,
    /// It says yes or no.
    pub(in crate::drive::worker) clear: bool,
}

impl Receipts {
    /// The acknowledgement of a message came.
    pub(in crate::drive::worker) fn message_ack(
        &self,
        user: u32,
        stamp: Nanos,
        message: u32,
        payload: &str,
    ) -> Acknowledged {
        // One that was not sent yet has no time to be measured from.
        let own = self.job.plan.sends.get(message as usize);
        let own =
            own.filter(|send| send.sender == user && self.job.ledger.sent_at(message).is_some());
        let Some(slot) = own.and_then(|send| self.job.plan.slot(send, user)) else {
            self.odd_ack(user, stamp, message);
            return Acknowledged::default();
        };
        let send = self.job.plan.sends[message as usize];
        let said = payload::answer(&self.job.vocabulary.answers, self.own_answers, payload);
        let answer = said.answer;
        let accepted = answer == Answer::Done;
        let mut heard = self.heard.borrow_mut();
        match answer {
            Answer::Done => {
                heard.clear_answers += 1;
                heard.agreed_to += 1;
            }
            Answer::Refused => heard.clear_answers += 1,
            Answer::Unclear => heard.unclear_answer(payload),
        }
        drop(heard);
        match accepted {
            true if self.job.vocabulary.whole_contract => {
                self.saved_id(user, stamp, (message, slot), &said);
            }
            true => self.final_id(&send, slot, payload),
            false => self.refused(slot, payload),
        }
        let sent = self.job.ledger.sent_at(message).unwrap_or_default();
        self.sign(message, sent, stamp);
        let first = self.job.ledger.acked(slot, accepted);
        // By the system's contract it comes after the save.
        if accepted && (!self.job.promises.ends || self.job.promises.whole_contract) {
            let after = stamp.saturating_sub(sent);
            self.job.ledger.confirmed_after(message, after);
        }
        if first {
            self.job.progress.acked.fetch_add(1, Relaxed);
            self.member(user, |member| {
                member.unanswered = member.unanswered.saturating_sub(1);
            });
            if accepted && self.measured(&send) && !self.did_not_read(user, sent) {
                let intended = self.intended(&send, sent);
                self.recorder()
                    .record_in(send.phase, Metric::Ack, intended, stamp);
            }
        }
        Acknowledged {
            first,
            clear: answer != Answer::Unclear,
        }
    }

    /// Notes the id under which a message is saved, which the system's contract has in its acknowledgement.
    fn saved_id(
        &self,
        user: u32,
        stamp: Nanos,
        (message, slot): (u32, usize),
        said: &Acknowledgement<'_>,
    ) {
        match said.saved_id() {
            Some(id) => self.job.ledger.note_id(slot, hash(&id)),
            None => self.strays.borrow_mut().add(Stray {
                kind: StrayKind::Unexpected,
                user,
                at: stamp,
                what: format!(
                    "an acknowledgement of message {message} without the id of what is saved"
                ),
            }),
        }
    }

    /// Notes the id under which a message is stored, where the map says that its acknowledgement has it.
    fn final_id(&self, send: &Send, slot: usize, payload: &str) {
        let kind = self.job.plan.conversation_of(send).kind;
        let Some(path) = &self.job.vocabulary.shapes(kind).acknowledged else {
            return;
        };
        let arguments = path::arguments(payload).unwrap_or_default();
        let id = path.text(&arguments).filter(|id| !id.is_empty());
        let mut heard = self.heard.borrow_mut();
        match id {
            Some(id) => {
                heard.answers_with_id += 1;
                self.job.ledger.note_id(slot, hash(&id));
            }
            None => heard.answer_without_id(payload),
        }
    }

    fn odd_ack(&self, user: u32, stamp: Nanos, message: u32) {
        self.strays.borrow_mut().add(Stray {
            kind: StrayKind::Unexpected,
            user,
            at: stamp,
            what: format!("an acknowledgement of message {message}, which this user has not sent"),
        });
    }

    fn refused(&self, slot: usize, payload: &str) {
        let seen = self.job.ledger.slot(slot);
        if seen.ack_refused() {
            return;
        }
        self.refusals.borrow_mut().add(&payload::words(payload));
        // A save that failed is told to its sender by an event, too.
        if seen.failures() == 0 {
            self.job.progress.failed.fetch_add(1, Relaxed);
        }
    }
}
