//! A comparison for people: on a terminal, as Markdown, as JSON, and as a page.

use askama::Template;
use clap::ValueEnum;
use hdrhistogram::Histogram;

use super::{Comparison, Estimate, Number, Origin, Quantity, measured::Seconds};
use crate::{
    judge::Verdict,
    model::{
        HistogramError, Metric, histogram, json,
        numbers::{count, duration, percentage},
    },
    observed::PROMISE,
    report::{
        RenderError,
        chart::{Figure, Ink, Ratio, Series, forest, spectrum},
        headline,
        markdown::escaped,
        seconds,
        table::{Column, Width, fitted, paragraph, sentences},
    },
    result::Report,
};

/// A form of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// Tables.
    Terminal,
    /// For a comment on a pull request.
    Markdown,
    /// All numbers.
    Json,
    /// A page with both distributions.
    Html,
}

impl Comparison {
    /// The comparison of these results in a format.
    ///
    /// # Errors
    /// [`RenderError`] when a histogram can't be read or a page not be made.
    pub fn render(
        &self,
        format: CompareFormat,
        base: &[&Report],
        change: &[&Report],
    ) -> Result<String, RenderError> {
        Ok(match format {
            CompareFormat::Terminal => self.text(None),
            CompareFormat::Markdown => markdown(self)?,
            CompareFormat::Json => json::indented(self)? + "\n",
            CompareFormat::Html => page(self, base, change)?,
        })
    }

    /// The comparison for a terminal that is so wide.
    pub fn text(&self, width: Width) -> String {
        terminal(self, width)
    }
}

/// The unit of a difference of two shares.
const POINTS: &str = " points";

pub(super) fn value(quantity: Quantity, number: Option<f64>) -> String {
    let Some(number) = number else {
        return "too few".to_owned();
    };
    match quantity {
        Quantity::Nanoseconds if number < 0.0 => format!("-{}", duration(-number as u64)),
        Quantity::Nanoseconds => duration(number as u64),
        Quantity::Share => percentage(number),
        Quantity::Count => count(number as u64),
        Quantity::TimesFloor => format!("{number:.2} ×"),
    }
}

/// The same of a number that in so many runs is the time of a delivery that never came.
pub(super) fn value_of_due(quantity: Quantity, number: Option<f64>, never: usize) -> String {
    match number {
        None if never > 0 => "never".to_owned(),
        number => value(quantity, number),
    }
}

pub(super) fn signed(quantity: Quantity, number: f64) -> String {
    let sign = if number < 0.0 { '-' } else { '+' };
    let size = number.abs();
    match quantity {
        Quantity::Nanoseconds => format!("{sign}{}", duration(size as u64)),
        Quantity::Share => format!("{sign}{:.3}{POINTS}", 100.0 * size),
        Quantity::Count => format!("{sign}{}", count(size as u64)),
        Quantity::TimesFloor => format!("{sign}{size:.2}"),
    }
}

/// By how much a ratio is above one, or below it.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:+.1} %", 100.0 * (ratio - 1.0))
}

fn estimate(estimate: Option<Estimate>, show: impl Fn(f64) -> String) -> String {
    match estimate {
        None => String::new(),
        Some(Estimate { value, interval }) => match interval {
            Some((low, high)) if low < high => {
                format!("{} ({} to {})", show(value), show(low), show(high))
            }
            _ => show(value),
        },
    }
}

fn difference(number: &Number) -> String {
    let told = estimate(number.difference, |by| signed(number.quantity, by));
    match told.matches(POINTS).count() {
        // Their unit once, so that the row has room on a terminal.
        3 => told.replace(" points to ", " to ").replace(" points)", ")"),
        _ => told,
    }
}

fn ratio(number: &Number) -> String {
    estimate(number.ratio, |ratio| format!("{ratio:.3}"))
}

fn origin(origin: &Origin) -> String {
    let started = match &origin.started[..] {
        [one] => one.clone(),
        [first, .., last] => format!("{} runs from {first} to {last}", origin.started.len()),
        [] => String::new(),
    };
    let known = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Invalid,
    ];
    let of = |verdict| {
        origin
            .verdicts
            .iter()
            .filter(|one| **one == verdict)
            .count()
    };
    let verdicts: Vec<String> = known
        .into_iter()
        .filter(|verdict| of(*verdict) > 0)
        .map(|verdict| match of(verdict) {
            n if origin.verdicts.len() > 1 => format!("{n} {}", verdict.name()),
            _ => verdict.name().to_owned(),
        })
        .collect();
    format!(
        "{}, {started}, {} delivery, {}, version {}, by loadgen {}, {}, {} seconds",
        origin.scenario,
        origin.delivery,
        origin.target,
        origin.version,
        origin.loadgen,
        verdicts.join(", "),
        origin.seconds,
    )
}

fn verdict(comparison: &Comparison) -> &'static str {
    comparison.verdict.map_or("", |verdict| verdict.name())
}

/// The sentences and the table, that wide.
fn terminal(comparison: &Comparison, width: Width) -> String {
    let before = match verdict(comparison) {
        "" => String::new(),
        verdict => format!("{verdict}: "),
    };
    let headline = paragraph(&format!("{before}{}", comparison.sentence), false, width);
    let sides = [
        ("base", origin(&comparison.base)),
        ("change", origin(&comparison.change)),
        ("method", comparison.method.clone()),
    ];
    let cautions = comparison.cautions.iter();
    let cautions = cautions.map(|caution| ("caution", caution.clone()));
    let allowances = comparison.allowances.iter().map(|judged| {
        let said = format!("{}: {}", judged.allowance, judged.measured);
        (judged.verdict.name(), said)
    });
    let said: Vec<(&str, String)> = sides
        .into_iter()
        .chain(cautions)
        .chain(allowances)
        .collect();
    let said = sentences(&said, true, width);
    let mut columns = COLUMNS.map(|(title, rank)| Column::new(title, rank));
    for number in comparison.numbers.iter().filter(|number| is_shown(number)) {
        for (column, cell) in columns.iter_mut().zip(cells(number)) {
            column.cells.push(cell);
        }
    }
    let table = fitted(columns.into(), 1, width);
    format!("{headline}\n{said}\n\n{table}\n")
}

/// On a terminal, of all but deliveries only the median and p99: the other formats have everything.
fn is_shown(number: &Number) -> bool {
    match number.key.split_once('.') {
        Some(("delivery", _)) | None => true,
        Some((_, statistic)) => statistic == "p50" || statistic == "p99",
    }
}

const HEADER: [&str; 5] = [
    "number",
    "base",
    "change",
    "difference (95 % interval)",
    "ratio (95 % interval)",
];
/// The same on a terminal, and which of them go first where there is no room for all.
const COLUMNS: [(&str, u8); 5] = [
    ("number", 0),
    ("base", 2),
    ("change", 1),
    ("difference (95 %)", 0),
    ("ratio (95 %)", 3),
];

fn cells(number: &Number) -> [String; 5] {
    [
        number.key.clone(),
        value_of_due(number.quantity, number.base, number.base_never),
        value_of_due(number.quantity, number.change, number.change_never),
        difference(number),
        ratio(number),
    ]
}

#[derive(Template)]
#[template(path = "compare.md")]
struct Summary {
    verdict: &'static str,
    scenario: String,
    sentence: String,
    method: String,
    base: String,
    change: String,
    cautions: Vec<String>,
    /// What may get worse, the verdict on it, and what was measured.
    allowances: Vec<[String; 3]>,
    header: [&'static str; 5],
    rows: Vec<[String; 5]>,
}

fn markdown(comparison: &Comparison) -> Result<String, askama::Error> {
    let allowances = comparison.allowances.iter();
    let rows = comparison.numbers.iter();
    let summary = Summary {
        verdict: verdict(comparison),
        scenario: escaped(&comparison.change.scenario),
        sentence: escaped(&comparison.sentence),
        method: escaped(&comparison.method),
        base: escaped(&origin(&comparison.base)),
        change: escaped(&origin(&comparison.change)),
        cautions: comparison.cautions.iter().map(|c| escaped(c)).collect(),
        allowances: allowances
            .map(|judged| {
                [
                    escaped(&judged.allowance),
                    judged.verdict.name().to_owned(),
                    escaped(&judged.measured),
                ]
            })
            .collect(),
        header: HEADER,
        rows: rows
            .map(|number| cells(number).map(|cell| escaped(&cell)))
            .collect(),
    };
    Ok(summary.render()? + "\n")
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    verdict: &'static str,
    sides: [Side; 2],
    /// What the first table is.
    title: &'static str,
    /// What changed or answers the question, then the same against the floors.
    shown: [Vec<[String; 5]>; 2],
    /// What did not change for certain.
    folded: Vec<[String; 5]>,
    figures: Vec<Figure>,
}

/// What stands in a comparison, by name.
struct Side {
    name: &'static str,
    target: String,
    origin: String,
    /// The headline of its result, where it is one.
    headline: String,
}

fn page(
    comparison: &Comparison,
    base: &[&Report],
    change: &[&Report],
) -> Result<String, RenderError> {
    let asks = change
        .first()
        .and_then(|report| report.scenario.asks.as_deref());
    // What can't be decided is nothing to fold either.
    let open = |number: &Number| comparison.chance.is_none() && number.headline;
    let shown = |number: &Number| {
        number.certain || asks == Some(&*number.key) || broke(number) || open(number)
    };
    let (mut certain, mut floors, mut folded) = (Vec::new(), Vec::new(), Vec::new());
    for number in &comparison.numbers {
        match (shown(number), number.key.contains("floor")) {
            (true, false) => certain.push(number),
            (_, true) => floors.push(number),
            (false, false) => folded.push(number),
        }
    }
    // What answers the question comes first.
    certain.sort_by_key(|number| asks != Some(&*number.key));
    let rows = |numbers: &[&Number]| numbers.iter().map(|number| cells(number)).collect();
    let page = Page {
        comparison,
        verdict: verdict(comparison),
        sides: [
            side("base", &comparison.base, base)?,
            side("change", &comparison.change, change)?,
        ],
        title: match comparison.chance {
            Some(_) => "What differs for certain, and what answers the question",
            None => "What users see, undecided",
        },
        shown: [rows(&certain), rows(&floors)],
        folded: rows(&folded),
        figures: figures(comparison, base, change)?,
    };
    Ok(page.render()?)
}

fn side(name: &'static str, from: &Origin, reports: &[&Report]) -> Result<Side, RenderError> {
    Ok(Side {
        name,
        target: format!("{}, version {}", from.target, from.version),
        origin: origin(from),
        headline: match reports {
            [one] => headline(one)?,
            _ => String::new(),
        },
    })
}

/// Whether a count that was none is some now, or a time of what came is one of what never did, or the other way round.
fn broke(number: &Number) -> bool {
    let counted = number.quantity == Quantity::Count && number.base != number.change;
    counted || number.base_never != number.change_never
}

fn figures(
    comparison: &Comparison,
    base: &[&Report],
    change: &[&Report],
) -> Result<Vec<Figure>, RenderError> {
    let ratios: Vec<Ratio> = comparison
        .numbers
        .iter()
        .filter(|number| number.headline || number.key.contains("floor"))
        .filter_map(|number| {
            let estimate = number.ratio?;
            Some(Ratio {
                name: number.key.clone(),
                told: ratio(number),
                value: estimate.value,
                interval: estimate.interval,
                certain: number.certain,
            })
        })
        .collect();
    let note = "Each number of the headline, and deliveries against each run’s own floor; bars are 95 % intervals, and without one a single run can’t tell. To the right is slower.";
    let mut figures: Vec<Figure> = forest("How many times as long", note, &ratios)
        .into_iter()
        .collect();
    let mut series = Vec::new();
    for (name, reports, ink) in [
        ("change", change, Ink::Subject),
        ("base", base, Ink::Baseline),
    ] {
        series.push(Series {
            name: Some(name.to_owned()),
            metric: Metric::Delivery,
            ink,
            histogram: together(reports)?,
        });
    }
    if series.iter().all(|series| !series.histogram.is_empty()) {
        figures.push(spectrum(&series, PROMISE));
    }
    Ok(figures)
}

/// The deliveries of all runs of one side.
fn together(reports: &[&Report]) -> Result<Histogram<u64>, HistogramError> {
    let mut all = histogram::empty();
    for run in reports.iter().filter_map(|report| report.runs.last()) {
        let seconds = Seconds::Undisturbed.of(run);
        all.add(seconds::latencies_in(run, seconds.into_iter())?)?;
    }
    Ok(all)
}
