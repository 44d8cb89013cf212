//! The words and numbers of the page, row by row.

use crate::{
    judge::{Judged, Reason, Verdict},
    model::numbers::{bytes, count},
    report::{
        floor,
        limits::{self, OF_ALL},
        seconds,
        statements::{self, Outcome},
    },
    result::{Report, Run},
};

/// A limit or a promise and how it came out.
pub(super) struct Limit {
    pub name: String,
    pub class: &'static str,
    pub verdict: &'static str,
    pub measured: String,
}

/// A broken promise with its cases.
pub(super) struct Finding {
    pub title: String,
    pub examples: Vec<String>,
}

/// The reasons that neither the sentence nor a table right beneath it tells.
pub(super) fn further(report: &Report) -> &[Reason] {
    let told = match report.verdict {
        Verdict::Pass => report.reasons.len(),
        Verdict::Fail => report
            .runs
            .last()
            .map_or(0, |run| run.findings.len())
            .max(1),
        // The weightiest of them, whatever was found besides.
        Verdict::Inconclusive | Verdict::Invalid => 1,
    };
    report.reasons.get(told..).unwrap_or_default()
}

/// Which seconds the numbers are of.
pub(super) fn left_out(run: &Run) -> Option<String> {
    let (disturbed, all) = (seconds::disturbed(run), run.windows.len());
    if disturbed == 0 {
        return None;
    }
    let limits = || run.judgement.thresholds.iter();
    let is_kept = |judged: &Judged| statements::verdict(run, judged) == Verdict::Pass;
    let with_them: Vec<&Judged> = limits()
        .filter(|judged| !limits::is_on_a_count(judged) && limits::left_out(run, judged) == 0)
        .collect();
    let what = match seconds::left_out(run) {
        0 if limits().any(|judged| judged.measured.contains(OF_ALL)) => {
            "Too few are left to judge by, and all numbers are of all of them"
        }
        0 if limits().all(is_kept) => "The limits were kept with them, so that nothing is left out",
        0 => "No limit rests on fewer seconds for that: nothing is left out",
        _ if disturbed == all => "None is left to judge by, and the times above are of all of them",
        _ if with_them.is_empty() => {
            "The verdict and the times above leave them out; charts and tables show all seconds"
        }
        _ if with_them.into_iter().all(is_kept) => {
            "Limits that were kept with them are over all their seconds, the others leave them out; charts and tables show all \
             seconds"
        }
        _ => {
            "Some limits are over all their seconds, the others leave them out; charts and tables show all seconds"
        }
    };
    Some(format!(
        "{disturbed} of {all} seconds were disturbed: something outside held the run up. {what}."
    ))
}

/// The scenario's own conditions.
pub(super) fn limits(run: &Run) -> Vec<Limit> {
    let thresholds = run.judgement.thresholds.iter();
    thresholds
        .map(|judged| {
            let verdict = statements::verdict(run, judged).name();
            Limit {
                name: judged.threshold.clone(),
                class: verdict,
                verdict,
                measured: judged.measured.clone(),
            }
        })
        .collect()
}

/// The promises that were broken or not checked, and the titles of those that were kept.
pub(super) fn promises(run: &Run) -> (Vec<Limit>, Vec<&'static str>) {
    let (mut told, mut kept) = (Vec::new(), Vec::new());
    for (check, outcome) in statements::checks(run) {
        let (class, verdict, measured) = match outcome {
            Outcome::Kept => {
                kept.push(check.title());
                continue;
            }
            Outcome::Broken(finding) => {
                let cases = if finding.count == 1 { "case" } else { "cases" };
                ("FAIL", "FAIL", format!("{} {cases}", count(finding.count)))
            }
            Outcome::NotMade(why) => ("INCONCLUSIVE", "not checked", why.to_owned()),
        };
        told.push(Limit {
            name: check.title().to_owned(),
            class,
            verdict,
            measured,
        });
    }
    (told, kept)
}

/// Every finding with its cases, those of one cause together, and of several runs whose it is.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let of_run = |(whose, run): (String, &Run)| {
        let findings = run.findings.iter();
        let findings = findings.map(|finding| {
            let mut examples: Vec<_> = finding.examples.iter().collect();
            examples.sort_by_key(|example| (&example.note, example.message));
            let (title, count) = (finding.check.title(), count(finding.count));
            Finding {
                title: format!("{whose}{title}: {count}"),
                examples: examples.into_iter().map(statements::example).collect(),
            }
        });
        findings.collect::<Vec<_>>()
    };
    statements::whose(report)
        .into_iter()
        .flat_map(of_run)
        .collect()
}

/// What became of all messages and deliveries of each run.
pub(super) fn accounts(report: &Report) -> Vec<(String, String)> {
    let several = report.runs.len() > 1;
    let of_run = |run: &Run| {
        let accounts = statements::accounts(report, run);
        let named = |name: &str| match several {
            true => format!("{name}, {}", run.mode()),
            false => name.to_owned(),
        };
        [
            (named("messages"), accounts.messages),
            (named("deliveries to others"), accounts.deliveries),
            (named("store"), accounts.store),
        ]
    };
    report.runs.iter().flat_map(of_run).collect()
}

/// What speaks for and against the generator.
pub(super) fn generator(run: &Run) -> Vec<(&'static str, String)> {
    let generator = &run.generator;
    let per_message = |cpu_seconds: f64| match run.totals.sent {
        0 => "-".to_owned(),
        sent => format!(
            "{:.3} ms for each message, {cpu_seconds:.2} s in all",
            cpu_seconds * 1e3 / sent as f64
        ),
    };
    let mut rows = vec![
        ("connecting", statements::connected(run)),
        (
            "workers",
            format!(
                "{}, {} over {}",
                generator.workers, generator.client, generator.transport
            ),
        ),
        ("generator CPU", per_message(generator.cpu_seconds)),
        (
            "generator memory",
            format!(
                "{} before connecting, {} with everybody connected, {} at the end",
                bytes(generator.resident_before),
                bytes(generator.resident_connected),
                bytes(generator.resident_end)
            ),
        ),
    ];
    if let Some(each) = generator.bytes_per_connection() {
        rows.push(("for each connection", bytes(each)));
    }
    if let Some(server) = &run.server {
        rows.push(("server CPU", per_message(server.cpu_seconds)));
        rows.push((
            "server memory",
            format!("{} at the end", bytes(server.resident)),
        ));
    }
    rows.push((
        "disturbed seconds",
        format!("{} of {}", seconds::disturbed(run), run.windows.len()),
    ));
    rows.push(("impossible samples", count(run.impossible_samples)));
    if run.unread > 0 {
        rows.push((
            "deliveries to members that did not read",
            format!("{}, left out of the latencies", count(run.unread)),
        ));
    }
    if let Some(floor) = &run.floor {
        rows.push((
            "the floor: the same load over a bare relay",
            floor::sentence(floor),
        ));
    }
    rows
}
