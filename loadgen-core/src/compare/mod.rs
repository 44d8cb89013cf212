//! Two results of one scenario, number by number: what changed, and whether the runs can tell.

mod regression;
mod resample;
mod show;
mod side;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::{regression::Allowance, show::CompareFormat};
use self::{
    regression::Judged,
    resample::{Draws, interval},
    side::Side,
};
use crate::{
    judge::Verdict,
    model::{Count, HistogramError, Metric},
    observed::PROMISE,
    report::statements,
    result::{Circumstances, PERCENTILES, Report, Run},
    scenario::Subject,
};

/// Why two results can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They answer different questions.
    #[error(
        "these results don't answer the same question: {0}; --anyway compares them all the same"
    )]
    Different(String),
    /// A result without a run.
    #[error("the {0} result has no run")]
    Empty(&'static str),
    /// A histogram can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// What changed from one result to another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// What became of the median, in one sentence.
    pub sentence: String,
    /// What was allowed to get worse and did: the gravest of all allowances; `None` where none was given.
    pub verdict: Option<Verdict>,
    /// Where the earlier result comes from.
    pub before: Origin,
    /// Where the later result comes from.
    pub after: Origin,
    /// What else differs between the two, and what makes either doubtful.
    pub cautions: Vec<String>,
    /// Each number of both results, beside what it became.
    pub changes: Vec<Change>,
    /// How each allowance was judged.
    pub allowances: Vec<Judged>,
}

/// Where one side comes from.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Origin {
    /// The name of the scenario.
    pub scenario: String,
    /// The delivery mode of the run that is compared, the last.
    pub delivery: String,
    /// When it was begun: RFC 3339, UTC.
    pub started: String,
    /// Which version of the server was measured; `None` where nobody says.
    pub version: Option<String>,
    /// Version and commit of the program that measured.
    pub loadgen: String,
    /// The verdict of the result by itself.
    pub verdict: Verdict,
    /// Seconds that its verdict rests on.
    pub seconds: usize,
    /// Seconds left out as disturbed.
    pub disturbed: usize,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A time in nanoseconds.
    Nanoseconds,
    /// A fraction of one.
    Share,
    /// How many messages or deliveries.
    Count,
    /// How many times the floor's number.
    TimesFloor,
}

/// One number in both results.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// As in thresholds: `delivery.p99`.
    pub key: String,
    /// What the number counts, and in which unit.
    pub quantity: Quantity,
    /// `None`: too few samples, here and below.
    pub before: Option<f64>,
    /// In the later result.
    pub after: Option<f64>,
    /// After minus before.
    pub difference: Option<Estimate>,
    /// After divided by before; `None` of what was zero before, and of shares and counts.
    pub ratio: Option<Estimate>,
}

/// A number with its 95 % interval, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Estimate {
    /// Of all seconds together.
    pub value: f64,
    /// The interval; `None` for what is not recorded second by second, and for too few seconds.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// Whether the interval leaves a value out; `None` without an interval.
    fn excludes(&self, value: f64) -> Option<bool> {
        let (low, high) = self.interval?;
        Some(value < low || high < value)
    }
}

/// Compares the last runs of two results.
///
/// # Errors
/// [`CompareError`], unless `anyway`, when the results answer different questions.
pub fn compare(
    before: &Report,
    after: &Report,
    allowances: &[Allowance],
    anyway: bool,
) -> Result<Comparison, CompareError> {
    let one = before.runs.last().ok_or(CompareError::Empty("first"))?;
    let other = after.runs.last().ok_or(CompareError::Empty("second"))?;
    let different = different_questions(before, one, after, other);
    if !different.is_empty() && !anyway {
        return Err(CompareError::Different(different.join(", ")));
    }
    let mut cautions = different;
    cautions.extend(cautions_of(before, one, after, other));
    let (one, other) = (Side::of(one, 0)?, Side::of(other, 1)?);
    let (deliveries, others): (Vec<Subject>, Vec<Subject>) = subjects(&one, &other)
        .into_iter()
        .partition(is_of_deliveries);
    let changes_of = |subjects: Vec<Subject>| {
        let subjects = subjects.into_iter();
        subjects.map(|subject| change(&one, &other, subject))
    };
    let mut changes: Vec<Change> = changes_of(deliveries).collect();
    changes.extend(against_the_floors(&one, &other));
    changes.extend(changes_of(others));
    let judged: Vec<Judged> = allowances
        .iter()
        .map(|allowance| {
            let change = change(&one, &other, allowance.subject);
            allowance.judge(&change, [before.verdict, after.verdict])
        })
        .collect();
    Ok(Comparison {
        sentence: show::sentence(&changes),
        verdict: judged
            .iter()
            .map(|judged| judged.verdict)
            .max_by_key(|verdict| regression::weight(*verdict)),
        before: origin(before, &one),
        after: origin(after, &other),
        cautions,
        changes,
        allowances: judged,
    })
}

fn origin(report: &Report, side: &Side<'_>) -> Origin {
    let disturbed = statements::disturbed(side.run);
    Origin {
        scenario: report.scenario.name.clone(),
        delivery: side.run.delivery.name().to_owned(),
        started: report.started.clone(),
        version: side.run.target_version.clone(),
        loadgen: harness(report),
        verdict: report.verdict,
        seconds: side.run.windows.len() - disturbed,
        disturbed,
    }
}

/// Version and commit of the program that measured.
fn harness(report: &Report) -> String {
    let environment = &report.environment;
    match &environment.commit {
        Some(commit) => format!("{} ({commit})", environment.loadgen),
        None => environment.loadgen.clone(),
    }
}

fn differs<T: PartialEq + std::fmt::Display>(what: &str, one: T, other: T) -> Option<String> {
    (one != other).then(|| format!("{what} {one} and {other}"))
}

/// What makes a comparison senseless.
fn different_questions(a: &Report, run_a: &Run, b: &Report, run_b: &Run) -> Vec<String> {
    let (one, other) = (&a.scenario, &b.scenario);
    let hashes = (one.name == other.name && one.sha256 != other.sha256).then(|| {
        format!(
            "the scenario {} was changed in between (its SHA-256 differs)",
            one.name
        )
    });
    [
        differs("the scenarios", &one.name, &other.name),
        hashes,
        differs(
            "the delivery modes",
            run_a.delivery.name(),
            run_b.delivery.name(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What makes a comparison doubtful.
fn cautions_of(a: &Report, run_a: &Run, b: &Report, run_b: &Run) -> Vec<String> {
    let mut cautions = Circumstances::of(a).differences(&Circumstances::of(b));
    let kernel = |report: &Report| {
        let kernel = report.environment.kernel.as_deref();
        kernel.unwrap_or("unknown").to_owned()
    };
    let others = [
        differs("seeds", a.scenario.seed, b.scenario.seed),
        differs("dialects", run_a.dialect.name(), run_b.dialect.name()),
        differs("kernels", kernel(a), kernel(b)),
        differs("clients", &run_a.generator.client, &run_b.generator.client),
        differs(
            "transports",
            &run_a.generator.transport,
            &run_b.generator.transport,
        ),
        differs(
            "numbers of workers",
            run_a.generator.workers,
            run_b.generator.workers,
        ),
        // A server of our own comes with its generator.
        differs("versions of loadgen", harness(a), harness(b))
            .filter(|_| !(run_a.own && run_b.own)),
    ];
    let others = others.into_iter().flatten();
    cautions.extend(others.map(|difference| format!("different {difference}")));
    for (which, report, run) in [("first", a, run_a), ("second", b, run_b)] {
        if matches!(report.verdict, Verdict::Invalid | Verdict::Inconclusive) {
            cautions.push(format!("the {which} result is {}", report.verdict.name()));
        }
        if !run.complete {
            cautions.push(format!("the {which} run did not go to its end"));
        }
        let disturbed = statements::disturbed(run);
        if disturbed > 0 {
            cautions.push(format!(
                "{disturbed} of {} seconds of the {which} run were disturbed and are left out",
                run.windows.len()
            ));
        }
    }
    cautions
}

/// What both sides have numbers of.
fn subjects(one: &Side<'_>, other: &Side<'_>) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = Count::ALL.map(Subject::Count).into();
    for metric in Metric::ALL {
        if one.n(metric) == 0 || other.n(metric) == 0 {
            continue;
        }
        let percentiles = PERCENTILES.map(|p| Subject::Percentile(metric, p));
        let known = percentiles
            .into_iter()
            .filter(|subject| one.value(*subject).is_some() && other.value(*subject).is_some());
        subjects.extend(known);
        if metric == Metric::Delivery {
            let promise = std::time::Duration::from_nanos(PROMISE);
            subjects.push(Subject::Within(metric, promise));
        }
    }
    subjects
}

fn is_of_deliveries(subject: &Subject) -> bool {
    matches!(
        subject,
        Subject::Percentile(Metric::Delivery, _) | Subject::Within(Metric::Delivery, _)
    )
}

fn change(one: &Side<'_>, other: &Side<'_>, subject: Subject) -> Change {
    let quantity = match subject {
        Subject::Within(..) => Quantity::Share,
        Subject::Count(_) => Quantity::Count,
        _ => Quantity::Nanoseconds,
    };
    changed(
        subject.to_string(),
        quantity,
        (one.value(subject), other.value(subject)),
        one.draws(subject).zip(other.draws(subject)),
    )
}

fn changed(
    key: String,
    quantity: Quantity,
    (before, after): (Option<f64>, Option<f64>),
    draws: Option<(Draws, Draws)>,
) -> Change {
    let estimate = |of: fn(f64, f64) -> f64| {
        let value = of(before?, after?);
        let pairs = draws.as_ref();
        Some(Estimate {
            value,
            interval: pairs.map(|(one, other)| interval(one, other, of)),
        })
    };
    let is_ratio = matches!(quantity, Quantity::Nanoseconds | Quantity::TimesFloor)
        && before.is_some_and(|before| before > 0.0);
    Change {
        key,
        quantity,
        before,
        after,
        difference: estimate(|before, after| after - before),
        ratio: is_ratio
            .then(|| estimate(|before, after| after / before))
            .flatten(),
    }
}

/// The deliveries of both sides as multiples of their own floors at p50 and p95, and as differences to them at p99: what is
/// left of a change when the machine got faster or slower (rule 9).
fn against_the_floors(one: &Side<'_>, other: &Side<'_>) -> Vec<Change> {
    type Relate = fn(f64, f64) -> f64;
    let relations: [(f64, Quantity, Relate, &str); 3] = [
        (
            50.0,
            Quantity::TimesFloor,
            |of, floor| of / floor,
            "divided by the floor's",
        ),
        (
            95.0,
            Quantity::TimesFloor,
            |of, floor| of / floor,
            "divided by the floor's",
        ),
        (
            99.0,
            Quantity::Nanoseconds,
            |of, floor| of - floor,
            "minus the floor's",
        ),
    ];
    let both = |p: f64, relate: Relate, side: &Side<'_>| {
        let value = side.value(Subject::Percentile(Metric::Delivery, p))?;
        Some(relate(value, side.floor_value(p)?))
    };
    let draws = |p: f64, relate: Relate, side: &Side<'_>| {
        let of = side.draws(Subject::Percentile(Metric::Delivery, p))?;
        Some(of.related(&side.floor_draws(p)?, relate))
    };
    relations
        .into_iter()
        .filter_map(|(p, quantity, relate, words)| {
            let values = (both(p, relate, one)?, both(p, relate, other)?);
            Some(changed(
                format!("delivery.p{p} {words}"),
                quantity,
                (Some(values.0), Some(values.1)),
                draws(p, relate, one).zip(draws(p, relate, other)),
            ))
        })
        .collect()
}
