//! One threshold against what was measured in its scope.
//!
//! What disturbs only adds latency: an upper limit that is kept over all seconds is kept. Only one that is missed, and
//! everything else, is judged on the undisturbed seconds.

use super::{
    floor,
    limit::{Limit, floor_misses, judge_equal_share, judge_limit, misses},
    opinion::{Opinion, kept, over_all, service, too_few, too_few_left, unless_inseparable, whole},
    recovery::judge_recovery,
    scope::{Counted, Scope},
};
use crate::{
    judge::{
        Verdict,
        statistic::{self, Time},
    },
    model::{Count, Metric, Nanos, numbers},
    scenario::{Comparison, Subject, Threshold},
};

/// How many different words of refusals are told with a number.
const WORDS: usize = 3;

/// What is thought of it.
pub(super) fn judge_threshold(scope: &Scope<'_>, threshold: &Threshold) -> Opinion {
    match threshold.subject {
        Subject::Count(count) => Opinion::over_all(judge_count(scope, threshold, count))
            .unless(overran(scope, threshold, count)),
        Subject::Percentile(metric, _)
        | Subject::Within(metric, _)
        | Subject::Max(metric)
        | Subject::Mean(metric)
        | Subject::Recovery(metric) => match (Limit::of(threshold), threshold.subject) {
            (Some(limit), _) => judge_limit(scope, threshold, metric, limit),
            (None, Subject::Within(..)) => {
                whole(scope, metric, judge_equal_share(scope, threshold, metric))
            }
            (None, Subject::Recovery(_)) => {
                let fault = scope.trial.fault(threshold);
                judge_recovery(&scope.trial.parts, fault, metric, threshold)
            }
            (None, _) => judge_point(scope, threshold, metric),
        },
    }
}

fn judge_count(scope: &Scope<'_>, threshold: &Threshold, count: Count) -> (Verdict, String) {
    let Some(totals) = scope.totals() else {
        return (Verdict::Inconclusive, "not counted by phase".to_owned());
    };
    if totals.sent == 0 {
        return too_few(0, 1);
    }
    let counted = statistic::count(count, totals);
    let refused = match count {
        Count::Failed => refused(scope, totals.refused),
        _ => String::new(),
    };
    let verdict = kept(threshold, counted as f64);
    (verdict, format!("{}{refused}", numbers::count(counted)))
}

/// That too many failed, since a fault behind the server lasted longer than planned: what else failed keeps the limit.
fn overran(scope: &Scope<'_>, threshold: &Threshold, count: Count) -> Option<String> {
    let first = scope.trial.overran.first()?;
    let totals = scope.totals().filter(|_| count == Count::Failed)?;
    let is_missed = |failed: u64| kept(threshold, failed as f64) == Verdict::Fail;
    let else_failed = totals.failed.saturating_sub(scope.failed_by_fault()?);
    (is_missed(totals.failed) && !is_missed(else_failed)).then(|| first.told())
}

/// How many of the failed messages were refused, and in which words: `; 1,100 refused: "You are blocked" × 1,100`.
fn refused(scope: &Scope<'_>, refused: u64) -> String {
    if refused == 0 {
        return String::new();
    }
    let said = match scope.name() {
        None => scope.trial.observed.refusals.by_words(),
        // Words are known of the whole run alone.
        Some(_) => Vec::new(),
    };
    let told = said.iter().take(WORDS).map(|(_, times)| times).sum::<u64>();
    let words = said.iter().take(WORDS);
    let words = words.map(|(words, times)| format!("\"{words}\" × {}", numbers::count(*times)));
    let others = refused.saturating_sub(told);
    let others =
        (others > 0 && told > 0).then(|| format!("otherwise × {}", numbers::count(others)));
    let words = words.chain(others).collect::<Vec<_>>().join(", ");
    let colon = if words.is_empty() { "" } else { ": " };
    format!("; {} refused{colon}{words}", numbers::count(refused))
}

/// The largest or the mean, and what is compared for equality: the number itself.
fn judge_point(scope: &Scope<'_>, threshold: &Threshold, metric: Metric) -> Opinion {
    let upper = matches!(
        threshold.comparison,
        Comparison::Less | Comparison::LessOrEqual
    );
    let all = point(scope, threshold, metric, Counted::All);
    if all.0 == Verdict::Inconclusive {
        return Opinion::over_all(all);
    }
    if upper && all.0 == Verdict::Pass {
        let seconds = scope.seconds(metric);
        let measured = format!("{}{}", all.1, over_all(&seconds));
        return Opinion::over_all((Verdict::Pass, measured));
    }
    too_few_left(scope, metric, 1, &all.1).unwrap_or_else(|| {
        let undisturbed = point(scope, threshold, metric, Counted::Undisturbed);
        let missed = upper && undisturbed.0 == Verdict::Fail;
        let alone = scope.place(threshold).filter(|_| missed).and_then(|place| {
            let floor = floor_misses(scope, threshold, metric)?;
            let seconds = scope.seconds(metric);
            let seconds = seconds.counted(Counted::Undisturbed);
            let misses = misses(scope, metric, Limit::NOTHING_OVER, place, seconds);
            floor::excuse(&misses, &floor, Limit::NOTHING_OVER.allowed)
        });
        Opinion::of(undisturbed).unless(alone)
    })
}

fn point(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    counted: Counted,
) -> (Verdict, String) {
    let latencies = scope.latencies(metric, counted);
    let histogram = latencies
        .as_deref()
        .unwrap_or(&scope.samples(metric).histogram);
    let lost = scope.seconds(metric).lost(counted);
    let (number, shown) = match statistic::time_of_due(threshold.subject, histogram, lost) {
        Time::TooFew(needed) => return too_few(histogram.len() + lost, needed),
        Time::Known(number) => (number, numbers::duration(number as Nanos)),
        Time::Never => (f64::INFINITY, "never".to_owned()),
    };
    let of_them = match lost {
        0 => String::new(),
        lost => format!(", {} of them lost", numbers::count(lost)),
    };
    let text = format!(
        "{shown}{} (n = {}{of_them})",
        service(scope, metric, " service time", ", partly service times"),
        numbers::count(histogram.len() + lost),
    );
    let verdict = largest(scope, threshold, metric, counted);
    let verdict = verdict.unwrap_or_else(|| kept(threshold, number));
    unless_inseparable(verdict, text, latencies.is_some())
}

/// Whether the largest keeps its limit, by the exact count at it.
fn largest(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    counted: Counted,
) -> Option<Verdict> {
    let Subject::Max(_) = threshold.subject else {
        return None;
    };
    let lost = scope.seconds(metric).lost(counted);
    let none_over = lost == 0 && scope.over(metric, scope.place(threshold)?, counted) == 0;
    let at_most = matches!(
        threshold.comparison,
        Comparison::Less | Comparison::LessOrEqual
    );
    Some(if none_over == at_most {
        Verdict::Pass
    } else {
        Verdict::Fail
    })
}
