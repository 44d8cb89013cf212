//! One life of the server in a simulated world: from its start to its end by a kill, a drain, or the end of the world.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until},
};

use super::{
    agenda::Millis,
    disk,
    ledger::Promise,
    panics,
    socket::Arrivals,
    store::SimulatedStore,
    world::{Order, PastLife, Universe},
};
use crate::{
    chat::Chat,
    server::{Error, Server, Stopped},
    store::{Origin, journal::desk},
    transport::Listener,
};

/// How a life ended.
enum Death {
    /// It is started again after so long.
    Until(Millis),
    /// With the world.
    Last,
}

/// Lives until the world ends or a promise is broken.
pub fn live(universe: &Arc<Universe>) {
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let Ok(runtime) = runtime else {
            let mut world = universe.enter();
            return world.break_promise(Promise::Alive, "there is no runtime".to_owned());
        };
        let death = runtime.block_on(async {
            let death = one_life(universe).await;
            universe.end_clock();
            death
        });
        // What is still there of the process goes at once, as in a kill.
        drop(runtime);
        {
            let mut world = universe.enter();
            world.is_serving = false;
            world.draining_since = None;
            world.life += 1;
            if world.broken.is_some() {
                return;
            }
        }
        match death {
            Ok(Death::Until(down)) => {
                let until = universe.enter().now + down;
                while universe.step_alone(until) {}
            }
            Ok(Death::Last) => return,
            Err(error) => {
                let mut world = universe.enter();
                return world.break_promise(Promise::Alive, format!("it did not start: {error}"));
            }
        }
    }
}

struct Running<'a> {
    universe: &'a Arc<Universe>,
    chat: Arc<Chat>,
    serving: JoinHandle<Stopped>,
    stop: Option<oneshot::Sender<()>>,
    /// After the drain that was asked for: started again after so long, or not at all.
    then: Option<Death>,
}

async fn one_life(universe: &Arc<Universe>) -> Result<Death, Error> {
    universe.begin_clock();
    let (life, notes, setup) = {
        let mut world = universe.enter();
        world.disk.begin_life();
        world.network.is_listening = true;
        world.is_serving = true;
        world.ledger.counts.lives += 1;
        let life = world.life;
        world.note(format_args!("life {life} of the server begins"));
        (life, world.disk.notes.clone(), world.setup.clone())
    };
    let journal = setup.has_journal.then(|| {
        let origin = Origin {
            session: format!("life-{life}"),
            place: "simulated/chat".to_owned(),
        };
        let (journal, desk) = desk::journal(origin, &notes);
        tokio::spawn(disk::write_down(desk, Arc::clone(universe)));
        journal
    });
    let store = Arc::new(SimulatedStore {
        universe: Arc::clone(universe),
        life,
    });
    let listener = Listener::Simulated(Arrivals(Arc::clone(universe)));
    let server = Server::simulated(setup.config(), store, journal, listener)?;
    let chat = server.chat();
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.run(async {
        // Dropped or sent, it is told to stop.
        let _told = stopped.await;
    }));
    let running = Running {
        universe,
        chat,
        serving,
        stop: Some(stop),
        then: None,
    };
    Ok(running.drive().await)
}

impl Running<'_> {
    /// Lets the world happen around the server.
    async fn drive(mut self) -> Death {
        loop {
            let (order, until_next) = {
                let mut world = self.universe.enter();
                world.step();
                (world.order.take(), world.until_next())
            };
            if let Some(order) = order
                && let Some(death) = self.obey(order).await
            {
                return death;
            }
            if let Some(panic) = panics::seen() {
                let mut world = self.universe.enter();
                world.break_promise(Promise::Alive, format!("the server panics: {panic}"));
            }
            if self.universe.enter().broken.is_some() {
                return Death::Last;
            }
            if until_next == Some(0) {
                // Sometimes the server gets on in between.
                if rand::RngExt::random_bool(&mut *self.universe.rng.lock(), 0.3) {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            let next = Instant::now() + Duration::from_millis(until_next.unwrap_or(1_000));
            tokio::select! {
                biased;
                stopped = &mut self.serving => return self.has_stopped(stopped),
                () = self.universe.stirred() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Option<Death> {
        match order {
            Order::Kill(down) => {
                self.bury(false);
                self.universe
                    .enter()
                    .note(format_args!("the server is killed"));
                return Some(Death::Until(down));
            }
            Order::Drain(down) => self.tell_to_stop(Death::Until(down)),
            Order::Freeze(until) => return self.freeze(until).await,
            Order::CheckEnds => self.check_ends(),
            Order::Finish => {
                self.check_clean();
                self.tell_to_stop(Death::Last);
            }
        }
        None
    }

    fn tell_to_stop(&mut self, then: Death) {
        let mut world = self.universe.enter();
        world.note(format_args!("the server is told to stop"));
        let now = world.now;
        world.draining_since.get_or_insert(now);
        if let Some(stop) = self.stop.take() {
            // It has ended, which is seen where it is waited for.
            let _ended = stop.send(());
        }
        self.then.get_or_insert(then);
    }

    /// The world goes on, and the server's process does not.
    async fn freeze(&mut self, until: Millis) -> Option<Death> {
        let began = self.universe.enter().now;
        self.universe.freeze(true);
        let mut death = None;
        while death.is_none() && self.universe.step_alone(until) {
            let order = self.universe.enter().order.take();
            match order {
                Some(Order::Kill(down)) => {
                    self.bury(false);
                    death = Some(Death::Until(down));
                }
                // It is told so, and will hear of it.
                Some(Order::Drain(down)) => self.tell_to_stop(Death::Until(down)),
                _ => {}
            }
        }
        if death.is_none() {
            tokio::time::advance(Duration::from_millis(until.saturating_sub(began))).await;
            self.universe.freeze(false);
        }
        death
    }

    /// It has ended by itself: because it was told to, or it has panicked.
    fn has_stopped(self, stopped: Result<Stopped, JoinError>) -> Death {
        let stopped = match stopped {
            Ok(stopped) => stopped,
            Err(error) => {
                let mut world = self.universe.enter();
                world.break_promise(Promise::Alive, format!("the server has died: {error}"));
                return Death::Last;
            }
        };
        if let Some(died) = &stopped.saves.died {
            let how = format!("the writer has died: {died}");
            self.universe.enter().break_promise(Promise::Alive, how);
        }
        self.bury(!stopped.saves.unsettled.is_empty());
        let mut world = self.universe.enter();
        let untold = stopped.untold.messages;
        world.note(format_args!("the server has stopped"));
        // Whose process stood still beyond its deadline could tell nobody any more, and says so.
        let stood_still = world
            .draining_since
            .is_some_and(|since| world.was_frozen_since(since));
        if untold > 0 && !stood_still {
            let how = format!("the server stops, and {untold} messages have no end");
            world.break_promise(Promise::OneEnd, how);
        }
        match self.then {
            Some(Death::Until(down)) => Death::Until(down),
            _ => {
                world.hold_failed_gone();
                Death::Last
            }
        }
    }

    /// Notes what this life may leave in the store.
    fn bury(&self, has_unsettled: bool) {
        let stats = self.chat.queue.stats();
        let mut world = self.universe.enter();
        let past = PastLife {
            ended_at: world.now,
            has_left: has_unsettled
                || stats.unsettled > 0
                || stats.depth > 0
                || !world.database.is_idle(),
        };
        world.past_lives.push(past);
    }

    /// All faults are over, and have been for long enough.
    fn check_ends(&self) {
        let stats = self.chat.queue.stats();
        let in_flight = self.chat.in_flight.len();
        let mut world = self.universe.enter();
        if stats.depth > 0 || stats.unsettled > 0 || in_flight > 0 {
            let how = format!(
                "{} messages wait for the store, {} are unsettled and {in_flight} have no end",
                stats.depth, stats.unsettled
            );
            world.break_promise(Promise::OneEnd, how);
        }
        let ended = stats.saved + stats.already_saved + stats.failed_total();
        if stats.queued != ended {
            let how = format!("{} messages were queued, {ended} ended", stats.queued);
            world.break_promise(Promise::OneEnd, how);
        }
        world.hold_failed_gone();
        world.all_leave();
    }

    /// Everybody has gone.
    fn check_clean(&self) {
        let stats = self.chat.users.lock().stats();
        if stats != crate::socket_manager::Stats::default() {
            let mut world = self.universe.enter();
            world.break_promise(
                Promise::CleanState,
                format!("everybody has gone: {stats:?}"),
            );
        }
    }
}
