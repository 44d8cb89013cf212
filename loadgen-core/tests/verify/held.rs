//! A search of a server that was played through instead of measured: what was seen of the holds that decide is judged again.

use std::{path::Path, time::Duration};

use loadgen_core::{
    judge::{self, Promises},
    model::{Delivery, packed},
    plan::Plan,
    scenario::Scenario,
    search::{Ask, Asked, Found, Hold, Lengths, Outcome, Rules, Seen, scenario_of},
    verify,
};
use serde_json::{Value, json};

use crate::{experiments::search, simulated};

const SCENARIO: &str = r#"version = 1
name = "held"
question = "How much can it carry?"

[population]
users = 24
rooms = 8

[[phases]]
name = "warm-up"
duration = "1s"
rate = "60/s"
measured = false

[[phases]]
name = "steady"
duration = "12s"
rate = "60/s"

[thresholds]
"delivery.within_5ms" = ">= 98%"
"confirm.p99" = "< 1s"
"#;

/// Where the played server ends.
const CAPACITY: f64 = 300.0;
const LENGTHS: Lengths = Lengths {
    full: Duration::from_secs(12),
    short: Duration::from_secs(8),
};

/// A hold at a rate, and how slow the server is there.
fn hold(scenario: &Scenario, rate: f64, ask: Ask, nth: u64) -> Hold {
    let of_it = scenario_of(scenario, rate, LENGTHS, ask);
    let plan = Plan::new(&of_it).unwrap();
    let slow = if ask.rate < CAPACITY { 0.2 } else { 8.0 };
    let mut observed = simulated::seen(&of_it, &plan, nth, slow);
    let promises = Promises::of(&of_it.vocabulary(), Delivery::Optimistic);
    let account = judge::account(&plan, promises, &observed);
    observed.record_slowest(&plan, |message| account.missing.has(message));
    Hold::of(&Seen {
        asked: &Asked {
            ask,
            scenario: &of_it,
            plan: &plan,
            own: &scenario.thresholds,
            saves_first: false,
            rules: Rules::LATEST,
        },
        observed: &observed,
        account: &account,
        floor: None,
        took: 12.5,
    })
}

fn searched() -> Found {
    let scenario = Scenario::parse(Path::new("held.toml"), SCENARIO).unwrap();
    let rate = scenario.measured_rate().unwrap();
    search(&scenario, LENGTHS, 2_000.0, |ask, nth| {
        hold(&scenario, rate, ask, nth)
    })
}

fn wrong(value: &Value) -> Vec<String> {
    let found = verify::search(&value.to_string()).unwrap();
    found.wrong.into_iter().map(|one| one.place).collect()
}

/// The first hold with this outcome of which is kept what was seen.
fn first(found: &Found, outcome: Outcome) -> usize {
    let mut holds = found.systems[0].holds.iter();
    let place = holds.position(|hold| hold.outcome == outcome && hold.seen.is_some());
    place.unwrap_or_else(|| panic!("none is {outcome:?}"))
}

#[test]
fn what_decides_in_a_search_was_seen_and_is_judged_again() {
    let found = searched();
    let system = &found.systems[0];
    assert!(
        system.last_success.is_some_and(|kept| kept < CAPACITY),
        "{}",
        system.sentence
    );
    let seen = system.holds.iter().filter(|hold| hold.seen.is_some());
    let (seen, all) = (seen.count(), system.holds.len());
    assert!(seen > 1 && seen < all, "{seen} of {all}");
    let kept = system.last_success.unwrap();
    assert!(system.is_decided_at(kept.next_up()) && !system.is_decided_at(1.01 * kept));
    let untouched = serde_json::to_value(&found).unwrap();
    assert_eq!(wrong(&untouched), [""; 0]);

    let (kept, missed) = (first(&found, Outcome::Kept), first(&found, Outcome::Missed));
    let planted: [(usize, &str, Value, &str); 13] = [
        (kept, "outcome", json!("missed"), "outcome"),
        (missed, "outcome", json!("kept"), "outcome"),
        (missed, "because", json!("the moon"), "because"),
        (
            kept,
            "limits/2/outcome",
            json!("missed"),
            "limits[2].outcome",
        ),
        (
            missed,
            "limits/2/outcome",
            json!("kept"),
            "limits[2].outcome",
        ),
        (missed, "limits/4/within", json!(0.99), "limits[4].within"),
        (kept, "sent", json!(7), "sent"),
        (kept, "server_cpu", json!(0.000_001), "server_cpu"),
        (
            kept,
            "server_memory_before",
            json!(1),
            "server_memory_before",
        ),
        (missed, "bottleneck", json!("machine"), "bottleneck"),
        (
            kept,
            "piled_up",
            json!([{ "what": "queue", "per_second": 1.0 }]),
            "piled_up",
        ),
        (kept, "seen/evidence", json!("AAAA"), "seen"),
        (kept, "seen", Value::Null, "seen"),
    ];
    for (hold, pointer, planted, place) in planted {
        let mut changed = untouched.clone();
        let pointer = format!("/systems/0/holds/{hold}/{pointer}");
        *changed.pointer_mut(&pointer).unwrap() = planted;
        let place = format!("systems[0].holds[{hold}].{place}");
        assert!(
            wrong(&changed).contains(&place),
            "{pointer}: {:?}",
            wrong(&changed)
        );
    }
}

#[test]
fn what_was_seen_of_one_hold_says_nothing_of_another() {
    let found = searched();
    let mut changed = serde_json::to_value(&found).unwrap();
    let (kept, missed) = (first(&found, Outcome::Kept), first(&found, Outcome::Missed));
    let holds = changed.pointer_mut("/systems/0/holds").unwrap();
    holds[missed]["seen"] = holds[kept]["seen"].clone();
    let place = format!("systems[0].holds[{missed}].seen");
    assert!(wrong(&changed).contains(&place), "{:?}", wrong(&changed));
}

/// What is wrong where a hold that decides is changed, and the place of that hold.
fn changed(change: impl FnOnce(&mut Value)) -> (Vec<String>, String) {
    let found = searched();
    let kept = first(&found, Outcome::Kept);
    let mut changed = serde_json::to_value(&found).unwrap();
    change(&mut changed["systems"][0]["holds"][kept]);
    (wrong(&changed), format!("systems[0].holds[{kept}]"))
}

#[test]
fn what_was_seen_of_a_hold_is_held_against_itself() {
    let (wrong, hold) = changed(|hold| {
        let evidence = &mut hold["seen"]["evidence"];
        let unpacked = packed::unpack(evidence.as_str().unwrap()).unwrap();
        let mut inside: Value = serde_json::from_slice(&unpacked).unwrap();
        let metrics = inside["metrics"].as_array_mut().unwrap().iter_mut();
        let mut deliveries = metrics.filter(|one| one["metric"] == "delivery");
        let seconds = &mut deliveries.next().unwrap()["seconds"];
        // One more was late, in a second whose samples say otherwise.
        seconds[3]["over"][0][0] = 1_000.into();
        *evidence = packed::pack(inside.to_string().as_bytes()).into();
    });
    let place = format!("{hold}.seen.evidence: delivery, all over limit 0");
    assert!(wrong.contains(&place), "{wrong:?}");
}

#[test]
fn only_a_hold_that_nobody_could_connect_for_was_not_seen() {
    let scenario = Scenario::parse(Path::new("held.toml"), SCENARIO).unwrap();
    let rate = scenario.measured_rate().unwrap();
    let refused = search(&scenario, LENGTHS, 2_000.0, |ask, nth| {
        match ask.rate < CAPACITY {
            true => hold(&scenario, rate, ask, nth),
            false => Hold::refused(ask, "nobody is let in".to_owned(), 2.5),
        }
    });
    assert!(refused.systems[0].first_failure.is_some());
    assert_eq!(wrong(&serde_json::to_value(&refused).unwrap()), [""; 0]);
    // That nothing was sent does not say so, where a limit was kept.
    let (wrong, hold) = changed(|hold| {
        hold["seen"] = Value::Null;
        hold["sent"] = 0.into();
    });
    assert!(wrong.contains(&format!("{hold}.seen")), "{wrong:?}");
}

#[test]
fn a_rate_that_nothing_can_hold_is_told_and_not_planned() {
    for (rate, place) in [(1e13, "seen"), (0.0, "rate"), (-60.0, "rate")] {
        let (wrong, hold) = changed(|hold| hold["rate"] = rate.into());
        assert!(
            wrong.contains(&format!("{hold}.{place}")),
            "{rate}: {wrong:?}"
        );
    }
}

#[test]
fn what_nothing_can_have_taken_is_told_and_ends_no_verification() {
    for took in [-1.0, 1e19, 1e30] {
        let (wrong, hold) = changed(|hold| hold["took"] = took.into());
        assert!(wrong.contains(&format!("{hold}.took")), "{wrong:?}");
    }
}
