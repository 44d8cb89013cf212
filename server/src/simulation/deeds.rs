//! What devices do: they join, leave, send, repeat themselves, and go to come again.

use rand::RngExt as _;

use super::{
    device::{Asked, Draft, LoginId, Membership},
    network::End,
    world::{CONVERSATIONS, Event, World},
};
use crate::message::Kind;

/// Messages that a device may send once more.
const REMEMBERED: usize = 6;

impl World {
    fn device_asks(&mut self, number: usize, event: &str, payload: &str, asked: Asked) {
        let device = &mut self.devices[number];
        let ask = device.next_ask;
        device.next_ask += 1;
        device.asked.insert(ask, asked);
        let completes = match asked {
            Asked::Send(attempt, _) => vec![attempt],
            _ => Vec::new(),
        };
        self.device_says(
            number,
            &format!("42{ask}[\"{event}\",{payload}]"),
            completes,
        );
    }

    pub fn device_asks_in(&mut self, number: usize, conversation: usize) {
        let (id, kind) = CONVERSATIONS[conversation];
        self.devices[number].members[conversation] = Membership::Joining;
        let (event, field) = match kind {
            Kind::Room => ("joinRoom", "roomId"),
            Kind::Channel => ("JOIN_CHANNEL", "channelId"),
        };
        let payload = format!("{{\"{field}\":\"{id}\"}}");
        self.device_asks(number, event, &payload, Asked::Join(conversation));
    }

    fn device_asks_out(&mut self, number: usize, conversation: usize) {
        let (id, kind) = CONVERSATIONS[conversation];
        self.devices[number].members[conversation] = Membership::Leaving;
        let (event, field) = match kind {
            Kind::Room => ("leaveRoom", "roomId"),
            Kind::Channel => ("leaveChannel", "channelId"),
        };
        let payload = format!("{{\"{field}\":\"{id}\"}}");
        self.device_asks(number, event, &payload, Asked::Leave(conversation));
    }

    pub fn device_sends(&mut self, number: usize, draft: Draft) {
        let Some(login) = self.devices[number].login else {
            return;
        };
        let attempt = self.note_sent(number, login, draft.conversation, draft.name);
        let device = &mut self.devices[number];
        if draft.name.is_some() && !device.owed.contains(&draft) && !device.done.contains(&draft) {
            device.owed.push(draft);
            if device.owed.len() > REMEMBERED {
                device.owed.remove(0);
            }
        }
        let (id, kind) = CONVERSATIONS[draft.conversation];
        let (event, field) = match kind {
            Kind::Room => ("roomMessage", "roomId"),
            Kind::Channel => ("NEW_MESSAGE_EVENT", "channelId"),
        };
        let name = draft.name;
        let name = name.map_or_else(String::new, |name| format!(",\"clientMsgId\":\"{name}\""));
        let payload = format!("{{\"{field}\":\"{id}\",\"body\":\"{attempt}\"{name}}}");
        self.device_asks(number, event, &payload, Asked::Send(attempt, draft));
    }

    /// It does something, as people do.
    pub fn device_acts(&mut self, number: usize, login: LoginId) {
        let device = &mut self.devices[number];
        if self.is_quiet || device.login != Some(login) {
            return;
        }
        let pause = device.pause();
        match device.rng.random_range(0..100) {
            0..68 => self.device_writes(number, 1),
            68..76 => self.device_repeats(number),
            76..84 => self.device_moves(number),
            84..94 => {
                let count = self.devices[number].rng.random_range(2..9);
                self.device_writes(number, count);
            }
            94..96 => self.device_logs_in_again(number),
            96..98 => {
                let after = self.devices[number].rng.random_range(50..3_000);
                self.device_says(number, "41", Vec::new());
                self.device_leaves(number, End::Fin, Some(after));
            }
            _ => self.device_leaves(number, End::Reset, Some(1)),
        }
        self.push_device(pause, number, Event::Acts(number, login));
    }

    fn device_writes(&mut self, number: usize, count: u32) {
        let device = &mut self.devices[number];
        let joined = device.joined();
        if joined.is_empty() {
            return;
        }
        let conversation = joined[device.rng.random_range(0..joined.len())];
        for _ in 0..count {
            let device = &mut self.devices[number];
            device.next_name += 1;
            let name = device.rng.random_bool(0.7).then_some(device.next_name);
            self.device_sends(number, Draft { conversation, name });
        }
    }

    /// It says something once more that it has said before, known to be stored or not.
    fn device_repeats(&mut self, number: usize) {
        let device = &mut self.devices[number];
        let drafts: Vec<Draft> = device.owed.iter().chain(&device.done).copied().collect();
        if !drafts.is_empty() {
            let draft = drafts[device.rng.random_range(0..drafts.len())];
            self.ledger.counts.repeated += 1;
            self.device_sends(number, draft);
        }
    }

    fn device_moves(&mut self, number: usize) {
        let device = &mut self.devices[number];
        let conversation = device.rng.random_range(0..CONVERSATIONS.len());
        match device.members[conversation] {
            Membership::Out => self.device_asks_in(number, conversation),
            Membership::In => {
                self.device_asks_out(number, conversation);
                if self.devices[number].rng.random_bool(0.3) {
                    // Too late: it has asked to leave.
                    let draft = Draft {
                        conversation,
                        name: None,
                    };
                    self.device_sends(number, draft);
                }
            }
            Membership::Joining | Membership::Leaving => {}
        }
    }
}
