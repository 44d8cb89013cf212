//! One worker thread with a runtime of its own: its [`users`] connect, its [`schedule`] is performed, and [`receipt`]
//! notes what comes back.

mod cpu;
mod job;
mod membership;
mod payload;
mod receipt;
mod schedule;

mod timer;
mod users;

use std::{io, rc::Rc, thread};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::{runtime, sync::mpsc, task::LocalSet};

pub use self::{
    job::{Command, Job, Outcome, Progress, Report},
    receipt::hash,
};
use self::{schedule::Dialogue, users::Users};
pub use crate::observed::{
    Broken,
    strays::{Stray, StrayKind, Strays},
};

/// A running worker thread.
pub struct Worker {
    commands: mpsc::Sender<Command>,
    thread: thread::JoinHandle<io::Result<Outcome>>,
}

impl Worker {
    /// Starts the thread; it connects its users at once.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(job: Job, reports: mpsc::Sender<Report>) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel(4);
        let thread = thread::Builder::new()
            .name(format!("worker-{}", job.worker))
            .spawn(move || {
                if let Some(cpu) = job.cpu {
                    bind_to(cpu)?;
                }
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                LocalSet::new().block_on(&runtime, run(job, inbox, reports))
            })?;
        Ok(Self { commands, thread })
    }

    /// Tells the worker what to do next. A worker that has ended needs no telling.
    pub async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// Waits for the worker's outcome, after [`Command::Finish`].
    ///
    /// # Errors
    /// What kept it from working, a panic included.
    pub async fn outcome(self) -> io::Result<Outcome> {
        tokio::task::spawn_blocking(move || self.thread.join())
            .await
            .map_err(io::Error::other)?
            .map_err(|_| io::Error::other("a worker thread panicked"))?
    }
}

/// Binds the calling thread to one processor.
fn bind_to(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::other(format!("there is no processor {cpu}")));
    }
    set.set(cpu);
    sched_setaffinity(None, &set)
        .map_err(|error| io::Error::other(format!("can't be bound to processor {cpu}: {error}")))
}

async fn run(
    job: Job,
    mut inbox: mpsc::Receiver<Command>,
    reports: mpsc::Sender<Report>,
) -> io::Result<Outcome> {
    let dialogue = Dialogue::new(&job.plan, job.worker, job.workers);
    let users = Rc::new(Users::new(job, Rc::clone(&dialogue)));
    let housekeeping = tokio::task::spawn_local(Rc::clone(&users).housekeeping());
    let connected = tokio::select! {
        connected = Rc::clone(&users).connect_all() => connected,
        // The runner gives up, or is gone, before everybody is there.
        _ = inbox.recv() => return Ok(users.finish()),
    };
    // The runner listens as long as workers run, so a report that can't be handed over has no reader left.
    let _ = match connected {
        Ok(()) => reports.send(Report::Ready).await,
        Err((user, error)) => reports.send(Report::CannotConnect { user, error }).await,
    };
    let mut performing = None;
    while let Some(Command::Start(at)) = inbox.recv().await {
        tokio::task::spawn_local(Rc::clone(&users).watch_cpu(at));
        let (users, dialogue, reports) = (Rc::clone(&users), Rc::clone(&dialogue), reports.clone());
        performing = Some(tokio::task::spawn_local(async move {
            schedule::perform(users, dialogue, at).await?;
            let _ = reports.send(Report::Sent).await;
            Ok::<_, io::Error>(())
        }));
    }
    housekeeping.abort();
    if let Some(performing) = performing {
        performing.abort();
        if let Ok(performed) = performing.await {
            performed?;
        }
    }
    users.close_all().await;
    Ok(users.finish())
}
