//! The numbers of a run that goes on, for Prometheus: its counters never fall, whichever run they count is the next.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    judge::{Messages, Purpose, Snapshot, Turn, Verdict},
    model::Metric,
    observed::{PROMISE, Samples},
    report::{
        exposition::{self, BUCKETS, Dialect, Family, Kind, Labels, Sample},
        openmetrics::{at_most, of_metric, verdict},
    },
    result::Run,
};

/// What was counted, by scenario and delivery mode.
#[derive(Default)]
pub(super) struct Counters {
    /// Of runs that are over.
    over: BTreeMap<(String, &'static str), Counted>,
    /// Of the one that goes on.
    now: Option<((String, &'static str), Counted)>,
}

#[derive(Default, Clone)]
struct Counted {
    messages: Messages,
    delivered: u64,
    duplicated: u64,
    latencies: Latencies,
}

#[derive(Default, Clone)]
struct Latencies {
    at_most: [u64; BUCKETS.len()],
    n: u64,
    /// Nanoseconds.
    sum: f64,
    /// What is to be counted when somebody asks.
    samples: Option<Arc<Samples>>,
}

impl Counters {
    /// Another run begins. A floor is none that is counted.
    pub(super) fn turn(&mut self, turn: &Turn) {
        if let Some((key, counted)) = self.now.take() {
            let sum = self.over.entry(key).or_default();
            *sum = sum.plus(&counted);
        }
        self.now = (turn.purpose != Purpose::Floor)
            .then(|| ((turn.scenario.clone(), turn.mode_key), Counted::default()));
    }

    /// What there is of the run that goes on.
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        if let Some((_, counted)) = &mut self.now {
            counted.messages = snapshot.messages;
            counted.delivered = snapshot.delivered;
            counted.duplicated = snapshot.duplicated;
            counted.latencies.samples.clone_from(&snapshot.deliveries);
        }
    }

    /// What there was when it was over.
    pub(super) fn end(&mut self, run: &Run) {
        if let Some((_, counted)) = &mut self.now {
            let totals = &run.totals;
            counted.messages = counted.messages.most(Messages {
                sent: totals.sent,
                dropped: totals.dropped,
                acknowledged: totals.acknowledged,
                failed: totals.failed,
            });
            counted.delivered = counted.delivered.max(totals.delivered);
            counted.duplicated = counted.duplicated.max(totals.duplicated);
        }
    }

    /// The families of all of them.
    fn families(&self, given: &BTreeMap<String, String>) -> Vec<Family> {
        let mut all = self.over.clone();
        if let Some((key, now)) = &self.now {
            let sum = all.entry(key.clone()).or_default();
            *sum = sum.plus(now);
        }
        let labels = |(scenario, delivery): &(String, &'static str)| {
            let labels = Labels::default().with("scenario", scenario);
            labels.with("delivery", *delivery).with_given(given)
        };
        let by_state = |name: &str,
                        help: &str,
                        states: fn(&Counted) -> Vec<(&'static str, u64)>| {
            let of = |(key, counted)| {
                let labels = labels(key);
                let sample =
                    move |(state, count)| Sample::new(labels.clone().with("state", state), count);
                states(counted).into_iter().map(sample)
            };
            Family::new(name, Kind::Counter, help, all.iter().flat_map(of).collect())
        };
        let latencies = all
            .iter()
            .flat_map(|(key, counted)| counted.latencies.samples(&labels(key)));
        vec![
            of_metric(Metric::Delivery, latencies.collect()),
            by_state(
                "loadgen_messages",
                "Messages so far by what became of them",
                |counted| {
                    let Messages {
                        sent,
                        dropped,
                        acknowledged,
                        failed,
                    } = counted.messages;
                    vec![
                        ("sent", sent),
                        ("dropped", dropped),
                        ("acknowledged", acknowledged),
                        ("failed", failed),
                    ]
                },
            ),
            by_state(
                "loadgen_deliveries",
                "Deliveries to others so far by what became of them",
                |counted| {
                    vec![
                        ("delivered", counted.delivered),
                        ("duplicated", counted.duplicated),
                    ]
                },
            ),
        ]
    }
}

impl Counted {
    fn plus(&self, other: &Self) -> Self {
        Self {
            messages: self.messages.plus(other.messages),
            delivered: self.delivered + other.delivered,
            duplicated: self.duplicated + other.duplicated,
            latencies: self.latencies.counted().plus(&other.latencies.counted()),
        }
    }
}

impl Latencies {
    /// Without anything that is still to be counted.
    fn counted(&self) -> Self {
        let Some(samples) = &self.samples else {
            return self.clone();
        };
        let histogram = &samples.histogram;
        let count = |end: u64| match (end, samples.within.first()) {
            // The first of the limits that are counted exactly.
            (PROMISE, Some(&within)) => within,
            _ => at_most(histogram, end),
        };
        let recorded = histogram.iter_recorded();
        let sum = recorded.map(|one| one.value_iterated_to() as f64 * one.count_at_value() as f64);
        self.plus(&Self {
            at_most: BUCKETS.map(count),
            n: histogram.len(),
            sum: sum.sum(),
            samples: None,
        })
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (mine, theirs) in sum.at_most.iter_mut().zip(other.at_most) {
            *mine += theirs;
        }
        sum.n += other.n;
        sum.sum += other.sum;
        sum.samples = None;
        sum
    }

    fn samples(&self, labels: &Labels) -> Vec<Sample> {
        let counted = self.counted();
        let at_most = |end| {
            let place = BUCKETS.iter().position(|bucket| *bucket == end);
            place.map_or(0, |place| counted.at_most[place])
        };
        exposition::buckets(labels, at_most, counted.sum / 1e9, counted.n)
    }
}

/// What else there is to say now, beside what is counted.
pub(super) struct Now<'a> {
    pub turn: &'a Turn,
    pub snapshot: Option<&'a Snapshot>,
    /// So far, or in the end.
    pub verdict: Option<Verdict>,
    /// Seconds that the machine was watched in, and those of them that were disturbed.
    pub seconds: (usize, usize),
}

/// The whole text, in the format 0.0.4; `given` is what the user says of the result.
pub(super) fn text(
    counters: &Counters,
    now: Option<&Now<'_>>,
    given: &BTreeMap<String, String>,
) -> String {
    let mut families = counters.families(given);
    if let Some(now) = now {
        families.extend(now.families(given));
    }
    families.retain(|family| !family.samples.is_empty());
    exposition::text(&families, Dialect::Prometheus)
}

impl Now<'_> {
    fn families(&self, given: &BTreeMap<String, String>) -> Vec<Family> {
        let turn = self.turn;
        let scenario = || Labels::default().with("scenario", &turn.scenario);
        let labels = || scenario().with("delivery", turn.mode_key).with_given(given);
        let info = labels().with("store", &turn.store);
        let state = |state, count: usize| Sample::new(labels().with("state", state), count);
        let (watched, disturbed) = self.seconds;
        let mut families = vec![
            Family::new(
                "loadgen_run",
                Kind::Info,
                "What is measured",
                vec![Sample::new(info, 1)],
            ),
            Family::new(
                "loadgen_windows",
                Kind::Gauge,
                "Seconds of the schedule so far, and those of them that others disturbed",
                vec![state("all", watched), state("disturbed", disturbed)],
            ),
            verdict(scenario().with_given(given), self.verdict),
        ];
        if let Some(snapshot) = self.snapshot {
            let gauge = |name, help, value: Option<String>| {
                let sample = value.map(|value| Sample::new(labels(), value));
                Family::new(name, Kind::Gauge, help, sample.into_iter().collect())
            };
            let seconds = |time: std::time::Duration| time.as_secs_f64().to_string();
            families.extend([
                gauge(
                    "loadgen_users",
                    "Users of the scenario",
                    Some(snapshot.users.to_string()),
                ),
                gauge(
                    "loadgen_users_connected",
                    "Users who are connected",
                    Some(snapshot.connected.to_string()),
                ),
                gauge(
                    "loadgen_deliveries_missing",
                    "Deliveries that were due five seconds ago and are not there",
                    snapshot.lost.map(|lost| lost.to_string()),
                ),
                gauge(
                    "loadgen_elapsed_seconds",
                    "Since the start of the schedule",
                    snapshot.total.map(|_| seconds(snapshot.elapsed)),
                )
                .in_unit("seconds"),
                gauge(
                    "loadgen_schedule_seconds",
                    "How long the schedule is",
                    snapshot.total.map(seconds),
                )
                .in_unit("seconds"),
            ]);
        }
        families
    }
}
