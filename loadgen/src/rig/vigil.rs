//! Notices when a MongoDB that a run needs stops answering for good, and since when.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bson::doc;
use mongodb::Client;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::{error::TargetError, mongo, system::Death};

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is silent for so long is gone: elections and pauses are over sooner, and a server gives its saves up after 10 s.
const GONE_AFTER: Duration = Duration::from_secs(15);

/// Asks in a task of the runtime that it is started on, which must not be a worker's.
#[derive(Debug)]
pub(super) struct Vigil {
    store: String,
    client: Client,
    state: watch::Receiver<State>,
    excused: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone)]
enum State {
    /// It has not answered yet.
    Unknown,
    Answers,
    Silent {
        since: Instant,
        why: String,
    },
}

impl Vigil {
    /// Asks the MongoDB at `uri` from now on; `store` says to people which one it is.
    ///
    /// # Errors
    /// [`TargetError::MongoUri`] for what is no connection string.
    pub(super) async fn start(uri: &str, store: String) -> Result<Self, TargetError> {
        let (client, _) = mongo::client(uri, PATIENCE).await?;
        let (told, state) = watch::channel(State::Unknown);
        let asked = client.clone();
        let excused = Arc::<AtomicBool>::default();
        let excuse = Arc::clone(&excused);
        let task = tokio::spawn(async move {
            loop {
                let at = Instant::now();
                let answer = ask(&asked).await;
                told.send_modify(|state| {
                    *state = match excuse.load(Relaxed) {
                        true => State::Unknown,
                        false => state.after(at, answer),
                    };
                });
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Ok(Self {
            store,
            client,
            state,
            excused,
            task,
        })
    }

    /// Its silence means nothing, or something again: somebody breaks it on purpose.
    pub(super) fn excuse(&self, excused: bool) {
        self.excused.store(excused, Relaxed);
    }

    /// Resolves when it has been silent for too long. May be dropped and called again.
    pub(super) async fn gone(&self) -> Death {
        let mut state = self.state.clone();
        loop {
            if let State::Silent { since, why } = &*state.borrow_and_update()
                && since.elapsed() >= GONE_AFTER
            {
                return self.death(*since, why);
            }
            if state.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Whether it does not answer right now, and since when; `None` of one that never did.
    pub(super) async fn silent(&self) -> Option<Death> {
        let at = Instant::now();
        let answer = ask(&self.client).await;
        match self.state.borrow().after(at, answer) {
            State::Silent { since, why } => Some(self.death(since, &why)),
            State::Unknown | State::Answers => None,
        }
    }

    fn death(&self, since: Instant, why: &str) -> Death {
        Death {
            what: format!("the store died: {} answers no more ({why})", self.store),
            at: since,
        }
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn after(&self, asked: Instant, answer: Result<(), String>) -> Self {
        match (self, answer) {
            (_, Ok(())) => State::Answers,
            (State::Unknown, Err(_)) => State::Unknown,
            (State::Answers, Err(why)) => State::Silent { since: asked, why },
            (State::Silent { since, .. }, Err(why)) => State::Silent { since: *since, why },
        }
    }
}

async fn ask(client: &Client) -> Result<(), String> {
    let admin = client.database("admin");
    match timeout(PATIENCE, admin.run_command(doc! { "ping": 1 })).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(mongo::in_one_line(&error)),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_silent_since_its_first_missing_answer_and_only_after_it_answered() {
        let (first, second) = (Instant::now(), Instant::now() + INTERVAL);
        let no = || Err("refused".to_owned());
        let never = State::Unknown.after(first, no());
        assert!(matches!(never, State::Unknown));
        let silent = never.after(first, Ok(())).after(first, no());
        let State::Silent { since, .. } = silent.after(second, no()) else {
            panic!("{silent:?}")
        };
        assert_eq!(since, first);
        assert!(matches!(silent.after(second, Ok(())), State::Answers));
    }
}
