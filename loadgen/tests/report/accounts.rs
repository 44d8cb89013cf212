//! Every format shows the same counts: each is read back out of each.

use std::collections::BTreeMap;

use loadgen::{
    judge::{Check, Verdict},
    model::Delivery,
    observed::PROMISE,
    report::{Choice, Format, publish},
    result::{Document, HeldTo, Report, Run},
};
use serde_json::Value;

use crate::fixtures;

/// The account of the subject by the names that machines read.
fn account(report: &Report) -> BTreeMap<&'static str, u64> {
    let run = report.runs.last().unwrap();
    let totals = &run.totals;
    BTreeMap::from([
        ("planned", report.scenario.deliveries),
        ("expected", totals.expected),
        ("delivered", totals.delivered),
        ("lost", totals.lost),
        ("duplicated", totals.duplicated),
        ("echo_missing", totals.echo_missing),
        ("grey", run.grey),
    ])
}

/// The same by the words that people read.
fn in_words(report: &Report) -> BTreeMap<String, u64> {
    let words = |key| match key {
        "expected" => "due",
        "delivered" => "arrived",
        "echo_missing" => "own copies missing",
        same => same,
    };
    let account = account(report).into_iter();
    account
        .map(|(key, count)| (words(key).to_owned(), count))
        .collect()
}

fn sick() -> Document {
    Document::of(&fixtures::sick()).unwrap()
}

fn rendered(document: &Document, format: Format) -> String {
    format.render(document, Choice::default()).unwrap()
}

fn number(text: &str) -> u64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{text:?}"))
}

/// `30,117 planned, 28,231 due` as a map from words to counts.
fn said(sentence: &str) -> BTreeMap<String, u64> {
    let parts = sentence.split(", ");
    parts
        .map(|part| {
            let (count, words) = part.split_once(' ').unwrap();
            (words.to_owned(), number(count))
        })
        .collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("{before:?} in {text}"));
    rest.split_once(after).unwrap().0
}

#[test]
fn what_is_due_has_arrived_or_is_lost() {
    let report = fixtures::sick();
    let totals = &report.runs[0].totals;
    assert_eq!(totals.expected, totals.delivered + totals.lost);
}

#[test]
fn every_format_for_people_shows_the_account() {
    let document = sick();
    let known = in_words(document.report());
    let terminal = rendered(&document, Format::Terminal);
    assert_eq!(said(between(&terminal, "  deliveries  ", "\n")), known);
    let markdown = rendered(&document, Format::Markdown);
    assert_eq!(
        said(between(&markdown, "Deliveries to others: ", ". ")),
        known
    );
    let page = rendered(&document, Format::Html);
    let row = between(
        &page,
        "<td>deliveries to others</td><td class=\"wrap\">",
        "<",
    );
    assert_eq!(said(row), known);
    let strip = between(&page, "<ol class=\"account\">", "</ol>");
    let steps = strip.split("<b>").skip(1).map(|step| {
        let (count, words) = step.split_once("</b> ").unwrap();
        let (words, _) = words.split_once("</li>").unwrap();
        (words.to_owned(), number(count))
    });
    assert_eq!(steps.collect::<BTreeMap<_, _>>(), known);
    // What should not be is marked.
    assert_eq!(strip.matches("class=\"bad\"").count(), 3);
    let junit = rendered(&document, Format::Junit);
    for (words, count) in known {
        let property = format!("name=\"deliveries {words}\" value=\"{count}\"");
        assert!(junit.contains(&property), "{property}");
    }
}

#[test]
fn every_format_for_machines_has_the_account() {
    let document = sick();
    let known = account(document.report());
    let openmetrics = rendered(&document, Format::Openmetrics);
    for (key, count) in &known {
        let line = openmetrics
            .lines()
            .find(|line| {
                line.starts_with("loadgen_deliveries{")
                    && line.contains(&format!("state=\"{key}\""))
            })
            .unwrap_or_else(|| panic!("{key}"));
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
    let json: Value = serde_json::from_str(document.text()).unwrap();
    let run = &json["runs"][0];
    assert_eq!(json["scenario"]["deliveries"], known["planned"]);
    assert_eq!(run["grey"], known["grey"]);
    for key in [
        "expected",
        "delivered",
        "lost",
        "duplicated",
        "echo_missing",
    ] {
        assert_eq!(run["totals"][key], known[key], "{key}");
    }
    let entries = benchmark(&document);
    for (name, key) in [
        ("deliveries lost", "lost"),
        ("deliveries duplicated", "duplicated"),
        ("senders' own copies missing", "echo_missing"),
    ] {
        assert_eq!(
            entries[&format!("sick: {name}")],
            known[key] as f64,
            "{name}"
        );
    }
    // Nothing was lost before the first measured second.
    assert_eq!(column(&document, "lost"), known["lost"]);
    let index = publish::index(&[document.report()], &[]).unwrap().text;
    assert!(index.contains("data-of=\"lost\">2,231</td>"), "{index}");
}

fn benchmark(document: &Document) -> BTreeMap<String, f64> {
    let entries: Vec<Value> = serde_json::from_str(&rendered(document, Format::Benchmark)).unwrap();
    let entry = |entry: &Value| {
        let name = entry["name"].as_str().unwrap().to_owned();
        (name, entry["value"].as_f64().unwrap())
    };
    entries.iter().map(entry).collect()
}

/// The sum of a column of the CSV.
fn column(document: &Document, name: &str) -> u64 {
    let text = rendered(document, Format::Csv);
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let place = header.iter().position(|known| *known == name).unwrap();
    lines.map(|line| number(line[place])).sum()
}

#[test]
fn every_check_has_one_count_wherever_it_is_shown() {
    let document = sick();
    let run = &document.report().runs[0];
    let terminal = rendered(&document, Format::Terminal);
    let markdown = rendered(&document, Format::Markdown);
    let page = rendered(&document, Format::Html).replace("&#39;", "'");
    let junit = rendered(&document, Format::Junit).replace("&#39;", "'");
    let openmetrics = rendered(&document, Format::Openmetrics);
    assert_eq!(run.findings.len(), Check::ALL.len());
    for finding in &run.findings {
        let (title, plain) = (finding.check.title(), finding.count);
        let count = loadgen::model::numbers::count(plain);
        let shown = |format: &str, text: &str, wanted: String| {
            assert!(text.contains(&wanted), "{format}: {wanted}");
        };
        shown("terminal", &terminal, format!("\n{title} ({count})"));
        shown("page", &page, format!("<h3>{title}: {count}</h3>"));
        shown("banner", &page, format!("{count} {title}"));
        shown(
            "limits",
            &page,
            format!("<td data-of=\"measured\">{count} cases</td>"),
        );
        shown("JUnit", &junit, format!("message=\"{count} {title}\""));
        let title = title.replace('_', "\\_");
        shown(
            "Markdown",
            &markdown,
            format!("| {title} | FAIL | {count} |"),
        );
        let line = format!("check=\"{}\"}} {plain}\n", finding.check.title());
        shown("OpenMetrics", &openmetrics, line);
    }
    assert_eq!(count_of(run, Check::Lost), run.totals.lost);
    assert_eq!(count_of(run, Check::EchoMissing), run.totals.echo_missing);
    assert_eq!(count_of(run, Check::Duplicated), run.totals.duplicated);
}

fn count_of(run: &Run, check: Check) -> u64 {
    let mut findings = run.findings.iter();
    findings
        .find(|finding| finding.check == check)
        .unwrap()
        .count
}

/// What was lost is over the limit: in the tile, the index, the tables, the benchmark, the buckets and the seconds.
#[test]
fn rule_13_the_share_within_the_promise_is_one_and_charges_what_was_lost() {
    let document = sick();
    let delivery = &document.report().runs[0].metrics[0];
    let within = delivery.within(PROMISE).unwrap();
    let due = delivery.n + 2_231;
    let wanted = within as f64 / due as f64;
    assert!(wanted < 0.93);
    let shown = format!("{:.2} %", 100.0 * wanted);
    let page = rendered(&document, Format::Html);
    let tile = "<span>delivery latency within 5 ms</span><b>";
    assert!(page.contains(&format!("{tile}{shown}</b>")));
    assert!(page.contains(&format!("data-of=\"within 5 ms\">{shown}</td>")));
    for format in [Format::Terminal, Format::Markdown] {
        assert!(rendered(&document, format).contains(&shown), "{format:?}");
    }
    let index = publish::index(&[document.report()], &[]).unwrap().text;
    assert!(
        index.contains(&format!("data-of=\"deliveries within 5 ms\">{shown}</td>")),
        "{index}"
    );
    assert!(index.contains(&shown), "the claim");
    let over = benchmark(&document)["sick: deliveries over 5 ms"];
    assert!((over / 100.0 - (1.0 - wanted)).abs() < 1e-9, "{over}");
    let openmetrics = rendered(&document, Format::Openmetrics);
    let bucket = |end: &str| {
        let line = openmetrics.lines().find(|line| {
            line.starts_with("loadgen_delivery_seconds_bucket")
                && line.contains(&format!("le=\"{end}\""))
        });
        line.unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!((bucket("0.005"), bucket("+Inf")), (within, due));
    assert_eq!(
        column(&document, "deliveries") + column(&document, "lost"),
        due
    );
    assert_eq!(column(&document, "over_5ms"), due - within);
}

#[test]
fn rule_13_a_percentile_among_what_never_came_is_no_time() {
    let mut report = fixtures::sick();
    let limit = fixtures::parts::judged("delivery.p99 < 5ms", Verdict::Fail, "4.1 ms (n = 28231)");
    report.runs[0].judgement.thresholds.push(limit);
    // 7.9 % were lost.
    let page = rendered(&Document::of(&report).unwrap(), Format::Html);
    assert!(page.contains("<span>delivery latency, p99</span><b>never</b>"));
    let run = &mut report.runs[0];
    for window in &mut run.windows {
        *window = loadgen::result::WindowResult {
            deliveries: 0,
            over: 0,
            lost: Some(100),
            histogram: String::new(),
            ..window.clone()
        };
    }
    for result in &mut run.metrics[..3] {
        *result = loadgen::result::MetricResult {
            lost: 1_300,
            ..loadgen::result::MetricResult::of(
                result.metric,
                &loadgen::model::histogram::empty(),
                vec![loadgen::result::Within {
                    limit: PROMISE,
                    count: 0,
                }],
            )
        };
    }
    // Of nothing that came, too, every format can be made, and nothing was in time.
    let document = Document::of(&report).unwrap();
    for format in <Format as clap::ValueEnum>::value_variants() {
        if *format != Format::Hgrm {
            rendered(&document, *format);
        }
    }
    assert_eq!(benchmark(&document)["sick: deliveries over 5 ms"], 100.0);
    let page = rendered(&document, Format::Html);
    assert!(page.contains("within 5 ms</span><b>0.00 %</b>"));
    let again = fixtures::slower();
    let index = publish::index(&[document.report(), &again], &[])
        .unwrap()
        .text;
    assert!(index.contains("never"), "{index}");
}

/// What nobody was told is stored was not looked up: that nothing of it was missed says nothing.
#[test]
fn a_check_of_the_store_that_was_not_made_is_not_shown_as_kept() {
    let mut report = fixtures::slower();
    // Checks that are kept have no line of their own.
    let not_made = |report: &Report| {
        let page = rendered(&Document::of(report).unwrap(), Format::Markdown);
        let mut rows = page.lines();
        rows.any(|row| {
            row.contains(Check::ConfirmedNotStored.title())
                && row.contains("this server says nothing of what it stores")
        })
    };
    assert!(!not_made(&report));
    let run = report.runs.last_mut().unwrap();
    run.held_to = run.held_to.map(|held_to| HeldTo {
        ends: false,
        acks: false,
        ack_confirms: false,
        ..held_to
    });
    assert!(not_made(&report));
    // Of a server that saves first, each delivery says that its message is stored.
    report.runs.last_mut().unwrap().delivery = Delivery::PersistFirst;
    assert!(!not_made(&report));
    let page = rendered(&Document::of(&report).unwrap(), Format::Markdown);
    assert!(page.contains("says by its deliveries alone what it stores"));
    // An older program looked none of them up.
    report.runs.last_mut().unwrap().totals.stored = Some(0);
    assert!(not_made(&report));
}

/// Results of before counted a sender's missing copy among the lost deliveries.
#[test]
fn an_older_result_is_read_with_the_counts_of_today() {
    let mut report = fixtures::sick();
    let run = &mut report.runs[0];
    run.held_to = None;
    run.totals.echo_missing = 0;
    run.findings
        .retain(|finding| finding.check != Check::EchoMissing);
    run.findings[0].count = 2_231 + 27;
    run.findings[0].examples[0].note = Some("the sender's own copy".into());
    for result in &mut run.metrics {
        result.lost = 0;
    }
    for window in &mut run.windows {
        window.lost = None;
    }
    let document = Document::of(&report).unwrap();
    let run = &document.report().runs[0];
    assert_eq!(count_of(run, Check::Lost), 2_231);
    assert_eq!(count_of(run, Check::EchoMissing), 27);
    assert_eq!((run.totals.lost, run.totals.echo_missing), (2_231, 27));
    assert_eq!(run.metrics[0].lost, 2_231);
    let shown = rendered(&document, Format::Html);
    let today = rendered(&sick(), Format::Html);
    let within = |page: &str| between(page, "within 5 ms</span><b>", "</b>").to_owned();
    assert_eq!(within(&shown), within(&today));
}
