//! What can be done to a MongoDB that was started here to be broken: kill it, freeze it, let its commands fail, depose its
//! primary.

use bson::{Bson, Document, doc};
use mongodb::Client;

use super::{RunningStore, Started};
use crate::rig::{error::TargetError, mongo, proxy::Proxy, resources::Processes};

impl RunningStore {
    /// Whether it is a MongoDB that was started here to be broken.
    #[must_use]
    pub fn is_breakable(&self) -> bool {
        self.needs.breakable && !self.members.is_empty()
    }

    /// Whether it is a set of three, one of which is the primary.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.members.len() > 1
    }

    /// What the server's connections to it pass through, where that was needed.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Kills it (SIGKILL), all of its members; in words, how they ended. What is stored is kept.
    ///
    /// # Errors
    /// [`TargetError::Store`] when one can't be killed.
    pub async fn kill(&self) -> Result<String, TargetError> {
        let mut ends = Vec::new();
        match &self.started {
            Started::Containers(containers) => {
                for container in containers.iter().rev() {
                    ends.push(container.container.kill().await?);
                }
            }
            Started::Processes(processes) => {
                for process in processes {
                    ends.push(process.kill()?);
                }
            }
            Started::Nothing | Started::Database(_) => {}
        }
        Ok(ends.join(", "))
    }

    /// Starts it again where it was, with what was stored, and waits until it answers.
    ///
    /// # Errors
    /// [`TargetError`] when it does not start or does not answer.
    pub async fn start_again(&self) -> Result<(), TargetError> {
        match &self.started {
            Started::Containers(containers) => {
                for container in containers {
                    container.container.start_again().await?;
                }
            }
            Started::Processes(processes) => {
                for process in processes {
                    process.start_again().await?;
                }
            }
            Started::Nothing | Started::Database(_) => {}
        }
        self.until_it_answers().await
    }

    /// Lets all of it stand still, or go on.
    ///
    /// # Errors
    /// [`TargetError::Store`] when that can't be.
    pub async fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        match &self.started {
            Started::Containers(containers) => {
                for container in containers {
                    container.container.stand_still(still).await?;
                }
            }
            Started::Processes(processes) => {
                for process in processes {
                    process.stand_still(still)?;
                }
            }
            Started::Nothing | Started::Database(_) => {}
        }
        match still {
            true => Ok(()),
            false => self.until_it_answers().await,
        }
    }

    /// Whether all of it stands still, as the kernel or Docker says.
    ///
    /// # Errors
    /// [`TargetError::Store`] when they do not say.
    pub async fn stands_still(&self) -> Result<bool, TargetError> {
        match &self.started {
            Started::Containers(containers) => {
                for container in containers {
                    if !container.container.stands_still().await? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Started::Processes(processes) => Ok(processes
                .iter()
                .all(|process| Processes::One(process.pid()).stand_still())),
            Started::Nothing | Started::Database(_) => Ok(false),
        }
    }

    /// Lets commands fail as MongoDB's `failCommand` says, on every member; how often it did before, in this and earlier
    /// ways.
    ///
    /// # Errors
    /// [`TargetError::Store`] when it does not take that.
    pub async fn fail_commands(&self, mode: Bson, data: Document) -> Result<i64, TargetError> {
        let mut count = 0;
        for member in &self.members {
            let (client, _) = mongo::client(member, mongo::PATIENCE).await?;
            let command = doc! {
                "configureFailPoint": "failCommand", "mode": mode.clone(), "data": data.clone(),
            };
            let answer = self.command(&client, "made to fail", command).await?;
            count += answer.get("count").and_then(whole).unwrap_or_default();
        }
        Ok(count)
    }

    /// Deposes the primary of a set for so many seconds, and says which it was.
    ///
    /// # Errors
    /// [`TargetError::Store`] when there is none, or it stays.
    pub async fn depose(&self, seconds: u64) -> Result<String, TargetError> {
        let (client, _) = mongo::client(self.uri().unwrap_or_default(), mongo::PATIENCE).await?;
        let was = self.primary_of(&client).await?;
        // Those who have not got all yet could not take over: it waits for one of them for a while.
        let command = doc! {
            "replSetStepDown": i64::try_from(seconds.max(2)).unwrap_or(i64::MAX),
            "secondaryCatchUpPeriodSecs": 1_i64,
            "force": true,
        };
        self.command(&client, "deposed", command).await?;
        Ok(was)
    }

    /// Which member is the primary now.
    ///
    /// # Errors
    /// [`TargetError::Store`] while there is none.
    pub async fn primary(&self) -> Result<String, TargetError> {
        let (client, _) = mongo::client(self.uri().unwrap_or_default(), mongo::PATIENCE).await?;
        self.primary_of(&client).await
    }

    async fn primary_of(&self, client: &Client) -> Result<String, TargetError> {
        let hello = self.command(client, "asked", doc! { "hello": 1 }).await?;
        let primary = hello.get_str("me").unwrap_or_default();
        Ok(primary.to_owned())
    }

    /// Waits until it can be written to, which of a set needs a primary.
    ///
    /// # Errors
    /// [`TargetError::Store`] if that takes too long.
    pub async fn until_it_answers(&self) -> Result<(), TargetError> {
        match self.uri() {
            Some(uri) => mongo::until_it_answers(uri).await,
            None => Ok(()),
        }
    }

    async fn command(
        &self,
        client: &Client,
        action: &'static str,
        command: Document,
    ) -> Result<Document, TargetError> {
        let answer = client.database("admin").run_command(command).await;
        answer.map_err(|error| TargetError::Store {
            store: self.description.clone(),
            action,
            reason: mongo::in_one_line(&error),
        })
    }
}

/// Numbers come in the type that they fit into.
fn whole(number: &Bson) -> Option<i64> {
    match number {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        _ => None,
    }
}
