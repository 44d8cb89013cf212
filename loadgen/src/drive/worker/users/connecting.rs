//! How users connect and join: all who are there from the start, each at its own time where the scenario has a rate.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures::{StreamExt, stream};

use super::{PATIENCE, Stalled, Users};
use crate::{
    drive::{
        Connection,
        worker::{
            request::{Asked, NotThere},
            timer::Timer,
        },
    },
    model::{Metric, Nanos, nanos},
    observed::Step,
};

/// Connects under way at once in one worker that is given no rate: enough to keep a server busy, few enough for its accept
/// queue.
const CONNECTING: usize = 64;

/// When the user of that index connects, of so many a second.
fn due(began: Nanos, index: usize, rate: f64) -> Nanos {
    // However small the rate is: a time beyond all times is the last one.
    let after = Duration::try_from_secs_f64(index as f64 / rate).unwrap_or(Duration::MAX);
    began.saturating_add(nanos(after))
}

impl Users {
    /// Connects everybody who is there from the start: as fast as they are accepted, or where there is a rate each at its own
    /// time, however many are still under way.
    pub(in crate::drive::worker) async fn connect_all(
        self: Rc<Self>,
        timer: &Timer,
    ) -> Result<(), (u32, NotThere)> {
        let (began, rate) = (self.job.clock.now(), self.job.connect_rate);
        let most = match rate {
            Some(_) => usize::MAX,
            None => CONNECTING,
        };
        let plan = &self.job.plan;
        let own = self.job.share.users(plan.users.len());
        let own = own.filter(|&user| plan.connected[user as usize]);
        // Whoever waits for its time does so here, one after the other, and is not under way yet.
        let begun = stream::iter(own.enumerate()).then(|(index, user)| {
            let me = Rc::clone(&self);
            async move {
                let due = rate.map(|rate| due(began, index, rate));
                if let Some(due) = due {
                    me.wait_until(due, timer).await;
                }
                (user, due)
            }
        });
        let connecting = begun.map(|(user, due)| {
            let me = Rc::clone(&self);
            async move {
                // What keeps a user from beginning in time is charged, or a server that is slow would be asked less.
                let asked = due.unwrap_or_else(|| me.job.clock.now());
                let connected = me.connect(user, asked, false).await;
                connected.map_err(|error| (user, error))
            }
        });
        let mut connecting = std::pin::pin!(connecting.buffer_unordered(most));
        while let Some(connected) = connecting.next().await {
            connected?;
        }
        Ok(())
    }

    async fn wait_until(&self, due: Nanos, timer: &Timer) {
        loop {
            let early = due.saturating_sub(self.job.clock.now());
            if early == 0 {
                return;
            }
            let early = Duration::from_nanos(early);
            if timer.wait(early).await.is_err() {
                // Without the better timer the usual one will do.
                tokio::time::sleep(early).await;
            }
        }
    }

    /// Connects a user, who was to begin at `asked`, and joins what it is a member of.
    pub(super) async fn connect(
        self: Rc<Self>,
        user: u32,
        asked: Nanos,
        logged: bool,
    ) -> Result<(), NotThere> {
        let state = self.user(user);
        let target = self.job.endpoint.target();
        let jar = Arc::clone(&state.jar);
        let caller = self.job.tokens.caller(&self.job.plan, user, target, jar);
        let places: Vec<u32> = (0..)
            .zip(&*state.member_of.borrow())
            .filter_map(|(place, member)| member.then_some(place))
            .collect();
        if logged {
            // A server may remember where the user was and put it there before it asks.
            for &place in &places {
                self.note(user, asked, Step::Joining(place));
            }
            state.connecting.set(Some(asked));
        }
        let opened = Connection::open(
            self.job.driver,
            &self.job.endpoint,
            caller,
            self.job.transport,
            Rc::clone(&self.shared),
            PATIENCE,
        )
        .await;
        state.connecting.set(None);
        if opened.is_err() && logged {
            // What the server may have put it into ends with the attempt: the next one begins anew.
            self.note(user, self.job.clock.now(), Step::Gone);
        }
        let (connection, incoming) = opened?;
        self.record(Metric::Connect, asked);
        let server = self.job.endpoint.server_of(user);
        self.job.whereabouts.connected(user, server, asked);
        self.now_stalled(user, Stalled::Never);
        state.connected_at.set(self.job.clock.now());
        state.connection.replace(Some(connection.clone()));
        self.job.progress.connected.fetch_add(1, Relaxed);
        self.read(connection.clone().run(incoming, Rc::clone(&self)));
        for place in places {
            self.ask(user, &connection, Asked::Join(place), logged);
        }
        Ok(self.answers(user).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_time_and_no_rate_is_too_small() {
        assert_eq!(due(7, 0, 1e-300), 7);
        assert_eq!(due(7, 3, 2.0), 1_500_000_007);
        for rate in [1e-12, 1e-300, f64::MIN_POSITIVE, 0.0] {
            assert_eq!(due(7, 1, rate), Nanos::MAX, "{rate}");
        }
    }
}
