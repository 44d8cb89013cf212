//! Several runs of one scenario, as `loadgen run --repeat` sums them up: the sum of their results.

use serde_json::Value;

use super::{Verification, differences::differences};
use crate::{
    compare::Repeats,
    result::{Document, Report},
};

/// Works out again what several runs say together, from the results of each, in their order.
///
/// # Errors
/// Where the text is no JSON.
pub fn repeats(text: &str, runs: &[Document]) -> Result<Verification, serde_json::Error> {
    let said: Value = serde_json::from_str(text)?;
    let mut found = Verification::default();
    let reports: Vec<Report> = runs.iter().map(|one| one.report().clone()).collect();
    match Repeats::of(&reports) {
        Ok(Some(again)) => differences(&said, &serde_json::to_value(again)?, &mut found),
        Ok(None) => found.open("all of it: the results of its runs do not lie beside it"),
        Err(error) => found.wrong("runs", error, "histograms that can be read"),
    }
    Ok(found)
}
