//! Users whom a fault of the plan threw off: excused, and back as soon as the official client would be.

use std::{rc::Rc, time::Duration};

use super::{
    request::{JoinError, NotThere},
    users::Users,
};
use crate::{
    model::Nanos,
    observed::{Broken, Closed, Step},
};

impl Users {
    /// Whether the end of a user's connection is what the plan's faults make of it.
    pub(super) fn is_excused(&self, user: u32) -> bool {
        let server = Some(self.job.whereabouts.server(user));
        let excuse = &self.job.progress.excuse;
        excuse.covers(server, self.job.clock.now())
    }

    /// A connection ended by a fault of the plan: its user comes back.
    pub(super) fn thrown_off(self: &Rc<Self>, user: u32, stamp: Nanos, why: Closed) {
        let server = self.job.whereabouts.server(user);
        if let Some(since) = self.job.progress.excuse.deaf_since(server) {
            // Nothing is noted before what was noted already.
            let since = since.max(self.connected_at(user)).min(stamp);
            self.note(user, since, Step::Deaf);
        }
        self.gone(user, stamp);
        let at = self.job.clock.now();
        let broken = Broken { at, user, why };
        self.broken.borrow_mut().excused.add(broken);
        self.set_about(Rc::clone(self).come_back(user));
    }

    /// Connects a user again, as often as it takes while the fault lasts.
    pub(super) async fn come_back(self: Rc<Self>, user: u32) {
        let me = Rc::clone(&self);
        let mut backoff = self.job.plan.backoff(user);
        loop {
            tokio::time::sleep(Duration::from_nanos(backoff.delay())).await;
            let _turn = me.user(user).turn.lock().await;
            match Rc::clone(&self).come(user).await {
                // Where its connection ended meanwhile, that end had it come back again.
                Ok(()) | Err(NotThere::Join(JoinError::Gone(_))) => return,
                Err(error) if !self.is_excused(user) => return self.not_there(user, error),
                Err(NotThere::Connect(_)) => {}
                Err(NotThere::Join(_)) => self.go(user, true),
            }
        }
    }

    /// A user is not where it should be, and nothing excuses that.
    pub(super) fn not_there(&self, user: u32, error: NotThere) {
        match error {
            NotThere::Connect(error) => {
                self.tell_broken(user, Closed::NotConnected(error.to_string()));
            }
            // Why a connection ended is told where it ends.
            NotThere::Join(JoinError::Gone(_)) => {}
            NotThere::Join(error) => self.tell_broken(user, Closed::NotJoined(error.to_string())),
        }
    }
}
