//! Every number of a result, changed by itself: it is found, or it is one of those that nothing else says anything of.

use std::{collections::BTreeSet, sync::LazyLock};

use loadgen_core::{
    result::seal,
    verify::{self, Verification},
};
use proptest::prelude::*;
use serde_json::Value;

use crate::simulated;

/// Verdict, intervals and all: worked out once.
pub static TEXT: LazyLock<String> = LazyLock::new(simulated::text);

/// A result as its JSON.
pub fn untouched() -> Value {
    serde_json::from_str(&TEXT).unwrap()
}

/// As whoever changes it and covers that up would leave it: with the seal that belongs to it.
pub fn sealed(mut changed: Value) -> String {
    changed["seal"] = "".into();
    changed["seal"] = seal(&changed.to_string()).unwrap().into();
    changed.to_string()
}

pub fn verified(text: &str) -> Verification {
    verify::result(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The pointers of all numbers, with their places as they are told.
fn numbers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                numbers(value, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                numbers(value, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Number(_) => found.push(pointer.to_owned()),
        _ => {}
    }
}

/// `/runs/0/totals/lost` as `runs[0].totals.lost`.
fn place(pointer: &str) -> String {
    let mut place = String::new();
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(index) => place += &format!("[{index}]"),
            Err(_) if place.is_empty() => place += part,
            Err(_) => place = format!("{place}.{part}"),
        }
    }
    place
}

/// By one, or by as much as shows.
fn change(number: &mut Value, step: i64) {
    *number = match (number.as_i64(), number.as_f64()) {
        (Some(0), _) => 1.into(),
        (Some(whole), _) => (whole + step).into(),
        (None, Some(0.0)) => 0.5.into(),
        (None, Some(fraction)) => (fraction * (1.0 + 1e-9 * step as f64)).into(),
        _ => 1.into(),
    };
}

/// Whether a number is found that is changed by itself.
fn is_found(pointer: &str, step: i64) -> bool {
    let mut changed = untouched();
    change(changed.pointer_mut(pointer).unwrap(), step);
    // What is no result of this program any more is found, too.
    verify::result(&sealed(changed)).map_or(true, |found| !found.is_clean())
}

#[test]
fn what_was_written_as_it_was_seen_follows() {
    let found = verified(&TEXT);
    assert_eq!(found.wrong, []);
    assert_eq!(found.open, [""; 0]);
    assert!(found.follow > 1_000, "{}", found.follow);
}

#[test]
fn whatever_is_changed_and_not_sealed_again_is_found() {
    for (pointer, value) in [
        ("/environment/cpu", "Another".into()),
        ("/runs/0/generator/cpu_seconds", 1.0.into()),
        ("/run_id", "00000000".into()),
        ("/labels/build", "release".into()),
    ] {
        let mut text = untouched();
        *text.pointer_mut(pointer).unwrap() = value;
        let wrong = verified(&text.to_string()).wrong;
        assert_eq!(wrong.len(), 1, "{pointer}: {wrong:?}");
        assert_eq!(wrong[0].place, "seal");
    }
}

/// What is worked out again does not rest on any of these, so that all are changed at once and each has to be told. A result's
/// version, its scenario and what its floor replays are questions: they are changed one by one.
#[test]
fn every_number_that_is_changed_is_found_or_given() {
    let mut pointers = Vec::new();
    numbers(&untouched(), "", &mut pointers);
    pointers.retain(|pointer| verify::given(&place(pointer)).is_none());
    assert!(pointers.len() > 800, "{}", pointers.len());
    let is_asked = |pointer: &String| {
        pointer == "/version" || pointer.starts_with("/scenario") || pointer.contains("/of_run")
    };
    let (asked, worked_out): (Vec<String>, Vec<String>) = pointers.into_iter().partition(is_asked);
    let mut all = untouched();
    for pointer in &worked_out {
        change(all.pointer_mut(pointer).unwrap(), 1);
    }
    let told: BTreeSet<String> = verified(&sealed(all))
        .wrong
        .into_iter()
        .map(|one| one.place)
        .collect();
    // An example that is none of what was seen is told by how many there are.
    let is_told = |pointer: &str| {
        let place = place(pointer);
        let list = place
            .split_once(".examples")
            .map(|(above, _)| format!("{above}.examples"));
        told.contains(&place) || list.is_some_and(|list| told.contains(&list))
    };
    let missed = worked_out.iter().filter(|one| !is_told(one));
    let missed: Vec<&String> = missed
        .chain(asked.iter().filter(|one| !is_found(one, 1)))
        .collect();
    assert_eq!(missed, [""; 0]);
}

#[test]
fn what_is_given_is_really_not_found_and_stands_in_a_result() {
    let mut pointers = Vec::new();
    numbers(&untouched(), "", &mut pointers);
    let mut given = pointers
        .into_iter()
        .filter(|one| verify::given(&place(one)).is_some());
    let one = given
        .find(|one| one.ends_with("resident_connected"))
        .unwrap();
    assert!(!is_found(&one, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_number_that_is_changed_is_found_or_given(at in any::<prop::sample::Index>(), up: bool) {
        let mut pointers = Vec::new();
        numbers(&untouched(), "", &mut pointers);
        let pointer = &pointers[at.index(pointers.len())];
        let given = verify::given(&place(pointer));
        prop_assert!(given.is_some() || is_found(pointer, if up { 1 } else { -1 }), "{pointer}");
    }
}
