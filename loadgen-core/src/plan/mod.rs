//! Everything that a run will do, worked out before it from the scenario and its seed: pure, and the same every time.

pub mod arrivals;
mod backoff;
mod digest;
mod draws;
mod fault;
mod nodes;
mod part;
mod population;
mod replay;
mod schedule;
mod share;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use self::population::{conversations, object_id, places, portion};
pub use self::{
    backoff::Backoff,
    fault::PlannedFault,
    nodes::Nodes,
    part::{Part, PartError, Shard},
    population::{Conversation, Place},
    replay::WARM_UP,
    share::{Share, Thread},
};
use crate::{
    model::{Nanos, nanos},
    scenario::{Load, MOST_ACTIONS, MOST_MESSAGES, Scenario, Span},
};

/// Users, conversations, every send with its intended time, and everybody who comes or goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Of everything that is drawn at random, also in mid-run.
    pub seed: u64,
    /// Which server each user connects to, where there are several.
    pub nodes: Nodes,
    /// The users' ids: 24 hexadecimal digits each, as the system's own ids are, or those of known users.
    pub users: Vec<String>,
    /// Who talks with whom.
    pub conversations: Vec<Conversation>,
    /// The places of each user, in the order of their conversations.
    pub places: Vec<Vec<Place>>,
    /// By user: connected before the first phase.
    pub connected: Vec<bool>,
    /// The phases on the schedule's own time line.
    pub phases: Vec<PlannedPhase>,
    /// Every message, ascending by intended time. Its index is the message's number.
    pub sends: Vec<Send>,
    /// Everything else that users do, ascending by time.
    pub actions: Vec<Action>,
    /// What breaks, in the order of the scenario.
    pub faults: Vec<PlannedFault>,
    /// Ledger slots: one for each message and member of its conversation, the sender too.
    pub slots: usize,
}

/// A phase with its start and end.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedPhase {
    /// The phase's name in the scenario.
    pub name: String,
    /// From the schedule's start.
    pub start: Nanos,
    /// From the schedule's start.
    pub end: Nanos,
    /// Whether its latencies are recorded.
    pub measured: bool,
    /// Closed model: a send's time is the earliest one, and the next send of the same user waits for the last one's
    /// acknowledgement. What is not reached by the phase's end is not sent.
    pub closed: bool,
}

/// One message to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    /// The intended time, from the schedule's start; of a closed phase, the earliest possible time.
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

/// Something that a user does beside sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// From the schedule's start.
    pub at: Nanos,
    /// Index of the user.
    pub user: u32,
    /// What the user does.
    pub deed: Deed,
    /// Index of the fault that it is the beginning of, if it is one's.
    pub fault: Option<u16>,
}

/// What a user does beside sending. Numbers are indices of the user's places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Connects and joins what it has joined.
    Connect,
    /// Says goodbye and disconnects.
    Disconnect,
    /// Cuts its TCP connection without a goodbye.
    Cut,
    /// Joins a conversation that it had not joined or had left.
    Join(u32),
    /// Leaves a conversation and stays connected.
    Leave(u32),
    /// Stops reading its socket.
    StopReading,
    /// Reads again after a stall.
    Resume,
}

/// Why a scenario can't be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Plan and ledger are kept whole, and these would not fit a machine's memory.
    #[error(
        "{messages:.0} messages: at most {MOST_MESSAGES:.0} can be planned for one run; lower the rates or the durations"
    )]
    TooMany {
        /// How many there would be, on average.
        messages: f64,
    },
    /// The same of what users do beside sending.
    #[error(
        "{actions:.0} comings and goings: at most {MOST_ACTIONS:.0} can be planned for one run; lower their rates or the durations"
    )]
    TooBusy {
        /// How many there would be, on average.
        actions: f64,
    },
    /// Its times would not fit their numbers.
    #[error("all phases together last longer than 365d, and no run does: shorten them")]
    TooLong,
    /// The ledger counts its slots in 32 bits.
    #[error(
        "{slots} (message, member) pairs: at most {} can be accounted for in one run; lower the rate, the duration or the channel sizes",
        u32::MAX
    )]
    TooLarge {
        /// How many there would be.
        slots: u64,
    },
    /// A message is due and nobody is there to send it.
    #[error(
        "phase {phase:?}: at {seconds:.3} s nobody is connected, joined, reading and not silent, so that nobody can send; lower the silent share or the rates of those who go, or raise those who come"
    )]
    NobodySends {
        /// The name of the phase in which the message is due.
        phase: String,
        /// From the schedule's start.
        seconds: f64,
    },
}

/// Independent random streams of one seed: more users must not change when messages are sent.
#[derive(Clone, Copy)]
enum Stream {
    Ids = 1,
    Members = 2,
    Arrivals = 3,
    Choices = 4,
    People = 5,
    Churn = 6,
    Sizes = 7,
    Presence = 8,
    Faults = 9,
    Backoff = 10,
}

impl Plan {
    /// Works out the plan.
    ///
    /// # Errors
    /// [`PlanError`] when it is too large to be accounted for, or nobody is there to send.
    pub fn new(scenario: &Scenario) -> Result<Self, PlanError> {
        can_be_held(scenario)?;
        let rng = |stream: Stream| {
            let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed);
            rng.set_stream(stream as u64);
            rng
        };
        let population = &scenario.population;
        let mut ids = rng(Stream::Ids);
        let users = users(scenario, &mut ids);
        let conversations = conversations(population, &mut ids, &mut rng(Stream::Members));
        let mut presence = rng(Stream::Presence);
        let places = places(
            users.len(),
            &conversations,
            population.joined,
            &mut presence,
        );
        let mut connected = vec![false; users.len()];
        connected[..portion(population.connected, users.len()) as usize].fill(true);
        connected.shuffle(&mut presence);
        let mut plan = Plan {
            seed: scenario.seed,
            nodes: Nodes::of(scenario),
            users,
            conversations,
            places,
            connected,
            phases: phases(scenario),
            sends: Vec::new(),
            actions: Vec::new(),
            faults: fault::planned(scenario),
            slots: 0,
        };
        (plan.sends, plan.actions) = schedule::walk(scenario, &plan, rng)?;
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

    /// The index of a conversation among a user's places, where the user is a member of it.
    pub fn place(&self, user: u32, conversation: u32) -> Option<usize> {
        self.places[user as usize]
            .binary_search_by_key(&conversation, |place| place.conversation)
            .ok()
    }

    /// The ledger slot of a message and a user, where that user is a member of its conversation.
    pub fn slot(&self, send: &Send, user: u32) -> Option<usize> {
        let place = self.place(user, send.conversation)?;
        let position = self.places[user as usize][place].position;
        Some(send.slot as usize + position as usize)
    }

    /// The phase of a message.
    pub fn phase_of(&self, send: &Send) -> &PlannedPhase {
        &self.phases[usize::from(send.phase)]
    }

    /// Deliveries to others that the whole plan makes, if everybody is there all the time.
    pub fn expected_deliveries(&self) -> u64 {
        self.slots as u64 - self.sends.len() as u64
    }

    /// Whether it is known before the run what will be sent and who will be there to get it.
    pub fn is_certain(&self) -> bool {
        self.actions.is_empty()
            && self.connected.iter().all(|connected| *connected)
            && self.places.iter().flatten().all(|place| place.joined)
            && !self.phases.iter().any(|phase| phase.closed)
            && !self
                .faults
                .iter()
                .any(|fault| fault.damage.ends_connections())
    }

    /// How long a user waits before it connects again, whom something threw off.
    pub fn backoff(&self, user: u32) -> Backoff {
        Backoff::of(self.seed, user)
    }

    /// The end of the last phase.
    pub fn end(&self) -> Nanos {
        self.phases.last().map_or(0, |phase| phase.end)
    }
}

/// Not every scenario is as a file has it: a block may be longer, a hold's rates higher.
fn can_be_held(scenario: &Scenario) -> Result<(), PlanError> {
    // Each by itself first: of times without an end the others are no numbers.
    if scenario.duration() > Span::LONGEST.0 {
        return Err(PlanError::TooLong);
    }
    let messages = scenario.messages_due();
    let phases = scenario.phases.iter();
    let actions = phases.map(|phase| phase.churn.per_second() * phase.duration.as_secs_f64());
    let actions: f64 = actions.sum();
    // What is no number is not below it either.
    match (messages <= MOST_MESSAGES, actions <= MOST_ACTIONS) {
        (false, _) => Err(PlanError::TooMany { messages }),
        (_, false) => Err(PlanError::TooBusy { actions }),
        (true, true) => Ok(()),
    }
}

fn users(scenario: &Scenario, ids: &mut ChaCha8Rng) -> Vec<String> {
    let count = scenario.population.users as usize;
    match &*scenario.connections.known {
        [] => (0..count).map(|_| object_id(ids)).collect(),
        known => known.iter().map(|user| user.id.clone()).collect(),
    }
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
                closed: matches!(phase.load, Load::Closed { .. }),
            };
            start = end;
            planned
        })
        .collect()
}

#[cfg(test)]
mod tests;
