//! What is thought of a threshold: its verdict and its words, and what disturbed seconds make of them.

use super::{
    measured::Measured,
    misses::FEWEST_SECONDS,
    scope::{Counted, Scope, Seconds, Service, Stage, disturbed},
};
use crate::{
    judge::{Judged, Verdict},
    model::{Metric, numbers},
    scenario::Threshold,
};

/// What is thought of a threshold.
pub(super) struct Opinion {
    pub(super) verdict: Verdict,
    /// What was measured, in words.
    pub(super) measured: String,
    /// The same as numbers, of what has intervals.
    pub(super) numbers: Option<Measured>,
    /// Which seconds it rests on.
    pub(super) counted: Counted,
    /// Too few undisturbed seconds of that stage were left, so that it is INVALID.
    pub(super) too_disturbed: Option<Stage>,
}

impl Opinion {
    /// Of undisturbed seconds.
    pub(super) fn of((verdict, measured): (Verdict, String)) -> Self {
        Self {
            verdict,
            measured,
            numbers: None,
            counted: Counted::Undisturbed,
            too_disturbed: None,
        }
    }

    /// Of all seconds, disturbed or not.
    pub(super) fn over_all((verdict, measured): (Verdict, String)) -> Self {
        Self {
            counted: Counted::All,
            ..Self::of((verdict, measured))
        }
    }

    /// A missed limit (`all`: by what, over all seconds) that can't be judged, since so much of that stage was disturbed.
    pub(super) fn too_disturbed(stage: Stage, disturbed: &str, all: &str) -> Self {
        let measured =
            format!("{all}; {disturbed} were disturbed, and too few are left to judge by");
        Self {
            too_disturbed: Some(stage),
            ..Self::over_all((Verdict::Invalid, measured))
        }
    }

    /// With the intervals of a limit.
    pub(super) fn with(self, numbers: Measured) -> Self {
        Self {
            numbers: Some(numbers),
            ..self
        }
    }

    /// INVALID where the machine alone explains what was missed, and how.
    pub(super) fn unless(self, excuse: Option<String>) -> Self {
        match excuse {
            Some(why) => Self {
                verdict: Verdict::Invalid,
                measured: format!("{}; {why}", self.measured),
                ..self
            },
            None => self,
        }
    }

    /// As a result records it.
    pub(super) fn judged(&self, scope: &Scope<'_>, threshold: &Threshold) -> Judged {
        let left_out = match self.counted {
            Counted::All => 0,
            Counted::Undisturbed => scope.seconds(Metric::Delivery).disturbed(),
        };
        Judged {
            threshold: scope.shown(threshold),
            verdict: self.verdict,
            measured: self.measured.clone(),
            numbers: Some(match &self.numbers {
                Some(numbers) => numbers.clone(),
                None => Measured::plain(scope, threshold, self.counted),
            }),
            left_out: Some(left_out),
        }
    }
}

/// That disturbed seconds are among those that count.
pub(super) fn over_all(seconds: &Seconds<'_>) -> String {
    match seconds.disturbed() {
        0 => String::new(),
        disturbed => format!(
            ", over all {} seconds, {disturbed} of them disturbed",
            seconds.all()
        ),
    }
}

/// What rests on all samples, since nobody knows in which seconds they were.
pub(super) fn whole(
    scope: &Scope<'_>,
    metric: Metric,
    (verdict, measured): (Verdict, String),
) -> Opinion {
    let taken = match verdict {
        Verdict::Fail => too_few_left(scope, metric, 1, &measured),
        _ => None,
    };
    taken.unwrap_or_else(|| {
        let separable = !scope.has_disturbed_seconds_around(metric);
        Opinion::over_all(unless_inseparable(verdict, measured, separable))
    })
}

/// Something outside disturbed so many seconds that those left say too little of what was missed: more than half of them,
/// or so many that too few samples or seconds remain. `all`: what was measured over all seconds.
pub(super) fn too_few_left(
    scope: &Scope<'_>,
    metric: Metric,
    needed: u64,
    all: &str,
) -> Option<Opinion> {
    let connecting = scope.connecting(metric);
    let bad = disturbed(connecting);
    if 2 * bad > connecting.len() {
        let of = format!("{bad} of {} seconds of connecting", connecting.len());
        return Some(Opinion::too_disturbed(Stage::Connecting, &of, all));
    }
    let mut seconds = scope.seconds(metric);
    if seconds.all() == 0 && connecting.is_empty() {
        // Samples without seconds: those in which messages were delivered stand for them.
        seconds = scope.seconds(Metric::Delivery);
    }
    let disturbed = seconds.disturbed();
    let left = seconds.all() - disturbed;
    let few = disturbed > left
        || left < FEWEST_SECONDS.min(seconds.all())
        || seconds.due(Counted::Undisturbed) < needed.min(seconds.due(Counted::All));
    let of = format!("{disturbed} of {} seconds", seconds.all());
    (disturbed > 0 && few).then(|| Opinion::too_disturbed(Stage::Schedule, &of, all))
}

/// What was missed while something outside disturbed some seconds is nobody's fault for certain, as long as nobody knows
/// in which seconds it was.
pub(super) fn unless_inseparable(
    verdict: Verdict,
    text: String,
    separable: bool,
) -> (Verdict, String) {
    if separable || verdict != Verdict::Fail {
        return (verdict, text);
    }
    let why = "some seconds were disturbed, and these samples can't be told apart by second";
    (Verdict::Inconclusive, format!("{text}; {why}"))
}

/// In a closed phase, latencies that are elsewhere charged from the plan are service times.
pub(super) fn service(
    scope: &Scope<'_>,
    metric: Metric,
    all: &'static str,
    some: &'static str,
) -> &'static str {
    let charged = matches!(
        metric,
        Metric::Delivery
            | Metric::DeliverySlowest
            | Metric::Echo
            | Metric::Ack
            | Metric::Confirm
            | Metric::SendLateness
    );
    match scope.service() {
        Service::All if charged => all,
        Service::Some if charged => some,
        _ => "",
    }
}

pub(super) fn kept(threshold: &Threshold, number: f64) -> Verdict {
    if threshold.comparison.holds(number, threshold.bound) {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}

pub(super) fn too_few(n: u64, needed: u64) -> (Verdict, String) {
    (
        Verdict::Inconclusive,
        format!(
            "{}, needs {}",
            numbers::counted(n, "sample"),
            numbers::count(needed)
        ),
    )
}
