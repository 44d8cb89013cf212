//! A load in shards finds what one process finds, wherever it is: what one shard lost the whole has lost.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::join_all;
use loadgen::{
    dial::Target,
    experiment::{self, Interrupt, ShardOptions, WallClock},
    judge::{Check, Verdict},
    plan::Shard,
    result::Report,
    scenario::Scenario,
    shards::{Given, Recording, Whole, file_name},
};

use crate::{READMES, SCENARIO, Silent, fault::Fault, options, server::Cheat};

/// When all shards can be there, on a busy machine too.
fn soon() -> u64 {
    let at = SystemTime::now() + Duration::from_secs(4);
    at.duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

fn scenario() -> Scenario {
    let text = format!("{SCENARIO}\n[thresholds]\n\"failed\" = \">= 0\"\n");
    Scenario::parse(Path::new("cheats.toml"), &text).unwrap()
}

/// What each of so many shards records of one server.
async fn recorded(target: &str, of: u16, scenario: &Scenario) -> Vec<Recording> {
    let start_at = soon();
    let interrupt = Interrupt::listen().unwrap();
    let each = (1..=of).map(|number| {
        let target = Target::started_here(target, &scenario.connections).unwrap();
        let interrupt = &interrupt;
        async move {
            let shard = ShardOptions {
                shard: Shard::new(number, of).unwrap(),
                start_at,
                sync: None,
                clock: WallClock::default(),
                settings: Vec::new(),
            };
            let options = options(target);
            let mut silent = Silent;
            let driven = experiment::shard(scenario, &options, &shard, interrupt, &mut silent);
            driven.await.unwrap().recording
        }
    });
    join_all(each).await
}

/// Through their files.
fn merged(recordings: &[Recording]) -> Report {
    let given = recordings.iter().map(|one| {
        let text = one.text().unwrap();
        Given::read(&file_name(one.shard), &text).unwrap()
    });
    let whole = Whole::of(given.collect()).unwrap();
    whole.report(Vec::new(), "2026-11-26T00:00:00Z")
}

async fn found(fault: Fault, of: u16) -> (Vec<Check>, Report) {
    let cheat = Cheat::start(fault, READMES).await;
    let report = merged(&recorded(&cheat.url, of, &scenario()).await);
    let checks = report.runs[0].findings.iter().map(|finding| finding.check);
    (checks.collect(), report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_shard_lost_the_whole_has_lost() {
    for (fault, check) in [
        (Fault::Drops, Check::Lost),
        (Fault::DeliversToAStranger, Check::CrossDelivered),
        (Fault::ConfirmsWithoutSaving, Check::ConfirmedNotStored),
    ] {
        let (checks, report) = found(fault, 3).await;
        assert_eq!(checks, [check], "{fault:?}: {:?}", report.reasons);
        assert_eq!(report.verdict, Verdict::Fail);
        assert_eq!(report.shards.len(), 3);
        assert!(report.runs[0].audited);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_shard_finds_what_an_unsharded_run_finds() {
    for fault in [Fault::None, Fault::Drops, Fault::LeaksARoom] {
        let (checks, report) = found(fault, 1).await;
        let cheat = Cheat::start(fault, READMES).await;
        let target = Target::started_here(&cheat.url, &scenario().connections).unwrap();
        let interrupt = Interrupt::listen().unwrap();
        let (scenario, options) = (scenario(), options(target));
        let whole = experiment::run(&scenario, &options, &interrupt, &mut Silent).await;
        let whole = whole.unwrap().report;
        let (one, other) = (&report.runs[0], &whole.runs[0]);
        assert_eq!(one.totals, other.totals);
        assert_eq!(report.scenario, whole.scenario);
        assert_eq!(
            (one.held_to, report.verdict),
            (other.held_to, whole.verdict)
        );
        let theirs: Vec<Check> = other.findings.iter().map(|finding| finding.check).collect();
        assert_eq!(checks, theirs, "{fault:?}");
        let counts = |run: &loadgen::result::Run| {
            let metrics = run.metrics.iter();
            let counted = metrics.filter(|one| one.metric.definition().key != "hiccup");
            counted.map(|one| (one.metric, one.n)).collect::<Vec<_>>()
        };
        assert_eq!(counts(one), counts(other));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_shards_of_a_correct_server_pass_as_one() {
    let (checks, report) = found(Fault::None, 3).await;
    assert_eq!(checks, []);
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let totals = &report.runs[0].totals;
    assert_eq!(totals.sent as usize, report.scenario.messages);
    assert_eq!((totals.lost, totals.delivered), (0, totals.sent));
}
