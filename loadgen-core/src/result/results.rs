//! From what was observed and judged to what the result says of one run.

use std::collections::BTreeMap;

use super::{
    Evidence, Generator, HeldTo, Refusal, Run, ServerUse, UsageSecond,
    faults::{faults, parts},
    timed::{metrics, phases, sizes, windows},
};
use crate::{
    judge::{Account, Judgement, Promises},
    model::Delivery,
    observed::{GeneratorUse, Observed, ProcessUse},
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
