//! The TCP side: accepts connections, bounds them by address, and can end each of them at any moment.

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::{
    limits::{AddressLimit, AddressSlot},
    telemetry::Telemetry,
};

/// Connections that may wait to be accepted: a join storm of a few thousand comes within one scheduling delay.
const BACKLOG: u32 = 4096;
/// How long to wait after accepting failed, as it does when there are no file descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Opens a listening socket.
///
/// # Errors
/// The address is taken or not ours.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections and knows those that are open.
#[derive(Debug)]
pub struct Acceptor {
    per_address: Option<AddressLimit>,
    tcp_user_timeout: Duration,
    open: Open,
    telemetry: Arc<Telemetry>,
    next_id: AtomicU64,
}

type Open = Arc<Mutex<HashMap<u64, Arc<Connection>>>>;

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
            telemetry,
            next_id: AtomicU64::new(0),
        }
    }

    /// Waits for the next connection that may be served. Those over the limit are closed and counted.
    pub async fn accept(&self, listener: &TcpListener) -> Stream {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(stream) = self.admit(stream, peer) {
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

    /// Waits until none is open.
    pub async fn until_empty(&self) {
        while self.open() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends every connection, whatever waits in it.
    pub fn kill_all(&self) {
        for connection in self.open.lock().values() {
            connection.kill();
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> Option<Stream> {
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
        let connection = Arc::new(Connection::new(id, peer));
        self.open.lock().insert(id, Arc::clone(&connection));
        let stream = Stream {
            inner: stream,
            connection,
            open: Arc::clone(&self.open),
            _slot: slot,
        };
        if let Err(error) = self.tune(&stream.inner) {
            // The peer has gone already; reading will say so.
            tracing::debug!("cannot set options of a connection: {error}");
        }
        Some(stream)
    }

    fn tune(&self, stream: &TcpStream) -> io::Result<()> {
        // A chat message is smaller than a segment: with Nagle's algorithm it would wait for the peer's
        // acknowledgement of the one before.
        stream.set_nodelay(true)?;
        // A peer that is gone, or that never reads again, is an error of the connection after this time.
        SockRef::from(stream).set_tcp_user_timeout(Some(self.tcp_user_timeout))
    }
}

/// The switch that ends one connection.
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    killed: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Connection {
    fn new(id: u64, peer: SocketAddr) -> Self {
        Self {
            id,
            peer,
            killed: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    /// The other end.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Makes every read and write of this connection fail, also those that wait: its owners then clean up, even
    /// where they were stuck writing to a peer that doesn't read.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.reader.wake();
        self.writer.wake();
    }

    /// Registers who waits, then looks: a kill in between is seen by one or the other.
    fn check(&self, waker: &AtomicWaker, context: &Context<'_>) -> io::Result<()> {
        waker.register(context.waker());
        if self.killed.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// A connection as bytes. Dropping it closes it and frees its place.
#[derive(Debug)]
pub struct Stream {
    inner: TcpStream,
    connection: Arc<Connection>,
    open: Open,
    _slot: Option<AddressSlot>,
}

impl Stream {
    /// Its switch.
    #[must_use]
    pub fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.open.lock().remove(&self.connection.id);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.check(&this.connection.reader, context)?;
        Pin::new(&mut this.inner).poll_read(context, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.check(&this.connection.writer, context)?;
        Pin::new(&mut this.inner).poll_write(context, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.check(&this.connection.writer, context)?;
        Pin::new(&mut this.inner).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
