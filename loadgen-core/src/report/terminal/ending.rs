//! What a result ends with on a terminal, where one looks: each limit with its value and its verdict, the promises, and
//! the verdict.

use super::{paint, sentences, statements};
use crate::{
    judge::{Judged, Verdict},
    model::numbers::count,
    report::{Choice, statements::Outcome},
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

/// Limits, promises, and the verdict.
pub(super) fn ending(report: &Report, choice: Choice) -> String {
    let mut lines = Vec::new();
    if let Some(run) = report.runs.last() {
        let limits = run.judgement.thresholds.iter();
        lines.extend(limits.map(|judged| limit(run, judged)));
        lines.extend(promises(run));
    }
    let lines = lines.into_iter().map(|(verdict, text)| {
        let mark = mark(verdict);
        let line = sentences(&[(mark, text)], true, choice.width);
        line.replacen(mark, &paint(mark, verdict, choice.colour), 1)
    });
    let verdict = paint(report.verdict.name(), report.verdict, choice.colour);
    let last = format!("{verdict} {}", report.scenario.name);
    let lines: Vec<String> = lines.chain([last]).collect();
    lines.join("\n")
}

/// A limit as it is written, what was measured, and the verdict on it where that is not the mark's plain meaning.
fn limit(run: &Run, judged: &Judged) -> (Verdict, String) {
    let verdict = statements::verdict(run, judged);
    let (threshold, value) = (&judged.threshold, value(judged));
    (verdict, format!("{} {threshold}: {value}", verdict.name()))
}

/// What was measured, without how sure it is: that stands above.
fn value(judged: &Judged) -> &str {
    let end = judged.measured.find([';', '(']);
    let value = end.map_or(&*judged.measured, |end| &judged.measured[..end]);
    value.trim_end()
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
                lines.push((Verdict::Fail, format!("FAIL {title}: {count}")));
            }
        }
    }
    let not_made = match not_made {
        0 => String::new(),
        not_made => format!(", {not_made} could not be checked"),
    };
    let further = if lines.is_empty() { "" } else { " others" };
    lines.push((
        Verdict::Pass,
        format!("PASS {kept}{further} promises kept{not_made}"),
    ));
    lines
}
