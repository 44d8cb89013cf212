//! What an event is read as: by the paths of a map, and by the message in it where several events share a name; and what is
//! noted of events that can't be read, for a mistake in the map.

use super::{Receipts, hash};
use crate::{
    drive::worker::{
        Job, heard,
        payload::{self, Misfit, Payload},
    },
    model::{Kind, Nanos, Reading},
};

/// A body that is coded in whatever way is not this much shorter: an event without a text of that length holds no delivery.
const CODED: usize = 2;

impl Receipts {
    /// Reads an event by the paths of the map. Where it can be several things, the message in it says which.
    pub(super) fn mapped<'a>(
        &self,
        user: u32,
        name: &str,
        payload: &'a str,
    ) -> Result<Payload<'a>, Misfit> {
        let arguments = payload::arguments(payload)?;
        let mut readings = self.job.vocabulary.readings(name);
        let Some(first) = readings.next() else {
            return Err(Misfit::unexpected("an event without a meaning"));
        };
        let mut read = Payload::mapped(first.paths, &arguments);
        let Some(second) = readings.next() else {
            return Ok(read);
        };
        let mut fit = self.fit(user, &first, &read);
        for reading in std::iter::once(second).chain(readings) {
            if fit == Fit::Whole {
                break;
            }
            let other = Payload::mapped(reading.paths, &arguments);
            let better = self.fit(user, &reading, &other);
            if better > fit {
                (read, fit) = (other, better);
            }
        }
        Ok(read)
    }

    /// How well an event is read as one of the things that it can be.
    fn fit(&self, user: u32, reading: &Reading<'_>, payload: &Payload<'_>) -> Fit {
        let by_body = payload
            .body()
            .ok()
            .and_then(|body| body.message(&self.job.run));
        let by_id = || self.message_under(hash(payload.temp_id()?));
        let message = by_body.or_else(by_id);
        let send = message.and_then(|message| self.job.plan.sends.get(message as usize));
        let Some(send) = send else {
            return Fit::None;
        };
        let own = reading.own.is_none_or(|own| own == (send.sender == user));
        match self.job.plan.conversation_of(send).kind == reading.kind && own {
            true => Fit::Whole,
            false => Fit::Message,
        }
    }

    /// An event came whose name nobody knows.
    pub(super) fn unknown(&self, user: u32, stamp: Nanos, name: &str, payload: &str) {
        let mut heard = self.heard.borrow_mut();
        match self.part_of(user, payload) {
            Some((kind, own)) => heard.part_mut(kind, own).unknown(name),
            None if self.start.get() == 0 || stamp < self.start.get() => heard.early(name),
            None if heard::longest_text(payload) >= self.shortest_body / CODED => {
                heard.stranger(name);
            }
            None => {}
        }
    }

    /// Notes whether a delivery names its sender where the map says, and where else it does.
    pub(super) fn senders_place(&self, user: u32, payload: &str, read: &Payload<'_>) {
        let message = read
            .body()
            .ok()
            .and_then(|body| body.message(&self.job.run));
        let send = message.and_then(|message| self.job.plan.sends.get(message as usize));
        let Some(send) = send.filter(|_| read.has_mapped_sender()) else {
            return;
        };
        let sender = &self.job.plan.users[send.sender as usize];
        let kind = self.job.plan.conversation_of(send).kind;
        let mut heard = self.heard.borrow_mut();
        let part = heard.part_mut(kind, send.sender == user);
        match read.is_from(sender) {
            Some(true) => part.named += 1,
            // One that names another user is the server's own doing.
            _ if part.named > 0 || read.names_any(&self.job.plan.users) => {}
            _ => part.named_elsewhere(heard::id_at(payload, sender)),
        }
    }

    /// An event came that should be a message, and is not where the map says.
    pub(super) fn unreadable(&self, user: u32, kind: Kind, name: &str, why: &str, payload: &str) {
        let (kind, own) = self.part_of(user, payload).unwrap_or((kind, false));
        let mut heard = self.heard.borrow_mut();
        let part = heard.part_mut(kind, own);
        part.unreadable(name, why, &self.prefix, payload);
    }

    /// In what kind of conversation a message of this run is that is somewhere in a payload, and whether this user sent it.
    fn part_of(&self, user: u32, payload: &str) -> Option<(Kind, bool)> {
        let message = heard::message_in(payload, &self.prefix)?;
        let send = self.job.plan.sends.get(message as usize)?;
        Some((
            self.job.plan.conversation_of(send).kind,
            send.sender == user,
        ))
    }
}

/// How well an event is read as one of the things that it can be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// No message of this run is found so.
    None,
    /// One is found that is for somebody or something else.
    Message,
    /// One is found that is of that kind and for that user.
    Whole,
}

/// The bytes of the shortest message that is planned.
pub(super) fn shortest_body(job: &Job) -> usize {
    let sizes = job.plan.sends.iter().map(|send| send.bytes as usize);
    sizes.min().unwrap_or_default()
}
