//! The workers of one run: started together, told what to do, and their sights merged in the end.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    client::Driver,
    token::Tokens,
    worker::{
        Command, Excuse, Heard, Job, Milestone, Progress, Reporting, Stopped, Whereabouts, Worker,
    },
};
use crate::{
    dial::Endpoint,
    judge::Promises,
    model::{Clock, Nanos, RunId, Vocabulary},
    observed::{Layout, Ledger, Observed, Recorded, Samples},
    plan::{Plan, Share},
    scenario::Scenario,
};

/// What a crew is to do.
pub struct Task<'a> {
    /// How users connect, and what they say.
    pub scenario: &'a Scenario,
    /// What happens when.
    pub plan: &'a Arc<Plan>,
    /// The users that are driven here.
    pub share: &'a Share,
    /// The names that are spoken.
    pub vocabulary: Vocabulary,
    /// What the server owes for each message.
    pub promises: Promises,
    /// Whose messages these are.
    pub run: &'a RunId,
    /// Where the server is.
    pub endpoint: &'a Endpoint,
    /// The client that is driven.
    pub driver: Driver,
    /// Worker threads; more than there are users here there are not.
    pub workers: usize,
    /// Processors that worker threads are bound to, in turn; none: the system decides.
    pub cpus: &'a [usize],
}

/// The workers of a run.
pub struct Crew {
    workers: Vec<Worker>,
    jobs: Vec<Job>,
    /// For the jobs; no more once these are started, so that their end is noticed.
    reporting: Option<Reporting>,
    milestones: mpsc::Receiver<Result<Milestone, Stopped>>,
    /// Counts so far.
    pub progress: Arc<Progress>,
    /// The run's clock.
    pub clock: Clock,
    /// When the workers were started, on the run's clock.
    pub started: Nanos,
    /// What is to be done.
    pub plan: Arc<Plan>,
    /// How many users are driven here.
    pub users: usize,
    layout: Arc<Layout>,
    ledger: Arc<Ledger>,
}

impl Crew {
    /// All that workers need, before any is there.
    pub fn new(task: &Task<'_>) -> Self {
        let users = task.plan.users.len();
        let here = task.share.places(users);
        let workers = task.workers.min(here);
        let progress = Arc::new(Progress {
            live: std::iter::repeat_with(Mutex::default)
                .take(workers)
                .collect(),
            heard: std::iter::repeat_with(Mutex::default)
                .take(workers)
                .collect(),
            struck: std::iter::repeat_with(Default::default)
                .take(task.plan.faults.len())
                .collect(),
            excuse: Excuse::of(task.plan.nodes.count()),
            ..Progress::default()
        });
        let connections = &task.scenario.connections;
        let connect_rate = task.scenario.population.connect_rate;
        let job = Job {
            worker: 0,
            share: Share::WHOLE,
            cpu: None,
            plan: Arc::clone(task.plan),
            ledger: Arc::new(Ledger::of(task.plan)),
            progress: Arc::clone(&progress),
            clock: Clock::start(),
            run: task.run.clone(),
            driver: task.driver,
            transport: connections.transport,
            endpoint: task.endpoint.clone(),
            whereabouts: Arc::new(Whereabouts::new(task.plan.nodes, users)),
            vocabulary: Arc::new(task.vocabulary.clone()),
            promises: task.promises,
            tokens: Arc::new(Tokens::new(connections)),
            text: task.scenario.messages.text.clone(),
            layout: Arc::new(Layout::of(task.scenario)),
            // What a rate is of all users it is of a part of them in proportion.
            connect_rate: connect_rate
                .map(|rate| rate.0 * here as f64 / users as f64 / workers as f64),
        };
        let jobs = task.share.clone().split(workers).enumerate();
        // Each worker says at most three things, so that none ever waits for room.
        let (reporting, milestones) = mpsc::channel(3 * workers);
        Self {
            workers: Vec::new(),
            jobs: jobs
                .map(|(worker, share)| Job {
                    worker,
                    share,
                    cpu: task.cpus.get(worker % task.cpus.len().max(1)).copied(),
                    ..job.clone()
                })
                .collect(),
            reporting: Some(reporting),
            milestones,
            progress,
            clock: job.clock,
            started: job.clock.now(),
            plan: job.plan,
            users: here,
            layout: job.layout,
            ledger: job.ledger,
        }
    }

    /// Starts the workers, which connect their users at once.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(&mut self) -> io::Result<()> {
        self.started = self.clock.now();
        if let Some(reporting) = self.reporting.take() {
            for job in self.jobs.drain(..) {
                self.workers.push(Worker::start(job, reporting.clone())?);
            }
        }
        Ok(())
    }

    /// How many workers there are.
    pub fn size(&self) -> usize {
        self.workers.len()
    }

    /// The next thing that any worker says; `None` when one has ended that was not told to, whose error [`Crew::finish`] has.
    pub async fn milestone(&mut self) -> Option<Milestone> {
        self.milestones.recv().await?.ok()
    }

    /// The account of what was sent and received, which goes on.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Since the workers were started.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.now() - self.started)
    }

    /// What the workers showed last, in the order of [`Layout::watched`].
    pub fn live(&self) -> Vec<Samples> {
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

    /// What the workers heard so far.
    pub fn heard(&self) -> Heard {
        let mut all = Heard::default();
        for worker in &self.progress.heard {
            all.merge(&worker.lock().unwrap_or_else(PoisonError::into_inner));
        }
        all
    }

    /// Tells all workers what to do next.
    pub async fn tell(&self, command: Command) {
        for worker in &self.workers {
            worker.tell(command).await;
        }
    }

    /// Ends the workers: what all of them saw.
    ///
    /// # Errors
    /// What kept one from working.
    pub async fn finish(self) -> io::Result<Observed> {
        self.tell(Command::Finish).await;
        let mut observed = Observed::of(Recorded::empty(self.layout), self.ledger);
        for worker in self.workers {
            observed.merge(worker.observed().await?);
        }
        Ok(observed)
    }
}
