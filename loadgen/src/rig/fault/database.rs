//! A MongoDB that was started for the run and is slow, fails, freezes, is killed or loses its primary.

use async_trait::async_trait;
use bson::{Bson, Document, doc};

use super::{Fault, FaultError};
use crate::{
    rig::{store::RunningStore, system::System},
    scenario::StoreDamage,
};

/// The commands by which the server saves.
const SAVES: [&str; 2] = ["insert", "update"];

/// What is done to it.
enum How {
    /// By MongoDB's own `failCommand`: with which probability, and what.
    FailCommand {
        share: f64,
        data: Document,
    },
    Freeze,
    Restart,
    /// For so many seconds.
    Depose(u64),
}

pub(super) struct Database {
    how: How,
    /// How often commands had failed before.
    before: i64,
    proof: Option<String>,
    /// The primary that was deposed.
    deposed: Option<String>,
}

impl Database {
    /// `None` of what is done on the way to it. `seconds` is how long it is planned.
    pub(super) fn new(damage: StoreDamage, seconds: u64) -> Option<Self> {
        let fail = |share, data: Document| How::FailCommand { share, data };
        let how = match damage {
            StoreDamage::Slow(time) => {
                let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                fail(1.0, doc! { "blockConnection": true, "blockTimeMS": time })
            }
            StoreDamage::Failing { share, code } => {
                fail(share, doc! { "errorCode": i64::from(code) })
            }
            StoreDamage::WriteConcern { share, code } => {
                let error = doc! { "code": i64::from(code), "errmsg": "made to fail" };
                fail(share, doc! { "writeConcernError": error })
            }
            StoreDamage::Disconnect(share) => fail(share, doc! { "closeConnection": true }),
            StoreDamage::ReplyLost(_) => return None,
            StoreDamage::Frozen => How::Freeze,
            StoreDamage::Restart => How::Restart,
            StoreDamage::Stepdown => How::Depose(seconds),
        };
        Some(Self {
            how,
            before: 0,
            proof: None,
            deposed: None,
        })
    }

    /// What can be seen of it now; what is counted is known once it is over.
    async fn seen(&self, store: &RunningStore) -> Result<Option<String>, FaultError> {
        Ok(match (&self.how, &self.deposed) {
            (How::Freeze, _) => {
                let stands = store.stands_still().await?;
                stands.then(|| "the kernel says that MongoDB stood still".to_owned())
            }
            (How::Depose(_), Some(was)) => {
                let now = store.primary().await?;
                let words = || format!("the primary {was} was deposed, and {now} has taken over");
                (*was != now).then(words)
            }
            _ => None,
        })
    }
}

#[async_trait(?Send)]
impl Fault for Database {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        system.excuse_store(true);
        let store = own(system)?;
        match &self.how {
            How::FailCommand { share, data } => {
                let mut data = data.clone();
                data.insert("failCommands", SAVES.to_vec());
                self.before = store.fail_commands(mode(*share), data).await?;
            }
            How::Freeze => store.stand_still(true).await?,
            How::Restart => {
                let ended = store.kill().await?;
                self.proof = Some(format!("MongoDB was killed: {ended}"));
            }
            How::Depose(seconds) => self.deposed = Some(store.depose(*seconds).await?),
        }
        Ok(())
    }

    async fn prove(&mut self, system: &mut dyn System) -> Result<Option<String>, FaultError> {
        if self.proof.is_none() {
            self.proof = self.seen(own(system)?).await?;
        }
        Ok(self.proof.clone())
    }

    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let store = own(system)?;
        match &self.how {
            How::FailCommand { .. } => {
                let count = store.fail_commands("off".into(), doc! {}).await? - self.before;
                self.proof = (count > 0)
                    .then(|| format!("MongoDB says that its failCommand met {count} commands"));
            }
            How::Freeze => store.stand_still(false).await?,
            How::Restart => store.start_again().await?,
            // It is over only when somebody takes saves again.
            How::Depose(_) => store.until_it_answers().await?,
        }
        system.excuse_store(false);
        Ok(())
    }
}

fn own(system: &dyn System) -> Result<&RunningStore, FaultError> {
    system.own_store().ok_or(FaultError::NothingThere)
}

fn mode(share: f64) -> Bson {
    match share {
        ..1.0 => doc! { "activationProbability": share }.into(),
        _ => "alwaysOn".into(),
    }
}
