//! What a gate has found, in each of its forms.

use super::*;
use crate::compare::ab::{Block, Ending, Numbers, Settings, Trial, conclude};

/// A change that takes so many times as long in ten cycles, one of them left out.
fn result(times: f64) -> AbResult {
    let compared = vec!["delivery.p50".parse().unwrap()];
    let mut trial = Trial::new(compared, 20);
    let mut cycles = Vec::new();
    for number in 1..=10 {
        let block = |side, value: f64| Block {
            side,
            started: "2026-01-01T00:00:00Z".into(),
            repeated: false,
            doubt: None,
            lacking: false,
            broken: vec![],
            numbers: Numbers::from([("delivery.p50".to_owned(), value)]),
            seconds: 8,
            disturbed: 0,
            lost: Some(0),
            sent: 100,
            delivery: String::new(),
        };
        let base = 1e6 + 1e4 * (number % 4) as f64;
        let blocks = vec![block(Side::Change, base * times), block(Side::Base, base)];
        let left_out =
            (number == 3).then(|| "6 of 8 seconds were disturbed <by others>".to_owned());
        if left_out.is_none() {
            trial.add(blocks[1].numbers.clone(), blocks[0].numbers.clone(), None);
        }
        cycles.push(Cycle {
            number,
            blocks,
            left_out,
        });
    }
    let conclusion = conclude(&trial, &cycles, &Ending::Decided);
    AbResult {
        ab_version: crate::compare::ab::AB_VERSION,
        verdict: conclusion.verdict,
        reasons: conclusion.reasons,
        unstable: conclusion.unstable,
        scenario: crate::result::ScenarioInfo {
            name: "ci-gate".into(),
            question: "?".into(),
            asks: None,
            file: "ci-gate.toml".into(),
            sha256: String::new(),
            texts: Vec::new(),
            texts_withheld: false,
            seed: 1,
            variables: std::collections::BTreeMap::new(),
            model: crate::result::Model::Open,
            phases: vec![],
            actions: 0,
            users: 2,
            rooms: 1,
            channels: 0,
            messages: 1,
            deliveries: 1,
        },
        command: vec!["loadgen".into(), "ab".into()],
        labels: std::collections::BTreeMap::new(),
        started: "2026-01-01T00:00:00.000Z".into(),
        ended: "2026-01-01T00:05:00.000Z".into(),
        environment: crate::result::Environment::default(),
        settings: Settings {
            warm_up: 2.0,
            block: 8.0,
            phase: "steady".into(),
            cycles: 20,
            order_seed: 1,
            false_alarms: 0.01,
        },
        base: SystemInfo {
            system: "own:base|server".into(),
            ..SystemInfo::default()
        },
        change: SystemInfo {
            system: "own".into(),
            version: Some("2 & 3".into()),
            ..SystemInfo::default()
        },
        effects: conclusion.effects,
        cycles,
    }
}

fn rendered(result: &AbResult, format: AbFormat) -> String {
    format.render(result).unwrap()
}

#[test]
fn every_format_begins_with_the_verdict_and_says_why() {
    let slow = result(1.3);
    assert_eq!(slow.verdict, Verdict::Fail);
    let text = rendered(&slow, AbFormat::Terminal);
    assert!(
        text.starts_with("FAIL: delivery.p50: slower for certain"),
        "{text}"
    );
    assert!(text.contains("9 cycles of at most 20 count"), "{text}");
    assert!(text.contains("1 left out"), "{text}");
    let markdown = rendered(&slow, AbFormat::Markdown);
    assert!(markdown.starts_with("## FAIL: ci-gate"), "{markdown}");
    assert!(markdown.contains("own:base\\|server"), "{markdown}");
    let junit = rendered(&slow, AbFormat::Junit);
    assert!(
        junit.contains("failures=\"1\"") && junit.contains("tests=\"2\""),
        "{junit}"
    );
    let page = rendered(&slow, AbFormat::Html);
    assert!(page.contains("FAIL") && page.contains("<svg"), "{page}");
    assert!(
        page.contains("&#60;by others&#62;") || page.contains("&lt;by others&gt;"),
        "{page}"
    );
    assert!(!page.contains("<by others>"));
}

#[test]
fn one_disturbed_second_is_no_plural() {
    let mut same = result(1.0);
    for (seconds, told) in [
        (1, "1 second was disturbed"),
        (2, "2 seconds were disturbed"),
    ] {
        same.cycles[0].blocks[0].disturbed = seconds;
        let page = rendered(&same, AbFormat::Html);
        assert!(page.contains(told), "{page}");
    }
}

#[test]
fn the_json_can_be_read_again() {
    let same = result(1.0);
    assert_eq!(same.verdict, Verdict::Pass);
    let json = rendered(&same, AbFormat::Json);
    let again: AbResult = serde_json::from_str(&json).unwrap();
    assert_eq!((again.verdict, &again.cycles), (same.verdict, &same.cycles));
    assert!(json.contains("\"ab_version\": 1"));
    let junit = rendered(&same, AbFormat::Junit);
    assert!(
        junit.contains("failures=\"0\"") && junit.contains("time=\"300.000\""),
        "{junit}"
    );
}

#[test]
fn a_cycle_is_told_in_one_line() {
    let slow = result(1.3);
    let line = |cycle: &Cycle| cycle_line(cycle, &slow.effects);
    let told = line(&slow.cycles[0]);
    assert!(
        told.starts_with("cycle 1: delivery.p50 +30.0 %, all +30.0 % ("),
        "{told}"
    );
    assert!(line(&slow.cycles[2]).starts_with("cycle 3: left out, 6 of 8 seconds"));
}
