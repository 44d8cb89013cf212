//! What the proxy can do to what passes through it, and what it has done: the proof that it bit.

use std::{
    fmt,
    iter::Sum,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::model::Delay;

/// A bad network, of one kind. Where nothing else is said, it is so in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// What comes is passed on so much later, and in its order. A way and back take it twice.
    Latency(Delay),
    /// So many bytes a second in each direction, for all connections together.
    Bandwidth(u64),
    /// TCP hides a lost packet and makes all behind it wait until it was sent again: what comes is held up with this
    /// probability, for `pause`, and twice as long if that is lost too.
    Loss {
        /// Of what is read at once, so much is lost: from 0 to 1.
        share: f64,
        /// How long a sender waits before it sends again.
        pause: Duration,
    },
    /// All connections are reset at once. While it lasts, new ones are refused or not.
    Cut {
        /// Whether nobody can connect until it is lifted.
        refuse: bool,
    },
    /// What comes is swallowed, and an end too: nobody is told that nobody is there. Who connects finds silence. When it is
    /// lifted, connections that have lost something are reset.
    HalfOpen,
    /// Who has connected reads only so many bytes a second from each connection: what is sent to them piles up where it is
    /// sent from.
    SlowReader(u64),
    /// A command that writes goes through, and of its reply nothing comes back but a reset. Of a proxy before a MongoDB.
    ReplyLost {
        /// Of the replies so much is lost: from 0 to 1.
        share: f64,
    },
}

impl Effect {
    /// Whether nobody can connect while it lasts.
    pub(super) fn refuses(&self) -> bool {
        matches!(self, Effect::Cut { refuse: true })
    }
}

/// An effect that is in force, with what it did.
#[derive(Debug)]
pub(super) struct Imposed {
    pub(super) id: u64,
    pub(super) effect: Effect,
    pub(super) tally: Tally,
    /// When the line is free again, towards each side.
    line: Mutex<[Option<Instant>; 2]>,
}

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From who connected to the proxy.
    Up,
    /// To who connected to the proxy.
    Down,
}

impl Imposed {
    pub(super) fn new(id: u64, effect: Effect) -> Self {
        Self {
            id,
            effect,
            tally: Tally::default(),
            line: Mutex::default(),
        }
    }

    /// When so many bytes that come now have been through a line of so many bytes a second, behind all that came before.
    pub(super) fn through(&self, way: Way, bytes: u64, rate: u64, now: Instant) -> Instant {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let free = &mut line[way as usize];
        let end = free.unwrap_or(now).max(now) + time_for(bytes, rate);
        *free = Some(end);
        end
    }
}

/// How long so many bytes take at so many a second.
pub(super) fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64)
}

/// Counts that grow while an effect is in force.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pieces: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
    nanos: AtomicU64,
}

impl Tally {
    /// A piece of so many bytes was held up for so long, or swallowed.
    pub(super) fn piece(&self, bytes: u64, held_up: Duration) {
        self.pieces.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        let nanos = u64::try_from(held_up.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// One more connection was touched by it.
    pub(super) fn connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn so_far(&self) -> Toll {
        Toll {
            pieces: self.pieces.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            connections: self.connections.load(Relaxed),
            held_up: Duration::from_nanos(self.nanos.load(Relaxed)),
        }
    }
}

/// What an effect has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Toll {
    /// Pieces, as they were read, that were held up or swallowed; replies that were lost.
    pub pieces: u64,
    /// The bytes in them.
    pub bytes: u64,
    /// Connections that were touched: those with such pieces, or those that were reset.
    pub connections: u64,
    /// For how long, over all pieces.
    pub held_up: Duration,
}

impl Toll {
    /// Whether anything was different because of it.
    #[must_use]
    pub fn bit(&self) -> bool {
        self.connections > 0
    }
}

/// Of several proxies together.
impl Sum for Toll {
    fn sum<I: Iterator<Item = Self>>(tolls: I) -> Self {
        tolls.fold(Self::default(), |all, one| Self {
            pieces: all.pieces + one.pieces,
            bytes: all.bytes + one.bytes,
            connections: all.connections + one.connections,
            held_up: all.held_up + one.held_up,
        })
    }
}

/// In words: `5,210 bytes in 40 pieces on 12 connections, held up for 50ms on average`.
impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pieces > 0 {
            let Self { bytes, pieces, .. } = self;
            write!(f, "{bytes} bytes in {pieces} pieces on ")?;
        }
        write!(f, "{} connections", self.connections)?;
        let mean = self
            .held_up
            .checked_div(u32::try_from(self.pieces).unwrap_or(u32::MAX));
        match mean.filter(|mean| !mean.is_zero()) {
            Some(mean) => write!(
                f,
                ", held up for {:.1} ms on average",
                mean.as_secs_f64() * 1_000.0
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_takes_one_piece_after_the_other_and_each_way_by_itself() {
        let imposed = Imposed::new(0, Effect::Bandwidth(1_000));
        let now = Instant::now();
        let after = |way, bytes, now: Instant| imposed.through(way, bytes, 1_000, now);
        let second = Duration::from_secs(1);
        assert_eq!(after(Way::Up, 500, now), now + second / 2);
        assert_eq!(after(Way::Up, 500, now), now + second);
        assert_eq!(after(Way::Down, 100, now), now + second / 10);
        // It was free for a second: nothing is saved up.
        assert_eq!(
            after(Way::Up, 100, now + 2 * second),
            now + 2 * second + second / 10
        );
    }

    #[test]
    fn a_toll_is_told_in_words() {
        let tally = Tally::default();
        assert!(!tally.so_far().bit());
        tally.connection();
        assert_eq!(tally.so_far().to_string(), "1 connections");
        tally.piece(100, Duration::from_millis(20));
        tally.piece(50, Duration::from_millis(40));
        let told = "150 bytes in 2 pieces on 1 connections, held up for 30.0 ms on average";
        assert_eq!(tally.so_far().to_string(), told);
    }
}
