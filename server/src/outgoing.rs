//! What goes out on one connection: what the library writes, and between two of its frames our own.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{telemetry::Telemetry, transport::Socket, wire::Wire};

/// Bytes that are read from a peer that does not read itself: what it may ask for, and so what its answers may cost.
/// Heartbeats must get through, so it is more than nothing.
const READ_AHEAD: usize = 64 * 1024;
/// Frames that are written at once.
const AT_ONCE: usize = 64;
/// Places for frames that are kept once it is empty.
const KEPT: usize = 4;

/// Which frame of the library says that ours may go beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The one that tells a client that it is connected.
    Connected,
    /// A packet: the upgrade that it must wait for is over, and the client is connected.
    Packet,
}

/// One connection's socket, and what waits to be written to it.
#[derive(Debug)]
pub struct Outgoing<S = Socket> {
    /// There until the connection is given up.
    socket: Option<S>,
    /// What was written since it carries a WebSocket.
    wire: Option<Wire>,
    opening: Opening,
    is_open: bool,
    /// Ours, the first without what is written of it.
    frames: VecDeque<Bytes>,
    blocked: Option<Blocked>,
    /// The library waits until our frames are written.
    library_is_behind: bool,
    /// What may still be read while it is blocked.
    read_ahead: usize,
    /// The peer has said that nothing more comes, or something has failed: there is nothing to wait for at the end.
    has_ended: bool,
    telemetry: Arc<Telemetry>,
}

/// Whose bytes the peer does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocked {
    Library,
    Ours,
}

/// What a write came to.
#[derive(Debug, Default)]
pub struct Progress {
    /// Packets that the library was given, and that are written now.
    pub of_library: usize,
    /// Frames of ours that are written now.
    pub ours: usize,
    /// Something was written to a peer that took nothing before: it may be read again.
    pub reads_again: bool,
    /// The library may write again.
    pub library_goes_on: bool,
    /// Frames of ours wait that may be written.
    pub is_due: bool,
}

impl Outgoing {
    /// Bytes that have come and were not read.
    pub fn waiting(&self) -> u64 {
        self.socket.as_ref().map_or(0, Socket::waiting)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outgoing<S> {
    /// Nothing is written yet.
    pub const fn new(socket: S, telemetry: Arc<Telemetry>) -> Self {
        Self {
            socket: Some(socket),
            wire: None,
            opening: Opening::Connected,
            is_open: false,
            frames: VecDeque::new(),
            blocked: None,
            library_is_behind: false,
            read_ahead: READ_AHEAD,
            has_ended: false,
            telemetry,
        }
    }

    /// What is written next answers a request for a WebSocket, and then come its frames.
    pub fn carry(&mut self, opening: Opening) {
        self.wire = Some(Wire::default());
        self.close_until(opening);
    }

    /// Whether frames of ours may be written.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// From now on none may, until the library has written such a frame.
    pub const fn close_until(&mut self, opening: Opening) {
        self.is_open = false;
        self.opening = opening;
    }

    /// Has a frame written.
    pub fn hand(&mut self, frame: Bytes) {
        self.frames.push_back(frame);
    }

    /// Gives up the socket. None if there is nothing to wait for, or it was given up before.
    pub fn give_up(&mut self) -> Option<S> {
        self.is_open = false;
        self.frames = VecDeque::new();
        self.socket.take().filter(|_| !self.has_ended)
    }

    /// Reads, unless the peer has asked for more than it takes the answers of. A write that gets on says so.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.blocked.is_some() && self.read_ahead == 0 {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = socket(&mut self.socket)?.poll_read(context, buf);
        let read = buf.filled().len() - before;
        if result.is_ready() {
            self.telemetry.reads.increment();
        }
        match &result {
            Poll::Ready(Ok(())) if read == 0 && buf.remaining() > 0 => self.has_ended = true,
            Poll::Ready(Err(_)) => self.has_ended = true,
            _ => {}
        }
        if self.blocked.is_some() {
            self.read_ahead = self.read_ahead.saturating_sub(read);
        }
        result
    }

    /// Writes bytes of the library, after the frames of ours that wait. For those `ours` is woken.
    pub fn poll_library(
        &mut self,
        context: &mut Context<'_>,
        ours: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        progress: &mut Progress,
    ) -> Poll<io::Result<usize>> {
        if self.is_between_frames() {
            self.library_is_behind = true;
            ready!(self.poll_frames(ours, progress))?;
            self.library_is_behind = false;
        }
        let result = write(&mut self.socket, context, bufs);
        self.note(&result, Blocked::Library, progress);
        let bytes = ready!(result)?;
        if let Some(wire) = &mut self.wire {
            let mut left = bytes;
            for buf in bufs {
                let written = left.min(buf.len());
                progress.of_library += wire.written(&buf[..written]);
                left -= written;
            }
            self.is_open |= match self.opening {
                Opening::Connected => wire.has_connected(),
                Opening::Packet => progress.of_library > 0,
            };
        }
        progress.is_due = !self.frames.is_empty() && self.is_between_frames();
        Poll::Ready(Ok(bytes))
    }

    /// Writes frames of ours, as far as they may be and are taken.
    pub fn write_frames(&mut self, ours: &mut Context<'_>, progress: &mut Progress) {
        // The library goes on by itself, and then it is our turn.
        if self.blocked == Some(Blocked::Library) || !self.is_between_frames() {
            return;
        }
        if let Poll::Ready(done) = self.poll_frames(ours, progress) {
            if done.is_err() {
                // It fails for the library too, which ends the connection.
                self.frames.clear();
            }
            progress.library_goes_on = std::mem::take(&mut self.library_is_behind);
        }
    }

    fn is_between_frames(&self) -> bool {
        self.wire.as_ref().is_some_and(Wire::is_between_frames)
    }

    fn poll_frames(
        &mut self,
        ours: &mut Context<'_>,
        progress: &mut Progress,
    ) -> Poll<io::Result<()>> {
        while let Some(first) = self.frames.front() {
            let result = if self.frames.len() == 1 {
                write(&mut self.socket, ours, &[IoSlice::new(first)])
            } else {
                let mut bufs = [IoSlice::new(&[]); AT_ONCE];
                for (buf, frame) in bufs.iter_mut().zip(&self.frames) {
                    *buf = IoSlice::new(frame);
                }
                let many = self.frames.len().min(AT_ONCE);
                write(&mut self.socket, ours, &bufs[..many])
            };
            self.note(&result, Blocked::Ours, progress);
            let written = ready!(result)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            progress.ours += self.forget(written);
        }
        if self.frames.capacity() > AT_ONCE {
            self.frames.shrink_to(KEPT);
        }
        Poll::Ready(Ok(()))
    }

    /// Forgets so many bytes of the frames; says how many end with them.
    fn forget(&mut self, mut bytes: usize) -> usize {
        let mut whole = 0;
        while let Some(first) = self.frames.front_mut() {
            if bytes < first.len() {
                first.advance(bytes);
                break;
            }
            bytes -= first.len();
            self.frames.pop_front();
            whole += 1;
        }
        whole
    }

    /// What a write has done to the peer's debt.
    fn note(&mut self, result: &Poll<io::Result<usize>>, whose: Blocked, progress: &mut Progress) {
        match result {
            Poll::Pending => self.blocked = Some(whose),
            Poll::Ready(Err(_)) => self.has_ended = true,
            Poll::Ready(Ok(bytes)) => {
                self.telemetry.writes.increment();
                self.read_ahead = (self.read_ahead + bytes).min(READ_AHEAD);
                progress.reads_again |= self.blocked.take().is_some();
            }
        }
    }

    /// Passes it on.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket(&mut self.socket)?.poll_flush(context)
    }

    /// Closes our side.
    pub fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket(&mut self.socket)?.poll_shutdown(context)
    }

    /// Whether several pieces are written at once.
    pub fn is_write_vectored(&self) -> bool {
        self.socket
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }
}

fn write<S: AsyncWrite + Unpin>(
    inner: &mut Option<S>,
    context: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let socket = socket(inner)?;
    match bufs {
        [one] => socket.poll_write(context, one),
        several => socket.poll_write_vectored(context, several),
    }
}

/// What carries it, pinned.
///
/// # Errors
/// It was given up.
fn socket<S: Unpin>(inner: &mut Option<S>) -> io::Result<Pin<&mut S>> {
    let socket = inner.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    Ok(Pin::new(socket))
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;
    use proptest::prelude::*;

    use super::*;

    /// A peer that takes as much as it is allowed to.
    struct Peer {
        taken: Vec<u8>,
        allowed: usize,
    }

    impl AsyncRead for Peer {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let takes = self.allowed.min(buf.len());
            if takes == 0 {
                return Poll::Pending;
            }
            self.allowed -= takes;
            self.taken.extend_from_slice(&buf[..takes]);
            Poll::Ready(Ok(takes))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// The library has another frame.
        Library { length: usize },
        /// Somebody hands us one.
        Hand { length: usize },
        /// The peer takes more.
        Allow { bytes: usize },
        /// The library goes on, with so many bytes at once.
        Write { at_once: usize },
        /// The courier comes.
        Courier,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_usize..300).prop_map(|length| Step::Library { length }),
            (0_usize..300).prop_map(|length| Step::Hand { length }),
            (0_usize..400).prop_map(|bytes| Step::Allow { bytes }),
            (1_usize..400).prop_map(|at_once| Step::Write { at_once }),
            Just(Step::Courier),
        ]
    }

    fn frame(begins: &str, length: usize) -> Vec<u8> {
        let payload = format!("{begins}{}", "x".repeat(length));
        let mut frame = vec![0x81, 126];
        frame.extend((payload.len() as u16).to_be_bytes());
        frame.extend(payload.as_bytes());
        frame
    }

    /// The payloads of whole frames.
    fn payloads(mut bytes: &[u8]) -> Vec<String> {
        let mut payloads = Vec::new();
        while let [0x81, 126, high, low, rest @ ..] = bytes {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (payload, after) = rest.split_at(length);
            payloads.push(String::from_utf8(payload.to_vec()).unwrap());
            bytes = after;
        }
        assert!(bytes.is_empty());
        payloads
    }

    struct Play {
        outgoing: Outgoing<Peer>,
        /// What the library has not written yet.
        library: Vec<u8>,
        numbers: [usize; 2],
        progress: Progress,
    }

    impl Play {
        fn new() -> Self {
            let telemetry = Arc::new(Telemetry::new().unwrap());
            let peer = Peer {
                taken: Vec::new(),
                allowed: 0,
            };
            let mut outgoing = Outgoing::new(peer, telemetry);
            outgoing.carry(Opening::Connected);
            let mut library = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
            library.extend(frame("0{}", 0));
            library.extend(frame("40{}", 0));
            Self {
                outgoing,
                library,
                numbers: [0; 2],
                progress: Progress::default(),
            }
        }

        fn take(&mut self, step: &Step) {
            let mut context = Context::from_waker(noop_waker_ref());
            match *step {
                Step::Library { length } => {
                    self.library
                        .extend(frame(&format!("42library{} ", self.numbers[0]), length));
                    self.numbers[0] += 1;
                }
                Step::Hand { length } if self.outgoing.is_open() => {
                    let ours = frame(&format!("42ours{} ", self.numbers[1]), length);
                    self.outgoing.hand(Bytes::from(ours));
                    self.numbers[1] += 1;
                }
                Step::Hand { .. } => {}
                Step::Allow { bytes } => {
                    if let Some(peer) = &mut self.outgoing.socket {
                        peer.allowed += bytes;
                    }
                }
                Step::Write { at_once } => self.write(at_once),
                Step::Courier => self.outgoing.write_frames(&mut context, &mut self.progress),
            }
        }

        fn write(&mut self, at_once: usize) {
            let mut context = Context::from_waker(noop_waker_ref());
            let mut ours = Context::from_waker(noop_waker_ref());
            let (first, second) = self.library[..at_once.min(self.library.len())]
                .split_at(at_once.min(self.library.len()) / 2);
            let bufs = [IoSlice::new(first), IoSlice::new(second)];
            if first.is_empty() && second.is_empty() {
                return;
            }
            let done =
                self.outgoing
                    .poll_library(&mut context, &mut ours, &bufs, &mut self.progress);
            if let Poll::Ready(written) = done {
                self.library.drain(..written.unwrap());
            }
        }
    }

    proptest! {
        /// Whoever writes when, and however little the peer takes: frames stay whole and in order, ours begin when the client
        /// is connected, and each is counted when it is written.
        #[test]
        fn frames_of_both_stay_whole_and_in_order(
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let mut play = Play::new();
            for step in &steps {
                play.take(step);
            }
            play.take(&Step::Allow { bytes: 1 << 20 });
            for _ in 0..20 {
                play.take(&Step::Write { at_once: 1 << 20 });
                play.take(&Step::Courier);
            }
            prop_assert!(play.library.is_empty());
            let taken = play.outgoing.socket.take().unwrap().taken;
            let head = taken.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
            let frames = payloads(&taken[head..]);
            prop_assert_eq!(&frames[..2], ["0{}", "40{}"]);
            for (whose, count) in ["42library", "42ours"].iter().zip(play.numbers) {
                let numbers: Vec<usize> = frames
                    .iter()
                    .filter_map(|frame| frame.strip_prefix(whose)?.split(' ').next()?.parse().ok())
                    .collect();
                prop_assert_eq!(numbers, (0..count).collect::<Vec<_>>());
            }
            prop_assert_eq!([play.progress.of_library, play.progress.ours], play.numbers);
        }
    }
}
