//! Joins and leaves of a worker's users: asked of the server, answered by it, noted in the log.

use std::{sync::Arc, time::Duration};

use super::{
    request::{AnsweredBy, Asked, JoinError, Request},
    users::{PATIENCE, Users},
};
use crate::{
    drive::{Client, Connection},
    model::{Answer, Blank, Kind, Metric, Nanos, path},
    observed::Step,
};

/// How long the first answer to any join may take: a server that answers none is not waited for as long as a slow one.
pub(super) const FIRST_ANSWER: Duration = Duration::from_secs(5);
/// A join or a leave that nothing answers is done by then.
pub const SETTLING: Duration = Duration::from_secs(1);

impl Users {
    /// Asks the server for a join or a leave.
    pub(super) fn ask(&self, user: u32, connection: &Connection, what: Asked, logged: bool) {
        let place = self.job.plan.places[user as usize][what.place() as usize];
        let conversation = &self.job.plan.conversations[place.conversation as usize];
        let vocabulary = Arc::clone(&self.job.vocabulary);
        let names = vocabulary.names(conversation.kind);
        let shapes = vocabulary.shapes(conversation.kind);
        let (event, form, by_event) = match what {
            Asked::Join(_) => (&names.join, &shapes.join, names.joined.is_some()),
            Asked::Leave(_) => (&names.leave, &shapes.leave, false),
        };
        let answered = match event {
            _ if by_event => AnsweredBy::Event,
            Some(_) if vocabulary.acknowledges_joins => {
                let ack = self.request_id();
                AnsweredBy::Ack(ack)
            }
            _ => AnsweredBy::Nothing,
        };
        let request = Request {
            asked: self.job.clock.now(),
            what,
            kind: conversation.kind,
            answered,
            logged,
        };
        if answered == AnsweredBy::Nothing && !logged {
            // Everybody is awaited before the schedule begins.
            self.granted(user, request.asked, request);
        } else {
            self.user(user).requests.borrow_mut().open.push(request);
        }
        let Some(event) = event else {
            return;
        };
        let mut payload = Vec::new();
        form.fill(&mut payload, |blank| match blank {
            Blank::Conversation => conversation.id.as_str().into(),
            Blank::Index => user.to_string().into(),
            Blank::Token => self.job.tokens.of(&self.job.plan, user).into(),
            Blank::Id | Blank::Body | Blank::Message => {
                self.job.plan.users[user as usize].as_str().into()
            }
        });
        let payload = std::str::from_utf8(&payload).unwrap_or_default();
        let ack = match answered {
            AnsweredBy::Ack(ack) => Some(ack),
            AnsweredBy::Event | AnsweredBy::Nothing => None,
        };
        connection.emit(event, payload, ack);
    }

    /// Waits until all that a user asked for is answered, or has had its time where nothing answers.
    pub(super) async fn answers(&self, user: u32) -> Result<(), JoinError> {
        let state = self.user(user);
        let unanswerable = |request: &Request| request.answered == AnsweredBy::Nothing;
        if state.requests.borrow().open.iter().any(unanswerable) {
            tokio::time::sleep(SETTLING).await;
            let now = self.job.clock.now();
            let settled: Vec<Request> = {
                let mut requests = state.requests.borrow_mut();
                requests
                    .open
                    .extract_if(.., |request| unanswerable(request))
                    .collect()
            };
            for request in settled {
                self.granted(user, now, request);
            }
        }
        let all_answered = || async {
            while !state.requests.borrow().open.is_empty() {
                state.answered.notified().await;
            }
        };
        let mut patience = FIRST_ANSWER;
        let mut answered = tokio::time::timeout(patience, all_answered()).await;
        if answered.is_err() && self.any_answered.get() {
            patience = PATIENCE;
            answered = tokio::time::timeout(PATIENCE - FIRST_ANSWER, all_answered()).await;
        }
        // The answer may be there, for one who does not read.
        while answered.is_err() && self.is_stalled(user) {
            answered = tokio::time::timeout(PATIENCE, all_answered()).await;
        }
        let mut requests = state.requests.borrow_mut();
        if answered.is_err()
            && let Some(request) = requests.open.drain(..).next()
        {
            return Err(self.silent(&request, patience));
        }
        match requests.refused.take() {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// That nothing has answered a request for so long.
    pub(super) fn silent(&self, request: &Request, patience: Duration) -> JoinError {
        let by = match request.answered {
            AnsweredBy::Event => self.job.vocabulary.names(request.kind).joined.clone(),
            AnsweredBy::Ack(_) | AnsweredBy::Nothing => None,
        };
        JoinError::Silent {
            what: request.what.name(),
            event: self.event_of(request).to_owned(),
            by,
            patience,
        }
    }

    fn event_of(&self, request: &Request) -> &str {
        let names = self.job.vocabulary.names(request.kind);
        let event = match request.what {
            Asked::Join(_) => &names.join,
            Asked::Leave(_) => &names.leave,
        };
        event.as_deref().unwrap_or_default()
    }

    /// The acknowledgement of a join or a leave came.
    pub(super) fn answered(&self, user: u32, stamp: Nanos, ack: u64, payload: &str) {
        let state = self.user(user);
        let mut requests = state.requests.borrow_mut();
        let asked = |request: &Request| request.answered == AnsweredBy::Ack(ack);
        let Some(place) = requests.open.iter().position(asked) else {
            drop(requests);
            // Of an answer that came too late, or twice, or that nobody asked for.
            self.ignore("an acknowledgement of nothing that is awaited");
            return;
        };
        let request = requests.open.swap_remove(place);
        let answers = &self.job.vocabulary.answers;
        let answer = path::arguments(payload).map_or(Answer::Unclear, |said| answers.read(&said));
        if answer == Answer::Done {
            self.any_answered.set(true);
            self.granted(user, stamp, request);
        } else {
            let event = self.event_of(&request);
            let refused = answer == Answer::Refused;
            let refusal = JoinError::answered(request.what, event, payload, refused);
            requests.refused = Some(refusal);
        }
        if requests.open.is_empty() {
            state.answered.notify_one();
        }
    }

    /// An event came: one that tells a user that it has joined answers what it asked for.
    pub(super) fn joined_by(&self, user: u32, stamp: Nanos, name: &str, payload: &str) {
        let vocabulary = &self.job.vocabulary;
        let kinds = [Kind::Room, Kind::Channel].into_iter();
        let kinds = kinds.filter(|kind| vocabulary.names(*kind).joined.as_deref() == Some(name));
        let arguments = path::arguments(payload).unwrap_or_default();
        let mut said: Vec<(Kind, Option<String>)> = kinds
            .map(|kind| {
                let path = vocabulary.shapes(kind).joined.as_ref();
                (kind, path.and_then(|path| path.text(&arguments)))
            })
            .collect();
        // Rooms and channels may share the event: who says which it is comes first, and one answers one request.
        said.sort_by_key(|(_, said)| said.is_none());
        let mut said = said.into_iter();
        said.any(|(kind, said)| self.has_joined(user, stamp, kind, said.as_deref()));
    }

    /// An event tells that a user has joined this conversation; `None`: one of that kind. Whether it had asked for it.
    fn has_joined(&self, user: u32, stamp: Nanos, kind: Kind, said: Option<&str>) -> bool {
        let plan = &self.job.plan;
        let is_of = |request: &Request| {
            let place = plan.places[user as usize][request.what.place() as usize];
            let conversation = &plan.conversations[place.conversation as usize];
            request.answered == AnsweredBy::Event
                && request.kind == kind
                // One that does not say which is taken for the first that is open.
                && said.is_none_or(|said| said == conversation.id)
        };
        let state = self.user(user);
        let mut requests = state.requests.borrow_mut();
        let Some(place) = requests.open.iter().position(is_of) else {
            return false;
        };
        let request = requests.open.remove(place);
        self.any_answered.set(true);
        self.granted(user, stamp, request);
        if requests.open.is_empty() {
            state.answered.notify_one();
        }
        true
    }

    fn granted(&self, user: u32, stamp: Nanos, request: Request) {
        match request.what {
            Asked::Join(place) => {
                self.with_receipts(|receipts| {
                    if request.answered != AnsweredBy::Nothing {
                        receipts
                            .recorder()
                            .record(Metric::Join, request.asked, stamp);
                    }
                    if request.logged {
                        receipts.came(user, stamp);
                    }
                });
                if request.logged {
                    self.with_receipts(|receipts| receipts.came(user, stamp));
                    self.note(user, stamp, Step::Joined(place));
                }
            }
            Asked::Leave(place) => self.note(user, stamp, Step::Left(place)),
        }
    }

    pub(super) async fn ask_for(&self, user: u32, what: Asked) -> Result<(), JoinError> {
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
