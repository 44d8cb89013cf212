//! The result as JUnit XML: every limit and every check is a test case, and the verdict is one where no other case tells it.
//!
//! FAIL is a failure, INVALID an error, INCONCLUSIVE skipped with its reason. It follows the schema of Ant's JUnit task, but
//! for the cases' `file`, which GitLab and CircleCI read.

use askama::Template;

use super::{
    RenderError,
    answer::headline,
    statements::{self, Outcome},
};
use crate::{
    judge::{Judged, Reason, Verdict},
    result::{Report, Run},
};

#[derive(Template)]
#[template(path = "junit.xml")]
pub(crate) struct Suite {
    pub(crate) name: String,
    /// RFC 3339 without its fraction and its zone, as the schema wants it.
    pub(crate) timestamp: String,
    /// How long it took, seconds.
    pub(crate) seconds: f64,
    /// The scenario's file.
    pub(crate) file: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) cases: Vec<Case>,
    pub(crate) sentence: String,
}

pub(crate) struct Case {
    pub(crate) class: String,
    pub(crate) name: String,
    /// `None`: passed.
    pub(crate) outcome: Option<Wrong>,
}

/// How a case did not pass.
pub(crate) struct Wrong {
    element: &'static str,
    kind: &'static str,
    message: String,
    detail: String,
}

impl Suite {
    /// How long it took, as the schema wants it.
    fn time(&self) -> String {
        format!("{:.3}", self.seconds)
    }

    /// Its part for each case: all of them were looked at all the time, and readers add up.
    fn part(&self) -> String {
        format!("{:.3}", self.seconds / self.cases.len().max(1) as f64)
    }

    fn count(&self, element: &str) -> usize {
        let wrong = self.cases.iter().filter_map(|case| case.outcome.as_ref());
        wrong.filter(|wrong| wrong.element == element).count()
    }
}

/// The whole file.
pub(super) fn render(report: &Report) -> Result<String, RenderError> {
    let name = legal(&report.scenario.name);
    let headline = headline(report)?.join(" ");
    let cases = report
        .runs
        .last()
        .map_or_else(Vec::new, |run| cases(report, run));
    let cases = with_whole(
        cases,
        Case {
            class: legal(&format!("{}.verdict", report.scenario.name)),
            name: "the run as a whole".into(),
            outcome: whole(report, &headline),
        },
    );
    let suite = Suite {
        // Without its fraction and its zone, as the schema wants it.
        timestamp: report.started.chars().take(19).collect(),
        seconds: seconds(&report.started, &report.ended),
        file: legal(&report.scenario.file),
        properties: properties(report),
        cases,
        sentence: legal(&format!("{}: {}", report.verdict.name(), headline)),
        name,
    };
    Ok(suite.render()? + "\n")
}

/// The account of the run, and where it was measured.
fn properties(report: &Report) -> Vec<(String, String)> {
    let counts = report.runs.last().map_or_else(Vec::new, |run| {
        let messages = statements::messages(run).into_iter();
        let messages = messages.map(|one| (format!("messages {}", one.words), one.count));
        let deliveries = statements::deliveries(report, run).into_iter();
        let deliveries = deliveries.map(|one| (format!("deliveries {}", one.words), one.count));
        messages.chain(deliveries).collect()
    });
    let counts = counts
        .into_iter()
        .map(|(name, count)| (name, count.to_string()));
    let environment = statements::environment(report).into_iter();
    let environment = environment.map(|(name, value)| (name.to_owned(), legal(&value)));
    let verdict = ("verdict".to_owned(), report.verdict.name().to_owned());
    [verdict]
        .into_iter()
        .chain(counts)
        .chain(environment)
        .collect()
}

/// From one time to another, both RFC 3339, in seconds.
pub(crate) fn seconds(started: &str, ended: &str) -> f64 {
    let at = |text: &str| humantime::parse_rfc3339(text).ok();
    let passed = at(started)
        .zip(at(ended))
        .and_then(|(started, ended)| ended.duration_since(started).ok());
    passed.unwrap_or_default().as_secs_f64()
}

/// The cases, and before them the whole, unless one of them already says how it ended: what is counted twice makes one miss
/// look like two.
pub(crate) fn with_whole(mut cases: Vec<Case>, whole: Case) -> Vec<Case> {
    let element = |case: &Case| case.outcome.as_ref().map(|wrong| wrong.element);
    // A check that is not made is skipped in a PASS as well, and says nothing of how the whole ended.
    let is_not_made = |case: &Case| {
        let outcome = case.outcome.as_ref();
        outcome.is_some_and(|wrong| (wrong.element, wrong.kind) == ("skipped", "check"))
    };
    let told = match element(&whole) {
        None => !cases.is_empty(),
        ended => cases
            .iter()
            .any(|case| element(case) == ended && !is_not_made(case)),
    };
    if !told {
        cases.insert(0, whole);
    }
    cases
}

fn cases(report: &Report, run: &Run) -> Vec<Case> {
    let class = |part: &str| {
        let name = legal(&report.scenario.name);
        format!("{name}.{}.{part}", run.mode_key())
    };
    let limits = run.judgement.thresholds.iter().map(|judged| Case {
        class: class("limits"),
        name: legal(&judged.threshold),
        outcome: limit(run, judged),
    });
    let checks = statements::checks(run).into_iter();
    let checks = checks.map(|(check, outcome)| Case {
        class: class("checks"),
        name: format!("{}: none", check.title()),
        outcome: checked(outcome),
    });
    limits.chain(checks).collect()
}

/// How a case with that verdict did not pass; `None`: it did.
pub(crate) fn wrong(
    verdict: Verdict,
    kind: &'static str,
    message: &str,
    detail: String,
) -> Option<Wrong> {
    let element = match verdict {
        Verdict::Pass => return None,
        Verdict::Fail => "failure",
        Verdict::Inconclusive => "skipped",
        Verdict::Invalid => "error",
    };
    Some(Wrong {
        element,
        kind,
        message: legal(message),
        detail: legal(&detail),
    })
}

fn whole(report: &Report, headline: &str) -> Option<Wrong> {
    let sentences: Vec<String> = report.reasons.iter().map(Reason::to_string).collect();
    wrong(report.verdict, "verdict", headline, sentences.join("\n"))
}

fn limit(run: &Run, judged: &Judged) -> Option<Wrong> {
    let verdict = statements::verdict(run, judged);
    wrong(verdict, "limit", &judged.measured, String::new())
}

fn checked(outcome: Outcome<'_>) -> Option<Wrong> {
    match outcome {
        Outcome::Kept => None,
        Outcome::Broken(finding) => {
            let examples: Vec<String> = finding.examples.iter().map(statements::example).collect();
            let message = finding.check.counted(finding.count);
            wrong(Verdict::Fail, "check", &message, examples.join("\n"))
        }
        Outcome::NotMade(why) => wrong(Verdict::Inconclusive, "check", why, String::new()),
    }
}

/// Without the characters that XML can't hold, not even escaped: what a server sends may have any.
pub(crate) fn legal(text: &str) -> String {
    let is_legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars()
        .map(|c| if is_legal(c) { c } else { '\u{fffd}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_run_is_inconclusive_is_in_a_case_of_its_own_unless_a_limit_tells_it() {
        let case = |name: &str, kind, verdict| Case {
            class: "t".to_owned(),
            name: name.to_owned(),
            outcome: wrong(verdict, kind, "why", String::new()),
        };
        let whole = || case("whole", "verdict", Verdict::Inconclusive);
        let kept = || case("limit", "limit", Verdict::Pass);
        let not_made = || case("check", "check", Verdict::Inconclusive);
        let first = |cases| with_whole(cases, whole())[0].name.clone();
        // That a check was not made is so in a PASS as well.
        assert_eq!(first(vec![kept(), not_made()]), "whole");
        let open = case("limit", "limit", Verdict::Inconclusive);
        assert_eq!(first(vec![open, not_made()]), "limit");
    }
}
