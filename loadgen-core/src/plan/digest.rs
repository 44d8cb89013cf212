//! What a plan is known by: one number for all that it says, so that two programs can tell that they have the same, and one
//! for its messages alone, which says whose account it is that a result keeps.

use sha2::{Digest, Sha256};

use super::{Deed, Plan};

impl Plan {
    /// SHA-256 of everything in the plan, in hexadecimal: comings, goings and faults too.
    pub fn digest(&self) -> String {
        let mut hash = Hash(Sha256::new());
        hash.numbers([self.seed, self.users.len() as u64]);
        if self.nodes.count() > 1 {
            hash.number(self.nodes.count().into());
        }
        self.users.iter().for_each(|user| hash.text(user));
        hash.number(self.conversations.len() as u64);
        for one in &self.conversations {
            hash.text(&one.id);
            hash.numbers([one.kind as u64, one.members.len() as u64]);
            hash.numbers(one.members.iter().copied().map(u64::from));
        }
        for places in &self.places {
            hash.number(places.len() as u64);
            hash.numbers(places.iter().map(|place| u64::from(place.joined)));
        }
        hash.numbers(self.connected.iter().copied().map(u64::from));
        hash.number(self.phases.len() as u64);
        for phase in &self.phases {
            hash.text(&phase.name);
            hash.numbers([phase.start, phase.end]);
            hash.numbers([phase.measured, phase.closed].map(u64::from));
        }
        hash.number(self.sends.len() as u64);
        for send in &self.sends {
            let of = [send.sender, send.conversation, send.bytes, send.slot];
            hash.number(send.at);
            hash.numbers(of.map(u64::from));
            hash.number(send.phase.into());
        }
        hash.number(self.actions.len() as u64);
        for action in &self.actions {
            hash.numbers([action.at, action.user.into()]);
            hash.numbers(number(action.deed));
            hash.number(action.fault.map_or(u64::MAX, u64::from));
        }
        for fault in &self.faults {
            hash.text(&format!("{fault:?}"));
        }
        hexadecimal(hash.0)
    }

    /// SHA-256 of the plan's messages, in hexadecimal: who there is, who talks with whom, and every send with its time, its
    /// sender, its size and its phase. Results of version 4 record it, so that it stays as it is.
    pub fn digest_of_messages(&self) -> String {
        let mut hash = Sha256::new();
        for user in &self.users {
            hash.update(user);
            hash.update([0]);
        }
        for conversation in &self.conversations {
            hash.update((conversation.members.len() as u64).to_le_bytes());
            for member in &conversation.members {
                hash.update(member.to_le_bytes());
            }
        }
        for send in &self.sends {
            hash.update(send.at.to_le_bytes());
            for number in [
                send.sender,
                send.conversation,
                send.bytes,
                u32::from(send.phase),
            ] {
                hash.update(number.to_le_bytes());
            }
        }
        hexadecimal(hash)
    }
}

fn hexadecimal(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number for each deed, and its place.
fn number(deed: Deed) -> [u64; 2] {
    match deed {
        Deed::Connect => [0, 0],
        Deed::Disconnect => [1, 0],
        Deed::Cut => [2, 0],
        Deed::Join(place) => [3, place.into()],
        Deed::Leave(place) => [4, place.into()],
        Deed::StopReading => [5, 0],
        Deed::Resume => [6, 0],
    }
}

struct Hash(Sha256);

impl Hash {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text);
    }
}
