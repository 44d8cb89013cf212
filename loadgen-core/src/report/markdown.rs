//! The result as Markdown, for a job's summary or a comment on a pull request.

use askama::Template;

use super::{
    RenderError,
    answer::headline,
    faults, floor,
    latencies::{Latency, latencies},
    seconds,
    statements::{self, Accounts, Outcome},
};
use crate::{
    model::numbers::{count, limit},
    observed::PROMISE,
    result::{PERCENTILES, Report, Run},
};

/// A comment on GitHub takes 65,536 characters; what is longer is cut, with a word on it.
const MOST_BYTES: usize = 60_000;
/// Characters of one case of a finding: its note came from elsewhere and may be of any length.
const MOST_OF_A_CASE: usize = 200;

#[derive(Template)]
#[template(path = "report.md")]
struct Summary {
    verdict: &'static str,
    name: String,
    sentence: String,
    question: String,
    load: String,
    /// Every limit and every promise that was not kept: what it is, its verdict, what was measured.
    limits: Vec<(String, &'static str, String)>,
    /// How many promises were kept.
    kept: usize,
    several: bool,
    percentiles: [f64; 5],
    promise: String,
    latencies: Vec<Latency>,
    runs: Vec<Part>,
    environment: Vec<(&'static str, String)>,
}

/// What there is to say of each run.
struct Part {
    mode: &'static str,
    accounts: Accounts,
    disturbed: usize,
    seconds: usize,
    /// How many times the relay's median and p95 the server's are.
    floor: Option<String>,
    findings: Vec<Finding>,
    /// What broke, a sentence each.
    broke: Vec<String>,
    fates: Option<String>,
}

struct Finding {
    title: String,
    count: String,
    examples: Vec<String>,
}

/// The whole text.
pub(super) fn render(report: &Report) -> Result<String, RenderError> {
    let (limits, kept) = report.runs.last().map_or_else(Default::default, limits);
    let environment = statements::environment(report).into_iter();
    let summary = Summary {
        verdict: report.verdict.name(),
        name: escaped(&report.scenario.name),
        sentence: escaped(&headline(report)?.join(" ")),
        question: escaped(&report.scenario.question),
        load: statements::load(report),
        limits,
        kept,
        several: report.runs.len() > 1,
        percentiles: PERCENTILES,
        promise: limit(PROMISE),
        latencies: latencies(report),
        runs: report.runs.iter().map(|run| part(report, run)).collect(),
        environment: environment
            .map(|(name, value)| (name, escaped(&value)))
            .collect(),
    };
    Ok(cut(summary.render()? + "\n"))
}

fn limits(run: &Run) -> (Vec<(String, &'static str, String)>, usize) {
    let thresholds = run.judgement.thresholds.iter();
    let mut rows: Vec<_> = thresholds
        .map(|judged| {
            let verdict = statements::verdict(run, judged).name();
            (
                escaped(&judged.threshold),
                verdict,
                escaped(&judged.measured),
            )
        })
        .collect();
    let mut kept = 0;
    for (check, outcome) in statements::checks(run) {
        let title = escaped(check.title());
        match outcome {
            Outcome::Kept => kept += 1,
            Outcome::Broken(finding) => rows.push((title, "FAIL", count(finding.count))),
            Outcome::NotMade(why) => rows.push((title, "not checked", why.to_owned())),
        }
    }
    (rows, kept)
}

fn part(report: &Report, run: &Run) -> Part {
    let example = |example| escaped(&short(&statements::example(example)));
    let findings = run.findings.iter();
    Part {
        mode: run.mode(),
        accounts: statements::accounts(report, run),
        disturbed: seconds::disturbed(run),
        seconds: run.windows.len(),
        floor: run.floor.as_ref().map(floor::sentence),
        broke: faults::sentences(run)
            .iter()
            .map(|sentence| escaped(&short(sentence)))
            .collect(),
        fates: faults::fates(run),
        findings: findings
            .map(|finding| Finding {
                title: escaped(finding.check.title()),
                count: count(finding.count),
                examples: finding.examples.iter().map(example).collect(),
            })
            .collect(),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_OF_A_CASE) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text that Markdown takes for text, in one line: what a server sends must neither make tables, links and tags nor
/// call people by name.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

fn cut(text: String) -> String {
    if text.len() <= MOST_BYTES {
        return text;
    }
    let mut kept = String::with_capacity(MOST_BYTES);
    for line in text.split_inclusive('\n') {
        if kept.len() + line.len() > MOST_BYTES {
            break;
        }
        kept.push_str(line);
    }
    kept + "\nThe rest is left out here; the page and the JSON have all of it.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_text() {
        assert_eq!(
            escaped("<b>|`@you`\n[x](y)"),
            "&lt;b&gt;\\|\\`&#64;you\\` \\[x\\](y)"
        );
    }

    #[test]
    fn a_long_text_is_cut_between_lines_with_a_word_on_it() {
        let text = cut("0123456789\n".repeat(10_000));
        assert!(text.len() < 65_536);
        assert!(
            text.ends_with(
                "9\n\nThe rest is left out here; the page and the JSON have all of it.\n"
            )
        );
    }
}
