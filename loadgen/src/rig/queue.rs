//! How many messages wait for a server's store, asked once a second while messages are sent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::MissedTickBehavior};

use super::status::queue_depth;
use crate::dial::Endpoint;

const INTERVAL: Duration = Duration::from_secs(1);
/// A server that is too busy to answer is asked again in the next second.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks in a task of the runtime that it is started on, which must not be a worker's.
pub struct QueueSampler {
    task: JoinHandle<()>,
    samples: Arc<Mutex<Vec<(Instant, u64)>>>,
}

impl QueueSampler {
    /// Asks the server from now on, and no more after it says at first that it has no such page.
    pub fn start(endpoint: &Endpoint) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (endpoint, into) = (endpoint.clone(), Arc::clone(&samples));
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut knows_the_page = false;
            loop {
                ticks.tick().await;
                match tokio::time::timeout(PATIENCE, queue_depth(&endpoint)).await {
                    Ok(Some(depth)) => {
                        knows_the_page = true;
                        let mut samples = into.lock().unwrap_or_else(PoisonError::into_inner);
                        samples.push((Instant::now(), depth));
                    }
                    Ok(None) if !knows_the_page => return,
                    Ok(None) | Err(_) => {}
                }
            }
        });
        Self { task, samples }
    }

    /// When it was asked, and how many waited.
    pub fn finish(self) -> Vec<(Instant, u64)> {
        self.task.abort();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut samples)
    }
}
