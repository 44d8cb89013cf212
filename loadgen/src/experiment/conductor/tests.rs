//! When the steps of several faults are due, how long a fault lasts that another one held up, and whom the faults excuse.

use super::*;
use crate::{
    drive::worker::Excuse,
    scenario::{Between, ClientDamage, NetworkDamage, ServerDamage, StoreDamage},
};

const S: Nanos = 1_000_000_000;

const FROZEN: Damage = Damage::Store(StoreDamage::Frozen);
const STOP: Damage = Damage::Server(ServerDamage::Stop);
const CUT: Damage = Damage::Network(Between::Clients, NetworkDamage::HalfOpen);
const OF_TWO: Damage = Damage::Node(2, ServerDamage::Freeze);

/// A fault that was planned so, in seconds; `since`: it is on since then.
fn part(damage: Damage, [start, end]: [Nanos; 2], since: Option<Nanos>) -> Part {
    let progress = Arc::default();
    Part {
        planned: PlannedFault {
            name: damage.to_string(),
            start: start * S,
            end: end * S,
            damage,
        },
        fault: Box::new(ByClients { progress, index: 0 }),
        stage: match since {
            Some(_) => Stage::On,
            None => Stage::Ahead,
        },
        seen: FaultSeen {
            start: since,
            proof: Some("it did".to_owned()),
            ..FaultSeen::default()
        },
    }
}

/// Of three servers and a schedule of a minute.
fn conductor(parts: Vec<Part>) -> Conductor {
    let excuse = Excuse::of(3);
    Conductor {
        parts,
        end: 60 * S,
        progress: Arc::new(Progress {
            excuse,
            ..Progress::default()
        }),
        clock: Clock::start(),
        began: Some(Instant::now()),
    }
}

/// When the next step is due, and whose it is.
fn next(conductor: &Conductor) -> (Nanos, usize) {
    let (at, place) = conductor.next().unwrap();
    (nanos(at - conductor.began.unwrap()), place)
}

#[test]
fn what_another_fault_held_up_lasts_as_long_as_planned_and_no_longer_than_the_schedule() {
    let ends =
        |damage, planned, since| next(&conductor(vec![part(damage, planned, Some(since))])).0;
    assert_eq!(ends(FROZEN, [12, 17], 12 * S), 17 * S);
    assert_eq!(ends(FROZEN, [12, 17], 20 * S), 25 * S);
    assert_eq!(ends(FROZEN, [12, 17], 58 * S), 60 * S);
    // Clients did it at its time.
    let clients = Damage::Clients(ClientDamage::Silent, 0.5);
    assert_eq!(ends(clients, [12, 17], 12 * S), 17 * S);
    let silent = part(clients, [12, 17], None);
    let (start, end) = (silent.taken(12 * S, 20 * S), silent.taken(17 * S, 20 * S));
    assert_eq!((start, end), (12 * S + PROMPT, 17 * S + PROMPT));
    assert_eq!(silent.taken(17 * S, 14 * S), 14 * S);
}

#[test]
fn what_breaks_the_same_thing_waits_for_its_end() {
    let slow = Damage::Store(StoreDamage::Slow(Duration::from_secs(1)));
    let mut two = conductor(vec![
        part(slow, [22, 24], None),
        part(FROZEN, [12, 17], Some(20 * S)),
    ]);
    assert_eq!(next(&two), (25 * S, 1));
    two.parts[1].stage = Stage::Over;
    assert_eq!(next(&two), (22 * S, 0));
    // Another thing is broken at its time.
    let beside = conductor(vec![
        part(STOP, [22, 24], None),
        part(FROZEN, [12, 17], Some(20 * S)),
    ]);
    assert_eq!(next(&beside), (22 * S, 0));
}

#[test]
fn of_two_steps_at_once_the_end_is_the_first() {
    let both = conductor(vec![
        part(FROZEN, [17, 20], None),
        part(STOP, [12, 17], Some(12 * S)),
    ]);
    assert_eq!(next(&both), (17 * S, 1));
}

#[test]
fn a_fault_that_the_schedule_cuts_short_is_void() {
    let void = |planned, since, ends| {
        let mut part = part(FROZEN, planned, Some(since));
        part.note_if_cut_short(ends);
        part.seen.is_void_because()
    };
    assert_eq!(
        void([48, 58], 58 * S, 60 * S).unwrap(),
        "it began 10.0 s late, and all must be mended when the phases end: it lasted 2.00 s where 10.0 s were planned"
    );
    assert_eq!(void([50, 60], 50 * S + S / 2, 60 * S), None);
    assert_eq!(void([12, 17], 20 * S, 25 * S), None);
    assert_eq!(void([12, 12], 20 * S, 20 * S), None);
}

/// Whether what happens much later to who is on each of the three servers is excused.
fn excused(conductor: &Conductor) -> [bool; 3] {
    let excuse = &conductor.progress.excuse;
    [0, 1, 2].map(|server| excuse.covers(Some(server), Nanos::MAX - 1))
}

#[test]
fn the_end_of_one_fault_excuses_nothing_less_of_another_that_is_still_on() {
    // One of all servers, and one of the second alone.
    let both = || {
        let both = conductor(vec![
            part(CUT, [10, 12], Some(10 * S)),
            part(OF_TWO, [11, 36], Some(11 * S)),
        ]);
        for part in &both.parts {
            let excuse = &both.progress.excuse;
            excuse.begin(server(part.planned.damage), 0, true);
        }
        both
    };
    for (order, between) in [([0, 1], [false, true, false]), ([1, 0], [true; 3])] {
        let mut both = both();
        assert_eq!(excused(&both), [true; 3]);
        for (place, left) in order.into_iter().zip([between, [false; 3]]) {
            both.parts[place].stage = Stage::Over;
            both.excuse_no_more(place);
            assert_eq!(excused(&both), left, "{order:?}");
        }
    }
}
