//! A proxy on the loopback interface that passes TCP on as it comes, until it is told to be a bad network.
//!
//! It has a thread and a runtime of its own, so that neither the generator's pacing nor a server in this process waits for
//! it. It passes an end on as an end and a reset as a reset, and what it is dropped amidst is reset. What waits in it is bounded, and then it doesn't read on.

mod commands;
mod connection;
mod cost;
mod doorway;
mod effect;
mod pump;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::Builder,
    sync::{oneshot, watch},
    task::LocalSet,
};

use self::{
    connection::{Connection, Lives},
    doorway::Doorway,
    effect::Imposed,
};
pub use self::{
    cost::Cost,
    effect::{Effect, Toll},
};

/// What passes through, as far as the proxy looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Bytes.
    Bytes,
    /// MongoDB's commands and replies, which [`Effect::ReplyLost`] has to tell apart.
    MongoDb,
}

/// What is imposed now; the newest last.
type Weather = Arc<[Arc<Imposed>]>;

/// A running proxy. Dropping it resets all of its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    imposed: AtomicU64,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What was imposed on a proxy, to be lifted again.
#[derive(Debug)]
#[must_use]
pub struct Hold(Arc<Imposed>);

impl Hold {
    /// What it has done so far.
    #[must_use]
    pub fn toll(&self) -> Toll {
        self.0.tally.so_far()
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes on to `upstream` from now on. All that is drawn at random comes from
    /// the seed.
    ///
    /// # Errors
    /// When the system gives no port, no thread or no runtime.
    pub fn start(upstream: SocketAddr, speech: Speech, seed: u64) -> io::Result<Proxy> {
        let doorway = Doorway::open()?;
        let address = doorway.address();
        let (weather, seen) = watch::channel(Weather::default());
        let (stop, stopped) = oneshot::channel();
        let lives = Lives {
            upstream,
            speech,
            seed,
            weather: seen,
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("proxy".to_owned());
        let thread = thread.spawn(move || {
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, async {
                tokio::select! {
                    () = pass_on(doorway, lives) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Proxy {
            address,
            weather,
            imposed: AtomicU64::new(0),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where to connect instead of upstream.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the network is so bad, beside whatever else is imposed.
    pub fn impose(&self, effect: Effect) -> Hold {
        let imposed = Arc::new(Imposed::new(self.imposed.fetch_add(1, Relaxed), effect));
        self.weather.send_modify(|weather| {
            *weather = weather.iter().chain([&imposed]).map(Arc::clone).collect();
        });
        Hold(imposed)
    }

    /// From now on no more; and what it did.
    pub fn lift(&self, hold: &Hold) -> Toll {
        self.weather.send_modify(|weather| {
            let left = weather.iter().filter(|one| one.id != hold.0.id);
            *weather = left.map(Arc::clone).collect();
        });
        hold.toll()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the proxy's thread panicked");
        }
    }
}

/// Accepts for as long as it is polled.
async fn pass_on(mut doorway: Doorway, lives: Lives) {
    let mut nth = 0;
    let mut weather = lives.weather.clone();
    loop {
        let open = !weather
            .borrow_and_update()
            .iter()
            .any(|one| one.effect.refuses());
        tokio::select! {
            biased;
            changed = weather.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            stream = doorway.next(open) => {
                tokio::task::spawn_local(Connection::new(nth, &lives).serve(stream));
                nth += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
