//! How long holds are, so that each can decide and the budget has room for a search.

use std::time::Duration;

use super::{Rules, Settings};
use crate::scenario::Scenario;

/// A hold of fewer measured seconds decides nothing: some of its seconds are cut, and a verdict needs five.
const SHORTEST: Duration = Duration::from_secs(8);
/// A full hold has some more.
const SHORTEST_FULL: Duration = Duration::from_secs(10);
/// Where a scenario is longer, its full holds are so short that as many fit the budget.
const HOLDS: u32 = 16;
/// How much shorter the first looks are.
const LOOK: u32 = 3;
/// The least that a search can do: to settle, to look twice, and to drain in short holds, and to confirm in a full one.
const LEAST_SHORT: u32 = 4;
/// How far up from the scenario's own rate a search goes that nobody told how far.
const UP: f64 = 256.0;
/// How far down.
const DOWN: f64 = 64.0;
/// How many more samples than a limit needs the lowest rate gives: arrivals are drawn, and some seconds are left out.
const SPARE: f64 = 1.5;
/// How near the ends of an answer lie, as a share.
const PRECISION: f64 = 0.025;

/// How long the measured part of a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Of a full one.
    pub full: Duration,
    /// Of a short one.
    pub short: Duration,
}

impl Lengths {
    /// For a scenario and a budget; of full holds, as long as somebody says instead.
    pub fn of(scenario: &Scenario, budget: Duration, full: Option<Duration>) -> Self {
        let measured = scenario.measured_time();
        let part = measured.div_duration_f64(scenario.duration());
        let fits = (budget / HOLDS).mul_f64(part);
        let full = full.unwrap_or_else(|| measured.min(fits).max(SHORTEST_FULL));
        Self {
            full,
            short: (full / LOOK).max(SHORTEST).min(full),
        }
    }
}

/// What a search of a scenario goes by. `share_needed` is the share of the scenario's messages that its limits need: at no
/// lower rate does the search ask, since a short hold could not decide there, be it the scenario's own.
///
/// # Errors
/// A sentence on a budget in which no search fits, or a rate that leaves nothing to search.
pub fn settings(
    scenario: &Scenario,
    rate: f64,
    share_needed: f64,
    lengths: Lengths,
    budget: Duration,
    up_to: Option<f64>,
) -> Result<Settings, String> {
    let most = up_to.unwrap_or(UP * rate);
    let whole = |measured: Duration| {
        let times = measured.div_duration_f64(scenario.measured_time());
        // Longer than any budget, where the measured part is next to nothing.
        let whole = Duration::try_from_secs_f64(scenario.duration().as_secs_f64() * times);
        whole.unwrap_or(Duration::MAX)
    };
    let (full, short) = (whole(lengths.full), whole(lengths.short));
    let takes = full.saturating_add(short.saturating_mul(LEAST_SHORT));
    if budget < takes {
        return Err(format!(
            "--budget {budget:?}: a search of this scenario takes {takes:.0?} at least, with holds of {full:.0?}; give it more, or make the holds shorter with --hold"
        ));
    }
    let shorter = scenario.measured_time().div_duration_f64(lengths.short);
    let decides = rate * share_needed * SPARE * shorter;
    Ok(Settings {
        start: rate.max(decides).min(most),
        most,
        least: (rate / DOWN).max(decides).min(most),
        precision: PRECISION,
        full,
        short,
        budget,
        rules: Rules::LATEST,
    })
}

/// The shortest full hold that somebody may ask for.
pub const fn shortest() -> Duration {
    SHORTEST_FULL
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn scenario(warm_up: u64, steady: u64) -> Scenario {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 2, rooms = 1 }}\n\
             [[phases]]\nname = \"w\"\nduration = \"{warm_up}s\"\nrate = \"9/s\"\nmeasured = false\n\
             [[phases]]\nname = \"s\"\nduration = \"{steady}s\"\nrate = \"20/s\"\n"
        );
        Scenario::parse(Path::new("t.toml"), &text).unwrap()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_hold_is_as_long_as_the_scenario_where_the_budget_has_room() {
        let seconds = |lengths: Lengths| [lengths.full, lengths.short].map(|one| one.as_secs());
        let of = |scenario: &Scenario, minutes| Lengths::of(scenario, minutes * MINUTE, None);
        assert_eq!(seconds(of(&scenario(10, 50), 60)), [50, 16]);
        assert_eq!(seconds(of(&scenario(10, 50), 15)), [46, 15]);
        // A soak of hours, and one that is too short to decide.
        assert_eq!(seconds(of(&scenario(60, 7_200), 15))[0], 55);
        assert_eq!(seconds(of(&scenario(1, 2), 15)), [10, 8]);
        let asked = Lengths::of(&scenario(10, 50), MINUTE, Some(2 * MINUTE));
        assert_eq!(seconds(asked), [120, 40]);
    }

    #[test]
    fn a_budget_without_room_for_a_search_is_refused() {
        let scenario = scenario(10, 50);
        let lengths = Lengths::of(&scenario, MINUTE, None);
        let error =
            settings(&scenario, 20.0, 0.0, lengths, Duration::from_secs(30), None).unwrap_err();
        assert!(
            error.contains("--budget 30s") && error.contains("--hold"),
            "{error}"
        );
        let found = settings(&scenario, 20.0, 0.0, lengths, 2 * MINUTE, Some(10.0)).unwrap();
        assert_eq!((found.start, found.most), (10.0, 10.0));
    }

    #[test]
    fn a_hold_longer_than_any_time_is_refused_with_its_budget() {
        let scenario = scenario(3_000_000, 1);
        let full = Duration::from_secs(1 << 60);
        let lengths = Lengths { full, short: full };
        let error = settings(&scenario, 20.0, 0.0, lengths, MINUTE, None).unwrap_err();
        assert!(error.contains("--budget 60s"), "{error}");
    }

    #[test]
    fn no_rate_is_asked_at_which_a_short_hold_has_too_few_samples() {
        let scenario = scenario(10, 50);
        let lengths = Lengths::of(&scenario, MINUTE, None);
        let found = |share, up_to| {
            let found = settings(&scenario, 1_000.0, share, lengths, 2 * MINUTE, up_to);
            let found = found.unwrap();
            (found.least, found.start)
        };
        assert_eq!(found(0.0, None), (1_000.0 / 64.0, 1_000.0));
        // 1,000 of 50,000 messages are needed, in 8 s instead of 50: 125/s give them, and 187.5 some more.
        assert_eq!(found(0.02, None), (187.5, 1_000.0));
        // The scenario's own rate is one of these; but somebody may have said how far to go.
        assert_eq!(found(0.5, None), (4_687.5, 4_687.5));
        assert_eq!(found(0.5, Some(2_000.0)), (2_000.0, 2_000.0));
    }
}
