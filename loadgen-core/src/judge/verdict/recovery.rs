//! A threshold on how long a metric took to be back as before, after a fault.

use super::{
    measured::Measured,
    opinion::{Opinion, kept},
    scope::Counted,
};
use crate::{
    judge::{
        Verdict,
        parts::{CALM, Parts, Recovery},
    },
    model::{Metric, Nanos, numbers},
    scenario::{Comparison, Threshold},
};

/// What is thought of it. A fault that nothing is known of has no recovery either.
pub(super) fn judge_recovery(
    parts: &Parts,
    fault: Option<usize>,
    metric: Metric,
    threshold: &Threshold,
) -> Opinion {
    let recovery = fault.map_or(Recovery::Unknown, |fault| parts.recovery(metric, fault));
    let (value, (verdict, text)) = match recovery {
        Recovery::Took(took) => (
            Some(took as f64),
            (
                kept(threshold, took as f64),
                format!("back {} after its end", numbers::duration(took)),
            ),
        ),
        Recovery::AtLeast(least) => (None, at_least(threshold, least)),
        Recovery::Unknown => {
            let why = "too little came outside of the faults to say what is usual";
            (None, (Verdict::Inconclusive, why.to_owned()))
        }
    };
    Opinion {
        // What is judged is a stretch of the schedule, with all that disturbed it.
        counted: Counted::All,
        ..Opinion::of((verdict, text))
    }
    .with(Measured {
        value,
        n: 1,
        this_run: None,
        runs_like_this: None,
        long_run: None,
    })
}

/// It was not back for long enough before the schedule or the calm was over: what it took is more than the limit, or nobody knows.
fn at_least(threshold: &Threshold, least: Nanos) -> (Verdict, String) {
    let upper = matches!(
        threshold.comparison,
        Comparison::Less | Comparison::LessOrEqual
    );
    let missed = upper && least as f64 > threshold.bound;
    let verdict = if missed {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    };
    let text = format!(
        "not back for {CALM} s in a row before the end of what is known; it took {} at least",
        numbers::duration(least)
    );
    (verdict, text)
}
