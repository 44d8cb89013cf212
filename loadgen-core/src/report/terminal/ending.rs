//! What a result ends with on a terminal, where one looks: each limit with its value and its verdict, the promises, and
//! the verdict.

use super::{Choice, paint, sentences, statements};
use crate::{
    judge::Verdict,
    model::{HistogramError, numbers::count},
    report::{
        limits::{Held, limits},
        statements::Outcome,
    },
    result::{Report, Run},
};

/// A verdict as one character.
pub(super) const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Fail => "✗",
        Verdict::Inconclusive => "?",
        Verdict::Invalid => "!",
    }
}

/// Limits, promises, and the verdict with the first sentence of the headline.
///
/// # Errors
/// When a histogram can't be read.
pub(super) fn ending(
    report: &Report,
    headline: &[String],
    choice: Choice,
) -> Result<String, HistogramError> {
    let mut lines = Vec::new();
    if let Some(run) = report.runs.last() {
        lines.extend(limits(run)?.iter().map(limit));
        lines.extend(promises(run));
    }
    let lines = lines.into_iter().map(|(verdict, text)| {
        let mark = mark(verdict);
        let text = format!("{} {text}", verdict.name());
        let line = sentences(&[(mark, text)], true, choice.width);
        line.replacen(mark, &paint(mark, verdict, choice.colour), 1)
    });
    let verdict = super::verdict(report, headline, choice);
    let lines: Vec<String> = lines.chain([verdict]).collect();
    Ok(lines.join("\n"))
}

/// A limit as it is written, and what was measured.
fn limit(held: &Held<'_>) -> (Verdict, String) {
    let (threshold, measured) = (&held.judged.threshold, held.measured());
    (held.verdict(), format!("{threshold}: {measured}"))
}

/// The promises that hold in every scenario: those that were broken, each; of the others, how many.
fn promises(run: &Run) -> Vec<(Verdict, String)> {
    let mut lines = Vec::new();
    let (mut kept, mut not_made) = (0, 0);
    for (check, outcome) in statements::checks(run) {
        match outcome {
            Outcome::Kept => kept += 1,
            Outcome::NotMade(_) => not_made += 1,
            Outcome::Broken(finding) => {
                let (title, count) = (check.title(), count(finding.count));
                lines.push((Verdict::Fail, format!("{title}: {count}")));
            }
        }
    }
    let not_made = match not_made {
        0 => String::new(),
        not_made => format!(", {not_made} could not be checked"),
    };
    let further = if lines.is_empty() { "" } else { " other" };
    lines.push((
        Verdict::Pass,
        format!("{kept}{further} promises kept{not_made}"),
    ));
    lines
}
