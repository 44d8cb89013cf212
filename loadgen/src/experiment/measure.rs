//! One arm, measured: started, driven through its plan, looked up and ended. All arms are measured by this.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Interrupt, Options, RunError,
    arm::{Arm, Part},
    awaited::Awaited,
    conductor::Conductor,
    environment,
    inquiry::{Before, ask_after},
    lookout::{Lookout, View},
    mistake::Agreed,
    monitors::Monitors,
    shard::Duty,
    watch::{Event, Watcher},
    way::Way,
};
use crate::{
    dial::Endpoint,
    drive::{
        Driver,
        crew::{Crew, Task},
    },
    judge::{Promises, verdict::live::Live},
    model::Metric,
    observed::{Ended, GeneratorUse, Lookup, Moment, Observed, ProcessUse},
    plan::Share,
    rig::{
        Processes, QueueSampler, ResourceSampler, Usage,
        machine::{HiccupMonitor, Monitor, Server, ThreadMeter},
        usage_of_all,
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// What all arms are measured with.
pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) driver: Driver,
    pub(super) interrupt: &'a Interrupt,
    /// The part of the plan that is driven here, and when; `None`: all of it, as soon as everybody is there.
    pub(super) duty: Option<&'a Duty>,
}

impl Bench<'_> {
    /// The users that are driven here.
    fn share(&self) -> &Share {
        self.duty.map_or(&Share::WHOLE, |duty| &duty.share)
    }

    /// Whether no other process drives a part of the same plan.
    fn is_alone(&self) -> bool {
        self.share()
            .part()
            .is_none_or(|part| part.shard().of() == 1)
    }
}

/// Measures an arm: what was seen, and why something that was started is still there, if it is. A system that dies in
/// mid-run is no error: what was observed until then says so.
///
/// # Errors
/// [`RunError`] when nothing could be measured.
pub(super) async fn measure(
    arm: &mut Arm<'_>,
    bench: &Bench<'_>,
    watcher: &mut dyn Watcher,
) -> Result<(Observed, Option<String>), RunError> {
    watcher.event(Event::Stage("server"));
    let endpoint = tokio::select! {
        started = arm.system.start() => started?,
        () = bench.interrupt.nth(1) => return Err(RunError::Interrupted),
    };
    watcher.event(Event::Notice(format!(
        "{}: {} delivery, store: {}",
        arm.scenario.name,
        arm.mode(),
        arm.system.store()
    )));
    let measured = observe(arm, &endpoint, bench, watcher).await;
    let stopped = arm.system.stop().await;
    let observed = measured?;
    match stopped {
        Ok(Some(disorder)) if !matches!(observed.ended, Some(Ended::Died(_))) => {
            watcher.event(Event::Notice(disorder));
            Ok((observed, None))
        }
        Ok(_) => Ok((observed, None)),
        // What was measured is right all the same.
        Err(error) => Ok((observed, Some(error.to_string()))),
    }
}

/// The run itself, with what is asked of the system before and after it: of one that is started already.
///
/// # Errors
/// [`RunError`] when nothing could be measured.
pub(super) async fn observe(
    arm: &mut Arm<'_>,
    endpoint: &Endpoint,
    bench: &Bench<'_>,
    watcher: &mut dyn Watcher,
) -> Result<Observed, RunError> {
    watcher.event(Event::Turn(&arm.turn()));
    let before = tokio::select! {
        before = Before::ask(&*arm.system, bench.is_alone()) => before,
        () = bench.interrupt.nth(1) => return Err(RunError::Interrupted),
    };
    if let (Some(said), Some(given)) = (&before.version, &bench.options.target_version)
        && said != given
    {
        watcher.event(Event::Notice(format!(
            "warning: the target says that it is {said}; the result says {given}, as you do"
        )));
    }
    let (mut observed, began) = run(arm, endpoint, bench, watcher).await?;
    observed.durability.clone_from(&before.durability);
    observed.version.clone_from(&before.version);
    // Whoever stops it now waits for the report, not for a server's answers; who has stopped it before is not asked again.
    let signals = match observed.ended {
        Some(Ended::Interrupted) => 2,
        _ => 1,
    };
    let audited = before.is_audited();
    let interrupted = tokio::select! {
        () = ask_after(arm, bench.share(), before, began, &mut observed, watcher) => false,
        () = bench.interrupt.nth(signals) => true,
    };
    if interrupted {
        observed.ended.get_or_insert(Ended::Interrupted);
        if audited && observed.stored == Lookup::NotAsked {
            observed.stored = Lookup::Failed;
        }
    }
    Ok(observed)
}

/// Connects, sends and drains; and when the schedule began.
async fn run(
    arm: &mut Arm<'_>,
    endpoint: &Endpoint,
    bench: &Bench<'_>,
    watcher: &mut dyn Watcher,
) -> Result<(Observed, Option<Instant>), RunError> {
    let scenario = Arc::clone(&arm.scenario);
    let promises = arm.promises(bench.driver.asks_for_acks());
    let address = arm.system.address().to_owned();
    let processes = arm.system.processes();
    let servers = arm.system.servers();
    let mut watched = watched_server(processes.clone(), &address).await;
    if let Server::Here(processes) = &mut watched
        && arm
            .plan
            .faults
            .iter()
            .any(|fault| fault.damage.restarts_the_server())
    {
        // Whatever is started in its place is no stranger.
        processes.push(Processes::Children(std::process::id()));
    }
    let way = Way::to(endpoint, &scenario, &arm.plan).await?;
    let mut crew = crew(arm, bench, promises, way.endpoint());
    let own_use = Processes::One(std::process::id()).usage();
    let mut generator = GeneratorUse {
        resident_before: own_use.map_or(0, |usage| usage.resident),
        ..GeneratorUse::default()
    };
    let conductor = Conductor::new(
        &arm.plan,
        &mut *arm.system,
        &crew.progress,
        crew.clock,
        way.proxies(),
    )?;
    crew.start()?;
    let (agreed, settles) = (agreed(arm, promises), settles(arm));
    let mut lookout = Lookout {
        address: &address,
        system: &mut *arm.system,
        conductor,
        interrupt: bench.interrupt,
        watcher,
        awaited: Awaited::of(&arm.plan, bench.share(), promises),
        duty: bench.duty,
        machine_check: bench.options.machine_check,
        live: match arm.part {
            Part::Subject if bench.is_alone() => Live::of(&scenario, &arm.plan),
            _ => Live::nothing(&scenario),
        },
        agreed,
        first_sent: None,
        mistaken: None,
        settles,
        server: watched,
        began: None,
        monitors: Monitors::default(),
        connecting: Vec::new(),
        machine: Arc::default(),
        view: View::default(),
    };
    let mut stage = lookout.connect(&mut crew).await?;
    generator.connecting = crew.elapsed();
    let own = Meter::start(vec![Processes::One(std::process::id())], Vec::new());
    let server = Meter::start(processes.clone(), servers);
    let threads = ThreadMeter::start(processes);
    generator.resident_connected = own.as_ref().map_or(0, |meter| meter.before.resident);
    if stage.is_ok() {
        stage = lookout.schedule(&mut crew).await;
        // Whatever ended it: what drains or is asked afterwards is whole again.
        stage = stage.and(lookout.mend().await);
    }
    let began = lookout.began;
    let machine = lookout.monitors.machine.take().map(Monitor::finish);
    let elsewhere = lookout.server == Server::Elsewhere;
    generator.process = own
        .and_then(|meter| meter.finish(began))
        .unwrap_or_default();
    let server = server.and_then(|meter| meter.finish(began));
    let busy = threads.finish();
    if stage.is_ok() {
        stage = lookout.drain(&crew, scenario.drain).await;
    }
    let hiccups = lookout.monitors.hiccups.take();
    let hiccups = hiccups.map(HiccupMonitor::finish);
    let connecting = std::mem::take(&mut lookout.connecting);
    let mistaken = lookout.mistaken.take();
    let faults = lookout.conductor.seen();
    let mut observed = crew.finish().await?;
    if let Some(why) = mistaken {
        return Err(RunError::Mistaken(why));
    }
    if let Some(hiccups) = &hiccups {
        observed.recorded.adopt(Metric::Hiccup, &hiccups.all);
    }
    let mut observed = Observed {
        connecting,
        machine: machine.unwrap_or_default(),
        hiccups,
        elsewhere,
        generator,
        server,
        busy,
        faults,
        proxy: way.cost(),
        ended: stage.err(),
        ..observed
    };
    observed.weigh_machine();
    Ok((observed, began))
}

/// What was agreed with a server that somebody else wrote, and may be mistaken.
fn agreed(arm: &Arm<'_>, promises: Promises) -> Option<Agreed> {
    arm.is_foreign.then(|| Agreed {
        vocabulary: arm.scenario.vocabulary(),
        dialect: arm
            .scenario
            .events
            .is_none()
            .then_some(arm.scenario.dialect),
        promises,
    })
}

/// Whether some joins are answered by nothing.
fn settles(arm: &Arm<'_>) -> bool {
    let vocabulary = arm.scenario.vocabulary();
    let mut kinds = arm.plan.conversations.iter().map(|one| one.kind);
    kinds.any(|kind| !vocabulary.answers_joins(kind))
}

/// What of the server is on this machine. Names are looked up and processes gone through, which may take a while.
async fn watched_server(processes: Vec<Processes>, address: &str) -> Server {
    let address = address.to_owned();
    let found = tokio::task::spawn_blocking(move || Server::of(processes, &address)).await;
    found.unwrap_or(Server::Unknown)
}

/// The workers for an arm, not yet started.
fn crew(arm: &Arm<'_>, bench: &Bench<'_>, promises: Promises, endpoint: &Endpoint) -> Crew {
    Crew::new(&Task {
        scenario: &arm.scenario,
        plan: &arm.plan,
        share: bench.share(),
        vocabulary: arm.vocabulary(bench.driver.asks_for_acks()),
        promises,
        run: &arm.run_id,
        endpoint,
        driver: bench.driver,
        workers: workers(bench.options),
        cpus: &bench.options.cpus,
    })
}

/// One for every two cores where nobody says otherwise, since the server needs the others.
fn workers(options: &Options) -> usize {
    options
        .workers
        .unwrap_or_else(|| (environment::cores() / 2).max(1))
}

/// Reads off what processes take while messages are sent.
struct Meter {
    processes: Vec<Processes>,
    before: Usage,
    sampler: Option<ResourceSampler>,
    queue: Option<QueueSampler>,
}

impl Meter {
    /// From now on; servers are asked for their queues, too. `None` of no processes, and where one of them is gone.
    fn start(processes: Vec<Processes>, servers: Vec<Endpoint>) -> Option<Self> {
        if processes.is_empty() {
            return None;
        }
        Some(Self {
            before: usage_of_all(&processes).ok()?,
            sampler: ResourceSampler::start(&processes, SECOND).ok(),
            queue: (!servers.is_empty()).then(|| QueueSampler::start(servers)),
            processes,
        })
    }

    /// Until now, by the time of the schedule; `None` where one of the processes is gone, with what it had used.
    fn finish(self, began: Option<Instant>) -> Option<ProcessUse> {
        let mut moments = moments(self.sampler, began);
        if let (Some(queue), Some(began)) = (self.queue, began) {
            add_queue(&mut moments, &queue.finish(), began);
        }
        let after = usage_of_all(&self.processes).ok()?;
        Some(ProcessUse {
            cpu: after.cpu.saturating_sub(self.before.cpu),
            resident: after.resident,
            moments,
        })
    }
}

/// What processes took, by the schedule's time; the first sample, taken just before it, stands for its beginning.
fn moments(sampler: Option<ResourceSampler>, began: Option<Instant>) -> Vec<Moment> {
    let samples = sampler.map(ResourceSampler::finish).unwrap_or_default();
    let Some(began) = began.or(samples.first().map(|first| first.at)) else {
        return Vec::new();
    };
    samples
        .iter()
        .map(|sample| Moment {
            at: sample.at.saturating_duration_since(began),
            cpu: sample.usage.cpu,
            resident: sample.usage.resident,
            queue: None,
        })
        .collect()
}

/// Adds to each second what was in the queue at the time nearest to it, if that is less than a second away.
fn add_queue(usage: &mut [Moment], queue: &[(Instant, u64)], began: Instant) {
    for second in usage {
        let away = |at: &Instant| at.saturating_duration_since(began).abs_diff(second.at);
        second.queue = queue
            .iter()
            .min_by(|(a, _), (b, _)| away(a).cmp(&away(b)))
            .filter(|(at, _)| away(at) < SECOND)
            .map(|(_, depth)| *depth);
    }
}
