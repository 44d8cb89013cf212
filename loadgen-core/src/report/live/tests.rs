//! A run that goes on, as its page and its metrics tell of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::*;
use crate::{
    judge::Messages,
    observed::{FaultSeen, MachineSecond, Samples, recorder::Limits},
};

/// Ten messages and twenty deliveries each second, all of them after 1 ms; one second in 97 is disturbed.
pub struct Steady {
    samples: Arc<Samples>,
    machine: Arc<Vec<MachineSecond>>,
}

impl Default for Steady {
    fn default() -> Self {
        Self {
            samples: Arc::new(Samples::new(&Limits::of([]))),
            machine: Arc::default(),
        }
    }
}

impl Steady {
    /// What there is at the end of a second, of which none was before the last that was asked for.
    pub fn at(&mut self, second: u64) -> Snapshot {
        let samples = Arc::make_mut(&mut self.samples);
        let more = 20 * second - samples.histogram.len();
        samples.histogram.saturating_record_n(1_000_000, more);
        samples.within[0] += more;
        Arc::make_mut(&mut self.machine).resize_with(second as usize, MachineSecond::default);
        for (nth, machine) in Arc::make_mut(&mut self.machine).iter_mut().enumerate() {
            machine.disturbed = nth % 97 == 5;
        }
        Snapshot {
            phase: "steady".into(),
            elapsed: Duration::from_secs(second),
            total: Some(Duration::from_secs(10_000)),
            connected: 30,
            users: 30,
            messages: Messages {
                sent: 10 * second,
                acknowledged: 9 * second,
                ..Messages::default()
            },
            rate: 10.0,
            delivered: 20 * second,
            duplicated: 0,
            lost: Some(0),
            late: Some(0),
            so_far: Some(Verdict::Pass),
            limits: vec![SoFar {
                threshold: "delivery.p99 < 5ms".to_owned(),
                verdict: Some(Verdict::Pass),
                measured: "1.00 ms (n = 20)".to_owned(),
            }],
            p50: Some(1_000_000),
            p99: None,
            deliveries: Some(Arc::clone(&self.samples)),
            machine: Arc::clone(&self.machine),
            faults: Vec::new(),
        }
    }
}

fn turn(purpose: Purpose) -> Turn {
    Turn {
        scenario: "soak <all>".to_owned(),
        question: "Does it last?".to_owned(),
        mode: "optimistic".to_owned(),
        mode_key: "optimistic",
        store: "memory".to_owned(),
        purpose,
        limit: 5_000_000,
    }
}

/// A run after so many seconds.
fn after(seconds: u64) -> View {
    let mut view = View::new(BTreeMap::from([("build".to_owned(), "a \"b\"".to_owned())]));
    view.turn(turn(Purpose::Subject));
    let mut run = Steady::default();
    for second in 0..=seconds {
        view.snapshot(run.at(second));
    }
    view
}

/// The value of a sample, by the text before it.
fn value(metrics: &str, sample: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample))?;
    line.trim().parse().ok()
}

const RUN: &str = "scenario=\"soak <all>\",delivery=\"optimistic\",label_build=\"a \\\"b\\\"\"";

#[test]
fn before_anything_is_measured_there_is_a_page_and_no_number() {
    let view = View::default();
    assert!(view.page().unwrap().contains("<strong>measuring</strong>"));
    assert_eq!(view.metrics(), "");
}

#[test]
fn the_page_says_where_the_run_is_and_draws_what_there_was() {
    let page = after(20).page().unwrap();
    for told in [
        "<title>live: soak &#60;all&#62;</title>",
        "<p class=\"question\">Does it last?</p>",
        "<strong>PASS so far</strong>",
        "<p>steady: 2 h 46 min left of 2 h 46 min</p>",
        "<span>messages sent</span><b>200</b>",
        "<span>seconds disturbed by others</span><b>1 of 20</b>",
        "<code>delivery.p99 &#60; 5ms</code>",
        "When deliveries were slow",
        "second 19: 20 deliveries",
        "Load over time",
        "delivery latency, intended send → receipt by a recipient (n = 400)",
        "connect-src &#39;self&#39;",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
}

#[test]
fn a_floor_is_shown_and_not_counted() {
    let mut view = after(5);
    let before = view.metrics();
    view.turn(turn(Purpose::Floor));
    view.snapshot(Steady::default().at(3));
    let sample = format!("loadgen_messages_total{{{RUN},state=\"sent\"}}");
    assert_eq!(value(&view.metrics(), &sample), value(&before, &sample));
    let state = view.state().unwrap();
    assert!(
        state.contains("the floor: the same load against a bare relay") && state.contains("<code>"),
        "{state}"
    );
    // What was measured before is still drawn.
    let charts = view.charts().unwrap();
    assert!(charts.contains("second 4: 20 deliveries") && charts.contains("(n = 100)"));
}

#[test]
fn counters_go_on_where_the_same_is_measured_again() {
    let mut view = after(5);
    view.turn(turn(Purpose::Subject));
    view.snapshot(Steady::default().at(2));
    let metrics = view.metrics();
    for (sample, count) in [
        (
            format!("loadgen_messages_total{{{RUN},state=\"sent\"}}"),
            70.0,
        ),
        (
            format!("loadgen_messages_total{{{RUN},state=\"acknowledged\"}}"),
            63.0,
        ),
        (
            format!("loadgen_deliveries_total{{{RUN},state=\"delivered\"}}"),
            140.0,
        ),
        (
            format!("loadgen_delivery_seconds_bucket{{{RUN},le=\"0.0005\"}}"),
            0.0,
        ),
        (
            format!("loadgen_delivery_seconds_bucket{{{RUN},le=\"0.005\"}}"),
            140.0,
        ),
        (
            format!("loadgen_delivery_seconds_bucket{{{RUN},le=\"+Inf\"}}"),
            140.0,
        ),
        (format!("loadgen_delivery_seconds_count{{{RUN}}}"), 140.0),
    ] {
        assert_eq!(value(&metrics, &sample), Some(count), "{sample}: {metrics}");
    }
    let sum = value(&metrics, &format!("loadgen_delivery_seconds_sum{{{RUN}}}")).unwrap();
    assert!((sum - 0.14).abs() < 0.001, "{sum}");
}

#[test]
fn metrics_tell_of_the_run_that_goes_on() {
    let metrics = after(20).metrics();
    assert!(metrics.ends_with('\n') && !metrics.contains("# EOF") && !metrics.contains("# UNIT"));
    let scenario = "scenario=\"soak <all>\",label_build=\"a \\\"b\\\"\"";
    for (sample, count) in [
        (format!("loadgen_run_info{{{RUN},store=\"memory\"}}"), 1.0),
        (format!("loadgen_windows{{{RUN},state=\"disturbed\"}}"), 1.0),
        (
            format!("loadgen_verdict{{{scenario},loadgen_verdict=\"PASS\"}}"),
            1.0,
        ),
        (
            format!("loadgen_verdict{{{scenario},loadgen_verdict=\"FAIL\"}}"),
            0.0,
        ),
        (format!("loadgen_users_connected{{{RUN}}}"), 30.0),
        (format!("loadgen_deliveries_missing{{{RUN}}}"), 0.0),
        (format!("loadgen_elapsed_seconds{{{RUN}}}"), 20.0),
        (format!("loadgen_schedule_seconds{{{RUN}}}"), 10_000.0),
    ] {
        assert_eq!(value(&metrics, &sample), Some(count), "{sample}: {metrics}");
    }
}

#[test]
fn only_the_last_of_what_was_told_is_kept() {
    let mut view = View::default();
    for nth in 0..100 {
        view.notice(format!("notice <{nth}>"));
    }
    let state = view.state().unwrap();
    assert_eq!(state.matches("notice").count(), NOTICES);
    assert!(state.contains("notice &#60;99&#62;"), "{state}");
}

#[test]
fn faults_have_a_lane_from_their_beginning_on_and_are_told_while_they_are_on() {
    let mut view = View::new(BTreeMap::new());
    view.turn(turn(Purpose::Subject));
    let mut run = Steady::default();
    let mut shown = |second: u64, end: Option<u64>| {
        let mut snapshot = run.at(second);
        snapshot.faults = ["slow-db", "later"].map(FaultSeen::of).into();
        snapshot.faults[0].start = Some(4_000_000_000);
        snapshot.faults[0].end = end;
        view.snapshot(snapshot);
        (view.state().unwrap(), view.charts().unwrap())
    };
    for second in 0..6 {
        shown(second, None);
    }
    let (state, charts) = shown(6, None);
    assert!(
        state.contains("Inside of slow-db: limits on the whole run"),
        "{state}"
    );
    assert!(charts.contains("inside of the fault slow-db"), "{charts}");
    assert!(
        charts.contains("inside of a fault: slow-db"),
        "the load has it too"
    );
    assert!(charts.contains("second 5: 20 deliveries") && charts.contains(", inside of slow-db"));
    assert!(!charts.contains("later"));
    let (state, charts) = shown(9, Some(7_000_000_000));
    assert!(!state.contains("Inside of"), "{state}");
    assert!(charts.contains("inside of the fault slow-db"));
}
