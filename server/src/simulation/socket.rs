//! The server's ends of simulated connections: what it accepts, reads and writes instead of TCP.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    network::{ConnectionId, End},
    world::Universe,
};

/// The server's port.
pub struct Arrivals(pub Arc<Universe>);

/// The server's end of one connection.
pub struct ServerEnd {
    id: ConnectionId,
    universe: Arc<Universe>,
}

impl Arrivals {
    /// Waits for the next connection. It comes from an address of its own.
    pub async fn next(&self) -> (ServerEnd, SocketAddr) {
        let id = std::future::poll_fn(|context| {
            let mut world = self.0.enter();
            if let Some(id) = world.network.backlog.pop_front() {
                return Poll::Ready(id);
            }
            world.network.acceptor = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        let end = ServerEnd {
            id,
            universe: Arc::clone(&self.0),
        };
        (end, SocketAddr::from(([10, 0, 0, 1], 1024)))
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        let mut world = self.0.enter();
        world.network.is_listening = false;
        while let Some(id) = world.network.backlog.pop_front() {
            world.close_server_side(id, End::Reset);
        }
    }
}

impl ServerEnd {
    /// Bytes that have come and were not read.
    pub fn waiting(&self) -> u64 {
        let world = self.universe.enter();
        let connection = world.network.connections.get(&self.id);
        connection.map_or(0, |connection| connection.server.input.len() as u64)
    }

    /// Bytes that were written and that the client has not taken.
    pub fn unacknowledged(&self) -> u64 {
        let world = self.universe.enter();
        let connection = world.network.connections.get(&self.id);
        connection.map_or(0, |connection| connection.server.unacknowledged())
    }
}

impl AsyncRead for ServerEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut world = self.universe.enter();
        let Some(connection) = world.network.connections.get_mut(&self.id) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let server = &mut connection.server;
        if server.ended == Some(End::Reset) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if server.input.is_empty() && server.ended.is_none() {
            server.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = buf.remaining().min(server.input.len());
        let bytes: Vec<u8> = server.input.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut world = self.universe.enter();
        let taken = world.server_writes(self.id, buf)?;
        if taken == 0
            && !buf.is_empty()
            && let Some(connection) = world.network.connections.get_mut(&self.id)
        {
            connection.server.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.universe.enter().close_server_side(self.id, End::Fin);
        Poll::Ready(Ok(()))
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        let mut world = self.universe.enter();
        let connection = world.network.connections.get(&self.id);
        let is_read = connection.is_none_or(|connection| connection.server.input.is_empty());
        // As a kernel does: what was sent to a socket that is closed unread is answered with a reset.
        let end = if is_read { End::Fin } else { End::Reset };
        world.close_server_side(self.id, end);
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arrivals")
    }
}

impl fmt::Debug for ServerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerEnd({})", self.id)
    }
}
