//! The simulated database of a server of our own, which has a door for its faults.

use std::time::Duration;

use async_trait::async_trait;
use hyper::Method;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Fault, FaultError};
use crate::{
    dial::{self, DialError, Endpoint},
    rig::system::System,
    scenario::StoreDamage,
};

/// Where the door is.
const DOOR: &str = "/debug/store-faults";
/// How long the server may take to bring a fault about.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to end one, as a MongoDB may: what stays broken ends the run, and a busy machine is no reason. It is asked
/// once, since what has ended already is no fault that it knows.
const HEAL_PATIENCE: Duration = Duration::from_secs(30);
/// More than it ever answers.
const ANSWER_BYTES: usize = 4096;

pub(super) struct Simulated {
    /// What is asked for.
    asked: String,
    met: u64,
}

impl Simulated {
    /// `None` of what only a database has. `name` is the fault's, of letters, digits, `-` and `_`.
    pub(super) fn new(name: &str, damage: StoreDamage) -> Option<Self> {
        let (kind, more) = match damage {
            StoreDamage::Slow(time) => ("slow", format!("&ms={}", time.as_millis())),
            StoreDamage::Failing { share, code } => {
                ("failing", format!("&share={share}&code={code}"))
            }
            StoreDamage::Disconnect(share) => ("disconnecting", format!("&share={share}")),
            StoreDamage::ReplyLost(share) => ("reply-lost", format!("&share={share}")),
            StoreDamage::Frozen => ("frozen", String::new()),
            // What it holds is kept: it can be reached or not.
            StoreDamage::Restart => ("down", String::new()),
            StoreDamage::WriteConcern { .. } | StoreDamage::Stepdown => return None,
        };
        Some(Self {
            asked: format!("{DOOR}?name={name}&kind={kind}{more}"),
            met: 0,
        })
    }

    async fn ask(
        &mut self,
        method: Method,
        patience: Duration,
        system: &dyn System,
    ) -> Result<(), FaultError> {
        let Some(endpoint) = system.endpoint() else {
            return Err(FaultError::NothingThere);
        };
        let asked = timeout(patience, met(endpoint, method, &self.asked)).await;
        self.met = asked.unwrap_or(Err(DialError::Late(patience)))?;
        Ok(())
    }
}

#[async_trait(?Send)]
impl Fault for Simulated {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        self.ask(Method::POST, PATIENCE, system).await
    }

    async fn prove(&mut self, _: &mut dyn System) -> Result<Option<String>, FaultError> {
        let met = self.met;
        Ok((met > 0).then(|| format!("the simulated database says that it met {met} requests")))
    }

    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        self.ask(Method::DELETE, HEAL_PATIENCE, system).await
    }
}

/// How many requests a fault has met, as the door says when it is asked.
async fn met(endpoint: &Endpoint, method: Method, asked: &str) -> Result<u64, DialError> {
    #[derive(Deserialize)]
    struct Met {
        met: u64,
    }
    let answer = dial::ask(endpoint, method, asked, "").await?;
    let status = answer.status();
    let body = dial::beginning(answer.into_body(), ANSWER_BYTES).await?;
    match serde_json::from_slice::<Met>(&body) {
        Ok(Met { met }) if status.is_success() => Ok(met),
        _ => {
            let words = String::from_utf8_lossy(&body);
            Err(DialError::NotHttp(format!(
                "HTTP {status}: {}",
                words.trim()
            )))
        }
    }
}
