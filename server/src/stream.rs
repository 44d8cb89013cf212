//! One connection's bytes: read no faster than its answers are taken, counted as they are written, and closed so that
//! the peer gets the last of them.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    runtime::Handle,
    time::{Sleep, timeout},
};

use crate::{line::Line, listener::Place, transport::Socket, wire::Wire};

/// Bytes that are read from a peer that does not read itself: what it may ask for, and so what its answers may cost.
/// Heartbeats must get through, so it is more than nothing.
const READ_AHEAD: usize = 64 * 1024;
/// How long a connection that we have ended waits for the peer to end it too.
const LINGER: Duration = Duration::from_secs(5);
/// How many bytes it takes from the peer meanwhile.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// One connection, apart from its bytes: who is at its other end, what it carries, and the switch that ends it.
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    killed: AtomicBool,
    finished: AtomicBool,
    /// The session that it carries as a WebSocket.
    carried: Mutex<Option<Arc<Line>>>,
    is_carrying: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Connection {
    pub(crate) fn new(id: u64, peer: SocketAddr) -> Self {
        Self {
            id,
            peer,
            killed: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            carried: Mutex::new(None),
            is_carrying: AtomicBool::new(false),
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

    /// Whether everything is written, and our side closed.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    /// From now on it is the WebSocket of this session: what is written counts as taken, and the session ends with it.
    pub(crate) fn carry(&self, line: Arc<Line>) {
        *self.carried.lock() = Some(line);
        self.is_carrying.store(true, Ordering::SeqCst);
    }

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Registers who waits, then looks: a kill in between is seen by one or the other.
    fn check(&self, waker: &AtomicWaker, context: &Context<'_>) -> io::Result<()> {
        waker.register(context.waker());
        if self.is_killed() {
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

/// A connection as bytes. Dropping it ends the session that it carries, and closes it.
#[derive(Debug)]
pub struct Stream {
    /// There until it is dropped.
    inner: Option<Socket>,
    connection: Arc<Connection>,
    place: Option<Place>,
    carried: Option<Carried>,
    /// The peer does not take what is written.
    is_blocked: bool,
    /// What may still be read while it is blocked.
    read_ahead: usize,
    /// The peer has said that nothing more comes, or something has failed: there is nothing to wait for at the end.
    has_ended: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Carried {
    line: Arc<Line>,
    wire: Wire,
}

impl Stream {
    pub(crate) fn new(inner: Socket, connection: Arc<Connection>, place: Place) -> Self {
        Self {
            inner: Some(inner),
            connection,
            place: Some(place),
            carried: None,
            is_blocked: false,
            read_ahead: READ_AHEAD,
            has_ended: false,
            pause: None,
        }
    }

    /// What it is known by.
    #[must_use]
    pub fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    /// What carries it, pinned.
    ///
    /// # Errors
    /// Never in practice: it is there until the drop.
    fn socket(&mut self) -> io::Result<Pin<&mut Socket>> {
        let inner = self.inner.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(inner))
    }

    fn carried(&mut self) -> Option<&mut Carried> {
        if self.carried.is_none() && self.connection.is_carrying.load(Ordering::Relaxed) {
            self.carried = self.connection.carried.lock().take().map(|line| Carried {
                line,
                wire: Wire::default(),
            });
        }
        self.carried.as_mut()
    }

    /// Not ready while a client that floods us has to wait.
    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(until) = self
            .carried()
            .and_then(|carried| carried.line.paused_until())
        {
            let pause = self.pause.insert(Box::pin(tokio::time::sleep_until(until)));
            ready!(pause.as_mut().poll(context));
        }
        self.pause = None;
        Poll::Ready(())
    }

    /// What a write has done to the peer's debt.
    fn wrote(&mut self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Pending => self.is_blocked = true,
            Poll::Ready(Err(_)) => self.has_ended = true,
            Poll::Ready(Ok(bytes)) => {
                self.read_ahead = (self.read_ahead + bytes).min(READ_AHEAD);
                if std::mem::take(&mut self.is_blocked) {
                    self.connection.reader.wake();
                }
            }
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        if let Some(Carried { line, wire }) = self.carried() {
            line.taken(wire.written(bytes));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let carried = self.carried().map(|carried| Arc::clone(&carried.line));
        self.carried = None;
        if let Some(line) = carried {
            line.connection_ended();
        }
        let (Some(inner), Some(place)) = (self.inner.take(), self.place.take()) else {
            return;
        };
        if self.has_ended || self.connection.is_killed() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let connection = Arc::clone(&self.connection);
            runtime.spawn(async move {
                // Whatever ends it, it is over now.
                let _over = timeout(LINGER, linger(inner, &connection)).await;
                drop(place);
            });
        }
    }
}

/// Closes our side and reads on until the peer has closed its own. A socket that is closed with unread input is reset,
/// and what was still to be sent on it is lost.
async fn linger(mut inner: Socket, connection: &Connection) -> io::Result<()> {
    inner.shutdown().await?;
    connection.finished.store(true, Ordering::SeqCst);
    let mut left = LINGER_BYTES;
    let mut nowhere = [0; 4096];
    std::future::poll_fn(|context| {
        loop {
            connection.check(&connection.reader, context)?;
            let mut buf = ReadBuf::new(&mut nowhere);
            ready!(Pin::new(&mut inner).poll_read(context, &mut buf))?;
            let read = buf.filled().len();
            if read == 0 || read > left {
                return Poll::Ready(Ok(()));
            }
            left -= read;
        }
    })
    .await
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.check(&this.connection.reader, context)?;
        ready!(this.poll_pause(context));
        if this.is_blocked && this.read_ahead == 0 {
            // A write that gets on wakes us.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = this.socket()?.poll_read(context, buf);
        let read = buf.filled().len() - before;
        match &result {
            Poll::Ready(Ok(())) if read == 0 && buf.remaining() > 0 => this.has_ended = true,
            Poll::Ready(Err(_)) => this.has_ended = true,
            _ => {}
        }
        if this.is_blocked {
            this.read_ahead = this.read_ahead.saturating_sub(read);
        }
        if let (Some(Carried { line, .. }), Some(socket)) = (&this.carried, &this.inner) {
            line.received(read, || socket.waiting());
        }
        result
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
        let result = this.socket()?.poll_write(context, buf);
        this.wrote(&result);
        if let Poll::Ready(Ok(bytes)) = &result {
            this.count(&buf[..*bytes]);
        }
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.check(&this.connection.writer, context)?;
        let result = this.socket()?.poll_write_vectored(context, bufs);
        this.wrote(&result);
        if let Poll::Ready(Ok(bytes)) = &result {
            let mut left = *bytes;
            for buf in bufs {
                let written = left.min(buf.len());
                this.count(&buf[..written]);
                left -= written;
            }
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket()?.poll_shutdown(context)
    }
}
