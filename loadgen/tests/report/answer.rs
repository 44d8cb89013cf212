//! The answer to a scenario's question: in its own metric, with its floor, and the same in every format.

use std::{fs, path::Path};

use loadgen::{
    judge::{Judged, Verdict},
    model::{Metric, histogram},
    report::{Choice, Format, headline, publish},
    result::{Document, Report},
};

use crate::fixtures::{
    self,
    parts::{Samples, judged, result},
};

/// So many samples of so many nanoseconds.
pub fn alike(nanos: u64, n: u64) -> hdrhistogram::Histogram<u64> {
    let mut samples = histogram::empty();
    samples.saturating_record_n(nanos, n);
    samples
}

pub fn said(report: &Report) -> String {
    headline(report).unwrap()
}

/// A channel of 1,000, whose last member has each message after 20 ms, of which the machine takes 12.
pub fn hot_channel() -> Report {
    let mut report = fixtures::repeated(0, 1.0);
    report.scenario.messages = 600;
    report.scenario.deliveries = 600 * 999;
    report.scenario.asks = Some("delivery_slowest.p95".into());
    let run = &mut report.runs[0];
    for one in &mut run.metrics {
        if one.metric == Metric::DeliverySlowest {
            *one = result(Metric::DeliverySlowest, &alike(20_000_000, 600));
        }
    }
    let mut floor = fixtures::parts::floor(&run.metrics[0], &mut samples());
    floor.slowest = Some(result(Metric::DeliverySlowest, &alike(12_000_000, 200)));
    run.floor = Some(floor);
    run.judgement.thresholds = vec![
        judged("delivery.p50 < 50ms", Verdict::Pass, "330 µs"),
        judged(
            "delivery_slowest.p95 < 250ms",
            Verdict::Pass,
            "20.0 ms (n = 600)",
        ),
        judged("failed == 0", Verdict::Pass, "0"),
    ];
    report
}

fn samples() -> Samples {
    use rand::SeedableRng;
    Samples(rand_chacha::ChaCha8Rng::seed_from_u64(8))
}

#[test]
fn the_answer_is_in_the_metric_that_the_scenario_asks_with_its_floor() {
    let mut report = hot_channel();
    assert_eq!(
        said(&report),
        "The last of 999 had it after 20.0 ms (median; p95 20.0 ms, limit 250 ms); the machine alone accounts for 12.0 ms \
         (p95 12.0 ms) in the busiest seconds. Of 2,400 deliveries that were due, none was lost or doubled."
    );
    // Without a word on it, the first limit on a time or a share asks.
    report.scenario.asks = None;
    let first = said(&report);
    assert!(first.starts_with("A delivery took 3"), "{first}");
    assert!(
        first.contains("µs (median; limit 50 ms); the machine alone accounts for 11"),
        "{first}"
    );
    report.runs[0].judgement.thresholds.reverse();
    assert!(
        said(&report).starts_with("The last of 999"),
        "{}",
        said(&report)
    );
    // A floor of 9 messages has no p95, and one that is as slow is no part of it.
    let floor = report.runs[0].floor.as_mut().unwrap();
    floor.slowest = Some(result(Metric::DeliverySlowest, &alike(12_000_000, 9)));
    assert!(!said(&report).contains("machine"), "{}", said(&report));
    let floor = report.runs[0].floor.as_mut().unwrap();
    floor.slowest = Some(result(Metric::DeliverySlowest, &alike(21_000_000, 200)));
    let slow = "the machine alone takes as long (p95 21.0 ms)";
    assert!(said(&report).contains(slow), "{}", said(&report));
}

/// Who asks how long people wait to get in asks what the others notice, too.
#[test]
fn beside_a_wait_to_get_in_stands_how_long_a_message_takes() {
    let mut report = hot_channel();
    report.scenario.asks = Some("connect.p95".into());
    let run = &mut report.runs[0];
    run.metrics.retain(|one| one.metric != Metric::Connect);
    run.metrics
        .push(result(Metric::Connect, &alike(3_000_000, 600)));
    run.judgement.thresholds = vec![judged(
        "connect.p95 < 1s",
        Verdict::Pass,
        "3.00 ms (n = 600)",
    )];
    let told = said(&report);
    let both =
        "A user was connected after 3.00 ms (median; p95 3.00 ms, limit 1 s); a delivery took 3";
    assert!(told.starts_with(both), "{told}");
}

#[test]
fn a_delivery_across_servers_is_held_against_one_within_a_server() {
    let mut report = hot_channel();
    report.scenario.asks = Some("delivery_cross_node.p99".into());
    let run = &mut report.runs[0];
    for (metric, nanos) in [
        (Metric::DeliverySameNode, 1_000_000),
        (Metric::DeliveryCrossNode, 2_000_000),
    ] {
        run.metrics.retain(|one| one.metric != metric);
        run.metrics.push(result(metric, &alike(nanos, 2_000)));
    }
    run.judgement.thresholds = vec![judged(
        "delivery_cross_node.p99 < 20ms",
        Verdict::Pass,
        "2.00 ms (n = 2,000)",
    )];
    let told = said(&report);
    let both = "A delivery across servers took 2.00 ms (median; p99 2.00 ms, limit 20 ms); within a server 1.00 ms (median; \
                p99 1.00 ms)";
    assert!(told.starts_with(both), "{told}");
}

#[test]
fn of_a_baseline_the_ratio_is_the_answer_and_a_warning_stands_where_it_keeps_the_limit() {
    let mut report = fixtures::named("pass").report().clone();
    let told = said(&report);
    assert!(
        told.starts_with("With optimistic delivery a message arrives 5"),
        "{told}"
    );
    assert!(
        told.contains(
            " times sooner than with persist-first delivery (95 % interval of these two runs "
        ),
        "{told}"
    );
    assert!(
        told.contains(" at the median instead of 170 ms. 99."),
        "{told}"
    );
    assert!(!told.contains("But "), "{told}");
    // The same twice: no difference, and a limit that both keep.
    let mode = report.runs[0].delivery;
    report.runs[0] = report.runs[1].clone();
    report.runs[0].delivery = mode;
    let told = said(&report);
    assert!(
        told.contains("messages arrive alike, as far as these two runs can tell"),
        "{told}"
    );
    assert!(
        told.contains("But persist-first delivery keeps this limit too (99."),
        "{told}"
    );
    let warning = "limit 99 %): the limit does not tell the two apart. Of 13,244 deliveries";
    assert!(told.contains(warning), "{told}");
}

#[test]
fn what_is_no_pass_says_so_before_any_number() {
    for (name, first, then) in [
        (
            "fail",
            "The server broke its promise: 3 deliveries lost",
            "91.01 % of 30,003 deliveries",
        ),
        (
            "inconclusive",
            "Too little was measured to say: ",
            "So far: 90 deliveries are too few to tell how many come within 5 ms",
        ),
        (
            "invalid",
            "The machine or the generator, not the server",
            "Measured all the same: ",
        ),
    ] {
        let told = said(fixtures::named(name).report());
        assert!(told.starts_with(first), "{name}: {told}");
        assert!(told.contains(then), "{name}: {told}");
    }
    // A limit that was missed is the answer itself.
    let mut report = hot_channel();
    report.verdict = Verdict::Fail;
    let threshold = &mut report.runs[0].judgement.thresholds[1];
    threshold.verdict = Verdict::Fail;
    threshold.threshold = "delivery_slowest.p95 < 15ms".into();
    let told = said(&report);
    assert!(
        told.starts_with("The last of 999 had it after 20.0 ms (median; p95 20.0 ms, limit 15 ms)"),
        "{told}"
    );
    assert!(told.contains("A limit was missed: "), "{told}");
}

#[test]
fn what_never_came_is_no_fast_answer() {
    let mut report = fixtures::sick();
    report.scenario.asks = Some("delivery.p99".into());
    let limits = &mut report.runs[0].judgement.thresholds;
    limits.push(judged(
        "delivery.p99 < 5ms",
        Verdict::Fail,
        "4.1 ms (n = 28231, 2231 of them lost)",
    ));
    let told = said(&report);
    assert!(told.contains("(median; p99 never, limit 5 ms)"), "{told}");
}

/// Every subject that a threshold can have gives a sentence, with or without samples.
#[test]
fn every_limit_can_ask() {
    let mut report = fixtures::repeated(0, 1.0);
    let limits: Vec<Judged> = Metric::ALL
        .into_iter()
        .flat_map(|metric| {
            let key = metric.definition().key;
            [
                "p95 < 5ms",
                "max < 5ms",
                "mean <= 5ms",
                "within_7ms >= 99.5%",
                "p50 > 1us",
            ]
            .map(|rest| judged(&format!("{key}.{rest}"), Verdict::Pass, "?"))
        })
        .chain([judged("failed <= 3", Verdict::Pass, "0")])
        .collect();
    for limit in limits {
        let name = limit.threshold.clone();
        report.runs[0].judgement.thresholds = vec![limit];
        let told = said(&report);
        let (first, _) = told.split_once(". Of 2,400").unwrap();
        assert!(first.contains("limit"), "{name}: {told}");
        assert!(
            first.chars().next().is_some_and(|c| !c.is_lowercase()),
            "{name}: {told}"
        );
    }
}

/// Where counts alone are limited, the headline says them in words, and how long deliveries took.
#[test]
fn counts_are_told_in_words_and_with_the_time_that_deliveries_took() {
    let mut report = fixtures::repeated(0, 1.0);
    report.scenario.asks = None;
    let mut told = |limit: &str, measured: &str, verdict| {
        let run = &mut report.runs[0];
        run.judgement.thresholds = vec![judged(limit, verdict, measured)];
        run.totals.lost = if limit.starts_with("lost") {
            measured.parse().unwrap()
        } else {
            0
        };
        run.totals.failed = if limit.starts_with("failed") {
            measured.parse().unwrap()
        } else {
            0
        };
        report.verdict = verdict;
        said(&report)
    };
    let none = told("lost == 0", "0", Verdict::Pass);
    assert!(none.starts_with("A delivery took "), "{none}");
    assert!(
        none.ends_with("). Of 2,400 deliveries that were due, none was lost or doubled."),
        "{none}"
    );
    assert!(!none.contains("limit"), "{none}");
    for (limit, measured, verdict, words) in [
        (
            "lost == 0",
            "3",
            Verdict::Fail,
            "3 deliveries were lost, where none may be; a delivery took ",
        ),
        (
            "lost == 0",
            "1",
            Verdict::Fail,
            "1 delivery was lost, where none may be; a delivery took ",
        ),
        (
            "lost == 0",
            "0",
            Verdict::Inconclusive,
            "So far: No delivery was lost; a delivery took ",
        ),
        (
            "failed <= 5",
            "3",
            Verdict::Pass,
            "3 messages were told as failed (limit 5); a delivery took ",
        ),
        (
            "dropped == 0",
            "0",
            Verdict::Pass,
            "No message was left unsent; a delivery took ",
        ),
    ] {
        let told = told(limit, measured, verdict);
        assert!(told.contains(words), "{limit} {measured}: {told}");
    }
}

#[test]
fn every_format_for_people_tells_the_same_headline() {
    let hot = Document::of(&hot_channel()).unwrap();
    let sick = Document::of(&fixtures::sick()).unwrap();
    let all = fixtures::all().iter().map(|(_, document)| document);
    for document in all.chain([&hot, &sick]) {
        let report = document.report();
        let told = said(report);
        let rendered = |format: Format| format.render(document, Choice::default()).unwrap();
        let plain = |text: &str| {
            let text = text
                .replace("&#39;", "'")
                .replace("&#60;", "<")
                .replace("&#62;", ">");
            let text = text
                .replace("</p>\n<p>", " ")
                .replace("</p>", "")
                .replace("\n  ", " ");
            text.replace('\\', "")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
        };
        let index = publish::index(&[report], &[]).unwrap().text;
        for (format, text) in [
            ("terminal", rendered(Format::Terminal)),
            ("Markdown", rendered(Format::Markdown)),
            ("JUnit", rendered(Format::Junit)),
            ("page", rendered(Format::Html)),
            ("index", index),
        ] {
            assert!(plain(&text).contains(&told), "{format}: {told}");
        }
    }
}

/// Of what was published, the headline has the very number that stands in the table of limits.
#[test]
fn no_headline_is_refuted_by_its_own_table() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports");
    let mut held = 0;
    for folder in fs::read_dir(published).unwrap().flatten() {
        let Ok(files) = fs::read_dir(folder.path()) else {
            continue;
        };
        // Ladders have no headline of a run, and what was measured last may be anything and is not published.
        if ["systems", "latest"]
            .iter()
            .any(|name| folder.file_name() == *name)
        {
            continue;
        }
        for path in files.map(|file| file.unwrap().path()) {
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let document = Document::read(&path).unwrap();
            let report = document.report();
            let limits = &report.runs.last().unwrap().judgement.thresholds;
            let asks = report.scenario.asks.as_deref().unwrap_or("");
            let asking = limits
                .iter()
                .find(|limit| limit.threshold.split(' ').next() == Some(asks));
            let first = limits.iter().find(|limit| limit.threshold.contains('.'));
            let measured = &asking.or(first).unwrap().measured;
            held += 1;
            // It was not seen to end, so that the headline must not say that it has.
            if measured.starts_with("not back ") {
                let told = said(report);
                assert!(!told.contains("was back"), "{}: {told}", path.display());
                continue;
            }
            let number = match measured.strip_prefix("back ") {
                Some(took) => took.split_once(" after").unwrap().0,
                None => measured.split_once(" (").unwrap().0,
            };
            // Which kind of times these are the headline says elsewhere.
            let number = number.split(" of service").next().unwrap();
            let number = number.split(" service").next().unwrap();
            assert!(
                said(report).contains(number),
                "{}: {number} in {}",
                path.display(),
                said(report)
            );
        }
    }
    assert!(held > 0);
}

/// Where too few undisturbed seconds are left, the table tells of all seconds, and so does the headline.
#[test]
fn a_limit_that_nothing_is_left_for_is_told_over_all_seconds() {
    let mut report = fixtures::named("invalid").report().clone();
    let judged = &mut report.runs[0].judgement.thresholds[0];
    judged.verdict = Verdict::Invalid;
    judged.measured =
        "27.08 % (n = 13200); 16 of 22 seconds were disturbed, and too few are left to judge by"
            .into();
    let told = said(&report);
    assert!(
        told.contains("Measured all the same: 67.91 %")
            && told.contains("of 13,200 deliveries arrived"),
        "{told}"
    );
    let page = Format::Html
        .render(&Document::of(&report).unwrap(), Choice::default())
        .unwrap();
    assert!(page.contains("within 5 ms</span><b>67.91 %"));
}
