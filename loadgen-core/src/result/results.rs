//! From what was observed and judged to what the result says: runs, metrics, phases, sizes, seconds, floors.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{
    Evidence, FaultResult, Generator, HeldTo, MetricResult, PERCENTILES, Percentile, PhaseResult,
    Refusal, Run, ServerUse, SizeResult, UsageSecond, WindowResult, Within, parts::parts,
};
use crate::{
    judge::{Account, Judgement, Missing, Promises},
    model::{Delivery, Metric, Nanos, histogram::encode, percentile},
    observed::{GeneratorUse, Observed, ProcessUse, Recorded, Samples, Window},
    plan::{Plan, Thread},
    scenario::Scenario,
};

/// What was measured, and with what.
pub struct About<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// What was to be done.
    pub plan: &'a Plan,
    /// When messages were delivered.
    pub delivery: Delivery,
    /// Whether that is known.
    pub delivery_known: bool,
    /// What the server owed.
    pub promises: Promises,
    /// Where the system was.
    pub target: &'a str,
    /// Whether this program started it.
    pub own: bool,
    /// Which version of the system it was, as somebody says who knows better than itself.
    pub target_version: Option<&'a str>,
    /// Which store served.
    pub store: String,
    /// The client that was driven.
    pub client: &'a str,
}

/// One run, without a floor.
pub fn run(about: About<'_>, observed: Observed, account: Account, judgement: Judgement) -> Run {
    let recorded = &observed.recorded;
    let incomplete = observed.incomplete();
    let evidence = Evidence::of(about.plan, &observed, Some(&account.outcomes));
    Run {
        evidence: Some(evidence.packed()),
        delivery: about.delivery,
        delivery_known: about.delivery_known,
        own_events: about.scenario.events.is_some(),
        held_to: Some(HeldTo {
            ends: about.promises.ends,
            acks: about.promises.acks,
            ack_confirms: about.promises.ack_confirms,
            echo: about.promises.echo,
            forgets: observed.left.is_some(),
            one_order: about.promises.one_order,
        }),
        dialect: about.scenario.dialect,
        target: about.target.to_owned(),
        own: about.own,
        target_version: about
            .target_version
            .map(str::to_owned)
            .or_else(|| observed.version.clone()),
        complete: incomplete.is_none(),
        incomplete_because: incomplete,
        judgement,
        faults: faults(about.plan, &observed),
        parts: parts(&observed, &account.missing, about.plan.end()),
        thrown_off: observed.broken.excused.count(),
        proxy: observed.proxy,
        phases: phases(recorded, about.plan, &account),
        sizes: sizes(recorded, &account.missing),
        floor: None,
        totals: account.totals,
        findings: account.findings,
        fates: account.fates,
        ignored: observed.ignored.counts().clone(),
        refusals: refusals(&observed),
        audited: observed.stored.found().is_some(),
        metrics: metrics(recorded, &account.missing),
        windows: windows(&observed, &account.missing),
        unread: recorded.unread,
        grey: account.grey,
        impossible_samples: recorded.clamped + recorded.negative,
        generator: generator(&about, observed.generator, observed.threads),
        server: observed.server.map(|server| ServerUse {
            cpu_seconds: server.cpu.as_secs_f64(),
            resident: server.resident,
            usage: usage(server),
        }),
        store: about.store,
        durability: observed.durability,
    }
}

/// What was to break and what was seen of it.
fn faults(plan: &Plan, observed: &Observed) -> Vec<FaultResult> {
    let both = plan.faults.iter().zip(&observed.faults);
    both.map(|(planned, seen)| FaultResult {
        name: planned.name.clone(),
        kind: planned.damage.kind(),
        what: planned.damage.to_string(),
        planned: [planned.start, planned.end],
        start: seen.start,
        end: seen.end,
        proof: seen.proof.clone(),
        trouble: seen.trouble.clone(),
    })
    .collect()
}

fn refusals(observed: &Observed) -> Vec<Refusal> {
    let words = observed.refusals.by_words().into_iter();
    let words = words.map(|(words, count)| Refusal {
        words: words.to_owned(),
        count,
    });
    words.collect()
}

fn generator(
    about: &About<'_>,
    taken: GeneratorUse,
    threads: BTreeMap<Thread, Vec<f64>>,
) -> Generator {
    Generator {
        client: about.client.to_owned(),
        transport: about.scenario.connections.transport.name().to_owned(),
        workers: threads.len(),
        worker_cpu: threads.into_values().collect(),
        resident_before: taken.resident_before,
        resident_connected: taken.resident_connected,
        resident_end: taken.process.resident,
        connections: about.plan.users.len() as u64,
        connect_seconds: taken.connecting.as_secs_f64(),
        cpu_seconds: taken.process.cpu.as_secs_f64(),
        usage: usage(taken.process),
    }
}

fn usage(taken: ProcessUse) -> Vec<UsageSecond> {
    let moments = taken.moments.into_iter();
    moments
        .map(|moment| UsageSecond {
            at: moment.at.as_secs_f64(),
            cpu_seconds: moment.cpu.as_secs_f64(),
            resident: moment.resident,
            queue: moment.queue,
        })
        .collect()
}

/// The metrics of a run, in the order of [`Metric::ALL`].
fn metrics(recorded: &Recorded, missing: &Missing) -> Vec<MetricResult> {
    let metrics = Metric::ALL.into_iter();
    metrics
        .map(|metric| MetricResult {
            lost: match metric {
                Metric::Delivery | Metric::DeliveryAsSent => missing.deliveries_in.iter().sum(),
                Metric::DeliverySlowest => missing.messages_in.iter().sum(),
                _ => 0,
            },
            ..self::metric(metric, recorded)
        })
        .collect()
}

/// One metric of a run.
pub fn metric(metric: Metric, recorded: &Recorded) -> MetricResult {
    metric_result(metric, recorded.samples(metric), recorded.limits().all())
}

/// The measured phases, each by itself. Where the account has no counts by phase, they are zero.
fn phases(recorded: &Recorded, plan: &Plan, account: &Account) -> Vec<PhaseResult> {
    let phases = (0..).zip(&plan.phases);
    phases
        .filter(|(_, phase)| phase.measured)
        .map(|(index, phase)| {
            let totals = account.phases.get(usize::from(index));
            let totals = totals.cloned().unwrap_or_default();
            let samples = recorded.samples_in(index, Metric::Delivery);
            PhaseResult {
                name: phase.name.clone(),
                delivery: MetricResult {
                    lost: totals.lost,
                    ..metric_result(Metric::Delivery, samples, recorded.limits().all())
                },
                totals,
            }
        })
        .collect()
}

/// Deliveries by the size of their conversation.
fn sizes(recorded: &Recorded, missing: &Missing) -> Vec<SizeResult> {
    let none = Samples::new(recorded.limits());
    let sizes = recorded.sizes().zip(missing.deliveries_of);
    sizes
        .filter(|((_, samples), lost)| samples.is_some() || *lost > 0)
        .map(|((class, samples), lost)| SizeResult {
            least: class.least,
            most: class.most,
            delivery: MetricResult {
                lost,
                ..metric_result(
                    Metric::Delivery,
                    samples.unwrap_or(&none),
                    recorded.limits().all(),
                )
            },
        })
        .collect()
}

fn metric_result(metric: Metric, samples: &Samples, limits: &[Nanos]) -> MetricResult {
    let within = limits.iter().zip(&samples.within);
    let within = within.map(|(&limit, &count)| Within { limit, count });
    MetricResult::of(metric, &samples.histogram, within.collect())
}

impl MetricResult {
    /// What a histogram says, and how many of its samples are within each limit; nothing was lost.
    pub fn of(metric: Metric, histogram: &Histogram<u64>, within: Vec<Within>) -> Self {
        let some = !histogram.is_empty();
        let definition = metric.definition();
        Self {
            metric,
            measures: format!("{} → {}", definition.from, definition.to),
            n: histogram.len(),
            lost: 0,
            min: some.then(|| histogram.min()),
            mean: some.then(|| histogram.mean()),
            max: some.then(|| histogram.max()),
            percentiles: PERCENTILES
                .into_iter()
                .map(|percentile| Percentile {
                    percentile,
                    value: percentile::of(histogram, percentile).ok(),
                    needs: percentile::needed(percentile),
                })
                .collect(),
            within,
            histogram: encode(histogram),
        }
    }

    /// Samples that were due: those that came, and those that were lost.
    pub fn due(&self) -> u64 {
        self.n + self.lost
    }

    /// How many of the due ones were within a limit, where that was counted: what was lost is over every limit.
    pub fn within(&self, limit: Nanos) -> Option<u64> {
        let mut within = self.within.iter();
        within
            .find(|within| within.limit == limit)
            .map(|within| within.count)
    }

    /// The share of the due ones within a limit; `None` where it was not counted, or nothing was due.
    pub fn share_within(&self, limit: Nanos) -> Option<f64> {
        let within = self.within(limit)?;
        (self.due() > 0).then(|| within as f64 / self.due() as f64)
    }
}

/// The seconds of a run in which messages of measured phases were due or delivered.
pub(super) fn windows(observed: &Observed, missing: &Missing) -> Vec<WindowResult> {
    let recorded = &observed.recorded;
    let longest = observed.hiccups.as_ref().map(|hiccups| &hiccups.longest);
    let none = Window::default();
    let deliveries = recorded.windows(Metric::Delivery);
    let lost = |second: usize| missing.deliveries_in.get(second).copied().unwrap_or(0);
    let seconds = deliveries.len().max(recorded.sends.len());
    (0..seconds.max(missing.deliveries_in.len()))
        .map(|second| {
            let window = deliveries.get(second).unwrap_or(&none);
            let sends = recorded.sends.get(second).copied().unwrap_or_default();
            (second, window, sends)
        })
        .filter(|(second, window, sends)| window.n > 0 || sends.scheduled > 0 || lost(*second) > 0)
        .map(|(second, window, sends)| {
            let histogram = window.histogram();
            WindowResult {
                second,
                deliveries: window.n,
                over: window.over.first().map_or(0, |over| over.n),
                lost: Some(lost(second)),
                p50: percentile::of(&histogram, 50.0).ok(),
                p99: percentile::of(&histogram, 99.0).ok(),
                max: (!histogram.is_empty()).then(|| histogram.max()),
                scheduled: sends.scheduled,
                sent: sends.sent,
                lateness_max: sends.lateness_max,
                hiccup_max: longest.and_then(|longest| longest.get(second).copied()),
                machine: observed.machine.get(second).copied(),
                histogram: encode(&histogram),
            }
        })
        .collect()
}
