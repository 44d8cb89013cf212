//! What users do beside sending: come, go, join, leave and stop reading, each after what it is still at; and what of it the
//! server still owes an answer to when the run ends.

use std::{
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{Stalled, Users};
use crate::{
    drive::{
        Client, ConnectError,
        worker::{
            membership::FIRST_ANSWER,
            request::{AnsweredBy, Asked, NotThere},
            returning::STILL_SHOWS,
        },
    },
    model::{Nanos, nanos},
    observed::Step,
    plan::{Action, Deed},
};

/// Who has not read for a while catches up in that time; the server may end its connection until then.
const CATCHING_UP: Duration = Duration::from_secs(2);
/// What was asked for so shortly before the run's end may be on its way still, however busy the machine is.
const FAIR: Duration = FIRST_ANSWER;

impl Users {
    /// Has a user do what the plan says.
    pub(in crate::drive::worker) fn follow(self: &Rc<Self>, action: &Action) {
        let &Action { user, deed, .. } = action;
        if let Some(fault) = action.fault {
            self.struck(user, fault);
        }
        let struck = &self.user(user).struck;
        let may_fail_until = match deed {
            Deed::Connect => struck.take(),
            // It has only stopped reading, and is there.
            Deed::Resume => {
                struck.set(0);
                0
            }
            _ => 0,
        };
        self.set_about(user, Rc::clone(self).act(user, deed, may_fail_until));
    }

    /// Lets a user do something that takes a while, and for which the end of the run waits.
    pub(in crate::drive::worker) fn set_about(
        self: &Rc<Self>,
        user: u32,
        deed: impl Future<Output = ()> + 'static,
    ) {
        let me = Rc::clone(self);
        let deeds = &self.user(user).deeds;
        deeds.set(deeds.get() + 1);
        self.count_deeds(user, |progress| progress.fetch_add(1, Relaxed));
        self.begin(&self.deeds, async move {
            deed.await;
            let deeds = &me.user(user).deeds;
            deeds.set(deeds.get() - 1);
            me.count_deeds(user, |progress| progress.fetch_sub(1, Relaxed));
        });
    }

    /// Counts a change of what a user is at, unless it does not read.
    fn count_deeds(&self, user: u32, change: impl FnOnce(&AtomicU64) -> u64) {
        if !self.is_stalled(user) {
            change(&self.job.progress.deeds);
        }
    }

    /// Lets a user do something beside sending, after what it is still at. Where it fails to connect before that time, from
    /// the schedule's start, it tries again.
    pub(super) async fn act(self: Rc<Self>, user: u32, deed: Deed, may_fail_until: Nanos) {
        let me = Rc::clone(&self);
        // Whoever waits for an answer and does not read gets it only by reading again.
        let _turn = match deed {
            Deed::StopReading | Deed::Resume => None,
            _ => Some(me.user(user).turn.lock().await),
        };
        let done = match deed {
            Deed::Connect => self.come(user).await,
            Deed::Disconnect | Deed::Cut => {
                self.go(user, deed == Deed::Cut);
                Ok(())
            }
            Deed::Join(place) => {
                me.user(user).member_of.borrow_mut()[place as usize] = true;
                self.ask_for(user, Asked::Join(place))
                    .await
                    .map_err(NotThere::from)
            }
            Deed::Leave(place) => {
                me.user(user).member_of.borrow_mut()[place as usize] = false;
                self.ask_for(user, Asked::Leave(place))
                    .await
                    .map_err(NotThere::from)
            }
            Deed::StopReading => {
                self.stop_reading(user);
                Ok(())
            }
            Deed::Resume => {
                self.resume(user);
                Ok(())
            }
        };
        match done {
            Ok(()) => {}
            Err(NotThere::Connect(_)) if me.may_fail(user, may_fail_until) => {
                let mut backoff = me.job.plan.backoff(user);
                if may_fail_until > 0 {
                    // The plan has waited for the first attempt after a fault of clients.
                    backoff.delay();
                }
                let coming = Rc::clone(&me).come_back(user, backoff, may_fail_until);
                me.set_about(user, coming);
            }
            Err(error) => me.not_there(user, error),
        }
    }

    pub(in crate::drive::worker) async fn come(self: Rc<Self>, user: u32) -> Result<(), NotThere> {
        // Whoever was thrown out while it did not read has come back already.
        if self.connection(user).is_some() {
            return Ok(());
        }
        let now = self.job.clock.now();
        self.connect(user, now, true).await
    }

    pub(in crate::drive::worker) fn go(&self, user: u32, cut: bool) {
        let Some(connection) = self.user(user).connection.take() else {
            return;
        };
        if let Stalled::Since(since) = self.now_stalled(user, Stalled::Never) {
            self.note(user, since, Step::Deaf);
        }
        self.gone(user, self.job.clock.now());
        match cut {
            true => connection.cut(),
            false => connection.close(),
        }
    }

    /// A fault of clients begins with this user, and counts it if it is there to be hit.
    fn struck(&self, user: u32, fault: u16) {
        let fault = usize::from(fault);
        if let Some(planned) = self.job.plan.faults.get(fault) {
            let until = planned.end.saturating_add(STILL_SHOWS);
            self.user(user).struck.set(until);
        }
        let struck = self.job.progress.struck.get(fault);
        if let (Some(struck), Some(_)) = (struck, self.connection(user)) {
            struck.fetch_add(1, Relaxed);
        }
    }

    fn stop_reading(&self, user: u32) {
        if let Some(connection) = self.connection(user) {
            let now = self.job.clock.now();
            self.now_stalled(user, Stalled::Since(now));
            connection.pause();
        }
    }

    fn resume(&self, user: u32) {
        let Stalled::Since(since) = self.user(user).stalled.get() else {
            return;
        };
        let now = self.job.clock.now();
        self.now_stalled(user, Stalled::Was(since, now));
        self.with_receipts(|receipts| receipts.reads_again(user, now + nanos(CATCHING_UP)));
        let connection = self.connection(user);
        if let Some(connection) = connection {
            connection.resume();
        }
    }

    /// From now on a user reads, or does not; gives back how it was. What it is at while it does not read can't be done, so
    /// that nobody waits for that.
    pub(super) fn now_stalled(&self, user: u32, stalled: Stalled) -> Stalled {
        let state = self.user(user);
        let before = state.stalled.replace(stalled);
        let (deeds, all) = (state.deeds.get(), &self.job.progress.deeds);
        match (before.reads(), stalled.reads()) {
            (true, false) => drop(all.fetch_sub(deeds, Relaxed)),
            (false, true) => drop(all.fetch_add(deeds, Relaxed)),
            _ => {}
        }
        before
    }

    /// Whether a user does not read now.
    pub(in crate::drive::worker) fn is_stalled(&self, user: u32) -> bool {
        !self.user(user).stalled.get().reads()
    }

    /// When a user stopped reading whose connection the server may therefore end.
    pub(super) fn did_not_read(&self, user: u32, now: Nanos) -> Option<Nanos> {
        match self.user(user).stalled.get() {
            Stalled::Since(since) => Some(since),
            Stalled::Was(since, to) if now < to + nanos(CATCHING_UP) => Some(since),
            Stalled::Never | Stalled::Was(..) => None,
        }
    }

    /// Ends what users are still at. What the server has owed an answer to for so long that it is none that was asked for
    /// just before the end is told: nobody else would miss it.
    pub(in crate::drive::worker) async fn give_up(&self) {
        let now = self.job.clock.now();
        for user in self.job.share.users(self.job.plan.users.len()) {
            if let Some(error) = self.owed(user, now) {
                self.not_there(user, error);
            }
        }
        let mut deeds = self.deeds.take();
        deeds.abort_all();
        while let Some(ended) = deeds.join_next().await {
            self.weigh(&ended);
        }
    }

    /// What a user has waited for in mid-run for longer than is fair; one who does not read, or whom a fault keeps away, waits
    /// for nothing.
    fn owed(&self, user: u32, now: Nanos) -> Option<NotThere> {
        if self.is_stalled(user) || self.is_excused(user) {
            return None;
        }
        let waited = |since: Nanos| {
            let waited = Duration::from_nanos(now.saturating_sub(since));
            (waited >= FAIR).then_some(waited)
        };
        let state = self.user(user);
        if let Some(since) = state.connecting.get() {
            return Some(ConnectError::TimedOut(waited(since)?).into());
        }
        let requests = state.requests.borrow();
        let mut open = requests.open.iter();
        let first = open.find(|one| one.logged && one.answered != AnsweredBy::Nothing)?;
        Some(self.silent(first, waited(first.asked)?).into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        runtime::Builder,
        sync::oneshot,
        task::{LocalSet, yield_now},
    };

    use super::*;
    use crate::{
        drive::worker::{
            dialogue::Dialogue,
            receipt::allocations,
            request::{JoinError, Request},
        },
        model::Kind,
    };

    const SECOND: Nanos = 1_000_000_000;

    fn users() -> Rc<Users> {
        let job = allocations::job();
        let dialogue = Dialogue::new(&job.plan, job.share.clone());
        Rc::new(Users::new(job, dialogue))
    }

    fn join(answered: AnsweredBy, logged: bool) -> Request {
        Request {
            asked: SECOND,
            what: Asked::Join(0),
            kind: Kind::Room,
            answered,
            logged,
        }
    }

    #[test]
    fn what_a_user_is_at_is_waited_for_unless_it_does_not_read() {
        let users = users();
        let open = || users.job.progress.deeds.load(Relaxed);
        let runtime = Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (answer, answered) = oneshot::channel::<()>();
            users.set_about(0, async { drop(answered.await) });
            users.set_about(1, std::future::pending());
            assert_eq!(open(), 2);
            users.now_stalled(0, Stalled::Since(5));
            users.set_about(0, async {});
            assert_eq!(open(), 1);
            users.now_stalled(0, Stalled::Was(5, 6));
            assert_eq!(open(), 3);
            yield_now().await;
            assert_eq!(open(), 2);
            users.now_stalled(0, Stalled::Since(7));
            answer.send(()).unwrap();
            yield_now().await;
            users.now_stalled(0, Stalled::Never);
            assert_eq!(open(), 1);
            users.give_up().await;
        });
        assert!(!users.has_panicked());
    }

    #[test]
    fn what_was_asked_long_before_the_end_is_owed_and_nothing_else_is() {
        let users = users();
        let late = SECOND + nanos(FAIR);
        assert!(users.owed(0, late).is_none());
        let ask = |request| users.user(0).requests.borrow_mut().open.push(request);
        // Nobody answers the one, and the other was asked for before the schedule.
        ask(join(AnsweredBy::Nothing, true));
        ask(join(AnsweredBy::Ack(7), false));
        assert!(users.owed(0, late).is_none());
        ask(join(AnsweredBy::Ack(8), true));
        assert!(users.owed(0, late - 1).is_none());
        let owed = users.owed(0, late);
        let silent = matches!(owed, Some(NotThere::Join(JoinError::Silent { patience, .. })) if patience == FAIR);
        assert!(silent, "{owed:?}");
        users.now_stalled(0, Stalled::Since(SECOND));
        assert!(users.owed(0, late).is_none());

        users.user(1).connecting.set(Some(SECOND));
        assert!(users.owed(1, late - 1).is_none());
        let owed = users.owed(1, late);
        let timed_out = matches!(owed, Some(NotThere::Connect(ConnectError::TimedOut(waited))) if waited == FAIR);
        assert!(timed_out, "{owed:?}");
        users.job.progress.excuse.begin(None, 0, false);
        assert!(users.owed(1, late).is_none());
    }

    #[test]
    fn who_was_struck_may_fail_to_come_back_for_a_while() {
        let users = users();
        assert!(!users.may_fail(0, 0));
        assert!(users.may_fail(0, Nanos::MAX));
        users.with_receipts(|receipts| receipts.begin(0));
        while users.job.clock.now() < 2 {}
        assert!(!users.may_fail(0, 1));
        users.job.progress.excuse.begin(None, 0, false);
        assert!(users.may_fail(0, 1));
    }
}
