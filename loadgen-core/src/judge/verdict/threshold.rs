//! One threshold against what was measured in its scope.
//!
//! What disturbs only adds latency: an upper limit that is kept over all seconds is kept. Only one that is missed, and
//! everything else, is judged on the undisturbed seconds.

use super::{
    floor,
    found::Found,
    limit::Limit,
    measured::{self, Measured},
    misses::{Decision, FEWEST_SECONDS, Misses, Second},
    scope::{Counted, Scope, Seconds, SeenSecond, Service, Stage, disturbed},
    when::When,
};
use crate::{
    judge::{Judged, Verdict, statistic},
    model::{Count, Metric, Nanos, numbers},
    scenario::{Comparison, Subject, Threshold},
};

/// How many different words of refusals are told with a number.
const WORDS: usize = 3;

/// What is thought of a threshold.
pub(super) struct Opinion {
    verdict: Verdict,
    /// What was measured, in words.
    measured: String,
    /// The same as numbers, of what has intervals.
    numbers: Option<Measured>,
    /// Which seconds it rests on.
    counted: Counted,
    /// Too few undisturbed seconds of that stage were left, so that it is INVALID.
    pub(super) too_disturbed: Option<Stage>,
}

impl Opinion {
    /// Of undisturbed seconds.
    fn of((verdict, measured): (Verdict, String)) -> Self {
        Self {
            verdict,
            measured,
            numbers: None,
            counted: Counted::Undisturbed,
            too_disturbed: None,
        }
    }

    /// A limit that all seconds keep.
    fn kept_over_all(measured: String) -> Self {
        Self {
            counted: Counted::All,
            ..Self::of((Verdict::Pass, measured))
        }
    }

    /// A missed limit (`all`: by what) that can't be judged, since so much of that stage was disturbed.
    fn too_disturbed(stage: Stage, disturbed: &str, all: &str) -> Self {
        let measured =
            format!("{all}; {disturbed} were disturbed, and too few are left to judge by");
        Self {
            too_disturbed: Some(stage),
            ..Self::of((Verdict::Invalid, measured))
        }
    }

    /// With the intervals of a limit.
    fn with(self, numbers: Measured) -> Self {
        Self {
            numbers: Some(numbers),
            ..self
        }
    }

    /// INVALID where the machine alone explains what was missed, and how.
    fn unless(self, excuse: Option<String>) -> Self {
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
            threshold: match scope.name() {
                Some(phase) => threshold.in_phase(phase),
                None => threshold.to_string(),
            },
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

pub(super) fn judge_threshold(scope: &Scope<'_>, threshold: &Threshold) -> Opinion {
    match threshold.subject {
        Subject::Count(count) => Opinion {
            counted: Counted::All,
            ..Opinion::of(judge_count(scope, threshold, count))
        },
        Subject::Percentile(metric, _)
        | Subject::Within(metric, _)
        | Subject::Max(metric)
        | Subject::Mean(metric) => match (Limit::of(threshold), threshold.subject) {
            (Some(limit), _) => judge_limit(scope, threshold, metric, limit),
            (None, Subject::Within(..)) => {
                whole(scope, metric, judge_equal_share(scope, threshold, metric))
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
    (verdict, format!("{counted}{refused}"))
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
        return Opinion::of(all);
    }
    if upper && all.0 == Verdict::Pass {
        let seconds = scope.seconds(metric);
        return Opinion::kept_over_all(format!("{}{}", all.1, over_all(&seconds)));
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
    let n = histogram.len();
    match statistic::time(threshold.subject, histogram) {
        Err(needed) => too_few(n, needed),
        Ok(number) => {
            let text = format!(
                "{}{} (n = {n})",
                numbers::duration(number as Nanos),
                service(scope, metric, " service time", ", partly service times"),
            );
            let verdict = largest(scope, threshold, metric, counted);
            let verdict = verdict.unwrap_or_else(|| kept(threshold, number));
            unless_inseparable(verdict, text, latencies.is_some())
        }
    }
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

/// A share of samples within a limit, or a percentile, which is the same: by the exact count at the limit.
fn judge_limit(scope: &Scope<'_>, threshold: &Threshold, metric: Metric, limit: Limit) -> Opinion {
    let seconds = scope.seconds(metric);
    // Most connects and joins come before the schedule.
    if seconds.all() == 0 && scope.name().is_none()
        || matches!(metric, Metric::Connect | Metric::Join)
    {
        return whole(scope, metric, judge_whole(scope, threshold, metric, limit));
    }
    if seconds.all() == 0 && !scope.samples(metric).histogram.is_empty() {
        let why = "no whole second of the schedule lies in it";
        return Opinion::of((Verdict::Inconclusive, why.to_owned()));
    }
    let (n, needed) = (seconds.due(Counted::All), statistic::needed(threshold));
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return Opinion::of(too_few(n, needed));
    };
    let found = |counted| {
        let misses = misses(scope, metric, limit, place, seconds.counted(counted));
        let n = count_of(scope, metric, &seconds, place, counted);
        let within = limit.within(misses.share);
        Found {
            number: number(scope, threshold, metric, counted, within, &n),
            when: When::of(&seconds.slow(counted, place), misses.seconds),
            misses,
            limit,
        }
    };
    let numbers = |found: &Found, counted| {
        let value = match threshold.subject {
            Subject::Percentile(..) => measured::time(scope, metric, threshold.subject, counted),
            _ => Some(limit.within(found.misses.share)),
        };
        Measured::of_limit(found, value, seconds.due(counted))
    };
    let all = found(Counted::All);
    if limit.over_misses && all.misses.decide(limit.allowed) == Decision::Kept {
        let (_, measured) = all.judged();
        return Opinion::kept_over_all(measured).with(numbers(&all, Counted::All));
    }
    too_few_left(scope, metric, needed, &all.number).unwrap_or_else(|| {
        let found = found(Counted::Undisturbed);
        let excuse = floor_misses(scope, threshold, metric)
            .and_then(|floor| found.excuse(&floor))
            .filter(|_| limit.over_misses);
        Opinion::of(found.judged())
            .unless(excuse)
            .with(numbers(&found, Counted::Undisturbed))
    })
}

/// What a bare relay says of an upper limit, where it misses it.
fn floor_misses(scope: &Scope<'_>, threshold: &Threshold, metric: Metric) -> Option<Misses> {
    let fan_out = scope.fan_out().of_samples(metric);
    floor::misses(&scope.trial.floor, metric, threshold.limit()?, fan_out)
}

fn misses<'a>(
    scope: &Scope<'_>,
    metric: Metric,
    limit: Limit,
    place: usize,
    seconds: impl Iterator<Item = &'a SeenSecond<'a>>,
) -> Misses {
    let counted = seconds.map(|one| {
        let (over, n) = (one.over(place).n + one.lost, one.due());
        let missed = if limit.over_misses { over } else { n - over };
        Second { missed, n }
    });
    let fan_out = scope.fan_out().of_samples(metric);
    Misses::of(&counted.collect::<Vec<_>>(), fan_out)
}

/// What stands for the threshold's left side, and of how many samples: the share, or the percentile with the share at its
/// bound.
fn number(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    counted: Counted,
    within: f64,
    n: &str,
) -> String {
    let share = numbers::share(within);
    let Subject::Percentile(..) = threshold.subject else {
        let (all, some) = (" of service times", ", partly of service times");
        return format!("{share}{} ({n})", service(scope, metric, all, some));
    };
    let latencies = scope.latencies(metric, counted);
    let histogram = latencies
        .as_deref()
        .unwrap_or(&scope.samples(metric).histogram);
    // What was lost has no time: the percentile is of what came, and the share of all.
    let value = statistic::time(threshold.subject, histogram);
    let value = value.map_or_else(
        |_| "-".to_owned(),
        |value| numbers::duration(value as Nanos),
    );
    let (all, some) = (" service time", ", partly service times");
    let side = match threshold.comparison {
        Comparison::Less | Comparison::GreaterOrEqual => "under",
        _ => "within",
    };
    format!(
        "{value}{} ({n}), {share} {side} {}",
        service(scope, metric, all, some),
        numbers::limit(threshold.bound as Nanos),
    )
}

/// How many samples there are, how many of them never came, and what was left out as disturbed.
fn count_of(
    scope: &Scope<'_>,
    metric: Metric,
    seconds: &Seconds<'_>,
    place: usize,
    counted: Counted,
) -> String {
    let (n, lost) = (seconds.due(counted), seconds.lost(counted));
    let lost = match lost {
        0 => String::new(),
        lost => format!(", {lost} of them lost"),
    };
    let n = format!("n = {n}{lost}");
    if counted == Counted::All {
        return format!("{n}{}", over_all(seconds));
    }
    let disturbed = seconds.disturbed();
    if disturbed == 0 {
        return n;
    }
    let samples = scope.samples(metric);
    let all = samples.histogram.len() + seconds.lost(Counted::All);
    let share = statistic::share(samples.within[place], all.max(1));
    format!(
        "{n}, {disturbed} of {} seconds left out as disturbed; {} with them",
        seconds.all(),
        numbers::share(share),
    )
}

/// That disturbed seconds are among those that count.
fn over_all(seconds: &Seconds<'_>) -> String {
    match seconds.disturbed() {
        0 => String::new(),
        disturbed => format!(
            ", over all {} seconds, {disturbed} of them disturbed",
            seconds.all()
        ),
    }
}

/// What rests on all samples, since nobody knows in which seconds they were.
fn whole(scope: &Scope<'_>, metric: Metric, (verdict, measured): (Verdict, String)) -> Opinion {
    let taken = match verdict {
        Verdict::Fail => too_few_left(scope, metric, 1, &measured),
        _ => None,
    };
    taken.unwrap_or_else(|| {
        let separable = !scope.has_disturbed_seconds_around(metric);
        Opinion {
            counted: Counted::All,
            ..Opinion::of(unless_inseparable(verdict, measured, separable))
        }
    })
}

/// Samples that have no seconds: the exact count itself, without an interval.
fn judge_whole(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    limit: Limit,
) -> (Verdict, String) {
    let samples = scope.samples(metric);
    let (n, needed) = (samples.histogram.len(), statistic::needed(threshold));
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    let over = samples.over(place);
    let missed = if limit.over_misses { over } else { n - over };
    let verdict = if limit.allowed.allows(statistic::share(missed, n)) {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    let within = statistic::share(samples.within[place], n);
    let n = format!("n = {n}, no interval: these samples have no seconds");
    (
        verdict,
        number(scope, threshold, metric, Counted::All, within, &n),
    )
}

/// A share that shall be neither more nor less, of all samples.
fn judge_equal_share(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
) -> (Verdict, String) {
    let samples = scope.samples(metric);
    let n = samples.histogram.len() + scope.seconds(metric).lost(Counted::All);
    let needed = statistic::needed(threshold);
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    let share = statistic::share(samples.within[place], n);
    let n = format!("n = {n}");
    let text = number(scope, threshold, metric, Counted::All, share, &n);
    (kept(threshold, share), text)
}

/// Something outside disturbed so many seconds that those left say too little of what was missed: more than half of them,
/// or so many that too few samples or seconds remain. `all`: what was measured over all seconds.
fn too_few_left(scope: &Scope<'_>, metric: Metric, needed: u64, all: &str) -> Option<Opinion> {
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
fn unless_inseparable(verdict: Verdict, text: String, separable: bool) -> (Verdict, String) {
    if separable || verdict != Verdict::Fail {
        return (verdict, text);
    }
    let why = "some seconds were disturbed, and these samples can't be told apart by second";
    (Verdict::Inconclusive, format!("{text}; {why}"))
}

/// In a closed phase, latencies that are elsewhere charged from the plan are service times.
fn service(
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

fn kept(threshold: &Threshold, number: f64) -> Verdict {
    if threshold.comparison.holds(number, threshold.bound) {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}

fn too_few(n: u64, needed: u64) -> (Verdict, String) {
    (
        Verdict::Inconclusive,
        format!("{n} samples, needs {needed}"),
    )
}
