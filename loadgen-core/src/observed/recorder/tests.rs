//! Samples on a few workers, by phase, size and second.

use std::{path::Path, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::scenario::{
    Churn, Load, Open, Phase, Scenario, Threshold, parse_condition, parse_subject,
};

pub(crate) fn threshold(key: &str, condition: &str) -> Threshold {
    parse_condition(parse_subject(key).unwrap(), condition).unwrap()
}

/// A phase of an open load.
pub(crate) fn phase(name: &str, seconds: u64, measured: bool, thresholds: Vec<Threshold>) -> Phase {
    Phase {
        name: name.to_owned(),
        duration: Duration::from_secs(seconds),
        load: Load::Open(Open::default()),
        skew: 0.0,
        silent: None,
        churn: Churn::default(),
        measured,
        thresholds,
    }
}

fn layout() -> Arc<Layout> {
    let confirm = vec![threshold("confirm.p99", "< 250ms")];
    Arc::new(Layout::new(
        &[threshold("ack.within_50ms", ">= 99%")],
        &[
            phase("warm-up", 1, false, Vec::new()),
            phase("first", 2, true, Vec::new()),
            phase("second", 2, true, confirm),
        ],
    ))
}

/// A delivery: intended, latency, phase, members.
type Given = (Nanos, Nanos, u16, usize);

fn recorded(samples: &[Given]) -> Recorded {
    let mut recorder = Recorder::new(layout());
    recorder.begin(0);
    for &(intended, latency, phase, members) in samples {
        recorder.record_delivery(DeliverySample {
            intended,
            received: intended + latency,
            phase,
            members,
        });
        recorder.record_send(intended, (latency % 7 != 0).then_some(intended + latency));
    }
    recorder.finish()
}

#[test]
fn a_sample_at_the_limit_is_within_it() {
    let recorded = recorded(&[(0, PROMISE, 1, 2), (0, PROMISE + 1, 1, 2)]);
    assert_eq!(recorded.samples(Metric::Delivery).within[0], 1);
    assert_eq!(recorded.windows(Metric::Delivery)[0].over[0].n, 1);
}

#[test]
fn rule_06_the_limit_of_a_percentile_is_counted_exactly_and_to_the_nanosecond() {
    let thresholds = [
        threshold("delivery.p99", "< 5ms"),
        threshold("delivery.p50", "<= 2ms"),
        threshold("delivery.max", ">= 7ms"),
        threshold("delivery.mean", "< 9ms"),
    ];
    let limits = Limits::of(&thresholds);
    assert_eq!(limits.all(), [PROMISE, 4_999_999, 2_000_000, 6_999_999]);
}

#[test]
fn a_second_knows_when_its_samples_over_a_limit_came() {
    let (start, limit) = (2 * WINDOW, PROMISE);
    let recorded = recorded(&[
        (start + 10, limit, 1, 2),
        (start + 40, limit + 5, 1, 2),
        (start + 20, limit + 9, 1, 2),
    ]);
    let over = recorded.windows(Metric::Delivery)[2].over[0];
    let expected = Over {
        n: 2,
        first: start + 20,
        until: start + 40 + limit + 5,
        longest: limit + 9,
    };
    assert_eq!(over, expected);
}

#[test]
fn rule_03_a_receipt_before_its_send_is_counted_and_not_recorded() {
    let mut recorder = Recorder::new(layout());
    recorder.record(Metric::Echo, 10, 9);
    assert_eq!(recorder.negative, 1);
    assert!(recorder.finish().samples(Metric::Echo).histogram.is_empty());
}

#[test]
fn rule_03_a_sample_of_hours_is_counted_as_clamped() {
    let mut recorder = Recorder::new(layout());
    recorder.record(Metric::Echo, 0, 2 * histogram::MOST_NANOS);
    assert_eq!(recorder.clamped, 1);
}

#[test]
fn rule_02_a_metric_is_kept_by_phase_and_by_second_where_a_threshold_names_it() {
    let mut recorder = Recorder::new(layout());
    recorder.begin(1_000);
    for phase in [1, 2] {
        let start = 1_000 + u64::from(phase) * WINDOW;
        recorder.record_in(phase, Metric::Confirm, start, start + 9);
        recorder.record_in(phase, Metric::Ack, start, start + 9);
        recorder.record_in(phase, Metric::Echo, start, start + 9);
    }
    let recorded = recorder.finish();
    let n = |phase, metric| recorded.samples_in(phase, metric).histogram.len();
    // Only the second phase has a threshold on it.
    assert_eq!(
        (
            n(1, Metric::Confirm),
            n(2, Metric::Confirm),
            n(2, Metric::Ack)
        ),
        (0, 1, 0)
    );
    let windows = |metric| -> Vec<u64> { recorded.windows(metric).iter().map(|w| w.n).collect() };
    assert_eq!(windows(Metric::Confirm), [0, 1, 1]);
    assert_eq!(windows(Metric::Ack), [0, 1, 1]);
    assert_eq!(windows(Metric::Echo), Vec::<u64>::new());
    assert_eq!(recorded.samples(Metric::Echo).histogram.len(), 2);
}

#[test]
fn of_several_servers_with_faults_both_ways_are_known_by_second() {
    let layout = |server: &str, faults: &str| {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\n{server}population = {{ users = 4, rooms = 2 }}\n\
             [[phases]]\nname = \"steady\"\nduration = \"9s\"\nrate = \"20/s\"\n{faults}"
        );
        Layout::of(&Scenario::parse(Path::new("t.toml"), &text).unwrap())
    };
    let fault = "[[faults]]\nname = \"f\"\nat = \"1s\"\nfor = \"1s\"\nkind = \"store-frozen\"\n";
    let three = "server = { nodes = 3 }\n";
    let known = |layout: &Layout| {
        [Metric::DeliverySameNode, Metric::DeliveryCrossNode]
            .map(|metric| layout.has_windows(metric))
    };
    assert_eq!(known(&layout(three, fault)), [true; 2]);
    assert_eq!(known(&layout(three, "")), [false; 2]);
    assert_eq!(known(&layout("", fault)), [false; 2]);
}

#[test]
fn what_comes_before_the_schedule_has_no_window() {
    let mut recorder = Recorder::new(layout());
    recorder.record_in(2, Metric::Ack, 5, 9);
    recorder.begin(100);
    recorder.record_in(2, Metric::Ack, 99, 101);
    let recorded = recorder.finish();
    assert_eq!(recorded.samples(Metric::Ack).histogram.len(), 2);
    assert!(recorded.windows(Metric::Ack).is_empty());
}

#[test]
fn a_message_that_was_not_sent_is_scheduled_all_the_same() {
    let mut recorder = Recorder::new(layout());
    recorder.begin(0);
    recorder.record_send(WINDOW, Some(WINDOW + 30));
    recorder.record_send(WINDOW + 1, None);
    recorder.record_send(WINDOW + 2, Some(WINDOW + 12));
    let sends = recorder.finish().sends;
    assert_eq!(sends[0], Sends::default());
    assert_eq!(
        sends[1],
        Sends {
            scheduled: 3,
            sent: 2,
            lateness_max: Some(30)
        }
    );
}

#[test]
fn what_is_watched_is_all_deliveries_and_what_may_end_the_run() {
    let mut aborting = threshold("confirm.p99", "< 250ms");
    aborting.abort_after = Some(Duration::from_secs(1));
    let phases = [phase("steady", 2, true, vec![aborting])];
    let layout = Arc::new(Layout::new(&[], &phases));
    let mut recorder = Recorder::new(Arc::clone(&layout));
    recorder.record_in(0, Metric::Confirm, 0, 7);
    let mut shown = Vec::new();
    recorder.publish(&mut shown);
    recorder.publish(&mut shown);
    let watched: Vec<_> = layout
        .watched()
        .iter()
        .zip(&shown)
        .map(|(watched, samples)| (watched.phase, watched.metric, samples.histogram.len()))
        .collect();
    assert_eq!(
        watched,
        [(None, Metric::Delivery, 0), (Some(0), Metric::Confirm, 1)]
    );
}

#[test]
fn sizes_have_no_gap_and_no_overlap() {
    assert_eq!(SIZES[0].least, 2);
    for pair in SIZES.windows(2) {
        assert_eq!(pair[0].most + 1, pair[1].least);
    }
    for (members, place) in [(2, 0), (3, 1), (10, 1), (11, 2), (1_000, 3), (1_001, 4)] {
        assert_eq!(SizeClass::place(members), place, "{members}");
    }
}

proptest! {
    // Each case has some dozen histograms of 270 KB.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However the samples fall on workers, and however late they come, the merged result is the same.
    #[test]
    fn rule_06_merging_adds_counts(samples in prop::collection::vec(
        ((0u64..5 * WINDOW, 1u64..20_000_000, 1u16..3, 2usize..1_200), any::<bool>()), 1..200,
    )) {
        let all: Vec<Given> = samples.iter().map(|s| s.0).collect();
        let side = |left: bool| -> Vec<Given> {
            samples.iter().filter(|s| s.1 == left).map(|s| s.0).collect()
        };
        let whole = recorded(&all);
        let mut merged = recorded(&side(true));
        merged.merge(recorded(&side(false)));
        prop_assert_eq!(&merged.samples(Metric::Delivery).histogram, &whole.samples(Metric::Delivery).histogram);
        prop_assert_eq!(&merged.sends, &whole.sends);
        prop_assert_eq!(merged.windows(Metric::Delivery).len(), whole.windows(Metric::Delivery).len());
        for (a, b) in merged.windows(Metric::Delivery).iter().zip(whole.windows(Metric::Delivery)) {
            prop_assert_eq!((a.n, &a.over), (b.n, &b.over));
            prop_assert_eq!(a.histogram(), b.histogram());
            prop_assert_eq!(a.histogram().len(), a.n);
        }
        for phase in 1..3 {
            let of = |recorded: &Recorded| recorded.samples_in(phase, Metric::Delivery).clone();
            prop_assert_eq!(of(&merged).histogram, of(&whole).histogram);
            prop_assert_eq!(of(&merged).within, of(&whole).within);
        }
    }

    /// Each delivery is in exactly one phase, one class of sizes and one window, and in the whole.
    #[test]
    fn every_delivery_is_counted_once_in_each_view(samples in prop::collection::vec(
        (0u64..5 * WINDOW, 1u64..20_000_000, 1u16..3, 2usize..1_200), 1..200,
    )) {
        let n = samples.len() as u64;
        let recorded = recorded(&samples);
        prop_assert_eq!(recorded.samples(Metric::Delivery).histogram.len(), n);
        let phases = (0..3).map(|phase| recorded.samples_in(phase, Metric::Delivery).histogram.len());
        prop_assert_eq!(phases.sum::<u64>(), n);
        prop_assert_eq!(recorded.sizes().filter_map(|(_, samples)| Some(samples?.histogram.len())).sum::<u64>(), n);
        prop_assert_eq!(recorded.windows(Metric::Delivery).iter().map(|w| w.n).sum::<u64>(), n);
        prop_assert_eq!(recorded.sends.iter().map(|sends| sends.scheduled).sum::<u64>(), n);
        for (class, samples) in recorded.sizes() {
            prop_assert!(samples.is_none_or(|samples| !samples.histogram.is_empty()), "{class:?}");
        }
    }
}
