//! One run, judged again from what was seen of it and of the floors around it.

use std::sync::Arc;

use super::{Verification, plain, sums};
use crate::{
    judge::{Account, Promises, judge},
    model::Vocabulary,
    observed::{Layout, Observed},
    plan::{Plan, WARM_UP},
    result::{self, About, Evidence, EvidenceError, FloorResult, Generator, PackedEvidence, Run},
    scenario::Scenario,
};

/// The one client that asks for acknowledgements.
const ASKS_FOR_ACKS: &str = "native";

/// What was asked.
pub(super) struct Asked<'a> {
    /// As it is recorded.
    pub(super) scenario: &'a Scenario,
    /// Its plan.
    pub(super) plan: &'a Plan,
    /// Messages of it that were due and that nobody drove, since a shard is missing.
    pub(super) undriven: u64,
}

/// The run as what was seen of it has it. Where that can't be read it is told, and only histograms are held against numbers.
pub(super) fn again(said: &Run, asked: &Asked<'_>, place: &str, found: &mut Verification) -> Run {
    let (scenario, plan) = (asked.scenario, asked.plan);
    let scenario = Scenario {
        dialect: said.dialect,
        ..scenario.clone()
    };
    let seen = match Seen::of(said, &scenario, plan) {
        Ok(seen) => seen,
        Err(why) => {
            found.wrong(format!("{place}.evidence"), why, "what was seen");
            return plain::run(said, place, found);
        }
    };
    sums::check(&seen.observed, &seen.account, asked, place, found);
    let beside: Vec<&Observed> = seen.floors.iter().collect();
    let judgement = judge(&scenario, plan, &seen.observed, &seen.account, &beside);
    let floor = said
        .floor
        .as_ref()
        .and_then(|floor| floor_again(floor, plan, &seen, place, found));
    let account = with_examples(seen.account, said, plan);
    let about = About {
        scenario: &scenario,
        plan,
        delivery: said.delivery,
        delivery_known: said.delivery_known,
        promises: promises(said, &scenario),
        target: &said.target,
        own: said.own,
        target_version: said.target_version.as_deref(),
        store: said.store.clone(),
        client: &said.generator.client,
    };
    let again = result::run(about, seen.observed, account, judgement);
    with_what_was_told(Run { floor, ..again }, said)
}

/// What was seen of a run.
struct Seen {
    observed: Observed,
    account: Account,
    floors: Vec<Observed>,
}

/// Why what was seen says nothing of a run, or of a hold.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unseen {
    #[error("nothing")]
    Nothing,
    #[error(transparent)]
    Unreadable(#[from] EvidenceError),
    #[error("what was seen of another plan than the scenario and the seed give")]
    OtherPlan,
    #[error("no account of its messages")]
    Unaccounted,
}

impl Seen {
    fn of(said: &Run, scenario: &Scenario, plan: &Plan) -> Result<Self, Unseen> {
        let evidence = said.evidence.as_ref().ok_or(Unseen::Nothing)?;
        let (observed, account) = seen(evidence, scenario, plan)?;
        let floors = said.floor.iter().flat_map(|floor| &floor.evidence);
        let floors = floors.map(|one| of_floor(&one.unpacked()?, scenario));
        Ok(Self {
            observed,
            account,
            floors: floors.collect::<Result<_, EvidenceError>>()?,
        })
    }
}

/// What was seen of a plan, and what became of its messages.
pub(super) fn seen(
    evidence: &PackedEvidence,
    scenario: &Scenario,
    plan: &Plan,
) -> Result<(Observed, Account), Unseen> {
    let evidence = evidence.unpacked()?;
    if evidence.plan() != plan.digest_of_messages() {
        return Err(Unseen::OtherPlan);
    }
    let outcomes = evidence.outcomes()?.ok_or(Unseen::Unaccounted)?;
    if !outcomes.is_of(plan) {
        return Err(Unseen::OtherPlan);
    }
    let observed = evidence.observed(&Arc::new(Layout::of(scenario)))?;
    Ok((observed, Account::again(plan, outcomes)))
}

/// A floor has the limits of the run, and no phases of its own.
pub(super) fn of_floor(
    evidence: &Evidence,
    scenario: &Scenario,
) -> Result<Observed, EvidenceError> {
    let of_phases = scenario.phases.iter().flat_map(|phase| &phase.thresholds);
    let thresholds: Vec<_> = scenario
        .thresholds
        .iter()
        .chain(of_phases)
        .cloned()
        .collect();
    evidence.observed(&Arc::new(Layout::new(&thresholds, &[])))
}

fn floor_again(
    said: &FloorResult,
    plan: &Plan,
    seen: &Seen,
    place: &str,
    found: &mut Verification,
) -> Option<FloorResult> {
    let place = format!("{place}.floor.of_run");
    let Some([start, end]) = said.of_run else {
        found.wrong(place, "nothing", "the seconds that the floor replays");
        return None;
    };
    let busiest = plan.busiest(end.saturating_sub(start));
    if busiest != Some(start..end) {
        let follows = busiest.map_or_else(
            || "no second can be replayed".to_owned(),
            |busiest| format!("{busiest:?}, the busiest"),
        );
        found.wrong(place, format!("{start}..{end}"), follows);
        return None;
    }
    let replay = plan.replay(&(start..end), WARM_UP)?;
    let floors: Vec<&Observed> = seen.floors.iter().collect();
    let again = result::floor(&replay, &floors, &seen.observed, &(start..end))?;
    Some(FloorResult {
        evidence: said.evidence.clone(),
        ..again
    })
}

fn promises(said: &Run, scenario: &Scenario) -> Promises {
    let vocabulary = scenario.vocabulary();
    let asks = said.generator.client == ASKS_FOR_ACKS;
    let spoken = Vocabulary {
        acknowledges_messages: vocabulary.acknowledges_messages && asks,
        ..vocabulary
    };
    Promises::of(&spoken, said.delivery)
}

/// With the examples that are told of its findings, as far as they are any of what was seen.
fn with_examples(account: Account, said: &Run, plan: &Plan) -> Account {
    let mut findings = account.findings.clone();
    for finding in &mut findings {
        let told = said
            .findings
            .iter()
            .find(|told| told.check == finding.check);
        let examples = told.into_iter().flat_map(|told| &told.examples);
        let seen = examples.filter(|example| account.has(plan, finding.check, example));
        finding.examples = seen.cloned().collect();
    }
    Account {
        findings,
        ..account
    }
}

/// With what follows from nothing else.
fn with_what_was_told(again: Run, said: &Run) -> Run {
    let told = &said.generator;
    Run {
        ignored: said.ignored.clone(),
        server: said.server.clone(),
        evidence: said.evidence.clone(),
        generator: Generator {
            resident_before: told.resident_before,
            resident_connected: told.resident_connected,
            resident_end: told.resident_end,
            connect_seconds: told.connect_seconds,
            cpu_seconds: told.cpu_seconds,
            usage: told.usage.clone(),
            ..again.generator
        },
        ..again
    }
}
