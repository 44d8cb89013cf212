//! Looks up what is stored of a run, and holds each message against what was sent.

use super::arm::Arm;
use crate::{
    drive::worker::{hash, is_id},
    model::{BodyText, RunId, body},
    observed::{Differs, Stored},
    plan::{Plan, Share},
    rig::{Audit, Compared, StoredMessage, TargetError},
};

/// Looks up every stored message of the run that these users have sent.
///
/// # Errors
/// [`TargetError::Audit`] if the store can't be read to its end.
pub(super) async fn look_up(
    audit: &Audit,
    arm: &Arm<'_>,
    share: &Share,
) -> Result<Stored, TargetError> {
    let mut sent = Sent {
        plan: &arm.plan,
        run: &arm.run_id,
        text: &arm.scenario.messages.text,
        compared: audit.compares(arm.scenario.vocabulary().whole_contract),
        body: String::new(),
    };
    let mut stored = Stored::new(arm.plan.sends.len());
    let mut note = |document: StoredMessage| sent.note(&document, share, &mut stored);
    audit.visit(&arm.run_id.body_prefix(), &mut note).await?;
    Ok(stored)
}

/// What was sent, as far as stored messages are held against it.
struct Sent<'a> {
    plan: &'a Plan,
    run: &'a RunId,
    text: &'a BodyText,
    compared: Compared,
    /// The body of the message that is looked at.
    body: String,
}

impl Sent<'_> {
    /// Notes a stored message where it is one of this run that these users have sent.
    fn note(&mut self, document: &StoredMessage, share: &Share, stored: &mut Stored) {
        let Some(message) = body::message_of(self.run, &document.body) else {
            return;
        };
        // One of this run's prefix and of no planned message has no place in the account.
        let send = self.plan.sends.get(message as usize);
        if !send.is_some_and(|send| share.has(send.sender)) {
            return;
        }
        let id = hash(&document.id);
        stored.add(message, id);
        for differs in self.differences(message, document) {
            stored.differs(message, id, differs);
        }
    }

    /// What of a stored message is not as it was sent. What a document does not say is not held against it.
    fn differences(&mut self, message: u32, document: &StoredMessage) -> Vec<Differs> {
        let send = &self.plan.sends[message as usize];
        let conversation = self.plan.conversation_of(send);
        self.body.clear();
        let bytes = send.bytes as usize;
        body::write(&mut self.body, self.run, message, bytes, self.text);
        let is_another = |said: &Option<String>, id: &str| {
            let said = said.as_ref();
            said.is_some_and(|said| !is_id(said, id))
        };
        let Compared {
            sender,
            conversation: place,
            kind,
        } = self.compared;
        let user = &self.plan.users[send.sender as usize];
        let of_another_kind = document.kind.is_some_and(|kind| kind != conversation.kind);
        let differs = [
            (document.body != self.body, Differs::Body),
            (
                sender && is_another(&document.sender_id, user),
                Differs::Sender,
            ),
            (
                place && is_another(&document.conversation, &conversation.id),
                Differs::Conversation,
            ),
            (kind && of_another_kind, Differs::Collection),
        ];
        let differs = differs.into_iter().filter(|(differs, _)| *differs);
        differs.map(|(_, what)| what).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{model::Kind, scenario::Scenario};

    const ALL: Compared = Compared {
        sender: true,
        conversation: true,
        kind: true,
    };
    const NONE: Compared = Compared {
        sender: false,
        conversation: false,
        kind: false,
    };

    /// What is noted of message 3 of a plan, stored as it was sent but for `change`.
    fn noted(compared: Compared, change: impl FnOnce(&mut StoredMessage)) -> Vec<Differs> {
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 4, rooms = 2 }\n\
                    [[phases]]\nname = \"s\"\nduration = \"9s\"\nrate = \"9/s\"\n";
        let scenario = Scenario::parse(Path::new("t.toml"), text).unwrap();
        let plan = Plan::new(&scenario).unwrap();
        let run = RunId::new(7);
        let send = &plan.sends[3];
        let mut document = StoredMessage {
            id: "id".to_owned(),
            body: String::new(),
            sender_id: Some(plan.users[send.sender as usize].to_uppercase()),
            conversation: Some(plan.conversation_of(send).id.clone()),
            kind: Some(Kind::Room),
        };
        let bytes = send.bytes as usize;
        let text = &scenario.messages.text;
        body::write(&mut document.body, &run, 3, bytes, text);
        change(&mut document);
        let mut sent = Sent {
            plan: &plan,
            run: &run,
            text,
            compared,
            body: String::new(),
        };
        let mut stored = Stored::new(plan.sends.len());
        sent.note(&document, &Share::WHOLE, &mut stored);
        assert_eq!(stored.ids(3).collect::<Vec<_>>(), [hash("id")]);
        stored.differences(3, hash("id")).collect()
    }

    #[test]
    fn each_thing_that_is_not_as_it_was_sent_is_noted_where_it_is_compared() {
        let another = || Some("another".to_owned());
        assert_eq!(noted(ALL, |_| {}), []);
        for compared in [ALL, NONE] {
            let cut = noted(compared, |stored| {
                stored.body.pop();
            });
            assert_eq!(cut, [Differs::Body]);
            let more = noted(compared, |stored| stored.body.push('\n'));
            assert_eq!(more, [Differs::Body]);
        }
        let change = |stored: &mut StoredMessage| {
            stored.sender_id = another();
            stored.conversation = another();
            stored.kind = Some(Kind::Channel);
        };
        let but_the_body = [Differs::Sender, Differs::Conversation, Differs::Collection];
        assert_eq!(noted(ALL, change), but_the_body);
        assert_eq!(noted(NONE, change), []);
    }

    #[test]
    fn what_a_document_does_not_say_is_not_held_against_it() {
        let said = noted(ALL, |stored| {
            stored.sender_id = None;
            stored.conversation = None;
            stored.kind = None;
        });
        assert_eq!(said, []);
    }
}
