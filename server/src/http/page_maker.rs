//! Makes pages beside the thread that serves the chat: one at a time, and few that may wait.

use std::sync::Arc;

use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    task::JoinError,
};

/// Debug pages that may be asked for at once; one more is told to come again.
pub const GUESTS: usize = 4;

/// Why a page was not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// Never: the queue is not closed while there is a maker.
    #[error("the queue is closed")]
    Closed(#[from] AcquireError),
    /// The runtime is ending.
    #[error("the page was given up: {0}")]
    GivenUp(#[from] JoinError),
}

/// The one who makes pages.
#[derive(Debug, Clone)]
pub struct PageMaker {
    bench: Arc<Semaphore>,
    guests: Arc<Semaphore>,
}

impl Default for PageMaker {
    fn default() -> Self {
        Self {
            bench: Arc::new(Semaphore::new(1)),
            guests: Arc::new(Semaphore::new(GUESTS)),
        }
    }
}

impl PageMaker {
    /// A place for somebody who asks for a debug page, to be kept until they have it; none if all are taken.
    #[must_use]
    pub fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.guests).try_acquire_owned().ok()
    }

    /// Does some work on another thread, once all before is done.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn make<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, MakeError> {
        let turn = Arc::clone(&self.bench).acquire_owned().await?;
        let made = tokio::task::spawn_blocking(move || {
            // Kept by the work and not by who waits for it, who may go away before it is done.
            let _turn = turn;
            work()
        });
        Ok(made.await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test]
    async fn one_page_is_made_at_a_time_even_if_nobody_waits_for_it() {
        let (maker, busy) = (PageMaker::default(), Arc::new(AtomicUsize::new(0)));
        let work = |busy: Arc<AtomicUsize>| {
            move || {
                assert_eq!(busy.fetch_add(1, SeqCst), 0);
                std::thread::sleep(std::time::Duration::from_millis(2));
                busy.fetch_sub(1, SeqCst);
            }
        };
        for n in 0..20 {
            let making = maker.make(work(Arc::clone(&busy)));
            if n % 2 == 0 {
                making.await.unwrap();
            } else {
                tokio::time::timeout(std::time::Duration::ZERO, making)
                    .await
                    .ok();
            }
        }
        maker.make(work(busy)).await.unwrap();
    }

    #[test]
    fn no_more_guests_than_places() {
        let maker = PageMaker::default();
        let guests: Vec<_> = (0..GUESTS).map(|_| maker.admit().unwrap()).collect();
        assert!(maker.admit().is_none());
        drop(guests);
        assert!(maker.admit().is_some());
    }
}
