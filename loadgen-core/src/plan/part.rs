//! The part of a plan's users that one process drives: whole groups of users who talk with each other.
//!
//! A message's sender and all who get it must share a process, so that no latency is a difference of two clocks; and a user
//! must be in one process alone, since a server lets a user be logged in once. Hence what is dealt out is not a
//! conversation but a group: all users that conversations connect, directly or through others.

use std::{cmp::Reverse, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;

/// More processes than that nobody can start at one moment.
const MOST_SHARDS: u16 = 1_000;

/// One of so many parts of a plan: `2/4` is the second of four.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Which one, counted from 1.
    number: u16,
    /// How many there are.
    of: u16,
}

impl Shard {
    /// The only one there is.
    pub const ONLY: Shard = Shard { number: 1, of: 1 };

    /// One of so many; `None` where there is no such one.
    pub fn new(number: u16, of: u16) -> Option<Self> {
        ((1..=of).contains(&number) && of <= MOST_SHARDS).then_some(Self { number, of })
    }

    /// Which one it is, counted from 1.
    pub const fn number(self) -> u16 {
        self.number
    }

    /// How many there are.
    pub const fn of(self) -> u16 {
        self.of
    }

    /// Whether it was recorded as one that there can be.
    pub fn is_possible(self) -> bool {
        Self::new(self.number, self.of).is_some()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(number, of)| Some((sum(number)?, of.parse().ok()?)));
        let shard = numbers.and_then(|(number, of)| Self::new(number, of));
        shard.ok_or_else(|| {
            format!("write which of how many, from 1/N to N/N and N up to {MOST_SHARDS}, as in 2/4")
        })
    }
}

/// Of two numbers, or one: whoever counts from 0 writes 0+1.
fn sum(text: &str) -> Option<u16> {
    match text.split_once('+') {
        Some((one, other)) => one.parse::<u16>().ok()?.checked_add(other.parse().ok()?),
        None => text.parse().ok(),
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Why a plan can't be driven by so many processes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// There are fewer groups than processes, so that some would have nothing to do.
    #[error(
        "{shards} shards: who shares a conversation must be in one shard, and conversations connect the users of this scenario into {groups} {}, the largest of {largest} of {users} users: at most {groups} can drive it; ask for fewer shards, or let conversations share no member (`disjoint = true`, or as many users as the rooms have places)",
        if *groups == 1 { "group" } else { "groups" }
    )]
    TooFewGroups {
        /// How many shards were asked for.
        shards: u16,
        /// Groups of users who talk with each other.
        groups: usize,
        /// Users in the largest of them.
        largest: usize,
        /// Users in all.
        users: usize,
    },
}

/// The users of one shard. The parts of one plan have no user, conversation or message in common, and all together; each
/// keeps the numbers that these have in the whole plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    shard: Shard,
    /// Ascending.
    users: Vec<u32>,
    /// By user of the whole plan: its place among these, or [`NOT_HERE`].
    places: Vec<u32>,
}

/// The place of a user that is in another part.
const NOT_HERE: u32 = u32::MAX;

impl Part {
    /// The users of one shard: the same for the same plan, whoever asks.
    ///
    /// # Errors
    /// [`PartError`] when the plan can't be dealt out to so many.
    pub fn of(plan: &Plan, shard: Shard) -> Result<Self, PartError> {
        let mut users = deal(plan, shard.of)?.swap_remove(usize::from(shard.number - 1));
        users.sort_unstable();
        let mut places = vec![NOT_HERE; plan.users.len()];
        for (place, &user) in (0..).zip(&users) {
            places[user as usize] = place;
        }
        Ok(Self {
            shard,
            users,
            places,
        })
    }

    /// Which part it is.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Its users, ascending.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// The place of a user among them, where it is one of them.
    pub fn place(&self, user: u32) -> Option<usize> {
        let place = self.places.get(user as usize).copied();
        let place = place.filter(|place| *place != NOT_HERE);
        place.map(|place| place as usize)
    }
}

/// Users who talk with each other.
struct Group {
    /// Ascending.
    users: Vec<u32>,
    /// What it takes to drive them: a user costs about as much as a delivery.
    cost: u64,
}

/// Deals the groups out: the costliest first, each to whoever has the least to do so far.
fn deal(plan: &Plan, shards: u16) -> Result<Vec<Vec<u32>>, PartError> {
    let (mut groups, alone) = groups(plan);
    if groups.len() < usize::from(shards) && shards > 1 {
        return Err(PartError::TooFewGroups {
            shards,
            groups: groups.len(),
            largest: groups
                .iter()
                .map(|group| group.users.len())
                .max()
                .unwrap_or(0),
            users: plan.users.len(),
        });
    }
    groups.extend(alone);
    // Stable: of two that cost the same, the one with the first user comes first.
    groups.sort_by_key(|group| Reverse(group.cost));
    let mut dealt = vec![(0, Vec::new()); usize::from(shards)];
    for group in groups {
        let least = (0..dealt.len()).min_by_key(|&shard| dealt[shard].0);
        let (cost, users) = &mut dealt[least.unwrap_or(0)];
        *cost += group.cost;
        users.extend(group.users);
    }
    Ok(dealt.into_iter().map(|(_, users)| users).collect())
}

/// The groups in the order of their first users, and those apart who talk with nobody.
fn groups(plan: &Plan) -> (Vec<Group>, Vec<Group>) {
    let mut roots = Roots::new(plan.users.len());
    for conversation in &plan.conversations {
        for pair in conversation.members.windows(2) {
            roots.join(pair[0], pair[1]);
        }
    }
    let mut costs = vec![0_u64; plan.users.len()];
    for send in &plan.sends {
        let members = plan.conversation_of(send).members.len() as u64;
        costs[roots.of(send.sender) as usize] += members;
    }
    let mut groups: Vec<Option<Group>> = Vec::new();
    groups.resize_with(plan.users.len(), || None);
    for user in 0..plan.users.len() as u32 {
        // The root is the first user of its group, so that it is met first.
        let root = roots.of(user) as usize;
        let group = groups[root].get_or_insert_with(|| Group {
            users: Vec::new(),
            cost: costs[root],
        });
        group.users.push(user);
        group.cost += 1;
    }
    let speaks = |group: &Group| !plan.places[group.users[0] as usize].is_empty();
    groups.into_iter().flatten().partition(speaks)
}

/// By user, towards the first user of its group.
struct Roots(Vec<u32>);

impl Roots {
    fn new(users: usize) -> Self {
        Self((0..users as u32).collect())
    }

    fn of(&mut self, user: u32) -> u32 {
        let mut user = user as usize;
        while self.0[user] as usize != user {
            // Halves the way for whoever comes next.
            self.0[user] = self.0[self.0[user] as usize];
            user = self.0[user] as usize;
        }
        user as u32
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.of(one), self.of(other));
        self.0[one.max(other) as usize] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path, sync::Arc};

    use proptest::prelude::*;

    use super::*;
    use crate::{plan::Share, scenario::Scenario};

    /// `None`: with this seed somebody is due to send, and everybody is away.
    fn planned(population: &str, phases: &str, seed: u64) -> Option<Plan> {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\nseed = {seed}\npopulation = {population}\n\
             behaviour = {{ away = \"500ms-2s\", stall = \"500ms-1s\" }}\n{phases}"
        );
        Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).ok()
    }

    fn plan(population: &str, phases: &str, seed: u64) -> Plan {
        planned(population, phases, seed).unwrap()
    }

    const STEADY: &str = "[[phases]]\nname = \"steady\"\nduration = \"4s\"\nrate = \"200/s\"\n";
    const CHURN: &str = "[[phases]]\nname = \"churn\"\nduration = \"4s\"\nrate = \"80/s\"\nskew = 1.2\nleaves = \"2/s\"\n\
         rejoins = \"3/s\"\nreconnects = \"1/s\"\ncuts = \"1/s\"\nstalls = \"1/s\"\n\
         [[phases]]\nname = \"talk\"\nduration = \"2s\"\nthink_time = \"200ms-1s\"\n";

    fn parts(plan: &Plan, of: u16) -> Result<Vec<Part>, PartError> {
        let shards = (1..=of).map(|number| Shard::new(number, of).unwrap());
        shards.map(|shard| Part::of(plan, shard)).collect()
    }

    /// All that the shares of some parts are to do, by number and in one order: what is sent and done, byte for byte.
    fn told(plan: &Plan, parts: Vec<Part>, threads: usize) -> String {
        let mut sends = BTreeMap::new();
        let mut actions = Vec::new();
        let mut users = Vec::new();
        for part in parts {
            for share in Share::of(part).split(threads) {
                users.extend(share.users(plan.users.len()));
                sends.extend(share.sends(plan).map(|(message, send)| (message, *send)));
                actions.extend(share.actions(plan).copied());
            }
        }
        users.sort_unstable();
        actions.sort_by_key(|action| (action.at, action.user));
        format!("{users:?} {sends:?} {actions:?}")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_number_of_shards_does_what_one_does(
            seed in 0_u64..1_000_000, of in 1_u16..7, threads in 1_usize..4, churn: bool,
            rooms in 8_u32..20, extra in 0_u32..9,
        ) {
            let population = format!(
                "{{ users = {}, rooms = {rooms}, channels = [{{ count = 2, members = 3, disjoint = true }}] }}",
                2 * rooms + extra
            );
            let plan = planned(&population, if churn { CHURN } else { STEADY }, seed);
            prop_assume!(plan.is_some());
            let plan = plan.unwrap();
            let whole = told(&plan, parts(&plan, 1).unwrap(), 1);
            if let Ok(parts) = parts(&plan, of) {
                prop_assert_eq!(told(&plan, parts.clone(), threads), whole);
                for part in parts {
                    prop_assert!(!part.users().is_empty());
                    for conversation in &plan.conversations {
                        let here = conversation.members.iter().filter(|user| part.place(**user).is_some());
                        prop_assert!([0, conversation.members.len()].contains(&here.count()));
                    }
                }
            }
        }

        #[test]
        fn shares_of_parts_give_each_user_one_place(of in 1_u16..5, threads in 1_usize..4, seed in 0_u64..1_000) {
            let plan = plan("{ users = 41, rooms = 20 }", STEADY, seed);
            let mut seen = Vec::new();
            for part in parts(&plan, of).unwrap() {
                for share in Share::of(part).split(threads) {
                    for (place, user) in share.users(plan.users.len()).enumerate() {
                        prop_assert!(share.has(user));
                        prop_assert_eq!(share.place(user), place);
                        prop_assert!(place < share.places(plan.users.len()));
                        seen.push(user);
                    }
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..41).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn the_only_shard_is_the_whole() {
        let plan = plan("{ users = 30, rooms = 40 }", STEADY, 3);
        let part = Part::of(&plan, Shard::ONLY).unwrap();
        assert_eq!(part.users(), (0..30).collect::<Vec<u32>>());
        let only: Vec<Share> = Share::of(part).split(3).collect();
        let whole: Vec<Share> = Share::WHOLE.split(3).collect();
        for (one, other) in only.iter().zip(&whole) {
            assert_eq!(one.thread(), other.thread());
            assert!(one.sends(&plan).eq(other.sends(&plan)));
        }
    }

    #[test]
    fn the_work_is_dealt_out_evenly() {
        let plan = plan(
            "{ users = 4000, rooms = 2000 }",
            "[[phases]]\nname = \"p\"\nduration = \"20s\"\nrate = \"2000/s\"\n",
            1,
        );
        let parts = parts(&plan, 4).unwrap();
        for part in parts {
            let users = part.users().len();
            assert!((950..=1_050).contains(&users), "{users} users");
            let sends = Share::of(part).sends(&plan).count();
            assert!((9_900..=10_100).contains(&sends), "{sends} messages");
        }
    }

    #[test]
    fn who_talks_with_nobody_is_in_some_part_and_makes_none() {
        let plan = plan(
            "{ users = 50, channels = [{ count = 2, members = 4, disjoint = true }] }",
            STEADY,
            1,
        );
        let both = parts(&plan, 2).unwrap();
        assert_eq!(
            both.iter().map(|part| part.users().len()).sum::<usize>(),
            50
        );
        let error = parts(&plan, 3).unwrap_err();
        assert!(
            matches!(
                error,
                PartError::TooFewGroups {
                    groups: 2,
                    largest: 4,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn one_channel_of_all_is_refused_in_one_sentence() {
        let plan = plan(
            "{ users = 20, rooms = 5, channels = [{ count = 1, members = 20 }] }",
            STEADY,
            1,
        );
        let error = parts(&plan, 4).unwrap_err().to_string();
        assert!(
            error.starts_with("4 shards: ")
                && error.contains("into 1 group, the largest of 20 of 20 users"),
            "{error}"
        );
        assert!(parts(&plan, 1).is_ok());
    }

    #[test]
    fn a_shard_is_written_as_which_of_how_many() {
        let shard: Shard = "2/4".parse().unwrap();
        assert_eq!(
            (shard.number(), shard.of(), shard.to_string()),
            (2, 4, "2/4".to_owned())
        );
        assert_eq!("0+1/4".parse(), Ok(Shard { number: 1, of: 4 }));
        for wrong in [
            "",
            "4+1/4",
            "+/4",
            "65535+1/4",
            "2",
            "0/4",
            "5/4",
            "1/0",
            "-1/4",
            "1/1001",
            "a/b",
            "1/2/3",
            "2 / 4",
        ] {
            let error = wrong.parse::<Shard>().unwrap_err();
            assert!(error.contains("as in 2/4"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_part_is_one_value_for_all_its_threads() {
        let plan = plan("{ users = 8, rooms = 4 }", STEADY, 1);
        let share = Share::of(Part::of(&plan, "1/2".parse().unwrap()).unwrap());
        let shares: Vec<Share> = share.split(2).collect();
        let parts: Vec<_> = shares.iter().filter_map(Share::part).collect();
        assert!(Arc::ptr_eq(parts[0], parts[1]));
    }
}
