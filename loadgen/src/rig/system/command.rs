//! A server that somebody else wrote, started by a command line for one run and ended with all its children.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Breakable, Death, End, Ending, PATIENCE, Running, System};
use crate::{
    dial::Endpoint,
    rig::{
        audit::Audit,
        error::TargetError,
        exit::ServerExit,
        group::Group,
        resources::Processes,
        status::{Late, ServerTimes},
        store::RunningStore,
    },
};

/// How long a command may take until it answers: some compile first.
const STARTING: Duration = Duration::from_secs(120);
/// How often it is asked.
const ASKED: Duration = Duration::from_millis(50);

/// A command, and where what it starts will listen.
pub struct Commanded<'a> {
    command: String,
    /// Beside its own environment.
    variables: Vec<(&'static str, String)>,
    server: Running,
    group: Option<Group>,
    /// A MongoDB of this program's, where it was told to save into one.
    store: Option<&'a RunningStore>,
    /// It was told to simulate a store in its own memory.
    forgets: bool,
    /// It was started again in mid-run: what it says of itself is said of the rest of the run only.
    began_anew: bool,
}

impl<'a> Commanded<'a> {
    /// Of a shell's command, which makes the server listen there.
    pub fn new(command: &str, server: Running) -> Self {
        Self {
            command: command.to_owned(),
            variables: Vec::new(),
            server,
            group: None,
            store: None,
            forgets: false,
            began_anew: false,
        }
    }

    /// With these variables in its environment, where no list of processes shows them.
    #[must_use]
    pub fn told(self, variables: Vec<(&'static str, String)>) -> Self {
        Self { variables, ..self }
    }

    /// Saving into this store, which was started for it; what it simulates itself nobody can break.
    #[must_use]
    pub fn on(self, store: &'a RunningStore) -> Self {
        Self {
            store: Some(store).filter(|store| !store.is_simulation()),
            forgets: store.is_simulation(),
            ..self
        }
    }

    /// Tells it one thing more by its environment, also when it is started again.
    pub(super) fn tell(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    /// Its processes, as long as it runs.
    pub(super) fn group(&self) -> Option<Processes> {
        let group = self.group.as_ref()?;
        Some(Processes::Group(group.id()))
    }

    /// Whether it was started again since.
    pub(super) fn began_anew(&self) -> bool {
        self.began_anew
    }

    /// Resolves when it ends without having been asked to. May be dropped and called again.
    pub(super) async fn exited(&mut self) -> ServerExit {
        match &mut self.group {
            Some(group) => group.exited().await,
            None => std::future::pending().await,
        }
    }

    /// Asks until it answers, it ends, or it is too late.
    async fn answered(&mut self, group: &mut Group) -> Result<Endpoint, TargetError> {
        let deadline = Instant::now() + STARTING;
        loop {
            let refusal = tokio::select! {
                exit = group.exited() => return Err(TargetError::CommandEnded(exit)),
                asked = timeout_at(deadline, self.server.start()) => match asked {
                    Ok(Ok(endpoint)) => return Ok(endpoint),
                    Ok(Err(refusal)) => refusal.to_string(),
                    Err(_) => format!("{} did not answer", self.server.address()),
                },
            };
            if Instant::now() + ASKED > deadline {
                return Err(TargetError::CommandSilent {
                    deadline: STARTING,
                    reason: refusal,
                    lines: group.lines(),
                });
            }
            sleep(ASKED).await;
        }
    }
}

#[async_trait(?Send)]
impl Breakable for Commanded<'_> {
    fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        let group = self.group.as_ref();
        group.map_or(Ok(()), |group| group.stand_still(still))
    }

    fn stands_still(&self) -> bool {
        self.group().is_some_and(Processes::stand_still)
    }

    fn take_down(&mut self, how: End) -> Option<Ending> {
        let group = self.group.take()?;
        Some(match how {
            End::Asked => Ending::of(group.stop(PATIENCE)),
            End::Killed => Ending::of(group.kill()),
        })
    }

    async fn start_again(&mut self) -> Result<(), TargetError> {
        self.began_anew = true;
        self.start().await.map(|_| ())
    }
}

#[async_trait(?Send)]
impl System for Commanded<'_> {
    /// Whoever answers there before the command runs would be taken for what it starts. A handshake tells, since what stands
    /// before the server may listen already.
    async fn start(&mut self) -> Result<Endpoint, TargetError> {
        if self.server.answers().await {
            return Err(TargetError::AnswersAlready {
                url: self.server.address().to_owned(),
            });
        }
        let mut group = Group::start(&self.command, &self.variables)?;
        let endpoint = self.answered(&mut group).await?;
        self.group = Some(group);
        Ok(endpoint)
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.server.endpoint()
    }

    fn address(&self) -> &str {
        self.server.address()
    }

    fn store(&self) -> String {
        self.server.store()
    }

    fn breakable(&mut self, _: Option<u16>) -> Option<&mut dyn Breakable> {
        Some(self)
    }

    fn own_store(&self) -> Option<&RunningStore> {
        self.store
    }

    fn forgets(&self) -> bool {
        self.forgets
    }

    fn excuse_store(&self, excused: bool) {
        self.server.excuse_store(excused);
    }

    fn processes(&self) -> Vec<Processes> {
        self.group().into_iter().collect()
    }

    async fn times(&self) -> Option<ServerTimes> {
        match self.began_anew {
            true => None,
            false => self.server.times().await,
        }
    }

    /// What it was told to keep itself is looked for whatever it says of that: that it does not list it is found then.
    async fn audit(&self) -> Result<Option<Audit>, Late> {
        match self.forgets {
            true => Ok(self.endpoint().map(Audit::memory)),
            false => self.server.audit().await,
        }
    }

    fn has_known_delivery(&self) -> bool {
        self.server.has_known_delivery()
    }

    async fn died(&mut self) -> Death {
        let group = async {
            match &mut self.group {
                Some(group) => group.exited().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            exit = group => Death {
                what: format!("the command ended: {exit}"),
                at: std::time::Instant::now(),
            },
            death = self.server.died() => death,
        }
    }

    async fn store_gone(&self) -> Option<Death> {
        self.server.store_gone().await
    }

    /// How it ends when it is asked to is its own affair: many a server has no handler for that.
    async fn stop(&mut self) -> Result<Option<String>, TargetError> {
        let Some(group) = self.group.take() else {
            return Ok(None);
        };
        let ServerExit { killed_after, .. } = group.stop(PATIENCE).await?;
        Ok(killed_after.map(|deadline| {
            format!("the command was killed, because it had not ended {deadline:?} after SIGTERM")
        }))
    }
}
