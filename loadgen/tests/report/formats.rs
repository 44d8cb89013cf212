//! The text formats: a snapshot of each for each result, and what must hold of them beside looking as before.

use hdrhistogram::{
    Histogram,
    serialization::interval_log::{IntervalLogIterator, LogEntry},
};
use loadgen::{
    model::{Metric, histogram},
    report::{Choice, Format},
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
