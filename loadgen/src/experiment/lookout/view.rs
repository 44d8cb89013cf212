//! What is shown of a run while it goes on, out of what its workers have counted and shown so far.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    drive::crew::Crew,
    experiment::{overdue::Overdue, watch::Snapshot},
    judge::{Messages, verdict::live::Counts},
    model::Nanos,
    plan::Plan,
};

/// The phase that goes on then.
pub(super) fn phase_at(plan: &Plan, elapsed: Nanos) -> String {
    plan.phases
        .iter()
        .find(|phase| elapsed < phase.end)
        .map_or_else(|| "draining".to_owned(), |phase| phase.name.clone())
}

/// Remembers the last snapshot, for the rate between two, and what was missing then.
#[derive(Default)]
pub(in crate::experiment) struct View {
    last: Option<(Nanos, u64)>,
    overdue: Overdue,
}

impl View {
    pub(super) fn snapshot(
        &mut self,
        crew: &Crew,
        phase: String,
        elapsed: Nanos,
        total: Option<Nanos>,
    ) -> Snapshot {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let progress = &*crew.progress;
        let sent = count(&progress.sent);
        let rate = self.last.map_or(0.0, |(at, before)| {
            (sent - before) as f64 / Duration::from_nanos((elapsed - at).max(1)).as_secs_f64()
        });
        self.last = Some((elapsed, sent));
        // All deliveries are the first that is watched.
        let deliveries = crew.live().into_iter().next();
        let histogram = deliveries.as_ref().map(|samples| &samples.histogram);
        let at = |percentile| crate::model::percentile::of(histogram?, percentile).ok();
        Snapshot {
            phase,
            elapsed: Duration::from_nanos(elapsed),
            total: total.map(Duration::from_nanos),
            connected: count(&progress.connected),
            users: crew.users as u64,
            messages: Messages {
                sent,
                dropped: count(&progress.dropped),
                acknowledged: count(&progress.acked),
                failed: count(&progress.failed),
            },
            rate,
            delivered: count(&progress.delivered),
            duplicated: count(&progress.duplicated),
            lost: total.and_then(|_| self.overdue.look(crew, elapsed)),
            late: None,
            so_far: None,
            limits: Vec::new(),
            p50: at(50.0),
            p99: at(99.0),
            deliveries: deliveries.map(Arc::new),
            machine: Arc::default(),
            faults: Vec::new(),
        }
    }
}

/// What is counted so far.
pub(super) fn counts(crew: &Crew) -> Counts {
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    Counts {
        dropped: count(&crew.progress.dropped),
        duplicated: count(&crew.progress.duplicated),
        failed: count(&crew.progress.failed),
    }
}
