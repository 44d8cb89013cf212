//! What devices are told: events and answers, read into the ledger.

use bson::oid::ObjectId;
use rand::RngExt as _;
use serde_json::Value;

use super::{
    agenda::Millis,
    device::{Asked, Draft, Membership},
    ledger::{Outcome, Promise},
    network::End,
    world::{CONVERSATIONS, World},
};
use crate::protocol::outbound::FAILED_TO_SAVE;

/// Stored messages that a device may send once more all the same.
const REMEMBERED: usize = 3;

fn conversation_of(payload: &Value) -> Option<usize> {
    let id = payload.get("roomId").or_else(|| payload.get("channelId"))?;
    let id = id.as_str()?;
    CONVERSATIONS.iter().position(|(known, _)| *known == id)
}

fn object_id(payload: &Value) -> Option<ObjectId> {
    ObjectId::parse_str(payload.get("_id")?.as_str()?).ok()
}

impl World {
    /// An event.
    pub fn device_gets(&mut self, number: usize, json: &str, at: Millis) {
        let heard = self.device_understands(number, json, at);
        if heard.is_none() {
            self.break_promise(
                Promise::NothingSilent,
                format!("device {number} can't read {json}, or is not logged in"),
            );
        }
    }

    fn device_understands(&mut self, number: usize, json: &str, at: Millis) -> Option<()> {
        let id = self.devices[number].hears_as?;
        let (event, payload): (String, Value) = serde_json::from_str(json).ok()?;
        let text = |field: &str| payload.get(field)?.as_str().map(str::to_owned);
        match event.as_str() {
            "roomMessageRecieved"
            | "roomMessageSent"
            | "channelMessageSent"
            | "NEW_MESSAGE_RECEIVED_EVENT"
            | "NewMessageReceived" => {
                let attempt = text("body")?.parse().ok()?;
                let conversation = conversation_of(&payload)?;
                self.note_delivery(id, attempt, &text("_id")?, conversation, at);
            }
            "roomMessageConfirmed" | "channelMessageConfirmed" => {
                let outcome = Outcome::Confirmed(object_id(&payload)?);
                self.note_end(id, &text("tempId")?, outcome, at);
            }
            "roomMessageFailed" | "channelMessageFailed" => {
                self.note_end(id, &text("tempId")?, Outcome::Failed, at);
            }
            "reconnected" => {
                for room in payload.get("rooms")?.as_array()? {
                    let known = CONVERSATIONS.iter().position(|(id, _)| room == id)?;
                    let membership = &mut self.devices[number].members[known];
                    if *membership == Membership::Out {
                        *membership = Membership::Joining;
                    }
                }
            }
            "accountLoggedInElsewhere" => {
                let after = self.devices[number].rng.random_range(5_000..30_000);
                self.device_leaves(number, End::Fin, Some(after));
            }
            "accountAlreadyLoggedIn" => {}
            _ => return None,
        }
        Some(())
    }

    /// The answer to something that it asked.
    pub fn device_is_answered(&mut self, number: usize, text: &str, at: Millis) {
        let known = self.device_reads_answer(number, text, at);
        if known.is_none() {
            self.break_promise(
                Promise::NothingSilent,
                format!("device {number} can't read the answer {text}, or has had it before"),
            );
        }
    }

    fn device_reads_answer(&mut self, number: usize, text: &str, at: Millis) -> Option<()> {
        let (ask, json) = text.split_at(text.find('[')?);
        let (answer,): (Value,) = serde_json::from_str(json).ok()?;
        let asked = self.devices[number].asked.remove(&ask.parse().ok()?)?;
        let has_succeeded = answer.get("success")?.as_bool()?;
        match asked {
            Asked::Join(conversation) if has_succeeded => {
                let membership = &mut self.devices[number].members[conversation];
                if *membership == Membership::Joining {
                    *membership = Membership::In;
                }
                self.device_owes(number, conversation);
            }
            Asked::Leave(conversation) if has_succeeded => {
                self.devices[number].members[conversation] = Membership::Out;
            }
            // Logged in elsewhere: it will be told.
            Asked::Join(_) | Asked::Leave(_) => {}
            Asked::Send(attempt, draft) => {
                let outcome = if has_succeeded {
                    Ok(Outcome::Confirmed(object_id(answer.get("data")?)?))
                } else if answer.get("message")? == FAILED_TO_SAVE {
                    Ok(Outcome::Failed)
                } else {
                    Err(())
                };
                self.device_learns(number, draft, has_succeeded);
                self.note_answer(attempt, outcome, at);
            }
        }
        Some(())
    }

    fn device_learns(&mut self, number: usize, draft: Draft, is_stored: bool) {
        if !is_stored || draft.name.is_none() {
            return;
        }
        let device = &mut self.devices[number];
        device.owed.retain(|owed| *owed != draft);
        if !device.done.contains(&draft) {
            device.done.push(draft);
            if device.done.len() > REMEMBERED {
                device.done.remove(0);
            }
        }
    }

    /// What it does not know to be stored, it sends again, under the same names.
    fn device_owes(&mut self, number: usize, conversation: usize) {
        if self.is_quiet {
            return;
        }
        let owed = self.devices[number].owed.clone();
        for draft in owed {
            if draft.conversation == conversation {
                self.ledger.counts.repeated += 1;
                self.device_sends(number, draft);
            }
        }
    }
}
