//! Where the acts are played: who is next, with which dice, and what is left standing there.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::time::timeout;

use super::Act;
use crate::wire::Wire;

/// How long one act may take; what it waits for in vain ends there.
const ACT_WITHIN: Duration = Duration::from_secs(3);
/// Connections that are left standing at a time; the oldest goes for one more.
const STANDING: usize = 100;
/// Rooms that strangers meet in, and users that they share, so that they get in each other's way.
const SHARED: usize = 6;

pub struct Stage {
    pub address: SocketAddr,
    seed: u64,
    acts: Vec<Act>,
    at_most: u64,
    played: AtomicU64,
    over: AtomicBool,
    standing: Mutex<VecDeque<Wire>>,
}

impl Stage {
    pub fn new(address: SocketAddr, seed: u64, acts: Vec<Act>, at_most: u64) -> Self {
        Self {
            address,
            seed,
            acts,
            at_most,
            played: AtomicU64::new(0),
            over: AtomicBool::new(false),
            standing: Mutex::default(),
        }
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Plays one act to its end, however that comes about; `None` when there have been enough.
    pub async fn play_next(&self) -> Option<Act> {
        let number = self.played.fetch_add(1, Ordering::SeqCst);
        if number >= self.at_most {
            return None;
        }
        let mut player = Player {
            stage: self,
            rng: StdRng::seed_from_u64(
                self.seed
                    .wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            ),
            number,
        };
        let act = *self.acts.choose(&mut player.rng)?;
        // What the server does with a stranger is its business, as long as nobody else is harmed.
        let _whatever = timeout(ACT_WITHIN, act.play(&mut player)).await;
        Some(act)
    }
}

/// A stranger in one act.
pub struct Player<'a> {
    pub stage: &'a Stage,
    pub rng: StdRng,
    number: u64,
}

impl Player<'_> {
    pub const fn address(&self) -> SocketAddr {
        self.stage.address
    }

    /// A number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    /// Yes, once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A user of its own, or one whom others are, too.
    pub fn user(&mut self) -> String {
        if self.once_in(3) {
            format!("stranger-{}", self.below(SHARED))
        } else {
            format!("stranger-of-act-{}", self.number)
        }
    }

    /// A room in which others may be.
    pub fn room(&mut self) -> String {
        format!("meeting-{}", self.below(SHARED))
    }

    /// Leaves a connection standing as it is, neither read nor closed.
    pub fn leave(&self, wire: Wire) {
        let mut standing = self.stage.standing.lock();
        if standing.len() >= STANDING {
            standing.pop_front();
        }
        standing.push_back(wire);
    }

    /// Goes, in one of the ways in which a connection can end.
    pub async fn go(&mut self, mut wire: Wire) {
        match self.below(5) {
            // The client has said so, in Socket.IO, Engine.IO or WebSocket.
            0 => drop(wire.frames(&["41"]).await),
            1 => drop(wire.frames(&["1"]).await),
            2 => drop(wire.send(&crate::wire::frame(0x88, &[])).await),
            // A reset.
            3 => drop(wire.tcp.set_zero_linger()),
            // A close.
            _ => {}
        }
        if self.once_in(4) {
            self.leave(wire);
        }
    }
}
