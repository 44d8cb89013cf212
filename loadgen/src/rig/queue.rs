//! How many messages wait for the store of a server, or of several together, asked once a second while messages are sent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{task::JoinHandle, time::MissedTickBehavior};

use super::status::queue_depth;
use crate::dial::Endpoint;

const INTERVAL: Duration = Duration::from_secs(1);
/// A server that is too busy to answer is asked again in the next second.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks in a task of the runtime that it is started on, which must not be a worker's. Dropping it ends that.
pub struct QueueSampler {
    task: JoinHandle<()>,
    samples: Arc<Mutex<Vec<(Instant, u64)>>>,
}

impl QueueSampler {
    /// Asks these servers from now on, and no more after one of them says at first that it has no such page.
    pub fn start(servers: Vec<Endpoint>) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&samples);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut knows_the_page = false;
            loop {
                ticks.tick().await;
                match tokio::time::timeout(PATIENCE, depth_of_all(&servers)).await {
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

    /// When they were asked, and how many waited.
    pub fn finish(self) -> Vec<(Instant, u64)> {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut samples)
    }
}

impl Drop for QueueSampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How many wait at all of these together; `None` where one of them does not say.
async fn depth_of_all(servers: &[Endpoint]) -> Option<u64> {
    let depths = join_all(servers.iter().map(queue_depth)).await;
    depths.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        dial::{Caller, Target},
        scenario::Connections,
    };

    /// A guard against hanging, not a statement about speed.
    const DEADLINE: Duration = Duration::from_secs(60);

    /// A server that says on every page that so many wait.
    async fn server(waiting: u64) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = format!("{{\"queueDepth\":{waiting}}}");
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}", body.len());
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream
                    .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
                    .await;
            }
        });
        let target = Target::started_here(&url, &Connections::default()).unwrap();
        let asker = Caller::nobody(&target);
        Endpoint::resolve(target, asker).await.unwrap()
    }

    #[tokio::test]
    async fn what_waits_at_several_servers_is_told_together() {
        let sampler = QueueSampler::start(vec![server(2).await, server(5).await]);
        let is_empty = || sampler.samples.lock().unwrap().is_empty();
        tokio::time::timeout(DEADLINE, async {
            while is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        let (_, depth) = sampler.finish()[0];
        assert_eq!(depth, 7);
    }

    #[tokio::test]
    async fn one_that_is_dropped_asks_no_more() {
        let sampler = QueueSampler::start(vec![server(1).await]);
        // The task holds them as long as it runs.
        let samples = Arc::downgrade(&sampler.samples);
        drop(sampler);
        tokio::time::timeout(DEADLINE, async {
            while samples.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }
}
