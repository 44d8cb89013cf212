//! The TCP side: accepts connections, bounds them by address, and knows those that are open.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::net::TcpSocket;

pub use crate::stream::{Connection, Stream};
use crate::{
    courier::Courier,
    limits::{AddressLimit, AddressSlot},
    outgoing::Outgoing,
    telemetry::Telemetry,
    transport::{Listener, Socket},
};

/// Connections that may wait to be accepted: a join storm of a few thousand comes within one scheduling delay.
const BACKLOG: u32 = 4096;
/// How long to wait after accepting failed, as it does when there are no file descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Opens a listening socket, and says where it listens.
///
/// # Errors
/// The address is taken or not ours.
pub fn listen(address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((Listener::Tcp(listener), address))
}

/// Accepts connections and knows those that are open.
#[derive(Debug)]
pub struct Acceptor {
    per_address: Option<AddressLimit>,
    tcp_user_timeout: Duration,
    open: Open,
    given_up: Arc<AtomicUsize>,
    telemetry: Arc<Telemetry>,
    next_id: AtomicU64,
    /// They share the connections among them.
    couriers: Box<[Arc<Courier>]>,
}

type Open = Arc<Mutex<HashMap<u64, Arc<Connection>>>>;

/// A place among the open connections, free again when dropped.
#[derive(Debug)]
pub struct Place {
    id: u64,
    open: Open,
    given_up: Arc<AtomicUsize>,
    _slot: Option<AddressSlot>,
}

impl Place {
    /// The peer did not take everything in time, and the connection is closed all the same.
    pub(crate) fn give_up(&self) {
        self.given_up.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.lock().remove(&self.id);
    }
}

impl Acceptor {
    /// Accepts at most `per_address` connections from one address at a time.
    #[must_use]
    pub fn new(
        per_address: Option<NonZeroU32>,
        tcp_user_timeout: Duration,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            per_address: per_address.map(AddressLimit::new),
            tcp_user_timeout,
            open: Arc::default(),
            given_up: Arc::default(),
            telemetry,
            next_id: AtomicU64::new(0),
            couriers: Courier::for_each_thread(),
        }
    }

    /// Who writes frames of ours to these connections.
    #[must_use]
    pub fn couriers(&self) -> &[Arc<Courier>] {
        &self.couriers
    }

    /// Waits for the next connection that may be served. Those over the limit are closed and counted.
    pub async fn accept(&self, listener: &Listener) -> Stream {
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    if let Some(stream) = self.admit(socket, peer) {
                        return stream;
                    }
                }
                Err(error) => {
                    self.telemetry.connection_refused("accept_failed");
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.lock().len()
    }

    /// How many are open whose peers do not have everything that they were sent, and the end of it.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        let open = self.open.lock();
        open.values()
            .filter(|connection| !connection.is_finished())
            .count()
    }

    /// How many have been closed although their peers did not have everything, since this server runs.
    #[must_use]
    pub fn given_up(&self) -> usize {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Waits until none is open.
    pub async fn until_empty(&self) {
        while self.open() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until no peer is owed anything.
    pub async fn until_finished(&self) {
        while self.unfinished() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends every connection, whatever waits in it.
    pub fn kill_all(&self) {
        for connection in self.open.lock().values() {
            connection.kill();
        }
    }

    fn admit(&self, socket: Socket, peer: SocketAddr) -> Option<Stream> {
        let slot = match &self.per_address {
            None => None,
            Some(limit) => {
                let slot = limit.take(peer.ip());
                if slot.is_none() {
                    self.telemetry.connection_refused("address_limit");
                    return None;
                }
                slot
            }
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = socket.tune(self.tcp_user_timeout) {
            // The peer has gone already; reading will say so.
            tracing::debug!("cannot set options of a connection: {error}");
        }
        let courier = Arc::clone(&self.couriers[id as usize % self.couriers.len()]);
        let outgoing = Outgoing::new(socket, Arc::clone(&self.telemetry));
        let connection = Arc::new(Connection::new(id, peer, outgoing, courier));
        self.open.lock().insert(id, Arc::clone(&connection));
        let place = Place {
            id,
            open: Arc::clone(&self.open),
            given_up: Arc::clone(&self.given_up),
            _slot: slot,
        };
        Some(Stream::new(connection, place))
    }
}
