//! Cheats among comings and goings: what is nobody's to miss then, and what is found all the same.

use std::path::Path;

use loadgen::{
    judge::{Check, Verdict},
    plan::Plan,
    scenario::Scenario,
};

use crate::{
    READMES, REFERENCES, SAVES_FIRST, caught_in, caught_speaking, fault::Fault, report_on,
    server::Cheat, speaking,
};

/// A run of people who come and go.
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

/// Six users who wait for each answer, and who come and go.
const TALK: &str = r#"version = 1
name = "talk"
question = "Does everybody go on talking?"
seed = 5
drain = "2s"
population = { users = 6, rooms = 6 }
behaviour = { away = "50ms-100ms" }

[[phases]]
name = "talk"
duration = "10s"
think_time = "10ms-20ms"
reconnects = "6/s"
"#;

/// The first attempt to come back meets a network that is still cut; long after, some leave.
const COME_BACK: &str = r#"version = 1
name = "come-back"
question = "Is it found out after a fault?"
seed = 5
drain = "5s"
population = { users = 12, rooms = 12 }

[[phases]]
name = "broken"
duration = "8s"
rate = "40/s"

[[phases]]
name = "leave"
duration = "3s"
rate = "200/s"
leaves = "3/s"

[[faults]]
name = "cut"
at = "1s"
for = "2s"
kind = "network-cut"
"#;

/// Users who come and go until the end, in a run that waits longer for them than any answer may take.
const LATE: &str = r#"version = 1
name = "late"
question = "Is it missed what was never answered at the end?"
seed = 5
drain = "6s"
population = { users = 12, rooms = 6 }
behaviour = { away = "50ms-100ms" }

[[phases]]
name = "talk"
duration = "3s"
rate = "40/s"
rejoins = "2/s"
"#;

/// Half of the clients are cut off, and come back.
const STORM: &str = r#"version = 1
name = "storm"
question = "Does everybody come back?"
seed = 5
drain = "15s"
population = { users = 12, rooms = 6 }

[[phases]]
name = "talk"
duration = "6s"
rate = "40/s"

[[faults]]
name = "storm"
at = "1s"
for = "2s"
kind = "clients-disconnect"
share = "50%"
"#;

/// `CHURN_RUNS` runs, each with another seed; three where it does not say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_a_correct_server_passes_while_people_come_and_go() {
    let runs = std::env::var("CHURN_RUNS").map_or(3, |runs| runs.parse().unwrap());
    let speeches = [READMES, REFERENCES, SAVES_FIRST].into_iter().cycle();
    let scenarios = (0_u64..).zip(speeches).filter_map(|(seed, speech)| {
        let scenario = CHURN.replace("seed = 5", &format!("seed = {seed}"));
        let scenario = speaking(&scenario, speech, false);
        let plan = Scenario::parse(Path::new("churn.toml"), &scenario).unwrap();
        // With some seeds everybody is away at some time.
        Plan::new(&plan).is_ok().then_some((seed, scenario, speech))
    });
    for (seed, scenario, speech) in scenarios.take(runs) {
        let (checks, report) = caught_speaking(&scenario, Fault::None, speech).await;
        assert_eq!(checks, [], "seed {seed}: {:?}", report.runs[0].findings);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_who_has_left_and_still_gets_messages_is_cross_talk_and_no_sample() {
    let (checks, report) = caught_speaking(CHURN, Fault::KeepsWhoLeft, READMES).await;
    assert_eq!(checks, [Check::CrossDelivered]);
    let run = &report.runs[0];
    let strays = run.findings[0].count;
    // Whoever is in the grey zone may have got it, and then it is a sample.
    assert!(strays > run.grey, "{strays} beside {} grey", run.grey);
    let samples = run.metrics[0].n + run.unread;
    assert!(samples <= run.totals.delivered + run.grey, "{samples}");
}

/// An acknowledgement, however late, and an end prove that the server has handled a message: only who went just then is
/// not owed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_what_is_swallowed_among_comings_and_goings_is_counted_fully() {
    for fault in [
        Fault::Swallows,
        Fault::SwallowsAndConfirms,
        Fault::SwallowsAndAcksLate,
    ] {
        let cheat = Cheat::start(fault, READMES).await;
        let report = report_on(cheat.url.clone(), CHURN, "\"failed\" = \"== 0\"").await;
        let run = &report.runs[0];
        assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
        let checks: Vec<Check> = run.findings.iter().map(|finding| finding.check).collect();
        let confirmed = fault == Fault::SwallowsAndConfirms;
        let wanted = [Check::Lost, Check::EchoMissing, Check::ConfirmedNotStored];
        assert_eq!(checks, wanted[..3 - usize::from(confirmed)], "{fault:?}");
        let (lost, swallowed) = (run.totals.lost, cheat.swallowed());
        assert!(swallowed > 10, "{swallowed}");
        assert!(lost <= swallowed, "{lost} of {swallowed}");
        assert!(
            lost * 10 >= swallowed * 8,
            "{fault:?}: {lost} of {swallowed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_a_lost_delivery_is_found_among_comings_and_goings() {
    assert_eq!(caught_in(CHURN, Fault::Drops).await, [Check::Lost]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_waits_for_no_answer_of_before_in_a_closed_phase() {
    let cheat = Cheat::start(Fault::ForgetsAnAck, READMES).await;
    let report = report_on(cheat.url.clone(), TALK, "\"failed\" = \">= 0\"").await;
    let sent = report.runs[0].totals.sent;
    // Each answer that never comes has one of the six wait until it is away: without that they are silent after 300.
    assert!(sent > 400, "{sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_who_came_back_at_the_second_attempt_and_leaves_is_out() {
    let cheat = Cheat::start(Fault::KeepsWhoLeft, READMES).await;
    let report = report_on(cheat.url.clone(), COME_BACK, "\"failed\" = \">= 0\"").await;
    let findings = &report.runs[0].findings;
    let mut checks = findings.iter().map(|finding| finding.check);
    assert!(
        checks.any(|check| check == Check::CrossDelivered),
        "{findings:?}"
    );
}

/// Nothing else misses an answer that never comes: who waits for it is in the grey zone, and would have waited for longer than
/// the run lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_what_a_server_leaves_unanswered_at_the_end_is_told() {
    let reconnects = LATE.replace("rejoins", "reconnects");
    for (fault, scenario, said) in [
        (
            Fault::ForgetsLateJoins,
            LATE,
            "its join (`joinRoom`) was not answered within ",
        ),
        (
            Fault::HangsWhoComesBack,
            &reconnects,
            "could not connect: no answer within ",
        ),
    ] {
        let (checks, report) = caught_speaking(scenario, fault, READMES).await;
        let finding = &report.runs[0].findings[0];
        assert_eq!(checks, [Check::ConnectionLost], "{finding:?}");
        assert!(finding.count > 1, "{finding:?}");
        let notes = finding.examples.iter();
        let mut notes = notes.filter_map(|example| example.note.as_deref());
        assert!(notes.all(|note| note.starts_with(said)), "{finding:?}");
    }
    for scenario in [LATE, &reconnects] {
        assert_eq!(caught_in(scenario, Fault::None).await, []);
    }
}

/// As the official client does, those whom the scenario itself cut off try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_after_a_fault_of_clients_tries_again() {
    let (checks, report) = caught_speaking(STORM, Fault::RefusesWhoComesBack, READMES).await;
    assert_eq!(checks, [], "{:?}", report.runs[0].findings);
    let fault = &report.runs[0].faults[0];
    assert!(fault.proof.is_some(), "{fault:?}");
}

/// Its end is as little for somebody who had left as the message is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_who_has_left_and_still_gets_confirmations_is_cross_talk() {
    let (checks, report) = caught_speaking(CHURN, Fault::ConfirmsToWhoLeft, READMES).await;
    assert_eq!(checks, [Check::CrossDelivered]);
    let examples = &report.runs[0].findings[0].examples;
    let said = "who had left before it was sent";
    let mut notes = examples.iter().filter_map(|one| one.note.as_deref());
    assert!(notes.all(|note| note.ends_with(said)), "{examples:?}");
}
