//! Everything that a run will do, worked out before it from the scenario and its seed: pure, and the same every time.

use rand::{Rng, RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    arrivals,
    clock::{Nanos, nanos},
    scenario::{ChannelSize, Load, Population, Scenario, Sizes},
};

/// Users, conversations and every send with its intended time.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The users' ids, 24 hexadecimal digits each, as the system's own ids are.
    pub users: Vec<String>,
    /// Who talks with whom.
    pub conversations: Vec<Conversation>,
    /// The places of each user: a conversation and the user's position among its members.
    pub places: Vec<Vec<Place>>,
    /// The phases on the schedule's own time line.
    pub phases: Vec<PlannedPhase>,
    /// Every message, ascending by intended time. Its index is the message's number.
    pub sends: Vec<Send>,
    /// Ledger slots: one for each message and member of its conversation, the sender too.
    pub slots: usize,
}

/// A room or a channel and its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Which events it speaks.
    pub kind: Kind,
    /// 24 hexadecimal digits.
    pub id: String,
    /// Indices of users.
    pub members: Vec<u32>,
}

/// Room of two or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A room of two.
    Room,
    /// A channel of any size.
    Channel,
}

/// A user's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the conversation.
    pub conversation: u32,
    /// The user's index among its members.
    pub position: u32,
}

/// A phase with its start and end.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedPhase {
    /// Its name.
    pub name: String,
    /// From the schedule's start.
    pub start: Nanos,
    /// From the schedule's start.
    pub end: Nanos,
    /// Whether its latencies are recorded.
    pub measured: bool,
}

/// One message to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    /// The intended time, from the schedule's start.
    pub at: Nanos,
    /// Index of the user who sends it.
    pub sender: u32,
    /// Index of the conversation.
    pub conversation: u32,
    /// Bytes of its body.
    pub bytes: u32,
    /// Its first ledger slot; the slot of a member is this plus the member's position.
    pub slot: u32,
    /// Index of the phase.
    pub phase: u16,
}

/// Why a scenario can't be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The ledger counts its slots in 32 bits.
    #[error(
        "{slots} (message, member) pairs: at most {} can be accounted for in one run; lower the rate, the duration or the channel sizes",
        u32::MAX
    )]
    TooLarge {
        /// How many there would be.
        slots: u64,
    },
}

/// Independent random streams of one seed: more users must not change when messages are sent.
#[derive(Clone, Copy)]
enum Stream {
    Ids = 1,
    Members = 2,
    Arrivals = 3,
    Choices = 4,
}

impl Plan {
    /// Works out the plan.
    ///
    /// # Errors
    /// [`PlanError`] when it is too large to be accounted for.
    pub fn new(scenario: &Scenario) -> Result<Self, PlanError> {
        let rng = |stream: Stream| {
            let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed);
            rng.set_stream(stream as u64);
            rng
        };
        let mut ids = rng(Stream::Ids);
        let users: Vec<String> = (0..scenario.population.users)
            .map(|_| object_id(&mut ids))
            .collect();
        let conversations =
            conversations(&scenario.population, &mut ids, &mut rng(Stream::Members));
        let places = places(users.len(), &conversations);
        let phases = phases(scenario);
        let sends = sends(
            scenario,
            &phases,
            &conversations,
            &mut rng(Stream::Arrivals),
            &mut rng(Stream::Choices),
        );
        let mut plan = Plan {
            users,
            conversations,
            places,
            phases,
            sends,
            slots: 0,
        };
        plan.assign_slots()?;
        Ok(plan)
    }

    fn assign_slots(&mut self) -> Result<(), PlanError> {
        let mut next: u64 = 0;
        for send in &mut self.sends {
            // Wraps only where the whole is refused below.
            send.slot = next as u32;
            next += self.conversations[send.conversation as usize].members.len() as u64;
        }
        if next > u64::from(u32::MAX) {
            return Err(PlanError::TooLarge { slots: next });
        }
        self.slots = next as usize;
        Ok(())
    }

    /// The conversation of a message.
    pub fn conversation_of(&self, send: &Send) -> &Conversation {
        &self.conversations[send.conversation as usize]
    }

    /// The ledger slot of a message and a user, where that user is a member of its conversation.
    pub fn slot(&self, send: &Send, user: u32) -> Option<usize> {
        let place = self.places[user as usize]
            .iter()
            .find(|place| place.conversation == send.conversation)?;
        Some(send.slot as usize + place.position as usize)
    }

    /// Deliveries to others that the whole plan makes.
    pub fn expected_deliveries(&self) -> u64 {
        self.slots as u64 - self.sends.len() as u64
    }

    /// The end of the last phase.
    pub fn end(&self) -> Nanos {
        self.phases.last().map_or(0, |phase| phase.end)
    }
}

/// 12 random bytes as 24 hexadecimal digits.
fn object_id(rng: &mut impl Rng) -> String {
    let bytes: [u8; 12] = rng.random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn conversations(
    population: &Population,
    ids: &mut impl Rng,
    rng: &mut impl Rng,
) -> Vec<Conversation> {
    let mut pairs = Pairs::new(population.users);
    let rooms = (0..population.rooms).map(|_| (Kind::Room, pairs.next(rng).to_vec()));
    let mut conversations: Vec<(Kind, Vec<u32>)> = rooms.collect();
    for group in &population.channels {
        for _ in 0..group.count {
            let ChannelSize::Fixed(size) = group.members else {
                continue;
            };
            let members = rand::seq::index::sample(rng, population.users as usize, size as usize);
            let mut members: Vec<u32> = members.iter().map(|user| user as u32).collect();
            members.sort_unstable();
            conversations.push((Kind::Channel, members));
        }
    }
    conversations
        .into_iter()
        .map(|(kind, members)| Conversation {
            kind,
            id: object_id(ids),
            members,
        })
        .collect()
}

/// Pairs of users, none twice, everybody used once before anybody is used again where the numbers allow it.
struct Pairs {
    shuffled: Vec<u32>,
    next: usize,
    used: std::collections::HashSet<[u32; 2]>,
}

impl Pairs {
    fn new(users: u32) -> Self {
        Self {
            shuffled: (0..users).collect(),
            next: usize::MAX,
            used: std::collections::HashSet::new(),
        }
    }

    /// The caller asks for no more pairs than there are (checked with the scenario).
    fn next(&mut self, rng: &mut impl Rng) -> [u32; 2] {
        loop {
            if self.next.saturating_add(2) > self.shuffled.len() {
                self.shuffled.shuffle(rng);
                self.next = 0;
            }
            let (a, b) = (self.shuffled[self.next], self.shuffled[self.next + 1]);
            self.next += 2;
            let pair = [a.min(b), a.max(b)];
            if self.used.insert(pair) {
                return pair;
            }
        }
    }
}

fn places(users: usize, conversations: &[Conversation]) -> Vec<Vec<Place>> {
    let mut places = vec![Vec::new(); users];
    for (conversation, members) in conversations.iter().map(|c| &c.members).enumerate() {
        for (position, &user) in members.iter().enumerate() {
            places[user as usize].push(Place {
                conversation: conversation as u32,
                position: position as u32,
            });
        }
    }
    places
}

fn phases(scenario: &Scenario) -> Vec<PlannedPhase> {
    let mut start = 0;
    scenario
        .phases
        .iter()
        .map(|phase| {
            let end = start + nanos(phase.duration);
            let planned = PlannedPhase {
                name: phase.name.clone(),
                start,
                end,
                measured: phase.measured,
            };
            start = end;
            planned
        })
        .collect()
}

fn sends(
    scenario: &Scenario,
    phases: &[PlannedPhase],
    conversations: &[Conversation],
    arrivals: &mut ChaCha8Rng,
    choices: &mut ChaCha8Rng,
) -> Vec<Send> {
    let mut sends = Vec::new();
    for (index, (phase, planned)) in scenario.phases.iter().zip(phases).enumerate() {
        let Load::Open(open) = &phase.load else {
            continue;
        };
        let times = arrivals::times(open, phase.duration, arrivals);
        let Sizes::Range(size) = scenario.messages.size else {
            continue;
        };
        sends.extend(times.into_iter().map(|at| {
            let conversation = choices.random_range(0..conversations.len());
            let members = &conversations[conversation].members;
            Send {
                at: planned.start + at,
                sender: members[choices.random_range(0..members.len())],
                conversation: conversation as u32,
                bytes: choices.random_range(size.low.0..=size.high.0),
                slot: 0,
                phase: index as u16,
            }
        }));
    }
    sends
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn plan(population: &str, seed: u64) -> Plan {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\nseed = {seed}\n{population}\n\
             [[phases]]\nname = \"steady\"\nduration = \"2s\"\nrate = \"500/s\"\n"
        );
        Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_one_does_not() {
        let population =
            "[population]\nusers = 20\nrooms = 10\nchannels = [{ count = 2, members = 7 }]";
        assert_eq!(plan(population, 5), plan(population, 5));
        assert_ne!(plan(population, 5), plan(population, 6));
    }

    #[test]
    fn enough_users_for_the_rooms_are_each_in_one() {
        let plan = plan("[population]\nusers = 100\nrooms = 50", 1);
        assert!(plan.places.iter().all(|places| places.len() == 1));
    }

    proptest! {
        #[test]
        fn every_send_has_its_own_slots_and_its_sender_is_a_member(
            users in 4u32..40, rooms in 1u32..6, members in 2u32..4, seed in 0u64..1_000_000,
        ) {
            let plan = plan(
                &format!("[population]\nusers = {users}\nrooms = {rooms}\nchannels = [{{ count = 2, members = {members} }}]"),
                seed,
            );
            prop_assert!(plan.sends.is_sorted_by_key(|send| send.at));
            let mut next = 0;
            for send in &plan.sends {
                let conversation = plan.conversation_of(send);
                prop_assert_eq!(send.slot, next);
                prop_assert!(conversation.members.contains(&send.sender));
                for (position, &member) in conversation.members.iter().enumerate() {
                    prop_assert_eq!(plan.slot(send, member), Some(next as usize + position));
                }
                next += conversation.members.len() as u32;
            }
            prop_assert_eq!(plan.slots, next as usize);
            for conversation in &plan.conversations {
                let mut members = conversation.members.clone();
                members.sort_unstable();
                members.dedup();
                prop_assert_eq!(members.len(), conversation.members.len());
            }
        }
    }
}
