//! What a cheating server does with a message: it delivers at once and ends a little later, or saves first, as the contract
//! says, but for the fault.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    fault::{EVERY, Fault, SERVICE, USERS},
    server::{Late, Shared, State, lock},
    speech::{Names, Speech},
};

/// A message and all that is to be known of it.
#[derive(Clone)]
struct Message {
    number: u64,
    fault: Fault,
    /// Whether the fault is in this one.
    hit: bool,
    names: Names,
    /// Names of the other kind of conversation.
    others_names: Names,
    conversation: String,
    ack: String,
    from: u64,
    members: Vec<u64>,
    /// A member other than the sender.
    other: u64,
    optimistic: Value,
    saved: Value,
    /// As the store has it.
    document: Value,
}

/// A message that waits to be overtaken.
pub struct Held {
    message: Message,
    only_for: Option<u64>,
}

/// An event of a client.
pub fn hear(me: u64, event: &str, state: &Shared, fault: Fault, speech: Speech) {
    let Some(array) = event.find('[') else { return };
    let ack = event[..array].to_owned();
    let Ok(event) = serde_json::from_str::<Value>(&event[array..]) else {
        return;
    };
    let name = event[0].as_str().unwrap_or_default();
    let [room, channel] = speech.names();
    for (names, others_names) in [(room, channel), (channel, room)] {
        let conversation = event[1][names.id].as_str().unwrap_or_default().to_owned();
        let granted = format!("43{ack}[{{\"success\":true}}]");
        let mut locked = lock(state);
        if name == names.join {
            let left = locked.left.entry(conversation.clone()).or_default();
            left.remove(&me);
            let members = locked.conversations.entry(conversation).or_default();
            members.insert(me);
            locked.joins += 1;
            if fault != Fault::ForgetsLateJoins || locked.joins <= USERS {
                locked.send(me, granted);
            }
        } else if name == names.leave {
            let left = locked.left.entry(conversation.clone()).or_default();
            left.insert(me);
            if fault != Fault::KeepsWhoLeft {
                let members = locked.conversations.entry(conversation).or_default();
                members.remove(&me);
            }
            locked.send(me, granted);
        } else if name == names.send {
            let message = Message::new(&mut locked, me, (&conversation, &ack), &event[1], fault);
            let message = Message {
                names,
                others_names,
                ..message
            };
            drop(locked);
            match speech.saves_first {
                true => message.save_first(state),
                false => message.deliver_first(state),
            }
        }
    }
}

impl Message {
    fn new(
        state: &mut State,
        from: u64,
        (conversation, ack): (&str, &str),
        payload: &Value,
        fault: Fault,
    ) -> Self {
        state.messages += 1;
        let number = state.messages;
        let hit = fault.hits(number);
        let members = state.conversations.entry(conversation.to_owned());
        let members: Vec<u64> = members.or_default().iter().copied().collect();
        let mut others = members.iter().copied().filter(|&member| member != from);
        let other = others.next().unwrap_or(from);
        // A sender that is alone has its own copy only, whose loss is another fault.
        let hit = hit && (fault != Fault::Drops || other != from);
        let field = match payload.get("channelId") {
            Some(_) => "channelId",
            None => "roomId",
        };
        let body = &payload["body"];
        let sender = json!({ "_id": payload["senderId"], "username": null });
        let mut optimistic = json!({
            "_id": format!("temp_{number}_x"), "body": body, field: conversation,
            "senderId": sender, "isOptimistic": true,
        });
        let mut saved = json!({
            "_id": format!("{number:024x}"), "tempId": optimistic["_id"], "body": body, field: conversation,
            "senderId": sender, "isConfirmed": true,
        });
        let shorter = || {
            let mut body = body.as_str().unwrap_or_default().to_owned();
            body.pop();
            Value::from(body)
        };
        match fault {
            Fault::ChangesABody if hit => optimistic["body"] = shorter(),
            Fault::NamesAnotherSender if hit => optimistic["senderId"]["_id"] = "somebody".into(),
            Fault::NamesNoSender if hit => optimistic["senderId"] = 7.into(),
            Fault::ConfirmsAnotherSender if hit => saved["senderId"]["_id"] = "somebody".into(),
            _ => {}
        }
        let mut document = json!({
            "collection": collection(field == "roomId"), "body": body, field: conversation,
            "senderId": payload["senderId"], "createdAt": "2026-01-01T00:00:00.000Z",
        });
        match fault {
            Fault::SavesAnotherBody if hit => document["body"] = shorter(),
            Fault::SavesAnotherSender if hit => document["senderId"] = "somebody".into(),
            Fault::SavesAnotherConversation if hit => document[field] = "somewhere".into(),
            Fault::SavesAsAnotherKind if hit => {
                document["collection"] = collection(field != "roomId").into();
            }
            _ => {}
        }
        let [names, others_names] = Speech::default().names();
        Self {
            number,
            fault,
            hit,
            names,
            others_names,
            conversation: conversation.to_owned(),
            ack: ack.to_owned(),
            from,
            members,
            other,
            optimistic,
            saved,
            document,
        }
    }

    /// Whether this fault is in it.
    fn is_hit_by(&self, fault: Fault) -> bool {
        self.hit && self.fault == fault
    }

    /// The event by which a member gets it.
    fn event(&self, member: u64) -> &'static str {
        let own = member == self.from;
        match self.fault {
            Fault::OthersGetSent if self.hit => self.names.sent,
            Fault::SenderGetsReceived if self.hit => self.names.received,
            _ if own => self.names.sent,
            _ => self.names.received,
        }
    }

    fn deliver_first(self, state: &Shared) {
        let mut locked = lock(state);
        if self.is_hit_by(Fault::ConfirmsEarly) {
            locked.emit(self.other, self.names.confirmed, &self.saved);
        }
        release_before_same_sender(&mut locked, &self);
        if self.is_to_be_held(&locked) {
            self.hold(&mut locked);
        } else if matches!(self.fault, Fault::IsLate | Fault::TakesItsTime) {
            let now = Instant::now();
            let due = match self.fault {
                Fault::IsLate => now + Duration::from_millis(2),
                _ => locked.free.unwrap_or(now).max(now) + SERVICE,
            };
            locked.free = Some(due);
            let message = self;
            let shared = Arc::clone(state);
            let late: Late = Box::new(move || {
                message.deliver(&mut lock(&shared));
                message.end_soon(&shared);
            });
            if let Some(queue) = &locked.late {
                let _ = queue.send((due, late));
            }
            return;
        } else {
            self.deliver(&mut locked);
            self.overtakes(&mut locked);
        }
        if self.number == EVERY {
            match self.fault {
                Fault::CutsAConnection => locked.send(self.other, String::new()),
                Fault::SendsNoPacket => locked.send(self.other, "no packet".to_owned()),
                Fault::SendsTooMuch => {
                    let text = "x".repeat(16 << 20);
                    locked.emit(self.other, "picture", &json!(text));
                }
                _ => {}
            }
        }
        if self.fault == Fault::DiesBetweenAckAndSave && self.number == EVERY {
            self.acknowledge(&locked);
            drop(locked);
            return self.die(state);
        }
        drop(locked);
        if self.fault == Fault::Stalls && self.number.is_multiple_of(400) {
            let shared = Arc::clone(state);
            // Holding the lock stops everybody, as a garbage collection would.
            std::thread::spawn(move || {
                let locked = lock(&shared);
                std::thread::sleep(Duration::from_millis(60));
                drop(locked);
                self.end(&shared);
            });
            return;
        }
        self.end_soon(state);
    }

    /// Ends the connections of all who were told of it, once they have heard that.
    fn die(self, state: &Shared) {
        let state = Arc::clone(state);
        tokio::spawn(async move {
            sleep(Duration::from_millis(50)).await;
            let state = lock(&state);
            for &member in &self.members {
                state.send(member, String::new());
            }
        });
    }

    fn save_first(mut self, state: &Shared) {
        let shared = Arc::clone(state);
        // Without a temporary id, and under the final one.
        if let Some(saved) = self.saved.as_object_mut() {
            saved.remove("tempId");
        }
        self.optimistic = self.saved.clone();
        // One after the other: two that were saved at once must not change places.
        let save: Late = Box::new(move || {
            let mut locked = lock(&shared);
            let refused =
                self.is_hit_by(Fault::Refuses) || self.is_hit_by(Fault::RefusesAndDelivers);
            let fails = self.hit && self.fault.fails();
            if !refused && !fails {
                self.save(&mut locked);
            }
            if !fails {
                self.deliver(&mut locked);
            }
            self.acknowledge(&locked);
        });
        if let Some(queue) = &lock(state).late {
            let _ = queue.send((Instant::now() + Duration::from_millis(30), save));
        }
    }

    fn deliver(&self, state: &mut State) {
        if self.hit && self.fault.swallows() {
            state.swallowed += self.members.len().saturating_sub(1) as u64;
            return;
        }
        for &member in &self.members {
            let times = match self.fault {
                Fault::Drops if self.hit && member == self.other => 0,
                Fault::WithholdsTheEcho if self.hit && member == self.from => 0,
                Fault::Doubles if self.hit && member == self.other => 2,
                _ => 1,
            };
            if self.fault == Fault::BreaksTheJson && self.number == EVERY && member == self.other {
                let (event, message) = (self.event(member), &self.optimistic);
                state.send(member, format!("42[\"{event}\",{message}}}]"));
                continue;
            }
            for _ in 0..times {
                state.emit(member, self.event(member), &self.optimistic);
            }
        }
        if self.is_hit_by(Fault::DeliversToAStranger)
            && let Some(stranger) = state.stranger_to(&self.members)
        {
            state.emit(stranger, self.names.received, &self.optimistic);
        }
    }

    /// Ends it a little later, and not before it was delivered.
    fn end_soon(self, state: &Shared) {
        let state = Arc::clone(state);
        tokio::spawn(async move {
            let save = match self.is_hit_by(Fault::SwallowsAndAcksLate) {
                true => Duration::from_secs(1),
                false => Duration::from_millis(30),
            };
            sleep(save).await;
            for _ in 0..40 {
                if !self.is_held(&lock(&state)) {
                    break;
                }
                sleep(Duration::from_millis(5)).await;
            }
            if self.is_held(&lock(&state)) {
                release(&mut lock(&state));
            }
            self.end(&state);
        });
    }

    fn end(&self, state: &Shared) {
        let mut state = lock(state);
        let nothing = self.hit && self.fault.swallows() && self.fault != Fault::SwallowsAndConfirms;
        if !nothing {
            let fails = self.hit && self.fault.fails();
            if !fails && !self.is_hit_by(Fault::ConfirmsWithoutSaving) {
                self.save(&mut state);
            }
            for &member in &self.members {
                self.tell(&state, member);
            }
            self.tell_who_left(&state);
        }
        self.acknowledge(&state);
    }

    fn save(&self, state: &mut State) {
        let id = self.saved["_id"].as_str().unwrap_or_default().to_owned();
        if self.is_hit_by(Fault::SavesTwice) {
            let other = format!("f{}", &id[1..]);
            state.stored.push((other, self.document.clone()));
        }
        if self.is_hit_by(Fault::SavesAsBothKinds) {
            let mut other = self.document.clone();
            other["collection"] = collection(self.names.id != "roomId").into();
            state.stored.push((id.clone(), other));
        }
        if self.is_hit_by(Fault::SettlesWhenAsked) || self.is_hit_by(Fault::SettlesAfterASilence) {
            state.unsettled.push(id.clone());
        }
        state.stored.push((id, self.document.clone()));
    }

    /// Tells a member how it ended.
    fn tell(&self, state: &State, member: u64) {
        let Names {
            confirmed, failed, ..
        } = self.names;
        let failure = |temp: Value| json!({ "tempId": temp, "error": "Failed to save message" });
        let this = failure(self.saved["tempId"].clone());
        match self.fault {
            _ if !self.hit => state.emit(member, confirmed, &self.saved),
            Fault::NeverEnds | Fault::ConfirmsEarly if member == self.other => {}
            Fault::ConfirmsToSome if member == self.from => {
                state.emit(member, confirmed, &self.saved);
            }
            Fault::FailsByAnotherKind => state.emit(member, self.others_names.failed, &this),
            Fault::ConfirmsByAnotherKind => {
                state.emit(member, self.others_names.confirmed, &self.saved);
            }
            Fault::SavesAndFails
            | Fault::SettlesWhenAsked
            | Fault::SettlesAfterASilence
            | Fault::ConfirmsToSome => {
                state.emit(member, failed, &this);
            }
            fault if fault.fails() => state.emit(member, failed, &this),
            Fault::DisagreesOnTheId if member == self.other => {
                let mut another = self.saved.clone();
                let id = self.saved["_id"].as_str().unwrap_or_default();
                another["_id"] = format!("e{}", &id[1..]).into();
                state.emit(member, confirmed, &another);
            }
            fault => {
                state.emit(member, confirmed, &self.saved);
                if fault == Fault::ConfirmsTwice && member == self.other {
                    state.emit(member, confirmed, &self.saved);
                }
                if fault == Fault::FailsUnderAnotherId && member == self.other {
                    state.emit(member, failed, &failure("temp_0_unknown".into()));
                }
            }
        }
    }

    /// Tells those how it ended who were no members any more when it came.
    fn tell_who_left(&self, state: &State) {
        let left = state.left.get(&self.conversation);
        let left = left.filter(|_| self.fault == Fault::ConfirmsToWhoLeft);
        let left = left.into_iter().flatten();
        for &one in left.filter(|one| !self.members.contains(one)) {
            state.emit(one, self.names.confirmed, &self.saved);
        }
    }

    fn acknowledge(&self, state: &State) {
        let answer = match self.fault {
            Fault::ForgetsAnAck if self.hit => return,
            Fault::Refuses | Fault::RefusesAndDelivers if self.hit => {
                json!({ "success": false, "message": "You are \u{1b}blocked" })
            }
            Fault::SavesAndFails
            | Fault::SettlesWhenAsked
            | Fault::SettlesAfterASilence
            | Fault::FailsEverySave
            | Fault::FailsByAnotherKind
            | Fault::DeniesAndConfirms
                if self.hit =>
            {
                json!({ "success": false, "message": "Failed to save message" })
            }
            Fault::AcksNoId if self.hit => json!({ "success": true }),
            Fault::AcksAnotherId if self.hit => {
                json!({ "success": true, "data": { "_id": "507f1f77bcf86cd799439011" } })
            }
            _ => json!({ "success": true, "data": self.saved }),
        };
        state.send(self.from, format!("43{}[{answer}]", self.ack));
    }

    fn is_held(&self, state: &State) -> bool {
        let held = state.held.as_ref();
        held.is_some_and(|held| held.message.number == self.number)
    }

    /// One message is held back, once there are enough.
    fn is_to_be_held(&self, state: &State) -> bool {
        let swaps = matches!(
            self.fault,
            Fault::SwapsOfOneSender | Fault::SwapsForOneMember
        );
        swaps && self.number >= EVERY && state.held.is_none()
    }

    /// Holds it back: for everybody, or for one member only.
    fn hold(&self, state: &mut State) {
        let only_for = (self.fault == Fault::SwapsForOneMember).then_some(self.other);
        let others = self
            .members
            .iter()
            .filter(|&&member| only_for.is_some_and(|only| only != member));
        for &member in others {
            state.emit(member, self.event(member), &self.optimistic);
        }
        state.held = Some(Held {
            message: self.clone(),
            only_for,
        });
    }

    /// Sends what was held back, once this one has gone ahead of it and makes the swap visible.
    fn overtakes(&self, state: &mut State) {
        let visible = state.held.as_ref().is_some_and(|held| {
            let same_sender = held.message.from == self.from;
            held.message.conversation == self.conversation && same_sender == held.only_for.is_none()
        });
        if visible {
            release(state);
        }
    }
}

/// Where the store has messages of rooms, or of channels.
fn collection(of_rooms: bool) -> &'static str {
    match of_rooms {
        true => "message2",
        false => "messages",
    }
}

/// A message held back for one member must not be overtaken by its own sender: that would be another fault.
fn release_before_same_sender(state: &mut State, next: &Message) {
    let due = state.held.as_ref().is_some_and(|held| {
        held.only_for.is_some()
            && held.message.from == next.from
            && held.message.conversation == next.conversation
    });
    if due {
        release(state);
    }
}

/// Sends the message that was held back to those who have not got it.
fn release(state: &mut State) {
    let Some(Held { message, only_for }) = state.held.take() else {
        return;
    };
    let members = message.members.iter();
    for &member in members.filter(|&&member| only_for.is_none_or(|only| only == member)) {
        state.emit(member, message.event(member), &message.optimistic);
    }
}
