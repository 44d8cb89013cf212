//! Users whom a fault of the plan threw off: excused, and back as soon as the official client would be.

use std::{rc::Rc, time::Duration};

use super::{
    request::{JoinError, NotThere},
    users::Users,
};
use crate::{
    model::Nanos,
    observed::{Broken, Closed, Step},
    plan::Backoff,
};

/// So long after a fault of clients those whom it struck may still fail to come back: as long as a fault of the server shows.
pub(super) const STILL_SHOWS: Nanos = 10_000_000_000;

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
        let backoff = self.job.plan.backoff(user);
        self.set_about(user, Rc::clone(self).come_back(user, backoff, 0));
    }

    /// Whether a failed attempt to connect is none of the server's now: a fault of the plan is on that ends connections, or the
    /// user was struck by one of clients and may fail until then, from the schedule's start.
    pub(super) fn may_fail(&self, user: u32, until: Nanos) -> bool {
        let now = self.job.clock.now();
        let at = self.with_receipts(|receipts| receipts.since_start(now));
        self.is_excused(user) || at.is_some_and(|at| at < until)
    }

    /// Connects a user again, after each of these delays and as often as it takes while the fault lasts, or until that time from
    /// the schedule's start.
    pub(super) async fn come_back(
        self: Rc<Self>,
        user: u32,
        mut backoff: Backoff,
        may_fail_until: Nanos,
    ) {
        let me = Rc::clone(&self);
        loop {
            tokio::time::sleep(Duration::from_nanos(backoff.delay())).await;
            let _turn = me.user(user).turn.lock().await;
            match Rc::clone(&self).come(user).await {
                // Where its connection ended meanwhile, that end had it come back again.
                Ok(()) | Err(NotThere::Join(JoinError::Gone(_))) => return,
                Err(NotThere::Connect(_)) if self.may_fail(user, may_fail_until) => {}
                Err(NotThere::Join(_)) if self.is_excused(user) => self.go(user, true),
                Err(error) => return self.not_there(user, error),
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
