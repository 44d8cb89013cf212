//! What all handlers share: the state, the way to the store, and the rules for using them together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::{
    auth::Authenticator,
    cluster::Cluster,
    config::{DeliveryMode, Limits},
    delivery::Delivery,
    idempotency::ClientMessages,
    limits::AddressLimit,
    protocol::{Dialect, Refusal},
    session::Recipient,
    socket_manager::SocketManager,
    store::{MessageStore, faulty::Faults, memory::MemoryStore, queue::SaveQueue},
    telemetry::Telemetry,
};

/// The chat: one for each server.
pub struct Chat {
    /// Who is there. Locked last, and only for as long as a look-up takes.
    pub users: Arc<Mutex<SocketManager<Recipient>>>,
    /// The way to the clients.
    pub delivery: Delivery,
    /// The way to the store.
    pub queue: SaveQueue,
    /// The store itself, for reading back and for `/health`.
    pub store: Arc<dyn MessageStore>,
    /// The same, if it is the simulation: the only door to what is in it.
    pub memory: Option<Arc<MemoryStore>>,
    /// What is wrong with it, where tests may say so.
    pub store_faults: Option<Arc<Faults>>,
    /// Names of outbound events.
    pub dialect: Dialect,
    /// When members get a message.
    pub mode: DeliveryMode,
    /// How much longer each message keeps the thread busy, for tests.
    pub busy_work: Duration,
    /// Turns handshakes into users.
    pub authenticator: Authenticator,
    /// What one client may ask for.
    pub limits: Limits,
    /// Logins by address, where they are limited.
    pub logins: Option<AddressLimit>,
    /// Messages by their `clientMsgId`.
    pub client_messages: ClientMessages,
    /// The counters and histograms behind `/metrics` and the debug pages.
    pub telemetry: Arc<Telemetry>,
    /// Messages between their receipt and their end.
    pub in_flight: TaskTracker,
    /// The other servers that are one chat with this one, if there are any.
    pub cluster: Option<Arc<Cluster>>,
    /// Set once the server has been told to stop.
    pub draining: AtomicBool,
}

impl Chat {
    /// Lets an event in that the drain will wait for.
    ///
    /// # Errors
    /// The server has been told to stop.
    pub fn admit(&self) -> Result<TaskTrackerToken, Refusal> {
        // The token first: either the drain sees it, or we see the drain.
        let token = self.in_flight.token();
        if self.draining.load(Ordering::SeqCst) {
            Err(Refusal::ShuttingDown)
        } else {
            Ok(token)
        }
    }

    /// Whether the server has been told to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
