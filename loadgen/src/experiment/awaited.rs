//! What a run waits for when its schedule is over.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    drive::worker::Progress,
    judge::Promises,
    plan::{Plan, Share},
};

/// After the last acknowledgement, what else is on its way comes soon.
const QUIET: Duration = Duration::from_secs(1);
/// Where nothing is acknowledged, nobody knows whether more will come.
const QUIET_WITHOUT_ACKS: Duration = Duration::from_secs(3);

/// When nothing more is to be waited for.
pub(super) enum Awaited {
    /// It is known what a run that goes well must see, in the order of [`come`].
    Counts([u64; 3]),
    /// Who comes and goes, or sends as soon as it may, makes that uncertain: all acknowledgements that can still come, and the
    /// end of all comings and goings, and then so long nothing new.
    Quiet { acks: bool, time: Duration },
}

impl Awaited {
    /// Of what the users of a share send.
    pub(super) fn of(plan: &Plan, share: &Share, promises: Promises) -> Self {
        let Promises { acks, echo, .. } = promises;
        let conversations = || {
            share
                .sends(plan)
                .map(|(_, send)| plan.conversation_of(send))
        };
        let ended = conversations().filter(|one| promises.in_a(one.kind).ends);
        let slots: u64 = conversations().map(|one| one.members.len() as u64).sum();
        let messages = conversations().count() as u64;
        if !plan.is_certain() {
            let time = if acks { QUIET } else { QUIET_WITHOUT_ACKS };
            return Awaited::Quiet { acks, time };
        }
        Awaited::Counts([
            if echo { slots } else { slots - messages },
            ended.map(|one| one.members.len() as u64).sum(),
            if acks { messages } else { 0 },
        ])
    }

    /// Whether all is there; `since`: the last change of what has come.
    pub(super) fn is_there(&self, progress: &Progress, since: tokio::time::Instant) -> bool {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        match *self {
            Awaited::Counts(due) => {
                let mut come = come(progress).into_iter().zip(due);
                come.all(|(come, due)| come >= due)
            }
            Awaited::Quiet { acks, time } => {
                let answered = count(&progress.acked) + count(&progress.abandoned);
                (!acks || answered >= count(&progress.sent))
                    && count(&progress.deeds) == 0
                    && since.elapsed() >= time
            }
        }
    }
}

/// How much has come so far: first deliveries, first ends, acknowledged messages.
pub(super) fn come(progress: &Progress) -> [u64; 3] {
    [&progress.received, &progress.ended, &progress.acked].map(|counter| counter.load(Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that leaves joins or connects open at the end would be called quiet otherwise.
    #[tokio::test(start_paused = true)]
    async fn rule_13_who_is_still_on_the_way_is_waited_for() {
        let awaited = Awaited::Quiet {
            acks: true,
            time: QUIET,
        };
        let progress = Progress::default();
        let since = tokio::time::Instant::now();
        tokio::time::advance(2 * QUIET).await;
        assert!(awaited.is_there(&progress, since));
        progress.deeds.store(1, Relaxed);
        assert!(!awaited.is_there(&progress, since));
        progress.deeds.store(0, Relaxed);
        progress.sent.store(1, Relaxed);
        assert!(!awaited.is_there(&progress, since));
    }
}
