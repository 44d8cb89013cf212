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
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc as answer,
    },
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot, watch},
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

/// From now on this is imposed; whoever said so waits for the answer, so that there is never a second one.
struct Order {
    weather: Weather,
    /// Whether everybody who is there is to be reset first.
    cuts: bool,
    done: answer::Sender<()>,
}

/// A running proxy. Dropping it resets all of its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: Mutex<Weather>,
    orders: mpsc::Sender<Order>,
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
        let (orders, given) = mpsc::channel(1);
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
                    () = pass_on(doorway, lives, given, weather) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Proxy {
            address,
            weather: Mutex::default(),
            orders,
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

    /// From now on the network is so bad, beside whatever else is imposed: when this returns, it is, and whom a cut resets has
    /// been reset.
    pub fn impose(&self, effect: Effect) -> Hold {
        let imposed = Arc::new(Imposed::new(self.imposed.fetch_add(1, Relaxed), effect));
        let cuts = matches!(effect, Effect::Cut { .. });
        self.order(cuts, |weather| {
            weather.iter().chain([&imposed]).map(Arc::clone).collect()
        });
        Hold(imposed)
    }

    /// From now on no more; and what it did.
    pub fn lift(&self, hold: &Hold) -> Toll {
        self.order(false, |weather| {
            let left = weather.iter().filter(|one| one.id != hold.0.id);
            left.map(Arc::clone).collect()
        });
        hold.toll()
    }

    /// Changes what is imposed, and waits until the proxy's thread has heard of it, some microseconds as a rule; `cuts`: and until
    /// all who are there are reset.
    fn order(&self, cuts: bool, change: impl FnOnce(&Weather) -> Weather) {
        let mut weather = self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        *weather = change(&weather);
        let (done, answer) = answer::channel();
        let order = Order {
            weather: Arc::clone(&weather),
            cuts,
            done,
        };
        // The last one was answered, so that there is room; and a thread that is gone imposes nothing any more.
        if self.orders.try_send(order).is_ok() {
            let _ = answer.recv();
        }
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

/// Accepts for as long as it is polled, and hands on what is ordered: first to the door and then, on this thread, to all who
/// came through it. So none of them is ever between two weathers, and who was reset finds the door as it is to be.
async fn pass_on(
    mut doorway: Doorway,
    lives: Lives,
    mut orders: mpsc::Receiver<Order>,
    weather: watch::Sender<Weather>,
) {
    let mut nth = 0;
    let mut open = true;
    // Held by each connection until it is closed.
    let there = Rc::new(());
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some(Order { weather: next, cuts, done }) = order else {
                    return;
                };
                open = !next.iter().any(|one| one.effect.refuses());
                if !open {
                    doorway.close();
                }
                weather.send_replace(next);
                // A cut may be lifted at once: by then it has reset everybody, and counted them.
                while cuts && Rc::strong_count(&there) > 1 {
                    tokio::task::yield_now().await;
                }
                // Whoever waits may be gone.
                let _ = done.send(());
            }
            stream = doorway.next(), if open => {
                let connection = Connection::new(nth, &lives, Rc::clone(&there));
                tokio::task::spawn_local(connection.serve(stream));
                nth += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
