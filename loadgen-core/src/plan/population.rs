//! Who is there and where they talk: users, rooms of two, channels, and who is present before the first phase.

use std::collections::HashSet;

use rand::{Rng, RngExt, seq::SliceRandom};

use crate::{
    model::Kind,
    scenario::{ChannelSize, Population},
};

/// A room or a channel and its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Which events it speaks.
    pub kind: Kind,
    /// The conversation's id: 24 hexadecimal digits, as MongoDB's are, or that of one that the server has already.
    pub id: String,
    /// Indices of users.
    pub members: Vec<u32>,
}

/// A user's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the conversation.
    pub conversation: u32,
    /// The user's index among its members.
    pub position: u32,
    /// Whether the user joins it on connecting, until a planned action says otherwise.
    pub joined: bool,
}

/// 12 random bytes as 24 hexadecimal digits.
pub(super) fn object_id(rng: &mut impl Rng) -> String {
    let bytes: [u8; 12] = rng.random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn conversations(
    population: &Population,
    ids: &mut impl Rng,
    rng: &mut impl Rng,
) -> Vec<Conversation> {
    let mut pairs = Pairs::new(population.users);
    let rooms = (0..population.rooms).map(|_| (Kind::Room, pairs.next(rng).to_vec()));
    let mut conversations: Vec<(Kind, Vec<u32>)> = rooms.collect();
    for group in &population.channels {
        // Whoever is in none yet of a group whose channels share no member.
        let mut left = group.disjoint.then(|| {
            let mut all: Vec<u32> = (0..population.users).collect();
            all.shuffle(rng);
            all.into_iter()
        });
        for rank in 1..=group.count {
            let size = channel_size(group.members, rank, rng).min(population.users) as usize;
            let mut members: Vec<u32> = match &mut left {
                Some(left) => left.by_ref().take(size).collect(),
                None => rand::seq::index::sample(rng, population.users as usize, size)
                    .iter()
                    .map(|user| user as u32)
                    .collect(),
            };
            members.sort_unstable();
            conversations.push((Kind::Channel, members));
        }
    }
    let existing = population.existing.iter().map(|existing| Conversation {
        kind: existing.kind,
        id: existing.id.clone(),
        members: existing.members.clone(),
    });
    let drawn = conversations
        .into_iter()
        .map(|(kind, members)| Conversation {
            kind,
            id: object_id(ids),
            members,
        });
    existing.chain(drawn).collect()
}

/// Members of the channel of a rank, counted from 1.
fn channel_size(size: ChannelSize, rank: u32, rng: &mut impl Rng) -> u32 {
    match size {
        ChannelSize::Fixed(members) => members,
        ChannelSize::Range(least, most) => rng.random_range(least..=most),
        ChannelSize::Zipf(zipf) => zipf.members(rank),
    }
}

/// Pairs of users, none twice, everybody used once before anybody is used again where the numbers allow it.
struct Pairs {
    shuffled: Vec<u32>,
    next: usize,
    used: HashSet<[u32; 2]>,
}

impl Pairs {
    fn new(users: u32) -> Self {
        Self {
            shuffled: (0..users).collect(),
            next: usize::MAX,
            used: HashSet::new(),
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

/// Each user's memberships, a share of them joined from the start.
pub(super) fn places(
    users: usize,
    conversations: &[Conversation],
    joined: f64,
    rng: &mut impl Rng,
) -> Vec<Vec<Place>> {
    let mut places = vec![Vec::new(); users];
    for (conversation, members) in conversations.iter().map(|c| &c.members).enumerate() {
        for (position, &user) in members.iter().enumerate() {
            places[user as usize].push(Place {
                conversation: conversation as u32,
                position: position as u32,
                joined: joined >= 1.0 || rng.random_bool(joined),
            });
        }
    }
    places
}

/// How many of so many a share is, to the nearest.
pub(super) fn portion(share: f64, of: usize) -> u32 {
    (share * of as f64).round() as u32
}
