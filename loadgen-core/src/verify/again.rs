//! The scenario that a result recorded, read again.

use std::time::Duration;

use crate::{
    result::ScenarioInfo,
    scenario::{Scenario, ScenarioError, Setting},
};

/// The scenario with the variables and the seed of a result.
///
/// # Errors
/// Why not, in words.
pub(super) fn scenario(info: &ScenarioInfo) -> Result<Scenario, String> {
    read(info).map_err(|error| match error {
        None => "its text is not recorded".to_owned(),
        Some(error) => error.to_string(),
    })
}

/// The same; an error of `None` says that no text was recorded.
pub(super) fn read(info: &ScenarioInfo) -> Result<Scenario, Option<ScenarioError>> {
    if info.texts.is_empty() {
        return Err(None);
    }
    let settings: Vec<Setting> = info.variables.clone().into_iter().collect();
    let scenario = Scenario::recorded(&info.texts, &settings)?;
    Ok(Scenario {
        path: info.file.clone().into(),
        seed: info.seed,
        ..scenario
    })
}

/// Nothing that was measured took a century; of what says so the sums would not fit.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// A time that a result records in seconds.
///
/// # Errors
/// What it is instead.
pub(super) fn duration(seconds: f64) -> Result<Duration, String> {
    let duration = Duration::try_from_secs_f64(seconds).ok();
    let duration = duration.filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| format!("{seconds} s is no length of time that was measured"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_can_have_taken_is_no_time() {
        assert_eq!(duration(12.5), Ok(Duration::from_millis(12_500)));
        for seconds in [-1.0, 1e19, 1e30, f64::NAN, f64::INFINITY] {
            let why = duration(seconds).unwrap_err();
            assert!(
                why.ends_with("s is no length of time that was measured"),
                "{why}"
            );
        }
    }
}
