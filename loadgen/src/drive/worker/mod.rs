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
use tokio::{
    runtime::Builder,
    sync::mpsc,
    task::{self, JoinSet, LocalSet},
};

use self::{dialogue::Dialogue, request::NotThere, timer::Timer, users::Users};
pub use self::{
    heard::{Heard, Part, Unreadable, text_at},
    job::{Command, Excuse, Job, Milestone, Progress},
    membership::SETTLING,
    payload::is_id,
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

/// A worker has ended and says no more; if it was not told to, [`Worker::observed`] has why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// To whom a worker says how far it is, and last that it has ended.
pub type Reporting = mpsc::Sender<Result<Milestone, Stopped>>;

/// Says when it is dropped that its worker has ended, be it by an error or by a panic.
struct LastWord(Reporting);

impl Drop for LastWord {
    fn drop(&mut self) {
        // There is room for it, or nobody who reads it.
        let _ = self.0.try_send(Err(Stopped));
    }
}

impl Worker {
    /// Starts the thread; it connects its users at once. It says three things at most.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(job: Job, milestones: Reporting) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel(4);
        let thread = thread::Builder::new()
            .name(format!("worker-{}", job.worker))
            .spawn(move || {
                let _last_word = LastWord(milestones.clone());
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
        task::spawn_blocking(move || self.thread.join())
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
    milestones: Reporting,
) -> io::Result<Observed> {
    // What can fail for want of a descriptor does so before anybody is there.
    let timer = Rc::new(Timer::new()?);
    let dialogue = Dialogue::new(&job.plan, job.share.clone());
    let users = Rc::new(Users::new(job, Rc::clone(&dialogue)));
    let mut housekeeping = task::spawn_local(Rc::clone(&users).housekeeping());
    let connected = tokio::select! {
        connected = Rc::clone(&users).connect_all(&timer) => connected,
        // Whoever started it gives up, or is gone, before everybody is there.
        _ = inbox.recv() => return Ok(users.finish()),
        _ = &mut housekeeping => return Err(panicked("a user's task")),
    };
    // Somebody listens as long as workers run, so what can't be handed over has no reader left.
    let milestone = match connected {
        Ok(()) => Milestone::Ready,
        Err((user, NotThere::Connect(error))) => Milestone::CannotConnect { user, error },
        Err((user, NotThere::Join(error))) => Milestone::CannotJoin { user, error },
    };
    let _ = milestones.send(Ok(milestone)).await;
    let mut performing = JoinSet::new();
    loop {
        tokio::select! {
            command = inbox.recv() => {
                let Some(Command::Start(at)) = command else {
                    break;
                };
                task::spawn_local(Rc::clone(&users).watch_cpu(at));
                let (users, dialogue) = (Rc::clone(&users), Rc::clone(&dialogue));
                performing.spawn_local(schedule::perform(users, dialogue, Rc::clone(&timer), at));
            }
            Some(performed) = performing.join_next() => {
                outcome(performed)?;
                let _ = milestones.send(Ok(Milestone::Sent)).await;
            }
            _ = &mut housekeeping => return Err(panicked("a user's task")),
        }
    }
    housekeeping.abort();
    performing.abort_all();
    while let Some(performed) = performing.join_next().await {
        outcome(performed)?;
    }
    users.give_up().await;
    users.close_all().await;
    match users.has_panicked() {
        true => Err(panicked("a user's task")),
        false => Ok(users.finish()),
    }
}

/// What came of the schedule; that it was given up is no error.
fn outcome(performed: Result<io::Result<()>, task::JoinError>) -> io::Result<()> {
    match performed {
        Ok(performed) => performed,
        Err(error) if error.is_panic() => Err(panicked("the schedule")),
        Err(_) => Ok(()),
    }
}

fn panicked(what: &str) -> io::Error {
    io::Error::other(format!("{what} panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn panics() -> io::Result<()> {
        panic!("as told")
    }

    #[tokio::test]
    async fn a_schedule_that_panics_is_an_error_and_one_that_was_given_up_is_none() {
        let performed = tokio::spawn(panics()).await;
        let error = outcome(performed).unwrap_err();
        assert_eq!(error.to_string(), "the schedule panicked");
        let given_up = tokio::spawn(std::future::pending::<io::Result<()>>());
        given_up.abort();
        assert!(outcome(given_up.await).is_ok());
    }

    #[test]
    fn a_worker_that_ends_by_itself_says_so_while_others_go_on() {
        let job = Job {
            cpu: Some(usize::MAX),
            ..receipt::allocations::job()
        };
        let runtime = Builder::new_current_thread().build().unwrap();
        let (others, mut milestones) = mpsc::channel(3);
        let worker = Worker::start(job, others.clone()).unwrap();
        let said = runtime.block_on(milestones.recv());
        assert!(matches!(said, Some(Err(Stopped))));
        let error = runtime.block_on(worker.observed()).err().unwrap();
        assert!(error.to_string().contains("no processor"), "{error}");
        drop(others);
    }
}
