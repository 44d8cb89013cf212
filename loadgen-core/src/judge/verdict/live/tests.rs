//! Thresholds that end a run, on constructed seconds of it.

use std::path::Path;

use super::*;
use crate::observed::{DeliverySample, Recorder};

const MS: Nanos = 1_000_000;
const SECOND: Nanos = WINDOW;

/// Two phases, a warm-up of 2 s and 10 s that are measured.
fn scenario() -> Scenario {
    let text = r#"version = 1
name = "live"
question = "Does it end?"
drain = "3s"
population = { users = 4, rooms = 2 }

[[phases]]
name = "warm-up"
duration = "2s"
rate = "10/s"
measured = false

[[phases]]
name = "steady"
duration = "10s"
rate = "10/s"
"#;
    Scenario::parse(Path::new("live.toml"), text).unwrap()
}

/// With a threshold or more.
fn live(thresholds: &str, of_phase: &str) -> Live {
    let mut scenario = scenario();
    let parse = |lines: &str| -> Vec<Threshold> {
        lines
            .lines()
            .map(|line| {
                let [key, condition, after] =
                    line.split('|').map(str::trim).collect::<Vec<_>>()[..]
                else {
                    panic!("{line}");
                };
                let mut threshold = crate::observed::recorder::tests::threshold(key, condition);
                threshold.abort_after = Some(humantime::parse_duration(after).unwrap());
                threshold
            })
            .collect()
    };
    scenario.thresholds = parse(thresholds);
    scenario.phases[1].thresholds = parse(of_phase);
    Live::of(&scenario, &Plan::new(&scenario).unwrap())
}

/// What a worker shows after each second, 2,000 deliveries in each: the latency of these seconds, in order.
struct Worker {
    recorder: Recorder,
    shown: Vec<Samples>,
    second: Nanos,
    /// What is seen of faults so far.
    faults: Vec<FaultSeen>,
}

impl Worker {
    fn new(live: &Live) -> Self {
        let mut recorder = Recorder::new(Arc::clone(&live.layout));
        recorder.begin(0);
        Self {
            recorder,
            shown: Vec::new(),
            second: 0,
            faults: Vec::new(),
        }
    }

    /// A second passes; what the run's end is then, if it ends.
    fn second(
        &mut self,
        live: &mut Live,
        latency: Nanos,
        counts: &Counts,
        machine: &[bool],
    ) -> Option<String> {
        for index in 0..2_000 {
            let intended = self.second * SECOND + index * (SECOND / 2_000);
            self.recorder.record_delivery(DeliverySample {
                intended,
                received: intended + latency,
                phase: 1,
                members: 2,
            });
        }
        self.second += 1;
        self.recorder.publish(&mut self.shown);
        let elapsed = self.second * SECOND + 150 * MS;
        assert!(live.is_due(elapsed));
        let machine: Vec<_> = machine
            .iter()
            .map(|&disturbed| MachineSecond {
                disturbed,
                ..MachineSecond::default()
            })
            .collect();
        let missed = live.look(elapsed, &self.shown, counts, &machine, &self.faults);
        assert!(!live.is_due(elapsed), "looked at once a second");
        missed
    }
}

/// After how many seconds a run ends with these latencies, and why.
fn ends(live: &mut Live, latencies: &[Nanos], disturbed: &[bool]) -> Option<(usize, String)> {
    let mut worker = Worker::new(live);
    let mut seconds = latencies.iter().enumerate();
    seconds.find_map(|(second, &latency)| {
        let machine = disturbed.get(..=second).unwrap_or_default();
        let why = worker.second(live, latency, &Counts::default(), machine)?;
        Some((second + 1, why))
    })
}

#[test]
fn a_miss_ends_the_run_and_says_by_what() {
    let mut live = live("delivery.p99 | < 5ms | 1s", "");
    let (after, why) = ends(&mut live, &[MS, MS, 9 * MS], &[]).unwrap();
    assert_eq!(after, 3);
    assert!(
        why.starts_with("aborted after 3 s: delivery.p99 < 5ms: 9.")
            && why.ends_with("ms (n = 6,000)"),
        "{why}"
    );
}

#[test]
fn the_delay_counts_from_the_first_measured_phase() {
    let mut live = live("delivery.p99 | < 5ms | 2s", "");
    // Measured from the second second on, and two more: the fourth look.
    let (after, _) = ends(&mut live, &[9 * MS; 8], &[]).unwrap();
    assert_eq!(after, 4);
}

#[test]
fn what_is_kept_does_not_end_a_run() {
    let mut live = live("delivery.within_5ms | >= 99% | 0s\ndropped | == 0 | 0s", "");
    assert_eq!(ends(&mut live, &[MS; 8], &[]), None);
}

#[test]
fn rule_06_the_largest_ends_a_run_by_the_exact_count_over_its_limit() {
    // Of a histogram, its bucket ends beyond the limit.
    let mut kept = live("delivery.max | < 1s | 0s", "");
    assert_eq!(ends(&mut kept, &[SECOND - 100_000; 4], &[]), None);
    let mut missed = live("delivery.max | < 1s | 0s", "");
    assert!(ends(&mut missed, &[SECOND; 4], &[]).is_some());
}

#[test]
fn too_few_samples_end_nothing() {
    let mut live = live("delivery.p99.99 | < 5ms | 0s", "");
    assert_eq!(ends(&mut live, &[9 * MS; 8], &[]), None);
}

#[test]
fn a_phase_has_its_own_samples_and_its_own_name() {
    let mut live = live("", "delivery.within_5ms | >= 99% | 1s");
    let (after, why) = ends(&mut live, &[9 * MS; 8], &[]).unwrap();
    assert_eq!(after, 3);
    assert!(
        why.contains("delivery.within_5ms >= 99% (phase steady): 0.00 % (n = 6,000)"),
        "{why}"
    );
}

#[test]
fn rule_10_a_second_that_others_had_the_machine_ends_no_run() {
    let mut live = live("delivery.max | < 5ms | 0s", "");
    let slow_third = [MS, MS, 9 * MS, MS, MS];
    let disturbed = [false, false, true, false, false];
    assert_eq!(ends(&mut live, &slow_third, &disturbed), None);
}

#[test]
fn a_run_without_thresholds_is_told_by_the_promise_which_ends_nothing() {
    let mut live = live("", "");
    let mut worker = Worker::new(&live);
    for _ in 0..8 {
        let ends = worker.second(&mut live, 9 * MS, &Counts::default(), &[]);
        assert_eq!(ends, None);
    }
    let limits = live.limits(&worker.shown, &Counts::default(), None);
    assert_eq!(limits.len(), 1, "{limits:?}");
    assert_eq!(limits[0].threshold, "delivery.within_5ms >= 99%");
    assert_eq!(limits[0].verdict, Some(Verdict::Fail));
}

#[test]
fn a_baseline_is_not_looked_at() {
    let scenario = scenario();
    assert!(!Live::nothing(&scenario).is_due(100 * SECOND));
}

#[test]
fn counts_end_a_run_too() {
    let mut live = live("duplicated | == 0 | 0s", "");
    let mut worker = Worker::new(&live);
    let none = Counts::default();
    for _ in 0..3 {
        assert_eq!(worker.second(&mut live, MS, &none, &[]), None);
    }
    let twice = Counts {
        duplicated: 2,
        ..none
    };
    let why = worker.second(&mut live, MS, &twice, &[]).unwrap();
    assert_eq!(why, "aborted after 4 s: duplicated == 0: 2");
}

#[test]
fn so_far_a_limit_is_kept_or_missed_or_has_too_few_samples() {
    let mut live = live("delivery.p99 | < 5ms | 1h\nduplicated | == 0 | 1h", "");
    let none = Counts::default();
    let so_far = |live: &Live, shown: &[Samples]| live.so_far(shown, &none, Some(0)).unwrap();
    assert_eq!(so_far(&live, &[]), Verdict::Inconclusive);
    let mut worker = Worker::new(&live);
    worker.second(&mut live, MS, &none, &[]);
    assert_eq!(live.late(&worker.shown), Some(0));
    assert_eq!(so_far(&live, &worker.shown), Verdict::Pass);
    let doubled = Counts {
        duplicated: 1,
        ..none
    };
    let fails = |counts, lost| live.so_far(&worker.shown, counts, lost) == Some(Verdict::Fail);
    assert!(fails(&doubled, Some(0)) && fails(&none, Some(1)) && !fails(&none, None));
    worker.second(&mut live, 9 * MS, &none, &[]);
    assert_eq!(live.late(&worker.shown), Some(2_000));
    assert_eq!(so_far(&live, &worker.shown), Verdict::Fail);
}

/// What is said after these seconds, each of which was disturbed or not.
fn said(thresholds: &str, seconds: &[(Nanos, bool)], counts: Counts) -> (Verdict, SoFar) {
    let mut live = live(thresholds, "");
    let mut worker = Worker::new(&live);
    let disturbed: Vec<bool> = seconds.iter().map(|second| second.1).collect();
    for (second, (latency, _)) in seconds.iter().enumerate() {
        let machine = &disturbed[..=second];
        assert_eq!(worker.second(&mut live, *latency, &counts, machine), None);
    }
    let verdict = live.so_far(&worker.shown, &counts, Some(0)).unwrap();
    let limits = live.limits(&worker.shown, &counts, Some(0));
    (verdict, limits[0].clone())
}

#[test]
fn rule_10_what_is_missed_in_disturbed_seconds_is_no_failure_so_far() {
    let promise = "delivery.p99 | < 5ms | 1h\nduplicated | == 0 | 1h";
    let (calm, slow) = ((MS, false), (9 * MS, false));
    let (none, disturbed) = (Counts::default(), (9 * MS, true));
    // All of them: nothing is left to judge by.
    let (verdict, limit) = said(promise, &[disturbed; 4], none);
    assert_eq!(
        (verdict, limit.verdict),
        (Verdict::Invalid, Some(Verdict::Invalid))
    );
    assert!(
        limit
            .measured
            .ends_with("4 of 4 seconds were disturbed, and too few are left to judge by")
    );
    // One of many, and the others kept it. What is shown may be a second old, so that the one after it is left out too.
    let mut seconds = vec![calm; 12];
    seconds[4] = disturbed;
    let (verdict, limit) = said(promise, &seconds, none);
    assert_eq!(verdict, Verdict::Pass, "{limit:?}");
    assert!(
        limit
            .measured
            .ends_with("without the 2 of 12 seconds that were disturbed"),
        "{limit:?}"
    );
    // One of many, and the others missed it as well.
    seconds.fill(slow);
    seconds[4] = disturbed;
    let (verdict, limit) = said(promise, &seconds, none);
    assert_eq!(
        (verdict, limit.verdict),
        (Verdict::Fail, Some(Verdict::Fail)),
        "{limit:?}"
    );
    // What is doubled is doubled on any machine.
    let doubled = Counts {
        duplicated: 1,
        ..none
    };
    assert_eq!(said(promise, &[disturbed; 4], doubled).0, Verdict::Fail);
}

#[test]
fn what_nobody_watches_is_known_at_the_end() {
    let mut live = live("confirm.p99 | < 1s | 1h\nlost | == 0 | 1h", "");
    live.layout = Arc::new(Layout::new(&[], &[]));
    let limits = live.limits(&[], &Counts::default(), Some(2));
    assert_eq!(
        (limits[0].verdict, &*limits[0].measured),
        (None, "known when the run is over")
    );
    assert_eq!(
        (limits[1].verdict, &*limits[1].measured),
        (Some(Verdict::Fail), "2")
    );
}

#[test]
fn a_limit_without_a_delay_is_told_and_ends_nothing() {
    let mut live = live("delivery.p99 | < 5ms | 1h", "");
    live.conditions[0].from = None;
    assert_eq!(
        live.so_far(&[], &Counts::default(), None),
        Some(Verdict::Inconclusive)
    );
    assert_eq!(ends(&mut live, &[9 * MS; 8], &[]), None);
    live.conditions.clear();
    assert_eq!(live.so_far(&[], &Counts::default(), None), None);
}

/// A run of 40 seconds with a fault from the 10th to the 13th: what is said after each second, slow in these.
fn with_a_fault(thresholds: &str, slow: &[u64], lost: u64) -> Vec<(Verdict, SoFar)> {
    let fault = "\n[[faults]]\nname = \"f\"\nat = \"1s\"\nfor = \"3s\"\nkind = \"server-freeze\"\n";
    let text = format!(
        "version = 1\nname = \"live\"\nquestion = \"?\"\npopulation = {{ users = 4, rooms = 2 }}\n\
         [[phases]]\nname = \"steady\"\nduration = \"40s\"\nrate = \"10/s\"\n{fault}[thresholds]\n{thresholds}"
    );
    let scenario = Scenario::parse(Path::new("live.toml"), &text).unwrap();
    let mut live = Live::of(&scenario, &Plan::new(&scenario).unwrap());
    let mut worker = Worker::new(&live);
    let none = Counts::default();
    let seconds = 0..40_u64;
    seconds
        .map(|second| {
            let end = (second >= 12).then_some(13 * SECOND);
            worker.faults = match second {
                10.. => vec![FaultSeen {
                    start: Some(10 * SECOND),
                    end,
                    ..FaultSeen::of("f")
                }],
                _ => Vec::new(),
            };
            let latency = if slow.contains(&second) { 90 * MS } else { MS };
            assert_eq!(worker.second(&mut live, latency, &none, &[]), None);
            let lost = Some(lost).filter(|_| second >= 11).or(Some(0));
            let verdict = live.so_far(&worker.shown, &none, lost).unwrap();
            let limits = live.limits(&worker.shown, &none, lost);
            (verdict, limits[0].clone())
        })
        .collect()
}

#[test]
fn what_came_inside_of_a_fault_or_in_its_recovery_is_no_failure_so_far() {
    let limit = "\"delivery.within_5ms\" = \">= 99%\"\n\"lost\" = \"== 0\"\n";
    // Three seconds inside, and three more until all was as before.
    let said = with_a_fault(limit, &[10, 11, 12, 13, 14, 15], 0);
    for (second, (verdict, limit)) in said.iter().enumerate() {
        assert_eq!(*verdict, Verdict::Pass, "{second}: {limit:?}");
        assert_eq!(
            limit.threshold,
            "delivery.within_5ms >= 99% (outside the faults)"
        );
    }
    // Ten seconds before it, and all from the sixteenth on.
    let measured = &said.last().unwrap().1.measured;
    assert_eq!(measured, "100 % (n = 68,000)");
    // What is slow long afterwards is slow.
    let said = with_a_fault(limit, &[10, 11, 12, 30, 31, 32], 0);
    assert_eq!(said[29].0, Verdict::Pass);
    assert_eq!(said[39].0, Verdict::Fail, "{:?}", said[39].1);
    // What is missing while a fault may hold it up is not lost yet, and ten seconds after it is.
    let said = with_a_fault(limit, &[], 1);
    assert_eq!((said[12].0, said[21].0), (Verdict::Pass, Verdict::Pass));
    assert_eq!(said[39].0, Verdict::Fail);
}
