//! The plan: the same for the same seed, and everybody who acts is there.

mod faults;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::model::Kind;

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
fn what_would_not_fit_is_refused_before_anything_is_planned() {
    let text =
        "version = 1\nname = \"t\"\nquestion = \"?\"\n[population]\nusers = 20\nrooms = 10\n";
    let scenario = |phase: &str| {
        let phase = format!("{text}[[phases]]\nname = \"p\"\nduration = \"100s\"\n{phase}\n");
        Scenario::parse(Path::new("t.toml"), &phase).unwrap()
    };
    // As blocks and holds are made: longer or faster than any file says it.
    let loads = [
        "rate = \"100/s\"",
        "think_time = \"1s-3s\"",
        "burst = { messages = 100, every = \"1s\" }",
        "spike = { rate = \"100/s\", after = \"0s\", lasts = \"100s\" }",
    ];
    for load in loads {
        let length = 3e5;
        let refused = Plan::new(&scenario(load).scaled(1_000.0, length)).unwrap_err();
        assert!(
            matches!(refused, PlanError::TooMany { .. }),
            "{load}: {refused}"
        );
    }
    let told = Plan::new(&scenario(loads[0]).scaled(1e6, 1.0)).unwrap_err();
    let words = "10000000000 messages: at most 100000000 can be planned for one run";
    assert!(told.to_string().starts_with(words), "{told}");
    let cuts = scenario("rate = \"1/s\"\ncuts = \"100000/s\"");
    let told = Plan::new(&cuts.scaled(1e-6, 10_000.0)).unwrap_err();
    assert!(matches!(told, PlanError::TooBusy { .. }), "{told}");
    let told = Plan::new(&cuts.scaled(1e-9, 1e6)).unwrap_err();
    assert!(matches!(told, PlanError::TooLong), "{told}");
    for no_rate in [f64::NAN, f64::INFINITY] {
        let told = Plan::new(&scenario(loads[0]).scaled(no_rate, 1.0)).unwrap_err();
        assert!(matches!(told, PlanError::TooMany { .. }), "{told}");
    }
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

/// Everything that a plan can hold, in one scenario.
fn busy(seed: u64) -> Plan {
    let text = format!(
        "version = 1\nname = \"t\"\nquestion = \"?\"\nseed = {seed}\n\
         population = {{ users = 40, rooms = 30, connected = \"60%\", joined = \"70%\", silent = \"20%\", \
         channels = [{{ count = 4, members = {{ most = 20, least = 3, zipf = 1.0 }} }}, {{ count = 2, members = \"5-9\" }}] }}\n\
         messages = {{ size = {{ median = \"100B\", p99 = \"2KiB\" }} }}\n\
         behaviour = {{ away = \"500ms-2s\", stall = \"500ms-1s\" }}\n\
         [[phases]]\nname = \"come\"\nduration = \"4s\"\nrate = \"50/s\"\nconnects = \"5/s\"\njoins = \"5/s\"\n\
         [[phases]]\nname = \"churn\"\nduration = \"6s\"\nrate = \"80/s\"\nskew = 1.2\nleaves = \"2/s\"\njoins = \"1/s\"\n\
         rejoins = \"3/s\"\nreconnects = \"1/s\"\ncuts = \"1/s\"\nstalls = \"2/s\"\n\
         [[phases]]\nname = \"talk\"\nduration = \"4s\"\nthink_time = \"200ms-1s\"\nsilent = \"50%\"\n"
    );
    Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap()
}

#[test]
fn rule_16_the_same_seed_gives_the_same_comings_and_goings_byte_for_byte() {
    assert_eq!(format!("{:?}", busy(9)), format!("{:?}", busy(9)));
    assert_ne!(busy(9).actions, busy(10).actions);
}

#[test]
fn a_plan_is_known_by_everything_in_it() {
    let plan = busy(9);
    let digest = plan.digest();
    assert_eq!((digest.len(), &digest), (64, &busy(9).digest()));
    let changes: [fn(&mut Plan); 9] = [
        |plan| plan.users[3].push('0'),
        |plan| plan.conversations[0].members.swap(0, 1),
        |plan| plan.conversations[1].id.push('0'),
        |plan| plan.places[0][0].joined ^= true,
        |plan| plan.connected[7] ^= true,
        |plan| plan.phases[0].measured ^= true,
        |plan| plan.sends[5].at += 1,
        |plan| plan.sends[5].bytes += 1,
        |plan| plan.actions[2].deed = Deed::Join(77),
    ];
    // Of these, what says which messages there are.
    let of_messages = [0, 1, 6, 7];
    for (nth, change) in changes.into_iter().enumerate() {
        let mut other = plan.clone();
        change(&mut other);
        assert_ne!(other.digest(), digest, "change {nth}");
        assert_eq!(
            other.digest_of_messages() != plan.digest_of_messages(),
            of_messages.contains(&nth),
            "change {nth}"
        );
    }
}

#[test]
fn channel_sizes_follow_their_laws() {
    let plan = busy(1);
    let sizes: Vec<usize> = plan
        .conversations
        .iter()
        .filter(|one| one.kind == Kind::Channel)
        .map(|one| one.members.len())
        .collect();
    assert_eq!(sizes[..4], [20, 10, 7, 5]);
    assert!(sizes[4..].iter().all(|size| (5..=9).contains(size)));
}

#[test]
fn skew_gives_the_most_popular_conversation_its_share() {
    let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 20, rooms = 10 }\n\
                [[phases]]\nname = \"p\"\nduration = \"100s\"\nrate = \"100/s\"\nskew = 1.0\n";
    let plan = Plan::new(&Scenario::parse(Path::new("t.toml"), text).unwrap()).unwrap();
    let mut counts = vec![0_usize; 10];
    for send in &plan.sends {
        counts[send.conversation as usize] += 1;
    }
    counts.sort_unstable();
    // Of the harmonic sum of ten, 2.929, the first has 1 and the tenth 0.1.
    let share = |count: usize| count as f64 / plan.sends.len() as f64;
    assert!((share(counts[9]) - 0.341).abs() < 0.02, "{counts:?}");
    assert!((share(counts[0]) - 0.034).abs() < 0.01, "{counts:?}");
}

#[test]
fn who_is_away_comes_back_in_a_pause_too() {
    let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 40, rooms = 20 }\n\
                behaviour = { away = \"5s\", stall = \"1s\" }\n\
                [[phases]]\nname = \"go\"\nduration = \"2s\"\nrate = \"10/s\"\nreconnects = \"3/s\"\n\
                [[phases]]\nname = \"pause\"\nduration = \"8s\"\n";
    let plan = Plan::new(&Scenario::parse(Path::new("t.toml"), text).unwrap()).unwrap();
    let count = |deed| plan.actions.iter().filter(|a| a.deed == deed).count();
    assert!(count(Deed::Disconnect) > 0);
    assert_eq!(count(Deed::Connect), count(Deed::Disconnect));
}

/// Goes through a plan as a server would see it, and says where everybody is.
struct Walker<'a> {
    plan: &'a Plan,
    online: Vec<bool>,
    reading: Vec<bool>,
    joined: Vec<Vec<bool>>,
}

impl<'a> Walker<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            online: plan.connected.clone(),
            reading: vec![true; plan.users.len()],
            joined: plan
                .places
                .iter()
                .map(|places| places.iter().map(|place| place.joined).collect())
                .collect(),
        }
    }

    /// Whether the deed is possible at all, after which it is done.
    fn act(&mut self, action: &Action) -> bool {
        let user = action.user as usize;
        let there = self.online[user] && self.reading[user];
        match action.deed {
            Deed::Connect => !std::mem::replace(&mut self.online[user], true),
            Deed::Disconnect | Deed::Cut => {
                self.online[user] = false;
                there
            }
            Deed::Join(place) => {
                // Who goes while on the way back into a conversation joins it on connecting.
                !std::mem::replace(&mut self.joined[user][place as usize], true)
            }
            Deed::Leave(place) => {
                there && std::mem::replace(&mut self.joined[user][place as usize], false)
            }
            Deed::StopReading => {
                self.reading[user] = false;
                there
            }
            Deed::Resume => !std::mem::replace(&mut self.reading[user], true),
        }
    }

    fn can_send(&self, send: &Send) -> bool {
        let user = send.sender as usize;
        let place = self.plan.place(send.sender, send.conversation).unwrap();
        self.online[user] && self.reading[user] && self.joined[user][place]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whoever_acts_or_sends_is_there(seed in 0u64..1_000_000) {
        let plan = busy(seed);
        prop_assert!(plan.actions.is_sorted_by_key(|action| action.at));
        prop_assert!(plan.sends.is_sorted_by_key(|send| send.at));
        let mut walker = Walker::new(&plan);
        let mut actions = plan.actions.iter().peekable();
        for send in plan.sends.iter().filter(|send| !plan.phase_of(send).closed) {
            while let Some(action) = actions.next_if(|action| action.at <= send.at) {
                prop_assert!(walker.act(action), "{action:?}");
            }
            prop_assert!(walker.can_send(send), "{send:?}");
        }
        for action in actions {
            prop_assert!(walker.act(action), "{action:?}");
        }
        prop_assert!(walker.reading.iter().all(|reading| *reading), "somebody never reads again");
    }
}

#[test]
fn channels_that_share_no_member_have_everybody_once() {
    let text = "version = 1\nname = \"t\"\nquestion = \"?\"\n\
         population = { users = 304, channels = [{ count = 38, members = 8, disjoint = true }, { count = 3, members = \"2-90\", disjoint = true }] }\n\
         [[phases]]\nname = \"p\"\nduration = \"20s\"\nrate = \"10/s\"\nreconnects = \"10% of users\"\n";
    let scenario = crate::scenario::Scenario::parse(std::path::Path::new("t.toml"), text).unwrap();
    assert!((scenario.phases[0].churn.reconnects - 304.0 * 0.1 / 20.0).abs() < 1e-9);
    let plan = Plan::new(&scenario).unwrap();
    for (group, all) in [(0..38, 304), (38..41, 0)] {
        let members = plan.conversations[group]
            .iter()
            .flat_map(|one| &one.members);
        let mut members: Vec<u32> = members.copied().collect();
        let count = members.len();
        members.sort_unstable();
        members.dedup();
        assert_eq!(members.len(), count);
        assert!(all == 0 || count == all);
    }
    for (right, wrong, what) in [
        (
            "members = 8",
            "members = 9",
            "up to 342 members, and there are 304 users",
        ),
        ("2-90", "2-102", "up to 306 members"),
        ("10% of users", "10% of rooms", "is no share of users"),
        ("10% of users", "110%", "is not a share"),
        ("10% of users", "10", "is not a rate"),
    ] {
        let text = text.replace(right, wrong);
        let error = crate::scenario::Scenario::parse(std::path::Path::new("t.toml"), &text);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
