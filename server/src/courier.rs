//! Has frames of ours written: it is told of connections that were handed some, and goes to each of them once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::stream::Connection;

/// Connections that are gone to at once. Then others may read, as they may after as many tasks of the runtime.
const AT_ONCE: usize = 61;

/// Goes to connections that were handed frames. All that was handed to one before it comes is written at once.
#[derive(Debug, Default)]
pub struct Courier {
    due: Mutex<Vec<Arc<Connection>>>,
    waker: AtomicWaker,
}

impl Courier {
    /// One for each thread of the runtime that this is called in.
    #[must_use]
    pub fn for_each_thread() -> Box<[Arc<Self>]> {
        let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        (0..threads.max(1)).map(|_| Arc::default()).collect()
    }

    pub(crate) fn is_needed_by(&self, connection: Arc<Connection>) {
        let is_first = {
            let mut due = self.due.lock();
            due.push(connection);
            due.len() == 1
        };
        if is_first {
            self.waker.wake();
        }
    }

    /// Goes on for as long as it is polled.
    pub async fn go(&self) {
        let mut round = Vec::new();
        loop {
            std::future::poll_fn(|context| {
                self.waker.register(context.waker());
                std::mem::swap(&mut *self.due.lock(), &mut round);
                if round.is_empty() {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            let mut left = AT_ONCE;
            for connection in round.drain(..) {
                if left == 0 {
                    tokio::task::yield_now().await;
                    left = AT_ONCE;
                }
                left -= 1;
                // It writes for all: what goes wrong with one connection is that one's end, and not the others'.
                let written = catch_unwind(AssertUnwindSafe(|| connection.write_frames()));
                if written.is_err() {
                    tracing::error!("could not write to {connection:?}: it is ended");
                    connection.kill();
                }
            }
        }
    }
}
