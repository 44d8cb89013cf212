//! Merged results are verified as any other, with what keeps their shards from being one run; what was changed there is found.

use serde_json::{Value, json};

use super::*;
use crate::{
    result::{Document, seal},
    verify::{self, Verification},
};

/// The places of what does not follow, of a result that somebody changed and sealed again.
fn wrong(report: &Report, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let places = verified(report, change).wrong.into_iter();
    places.map(|one| one.place).collect()
}

fn verified(report: &Report, change: impl FnOnce(&mut Value)) -> Verification {
    let document = Document::of(report).unwrap();
    let mut value: Value = serde_json::from_str(document.text()).unwrap();
    change(&mut value);
    value["seal"] = "".into();
    value["seal"] = seal(&value.to_string()).unwrap().into();
    verify::result(&value.to_string()).unwrap()
}

/// Nothing is said of gaps any more, and all is well.
fn pass(value: &mut Value) {
    value["verdict"] = "PASS".into();
    value["reasons"] = json!([]);
    value["runs"][0]["judgement"]["verdict"] = "PASS".into();
    value["runs"][0]["judgement"]["reasons"] = json!([]);
}

fn late(nth: usize, by: u64) -> Report {
    let mut all = recordings(4, fast);
    all[nth].start.actual = Some(PLANNED + 1_000_000 + by);
    report(&all)
}

fn cut(nth: usize) -> Report {
    let mut all = recordings(4, fast);
    let scenario = scenario();
    let plan = Plan::new(&scenario).unwrap();
    let part = Part::of(&plan, shard(&format!("{}/4", nth + 1))).unwrap();
    let ended = Observed {
        ended: Some(Ended::Interrupted),
        ..seen(&scenario, &plan, &part, fast)
    };
    all[nth] = recording(&scenario, &plan, &format!("{}/4", nth + 1), &ended);
    report(&all)
}

fn doubled() -> Report {
    let mut all = recordings(4, fast);
    all.push(all[1].clone());
    report(&all)
}

/// One was told to begin a second later than the others, and did.
fn told_another_moment() -> Report {
    let mut all = recordings(4, fast);
    let start = &mut all[2].start;
    start.planned += 1_000_000_000;
    start.actual = start.actual.map(|at| at + 1_000_000_000);
    report(&all)
}

/// One was told to begin so little later that it was in step, and so its messages were of another run.
fn of_another_run() -> Report {
    let mut all = recordings(4, fast);
    all[2].start.planned += 5_000_000;
    all[2].start.actual = all[2].start.actual.map(|at| at + 5_000_000);
    all[2].run_id = "0000002b".to_owned();
    report(&all)
}

/// The clocks of all but one were compared.
fn uncompared() -> Report {
    let mut all = recordings(4, fast);
    for one in all.iter_mut().skip(1) {
        one.start.clock = Some(ClockOffset { ahead: 0, bound: 9 });
    }
    report(&all)
}

#[test]
fn a_merged_result_follows_whole_or_not() {
    let missing = report(&recordings(4, fast)[..3]);
    for (name, merged) in [
        ("whole", report(&recordings(4, fast))),
        ("one missing", missing),
        ("one late", late(2, 30_000_000)),
        ("one cut short", cut(1)),
        ("one given twice", doubled()),
        ("told another moment", told_another_moment()),
        ("of another run", of_another_run()),
        ("not compared", uncompared()),
    ] {
        let found = verified(&merged, |_| {});
        assert_eq!(found.wrong, [], "{name}");
        let gaps = merged.reasons.iter().filter(|reason| reason.is_of_parts());
        assert_eq!(
            gaps.count(),
            usize::from(name != "whole"),
            "{name}: {:?}",
            merged.reasons
        );
    }
}

#[test]
fn what_was_changed_of_shards_is_found() {
    let whole = report(&recordings(4, fast));
    let missing = report(&recordings(4, fast)[..3]);
    type Planted = (&'static str, Report, fn(&mut Value));
    let planted: [Planted; 14] = [
        (
            "a verdict in spite of a missing shard",
            missing.clone(),
            pass,
        ),
        ("one shard less of a whole", whole.clone(), |value| {
            value["shards"].as_array_mut().unwrap().remove(1);
        }),
        (
            "fewer shards than there were, all of them",
            missing,
            |value| {
                pass(value);
                for shard in value["shards"].as_array_mut().unwrap() {
                    shard["of"] = 3.into();
                }
            },
        ),
        ("no shards at all", whole.clone(), |value| {
            value["command"] = json!(["loadgen", "merge"]);
            value["shards"] = json!([]);
        }),
        (
            "a verdict in spite of a late start",
            late(2, 30_000_000),
            pass,
        ),
        (
            "a late start that is told as another",
            late(2, 30_000_000),
            |value| {
                let reasons = &mut value["runs"][0]["judgement"]["reasons"];
                *reasons = serde_json::from_str(&reasons.to_string().replace("30.0 ms", "12.0 ms"))
                    .unwrap();
                value["reasons"] = reasons.clone();
            },
        ),
        ("a late start that nobody had", whole.clone(), |value| {
            value["shards"][2]["began"] = 90_000_000.into();
        }),
        (
            "a verdict in spite of another moment",
            told_another_moment(),
            pass,
        ),
        ("a verdict in spite of another run", of_another_run(), pass),
        (
            "a verdict in spite of a clock that nobody compared",
            uncompared(),
            pass,
        ),
        (
            "shards of another run than the result",
            whole.clone(),
            |value| {
                for shard in value["shards"].as_array_mut().unwrap() {
                    shard["run_id"] = "0000002b".into();
                }
            },
        ),
        ("a shard that was not cut short", cut(1), |value| {
            value["shards"][1].as_object_mut().unwrap().remove("ended");
            let reasons = value["reasons"].as_array_mut().unwrap();
            reasons.retain(|reason| !reason.as_str().unwrap().contains("cut short"));
            value["runs"][0]["judgement"]["reasons"] = value["reasons"].clone();
        }),
        ("users of a shard", whole.clone(), |value| {
            value["shards"][0]["users"] = 1.into();
        }),
        (
            "messages that another shard is said to have had",
            whole,
            |value| {
                value["shards"][0]["messages"] = 1.into();
            },
        ),
    ];
    for (what, merged, plant) in planted {
        assert!(!wrong(&merged, plant).is_empty(), "{what}");
    }
    assert!(wrong(&doubled(), pass).contains(&"verdict".to_owned()));
}
