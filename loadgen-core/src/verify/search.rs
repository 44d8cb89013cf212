//! A result of `loadgen search`: the way that its holds went, and what all of them say.

use std::time::Duration;

use super::{
    Verification, again as recorded,
    differences::shown,
    run::{self, Unseen},
    sums,
};
use hdrhistogram::Histogram;

use crate::{
    judge::share_needed,
    model::{HistogramError, histogram, percentile},
    plan::Plan,
    result::{ScenarioInfo, of_scenario},
    scenario::{Scenario, Threshold},
    search::{
        About, Answer, Ask, Asked, Controller, Ended, Found, Hold, Kept, LIMITS, Lengths, Next,
        Outcome, RULES_SINCE, Rules, SEEN_SINCE, SHARE, Seen, Settings, SystemFound, is_same_rate,
        ladder::Ladder, saves_first, scenario_of, settings,
    },
};

/// A share that is counted exactly and one that is read off a histogram differ by no more.
const HISTOGRAM: f64 = 0.001;

/// Works out again what a search says.
///
/// # Errors
/// Where the text is no such result.
pub fn search(text: &str) -> Result<Verification, serde_json::Error> {
    let said: Found = serde_json::from_str(text)?;
    let mut found = Verification::default();
    let again = again(&said, "", &mut found);
    found.compare(&said, &again)?;
    Ok(found)
}

/// Works out again what a ladder says: each of its searches, and all of them together.
///
/// # Errors
/// Where the text is no such result.
pub fn ladder(text: &str) -> Result<Verification, serde_json::Error> {
    let said: Ladder = serde_json::from_str(text)?;
    let mut found = Verification::default();
    let searches = said.searches.iter().enumerate();
    let searches = searches.map(|(nth, one)| again(one, &format!("searches[{nth}]."), &mut found));
    match Ladder::of(searches.collect(), said.asked.clone()) {
        Some(again) => found.compare(&said, &again)?,
        None => found.wrong("searches", "nothing", "a search for each scenario"),
    }
    Ok(found)
}

/// A search as its holds have it; `above` is where it stands.
fn again(said: &Found, above: &str, found: &mut Verification) -> Found {
    let mut again = said.clone();
    for (nth, system) in again.systems.iter_mut().enumerate() {
        for (hold, place) in system.holds.iter_mut().zip(0..) {
            if let Err(error) = numbers(hold) {
                let place = format!("{above}systems[{nth}].holds[{place}].delivery");
                found.wrong(place, error, "a histogram that can be read");
            }
            limits(
                hold,
                &format!("{above}systems[{nth}].holds[{place}].limits"),
                found,
            );
        }
    }
    found.open(match said.search_version >= SEEN_SINCE {
        true => "how the holds went that do not decide: of them, only the times of their deliveries are kept",
        false => "how each hold went: the holds' own runs are not kept, only the times of their deliveries",
    });
    match planned(said) {
        Ok(planned) => {
            again.scenario = planned.info.clone();
            again.settings.scenario_rate = planned.rate;
            again.settings.precision = planned.settings.precision;
            match said.search_version >= RULES_SINCE {
                true => systems(said, &mut again, &planned, above, found),
                false => found.open(format!(
                    "the way of the search, and what its holds say together: version {} went by other rules",
                    said.search_version
                )),
            }
        }
        Err(why) => found.open(format!("the scenario, and the way of the search: {why}")),
    }
    if let Some(verdict) = again.systems.iter().map(|one| one.verdict).max() {
        again.verdict = verdict;
    }
    again
}

/// What was searched, and by what.
struct Planned {
    info: ScenarioInfo,
    /// With the last of its delivery modes.
    scenario: Scenario,
    /// Messages per second of the scenario itself.
    rate: f64,
    lengths: Lengths,
    settings: Settings,
}

fn planned(said: &Found) -> Result<Planned, String> {
    let scenario = recorded::scenario(&said.scenario)?;
    let plan = Plan::new(&scenario).map_err(|error| error.to_string())?;
    let info = of_scenario(&scenario, &plan).counted_as(&said.scenario, &scenario);
    let needed = share_needed(&scenario, &plan);
    let rate = scenario
        .measured_rate()
        .map_err(|error| error.to_string())?;
    let last = Scenario {
        delivery: scenario.delivery.last().copied().into_iter().collect(),
        ..scenario
    };
    let recorded = &said.settings;
    let lengths = Lengths {
        full: recorded::duration(recorded.full)?,
        short: recorded::duration(recorded.short)?,
    };
    let budget = recorded::duration(recorded.budget)?;
    let up_to = Some(recorded.up_to);
    let settings = Settings {
        rules: Rules::of(said.search_version),
        ..settings(&last, rate, needed, lengths, budget, up_to)?
    };
    Ok(Planned {
        info,
        scenario: last,
        rate,
        lengths,
        settings,
    })
}

/// Each limit once, of a longer time no smaller share, and none kept with less than it asks for. A share that keeps its limit over all
/// seconds is of these, and another one of those that nothing disturbed: it may be the larger one.
fn limits(hold: &Hold, place: &str, found: &mut Verification) {
    let told: Vec<u64> = hold.limits.iter().map(|one| one.limit).collect();
    if told != LIMITS {
        found.wrong(place, format!("{told:?}"), format!("{LIMITS:?}"));
    }
    let all = histogram::decode(&hold.delivery).ok();
    let shares: Vec<(u64, f64)> = hold
        .limits
        .iter()
        .filter_map(|one| Some((one.limit, one.within?)))
        .collect();
    let falls = |pair: &[(u64, f64)]| pair[1].1 < pair[0].1;
    let mut pairs = shares.windows(2).filter(|pair| falls(pair));
    if pairs.any(|pair| !is_of_all_seconds(all.as_ref(), pair[1])) {
        found.wrong(place, "a smaller share within a longer time", "none");
    }
    for (nth, one) in hold.limits.iter().enumerate() {
        let kept = one.outcome == Outcome::Kept;
        if let Some(within) = one.within.filter(|within| kept && *within < SHARE) {
            let follows = format!("{SHARE} or more, where the limit was kept");
            found.wrong(format!("{place}[{nth}].within"), within, follows);
        }
    }
}

/// Whether that is the share within a limit of all deliveries, as near as their histogram tells.
fn is_of_all_seconds(all: Option<&Histogram<u64>>, (limit, within): (u64, f64)) -> bool {
    let share = |all: &Histogram<u64>| all.count_between(0, limit) as f64 / all.len().max(1) as f64;
    all.is_some_and(|all| (share(all) - within).abs() <= HISTOGRAM)
}

/// Its times as its histogram has them; an older one has none.
fn numbers(hold: &mut Hold) -> Result<(), HistogramError> {
    if hold.delivery.is_empty() {
        return Ok(());
    }
    let deliveries = histogram::decode(&hold.delivery)?;
    hold.deliveries = deliveries.len();
    hold.p50 = percentile::of(&deliveries, 50.0).ok();
    hold.p99 = percentile::of(&deliveries, 99.0).ok();
    Ok(())
}

/// Searches again, told how the holds went that were held; those that decide are judged again.
fn systems(
    said: &Found,
    again: &mut Found,
    planned: &Planned,
    above: &str,
    found: &mut Verification,
) {
    for (nth, system) in said.systems.iter().enumerate() {
        let mut controller = Controller::new(planned.settings.clone());
        let holds = system.holds.iter().zip(&mut again.systems[nth].holds);
        for (number, (hold, again)) in holds.enumerate() {
            let place = format!("{above}systems[{nth}].holds[{number}]");
            if !(hold.rate.is_finite() && hold.rate > 0.0) {
                // Neither a plan nor the way of a search comes of it.
                found.wrong(format!("{place}.rate"), hold.rate, "a rate above 0");
                continue;
            }
            // To the last bit, since what was asked before is known again by its rate.
            let asked = asked_for(&controller.next(), told(hold));
            if asked.is_none() {
                found.wrong(
                    place.clone(),
                    format!("{} at {}/s", hold.purpose.name(), hold.rate),
                    next(&controller.next()),
                );
            }
            let ask = asked.unwrap_or(told(hold));
            if let Some(seen) = &hold.seen {
                let place = format!("{place}.seen");
                match judged_again(hold, seen, ask, system, planned, (&place, found)) {
                    Ok(judged) => *again = judged,
                    Err(why) => found.wrong(place, why, "what was seen"),
                }
            }
            let took = recorded::duration(hold.took).unwrap_or_else(|_| {
                let said = format!("{:?} s", hold.took);
                found.wrong(format!("{place}.took"), said, "a length of time");
                Duration::ZERO
            });
            controller.tell(ask, hold.outcome, took);
        }
        let answer = answer(&controller, planned.settings.rules, system.ended);
        let about = About {
            system: system.system.clone(),
            version: system.version.clone(),
            store: system.store.clone(),
            delivery: system.delivery.clone(),
            dialect: system.dialect,
            not_asked: system.not_asked.clone(),
        };
        let holds = again.systems[nth].holds.clone();
        let decided = SystemFound::of(about, &answer, holds);
        if said.search_version >= SEEN_SINCE {
            all_are_seen(&decided, &format!("{above}systems[{nth}].holds"), found);
        }
        again.systems[nth] = decided;
    }
}

/// What a hold says that it was.
fn told(hold: &Hold) -> Ask {
    Ask {
        rate: hold.rate,
        length: hold.length,
        purpose: hold.purpose,
    }
}

/// What was seen of a hold, which is held against itself at that place, decides how it went.
fn judged_again(
    said: &Hold,
    kept: &Kept,
    ask: Ask,
    system: &SystemFound,
    planned: &Planned,
    (place, found): (&str, &mut Verification),
) -> Result<Hold, Unseen> {
    let asked_of = |limits: &[Threshold]| -> Vec<Threshold> {
        let asked = limits
            .iter()
            .filter(|limit| !system.not_asked.contains(&limit.to_string()));
        asked.cloned().collect()
    };
    let mut of_it = Scenario {
        dialect: system.dialect.unwrap_or(planned.scenario.dialect),
        thresholds: asked_of(&planned.scenario.thresholds),
        ..planned.scenario.clone()
    };
    for phase in &mut of_it.phases {
        phase.thresholds = asked_of(&phase.thresholds);
    }
    let scenario = scenario_of(&of_it, planned.rate, planned.lengths, ask);
    let plan = Plan::new(&scenario).map_err(|_| Unseen::OtherPlan)?;
    let (mut observed, account) = run::seen(&kept.evidence, &scenario, &plan)?;
    let asked = run::Asked {
        scenario: &scenario,
        plan: &plan,
        undriven: 0,
    };
    sums::check(&observed, &account, &asked, place, found);
    observed.server.clone_from(&kept.server);
    let floor = kept.floor.as_ref();
    let floor = floor.map(|floor| run::of_floor(&floor.unpacked()?, &scenario));
    let floor = floor.transpose()?;
    let judged = Hold::of(&Seen {
        asked: &Asked {
            ask,
            scenario: &scenario,
            plan: &plan,
            own: &of_it.thresholds,
            saves_first: saves_first(&system.delivery, &system.store),
            rules: planned.settings.rules,
        },
        observed: &observed,
        account: &account,
        floor: floor.as_ref().map(|floor| (&plan, floor)),
        took: said.took,
    });
    // What follows from nothing that is kept.
    Ok(Hold {
        rate: said.rate,
        generator_cpu: said.generator_cpu,
        store_cpu: said.store_cpu,
        threads: said.threads.clone(),
        seen: said.seen.clone(),
        ..judged
    })
}

/// Each hold at a rate where a limit ends must have been seen, but for one that nobody could connect for.
fn all_are_seen(system: &SystemFound, place: &str, found: &mut Verification) {
    for (nth, hold) in system.holds.iter().enumerate() {
        let refused = Hold::refused(told(hold), hold.because.clone(), hold.took);
        if system.is_decided_at(hold.rate) && hold.seen.is_none() && *hold != refused {
            found.wrong(format!("{place}[{nth}].seen"), "nothing", "what was seen");
        }
    }
}

/// What the search asks for, where that was held. Rates may differ by as much as writing and reading changes.
fn asked_for(next: &Next, held: Ask) -> Option<Ask> {
    let Next::Hold(wanted) = *next else {
        return None;
    };
    (is_same_rate(wanted.rate, held.rate)
        && wanted.length == held.length
        && wanted.purpose == held.purpose)
        .then_some(wanted)
}

fn next(next: &Next) -> String {
    match next {
        Next::Hold(ask) => format!("{} at {}/s", ask.purpose.name(), ask.rate),
        Next::Done(answer) => format!("the end: {}", shown(&serde_json::json!(answer.ended))),
    }
}

/// Who is stopped, or dies, ends whatever comes next; by older rules who was stopped lost an answer, too.
fn answer(controller: &Controller, rules: Rules, said: Ended) -> Answer {
    let was_taken = said == Ended::Interrupted && rules < Rules::SeenTwice;
    match controller.next() {
        Next::Done(answer) if !was_taken => answer,
        Next::Hold(_) if !matches!(said, Ended::Interrupted | Ended::Died) => {
            controller.answer(Ended::OutOfBudget)
        }
        _ => controller.answer(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stopped_a_search_took_its_answer_away_by_older_rules_alone() {
        let hold = Duration::from_secs(20);
        let mut controller = Controller::new(Settings {
            start: 100.0,
            most: 200.0,
            least: 1.0,
            precision: 0.025,
            full: hold,
            short: hold,
            budget: 100 * hold,
            rules: Rules::LATEST,
        });
        let ended = |controller: &Controller, rules| {
            let answer = answer(controller, rules, Ended::Interrupted);
            answer.ended
        };
        while let Next::Hold(ask) = controller.next() {
            assert_eq!(ended(&controller, Rules::LATEST), Ended::Interrupted);
            controller.tell(ask, Outcome::Kept, hold);
        }
        assert_eq!(ended(&controller, Rules::FailedTwice), Ended::Interrupted);
        assert_eq!(ended(&controller, Rules::SeenTwice), Ended::AtMost);
        let whole = answer(&controller, Rules::FailedTwice, Ended::AtMost);
        assert_eq!(whole.ended, Ended::AtMost);
    }
}
