//! The phases of one run against one server: connect, schedule, drain, goodbye.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{Event, Interrupt, RunError, Watcher, environment};
use crate::{
    body::RunId,
    checks::Promises,
    client::native::Endpoint,
    clock::{Clock, Nanos, nanos},
    ledger::Ledger,
    machine::{MachineSecond, Monitor},
    metric::Metric,
    plan::Plan,
    presence::Entry,
    recorder::{self, Layout, Recorded, Samples},
    report::{Generator, ServerUse, UsageSecond},
    scenario::Scenario,
    target::{ResourceSampler, RunningServer, ServerTimes, usage_of},
    token::Tokens,
    worker::{Broken, Command, Job, Outcome, Progress, Report, Strays, Worker},
};

/// From "everybody is there" to the first intended send: time for all workers to hear of it.
const RUN_UP: Duration = Duration::from_millis(200);
/// How often progress is shown, and the drain looked at.
const TICK: Duration = Duration::from_millis(250);
/// After the last acknowledgement, what else is on its way comes soon.
const QUIET: Duration = Duration::from_secs(1);
/// Where nothing is acknowledged, nobody knows whether more will come.
const QUIET_WITHOUT_ACKS: Duration = Duration::from_secs(3);

/// What is to be run, and where.
pub(super) struct Where<'a> {
    pub scenario: &'a Scenario,
    pub promises: Promises,
    pub plan: &'a Arc<Plan>,
    pub ledger: &'a Arc<Ledger>,
    pub run: &'a RunId,
    pub url: &'a str,
    pub workers: Option<usize>,
    pub machine_check: bool,
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
    /// Why the target was gone before the end.
    pub target_died: Option<String>,
    /// The user stopped it.
    pub interrupted: bool,
}

/// Where a run is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The phase, or what is waited for.
    pub phase: String,
    /// Since the start of the schedule; before it, since the first connect.
    pub elapsed: Duration,
    /// The whole schedule; `None` while users connect.
    pub total: Option<Duration>,
    /// Users connected and joined.
    pub connected: u64,
    /// Users of the scenario.
    pub users: u64,
    /// Messages sent so far.
    pub sent: u64,
    /// Messages sent per second since the last snapshot.
    pub rate: f64,
    /// Of the deliveries so far, nanoseconds.
    pub p50: Option<Nanos>,
    /// Of the deliveries so far, nanoseconds.
    pub p99: Option<Nanos>,
}

/// How a stage ended.
enum Stage {
    Done,
    Died(String),
    Interrupted,
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
        monitor: None,
    };
    let mut generator = Generator {
        client: "native".to_owned(),
        transport: "websocket".to_owned(),
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
    if matches!(stage, Stage::Done) {
        stage = lookout.schedule(&mut crew).await;
    }
    generator.usage = series(samplers.0);
    let server_usage = series(samplers.1);
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
    let Gathered {
        recorded,
        strays,
        log,
        broken,
        worker_cpu,
    } = crew.finish().await?;
    generator.worker_cpu = worker_cpu;
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
        interrupted: matches!(stage, Stage::Interrupted),
        target_died: match stage {
            Stage::Died(why) => Some(why),
            Stage::Done | Stage::Interrupted => None,
        },
    })
}

fn series(sampler: Option<ResourceSampler>) -> Vec<UsageSecond> {
    let samples = sampler.map(ResourceSampler::finish).unwrap_or_default();
    let began = samples.first().map(|first| first.at);
    samples
        .iter()
        .zip(began.iter().cycle())
        .map(|(sample, began)| UsageSecond {
            at: sample.at.duration_since(*began).as_secs_f64(),
            cpu_seconds: sample.usage.cpu.as_secs_f64(),
            resident: sample.usage.resident,
            queue: None,
        })
        .collect()
}

/// CPU time and resident bytes of this process; zero where they can't be read.
fn own_usage() -> (Duration, u64) {
    usage_of(std::process::id()).map_or((Duration::ZERO, 0), |usage| (usage.cpu, usage.resident))
}

impl Measurement {
    /// Why the run did not go to its end, if so.
    pub(super) fn incomplete(&self) -> Option<String> {
        match &self.target_died {
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
struct Crew {
    workers: Vec<Worker>,
    reports: mpsc::Receiver<Report>,
    progress: Arc<Progress>,
    clock: Clock,
    started: Nanos,
    resident_before: u64,
    layout: Arc<Layout>,
    plan: Arc<Plan>,
    url: String,
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
        let vocabulary = Arc::new(what.scenario.vocabulary());
        let layout = Arc::new(Layout::of(what.scenario));
        let tokens = Arc::new(Tokens::new(&what.scenario.connections.token));
        let resident_before = own_usage().1;
        let started = (0..workers)
            .map(|worker| {
                let job = Job {
                    worker,
                    workers,
                    plan: Arc::clone(what.plan),
                    ledger: Arc::clone(what.ledger),
                    progress: Arc::clone(&progress),
                    clock,
                    run: what.run.clone(),
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
    fn live(&self) -> Vec<Samples> {
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

    async fn tell(&self, command: Command) {
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

/// What all workers have in the end.
struct Gathered {
    recorded: Recorded,
    strays: Strays,
    log: Vec<Entry>,
    broken: Vec<Broken>,
    worker_cpu: Vec<Vec<f64>>,
}

/// When nothing more is to be waited for.
enum Awaited {
    /// It is known what a run that goes well must see.
    Counts {
        received: u64,
        ended: u64,
        acked: u64,
    },
    /// Who comes and goes, or sends as soon as it may, makes that uncertain: all acknowledgements that can still come,
    /// and then so long nothing new.
    Quiet { acks: bool, time: Duration },
}

impl Awaited {
    fn of(what: &Where<'_>) -> Self {
        let Promises {
            ends, acks, echo, ..
        } = what.promises;
        let (slots, messages) = (what.plan.slots as u64, what.plan.sends.len() as u64);
        if !what.plan.is_certain() {
            let time = if acks { QUIET } else { QUIET_WITHOUT_ACKS };
            return Awaited::Quiet { acks, time };
        }
        Awaited::Counts {
            received: if echo { slots } else { slots - messages },
            ended: if ends { slots } else { 0 },
            acked: if acks { messages } else { 0 },
        }
    }

    /// Whether all is there; `since`: the last change of what has come.
    fn is_there(&self, progress: &Progress, since: tokio::time::Instant) -> bool {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        match *self {
            Awaited::Counts {
                received,
                ended,
                acked,
            } => {
                count(&progress.received) >= received
                    && count(&progress.ended) >= ended
                    && count(&progress.acked) >= acked
            }
            Awaited::Quiet { acks, time } => {
                let answered = count(&progress.acked) + count(&progress.abandoned);
                (!acks || answered >= count(&progress.sent)) && since.elapsed() >= time
            }
        }
    }
}

/// How much has come so far.
fn come(progress: &Progress) -> [u64; 3] {
    [&progress.received, &progress.ended, &progress.acked].map(|counter| counter.load(Relaxed))
}

/// Watches a run from outside the workers: shows it, and notices when the target dies or the user stops it.
struct Lookout<'a> {
    server: Option<&'a mut RunningServer>,
    interrupt: &'a Interrupt,
    watcher: &'a mut dyn Watcher,
    awaited: Awaited,
    machine_check: bool,
    monitor: Option<Monitor>,
}

impl Lookout<'_> {
    async fn connect(&mut self, crew: &mut Crew) -> Result<Stage, RunError> {
        self.watcher.event(Event::Stage("connect"));
        let mut ready = 0;
        let mut view = View::default();
        while ready < crew.workers.len() {
            tokio::select! {
                report = crew.reports.recv() => match report {
                    Some(Report::Ready) => ready += 1,
                    Some(Report::CannotConnect { user, error }) => {
                        return match self.death(Duration::from_millis(500)).await {
                            Some(why) => Ok(Stage::Died(why)),
                            None => Err(RunError::Connect { user, url: crew.url.clone(), error }),
                        };
                    }
                    Some(Report::Sent) => {}
                    None => return Ok(Stage::Died("all workers ended".into())),
                },
                why = died(&mut self.server) => return Ok(Stage::Died(why)),
                () = self.interrupt.nth(1) => return Err(RunError::Interrupted),
                () = tokio::time::sleep(TICK) => {
                    let elapsed = crew.clock.now() - crew.started;
                    let snapshot = view.snapshot(crew, "connecting".into(), elapsed, None);
                    self.watcher.event(Event::Progress(&snapshot));
                }
            }
        }
        Ok(Stage::Done)
    }

    async fn schedule(&mut self, crew: &mut Crew) -> Stage {
        self.watcher.event(Event::Stage("schedule"));
        let start = crew.clock.now() + nanos(RUN_UP);
        if self.machine_check {
            self.watch_machine(crew.clock.instant(start));
        }
        crew.tell(Command::Start(start)).await;
        let mut sent = 0;
        let mut view = View::default();
        while sent < crew.workers.len() {
            tokio::select! {
                report = crew.reports.recv() => match report {
                    Some(Report::Sent) => sent += 1,
                    Some(_) => {}
                    None => return Stage::Died("all workers ended".into()),
                },
                why = died(&mut self.server) => return Stage::Died(why),
                () = self.interrupt.nth(1) => return Stage::Interrupted,
                () = tokio::time::sleep(TICK) => {
                    if let Some(why) = everybody_gone(crew) {
                        return Stage::Died(self.death(TICK).await.unwrap_or(why));
                    }
                    let elapsed = crew.clock.now().saturating_sub(start);
                    let phase = phase_at(&crew.plan, elapsed);
                    let snapshot = view.snapshot(crew, phase, elapsed, Some(crew.plan.end()));
                    self.watcher.event(Event::Progress(&snapshot));
                }
            }
        }
        Stage::Done
    }

    /// Only of a server that was started here is known which process it is.
    fn watch_machine(&mut self, start: Instant) {
        let own = self
            .server
            .as_ref()
            .map(|server| vec![std::process::id(), server.pid()]);
        self.monitor = Monitor::start(start, own)
            .inspect_err(|error| tracing::warn!(%error, "the machine is not watched"))
            .ok();
    }

    /// Waits until everything that is due has come, or the scenario's patience ends.
    async fn drain(&mut self, crew: &Crew, patience: Duration) -> Stage {
        self.watcher.event(Event::Stage("drain"));
        let deadline = tokio::time::Instant::now() + patience;
        let (mut seen, mut since) = (come(&crew.progress), tokio::time::Instant::now());
        while !self.awaited.is_there(&crew.progress, since)
            && tokio::time::Instant::now() < deadline
        {
            let now = come(&crew.progress);
            if now != seen {
                (seen, since) = (now, tokio::time::Instant::now());
            }
            tokio::select! {
                why = died(&mut self.server) => return Stage::Died(why),
                () = self.interrupt.nth(1) => return Stage::Interrupted,
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    if let Some(why) = everybody_gone(crew) {
                        return Stage::Died(self.death(TICK).await.unwrap_or(why));
                    }
                }
            }
        }
        // What is doubled comes behind what was awaited.
        tokio::time::sleep(RUN_UP).await;
        Stage::Done
    }

    /// Why the server process died, if it does within that time: its connections break before it is gone.
    async fn death(&mut self, within: Duration) -> Option<String> {
        tokio::time::timeout(within, died(&mut self.server))
            .await
            .ok()
    }
}

/// Resolves when the server process of this run has ended.
async fn died(server: &mut Option<&mut RunningServer>) -> String {
    match server {
        Some(server) => format!("the server died: {}", server.exited().await),
        None => std::future::pending().await,
    }
}

fn everybody_gone(crew: &Crew) -> Option<String> {
    let closed = crew.progress.closed.load(Relaxed);
    let left = crew.progress.connected.load(Relaxed);
    (closed > 0 && left == 0).then(|| format!("{} closed all {closed} connections", crew.url))
}

fn phase_at(plan: &Plan, elapsed: Nanos) -> String {
    plan.phases
        .iter()
        .find(|phase| elapsed < phase.end)
        .map_or_else(|| "draining".to_owned(), |phase| phase.name.clone())
}

/// Remembers the last snapshot, for the rate between two.
#[derive(Default)]
struct View {
    last: Option<(Nanos, u64)>,
}

impl View {
    fn snapshot(
        &mut self,
        crew: &Crew,
        phase: String,
        elapsed: Nanos,
        total: Option<Nanos>,
    ) -> Snapshot {
        let sent = crew.progress.sent.load(Relaxed);
        let rate = self.last.map_or(0.0, |(at, before)| {
            (sent - before) as f64 / Duration::from_nanos((elapsed - at).max(1)).as_secs_f64()
        });
        self.last = Some((elapsed, sent));
        let live = crew.live();
        // All deliveries are the first that is watched.
        let deliveries = live.first().map(|samples| &samples.histogram);
        let at = |percentile| crate::percentile::of(deliveries?, percentile).ok();
        Snapshot {
            phase,
            elapsed: Duration::from_nanos(elapsed),
            total: total.map(Duration::from_nanos),
            connected: crew.progress.connected.load(Relaxed),
            users: crew.plan.users.len() as u64,
            sent,
            rate,
            p50: at(50.0),
            p99: at(99.0),
        }
    }
}
