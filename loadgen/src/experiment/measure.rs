//! The phases of one run against one server: connect, schedule, drain, goodbye.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    Interrupt, RunError, Watcher,
    awaited::Awaited,
    environment,
    live::Live,
    lookout::{Lookout, Stage},
};
use crate::{
    drive::{
        client::{Driver, native::Endpoint},
        token::Tokens,
        worker::{Command, Job, Outcome, Progress, Report, Worker},
    },
    judge::checks::Promises,
    model::{
        body::RunId,
        clock::{Clock, Nanos},
        metric::Metric,
        vocabulary::Vocabulary,
    },
    observed::{
        Broken,
        ledger::Ledger,
        machine::{Hiccups, MachineSecond},
        presence::Entry,
        recorder::{self, Layout, Recorded, Samples},
        strays::Strays,
    },
    plan::Plan,
    result::{Generator, ServerUse, UsageSecond},
    rig::{
        QueueSampler, ResourceSampler, RunningServer, ServerTimes,
        machine::{HiccupMonitor, Monitor},
        usage_of,
    },
    scenario::Scenario,
};

/// What is to be run, and where.
pub(super) struct Where<'a> {
    pub scenario: &'a Scenario,
    pub vocabulary: Vocabulary,
    pub promises: Promises,
    pub plan: &'a Arc<Plan>,
    pub ledger: &'a Arc<Ledger>,
    pub run: &'a RunId,
    pub url: &'a str,
    pub driver: Driver,
    pub workers: Option<usize>,
    pub cpus: &'a [usize],
    pub machine_check: bool,
    /// Limits judge this run: a threshold may end it.
    pub subject: bool,
}

/// What was measured, before anybody judges it.
pub(super) struct Measurement {
    pub recorded: Recorded,
    pub strays: Strays,
    pub log: Vec<Entry>,
    pub broken: Vec<Broken>,
    pub closed: u64,
    pub generator: Generator,
    pub server: Option<ServerUse>,
    pub machine: Vec<MachineSecond>,
    pub hiccups: Option<Hiccups>,
    /// Why the target was gone before the end.
    pub target_died: Option<String>,
    /// The user stopped it.
    pub interrupted: bool,
    /// A threshold ended it: which, and why.
    pub aborted: Option<String>,
}

/// Runs the plan once.
pub(super) async fn run(
    what: Where<'_>,
    server: Option<&mut RunningServer>,
    interrupt: &Interrupt,
    watcher: &mut dyn Watcher,
) -> Result<Measurement, RunError> {
    let pid = server.as_ref().map(|server| server.pid());
    let mut crew = Crew::start(&what).await?;
    let mut lookout = Lookout {
        server,
        interrupt,
        watcher,
        awaited: Awaited::of(&what),
        machine_check: what.machine_check,
        live: if what.subject {
            Live::of(what.scenario, what.plan)
        } else {
            Live::nothing(what.scenario)
        },
        began: None,
        monitor: None,
        hiccups: None,
    };
    let mut generator = Generator {
        client: what.driver.name().to_owned(),
        transport: what.scenario.connections.transport.name().to_owned(),
        workers: crew.workers.len(),
        resident_before: crew.resident_before,
        connections: what.plan.users.len() as u64,
        ..Generator::default()
    };
    let mut stage = lookout.connect(&mut crew).await?;
    generator.connect_seconds = crew.seconds();
    let before = own_usage();
    generator.resident_connected = before.1;
    let server_before = pid.and_then(|pid| usage_of(pid).ok());
    let sampler = |pid| ResourceSampler::start(pid, Duration::from_secs(1)).ok();
    let samplers = (sampler(std::process::id()), pid.and_then(sampler));
    let queue = pid.map(|_| QueueSampler::start(what.url));
    if matches!(stage, Stage::Done) {
        stage = lookout.schedule(&mut crew).await;
    }
    generator.usage = series(samplers.0, lookout.began);
    let mut server_usage = series(samplers.1, lookout.began);
    if let (Some(queue), Some(began)) = (queue, lookout.began) {
        add_queue(&mut server_usage, &queue.finish(), began);
    }
    let machine = lookout
        .monitor
        .take()
        .map(Monitor::finish)
        .unwrap_or_default();
    let after = own_usage();
    generator.cpu_seconds = after.0.saturating_sub(before.0).as_secs_f64();
    generator.resident_end = after.1;
    let server_after = pid.and_then(|pid| usage_of(pid).ok());
    if matches!(stage, Stage::Done) {
        stage = lookout.drain(&crew, what.scenario.drain).await;
    }
    let closed = crew.progress.closed.load(Relaxed);
    let hiccups = lookout.hiccups.take().and_then(HiccupMonitor::finish);
    let Gathered {
        mut recorded,
        strays,
        log,
        broken,
        worker_cpu,
    } = crew.finish().await?;
    generator.worker_cpu = worker_cpu;
    if let Some(hiccups) = &hiccups {
        recorded.adopt(Metric::Hiccup, &hiccups.all);
    }
    Ok(Measurement {
        recorded,
        strays,
        log,
        broken,
        closed,
        generator,
        server: server_before
            .zip(server_after)
            .map(|(before, after)| ServerUse {
                cpu_seconds: after.cpu.saturating_sub(before.cpu).as_secs_f64(),
                resident: after.resident,
                usage: server_usage,
            }),
        machine,
        hiccups,
        interrupted: matches!(stage, Stage::Interrupted),
        aborted: match &stage {
            Stage::Aborted(why) => Some(why.clone()),
            _ => None,
        },
        target_died: match stage {
            Stage::Died(why) => Some(why),
            _ => None,
        },
    })
}

/// What a process took, by the schedule's time; the first sample, taken just before it, stands for its beginning.
fn series(sampler: Option<ResourceSampler>, began: Option<Instant>) -> Vec<UsageSecond> {
    let samples = sampler.map(ResourceSampler::finish).unwrap_or_default();
    let Some(began) = began.or(samples.first().map(|first| first.at)) else {
        return Vec::new();
    };
    samples
        .iter()
        .map(|sample| UsageSecond {
            at: sample.at.saturating_duration_since(began).as_secs_f64(),
            cpu_seconds: sample.usage.cpu.as_secs_f64(),
            resident: sample.usage.resident,
            queue: None,
        })
        .collect()
}

/// Adds to each second what was in the queue at the time nearest to it, if that is less than a second away.
fn add_queue(usage: &mut [UsageSecond], queue: &[(Instant, u64)], began: Instant) {
    for second in usage {
        let away = |at: &Instant| {
            let at = at.saturating_duration_since(began).as_secs_f64();
            (at - second.at).abs()
        };
        second.queue = queue
            .iter()
            .min_by(|(a, _), (b, _)| away(a).total_cmp(&away(b)))
            .filter(|(at, _)| away(at) < 1.0)
            .map(|(_, depth)| *depth);
    }
}

/// CPU time and resident bytes of this process; zero where they can't be read.
fn own_usage() -> (Duration, u64) {
    usage_of(std::process::id()).map_or((Duration::ZERO, 0), |usage| (usage.cpu, usage.resident))
}

impl Measurement {
    /// Why the run did not go to its end, if so.
    pub(super) fn incomplete(&self) -> Option<String> {
        let ended = self.target_died.as_ref().or(self.aborted.as_ref());
        match ended {
            Some(why) => Some(why.clone()),
            None => self.interrupted.then(|| "interrupted".to_owned()),
        }
    }

    /// Adds what the server timed itself.
    pub(super) fn adopt(&mut self, times: &ServerTimes) {
        self.recorded.adopt(Metric::ServerEmit, &times.emit);
        self.recorded.adopt(Metric::ServerSave, &times.save);
    }

    /// Adds the metric that only the whole ledger knows: of each measured message, its slowest delivery.
    pub(super) fn record_slowest(&mut self, plan: &Plan, ledger: &Ledger) {
        let mut slowest = recorder::Recorder::new(Arc::clone(self.recorded.layout()));
        slowest.begin(0);
        for (message, send) in plan.sends.iter().enumerate() {
            if plan.phases[send.phase as usize].measured
                && let Some(latency) = ledger.slowest(message as u32)
            {
                let metric = Metric::DeliverySlowest;
                slowest.record_in(send.phase, metric, send.at, send.at + latency);
            }
        }
        self.recorded.merge(&slowest.finish());
    }
}

/// The workers of a run.
pub(super) struct Crew {
    pub(super) workers: Vec<Worker>,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) progress: Arc<Progress>,
    pub(super) clock: Clock,
    pub(super) started: Nanos,
    resident_before: u64,
    layout: Arc<Layout>,
    pub(super) plan: Arc<Plan>,
    pub(super) url: String,
}

impl Crew {
    async fn start(what: &Where<'_>) -> Result<Self, RunError> {
        let endpoint = Endpoint::resolve(what.url)
            .await
            .map_err(|error| RunError::Connect {
                user: 0,
                url: what.url.to_owned(),
                error,
            })?;
        let workers = what
            .workers
            .unwrap_or_else(|| (environment::cores() / 2).max(1))
            .min(what.plan.users.len());
        let clock = Clock::start();
        let progress = Arc::new(Progress {
            live: std::iter::repeat_with(Mutex::default)
                .take(workers)
                .collect(),
            ..Progress::default()
        });
        // Each worker says at most two things, so that none ever waits for room.
        let (reporting, reports) = mpsc::channel(2 * workers);
        let vocabulary = Arc::new(what.vocabulary.clone());
        let tokens = Arc::new(Tokens::new(&what.scenario.connections.token));
        let layout = Arc::new(Layout::of(what.scenario));
        let resident_before = own_usage().1;
        let started = (0..workers)
            .map(|worker| {
                let job = Job {
                    worker,
                    workers,
                    cpu: what.cpus.get(worker % what.cpus.len().max(1)).copied(),
                    plan: Arc::clone(what.plan),
                    ledger: Arc::clone(what.ledger),
                    progress: Arc::clone(&progress),
                    clock,
                    run: what.run.clone(),
                    driver: what.driver,
                    transport: what.scenario.connections.transport,
                    endpoint: endpoint.clone(),
                    vocabulary: Arc::clone(&vocabulary),
                    ends: what.promises.ends,
                    tokens: Arc::clone(&tokens),
                    text: what.scenario.messages.text.clone(),
                    layout: Arc::clone(&layout),
                    connect_rate: what
                        .scenario
                        .population
                        .connect_rate
                        .map(|rate| rate.0 / workers as f64),
                };
                Worker::start(job, reporting.clone())
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self {
            workers: started,
            reports,
            progress,
            clock,
            started: clock.now(),
            resident_before,
            layout,
            plan: Arc::clone(what.plan),
            url: what.url.to_owned(),
        })
    }

    fn seconds(&self) -> f64 {
        Duration::from_nanos(self.clock.now() - self.started).as_secs_f64()
    }

    /// What the workers showed last, in the order of [`Layout::watched`].
    pub(super) fn live(&self) -> Vec<Samples> {
        let mut all: Vec<Samples> = Vec::new();
        for worker in &self.progress.live {
            let shown = worker.lock().unwrap_or_else(PoisonError::into_inner);
            if all.is_empty() {
                all.clone_from(&shown);
            } else {
                for (all, one) in all.iter_mut().zip(shown.iter()) {
                    all.merge(one);
                }
            }
        }
        all
    }

    pub(super) async fn tell(&self, command: Command) {
        for worker in &self.workers {
            worker.tell(command).await;
        }
    }

    async fn finish(self) -> Result<Gathered, RunError> {
        self.tell(Command::Finish).await;
        let seconds = self.plan.end().div_ceil(recorder::WINDOW) as usize;
        let mut gathered = Gathered {
            recorded: Recorded::empty(self.layout),
            strays: Strays::default(),
            log: Vec::new(),
            broken: Vec::new(),
            worker_cpu: Vec::new(),
        };
        for worker in self.workers {
            let mut outcome: Outcome = worker.outcome().await?;
            gathered.recorded.merge(&outcome.recorded);
            gathered.strays.merge(outcome.strays);
            gathered.log.extend(outcome.log);
            gathered.broken.extend(outcome.broken);
            // It goes on counting while the run drains.
            outcome.cpu.truncate(seconds);
            gathered.worker_cpu.push(outcome.cpu);
        }
        Ok(gathered)
    }
}

/// What all workers of a run have in the end.
struct Gathered {
    recorded: Recorded,
    strays: Strays,
    log: Vec<Entry>,
    broken: Vec<Broken>,
    worker_cpu: Vec<Vec<f64>>,
}
