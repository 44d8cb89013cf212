//! The result as Markdown, for a job's summary or a comment on a pull request.

use std::fmt::Write as _;

use super::statements::{self, Outcome};
use crate::{
    model::{
        metric::Metric,
        numbers::{count, duration, limit},
    },
    observed::recorder::PROMISE,
    result::{PERCENTILES, Report, Run},
};

/// A comment on GitHub takes 65,536 characters; what is longer is cut, with a word on it.
const MOST_BYTES: usize = 60_000;
/// Of a note that came from elsewhere.
const MOST_OF_A_NOTE: usize = 200;

/// The whole text.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String can't fail, here and below.
    let _ = writeln!(
        text,
        "## {}: {}\n\n**{}**\n\n{} {}.\n",
        report.verdict.name(),
        escaped(&report.scenario.name),
        escaped(&statements::sentence(report)),
        escaped(&report.scenario.question),
        statements::load(report),
    );
    if let Some(run) = report.runs.last() {
        limits(&mut text, run);
    }
    latencies(&mut text, report);
    for run in &report.runs {
        counts(&mut text, run);
        findings(&mut text, run);
    }
    environment(&mut text, report);
    cut(text)
}

fn limits(text: &mut String, run: &Run) {
    let _ = writeln!(
        text,
        "| limit or check | verdict | measured |\n|---|---|---|"
    );
    for judged in &run.judgement.thresholds {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            escaped(&judged.threshold),
            statements::verdict(run, judged).name(),
            escaped(&judged.measured)
        );
    }
    let checks = statements::checks(run);
    let kept = checks
        .iter()
        .filter(|(_, outcome)| *outcome == Outcome::Kept)
        .count();
    for (check, outcome) in &checks {
        match outcome {
            Outcome::Kept => {}
            Outcome::Broken(finding) => {
                let _ = writeln!(
                    text,
                    "| {} | FAIL | {} |",
                    escaped(check.title()),
                    count(finding.count)
                );
            }
            Outcome::NotMade(why) => {
                let _ = writeln!(text, "| {} | not checked | {why} |", escaped(check.title()));
            }
        }
    }
    let _ = writeln!(text, "| {kept} other promises | kept | |\n");
}

fn latencies(text: &mut String, report: &Report) {
    let several = report.runs.len() > 1;
    let mut header = String::from("| metric |");
    let mut line = String::from("|---|");
    if several {
        header.push_str(" delivery |");
        line.push_str("---|");
    }
    header.push_str(" n |");
    line.push_str("--:|");
    for percentile in PERCENTILES {
        let _ = write!(header, " p{percentile} |");
        line.push_str("--:|");
    }
    let _ = writeln!(
        text,
        "{header} max | within {} |\n{line}--:|--:|",
        limit(PROMISE)
    );
    for metric in Metric::ALL {
        for run in &report.runs {
            let Some(result) = statements::sampled(run, metric) else {
                continue;
            };
            let _ = write!(text, "| {} |", metric.definition().title);
            if several {
                let _ = write!(text, " {} |", run.delivery.name());
            }
            let _ = write!(text, " {} |", count(result.n));
            for percentile in PERCENTILES {
                let _ = write!(text, " {} |", statements::percentile(result, percentile));
            }
            let _ = writeln!(
                text,
                " {} | {} |",
                result.max.map_or_else(|| "-".into(), duration),
                statements::within(result, PROMISE).unwrap_or_else(|| "-".into()),
            );
        }
    }
    text.push('\n');
}

fn counts(text: &mut String, run: &Run) {
    let totals = &run.totals;
    let _ = writeln!(
        text,
        "{} delivery: {} messages sent, {} dropped; {} deliveries expected, {} delivered, {} lost, {} duplicated; {} confirmed, {} failed, {}. {} of {} seconds disturbed.\n",
        run.delivery.name(),
        count(totals.sent),
        count(totals.dropped),
        count(totals.expected),
        count(totals.delivered),
        count(totals.lost),
        count(totals.duplicated),
        count(totals.confirmed),
        count(totals.failed),
        match totals.stored {
            Some(stored) => format!("{} of the confirmed found in the store", count(stored)),
            None => "not looked up in the store".into(),
        },
        statements::disturbed(run),
        run.windows.len(),
    );
    if let Some(floor) = &run.floor {
        let times = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |r| format!("{r:.2}"));
        let _ = writeln!(
            text,
            "Against the floor (the same load over a bare relay): p50 {} times, p95 {} times.\n",
            times(floor.ratio_p50),
            times(floor.ratio_p95),
        );
    }
}

fn findings(text: &mut String, run: &Run) {
    for finding in &run.findings {
        let _ = writeln!(
            text,
            "<details><summary>{} ({})</summary>\n",
            escaped(finding.check.title()),
            count(finding.count)
        );
        for example in &finding.examples {
            let _ = writeln!(text, "- {}", escaped(&short(&statements::example(example))));
        }
        let _ = writeln!(text, "\n</details>\n");
    }
}

fn environment(text: &mut String, report: &Report) {
    let _ = writeln!(
        text,
        "<details><summary>Where it was measured</summary>\n\n| | |\n|---|---|"
    );
    for (name, value) in statements::environment(report) {
        let _ = writeln!(text, "| {name} | {} |", escaped(&value));
    }
    let _ = writeln!(text, "\n</details>");
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_OF_A_NOTE) {
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
