//! What can be worked out again of a result that does not record what was seen: its numbers from its histograms, and its sums.

use super::Verification;
use crate::{
    judge::Verdict,
    model::{HistogramError, histogram, percentile},
    result::{MetricResult, Report, Run, WindowResult},
};

/// A result with its numbers as its histograms have them.
pub(super) fn again(said: &Report, found: &mut Verification) -> Report {
    let mut again = said.clone();
    let runs = said.runs.iter().enumerate();
    again.runs = runs
        .map(|(index, one)| run(one, &format!("runs[{index}]"), found))
        .collect();
    if let Some(subject) = said.runs.last() {
        again.verdict = subject.judgement.verdict;
        again.reasons.clone_from(&subject.judgement.reasons);
    }
    again
}

/// A run with its numbers as its histograms have them. What can't be read is told.
pub(super) fn run(said: &Run, place: &str, found: &mut Verification) -> Run {
    let mut again = said.clone();
    let results = again.metrics.iter_mut();
    let results = results.chain(again.phases.iter_mut().map(|phase| &mut phase.delivery));
    let results = results.chain(again.sizes.iter_mut().map(|size| &mut size.delivery));
    let mut read = Ok(());
    for result in results {
        read = read.and(metric(result));
    }
    for window in &mut again.windows {
        read = read.and(second(window));
    }
    if let Some(floor) = &mut again.floor {
        read = read.and(metric(&mut floor.delivery));
        for result in floor.slowest.iter_mut() {
            read = read.and(metric(result));
        }
        for window in &mut floor.windows {
            read = read.and(second(window));
        }
    }
    if let Err(error) = read {
        found.wrong(place, error, "histograms that can be read");
    }
    sums(said, place, found);
    again
}

fn metric(result: &mut MetricResult) -> Result<(), HistogramError> {
    let samples = histogram::decode(&result.histogram)?;
    *result = MetricResult {
        lost: result.lost,
        histogram: result.histogram.clone(),
        ..MetricResult::of(result.metric, &samples, result.within.clone())
    };
    Ok(())
}

fn second(window: &mut WindowResult) -> Result<(), HistogramError> {
    // The first version kept none of single seconds.
    if window.histogram.is_empty() {
        return Ok(());
    }
    let samples = histogram::decode(&window.histogram)?;
    window.deliveries = samples.len();
    window.p50 = percentile::of(&samples, 50.0).ok();
    window.p99 = percentile::of(&samples, 99.0).ok();
    window.max = (!samples.is_empty()).then(|| samples.max());
    Ok(())
}

/// What has to add up whatever happened.
fn sums(said: &Run, place: &str, found: &mut Verification) {
    let phases = said.phases.iter().enumerate();
    let phases =
        phases.map(|(nth, phase)| (format!("{place}.phases[{nth}].totals"), &phase.totals));
    for (place, totals) in phases.chain([(format!("{place}.totals"), &said.totals)]) {
        let due = totals.sent + totals.dropped;
        found.same(format!("{place}.scheduled"), totals.scheduled, due);
        if said.complete {
            let came = totals.delivered + totals.lost;
            found.same(format!("{place}.expected"), totals.expected, came);
        }
    }
    let deliveries: u64 = said.windows.iter().map(|window| window.deliveries).sum();
    let all = said.metrics.first().map_or(0, |deliveries| deliveries.n);
    found.same(
        format!("{place}.windows: deliveries in all"),
        deliveries,
        all,
    );
    let judgement = &said.judgement;
    let failed = judgement
        .thresholds
        .iter()
        .any(|one| one.verdict == Verdict::Fail);
    let broken = !said.findings.is_empty();
    if judgement.verdict == Verdict::Pass && (failed || broken) {
        found.wrong(
            format!("{place}.judgement.verdict"),
            judgement.verdict.name(),
            "none beside a broken promise or a missed limit",
        );
    }
}
