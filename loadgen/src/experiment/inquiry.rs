//! What a system is asked before its run and after it: who is on it, what it timed itself, what it has stored.

use std::time::{Duration, Instant};

use super::{
    arm::Arm,
    lookout,
    lookup::look_up,
    watch::{Event, Watcher},
};
use crate::{
    model::Metric,
    observed::{Ended, Lookup, Observed},
    plan::Share,
    rig::{Audit, Late, Present, ServerTimes, System},
};

/// How long the server may take to notice that everybody has gone.
const LEAVING: Duration = Duration::from_secs(5);
/// How long a busy machine may keep it from saying what it has, and a server without such pages is waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to be done with what it told as failed.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// What a system said before its run, as far as it says that.
pub(super) struct Before {
    /// Where its messages can be looked up.
    audit: Option<Audit>,
    /// How durable a confirmed message is.
    pub(super) durability: Option<String>,
    /// Which version of itself it is.
    pub(super) version: Option<String>,
    /// Who was on it; not asked where others drive users on it, too.
    present: Option<Present>,
    /// How many messages it had still to take out of its store.
    unsettled: Option<u64>,
    /// What it had timed itself: of runs before this one, where it was not started for this one alone.
    times: Option<ServerTimes>,
}

impl Before {
    /// Asks a system on which nobody else drives users, or somebody does.
    pub(super) async fn ask(system: &dyn System, is_alone: bool) -> Self {
        Self {
            audit: asked(async || system.audit().await).await,
            durability: system.durability().await,
            version: system.version().await,
            // Where others drive users too, nobody can say whose is left.
            present: match is_alone {
                true => asked(async || system.present().await).await,
                false => None,
            },
            unsettled: system.unsettled().await,
            times: system.times().await,
        }
    }

    /// Whether its store is to be looked up.
    pub(super) fn is_audited(&self) -> bool {
        self.audit.is_some()
    }
}

/// Asks again whoever is too busy to answer, for a while: one late page says nothing of whether there is one.
async fn asked<T>(ask: impl AsyncFn() -> Result<Option<T>, Late>) -> Option<T> {
    let until = tokio::time::Instant::now() + ANSWERED_WITHIN;
    loop {
        match ask().await {
            Ok(said) => return said,
            Err(Late) if tokio::time::Instant::now() > until => return None,
            Err(Late) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Asks for what only the system can say of a run that is over, and adds it to what was observed.
pub(super) async fn ask_after(
    arm: &Arm<'_>,
    share: &Share,
    before: Before,
    began: Option<Instant>,
    observed: &mut Observed,
    watcher: &mut dyn Watcher,
) {
    let times = before.times.zip(arm.system.times().await);
    if let Some(times) = times.and_then(|(earlier, times)| times.since(&earlier)) {
        observed.recorded.adopt(Metric::ServerEmit, &times.emit);
        observed.recorded.adopt(Metric::ServerSave, &times.save);
    }
    let died = matches!(observed.ended, Some(Ended::Died(_)));
    // Who is left of a server that others use too, nobody can say.
    if !died && before.present.is_some_and(Present::is_none) {
        observed.left = left(&*arm.system).await;
        observed.left_unanswered = observed.left.is_none();
    }
    let Some(audit) = before.audit else {
        return;
    };
    watcher.event(Event::Stage("audit"));
    // A page that came late before the run says nothing of whether there is one. Of the dead none comes any more.
    if !died && (before.unsettled.is_some() || arm.system.unsettled().await.is_some()) {
        wait_until_settled(&*arm.system).await;
    }
    observed.stored = match look_up(&audit, arm, share).await {
        Ok(stored) => Lookup::Found(stored),
        // A store that died with its server can't be asked.
        Err(_) if died => Lookup::Failed,
        Err(error) => {
            match arm.system.store_gone().await {
                Some(death) => observed.ended = Some(lookout::died(death, began)),
                None => watcher.event(Event::Notice(format!(
                    "the store could not be looked up: {error}"
                ))),
            }
            Lookup::Failed
        }
    };
}

/// Waits until a server that says so has taken out of its store what it told as failed: it does so as soon as that answers, which
/// a busy machine may keep it from, as from answering here. Who is never done is looked up as it is.
async fn wait_until_settled(system: &dyn System) {
    let until = tokio::time::Instant::now() + SETTLED_WITHIN;
    while system.unsettled().await != Some(0) && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until a server that says so knows nobody any more: users, rooms and sockets that are left. `None`: it did not answer, and
/// was asked again until there was no more time.
async fn left(system: &dyn System) -> Option<[u64; 3]> {
    let deadline = tokio::time::Instant::now() + LEAVING;
    loop {
        let left = system.present().await.unwrap_or_default();
        if left.is_some_and(Present::is_none) || tokio::time::Instant::now() > deadline {
            return left.map(|left| [left.total_users, left.total_rooms, left.total_sockets]);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use async_trait::async_trait;

    use super::*;
    use crate::{dial::Endpoint, rig::TargetError};

    /// Answers so, one question after the other, and as the last time for ever; `None`: not in time.
    struct Says(RefCell<Vec<Option<u64>>>);

    impl Says {
        fn so(answers: &[Option<u64>]) -> Self {
            Self(RefCell::new(answers.to_vec()))
        }

        fn next(&self) -> Option<u64> {
            let mut answers = self.0.borrow_mut();
            match answers.len() {
                1 => answers[0],
                _ => answers.remove(0),
            }
        }
    }

    #[async_trait(?Send)]
    impl System for Says {
        async fn start(&mut self) -> Result<Endpoint, TargetError> {
            unreachable!("it is only asked")
        }

        fn endpoint(&self) -> Option<&Endpoint> {
            None
        }

        fn address(&self) -> &str {
            ""
        }

        fn store(&self) -> String {
            String::new()
        }

        async fn present(&self) -> Result<Option<Present>, Late> {
            let total_users = self.next().ok_or(Late)?;
            Ok(Some(Present {
                total_users,
                ..Present::default()
            }))
        }

        async fn unsettled(&self) -> Option<u64> {
            self.next()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_in_time_is_asked_again_who_is_left() {
        for (answers, left_then) in [
            (&[Some(0)][..], Some([0; 3])),
            (&[None, Some(2), None, Some(0)], Some([0; 3])),
            (&[None, Some(2)], Some([2, 0, 0])),
            (&[Some(2), None], None),
            (&[None], None),
        ] {
            assert_eq!(left(&Says::so(answers)).await, left_then, "{answers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_late_answer_before_the_run_is_no_answer() {
        for (answers, known) in [
            (&[Some(3)][..], Some(3)),
            (&[None, None, Some(3)], Some(3)),
            (&[None], None),
        ] {
            let system = Says::so(answers);
            let before = Before::ask(&system, true).await;
            let users = before.present.map(|present| present.total_users);
            assert_eq!(users, known, "{answers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_late_answer_ends_no_wait_for_what_is_to_be_settled() {
        let says = Says::so(&[Some(2), None, Some(1), None, Some(0), Some(7)]);
        wait_until_settled(&says).await;
        assert_eq!(says.next(), Some(7));
        // Who is never done, or never answers again, is not waited for for ever.
        for never in [Some(1), None] {
            wait_until_settled(&Says::so(&[never])).await;
        }
    }
}
