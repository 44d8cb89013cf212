//! One server of our own as a process: started, broken on purpose, and started again where it was.

use std::path::PathBuf;

use async_trait::async_trait;

use super::{Breakable, End, Ending, PATIENCE};
use crate::rig::{
    error::TargetError, exit::ServerExit, process::RunningServer, resources::Processes,
};

/// This program, or another build of the server, with its arguments.
pub(super) struct Launched {
    /// Another build of the `server` program; `None`: this one.
    program: Option<PathBuf>,
    /// The command, of this program, and its arguments.
    arguments: Vec<String>,
    url: String,
    running: Option<RunningServer>,
    /// It was started again in mid-run: what it says of itself is said of the rest of the run only.
    began_anew: bool,
}

impl Launched {
    /// Not started yet.
    pub(super) fn new(program: Option<PathBuf>, arguments: Vec<String>) -> Self {
        Self {
            program,
            arguments,
            url: String::new(),
            running: None,
            began_anew: false,
        }
    }

    /// Starts it, with these arguments beside its own, also when it is started again.
    ///
    /// # Errors
    /// As [`RunningServer::start`].
    pub(super) async fn start(&mut self, more: &[&str]) -> Result<(), TargetError> {
        let more = more.iter().map(|argument| (*argument).to_owned());
        self.arguments.extend(more);
        let running = self.run().await?;
        running.url().clone_into(&mut self.url);
        self.running = Some(running);
        Ok(())
    }

    async fn run(&self) -> Result<RunningServer, TargetError> {
        match &self.program {
            Some(program) => RunningServer::start_program(program, &self.arguments, PATIENCE).await,
            None => RunningServer::start(&self.arguments, PATIENCE).await,
        }
    }

    /// Where it listens, once it has been started.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its process, as long as there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(RunningServer::pid)
    }

    /// The same, as what is measured.
    pub(super) fn processes(&self) -> Option<Processes> {
        self.pid().map(Processes::One)
    }

    /// Whether it was started again since.
    pub(super) fn began_anew(&self) -> bool {
        self.began_anew
    }

    /// Resolves when it ends without having been asked to. May be dropped and called again.
    pub(super) async fn exited(&mut self) -> ServerExit {
        match &mut self.running {
            Some(running) => running.exited().await,
            None => std::future::pending().await,
        }
    }

    /// Asks it to end; `None` where there is none.
    ///
    /// # Errors
    /// As [`RunningServer::stop`].
    pub(super) async fn stop(&mut self) -> Result<Option<ServerExit>, TargetError> {
        match self.running.take() {
            Some(running) => running.stop(PATIENCE).await.map(Some),
            None => Ok(None),
        }
    }
}

#[async_trait(?Send)]
impl Breakable for Launched {
    fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        let running = self.running.as_ref();
        running.map_or(Ok(()), |running| running.stand_still(still))
    }

    fn stands_still(&self) -> bool {
        self.pid()
            .is_some_and(|pid| Processes::One(pid).stand_still())
    }

    fn take_down(&mut self, how: End) -> Option<Ending> {
        let running = self.running.take()?;
        Some(match how {
            End::Asked => Ending::of(running.stop(PATIENCE)),
            End::Killed => Ending::of(running.kill()),
        })
    }

    /// Whoever was connected knows the old one's port.
    async fn start_again(&mut self) -> Result<(), TargetError> {
        let port = self.url.rsplit(':').next().unwrap_or_default().to_owned();
        if let Some(place) = self.arguments.iter().position(|one| one == "--port") {
            self.arguments.splice(place + 1..place + 2, [port]);
        }
        self.running = Some(self.run().await?);
        self.began_anew = true;
        Ok(())
    }
}
