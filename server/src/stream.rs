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
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    runtime::Handle,
    time::{Sleep, timeout},
};

use crate::{
    courier::Courier,
    line::Line,
    listener::Place,
    outgoing::{Opening, Outgoing, Progress},
    transport::Socket,
};

/// How long a connection that we have ended waits for the peer to end it too.
const LINGER: Duration = Duration::from_secs(5);
/// How many bytes it takes from the peer meanwhile.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// How often it looks whether the peer has everything.
const LOOK: Duration = Duration::from_millis(10);

/// One connection: who is at its other end, what it carries, what goes out on it, and the switch that ends it.
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    killed: AtomicBool,
    finished: AtomicBool,
    outgoing: Mutex<Outgoing>,
    /// The courier knows that frames of ours wait.
    is_due: AtomicBool,
    courier: Arc<Courier>,
    /// The session that it carries as a WebSocket, until it ends.
    carried: Mutex<Option<Arc<Line>>>,
    is_carrying: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Connection {
    pub(crate) const fn new(
        id: u64,
        peer: SocketAddr,
        outgoing: Outgoing,
        courier: Arc<Courier>,
    ) -> Self {
        Self {
            id,
            peer,
            killed: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            outgoing: Mutex::new(outgoing),
            is_due: AtomicBool::new(false),
            courier,
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

    /// Whether our side is closed, and the peer's system has everything, that end included.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    /// From now on it is the WebSocket of this session: what is written counts as taken, and the session ends with it.
    pub(crate) fn carry(&self, line: Arc<Line>, opening: Opening) {
        self.outgoing.lock().carry(opening);
        *self.carried.lock() = Some(line);
        self.is_carrying.store(true, Ordering::SeqCst);
    }

    /// Somebody logs in: until the library has told them so, what they are sent goes through it.
    pub(crate) fn await_login(&self) {
        self.outgoing.lock().close_until(Opening::Connected);
    }

    /// Whether it takes frames of ours.
    pub(crate) fn is_open(&self) -> bool {
        self.outgoing.lock().is_open()
    }

    /// Has a frame written, together with others that are handed to it before the courier comes.
    pub(crate) fn hand(self: &Arc<Self>, frame: Bytes) {
        self.outgoing.lock().hand(frame);
        self.need_courier();
    }

    fn need_courier(self: &Arc<Self>) {
        if !self.is_due.swap(true, Ordering::SeqCst) {
            self.courier.is_needed_by(Arc::clone(self));
        }
    }

    /// Writes frames of ours, as far as the peer takes them. The courier comes again when it takes more.
    pub(crate) fn write_frames(self: &Arc<Self>) {
        self.is_due.store(false, Ordering::SeqCst);
        if self.is_killed() {
            return;
        }
        let again = Waker::from(Arc::clone(self));
        let mut progress = Progress::default();
        self.outgoing
            .lock()
            .write_frames(&mut Context::from_waker(&again), &mut progress);
        self.made(&progress);
    }

    /// Tells of what was written those who wait for it. Nothing may be locked.
    fn made(self: &Arc<Self>, progress: &Progress) {
        if progress.reads_again {
            self.reader.wake();
        }
        if progress.library_goes_on {
            self.writer.wake();
        }
        if progress.is_due {
            self.need_courier();
        }
        if progress.of_library + progress.ours > 0
            && let Some(line) = self.line()
        {
            line.taken_of_both(progress.of_library, progress.ours);
        }
    }

    fn line(&self) -> Option<Arc<Line>> {
        if self.is_carrying.load(Ordering::Relaxed) {
            self.carried.lock().clone()
        } else {
            None
        }
    }

    /// Writes bytes of the library, and before them what waits of ours.
    fn poll_write(
        self: &Arc<Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(&self.writer, context)?;
        let again = Waker::from(Arc::clone(self));
        let mut progress = Progress::default();
        let result = self.outgoing.lock().poll_library(
            context,
            &mut Context::from_waker(&again),
            bufs,
            &mut progress,
        );
        self.made(&progress);
        result
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

/// The peer takes more of what is ours.
impl Wake for Connection {
    fn wake(self: Arc<Self>) {
        self.need_courier();
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
    connection: Arc<Connection>,
    place: Option<Place>,
    carried: Option<Arc<Line>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(crate) const fn new(connection: Arc<Connection>, place: Place) -> Self {
        Self {
            connection,
            place: Some(place),
            carried: None,
            pause: None,
        }
    }

    /// What it is known by.
    #[must_use]
    pub fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn carried(&mut self) -> Option<&Arc<Line>> {
        if self.carried.is_none() {
            self.carried = self.connection.line();
        }
        self.carried.as_ref()
    }

    /// Not ready while a client that floods us has to wait.
    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(until) = self.carried().and_then(|line| line.paused_until()) {
            let pause = self.pause.insert(Box::pin(tokio::time::sleep_until(until)));
            ready!(pause.as_mut().poll(context));
        }
        self.pause = None;
        Poll::Ready(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.carried = None;
        let line = self.connection.carried.lock().take();
        if let Some(line) = line {
            line.connection_ended();
        }
        let inner = self.connection.outgoing.lock().give_up();
        let (Some(inner), Some(place)) = (inner, self.place.take()) else {
            return;
        };
        if self.connection.is_killed() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let connection = Arc::clone(&self.connection);
            runtime.spawn(async move {
                let in_time = timeout(LINGER, linger(inner, &connection)).await.is_ok();
                if !in_time && !connection.is_finished() {
                    place.give_up();
                }
            });
        }
    }
}

/// Closes our side and reads on until the peer has closed its own. A socket that is closed with unread input is reset,
/// and what was still to be sent on it is lost.
async fn linger(mut inner: Socket, connection: &Connection) -> io::Result<()> {
    inner.shutdown().await?;
    let mut left = LINGER_BYTES;
    let mut nowhere = [0; 4096];
    let mut look = tokio::time::interval(LOOK);
    std::future::poll_fn(|context| {
        // Nobody tells when it has.
        while !connection.is_finished() && look.poll_tick(context).is_ready() {
            if inner.unacknowledged() == 0 {
                connection.finished.store(true, Ordering::SeqCst);
            }
        }
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
        let mut outgoing = this.connection.outgoing.lock();
        let before = buf.filled().len();
        let result = outgoing.poll_read(context, buf);
        if let Some(line) = &this.carried {
            line.received(buf.filled().len() - before, || outgoing.waiting());
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
        let bufs = [io::IoSlice::new(buf)];
        self.connection.poll_write(context, &bufs)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.poll_write(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.outgoing.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.outgoing.lock().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.outgoing.lock().poll_shutdown(context)
    }
}
