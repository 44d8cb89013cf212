//! Asks the store whether it answers: once for all who want to know at the same time.

use std::time::Duration;

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;

use crate::store::StoreError;

/// How long `/health` waits for the store.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// The question that is on its way, if there is one.
#[derive(Default)]
pub struct StorePing(Mutex<Option<Asked>>);

/// The answer, or why there is none.
type Asked = Shared<BoxFuture<'static, Result<(), String>>>;

impl StorePing {
    /// Asks with `ping`, or waits for the answer to the question that somebody else has just asked.
    ///
    /// # Errors
    /// The store does not answer, or not in time.
    pub async fn ask<P>(&self, ping: impl FnOnce() -> P) -> Result<(), String>
    where
        P: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let asked = {
            let mut last = self.0.lock();
            match last.as_ref().filter(|asked| asked.peek().is_none()) {
                Some(asked) => asked.clone(),
                None => last.insert(ask(ping())).clone(),
            }
        };
        asked.await
    }
}

/// In a task of its own: those who asked first may go away before the answer.
fn ask(ping: impl Future<Output = Result<(), StoreError>> + Send + 'static) -> Asked {
    let asked = tokio::spawn(async move {
        match tokio::time::timeout(ANSWERS_WITHIN, ping).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {ANSWERS_WITHIN:?}")),
        }
    });
    asked
        .map(|answer| answer.unwrap_or_else(|error| Err(error.to_string())))
        .boxed()
        .shared()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_another_waits_gets_the_same_answer() {
        let (ping, asked) = (StorePing::default(), Arc::new(AtomicUsize::new(0)));
        let slowly = |time: u64| {
            let asked = Arc::clone(&asked);
            move || async move {
                asked.fetch_add(1, SeqCst);
                tokio::time::sleep(Duration::from_millis(time)).await;
                Ok(())
            }
        };
        // The first goes away before it has its answer.
        let impatient = ping.ask(slowly(100));
        assert!(
            tokio::time::timeout(Duration::from_millis(10), impatient)
                .await
                .is_err()
        );
        let many = futures::future::join_all((0..50).map(|_| ping.ask(slowly(100)))).await;
        assert!(many.iter().all(Result::is_ok));
        assert_eq!(asked.load(SeqCst), 1);
        let late = ping.ask(slowly(5000)).await.unwrap_err();
        assert_eq!(late, "no answer within 1s");
        assert_eq!(asked.load(SeqCst), 2, "an answer is not kept");
    }
}
