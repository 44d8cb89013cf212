//! Many worlds, and bugs that must be found in them.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
};

use parking_lot::Mutex;

use super::{Report, ledger::Promise, planted::Bug, play};

/// Worlds in each run of the tests, and how long each is.
const SEEDS: u64 = 200;
const SECONDS: u64 = 60;

fn from_environment(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is `{text}`, and should be a whole number")),
        Err(_) => default,
    }
}

/// Plays worlds from the first seed on, several at a time, until one of them breaks a promise.
fn play_many(first: u64, count: u64, seconds: u64, bug: Option<Bug>) -> Vec<Report> {
    let next = AtomicU64::new(first);
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, SeqCst);
                    if seed >= first + count {
                        return;
                    }
                    let report = play(seed, seconds, bug);
                    let is_broken = report.broken.is_some();
                    reports.lock().push(report);
                    if is_broken {
                        next.store(u64::MAX / 2, SeqCst);
                    }
                }
            });
        }
    });
    let mut reports = reports.into_inner();
    reports.sort_by_key(|report| report.seed);
    reports
}

fn tell(report: &Report, seconds: u64) -> String {
    let Report {
        seed, tail, broken, ..
    } = report;
    format!(
        "{broken:?}\n\n{tail}\n\nTo play it again:\n  SIMULATION_SEED={seed} SIMULATION_SEEDS=1 \
         SIMULATION_SECONDS={seconds} cargo test -p server --lib simulation::tests::every_promise -- --nocapture"
    )
}

#[test]
fn every_promise_is_kept_in_every_world() {
    let first = from_environment("SIMULATION_SEED", 0);
    let count = from_environment("SIMULATION_SEEDS", SEEDS);
    let seconds = from_environment("SIMULATION_SECONDS", SECONDS);
    let began = std::time::Instant::now();
    let reports = play_many(first, count, seconds, None);
    for report in &reports {
        assert!(report.broken.is_none(), "{}", tell(report, seconds));
    }
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    let events = sum(|report| report.trace.0);
    println!(
        "{count} worlds of {seconds} s in {:.1} s: {events} events, {:?} messages, {} deliveries, {} confirmed, {} failed, \
         {} lives, {} connections",
        began.elapsed().as_secs_f64(),
        sum(|report| report.counts.sent),
        sum(|report| report.counts.delivered),
        sum(|report| report.counts.confirmed),
        sum(|report| report.counts.failed),
        sum(|report| report.counts.lives),
        sum(|report| report.counts.reconnects),
    );
    if count == 1 {
        println!("{}", reports[0].tail);
    }
}

/// Each of 600 seconds: a message blamed for the backlog of a freeze; a repetition confirmed by what had been deleted since the store
/// named it; one confirmed by what a killed server was about to delete.
#[test]
fn worlds_in_which_a_promise_was_broken_once_keep_all_of_them() {
    for seed in [1_000_123, 1_001_008, 1_001_133] {
        let report = play(seed, 600, None);
        assert!(report.broken.is_none(), "{}", tell(&report, 600));
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..6 {
        let (one, other) = (play(seed, 60, None), play(seed, 60, None));
        assert_eq!(
            one.trace, other.trace,
            "seed {seed}:\n{}\n\n{}",
            one.tail, other.tail
        );
        assert_eq!(one.counts, other.counts, "seed {seed}");
    }
    assert_ne!(play(0, 10, None).trace, play(1, 10, None).trace);
}

/// A planted bug must be found by the promise that it breaks.
fn finds(bug: Bug, promises: &[Promise]) {
    let reports = play_many(0, SEEDS, SECONDS, Some(bug));
    let broken: Vec<Promise> = reports
        .iter()
        .filter_map(|report| report.broken.as_ref().map(|broken| broken.promise))
        .collect();
    assert!(
        broken.iter().any(|promise| promises.contains(promise)),
        "{bug:?} in {} worlds: {broken:?}",
        reports.len()
    );
    println!("{bug:?} was found in world {} of {SEEDS}", reports.len());
}

#[test]
fn a_server_that_confirms_before_it_stores_is_found() {
    finds(Bug::ConfirmBeforeStore, &[Promise::ConfirmedIsStored]);
}

#[test]
fn a_writer_that_misses_a_wake_up_is_found() {
    finds(Bug::LostWakeUp, &[Promise::InTime]);
}

#[test]
fn an_end_that_is_told_twice_after_a_retry_is_found() {
    finds(Bug::EndTwiceAfterRetry, &[Promise::OneEnd]);
}
