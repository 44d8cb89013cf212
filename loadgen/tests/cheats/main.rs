//! The harness against servers that cheat: each fault is caught by exactly the check that is for it (rule 16).

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

mod other;
mod server;

use std::{collections::BTreeMap, path::Path};

use loadgen::{
    dial::Target,
    experiment::{self, Event, Interrupt, Options, Watcher},
    judge::{Check, Verdict},
    model::Metric,
    report::{Choice, Format},
    result::{Document, Report},
    rig::StoreChoice,
    scenario::Scenario,
};
use server::{Cheat, Fault};

const SCENARIO: &str = r#"version = 1
name = "cheats"
question = "Is the cheat found out?"
seed = 3
drain = "2s"
population = { users = 12, rooms = 6 }

[[phases]]
name = "steady"
duration = "3s"
rate = "400/s"
"#;

/// The same with people who come and go.
const CHURN: &str = r#"version = 1
name = "churn"
question = "Is it found out among comings and goings?"
seed = 5
drain = "5s"
population = { users = 16, rooms = 24, connected = "75%", joined = "80%" }
behaviour = { away = "300ms-900ms", stall = "500ms-1s" }

[[phases]]
name = "come"
duration = "3s"
rate = "150/s"
connects = "2/s"
joins = "5/s"

[[phases]]
name = "churn"
duration = "4s"
rate = "150/s"
leaves = "1/s"
joins = "1/s"
rejoins = "4/s"
reconnects = "1/s"
cuts = "1/s"
stalls = "1/s"

[[phases]]
name = "talk"
duration = "2s"
think_time = "100ms-400ms"
rejoins = "4/s"
"#;

struct Silent;

impl Watcher for Silent {
    fn event(&mut self, _: Event<'_>) {}
}

/// Long enough for the interval of a share.
async fn report(fault: Fault, thresholds: &str) -> Report {
    let longer = SCENARIO.replace("duration = \"3s\"", "duration = \"6s\"");
    report_of(&longer, fault, thresholds).await
}

async fn report_of(scenario: &str, fault: Fault, thresholds: &str) -> Report {
    let cheat = Cheat::start(fault).await;
    report_on(cheat.url, scenario, thresholds).await
}

async fn report_on(target: String, scenario: &str, thresholds: &str) -> Report {
    let scenario = Scenario::parse(
        Path::new("cheats.toml"),
        &format!("{scenario}\n[thresholds]\n{thresholds}\n"),
    )
    .unwrap();
    let target = Target::started_here(&target, &scenario.connections).unwrap();
    let options = Options {
        client: None,
        store: StoreChoice::Auto,
        mongo_image: String::new(),
        target: Some(target),
        target_version: None,
        target_command: None,
        audit: None,
        workers: Some(1),
        cpus: Vec::new(),
        // These machines are shared, and the faults are mechanisms, not speeds.
        machine_check: false,
        floor: None,
        command: Vec::new(),
        labels: BTreeMap::new(),
    };
    experiment::run(
        &scenario,
        &options,
        &Interrupt::listen().unwrap(),
        &mut Silent,
    )
    .await
    .unwrap()
    .report
}

/// The checks that a cheat fails. Latency is not judged: these machines are shared.
async fn caught(fault: Fault) -> Vec<Check> {
    caught_in(SCENARIO, fault).await
}

async fn caught_in(scenario: &str, fault: Fault) -> Vec<Check> {
    let report = report_of(scenario, fault, "\"failed\" = \"== 0\"").await;
    let run = &report.runs[0];
    assert!(run.audited, "the store was not looked up");
    for finding in &run.findings {
        assert!(!finding.examples.is_empty(), "{finding:?} names no example");
    }
    let expected = if run.findings.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    assert_eq!(report.verdict, expected, "{:?}", report.reasons);
    run.findings.iter().map(|finding| finding.check).collect()
}

macro_rules! each_is_caught_by {
    ($($name:ident: $fault:ident => [$($check:ident),*];)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let expected: &[Check] = &[$(Check::$check),*];
            assert_eq!(caught(Fault::$fault).await, expected);
        }
    )*};
}

each_is_caught_by! {
    a_correct_server_passes_every_check: None => [];
    a_dropped_delivery_is_lost: Drops => [Lost];
    a_doubled_delivery_is_a_duplicate: Doubles => [Duplicated];
    two_of_a_senders_messages_swapped_are_reordered: SwapsOfOneSender => [Reordered];
    a_swap_for_one_member_is_a_disagreement: SwapsForOneMember => [OrderDisagrees];
    a_delivery_to_a_stranger_is_cross_talk: DeliversToAStranger => [CrossDelivered];
    a_confirmation_without_a_save_is_found_in_the_store: ConfirmsWithoutSaving => [ConfirmedNotStored];
    a_failure_that_was_saved_is_found_in_the_store: SavesAndFails => [FailedButStored];
    a_second_confirmation_is_a_double_end: ConfirmsTwice => [EndTwice];
    a_message_without_an_end_is_missed: NeverEnds => [EndMissing];
    a_confirmation_before_the_delivery_is_early: ConfirmsEarly => [EndEarly];
    an_end_of_an_unknown_message_is_an_orphan: FailsUnderAnotherId => [EndOrphaned];
    a_changed_body_is_found: ChangesABody => [ContentChanged];
    two_ids_of_one_message_differ: DisagreesOnTheId => [IdDiffers];
    a_second_document_is_found_in_the_store: SavesTwice => [StoredTwice];
    a_room_that_stays_is_left_behind: LeaksARoom => [StateLeft];
    an_acknowledgement_that_never_comes_is_missed: ForgetsAnAck => [AckWrong];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_a_correct_server_passes_while_people_come_and_go() {
    assert_eq!(caught_in(CHURN, Fault::None).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_who_has_left_and_still_gets_messages_is_cross_talk() {
    assert_eq!(
        caught_in(CHURN, Fault::KeepsWhoLeft).await,
        [Check::CrossDelivered]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_a_lost_delivery_is_found_among_comings_and_goings() {
    assert_eq!(caught_in(CHURN, Fault::Drops).await, [Check::Lost]);
}

/// Whoever says `dropped == 0` is never inconclusive for want of samples.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_servers_events_are_measured_by_a_map_of_them() {
    let url = other::start("member-of-7").await;
    let scenario = format!(
        "{}{}",
        SCENARIO.replace(
            "population =",
            "connections = { token = { template = \"member-of-7/{id}\" } }\npopulation ="
        ),
        r#"
[server.events]
acknowledges_joins = false
acknowledges_messages = false
echoes = false

[server.events.room]
join = "enter"
send = "say"
received = "said"
id_field = "lobby"

[server.events.fields]
id = "msg.n"
body = "msg.text"
sender = ""
"#
    );
    let report = report_on(url, &scenario, "\"lost\" = \"== 0\"").await;
    let run = &report.runs[0];
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert!(run.totals.delivered > 1_000, "{:?}", run.totals);
    assert_eq!(run.totals.delivered, run.totals.expected);
    // What this server never says is neither a sample nor a statement.
    let joins = run
        .metrics
        .iter()
        .find(|result| result.metric == Metric::Join);
    assert!(joins.is_none_or(|joins| joins.n == 0), "{joins:?}");
    assert_eq!((run.totals.confirmed, run.totals.acknowledged), (0, 0));
    let document = Document::of(&report).unwrap();
    for format in [
        Format::Terminal,
        Format::Markdown,
        Format::Html,
        Format::Csv,
    ] {
        let text = format.render(&document, Choice::default()).unwrap();
        for never_said in ["optimistic", "0 confirmed", "connected and joined"] {
            assert!(!text.contains(never_said), "{format:?}: {never_said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_told_beside_what_it_missed() {
    let checks = caught(Fault::CutsAConnection).await;
    assert!(checks.contains(&Check::ConnectionLost), "{checks:?}");
    assert!(checks.contains(&Check::Lost), "{checks:?}");
}

/// The fault is a mechanism, not a speed: no delivery can be faster than the server's own delay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_late_misses_the_limit() {
    let report = report(Fault::IsLate, "\"delivery.within_2ms\" = \">= 99%\"").await;
    let within = report.runs[0].metrics[0].within.iter();
    assert!(
        within
            .filter(|w| w.limit == 2_000_000)
            .all(|w| w.count == 0)
    );
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert!(
        report.runs[0].findings.is_empty(),
        "{:?}",
        report.runs[0].findings
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stalls_is_charged_for_everything_that_it_held_up() {
    let report = report(Fault::Stalls, "\"delivery.within_30ms\" = \">= 99%\"").await;
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    let delivery = &report.runs[0].metrics[0];
    // Six stalls of 60 ms at 400 messages a second: some 140 deliveries were due meanwhile, and each is charged
    // from its own intended time; a closed loop would have noticed six.
    let late = delivery.n
        - delivery
            .within
            .iter()
            .find(|within| within.limit == 30_000_000)
            .unwrap()
            .count;
    assert!(late > 30, "{late} of {}", delivery.n);
}
