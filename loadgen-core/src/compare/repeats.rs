//! One scenario, run several times: how its numbers vary from run to run, and what all runs say together.

use askama::Template;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    CompareFormat, Quantity,
    ab::broken,
    measured::{Measured, Seconds, Value},
    number::{Asked, InRuns, largest, median, smallest},
    show::value_of_due,
};
use crate::{
    judge::Verdict,
    model::{HistogramError, Metric, json},
    report::{
        self, RenderError,
        chart::{Against, Figure, Latency, Mark, Point, trend},
        markdown::escaped,
        table::{align_numbers, plain_table},
    },
    result::Report,
    scenario::Subject,
};

/// The version of the schema of [`Repeats`], and of the rules that it is worked out by.
pub const REPEATS_VERSION: u32 = 3;
/// The one before, which did not tell how many runs were asked for: of fewer it said what these came to.
pub const REPEATS_BEFORE: u32 = 2;

/// All runs of one scenario in one call.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Repeats {
    /// The version of this schema.
    pub repeats_version: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// FAIL: a run broke a promise, or most valid ones missed a limit. INVALID: half of all runs or more. PASS: every valid run of
    /// as many as were asked for. Else INCONCLUSIVE.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// Runs that were asked for; `None` in results of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<usize>,
    /// Those that were measured, in the order of time.
    pub runs: Vec<OneRun>,
    /// What users see of the server, and the counts, over the valid runs; over all where none is valid.
    pub numbers: Vec<Spread>,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OneRun {
    /// When it was begun: RFC 3339, UTC.
    pub started: String,
    /// Its verdict by itself.
    pub verdict: Verdict,
    /// Its headline.
    pub headline: String,
    /// Median and p99 of its deliveries, nanoseconds; `None` of too few samples, and of a delivery that never came.
    pub delivery: [Option<f64>; 2],
    /// Of these two, whether it is the time of a delivery that never came.
    pub never: [bool; 2],
}

/// How one number varies from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Spread {
    /// As in thresholds: `delivery.p99`.
    pub key: String,
    /// What it counts, and in which unit.
    pub quantity: Quantity,
    /// The median of the runs; `None`: it is the time of a delivery that never came, here and below.
    pub median: Option<f64>,
    /// The smallest of any run.
    pub least: Option<f64>,
    /// The largest of any run.
    pub most: Option<f64>,
    /// In each run that counts, in the order of time, but for those that have none since it never came.
    pub runs: Vec<f64>,
    /// In how many runs it is the time of a delivery that never came.
    pub never: usize,
}

impl Repeats {
    /// Of these results of one scenario, in the order of time, and of how many were asked for, where that is known; `None` without
    /// any.
    ///
    /// # Errors
    /// [`HistogramError`] when a histogram can't be read.
    pub fn of(reports: &[Report], asked: Option<usize>) -> Result<Option<Self>, HistogramError> {
        let mut measured = Vec::new();
        let mut runs = Vec::new();
        for report in reports {
            let Some(run) = report.runs.last() else {
                continue;
            };
            let one = Measured::of(report, run, Seconds::Judged)?;
            let latencies =
                [50.0, 99.0].map(|p| one.value(Subject::Percentile(Metric::Delivery, p)));
            runs.push(OneRun {
                started: report.started.clone(),
                verdict: report.verdict,
                headline: report::headline(report)?,
                delivery: latencies.map(Value::known),
                never: latencies.map(|latency| latency == Value::Never),
            });
            measured.push(one);
        }
        let Some(first) = reports.first().filter(|_| !runs.is_empty()) else {
            return Ok(None);
        };
        let first_broken = measured
            .iter()
            .position(|one| one.report.verdict == Verdict::Fail && !broken(one.run).is_empty());
        let (verdict, reason) = whole(concluded(&runs, first_broken), runs.len(), asked);
        let valid: Vec<&Measured<'_>> = measured.iter().filter(|one| one.is_valid()).collect();
        let counted = match valid.is_empty() {
            true => measured.iter().collect(),
            false => valid,
        };
        Ok(Some(Self {
            repeats_version: match asked {
                Some(_) => REPEATS_VERSION,
                None => REPEATS_BEFORE,
            },
            scenario: first.scenario.name.clone(),
            verdict,
            reason,
            asked,
            runs,
            numbers: spreads(&counted),
        }))
    }

    /// What all runs come to, in a line.
    pub fn headline(&self) -> String {
        let Self {
            verdict,
            scenario,
            reason,
            ..
        } = self;
        format!(
            "{} {scenario}, {} runs: {reason}",
            verdict.name(),
            self.runs.len()
        )
    }

    /// All of it in a format.
    ///
    /// # Errors
    /// [`RenderError`] when a page can't be made.
    pub fn render(&self, format: CompareFormat) -> Result<String, RenderError> {
        Ok(match format {
            CompareFormat::Terminal => terminal(self),
            CompareFormat::Markdown => Summary::of(self).render()? + "\n",
            CompareFormat::Json => json::indented(self)? + "\n",
            CompareFormat::Html => Page::of(self).render()?,
        })
    }
}

/// What so many runs say of as many as were asked for: fewer pass nothing.
fn whole(
    (verdict, reason): (Verdict, String),
    runs: usize,
    asked: Option<usize>,
) -> (Verdict, String) {
    match asked.filter(|asked| runs < *asked) {
        None => (verdict, reason),
        Some(asked) => (
            verdict.max(Verdict::Inconclusive),
            format!("only {runs} of the {asked} runs that were asked for were measured; {reason}"),
        ),
    }
}

/// What all runs say, and why.
fn concluded(runs: &[OneRun], first_broken: Option<usize>) -> (Verdict, String) {
    let of = |verdict| runs.iter().filter(|run| run.verdict == verdict).count();
    let (all, invalid) = (runs.len(), of(Verdict::Invalid));
    let valid = all - invalid;
    let (passed, failed) = (of(Verdict::Pass), of(Verdict::Fail));
    let told = |wanted: Verdict| {
        let mut numbered = (1..).zip(runs);
        let found = numbered.find(|(_, run)| run.verdict == wanted);
        found.map_or_else(String::new, |(number, run)| {
            format!("; run {number}: {}", run.headline)
        })
    };
    if let Some(place) = first_broken {
        let run = &runs[place];
        return (
            Verdict::Fail,
            format!(
                "run {} of {all} broke a promise: {}",
                place + 1,
                run.headline
            ),
        );
    }
    if 2 * invalid >= all {
        let why = format!(
            "{invalid} of {all} runs are INVALID{}",
            told(Verdict::Invalid)
        );
        return (Verdict::Invalid, why);
    }
    if passed == valid {
        let left_out = match invalid {
            0 => String::new(),
            invalid => format!(" ({invalid} INVALID ones left out)"),
        };
        return (
            Verdict::Pass,
            format!("all of {valid} runs kept every promise and every limit{left_out}"),
        );
    }
    if 2 * failed > valid {
        let why = format!(
            "{failed} of {valid} valid runs missed a limit{}",
            told(Verdict::Fail)
        );
        return (Verdict::Fail, why);
    }
    let worst = if failed > 0 {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    };
    (
        Verdict::Inconclusive,
        format!(
            "{passed} of {valid} valid runs passed and {failed} failed{}",
            told(worst)
        ),
    )
}

fn spreads(runs: &[&Measured<'_>]) -> Vec<Spread> {
    let asked = Asked::all(runs).into_iter();
    let asked = asked.filter(|asked| asked.is_for_the_headline() || asked.is_count());
    let spread = |asked: Asked| {
        let each = InRuns::of(asked, runs)?;
        Some(Spread {
            key: asked.key(),
            quantity: asked.quantity(),
            median: each.shown(median),
            least: each.shown(smallest),
            most: each.shown(largest),
            runs: each.known,
            never: each.never,
        })
    };
    asked.filter_map(spread).collect()
}

const HEADER: [&str; 4] = ["number", "median of runs", "least", "most"];

fn cells(spread: &Spread) -> [String; 4] {
    let show = |number| value_of_due(spread.quantity, number, spread.never);
    [
        spread.key.clone(),
        show(spread.median),
        show(spread.least),
        show(spread.most),
    ]
}

fn terminal(repeats: &Repeats) -> String {
    let mut table = plain_table();
    table.set_header(HEADER);
    for spread in &repeats.numbers {
        table.add_row(cells(spread));
    }
    align_numbers(&mut table, 1);
    format!("{}\n\n{table}\n", repeats.headline())
}

#[derive(Template)]
#[template(path = "runs.md")]
struct Summary {
    headline: String,
    header: [&'static str; 4],
    rows: Vec<[String; 4]>,
    runs: Vec<[String; 3]>,
}

impl Summary {
    fn of(repeats: &Repeats) -> Self {
        let numbered = (1..).zip(&repeats.runs);
        Self {
            headline: escaped(&repeats.headline()),
            header: HEADER,
            rows: repeats
                .numbers
                .iter()
                .map(|one| cells(one).map(|cell| escaped(&cell)))
                .collect(),
            runs: numbered
                .map(|(number, run)| row(number, run).map(|cell| escaped(&cell)))
                .collect(),
        }
    }
}

fn row(number: usize, run: &OneRun) -> [String; 3] {
    [
        number.to_string(),
        run.verdict.name().to_owned(),
        run.headline.clone(),
    ]
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Page<'a> {
    repeats: &'a Repeats,
    verdict: &'static str,
    header: [&'static str; 4],
    rows: Vec<[String; 4]>,
    runs: Vec<[String; 3]>,
    figure: Figure,
}

impl<'a> Page<'a> {
    fn of(repeats: &'a Repeats) -> Self {
        let numbered = || (1..).zip(&repeats.runs);
        let point = |(number, run): (usize, &OneRun)| Point {
            // The time of the day.
            name: run.started.chars().skip(11).take(8).collect(),
            title: format!("run {number}, {}", run.headline),
            page: format!("{}.run-{number}.html", repeats.scenario),
            mark: Mark::of(run.verdict),
            asks_anew: false,
            latencies: run
                .delivery
                .into_iter()
                .zip(run.never)
                .map(|(latency, never)| match latency {
                    Some(latency) => Latency::Known(latency as u64, None),
                    None if never => Latency::Never,
                    None => Latency::TooFew,
                })
                .collect(),
        };
        let points: Vec<Point> = numbered().map(point).collect();
        let title = "How deliveries varied from run to run";
        Self {
            repeats,
            verdict: repeats.verdict.name(),
            header: HEADER,
            rows: repeats.numbers.iter().map(cells).collect(),
            runs: numbered().map(|(number, run)| row(number, run)).collect(),
            figure: trend(
                title,
                Metric::Delivery,
                &[50.0, 99.0],
                &points,
                Some(&Against::promise()),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(verdict: Verdict) -> OneRun {
        OneRun {
            started: "2026-01-01T00:00:00Z".into(),
            verdict,
            headline: format!("a run that is {}", verdict.name()),
            delivery: [Some(1e6), None],
            never: [false, true],
        }
    }

    fn verdict(verdicts: &[Verdict], first_broken: Option<usize>) -> Verdict {
        let runs: Vec<OneRun> = verdicts.iter().copied().map(run).collect();
        concluded(&runs, first_broken).0
    }

    #[test]
    fn all_valid_runs_must_pass_and_most_must_miss_a_limit_to_fail() {
        use Verdict::{Fail, Inconclusive, Invalid, Pass};
        assert_eq!(verdict(&[Pass, Pass, Pass], None), Pass);
        assert_eq!(verdict(&[Pass, Invalid, Pass], None), Pass);
        assert_eq!(verdict(&[Pass, Invalid, Invalid], None), Invalid);
        assert_eq!(verdict(&[Pass, Fail, Pass], None), Inconclusive);
        assert_eq!(verdict(&[Fail, Fail, Pass], None), Fail);
        assert_eq!(verdict(&[Fail, Fail, Invalid], None), Fail);
        assert_eq!(verdict(&[Pass, Inconclusive, Pass], None), Inconclusive);
        // A lost message is lost, however often none was.
        assert_eq!(verdict(&[Pass, Fail, Pass, Pass], Some(1)), Fail);
        assert_eq!(verdict(&[Invalid, Invalid, Fail], Some(2)), Fail);
    }

    /// What was left of a set that broke off once said PASS of the two that had been measured.
    #[test]
    fn fewer_runs_than_were_asked_for_pass_nothing() {
        use Verdict::{Fail, Inconclusive, Invalid, Pass};
        let told = |verdict, asked| whole((verdict, "as told".to_owned()), 2, asked);
        for asked in [None, Some(2)] {
            assert_eq!(told(Pass, asked), (Pass, "as told".to_owned()));
        }
        for (verdict, of_all) in [
            (Pass, Inconclusive),
            (Inconclusive, Inconclusive),
            (Fail, Fail),
            (Invalid, Invalid),
        ] {
            let (told, reason) = told(verdict, Some(5));
            assert_eq!(told, of_all);
            let why = "only 2 of the 5 runs that were asked for were measured; as told";
            assert_eq!(reason, why);
        }
    }

    #[test]
    fn every_format_has_the_verdict_each_run_and_each_spread() {
        let runs = vec![run(Verdict::Pass), run(Verdict::Fail)];
        let (verdict, reason) = concluded(&runs, None);
        let repeats = Repeats {
            repeats_version: REPEATS_VERSION,
            scenario: "quick|start".into(),
            verdict,
            reason,
            asked: Some(2),
            runs,
            numbers: vec![Spread {
                key: "delivery.p50".into(),
                quantity: Quantity::Nanoseconds,
                median: Some(2e6),
                least: Some(1e6),
                most: None,
                runs: vec![1e6, 2e6],
                never: 1,
            }],
        };
        for format in [
            CompareFormat::Terminal,
            CompareFormat::Markdown,
            CompareFormat::Html,
            CompareFormat::Json,
        ] {
            let text = repeats.render(format).unwrap();
            assert!(text.contains("INCONCLUSIVE"), "{text}");
            assert!(text.contains("a run that is FAIL"), "{text}");
            assert!(text.contains("delivery.p50"), "{text}");
        }
        let table = repeats.render(CompareFormat::Terminal).unwrap();
        assert!(
            table.contains("2.00 ms") && table.contains("1.00 ms") && table.contains("never"),
            "{table}"
        );
        let page = repeats.render(CompareFormat::Html).unwrap();
        assert!(page.contains("<svg"));
    }
}
