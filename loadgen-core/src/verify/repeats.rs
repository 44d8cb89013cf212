//! Several runs of one scenario, as `loadgen run --repeat` sums them up: the sum of their results.

use serde_json::Value;

use super::{Verification, differences::differences};
use crate::{
    compare::{REPEATS_BEFORE, REPEATS_VERSION, Repeats},
    model::json,
    result::{Document, Report},
};

/// Works out again what several runs say together, from the results of each, in their order.
///
/// # Errors
/// Where the text is no JSON.
pub fn repeats(text: &str, runs: &[Document]) -> Result<Verification, serde_json::Error> {
    let said: Value = serde_json::from_str(text)?;
    let mut found = Verification::default();
    let version = &said["repeats_version"];
    if ![REPEATS_BEFORE, REPEATS_VERSION]
        .map(Value::from)
        .contains(version)
    {
        found.open(format!("all of it: version {version} went by other rules"));
        return Ok(found);
    }
    let asked = said["asked"].as_u64().map(|asked| asked as usize);
    let reports: Vec<Report> = runs.iter().map(|one| one.report().clone()).collect();
    match Repeats::of(&reports, asked) {
        Ok(Some(again)) => differences(&said, &json::value(&again)?, &mut found),
        Ok(None) => found.open("all of it: the results of its runs do not lie beside it"),
        Err(error) => found.wrong("runs", error, "histograms that can be read"),
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_by_other_rules_is_left_open() {
        let found = repeats("{\"repeats_version\": 1, \"verdict\": \"PASS\"}", &[]).unwrap();
        assert!(found.is_clean());
        assert_eq!(found.open, ["all of it: version 1 went by other rules"]);
    }
}
