//! Joins and leaves of a worker's users: asked of the server, answered by it, noted in the log.

use super::{
    payload,
    request::{Asked, Request},
    users::{PATIENCE, Users},
};
use crate::{
    drive::{Client, ConnectError, Connection},
    model::{Metric, Nanos},
    observed::Step,
};

impl Users {
    /// Asks the server for a join or a leave.
    pub(super) fn ask(&self, user: u32, connection: &Connection, what: Asked, logged: bool) {
        let (Asked::Join(place) | Asked::Leave(place)) = what;
        let place = self.job.plan.places[user as usize][place as usize];
        let conversation = &self.job.plan.conversations[place.conversation as usize];
        let names = self.job.vocabulary.names(conversation.kind);
        let event = match what {
            Asked::Join(_) => Some(&names.join),
            Asked::Leave(_) => names.leave.as_ref(),
        };
        let Some(event) = event else {
            return;
        };
        let payload = format!("{{\"{}\":\"{}\"}}", names.id_field, conversation.id);
        let asked = self.job.clock.now();
        let request = Request {
            ack: self.next_request.get(),
            asked,
            what,
            logged,
        };
        if self.job.vocabulary.acknowledges_joins {
            self.next_request.set(request.ack + 1);
            self.user(user).requests.borrow_mut().open.push(request);
            connection.emit(event, &payload, Some(request.ack));
        } else {
            connection.emit(event, &payload, None);
            self.granted(user, asked, request);
        }
    }

    /// Waits until all that a user asked for is answered.
    pub(super) async fn answers(&self, user: u32) -> Result<(), ConnectError> {
        let state = self.user(user);
        let all_answered = async {
            while !state.requests.borrow().open.is_empty() {
                state.answered.notified().await;
            }
        };
        if tokio::time::timeout(PATIENCE, all_answered).await.is_err() {
            state.requests.borrow_mut().open.clear();
            return Err(ConnectError::TimedOut(PATIENCE));
        }
        match state.requests.borrow_mut().refused.take() {
            Some(refusal) => Err(ConnectError::Refused(refusal)),
            None => Ok(()),
        }
    }

    pub(super) fn answered(&self, user: u32, stamp: Nanos, ack: u64, payload: &str) {
        let state = self.user(user);
        let mut requests = state.requests.borrow_mut();
        let Some(place) = requests.open.iter().position(|request| request.ack == ack) else {
            return;
        };
        let request = requests.open.swap_remove(place);
        if payload::succeeded(payload) || !self.job.vocabulary.answers_success {
            if let Asked::Join(_) = request.what {
                self.with_receipts(|receipts| {
                    receipts
                        .recorder()
                        .record(Metric::Join, request.asked, stamp);
                });
            }
            self.granted(user, stamp, request);
        } else {
            let what = match request.what {
                Asked::Join(_) => "join",
                Asked::Leave(_) => "leave",
            };
            requests.refused = Some(format!("a {what} was answered with {payload}"));
        }
        if requests.open.is_empty() {
            state.answered.notify_one();
        }
    }

    /// A join or a leave counts as done: by its answer, or at once where there are no answers.
    fn granted(&self, user: u32, stamp: Nanos, request: Request) {
        match request.what {
            Asked::Join(place) => {
                if request.logged {
                    self.with_receipts(|receipts| receipts.came(user, stamp));
                    self.note(user, stamp, Step::Joined(place));
                }
            }
            Asked::Leave(place) => self.note(user, stamp, Step::Left(place)),
        }
    }

    pub(super) async fn ask_for(&self, user: u32, what: Asked) -> Result<(), ConnectError> {
        let Some(connection) = self.connection(user) else {
            return Ok(());
        };
        let now = self.job.clock.now();
        self.note(
            user,
            now,
            match what {
                Asked::Join(place) => Step::Joining(place),
                Asked::Leave(place) => Step::Leaving(place),
            },
        );
        self.ask(user, &connection, what, true);
        self.answers(user).await
    }
}
