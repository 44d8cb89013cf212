//! A threshold on how long a metric took to be back as before, after a fault.

use super::{
    measured::Measured,
    opinion::{Opinion, kept},
    scope::{Counted, Stage},
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
    let (value, opinion) = match recovery {
        Recovery::Took {
            least,
            most,
            left_out,
        } => took(threshold, least, most, left_out),
        Recovery::AtLeast { least, left_out } => (None, at_least(threshold, least, left_out)),
        Recovery::Unknown => {
            let why = "too little came before the faults to say what is usual";
            (None, Opinion::of((Verdict::Inconclusive, why.to_owned())))
        }
    };
    Opinion {
        // What is judged is a stretch of the schedule, with all that disturbed it.
        counted: Counted::All,
        ..opinion
    }
    .with(Measured {
        value,
        n: 1,
        this_run: None,
        runs_like_this: None,
        long_run: None,
    })
}

/// It was back. Where it depends on disturbed seconds whether that was soon enough, or on a part of a second, nobody knows.
fn took(
    threshold: &Threshold,
    least: Nanos,
    most: Nanos,
    left_out: usize,
) -> (Option<f64>, Opinion) {
    let back = format!("back {} after its end", numbers::duration(most));
    let verdict = kept(threshold, most as f64);
    if verdict == kept(threshold, least as f64) {
        let among = match left_out {
            0 => String::new(),
            _ => format!(", {} left out as disturbed", after_it(left_out)),
        };
        let opinion = Opinion::of((verdict, format!("{back}{among}")));
        return (Some(most as f64), opinion);
    }
    let all = match least {
        0 => format!(
            "back at once or up to {} after its end",
            numbers::duration(most)
        ),
        _ => format!(
            "back between {} and {} after its end",
            numbers::duration(least),
            numbers::duration(most)
        ),
    };
    let opinion = match left_out {
        0 => Opinion::of((
            Verdict::Inconclusive,
            format!("{all}: when, is known to the second alone"),
        )),
        _ => Opinion::too_disturbed(Stage::Schedule, &after_it(left_out), &all),
    };
    (None, opinion)
}

/// It was not back for long enough before the schedule or the calm was over: what it took is more than the limit, or nobody knows.
fn at_least(threshold: &Threshold, least: Nanos, left_out: usize) -> Opinion {
    let upper = matches!(
        threshold.comparison,
        Comparison::Less | Comparison::LessOrEqual
    );
    let took = match least {
        0 => String::new(),
        _ => format!("; it took {} at least", numbers::duration(least)),
    };
    let text = format!("not back for {CALM} s in a row before the end of what is known{took}");
    if upper && least as f64 > threshold.bound {
        return Opinion::of((Verdict::Fail, text));
    }
    if left_out > 0 {
        return Opinion::too_disturbed(Stage::Schedule, &after_it(left_out), &text);
    }
    Opinion::of((Verdict::Inconclusive, text))
}

fn after_it(seconds: usize) -> String {
    format!("{} of the seconds after it", numbers::count(seconds as u64))
}
