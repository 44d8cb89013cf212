//! A comparison for people: on a terminal, as Markdown, as JSON, and as a page.

use askama::Template;
use clap::ValueEnum;
use comfy_table::Table;

use super::{Change, Comparison, Estimate, Origin, Quantity};
use crate::{
    model::{
        Metric,
        numbers::{count, duration, share},
    },
    observed::PROMISE,
    report::{
        RenderError,
        chart::{Figure, Ink, Series, spectrum},
        markdown::escaped,
        statements,
        table::{align_numbers, plain_table},
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
    /// The comparison of these two results in a format.
    ///
    /// # Errors
    /// [`RenderError`] when a histogram can't be read or a page not be made.
    pub fn render(
        &self,
        format: CompareFormat,
        before: &Report,
        after: &Report,
    ) -> Result<String, RenderError> {
        Ok(match format {
            CompareFormat::Terminal => terminal(self)?,
            CompareFormat::Markdown => markdown(self)?,
            CompareFormat::Json => serde_json::to_string_pretty(self)? + "\n",
            CompareFormat::Html => page(self, before, after)?,
        })
    }
}

/// What became of the median, in one sentence.
pub(super) fn sentence(changes: &[Change]) -> String {
    let median = changes.iter().find(|change| change.key == "delivery.p50");
    let Some((change, ratio)) = median.and_then(|change| Some((change, change.ratio?))) else {
        return "There are too few deliveries to compare.".to_owned();
    };
    let numbers = format!(
        "half of all deliveries took at most {} before and {} after",
        value(Quantity::Nanoseconds, change.before),
        value(Quantity::Nanoseconds, change.after)
    );
    let percent = |ratio: f64| format!("{:.1} %", 100.0 * (ratio - 1.0).abs());
    match ratio.excludes(1.0) {
        None => {
            format!("Whether it changed, these runs can't tell: {numbers}, without an interval.")
        }
        Some(false) => format!("No change of the median that these runs could tell: {numbers}."),
        Some(true) => {
            let word = if ratio.value > 1.0 {
                "slower"
            } else {
                "faster"
            };
            format!("The median is {} {word}: {numbers}.", percent(ratio.value))
        }
    }
}

fn value(quantity: Quantity, number: Option<f64>) -> String {
    let Some(number) = number else {
        return "too few".to_owned();
    };
    match quantity {
        Quantity::Nanoseconds if number < 0.0 => format!("-{}", duration(-number as u64)),
        Quantity::Nanoseconds => duration(number as u64),
        Quantity::Share => share(number),
        Quantity::Count => count(number as u64),
        Quantity::TimesFloor => format!("{number:.2} ×"),
    }
}

fn signed(quantity: Quantity, number: f64) -> String {
    let sign = if number < 0.0 { '-' } else { '+' };
    let size = number.abs();
    match quantity {
        Quantity::Nanoseconds => format!("{sign}{}", duration(size as u64)),
        Quantity::Share => format!("{sign}{:.3} points", 100.0 * size),
        Quantity::Count => format!("{sign}{}", count(size as u64)),
        Quantity::TimesFloor => format!("{sign}{size:.2}"),
    }
}

fn estimate(estimate: Option<Estimate>, show: impl Fn(f64) -> String) -> String {
    match estimate {
        None => String::new(),
        Some(Estimate { value, interval }) => match interval {
            Some((low, high)) => format!("{} ({} to {})", show(value), show(low), show(high)),
            None => show(value),
        },
    }
}

fn difference(change: &Change) -> String {
    estimate(change.difference, |number| signed(change.quantity, number))
}

fn ratio(change: &Change) -> String {
    estimate(change.ratio, |ratio| format!("{ratio:.3}"))
}

fn origin(origin: &Origin) -> String {
    format!(
        "{} {}, {} delivery, version {}, by loadgen {}, {}, {} seconds",
        origin.scenario,
        origin.started,
        origin.delivery,
        origin.version.as_deref().unwrap_or("unknown"),
        origin.loadgen,
        origin.verdict.name(),
        origin.seconds,
    )
}

fn verdict(comparison: &Comparison) -> &'static str {
    comparison.verdict.map_or("", |verdict| verdict.name())
}

#[derive(Template)]
#[template(path = "compare.txt")]
struct Text<'a> {
    comparison: &'a Comparison,
    verdict: &'static str,
    before: String,
    after: String,
    table: Table,
}

fn terminal(comparison: &Comparison) -> Result<String, askama::Error> {
    let mut table = plain_table();
    table.set_header(HEADER);
    for change in comparison.changes.iter().filter(|change| is_shown(change)) {
        table.add_row(cells(change));
    }
    align_numbers(&mut table, 1);
    let text = Text {
        comparison,
        verdict: verdict(comparison),
        before: origin(&comparison.before),
        after: origin(&comparison.after),
        table,
    };
    Ok(text.render()? + "\n")
}

/// On a terminal, of all but deliveries only the median and p99: the other formats have everything.
fn is_shown(change: &Change) -> bool {
    match change.key.split_once('.') {
        Some(("delivery", _)) | None => true,
        Some((_, statistic)) => statistic == "p50" || statistic == "p99",
    }
}

const HEADER: [&str; 5] = [
    "number",
    "before",
    "after",
    "difference (95 % interval)",
    "ratio (95 % interval)",
];

fn cells(change: &Change) -> [String; 5] {
    [
        change.key.clone(),
        value(change.quantity, change.before),
        value(change.quantity, change.after),
        difference(change),
        ratio(change),
    ]
}

#[derive(Template)]
#[template(path = "compare.md")]
struct Summary {
    verdict: &'static str,
    scenario: String,
    sentence: String,
    before: String,
    after: String,
    cautions: Vec<String>,
    /// What may get worse, the verdict on it, and what was measured.
    allowances: Vec<[String; 3]>,
    header: [&'static str; 5],
    rows: Vec<[String; 5]>,
}

fn markdown(comparison: &Comparison) -> Result<String, askama::Error> {
    let allowances = comparison.allowances.iter();
    let rows = comparison.changes.iter();
    let summary = Summary {
        verdict: verdict(comparison),
        scenario: escaped(&comparison.after.scenario),
        sentence: escaped(&comparison.sentence),
        before: escaped(&origin(&comparison.before)),
        after: escaped(&origin(&comparison.after)),
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
            .map(|change| cells(change).map(|cell| escaped(&cell)))
            .collect(),
    };
    Ok(summary.render()? + "\n")
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    verdict: &'static str,
    before: String,
    after: String,
    rows: Vec<[String; 5]>,
    figures: Vec<Figure>,
}

fn page(comparison: &Comparison, before: &Report, after: &Report) -> Result<String, RenderError> {
    let mut series = Vec::new();
    for (name, report, ink) in [
        ("after", after, Ink::Subject),
        ("before", before, Ink::Baseline),
    ] {
        if let Some(run) = report.runs.last() {
            series.push(Series {
                name: Some(name.to_owned()),
                metric: Metric::Delivery,
                ink,
                histogram: statements::judged_latencies(run)?,
            });
        }
    }
    let some = series.iter().all(|series| !series.histogram.is_empty());
    let page = Page {
        comparison,
        verdict: verdict(comparison),
        before: origin(&comparison.before),
        after: origin(&comparison.after),
        rows: comparison.changes.iter().map(cells).collect(),
        figures: match some {
            true => vec![spectrum(&series, PROMISE)],
            false => vec![],
        },
    };
    Ok(page.render()?)
}
