//! The whole server in a simulated world: time, network, clients, store and disk come from one seed, and so does what
//! goes wrong with them. The promises are held at every step.
//!
//! Nothing is real but the server. It runs as it is, Socket.IO library and all, on one thread and on a clock that
//! jumps to whatever happens next, so that a minute takes a fraction of a second. The same seed is the same world.

mod agenda;
mod database;
mod deeds;
mod device;
mod disk;
mod faults;
mod frames;
mod hearing;
mod ledger;
mod life;
mod network;
mod order;
mod panics;
pub mod planted;
mod polling;
mod setup;
pub mod socket;
mod store;
mod trace;
mod world;

use self::{
    ledger::Counts,
    planted::Bug,
    world::{Broken, Universe},
};

/// What has come of one world.
#[derive(Debug)]
struct Report {
    seed: u64,
    counts: Counts,
    /// How many events there were, and their hash.
    trace: (u64, u64),
    broken: Option<Broken>,
    /// What happened last.
    tail: String,
}

/// Plays one world, with a server that has this bug.
fn play(seed: u64, seconds: u64, bug: Option<Bug>) -> Report {
    // A thread of its own for what is kept by thread.
    let played = std::thread::scope(|scope| {
        let playing = scope.spawn(|| {
            planted::plant(bug);
            panics::watch();
            let universe = Universe::new(seed, seconds * 1_000);
            life::live(&universe);
            let world = universe.enter();
            Report {
                seed,
                counts: world.ledger.counts,
                trace: world.trace.sum(),
                broken: world.broken.clone(),
                tail: world.trace.tail(),
            }
        });
        playing.join()
    });
    played.unwrap_or_else(|_| panic!("seed {seed}: the simulation itself has panicked"))
}

#[cfg(test)]
mod tests;
