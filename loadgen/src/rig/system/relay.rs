//! The bare relay, which only passes frames on: what it takes is the machine's and the generator's share.

use async_trait::async_trait;

use super::{PATIENCE, System};
use crate::rig::{error::TargetError, process::RunningServer};

/// A relay of our own.
#[derive(Default)]
pub struct Relay {
    url: String,
    running: Option<RunningServer>,
}

#[async_trait(?Send)]
impl System for Relay {
    async fn start(&mut self) -> Result<(), TargetError> {
        let running = RunningServer::start_floor(PATIENCE).await?;
        running.url().clone_into(&mut self.url);
        self.running = Some(running);
        Ok(())
    }

    fn address(&self) -> &str {
        &self.url
    }

    fn store(&self) -> String {
        "none".to_owned()
    }

    fn process(&self) -> Option<u32> {
        self.running.as_ref().map(RunningServer::pid)
    }

    async fn died(&mut self) -> String {
        super::died(&mut self.running).await
    }

    async fn stop(&mut self) -> Result<Option<String>, TargetError> {
        if let Some(running) = self.running.take() {
            running.stop(PATIENCE).await?;
        }
        Ok(None)
    }
}
