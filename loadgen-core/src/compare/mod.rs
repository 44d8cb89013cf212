//! Results of one scenario before and after a change, number by number: what became of each, and whether the runs can tell.

pub mod ab;
mod headline;
mod measured;
mod number;
mod question;
mod regression;
mod repeats;
pub mod sets;
mod show;

use schemars::JsonSchema;
use serde::Serialize;

use self::{
    measured::{Measured, Seconds},
    number::Asked,
    sets::{Design, Sets},
};
pub use self::{
    number::{Estimate, Number, Quantity},
    regression::{Allowance, Judged},
    repeats::{REPEATS_BEFORE, REPEATS_VERSION, Repeats},
    show::CompareFormat,
};
use crate::{
    judge::Verdict,
    model::HistogramError,
    result::{Circumstances, Report},
};

/// Why results can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They answer different questions.
    #[error(
        "these results don't answer the same question: {0}; --anyway compares them all the same"
    )]
    Different(String),
    /// One run would count as two.
    #[error("the run of {scenario} that began at {started} is there twice: give each result once")]
    Twice {
        /// The scenario's name.
        scenario: String,
        /// When the run began.
        started: String,
    },
    /// A result without a run, or no result.
    #[error("the {0} has a result without a run, or none")]
    Empty(&'static str),
    /// A histogram can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// What the user insists on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Insist {
    /// Results that answer different questions are compared.
    pub anyway: bool,
    /// Where the runs are too few for an interval, the plain ratio or difference decides on an allowance.
    pub by_plain_ratio: bool,
}

/// What became of a server's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// The worst difference that is certain, in a sentence or two.
    pub sentence: String,
    /// How that was decided.
    pub method: String,
    /// What was allowed to get worse and did: the gravest of all allowances; `None` where none was given.
    pub verdict: Option<Verdict>,
    /// Where the runs before the change come from.
    pub base: Origin,
    /// Where the runs with the change come from.
    pub change: Origin,
    /// Whether the runs were taken as pairs: they took turns, and there are enough of them.
    pub paired: bool,
    /// In which share of all ways to share these runs out any number of the headline would differ as much; `None` of too few
    /// runs, and where all of one side are INVALID. Above 0.04 nothing is certain.
    pub chance: Option<f64>,
    /// What else differs between the sides, and what makes either doubtful.
    pub cautions: Vec<String>,
    /// Each number of both sides, and what became of it.
    pub numbers: Vec<Number>,
    /// How each allowance was judged.
    pub allowances: Vec<Judged>,
}

/// Where the runs of one side come from.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Origin {
    /// The name of the scenario.
    pub scenario: String,
    /// The delivery mode of the runs that are compared, the last of each result.
    pub delivery: String,
    /// What was measured: the server of loadgen itself, or a URL.
    pub target: String,
    /// Which version of it, as it says or as the user does.
    pub version: String,
    /// Version and commit of the program that measured.
    pub loadgen: String,
    /// When each run was begun: RFC 3339, UTC.
    pub started: Vec<String>,
    /// The verdict of each result by itself.
    pub verdicts: Vec<Verdict>,
    /// Seconds of all of them that are compared.
    pub seconds: usize,
    /// Seconds left out as disturbed.
    pub disturbed: usize,
}

/// Compares the last runs of the results of both sides.
///
/// # Errors
/// [`CompareError`]: a side has no run, a run is there twice, or, unless the user insists, the results answer different
/// questions.
pub fn compare(
    base: &[&Report],
    change: &[&Report],
    allowances: &[Allowance],
    insist: Insist,
) -> Result<Comparison, CompareError> {
    let (base, change) = (side("base", base)?, side("change", change)?);
    question::twice(&base, &change)?;
    let senseless = question::senseless(&base, &change);
    if !senseless.is_empty() && !insist.anyway {
        return Err(CompareError::Different(senseless.join(", ")));
    }
    let mut cautions = senseless;
    cautions.extend(question::cautions(&base, &change));
    let timed = Timed::of(&base, &change);
    let number = |asked: &Asked| match asked.is_count() {
        // A message that is lost on a busy machine is lost all the same.
        true => Number::of(*asked, &timed.sets, &refer(&base), &refer(&change)),
        false => Number::of(*asked, &timed.sets, &timed.base, &timed.change),
    };
    // What is left out takes no number from the others.
    let compared: Vec<&Measured<'_>> = timed.base.iter().chain(&timed.change).copied().collect();
    let mut numbers: Vec<Number> = Asked::all(&compared).iter().map(number).collect();
    let chance = timed.decide(&mut numbers);

    let asked: Vec<Asked> = allowances
        .iter()
        .map(|one| Asked::Of(one.subject))
        .collect();
    let judged: Vec<Number> = asked.iter().map(number).collect();
    let times = asked
        .iter()
        .zip(&judged)
        .filter(|(asked, _)| !asked.is_count());
    let values: Vec<_> = times.map(|(_, number)| number.values()).collect();
    let mut chances = timed.sets.chances(&values).into_iter();
    let judge = |((allowance, asked), number): ((&Allowance, &Asked), &Number)| {
        let ground = regression::Ground {
            chance: if asked.is_count() {
                None
            } else {
                chances.next()
            },
            is_invalid: timed.invalid.is_some(),
            by_plain_ratio: insist.by_plain_ratio,
        };
        allowance.judge(number, ground)
    };
    let judged: Vec<Judged> = allowances
        .iter()
        .zip(&asked)
        .zip(&judged)
        .map(judge)
        .collect();
    Ok(Comparison {
        sentence: headline::sentence(&numbers, chance, timed.invalid, timed.runs()),
        method: headline::method(&timed.sets, chance, timed.invalid, timed.runs()),
        verdict: judged
            .iter()
            .map(|judged| judged.verdict)
            .max_by_key(|verdict| regression::weight(*verdict)),
        base: origin(&base),
        change: origin(&change),
        paired: timed.sets.design() == Design::Pairs,
        chance,
        cautions,
        numbers,
        allowances: judged,
    })
}

/// The runs of one side in the order of time.
fn side<'a>(name: &'static str, reports: &[&'a Report]) -> Result<Vec<Measured<'a>>, CompareError> {
    let mut runs = Vec::new();
    for report in reports {
        let run = report.runs.last().ok_or(CompareError::Empty(name))?;
        runs.push(Measured::of(report, run, Seconds::Undisturbed)?);
    }
    runs.sort_by(|one, other| one.report.started.cmp(&other.report.started));
    match runs.is_empty() {
        true => Err(CompareError::Empty(name)),
        false => Ok(runs),
    }
}

/// The runs whose times are compared.
struct Timed<'a> {
    sets: Sets,
    base: Vec<&'a Measured<'a>>,
    change: Vec<&'a Measured<'a>>,
    /// The side of which all times say nothing about the server, in words; `None` where each has a valid run.
    invalid: Option<&'static str>,
}

impl<'a> Timed<'a> {
    /// Without INVALID ones, as far as a side has others; of pairs, without both.
    fn of(base: &'a [Measured<'a>], change: &'a [Measured<'a>]) -> Self {
        let valid =
            |runs: &'a [Measured<'a>]| runs.iter().filter(|run| run.is_valid()).collect::<Vec<_>>();
        let (mut one, mut other) = (valid(base), valid(change));
        let invalid = match (one.is_empty(), other.is_empty()) {
            (false, false) => None,
            (true, false) => Some("the base"),
            (false, true) => Some("the change"),
            (true, true) => Some("both sides"),
        };
        if invalid.is_some() {
            (one, other) = (refer(base), refer(change));
        } else if design(&refer(base), &refer(change)) == Design::Pairs {
            let pairs = base.iter().zip(change);
            let (left, right): (Vec<_>, Vec<_>) = pairs
                .filter(|(one, other)| one.is_valid() && other.is_valid())
                .unzip();
            if design(&left, &right) == Design::Pairs {
                (one, other) = (left, right);
            }
        }
        Self {
            sets: Sets::new(design(&one, &other), one.len(), other.len()),
            base: one,
            change: other,
            invalid,
        }
    }

    /// How many of each side.
    fn runs(&self) -> (usize, usize) {
        (self.base.len(), self.change.len())
    }

    /// Notes which numbers of the headline differ for certain; returns how often chance alone makes any of them differ as much,
    /// `None` of too few runs, and where the times of one side say nothing.
    fn decide(&self, numbers: &mut [Number]) -> Option<f64> {
        if self.invalid.is_some() {
            return None;
        }
        let mut seen: Vec<&mut Number> = numbers
            .iter_mut()
            .filter(|number| number.headline && !number.is_never())
            .collect();
        let values: Vec<_> = seen.iter().map(|number| number.values()).collect();
        let certain = self.sets.certain(&values);
        for (number, certain) in seen.iter_mut().zip(certain) {
            number.certain = certain;
        }
        let chances = self.sets.chances(&values).into_iter();
        let enough = self.sets.are_enough();
        enough.then(|| chances.fold(1.0, f64::min))
    }
}

fn refer<'a>(runs: &'a [Measured<'a>]) -> Vec<&'a Measured<'a>> {
    runs.iter().collect()
}

fn design(base: &[&Measured<'_>], change: &[&Measured<'_>]) -> Design {
    let starts = |runs: &[&Measured<'_>]| {
        runs.iter()
            .map(|run| run.report.started.clone())
            .collect::<Vec<_>>()
    };
    Design::of(&starts(base), &starts(change))
}

fn origin(runs: &[Measured<'_>]) -> Origin {
    let of = |of: question::Trait| question::listed(&question::values(runs.iter(), of));
    let seconds: usize = runs.iter().map(|run| run.run.windows.len()).sum();
    let disturbed = runs.iter().map(|run| run.left_out).sum();
    Origin {
        scenario: of(|run| run.report.scenario.name.clone()),
        delivery: of(|run| run.run.delivery.name().to_owned()),
        target: of(|run| Circumstances::of(run.report).target),
        version: of(question::version),
        loadgen: of(harness),
        started: runs.iter().map(|run| run.report.started.clone()).collect(),
        verdicts: runs.iter().map(|run| run.report.verdict).collect(),
        seconds: seconds - disturbed,
        disturbed,
    }
}

/// Version and commit of the program that measured.
fn harness(run: &Measured<'_>) -> String {
    let environment = &run.report.environment;
    match &environment.commit {
        Some(commit) => format!("{} ({commit})", environment.loadgen),
        None => environment.loadgen.clone(),
    }
}
