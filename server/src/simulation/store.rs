//! The simulated database as the server meets it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bson::oid::ObjectId;

use super::{
    database::{Answer, Command, CommandId},
    world::Universe,
};
use crate::{
    message::{Kind, Message},
    store::{InsertError, MessageStore, Origin, StoreError, StoreInfo},
};

/// After so long without an answer a command that inserts nothing is given up, as the real store does.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How often a fence looks.
const LOOKS: Duration = Duration::from_millis(25);

/// The connections of one life of the server.
pub struct SimulatedStore {
    pub universe: Arc<Universe>,
    pub life: u32,
}

/// Notes that nobody waits any more for a command whose future is dropped.
struct Asked {
    universe: Arc<Universe>,
    id: CommandId,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.universe.enter().give_up(self.id);
    }
}

impl SimulatedStore {
    async fn ask(&self, command: Command) -> Answer {
        let (id, answer) = self.universe.enter().command(command);
        let _asked = Asked {
            universe: Arc::clone(&self.universe),
            id,
        };
        answer.await.unwrap_or(Answer::Broken)
    }

    async fn ask_in_time(&self, command: Command) -> Answer {
        let answer = tokio::time::timeout(ANSWERS_WITHIN, self.ask(command));
        answer.await.unwrap_or(Answer::Broken)
    }

    async fn wait_until_none_may_land(&self, of_earlier: bool) -> Result<(), StoreError> {
        loop {
            match self.ask_in_time(Command::Look { of_earlier }).await {
                Answer::MayLand(false) => return Ok(()),
                Answer::MayLand(true) => tokio::time::sleep(LOOKS).await,
                _ => return Err(no_answer()),
            }
        }
    }
}

fn no_answer() -> StoreError {
    StoreError("simulated: no answer".to_owned())
}

#[async_trait]
impl MessageStore for SimulatedStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            name: "simulated".to_owned(),
            detail: String::new(),
            durability: String::new(),
        }
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn concurrency(&self) -> usize {
        3
    }

    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>> {
        let error = |error: fn(String) -> InsertError| {
            vec![Err(error("simulated".to_owned())); batch.len()]
        };
        match self.ask(Command::Insert(batch.to_vec())).await {
            Answer::Inserted(results) => results,
            Answer::Refused => error(InsertError::Unavailable),
            _ => error(InsertError::Unknown),
        }
    }

    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError> {
        match self.ask_in_time(Command::Get(kind, id)).await {
            Answer::Found(found) => Ok(found),
            _ => Err(no_answer()),
        }
    }

    async fn fence(&self) -> Result<(), StoreError> {
        self.wait_until_none_may_land(false).await
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            session: format!("life-{}", self.life),
            place: "simulated/chat".to_owned(),
        })
    }

    async fn fence_sessions(&self, _: &[String]) -> Result<(), StoreError> {
        self.wait_until_none_may_land(true).await
    }

    async fn keep(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError> {
        match self.ask_in_time(Command::Keep(kind, ids.to_vec())).await {
            Answer::Kept(ids) => Ok(ids),
            _ => Err(no_answer()),
        }
    }

    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<u64, StoreError> {
        match self.ask_in_time(Command::Delete(kind, ids.to_vec())).await {
            Answer::Deleted(count) => Ok(count),
            _ => Err(no_answer()),
        }
    }
}
