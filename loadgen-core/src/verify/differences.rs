//! Two JSON values, held against each other leaf by leaf.

use serde_json::Value;

use super::{Verification, given};

/// Of what is told, so much is shown.
const SHOWN: usize = 160;
/// Numbers that differ by less, as a fraction of them, are one: as much as writing and reading may change.
const ROUNDING: f64 = 1e-12;

/// Every leaf that is not the same, and how many are.
pub(super) fn differences(said: &Value, again: &Value, found: &mut Verification) {
    hold("", said, again, found);
}

fn hold(place: &str, said: &Value, again: &Value, found: &mut Verification) {
    match (said, again) {
        (Value::Object(said), Value::Object(again)) => {
            for (key, value) in said {
                let place = beneath(place, key);
                let again = again.get(key).unwrap_or(&Value::Null);
                hold(&place, value, again, found);
            }
            for (key, value) in again.iter().filter(|(key, _)| !said.contains_key(*key)) {
                hold(&beneath(place, key), &Value::Null, value, found);
            }
        }
        (Value::Array(said), Value::Array(again)) if said.len() == again.len() => {
            for (index, (said, again)) in said.iter().zip(again).enumerate() {
                hold(&format!("{place}[{index}]"), said, again, found);
            }
        }
        (Value::Array(one), Value::Array(other)) => found.wrong(
            place,
            format!("{} entries", one.len()),
            format!("{} entries", other.len()),
        ),
        (said, again) if is_same(said, again) => match given::why(place) {
            Some(_) => found.given += 1,
            None => found.follow += 1,
        },
        (said, again) => found.wrong(place, shown(said), shown(again)),
    }
}

fn beneath(place: &str, key: &str) -> String {
    match place {
        "" => key.to_owned(),
        _ => format!("{place}.{key}"),
    }
}

fn is_same(said: &Value, again: &Value) -> bool {
    if said == again {
        return true;
    }
    // A whole number is exact.
    if let (Some(said), Some(again)) = (said.as_i64(), again.as_i64()) {
        return said == again;
    }
    match (said.as_f64(), again.as_f64()) {
        (Some(said), Some(again)) => (said - again).abs() <= ROUNDING * said.abs(),
        _ => false,
    }
}

/// As it is written, cut where it is long.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        value => value.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_leaf_that_differs_is_told_with_its_place() {
        let said = json!({ "a": [1, { "b": 2.5 }], "c": "x", "d": [1, 2], "only": 1, "same": 0.1 });
        let again = json!({ "a": [1, { "b": 2.6 }], "c": "y", "d": [1], "same": 0.1, "new": 3 });
        let mut found = Verification::default();
        differences(&said, &again, &mut found);
        let places: Vec<&str> = found.wrong.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["a[1].b", "c", "d", "only", "new"]);
        assert_eq!(found.follow, 2);
        assert_eq!(found.wrong[0].said, "2.5");
        assert_eq!(found.wrong[4].said, "nothing");
    }
}
