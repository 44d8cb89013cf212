//! A WebSocket between a client and the library: looks at the beginning of each frame, answers what the library would
//! ignore, and keeps from the client a ping that comes too early.

mod frames;
mod verdict;

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::frames::{Incoming, Outgoing};
pub use self::verdict::{LOOK, Verdict, judge};
use crate::telemetry::Telemetry;

/// Bytes read at once: some chat messages.
const READ: usize = 2048;
/// Bytes of our own that may wait for the client; until it reads some, nothing more is read from it.
const ANSWERS: usize = 4096;
/// An Engine.IO ping as a frame of the server.
const PING: [u8; 3] = [0x81, 1, b'2'];
/// The answer to it as a frame of a client, masked with zeros.
const PONG: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'3'];

/// Something that is done when a session can't go on.
pub type Abandon = Box<dyn FnOnce() + Send>;

/// A WebSocket's bytes, after the handshake.
pub struct Inspected<S> {
    inner: S,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Looked at, for the library.
    passed: BytesMut,
    /// Frames of our own, for the client.
    answers: BytesMut,
    early_ping: EarlyPing,
    /// Who reads, and waits for the client or for room among the answers.
    reader: Option<Waker>,
    telemetry: Arc<Telemetry>,
    /// What to do if the client never finishes the upgrade: the library would keep the session for ever.
    unless_upgraded: Option<Abandon>,
}

/// The library pings as soon as a session begins; by the protocol the first ping comes after the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EarlyPing {
    /// The library has not sent it yet.
    Expected,
    /// It was kept back, and the library is to have an answer.
    Unanswered,
    /// Done, or this is no new session.
    Over,
}

impl<S> Inspected<S> {
    /// The WebSocket of a new session.
    #[must_use]
    pub fn new(inner: S, telemetry: Arc<Telemetry>) -> Self {
        Self {
            inner,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            passed: BytesMut::new(),
            answers: BytesMut::new(),
            early_ping: EarlyPing::Expected,
            reader: None,
            telemetry,
            unless_upgraded: None,
        }
    }

    /// The WebSocket that a session of polling goes on with, or `abandon` is called.
    #[must_use]
    pub fn of_upgrade(inner: S, telemetry: Arc<Telemetry>, abandon: Abandon) -> Self {
        let mut upgrade = Self::new(inner, telemetry);
        upgrade.early_ping = EarlyPing::Over;
        upgrade.unless_upgraded = Some(abandon);
        upgrade
    }

    fn look(&mut self, bytes: &[u8]) {
        let refused = self
            .incoming
            .take(bytes, &mut self.passed, &mut self.answers);
        for _ in 0..refused.ack_ids {
            self.telemetry.refused.increment("ack_id");
        }
        for _ in 0..refused.parsers {
            self.telemetry.connection_refused("other_parser");
        }
        if self.incoming.is_upgraded() {
            self.unless_upgraded = None;
        }
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn answer_ping(&mut self) {
        if self.early_ping == EarlyPing::Unanswered && self.incoming.is_between_frames() {
            self.passed.extend_from_slice(&PONG);
            self.early_ping = EarlyPing::Over;
        }
    }
}

impl<S> Drop for Inspected<S> {
    fn drop(&mut self) {
        if let Some(abandon) = self.unless_upgraded.take() {
            abandon();
        }
    }
}

impl<S: AsyncWrite + Unpin> Inspected<S> {
    /// Writes our own frames, as soon as the library's frame is at its end.
    fn poll_answers(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.answers.is_empty() && self.outgoing.is_between_frames() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.answers))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.answers.advance(written);
            self.wake_reader();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Inspected<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.answer_ping();
            if !this.passed.is_empty() {
                let n = this.passed.len().min(out.remaining());
                out.put_slice(&this.passed[..n]);
                this.passed.advance(n);
                return Poll::Ready(Ok(()));
            }
            if this.answers.len() >= ANSWERS {
                if let Poll::Ready(done) = this.poll_answers(context) {
                    done?;
                }
                if this.answers.len() >= ANSWERS {
                    this.reader = Some(context.waker().clone());
                    return Poll::Pending;
                }
            }
            let mut space = [0; READ];
            let mut read = ReadBuf::new(&mut space);
            if Pin::new(&mut this.inner)
                .poll_read(context, &mut read)?
                .is_pending()
            {
                this.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.look(read.filled());
            if !this.answers.is_empty() {
                // If there is no room now, the library's next write or flush goes on with it.
                if let Poll::Ready(done) = this.poll_answers(context) {
                    done?;
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Inspected<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_answers(context))?;
        let mut bytes = bytes;
        if this.early_ping == EarlyPing::Expected || !this.answers.is_empty() {
            if this.early_ping == EarlyPing::Expected
                && this.outgoing.is_between_frames()
                && bytes.starts_with(&PING)
            {
                this.early_ping = EarlyPing::Unanswered;
                this.wake_reader();
                return Poll::Ready(Ok(PING.len()));
            }
            // Up to the end of this frame: what comes next is to be looked at, or ours goes first.
            bytes = &bytes[..this.outgoing.rest_of_frame(bytes)];
        }
        let written = ready!(Pin::new(&mut this.inner).poll_write(context, bytes))?;
        this.outgoing.written(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_answers(context))?;
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
