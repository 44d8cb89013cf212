//! One worker thread with a runtime of its own: its [`users`] connect, its [`schedule`] is performed, and [`receipt`]
//! notes what comes back.

mod cpu;
mod dialogue;
mod heard;
mod job;
mod membership;
mod payload;
mod receipt;
mod request;
mod returning;
mod schedule;
mod timer;
mod users;
mod whereabouts;

use std::{io, rc::Rc, thread};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::{runtime::Builder, sync::mpsc, task::LocalSet};

use self::{dialogue::Dialogue, request::NotThere, timer::Timer, users::Users};
pub use self::{
    heard::{Heard, Part, Unreadable, text_at},
    job::{Command, Excuse, Job, Milestone, Progress},
    membership::SETTLING,
    receipt::hash,
    request::JoinError,
    whereabouts::Whereabouts,
};
use crate::observed::Observed;

/// A running worker thread.
pub struct Worker {
    commands: mpsc::Sender<Command>,
    thread: thread::JoinHandle<io::Result<Observed>>,
}

impl Worker {
    /// Starts the thread; it connects its users at once.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(job: Job, milestones: mpsc::Sender<Milestone>) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel(4);
        let thread = thread::Builder::new()
            .name(format!("worker-{}", job.worker))
            .spawn(move || {
                if let Some(cpu) = job.cpu {
                    bind_to(cpu)?;
                }
                let runtime = Builder::new_current_thread().enable_all().build()?;
                LocalSet::new().block_on(&runtime, run(job, inbox, milestones))
            })?;
        Ok(Self { commands, thread })
    }

    /// Tells the worker what to do next. A worker that has ended needs no telling.
    pub async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// Waits for what the worker saw, after [`Command::Finish`].
    ///
    /// # Errors
    /// What kept it from working, a panic included.
    pub async fn observed(self) -> io::Result<Observed> {
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
    milestones: mpsc::Sender<Milestone>,
) -> io::Result<Observed> {
    // What can fail for want of a descriptor does so before anybody is there.
    let timer = Rc::new(Timer::new()?);
    let dialogue = Dialogue::new(&job.plan, job.share.clone());
    let users = Rc::new(Users::new(job, Rc::clone(&dialogue)));
    let housekeeping = tokio::task::spawn_local(Rc::clone(&users).housekeeping());
    let connected = tokio::select! {
        connected = Rc::clone(&users).connect_all(&timer) => connected,
        // Whoever started it gives up, or is gone, before everybody is there.
        _ = inbox.recv() => return Ok(users.finish()),
    };
    // Somebody listens as long as workers run, so what can't be handed over has no reader left.
    let milestone = match connected {
        Ok(()) => Milestone::Ready,
        Err((user, NotThere::Connect(error))) => Milestone::CannotConnect { user, error },
        Err((user, NotThere::Join(error))) => Milestone::CannotJoin { user, error },
    };
    let _ = milestones.send(milestone).await;
    let mut performing = None;
    while let Some(Command::Start(at)) = inbox.recv().await {
        tokio::task::spawn_local(Rc::clone(&users).watch_cpu(at));
        let (users, dialogue, milestones) =
            (Rc::clone(&users), Rc::clone(&dialogue), milestones.clone());
        let timer = Rc::clone(&timer);
        performing = Some(tokio::task::spawn_local(async move {
            schedule::perform(users, dialogue, &timer, at).await?;
            let _ = milestones.send(Milestone::Sent).await;
            Ok::<_, io::Error>(())
        }));
    }
    housekeeping.abort();
    if let Some(performing) = performing {
        performing.abort();
        performing.await.unwrap_or(Ok(()))?;
    }
    users.close_all().await;
    Ok(users.finish())
}
