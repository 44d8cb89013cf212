//! A server that this program starts for one run.

use async_trait::async_trait;

use super::{PATIENCE, System};
use crate::rig::{
    audit::Audit,
    error::TargetError,
    process::RunningServer,
    status::{self, Present, ServerTimes},
    store::RunningStore,
};

/// This very program as a server, on a store that is there already.
pub struct OwnServer<'a> {
    arguments: Vec<String>,
    description: String,
    store: &'a RunningStore,
    url: String,
    running: Option<RunningServer>,
}

impl<'a> OwnServer<'a> {
    /// With these arguments of `serve`, beside those for its store.
    pub fn new(mut arguments: Vec<String>, store: &'a RunningStore, description: String) -> Self {
        arguments.extend(store.server_args());
        Self {
            arguments,
            description,
            store,
            url: String::new(),
            running: None,
        }
    }
}

#[async_trait(?Send)]
impl System for OwnServer<'_> {
    async fn start(&mut self) -> Result<(), TargetError> {
        let running = RunningServer::start(&self.arguments, PATIENCE).await?;
        running.url().clone_into(&mut self.url);
        self.running = Some(running);
        Ok(())
    }

    fn address(&self) -> &str {
        &self.url
    }

    fn store(&self) -> String {
        self.description.clone()
    }

    fn process(&self) -> Option<u32> {
        self.running.as_ref().map(RunningServer::pid)
    }

    async fn durability(&self) -> Option<String> {
        status::durability(&self.url).await
    }

    async fn present(&self) -> Option<Present> {
        status::present(&self.url).await
    }

    async fn times(&self) -> Option<ServerTimes> {
        status::server_times(&self.url).await
    }

    async fn audit(&self) -> Option<Audit> {
        Some(self.store.audit(&self.url))
    }

    async fn died(&mut self) -> String {
        super::died(&mut self.running).await
    }

    async fn stop(&mut self) -> Result<Option<String>, TargetError> {
        let Some(running) = self.running.take() else {
            return Ok(None);
        };
        let exit = running.stop(PATIENCE).await?;
        Ok((!exit.is_clean()).then(|| format!("the server did not end in order: {exit}")))
    }
}
