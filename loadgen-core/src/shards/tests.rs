//! Shards together are the run that one process would have made, and what is less than that is said.

mod looked_up;
mod one_run;
mod verified;

use std::{path::Path, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    judge::{Gap, Verdict},
    model::Metric,
    observed::{
        DeliverySample, Ended, Layout, Ledger, MachineSecond, Observed, Record, Recorded, Recorder,
    },
    plan::{Part, Plan, Shard, Share},
    result::{ClockOffset, Environment, Report},
    scenario::{Scenario, Setting, SourceFile},
};

const TEXT: &str = "version = 1\nname = \"t\"\nquestion = \"?\"\nseed = 3\n\
     population = { users = 24, rooms = 12 }\nvariables = { rate = \"40/s\" }\n\
     [[phases]]\nname = \"steady\"\nduration = \"30s\"\nrate = \"${rate}\"\n\
     [thresholds]\n\"delivery.within_5ms\" = \">= 99%\"\n\"delivery.p99\" = \"<= 20ms\"\n";

/// 2026-11-26, in nanoseconds since 1970.
const PLANNED: u64 = 1_795_651_200_000_000_000;

fn scenario() -> Scenario {
    Scenario::parse(Path::new("t.toml"), TEXT).unwrap()
}

/// Too short to be judged, and enough to be compared.
fn short() -> Scenario {
    let text = TEXT.replace("30s", "4s");
    Scenario::parse(Path::new("t.toml"), &text).unwrap()
}

fn shard(text: &str) -> Shard {
    text.parse().unwrap()
}

/// What a process sees of a healthy server, whose deliveries take as long as `latency` says; what it says is lost is.
fn seen(
    scenario: &Scenario,
    plan: &Plan,
    part: &Part,
    latency: impl Fn(u32) -> Option<u64>,
) -> Observed {
    let layout = Arc::new(Layout::of(scenario));
    let mut recorder = Recorder::new(Arc::clone(&layout));
    recorder.begin(0);
    let ledger = Ledger::new(plan.sends.len(), plan.slots);
    for (message, send) in Share::of(part.clone()).sends(plan) {
        let conversation = plan.conversation_of(send);
        ledger.sent(message, send.at);
        recorder.record_send(send.at, Some(send.at));
        recorder.record_in(send.phase, Metric::SendLateness, send.at, send.at);
        for (position, &member) in conversation.members.iter().enumerate() {
            let slot = send.slot as usize + position;
            let own = member == send.sender;
            let took = if own { Some(1_000) } else { latency(message) };
            let Some(took) = took else { continue };
            ledger.delivered(slot, message, false);
            ledger.confirmed(slot, Some(u64::from(message) + 1));
            ledger.sign_after(message, took);
            if own {
                ledger.acked(slot, true);
            } else {
                ledger.latency(message, took);
                recorder.record_delivery(DeliverySample {
                    intended: send.at,
                    received: send.at + took,
                    phase: send.phase,
                    members: conversation.members.len(),
                });
            }
        }
    }
    let mut observed = Observed::of(Recorded::empty(layout), Arc::new(ledger));
    observed.recorded = recorder.finish();
    observed.machine = vec![MachineSecond::default(); 30];
    observed
}

fn fast(message: u32) -> Option<u64> {
    Some(800_000 + u64::from(message) * 1_000)
}

fn recording(scenario: &Scenario, plan: &Plan, which: &str, observed: &Observed) -> Recording {
    let part = Part::of(plan, shard(which)).unwrap();
    Recording {
        version: VERSION,
        shard: shard(which),
        scenario: Question::of(scenario, &[]),
        plan: plan.digest(),
        run_id: "0000002a".to_owned(),
        start: Start {
            planned: PLANNED,
            actual: Some(PLANNED + 1_000_000),
            clock: None,
        },
        told: Told {
            target: "http://h:1".to_owned(),
            target_version: None,
            store: "the target's own".to_owned(),
            client: "native".to_owned(),
            asks_for_acks: true,
            delivery_known: false,
        },
        command: Vec::new(),
        labels: [("build".to_owned(), "a".to_owned())].into(),
        started: "2026-11-26T00:00:00Z".to_owned(),
        ended: "2026-11-26T00:01:00Z".to_owned(),
        environment: Environment::default(),
        observed: Record::of(observed, plan, &part),
    }
}

fn given(recording: &Recording) -> Given {
    Given::read(&file_name(recording.shard), &recording.text().unwrap()).unwrap()
}

/// All shards of a run, each with what it saw.
fn recordings(of: u16, latency: impl Fn(u32) -> Option<u64>) -> Vec<Recording> {
    recordings_of(&scenario(), of, latency)
}

fn recordings_of(
    scenario: &Scenario,
    of: u16,
    latency: impl Fn(u32) -> Option<u64>,
) -> Vec<Recording> {
    let plan = Plan::new(scenario).unwrap();
    let each = (1..=of).map(|number| {
        let which = format!("{number}/{of}");
        let part = Part::of(&plan, shard(&which)).unwrap();
        recording(
            scenario,
            &plan,
            &which,
            &seen(scenario, &plan, &part, &latency),
        )
    });
    each.collect()
}

fn report(recordings: &[Recording]) -> Report {
    let given = recordings.iter().map(given).collect();
    let whole = Whole::of(given).unwrap();
    whole.report(vec!["loadgen".to_owned()], "2026-11-26T00:02:00Z")
}

/// Without what says how many processes there were.
fn account(mut report: Report) -> Report {
    report.shards.clear();
    report
}

fn refused(given: Vec<Given>) -> String {
    match Whole::of(given) {
        Ok(_) => panic!("not refused"),
        Err(error) => error.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn however_many_shards_and_in_whatever_order_the_result_is_one(
        of in 1_u16..6, turn in 0_usize..6, modulus in 2_u32..90, worst in 1_u64..40_000_000,
    ) {
        let latency = |message: u32| match message % modulus {
            0 => None,
            1 => Some(worst),
            _ => fast(message),
        };
        let whole = account(report(&recordings_of(&short(), 1, latency)));
        let mut parts = recordings_of(&short(), of, latency);
        parts.rotate_left(turn % usize::from(of));
        let together = account(report(&parts));
        prop_assert_eq!(&together.runs[0].totals, &whole.runs[0].totals);
        prop_assert_eq!(together, whole);
    }
}

#[test]
fn a_healthy_run_passes_and_says_who_drove_it() {
    let report = report(&recordings(4, fast));
    assert_eq!(
        (report.verdict, report.shards.len()),
        (Verdict::Pass, 4),
        "{:?}",
        report.reasons
    );
    let users: usize = report.shards.iter().map(|shard| shard.users).sum();
    let messages: usize = report.shards.iter().map(|shard| shard.messages).sum();
    assert_eq!((users, messages), (24, report.scenario.messages));
    assert!(
        report
            .shards
            .iter()
            .all(|shard| shard.began == Some(1_000_000))
    );
}

#[test]
fn a_loss_in_one_shard_fails_the_whole() {
    let scenario = scenario();
    let plan = Plan::new(&scenario).unwrap();
    let third = Part::of(&plan, shard("3/4")).unwrap();
    let (message, _) = Share::of(third).sends(&plan).nth(5).unwrap();
    let lost = |one: u32| (one != message).then_some(900_000);
    let report = report(&recordings(4, lost));
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_eq!(report.runs[0].totals.lost, 1);
}

#[test]
fn less_than_a_whole_is_invalid_for_its_own_reason() {
    let all = || recordings(4, fast);
    let reason = |recordings: &[Recording]| {
        let report = report(recordings);
        assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
        let reason = report.reasons[0].to_string();
        reason
            .strip_prefix("not one whole run: ")
            .unwrap()
            .to_owned()
    };
    let missing = reason(&[all()[0].clone(), all()[3].clone()]);
    assert!(
        missing.starts_with("shards 2, 3 of 4 are missing: "),
        "{missing}"
    );
    let mut doubled = all();
    doubled.push(doubled[1].clone());
    let doubled = reason(&doubled);
    assert!(
        doubled.starts_with("shard 2 of 4 is there 2 times (shard-2-of-4.json, "),
        "{doubled}"
    );
    for (late, planned) in [(10_000_001, 0), (0, 10_000_001)] {
        let mut late_one = all();
        late_one[2].start.actual = Some(PLANNED + 1_000_000 + late);
        late_one[2].start.planned += planned;
        let late = reason(&late_one);
        assert!(
            late.contains("began 10.0 ms after shard") && late.contains("10 ms may be"),
            "{late}"
        );
    }
    let mut cut = all();
    let scenario = scenario();
    let plan = Plan::new(&scenario).unwrap();
    let part = Part::of(&plan, shard("4/4")).unwrap();
    let ended = Observed {
        ended: Some(Ended::Interrupted),
        ..seen(&scenario, &plan, &part, fast)
    };
    cut[3] = recording(&scenario, &plan, "4/4", &ended);
    let cut = reason(&cut);
    assert_eq!(
        cut,
        "shard 4 of 4 was cut short and others were not: interrupted"
    );
}

#[test]
fn what_ends_all_shards_is_the_end_of_the_run_and_no_gap() {
    let scenario = scenario();
    let plan = Plan::new(&scenario).unwrap();
    let all: Vec<Recording> = ["1/2", "2/2"]
        .into_iter()
        .map(|which| {
            let part = Part::of(&plan, shard(which)).unwrap();
            let died = Observed {
                ended: Some(Ended::Died("the server died".to_owned())),
                ..seen(&scenario, &plan, &part, fast)
            };
            recording(&scenario, &plan, which, &died)
        })
        .collect();
    let report = report(&all);
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert_eq!(
        report.runs[0].incomplete_because.as_deref(),
        Some("the server died")
    );
}

#[test]
fn a_text_that_breaks_off_is_told_and_the_others_are_merged() {
    let all = recordings(3, fast);
    let text = all[2].text().unwrap();
    for length in [0, 20, text.len() / 2, text.len() - 3] {
        let torn = Given::read("shard-3-of-3.json", &text[..length]).unwrap();
        let whole = Whole::of(vec![given(&all[0]), given(&all[1]), torn]).unwrap();
        assert!(
            matches!(whole.gaps()[..], [Gap::Torn { .. }, Gap::Missing { .. }]),
            "{:?}",
            whole.gaps()
        );
        let report = whole.report(Vec::new(), "2026-11-26T00:02:00Z");
        assert_eq!(report.verdict, Verdict::Invalid);
        let reason = report.reasons[0].to_string();
        assert!(
            reason.contains(": shard-3-of-3.json breaks off in the middle: "),
            "{reason}"
        );
    }
    let torn = Given::read("a.json", "").unwrap();
    assert!(
        refused(vec![torn]).starts_with("none of these holds a whole recording: a.json breaks off")
    );
}

#[test]
fn a_clock_that_is_known_to_be_ahead_is_no_late_start_and_one_that_is_not_known_may_be() {
    let hours = 7_200_000_000_000;
    let mut all = recordings(2, fast);
    all[0].start.clock = Some(ClockOffset { ahead: 0, bound: 0 });
    all[1].start.actual = Some(PLANNED + 1_000_000 + hours);
    all[1].start.clock = Some(ClockOffset {
        ahead: hours as i64,
        bound: 100_000,
    });
    assert_eq!(report(&all).verdict, Verdict::Pass);
    all[1].start.clock = Some(ClockOffset {
        ahead: hours as i64,
        bound: 12_000_000,
    });
    let unsure = report(&all);
    assert_eq!(unsure.verdict, Verdict::Invalid);
    let reason = unsure.reasons[0].to_string();
    assert!(
        reason.contains(": the clock of shard 2 is known to ±12.0 ms only"),
        "{reason}"
    );
}

#[test]
fn what_is_of_another_run_is_refused_in_one_sentence() {
    type Change = fn(&mut Recording);
    let all = recordings(2, fast);
    let changes: [(Change, &str); 12] = [
        (|one| one.scenario.seed = 4, "seeds differ (3 and 4)"),
        (
            |one| one.scenario.sha256 = "0".repeat(64),
            "scenario files (SHA-256) differ",
        ),
        (|one| one.plan = "0".repeat(64), "plans (SHA-256) differ"),
        (
            |one| one.shard = shard("2/3"),
            "numbers of shards differ (2 and 3)",
        ),
        (|one| one.labels.clear(), "labels differ"),
        (
            |one| one.environment.commit = Some("c0ffee".to_owned()),
            "programs differ (loadgen , commit unknown, lockfile unknown and loadgen , commit c0ffee, ",
        ),
        (
            |one| one.environment.loadgen = "9.0".to_owned(),
            " and loadgen 9.0, commit unknown, ",
        ),
        (
            |one| one.told.client = "rust_socketio".to_owned(),
            "clients differ (native and rust_socketio)",
        ),
        (
            |one| one.told.asks_for_acks = false,
            "acknowledgements differ (asked for and not asked for)",
        ),
        (
            |one| one.told.delivery_known = true,
            "delivery modes differ (not known and known)",
        ),
        (
            |one| one.told.target_version = Some("1.2".to_owned()),
            "versions of the target differ (not said and 1.2)",
        ),
        (
            |one| one.told.store = "MongoDB".to_owned(),
            "stores differ (the target's own and MongoDB)",
        ),
    ];
    for (change, told) in changes {
        let mut other = all[1].clone();
        change(&mut other);
        let error = refused(vec![given(&all[0]), given(&other)]);
        assert!(
            error.contains(told) && error.contains("shard-1-of-2.json and "),
            "{error}"
        );
    }
    let mut elsewhere = all[1].clone();
    elsewhere.told.target = "http://h:2".to_owned();
    assert!(Whole::of(vec![given(&all[0]), given(&elsewhere)]).is_ok());
    let error = refused(Vec::new());
    assert!(error.ends_with(": there is no shard"), "{error}");
    let mut other_plan = all.clone();
    other_plan.iter_mut().for_each(|one| one.scenario.seed = 4);
    let error = refused(other_plan.iter().map(given).collect());
    assert!(error.contains("planned otherwise here"), "{error}");
    let mut swapped = all[1].clone();
    swapped.shard = shard("1/2");
    let error = refused(vec![given(&swapped)]);
    assert!(error.starts_with("shard-1-of-2.json: "), "{error}");
}

#[test]
fn another_text_is_refused() {
    let text = recordings(1, fast)[0].text().unwrap();
    for (other, told) in [
        (
            "{}".to_owned(),
            "a.json: this is not what `loadgen run --shard` wrote",
        ),
        (
            "hello".to_owned(),
            "a.json: this is not what `loadgen run --shard` wrote",
        ),
        (
            "{\"version\": 3, \"runs\": []}".to_owned(),
            "this is not what `loadgen run --shard` wrote",
        ),
        (
            text.replacen("\"version\":2", "\"version\":3", 1),
            "has version 3 and this program merges version 2",
        ),
        (
            text.replacen("\"of\":1", "\"of\":0", 1),
            "there is no shard 1/0",
        ),
        (
            text.replacen("\"run_id\"", "\"other\"", 1),
            "does not look like it",
        ),
    ] {
        let error = Given::read("a.json", &other).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn the_scenario_in_a_recording_is_the_one_that_was_run() {
    let settings: [Setting; 1] = [("rate".to_owned(), "20/s".to_owned())];
    let file = SourceFile {
        path: "t.toml".into(),
        text: TEXT.to_owned(),
    };
    let scenario = Scenario {
        seed: 9,
        ..Scenario::of_files(&[file].into(), &settings).unwrap()
    };
    let plan = Plan::new(&scenario).unwrap();
    let again = Question::of(&scenario, &settings).scenario().unwrap();
    assert_eq!(Plan::new(&again).unwrap().digest(), plan.digest());
    assert_eq!(again.hash, scenario.hash);
}
