//! Ctrl-C and SIGTERM: the first one ends the run in order, the second one ends it at once.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Hears of Ctrl-C and SIGTERM from now on.
#[derive(Clone)]
pub struct Interrupt(watch::Receiver<u32>);

impl Interrupt {
    /// Listens; needs a tokio runtime.
    ///
    /// # Errors
    /// When the system lets nobody listen for signals.
    pub fn listen() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (count, receiver) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(receiver))
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits for the `nth` signal, counted from 1; resolves at once if it has come.
    pub async fn nth(&self, nth: u32) {
        let mut count = self.0.clone();
        if count.wait_for(|count| *count >= nth).await.is_err() {
            // Nobody listens any more, so no signal will come.
            std::future::pending::<()>().await;
        }
    }
}
