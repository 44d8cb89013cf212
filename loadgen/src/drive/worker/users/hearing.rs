//! What users hear: events and acknowledgements go to the books of their thread, and the end of a connection is told.

use std::rc::Rc;

use super::{Stalled, Users};
use crate::{
    drive::{
        client::Observer,
        worker::{receipt::Made, request::JoinError},
    },
    model::Nanos,
    observed::{Closed, Step},
    plan::Deed,
};

/// Implemented for the shared users, since one who was thrown out comes back on a task of its own.
impl Observer for Rc<Users> {
    fn event(&self, user: u32, stamp: Nanos, name: &str, payload: &str) -> bool {
        if self.hears_joins {
            self.joined_by(user, stamp, name, payload);
        }
        match self.with_receipts(|receipts| receipts.event(user, stamp, name, payload)) {
            Some(Made::Answer(message)) => {
                self.reply_to(message, stamp);
                true
            }
            Some(Made::Understood) | None => true,
            Some(Made::Unread) => false,
            Some(Made::Unknown) => {
                self.ignore(name);
                false
            }
        }
    }

    fn ignored(&self, _user: u32, what: &str) {
        self.ignore(what);
    }

    fn ack(&self, user: u32, stamp: Nanos, id: u64, payload: &str) -> bool {
        let Some(message) = u32::try_from(id).ok().filter(|_| id < self.first_request()) else {
            self.answered(user, stamp, id, payload);
            return false;
        };
        let told = self
            .with_receipts(|receipts| receipts.message_ack(user, stamp, message, payload))
            .unwrap_or_default();
        if told.first {
            self.reply_to(message, stamp);
        }
        told.clear
    }

    fn closed(&self, user: u32, stamp: Nanos, why: Closed) {
        let state = self.user(user);
        state.connection.replace(None);
        let mut requests = state.requests.borrow_mut();
        if !requests.open.is_empty() {
            requests.open.clear();
            requests.refused = Some(JoinError::Gone(why.to_string()));
            state.answered.notify_one();
        }
        drop(requests);
        match self.did_not_read(user, stamp) {
            // The server may end the connection of one who does not read; what was on its way is lost with it.
            Some(since) => {
                self.note(user, since, Step::Deaf);
                self.gone(user, stamp);
                self.now_stalled(user, Stalled::Never);
                self.set_about(user, Rc::clone(self).act(user, Deed::Connect, 0));
            }
            None if !matches!(why, Closed::Protocol(_)) && self.is_excused(user) => {
                self.thrown_off(user, stamp, why);
            }
            // What would have come to a connection that was closed here is not the server's to lose.
            None if why.is_hung_up() => {
                self.note(user, stamp, Step::Deaf);
                self.gone(user, self.job.clock.now());
                self.tell_broken(user, why);
            }
            None => {
                self.unanswered(user);
                self.tell_broken(user, why);
            }
        }
    }
}
