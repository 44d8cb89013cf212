//! What is in what was seen twice: the parts of a run and their sums.

use hdrhistogram::Histogram;

use super::{Verification, run::Asked};
use crate::{
    judge::{Account, Check},
    model::{Metric, histogram},
    observed::{Finished, Observed, Samples},
};

/// Of these every sample starts in a second of the schedule.
const IN_SECONDS: [Metric; 3] = [
    Metric::Delivery,
    Metric::DeliverySlowest,
    Metric::SendLateness,
];

/// Holds what was seen against itself: seconds, phases and sizes against the whole, samples against the account.
pub(super) fn check(
    observed: &Observed,
    account: &Account,
    asked: &Asked<'_>,
    place: &str,
    found: &mut Verification,
) {
    let place = format!("{place}.evidence");
    for (metric, kept) in observed.recorded.kept() {
        let place = format!("{place}: {}", metric.definition().key);
        within(&kept.all, observed.recorded.limits().all(), &place, found);
        if observed.recorded.layout().has_windows(metric) {
            seconds(metric, kept, &place, found);
        }
    }
    let deliveries = observed.recorded.samples(Metric::Delivery);
    let of_phases = observed.recorded.kept();
    let of_phases = of_phases
        .filter(|(metric, _)| *metric == Metric::Delivery)
        .flat_map(|(_, kept)| kept.phases.iter().map(|(_, samples)| samples));
    whole(
        of_phases,
        deliveries,
        &format!("{place}: deliveries by phase"),
        found,
    );
    let of_sizes = observed.recorded.sizes().filter_map(|(_, samples)| samples);
    whole(
        of_sizes,
        deliveries,
        &format!("{place}: deliveries by size"),
        found,
    );
    accounted(observed, account, asked, &place, found);
}

/// An exact count within a limit lies between those of the bucket that the limit is in.
fn within(samples: &Samples, limits: &[u64], place: &str, found: &mut Verification) {
    for (&count, &limit) in samples.within.iter().zip(limits) {
        let histogram = &samples.histogram;
        let most = histogram.count_between(0, limit);
        let lowest = histogram.lowest_equivalent(limit);
        let least = match lowest {
            0 => 0,
            lowest => histogram.count_between(0, lowest - 1),
        };
        if !(least..=most).contains(&count) {
            let follows = format!("{least} to {most}");
            found.wrong(format!("{place} within {limit} ns"), count, follows);
        }
    }
}

/// The seconds of a metric against all of it.
fn seconds(metric: Metric, kept: &Finished, place: &str, found: &mut Verification) {
    let mut sum = histogram::empty();
    let mut over = vec![0; kept.all.within.len()];
    for (second, window) in kept.windows.iter().enumerate() {
        let histogram = window.histogram();
        found.same(
            format!("{place}, second {second}"),
            window.n,
            histogram.len(),
        );
        for (sum, over) in over.iter_mut().zip(&window.over) {
            *sum += over.n;
        }
        // Same bounds, as reading them has shown: adding can't fail.
        let _ = sum.add(histogram);
    }
    if !IN_SECONDS.contains(&metric) {
        return;
    }
    if sum != kept.all.histogram {
        found.wrong(
            format!("{place}, all"),
            described(&kept.all.histogram),
            format!("{} in its seconds", described(&sum)),
        );
    }
    for (nth, over) in over.into_iter().enumerate() {
        found.same(
            format!("{place}, all over limit {nth}"),
            kept.all.over(nth),
            over,
        );
    }
}

/// Parts that together are the whole.
fn whole<'a>(
    parts: impl Iterator<Item = &'a Samples>,
    all: &Samples,
    place: &str,
    found: &mut Verification,
) {
    let mut sum = Samples {
        histogram: histogram::empty(),
        within: vec![0; all.within.len()],
    };
    for part in parts {
        sum.merge(part);
    }
    if sum.histogram != all.histogram || sum.within != all.within {
        found.wrong(place, described(&sum.histogram), described(&all.histogram));
    }
}

fn described(histogram: &Histogram<u64>) -> String {
    format!(
        "{} samples, mean {:.1} ns",
        histogram.len(),
        histogram.mean()
    )
}

/// Messages and deliveries as they were accounted for against those that were timed.
fn accounted(
    observed: &Observed,
    account: &Account,
    asked: &Asked<'_>,
    place: &str,
    found: &mut Verification,
) {
    let plan = asked.plan;
    let mut measured = crate::judge::Totals::default();
    for (totals, phase) in account.phases.iter().zip(&plan.phases) {
        if phase.measured {
            measured.add(totals);
        }
    }
    let recorded = &observed.recorded;
    let timed = recorded.samples(Metric::Delivery).histogram.len() + recorded.unread;
    // What was not owed may have come all the same.
    let beside: u64 = account
        .findings
        .iter()
        .filter(|finding| {
            matches!(
                finding.check,
                Check::CrossDelivered | Check::AnswersContradict | Check::WrongEvent
            )
        })
        .map(|finding| finding.count)
        .sum();
    let impossible = recorded.negative;
    let least = measured.delivered.saturating_sub(impossible);
    let most = measured.delivered + account.grey + beside * plan.users.len() as u64;
    if !(least..=most).contains(&timed) {
        let follows = format!("{least} to {most}, as many as were accounted for");
        found.wrong(
            format!("{place}: deliveries that were timed"),
            timed,
            follows,
        );
    }
    let sent: u64 = recorded.sends.iter().map(|one| one.sent).sum();
    found.same(
        format!("{place}: messages sent, by second"),
        sent,
        measured.sent,
    );
    if observed.ended.is_none() {
        let scheduled: u64 = recorded.sends.iter().map(|one| one.scheduled).sum();
        let place = format!("{place}: messages scheduled, by second");
        let driven = measured.scheduled.saturating_sub(asked.undriven);
        found.same(place, scheduled, driven);
    }
}
