//! The proxy's port: kept for as long as the proxy lives, also while it refuses whoever comes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::connection::breaks;

/// Connections that may wait to be accepted; the kernel may allow fewer.
const BACKLOG: i32 = 4096;
/// The pause after an attempt to accept that failed: there are no more files, as a rule.
const PAUSE: Duration = Duration::from_millis(20);

/// A port at which one can listen or not: while nobody listens, the kernel refuses, and nobody else can take it.
pub(super) struct Doorway {
    address: SocketAddr,
    /// Listens already, and belongs to no runtime yet.
    first: Option<Socket>,
    listener: Option<TcpListener>,
    /// Bound to the same port and never listening.
    _kept: Socket,
}

impl Doorway {
    /// Listens on a free port of 127.0.0.1; nobody is accepted yet.
    pub(super) fn open() -> io::Result<Self> {
        let kept = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = kept.local_addr()?.as_socket().ok_or_else(|| {
            io::Error::other("a socket of the loopback interface has no address there")
        })?;
        Ok(Self {
            address,
            // From the beginning, so that whoever is told of it can connect.
            first: Some(listening(address)?),
            listener: None,
            _kept: kept,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nobody is let in, until the next one is asked for. Who waits at the door is reset.
    pub(super) fn close(&mut self) {
        (self.first, self.listener) = (None, None);
    }

    /// The next one who comes. May be dropped and called again.
    pub(super) async fn next(&mut self) -> TcpStream {
        loop {
            let accepted = match &self.listener {
                Some(listener) => listener.accept().await.map(|(stream, _)| stream),
                None => match self.listen() {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match accepted {
                Ok(stream) => {
                    // Whatever becomes of the proxy before anybody serves it.
                    breaks(&stream);
                    return stream;
                }
                Err(error) => {
                    tracing::warn!(%error, "the proxy could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn listen(&mut self) -> io::Result<TcpListener> {
        let socket = match self.first.take() {
            Some(first) => first,
            None => listening(self.address)?,
        };
        TcpListener::from_std(socket.into())
    }
}

fn listening(address: SocketAddr) -> io::Result<Socket> {
    let socket = bound(address)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Connections of before may still have the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
