//! The text formats: a snapshot of each for each result, and what must hold of them beside looking as before.

use std::collections::BTreeMap;

use hdrhistogram::{
    Histogram,
    serialization::interval_log::{IntervalLogIterator, LogEntry},
};
use loadgen::{
    model::{Metric, histogram},
    report::{Choice, Format, live::View},
    result::Document,
};

use crate::fixtures;

fn rendered(document: &Document, format: Format) -> String {
    format.render(document, Choice::default()).unwrap()
}

fn snapshots(format: Format) {
    for (name, document) in fixtures::all() {
        insta::assert_snapshot!(
            format!("{}-{name}", format.extension()),
            rendered(document, format)
        );
    }
}

#[test]
fn terminal() {
    snapshots(Format::Terminal);
}

/// Of a terminal of 80 columns, as of a file.
#[test]
fn narrow() {
    for (name, document) in fixtures::all() {
        insta::assert_snapshot!(format!("narrow-{name}"), on_a_terminal(document, 80, false));
    }
}

fn on_a_terminal(document: &Document, width: usize, all: bool) -> String {
    let choice = Choice {
        width: Some(width),
        all,
        ..Choice::default()
    };
    Format::Terminal.render(document, choice).unwrap()
}

#[test]
fn nothing_is_wider_than_the_terminal_and_no_row_is_wrapped() {
    let sick = Document::of(&fixtures::sick()).unwrap();
    let all = fixtures::all().iter().map(|(_, document)| document);
    for document in all.chain([&sick]) {
        for (width, every) in [(80, false), (80, true), (100, true), (132, true)] {
            let text = on_a_terminal(document, width, every);
            for line in text.lines() {
                // What is shown of a finding came off the wire, as it is.
                let is_case = line.starts_with("  message ") || line.contains("<script>");
                assert!(line.chars().count() <= width || is_case, "{width}: {line}");
                assert_eq!(line, line.trim_end());
            }
            // A row of a table has a number in each column: as many rows as metrics.
            let rows = text
                .lines()
                .filter(|line| line.starts_with("delivery latency "));
            let several = document.report().runs.len() > 1;
            assert_eq!(rows.count(), if several { 2 } else { 1 }, "{text}");
        }
    }
}

#[test]
fn a_share_within_is_shown_of_metrics_that_one_is_promised_of() {
    let document = fixtures::named("pass");
    let text = on_a_terminal(document, 200, true);
    assert!(text.contains("within 5 ms\n"), "{text}");
    let table = text.lines().skip_while(|line| !line.starts_with("metric "));
    let mut rows = table.skip(1).take_while(|line| !line.is_empty());
    for mode in ["persist-first", "optimistic"] {
        let row = rows.next().unwrap();
        assert!(row.contains(mode) && row.ends_with('%'), "{row}");
    }
    assert!(rows.all(|row| !row.contains('%')), "{text}");
    let mut report = document.report().clone();
    for run in &mut report.runs {
        run.judgement
            .thresholds
            .retain(|one| !one.threshold.contains("within"));
    }
    let text = on_a_terminal(&Document::of(&report).unwrap(), 200, true);
    let mut heads = text.lines().filter(|line| line.starts_with("metric "));
    assert!(heads.all(|head| head.ends_with("max")), "{text}");
}

#[test]
fn the_text_ends_with_each_limit_its_value_and_its_verdict() {
    for (name, mark, verdict) in [
        ("pass", "✓", "PASS"),
        ("fail", "✗", "FAIL"),
        ("inconclusive", "?", "INCONCLUSIVE"),
        ("invalid", "!", "INVALID"),
    ] {
        let document = fixtures::named(name);
        let text = on_a_terminal(document, 1_000, false);
        let (_, ending) = text.trim_end().rsplit_once("\n\n").unwrap();
        let run = document.report().runs.last().unwrap();
        for judged in &run.judgement.thresholds {
            let line = ending
                .lines()
                .find(|line| line.contains(&judged.threshold))
                .unwrap_or_else(|| panic!("{}: {ending}", judged.threshold));
            assert!(!line.ends_with(&judged.threshold), "no value: {line}");
        }
        let told = format!("  {mark} {verdict} ");
        assert!(
            ending.contains(&told) || name == "invalid",
            "{told}: {ending}"
        );
        let last = ending.lines().last().unwrap();
        let scenario = &document.report().scenario.name;
        assert!(
            last.starts_with(&format!("{verdict} {scenario}: ")),
            "{last}"
        );
    }
}

/// Where the whole run is INVALID, no limit on a time was shown to be kept, on whichever page.
#[test]
fn the_live_page_gives_limits_the_verdicts_of_all_other_formats() {
    for (name, document) in fixtures::all() {
        let report = document.report();
        let mut view = View::new(BTreeMap::new());
        view.finished(report).unwrap();
        let live = view.state().unwrap();
        let markdown = rendered(document, Format::Markdown);
        for judged in &report.runs.last().unwrap().judgement.thresholds {
            let first = |text: &str, sign: &str, threshold: &str| {
                let threshold = threshold.replace('>', sign);
                let (_, row) = text.split_once(&threshold).unwrap();
                let known = ["INCONCLUSIVE", "INVALID", "PASS", "FAIL"].into_iter();
                let places = known.filter_map(|one| Some((row.find(one)?, one)));
                places.min().map(|(_, verdict)| verdict)
            };
            let threshold = judged.threshold.replace('<', "&#60;");
            let live = first(&live, "&#62;", &threshold);
            let threshold = judged.threshold.replace('_', "\\_").replace('<', "&lt;");
            let markdown = first(&markdown, "&gt;", &threshold);
            assert_eq!(live, markdown, "{name}: {}", judged.threshold);
        }
        if *name == "invalid" {
            assert!(live.contains("INVALID") && live.contains("PASS"), "{live}");
        }
    }
}

#[test]
fn colours_are_where_somebody_looks() {
    let choice = Choice {
        colour: true,
        ..Choice::default()
    };
    let document = fixtures::named("fail");
    let text = Format::Terminal.render(document, choice).unwrap();
    assert!(text.contains("\u{1b}[1;31m✗\u{1b}[0m FAIL "), "{text}");
    let plain = rendered(document, Format::Terminal);
    assert!(!plain.contains('\u{1b}'));
}

#[test]
fn markdown() {
    snapshots(Format::Markdown);
}

#[test]
fn junit() {
    snapshots(Format::Junit);
}

#[test]
fn openmetrics() {
    snapshots(Format::Openmetrics);
}

/// Other heads, the same samples.
#[test]
fn prometheus_older_text_has_the_samples_of_openmetrics_and_nothing_that_is_newer() {
    for (name, document) in fixtures::all() {
        let (old, new) = (
            rendered(document, Format::Prometheus),
            rendered(document, Format::Openmetrics),
        );
        let samples = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(samples(&old), samples(&new), "{name}");
        let heads: Vec<&str> = old.lines().filter(|line| line.starts_with('#')).collect();
        for pair in heads.chunks(2) {
            let family = pair[0].strip_prefix("# HELP ").unwrap().split(' ').next();
            let mut words = pair[1].strip_prefix("# TYPE ").unwrap().split(' ');
            assert_eq!(words.next(), family, "{name}: {pair:?}");
            assert!(
                matches!(words.next(), Some("gauge" | "histogram")),
                "{pair:?}"
            );
        }
        assert!(old.contains("# TYPE loadgen_run_info gauge\n"), "{old}");
    }
}

#[test]
fn benchmark() {
    snapshots(Format::Benchmark);
}

#[test]
fn csv() {
    snapshots(Format::Csv);
}

#[test]
fn hgrm() {
    snapshots(Format::Hgrm);
}

#[test]
fn every_format_is_the_same_again_byte_for_byte() {
    for (name, document) in fixtures::all() {
        let again = Document::parse(document.text().to_owned()).unwrap();
        for format in <Format as clap::ValueEnum>::value_variants() {
            assert!(
                rendered(document, *format) == rendered(&again, *format),
                "{name} as {format:?}"
            );
        }
    }
}

/// The histograms of a log, summed by tag.
fn logged(log: &str, tag: &str) -> Histogram<u64> {
    let mut sum = histogram::decode("").unwrap();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        let LogEntry::Interval(interval) = entry.unwrap() else {
            continue;
        };
        if interval.tag().map(|tag| tag.as_str()) == Some(tag) {
            sum.add(histogram::decode(interval.encoded_histogram()).unwrap())
                .unwrap();
        }
    }
    sum
}

#[test]
fn the_log_holds_every_metric_whole_under_its_tag() {
    for (name, document) in fixtures::all() {
        let log = rendered(document, Format::Hlog);
        let runs = &document.report().runs;
        for (index, run) in runs.iter().enumerate() {
            for result in &run.metrics {
                let key = result.metric.definition().key;
                let tag = match index + 1 < runs.len() {
                    true => format!("{}.{key}", run.delivery.name()),
                    false => key.to_owned(),
                };
                let whole = histogram::decode(&result.histogram).unwrap();
                assert_eq!(logged(&log, &tag), whole, "{name}: {tag}");
            }
        }
        // The deliveries by second, so that a reader can draw them over time.
        let seconds = log.lines().filter(|line| line.starts_with("Tag=delivery,"));
        assert_eq!(seconds.count(), runs.last().unwrap().windows.len());
    }
}

#[test]
fn a_result_without_histograms_of_seconds_is_logged_whole() {
    let old = Document::parse(include_str!("version-1.json").to_owned()).unwrap();
    let log = rendered(&old, Format::Hlog);
    assert_eq!(logged(&log, "delivery").len(), 816);
    // And every other format can be made of it, too.
    for format in <Format as clap::ValueEnum>::value_variants() {
        rendered(&old, *format);
    }
}

#[test]
fn the_distribution_ends_with_all_samples() {
    let document = fixtures::named("pass");
    let text = rendered(document, Format::Hgrm);
    let lines: Vec<Vec<f64>> = text
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with('#'))
        .map(|line| {
            line.split_whitespace()
                .map(|n| n.parse().unwrap())
                .collect()
        })
        .collect();
    let delivery = &document.report().runs[1].metrics[0];
    let last = lines.last().unwrap();
    assert_eq!(last[1], 1.0);
    assert_eq!(last[2], delivery.n as f64);
    for pair in lines.windows(2) {
        assert!(pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]);
    }
    for line in &lines[..lines.len() - 1] {
        assert_eq!(line.len(), 4);
    }
}

#[test]
fn the_distribution_of_a_metric_without_samples_is_an_error() {
    let document = fixtures::named("inconclusive");
    let choice = Choice {
        metric: Metric::ServerSave,
        ..Choice::default()
    };
    let error = Format::Hgrm.render(document, choice).unwrap_err();
    assert!(error.to_string().contains("server_save"), "{error}");
}

#[test]
fn the_bucket_of_the_promise_is_the_exact_count() {
    let document = fixtures::named("pass");
    let text = rendered(document, Format::Openmetrics);
    let line = text
        .lines()
        .find(|line| {
            line.starts_with("loadgen_delivery_seconds_bucket")
                && line.contains("delivery=\"optimistic\"")
                && line.contains("le=\"0.005\"")
        })
        .unwrap();
    let exact = document.report().runs[1].metrics[0].within[0].count;
    assert!(line.ends_with(&format!(" {exact}")), "{line}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_long_result_still_fits_a_comment() {
    let mut report = fixtures::fail();
    let finding = &mut report.runs[0].findings[2];
    finding.examples[0].note = Some("x|".repeat(10_000));
    finding.examples = vec![finding.examples[0].clone(); 2_000];
    let document = Document::of(&report).unwrap();
    assert!(rendered(&document, Format::Markdown).len() < 65_536);
}
