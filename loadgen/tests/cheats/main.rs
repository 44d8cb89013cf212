//! The harness against servers that cheat: each fault is caught by exactly the check that is for it (rule 16).

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

mod another;
mod arrivals;
mod carries;
mod churn;
mod fault;
mod other;
mod server;
mod shards;
mod speech;
mod talk;

use std::{collections::BTreeMap, path::Path};

use fault::{EVERY, Fault};
use loadgen::{
    dial::Target,
    experiment::{self, Event, Interrupt, Options, SystemChoice, Watcher},
    judge::{Check, Verdict},
    report::{Choice, Format},
    result::{Document, Report},
    rig::StoreChoice,
    scenario::Scenario,
};
use server::Cheat;
use speech::Speech;

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
    let cheat = Cheat::start(fault, Speech::default()).await;
    report_on(cheat.url, scenario, thresholds).await
}

/// A scenario for a server that speaks so; with its rooms, or with channels of three instead.
fn speaking(scenario: &str, speech: Speech, channels: bool) -> String {
    let dialect = if speech.reference {
        "reference"
    } else {
        "readme"
    };
    let delivery = if speech.saves_first {
        "persist-first"
    } else {
        "optimistic"
    };
    let server =
        format!("[server]\ndialect = \"{dialect}\"\ndelivery = [\"{delivery}\"]\n\n[[phases]]");
    let scenario = scenario.replacen("[[phases]]", &server, 1);
    match channels {
        false => scenario,
        true => scenario.replace("rooms = 6", "channels = [{ count = 4, members = 3 }]"),
    }
}

const READMES: Speech = Speech {
    reference: false,
    saves_first: false,
};
const REFERENCES: Speech = Speech {
    reference: true,
    ..READMES
};
const SAVES_FIRST: Speech = Speech {
    saves_first: true,
    ..READMES
};

async fn report_on(target: String, scenario: &str, thresholds: &str) -> Report {
    let scenario = Scenario::parse(
        Path::new("cheats.toml"),
        &format!("{scenario}\n[thresholds]\n{thresholds}\n"),
    )
    .unwrap();
    let target = Target::started_here(&target, &scenario.connections).unwrap();
    experiment::run(
        &scenario,
        &options(target),
        &Interrupt::listen().unwrap(),
        &mut Silent,
    )
    .await
    .unwrap()
    .report
}

/// Of a server that runs already.
fn options(target: Target) -> Options {
    Options {
        client: None,
        store: StoreChoice::Auto,
        mongo_image: String::new(),
        target: Some(target),
        target_version: None,
        target_command: None,
        system: SystemChoice::Own(None),
        peers: None,
        audit: None,
        workers: Some(1),
        cpus: Vec::new(),
        // These machines are shared, and the faults are mechanisms, not speeds.
        machine_check: false,
        floor: None,
        command: Vec::new(),
        labels: BTreeMap::new(),
    }
}

/// The checks that a cheat fails. Latency is not judged: these machines are shared.
async fn caught(fault: Fault) -> Vec<Check> {
    caught_in(SCENARIO, fault).await
}

async fn caught_in(scenario: &str, fault: Fault) -> Vec<Check> {
    caught_speaking(scenario, fault, Speech::default()).await.0
}

/// The checks that are failed by a cheat that speaks so, and the report. How many messages may fail is not judged.
async fn caught_speaking(scenario: &str, fault: Fault, speech: Speech) -> (Vec<Check>, Report) {
    let cheat = Cheat::start(fault, speech).await;
    let report = report_on(cheat.url.clone(), scenario, "\"failed\" = \">= 0\"").await;
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
    let checks = run.findings.iter().map(|finding| finding.check).collect();
    (checks, report)
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
    a_missing_copy_of_the_senders_is_no_loss_to_others: WithholdsTheEcho => [EchoMissing];
    a_doubled_delivery_is_a_duplicate: Doubles => [Duplicated];
    two_of_a_senders_messages_swapped_are_reordered: SwapsOfOneSender => [Reordered];
    a_swap_for_one_member_is_a_disagreement: SwapsForOneMember => [OrderDisagrees];
    a_delivery_to_a_stranger_is_cross_talk: DeliversToAStranger => [CrossDelivered];
    a_confirmation_without_a_save_is_found_in_the_store: ConfirmsWithoutSaving => [ConfirmedNotStored];
    a_failure_that_was_saved_is_found_in_the_store: SavesAndFails => [FailedButStored];
    a_failure_that_is_still_to_be_taken_out_of_the_store_is_waited_for: SettlesWhenAsked => [];
    a_failure_is_waited_for_though_one_answer_comes_late: SettlesAfterASilence => [];
    a_second_confirmation_is_a_double_end: ConfirmsTwice => [EndTwice];
    a_message_without_an_end_is_missed: NeverEnds => [EndMissing];
    a_confirmation_before_the_delivery_is_early: ConfirmsEarly => [EndEarly];
    an_end_of_an_unknown_message_is_an_orphan: FailsUnderAnotherId => [EndOrphaned];
    a_changed_body_is_found: ChangesABody => [ContentChanged];
    two_ids_of_one_message_differ: DisagreesOnTheId => [IdDiffers];
    a_second_document_is_found_in_the_store: SavesTwice => [StoredTwice];
    another_body_is_found_in_the_store: SavesAnotherBody => [ConfirmedNotStored];
    another_sender_is_found_in_the_store: SavesAnotherSender => [ConfirmedNotStored];
    another_conversation_is_found_in_the_store: SavesAnotherConversation => [ConfirmedNotStored];
    what_is_stored_as_another_kind_is_found_there: SavesAsAnotherKind => [ConfirmedNotStored];
    what_is_stored_as_both_kinds_is_found_there: SavesAsBothKinds => [ConfirmedNotStored];
    an_acknowledgement_of_another_message_differs: AcksAnotherId => [IdDiffers];
    an_acknowledgement_of_no_message_is_unexpected: AcksNoId => [Unexpected];
    a_server_that_is_silent_at_first_is_asked_again: IsSilentAtFirst => [];
    a_room_that_stays_is_left_behind: LeaksARoom => [StateLeft];
    an_acknowledgement_that_never_comes_is_missed: ForgetsAnAck => [AckWrong];
}

macro_rules! each_that_speaks_is_caught_by {
    ($($name:ident: $fault:ident, $speech:ident, $channels:literal => [$($check:ident),*];)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let expected: &[Check] = &[$(Check::$check),*];
            let scenario = speaking(SCENARIO, $speech, $channels);
            let (checks, report) = caught_speaking(&scenario, Fault::$fault, $speech).await;
            assert_eq!(checks, expected);
            assert!(report.runs[0].totals.delivered > 500, "{:?}", report.runs[0].totals);
        }
    )*};
}

each_that_speaks_is_caught_by! {
    a_correct_server_of_channels_passes: None, READMES, true => [];
    a_correct_server_of_the_other_dialect_passes: None, REFERENCES, false => [];
    a_correct_server_of_channels_in_the_other_dialect_passes: None, REFERENCES, true => [];
    a_correct_server_that_saves_first_passes: None, SAVES_FIRST, false => [];
    what_is_taken_and_swallowed_is_lost: Swallows, READMES, false => [Lost, EchoMissing, ConfirmedNotStored];
    another_sender_is_found_in_the_store_that_comes_first: SavesAnotherSender, SAVES_FIRST, true => [ConfirmedNotStored];
    what_is_stored_as_both_kinds_is_found_of_channels: SavesAsBothKinds, REFERENCES, true => [ConfirmedNotStored];
    an_acknowledgement_of_no_message_is_unexpected_after_the_save: AcksNoId, SAVES_FIRST, true => [Unexpected];
    what_is_confirmed_and_swallowed_is_lost: SwallowsAndConfirms, REFERENCES, true => [Lost, EchoMissing];
    what_is_saved_and_confirmed_and_denied_contradicts_itself: DeniesAndConfirms, READMES, false => [AnswersContradict];
    what_fails_with_success_contradicts_itself: FailsWithSuccess, READMES, true => [AnswersContradict];
    what_is_confirmed_to_some_contradicts_itself: ConfirmsToSome, REFERENCES, true => [AnswersContradict];
    a_refusal_is_no_broken_promise_of_delivery: Refuses, READMES, false => [];
    a_refusal_before_the_save_is_none_either: Refuses, SAVES_FIRST, true => [];
    a_refusal_that_is_delivered_contradicts_itself: RefusesAndDelivers, SAVES_FIRST, false => [AnswersContradict];
    a_refusal_that_is_delivered_and_confirmed_does_too: RefusesAndDelivers, READMES, true => [AnswersContradict];
    the_senders_event_is_not_for_others: OthersGetSent, REFERENCES, false => [WrongEvent];
    the_others_event_is_not_for_the_sender: SenderGetsReceived, REFERENCES, true => [WrongEvent];
    a_confirmation_by_the_event_of_a_channel_is_none_of_a_room: ConfirmsByAnotherKind, READMES, false => [WrongEvent];
    a_failure_by_the_event_of_a_room_is_none_of_a_channel: FailsByAnotherKind, REFERENCES, true => [WrongEvent];
    a_delivery_under_another_name_is_found: NamesAnotherSender, READMES, false => [WrongSender];
    a_delivery_whose_sender_is_a_number_is_found: NamesNoSender, REFERENCES, true => [WrongSender];
    a_delivery_of_what_is_saved_under_another_name_is_found: ConfirmsAnotherSender, SAVES_FIRST, true => [WrongSender];
    a_confirmation_under_another_name_is_found: ConfirmsAnotherSender, READMES, false => [WrongSender];
}

/// Of one message in fifty, or of all, nothing is saved: the number alone decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_a_broken_promise_unless_the_scenario_allows_it() {
    for speech in [READMES, SAVES_FIRST] {
        let scenario = speaking(SCENARIO, speech, false);
        for (thresholds, verdict) in [
            ("\"duplicated\" = \"== 0\"", Verdict::Fail),
            ("\"failed\" = \"<= 100000\"", Verdict::Pass),
        ] {
            let cheat = Cheat::start(Fault::FailsEverySave, speech).await;
            let report = report_on(cheat.url, &scenario, thresholds).await;
            let run = &report.runs[0];
            assert_eq!(report.verdict, verdict, "{:?}", report.reasons);
            assert_eq!(run.findings, []);
            assert_eq!(run.totals.failed, run.totals.sent);
            assert_eq!(run.totals.refused, run.totals.sent);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_told_in_the_servers_own_words() {
    for speech in [READMES, SAVES_FIRST] {
        let scenario = speaking(SCENARIO, speech, false);
        let cheat = Cheat::start(Fault::Refuses, speech).await;
        let report = report_on(cheat.url, &scenario, "\"lost\" = \"== 0\"").await;
        let run = &report.runs[0];
        assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
        let refused = run.totals.sent / EVERY;
        assert_eq!((run.totals.refused, run.totals.failed), (refused, refused));
        assert_eq!(run.refusals.len(), 1);
        assert_eq!(run.refusals[0].words, "You are \\u{1b}blocked");
        assert_eq!(run.refusals[0].count, refused);
        let said = format!(
            "failed == 0: {refused}; {refused} refused: \"You are \\u{{1b}}blocked\" × {refused}"
        );
        assert_eq!(report.reasons[0].to_string(), said);
        // Nobody was owed what was refused.
        assert_eq!(run.totals.delivered, run.totals.expected);
        assert_eq!(run.totals.expected, run.totals.sent - refused);
    }
}

/// Where one order for all is not promised, two members who disagree blame nobody; what one sender sends stays in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_order_is_checked_where_it_is_promised_and_the_report_says_where_not() {
    let apart = format!("{SCENARIO}\n[server]\none_order = false\n");
    let (checks, report) =
        caught_speaking(&apart, Fault::SwapsForOneMember, Speech::default()).await;
    assert_eq!(checks, []);
    let document = Document::of(&report).unwrap();
    for format in [Format::Markdown, Format::Html] {
        let text = format.render(&document, Choice::default()).unwrap();
        assert!(
            text.contains("this server promises no one order for all members"),
            "{format:?}"
        );
    }
    assert_eq!(
        caught_in(&apart, Fault::SwapsOfOneSender).await,
        [Check::Reordered]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_told_beside_what_it_missed() {
    let checks = caught(Fault::CutsAConnection).await;
    assert!(checks.contains(&Check::ConnectionLost), "{checks:?}");
    assert!(checks.contains(&Check::Lost), "{checks:?}");
}

/// What it acknowledged is held against the store, though nobody was ever told the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_and_dies_with_its_server_is_not_stored() {
    let report = report_of(
        SCENARIO,
        Fault::DiesBetweenAckAndSave,
        "\"failed\" = \"== 0\"",
    )
    .await;
    let findings = &report.runs[0].findings;
    assert!(
        findings
            .iter()
            .any(|finding| finding.check == Check::ConnectionLost),
        "{findings:?}"
    );
    let mut stored = findings.iter();
    let stored = stored.find(|finding| finding.check == Check::ConfirmedNotStored);
    let stored = stored.unwrap();
    assert_eq!(stored.count, 1);
    assert_eq!(stored.examples[0].note.as_deref(), Some("no document"));
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
}

/// The official client's parser throws, and its manager closes the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_whose_end_is_no_json_violates_the_protocol() {
    let report = report_of(SCENARIO, Fault::BreaksTheJson, "\"failed\" = \"== 0\"").await;
    let findings = &report.runs[0].findings;
    let mut violated = findings.iter();
    let violated = violated.find(|finding| finding.check == Check::ProtocolViolated);
    let note = violated.unwrap().examples[0].note.as_deref().unwrap();
    assert!(note.contains("an event that is no JSON"), "{note}");
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
}

/// What a user would have got, and would have been answered, after this program ended its connection is nobody's to lose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_generator_ends_itself_is_told_and_nothing_is_lost_by_it() {
    for (fault, check, words) in [
        (
            Fault::SendsNoPacket,
            Check::ProtocolViolated,
            "against the protocol: unexpected packet \"no packet\"",
        ),
        (
            Fault::ForgetsAHeartbeat,
            Check::ConnectionLost,
            "no heartbeat came",
        ),
    ] {
        let report = report_of(SCENARIO, fault, "\"failed\" = \"== 0\"").await;
        let run = &report.runs[0];
        let findings: Vec<_> = run
            .findings
            .iter()
            .map(|one| (one.check, one.count))
            .collect();
        assert_eq!(findings, [(check, 1)], "{:?}", run.findings);
        let note = run.findings[0].examples[0].note.as_deref().unwrap();
        assert!(
            note.starts_with("closed by this program") && note.contains(words),
            "{note}"
        );
        assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
        assert!(run.totals.delivered > 500, "{:?}", run.totals);
    }
}

/// A frame may be as long as its server likes; what is not read here is not known, and nobody's fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_generator_reads_is_no_fault_and_no_pass() {
    let report = report_of(SCENARIO, Fault::SendsTooMuch, "\"failed\" = \"== 0\"").await;
    let run = &report.runs[0];
    assert_eq!(run.findings, []);
    assert_eq!(
        report.verdict,
        Verdict::Inconclusive,
        "{:?}",
        report.reasons
    );
    let reasons: Vec<String> = report.reasons.iter().map(ToString::to_string).collect();
    assert!(
        reasons.iter().any(
            |reason| reason.contains("1 connection went unheard") && reason.contains("16 MiB")
        ),
        "{reasons:?}"
    );
}

/// Who answered before the run and no longer does may have kept anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_no_longer_says_who_is_there_does_not_pass() {
    let report = report_of(SCENARIO, Fault::FallsSilent, "\"failed\" = \"== 0\"").await;
    let run = &report.runs[0];
    assert!(run.audited, "the store was not looked up");
    assert_eq!(run.findings, []);
    assert_eq!(
        report.verdict,
        Verdict::Inconclusive,
        "{:?}",
        report.reasons
    );
    let said = "who is left on the server is not known: it no longer says so";
    let mut reasons = report.reasons.iter();
    assert!(
        reasons.any(|reason| reason.to_string() == said),
        "{:?}",
        report.reasons
    );
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
