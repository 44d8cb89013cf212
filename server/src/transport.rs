//! What carries the bytes of connections: TCP, and in tests of this crate a simulated network.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::ioctl;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

#[cfg(test)]
use crate::simulation::socket::{Arrivals, ServerEnd};

/// Where connections come in.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A simulated network.
    #[cfg(test)]
    Simulated(Arrivals),
}

impl Listener {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// It could not be accepted.
    pub async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Socket::Tcp(stream), peer))
            }
            #[cfg(test)]
            Self::Simulated(arrivals) => {
                let (end, peer) = arrivals.next().await;
                Ok((Socket::Simulated(end), peer))
            }
        }
    }
}

/// One connection's bytes, as its network carries them.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a simulated network.
    #[cfg(test)]
    Simulated(ServerEnd),
}

impl Socket {
    /// Sets what a chat needs: nothing waits for company, and a peer that takes nothing for `user_timeout` is gone.
    ///
    /// # Errors
    /// The peer has gone already.
    pub fn tune(&self, user_timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                // A chat message is smaller than a segment: with Nagle's algorithm it would wait for the peer's
                // acknowledgement of the one before.
                stream.set_nodelay(true)?;
                // A peer that is gone, or that never reads again, is an error of the connection after this time.
                SockRef::from(stream).set_tcp_user_timeout(Some(user_timeout))
            }
            #[cfg(test)]
            Self::Simulated(_) => Ok(()),
        }
    }

    /// Bytes that have come and were not read.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        match self {
            // It never fails; if it did, nothing would wait.
            Self::Tcp(stream) => rustix::io::ioctl_fionread(stream).unwrap_or(0),
            #[cfg(test)]
            Self::Simulated(end) => end.waiting(),
        }
    }

    /// Bytes that were written and that the peer's system has not acknowledged; the end of our side counts as one.
    #[must_use]
    #[expect(unsafe_code, reason = "rustix has no safe name for this request")]
    pub fn unacknowledged(&self) -> u64 {
        match self {
            Self::Tcp(stream) => {
                // SAFETY: TIOCOUTQ, which sockets know as SIOCOUTQ, writes one int and nothing else: tcp(7).
                let answer = unsafe {
                    let request = ioctl::Getter::<{ libc::TIOCOUTQ as _ }, libc::c_int>::new();
                    ioctl::ioctl(stream, request)
                };
                // It never fails; if it did, nothing would be owed.
                answer.map_or(0, |bytes| u64::try_from(bytes).unwrap_or(0))
            }
            #[cfg(test)]
            Self::Simulated(end) => end.unacknowledged(),
        }
    }
}

/// Does the same with whatever carries it.
macro_rules! carried_by {
    ($this:expr, $end:ident => $does:expr) => {
        match $this.get_mut() {
            Self::Tcp(stream) => {
                let $end = Pin::new(stream);
                $does
            }
            #[cfg(test)]
            Self::Simulated(end) => {
                let $end = Pin::new(end);
                $does
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        carried_by!(self, end => end.poll_read(context, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        carried_by!(self, end => end.poll_write(context, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        carried_by!(self, end => end.poll_write_vectored(context, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(test)]
            Self::Simulated(_) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried_by!(self, end => end.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried_by!(self, end => end.poll_shutdown(context))
    }
}
