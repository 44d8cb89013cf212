//! A result of `loadgen run`: its seal, its scenario, each of its runs, and the verdict over them.

use serde_json::Value;

use super::{Verification, again, plain, run, shards};
use crate::{
    plan::Plan,
    result::{self, Document, ParseError, Report, Run, of_scenario, seal},
    scenario::Scenario,
};

/// The first version that records what was seen.
const WITH_EVIDENCE: u64 = 4;

/// The version that a text of a result has, as it stands there.
pub fn recorded_version(text: &str) -> Option<u64> {
    let value: Value = serde_json::from_str(text).ok()?;
    value["version"].as_u64()
}

/// Works out again what a result says.
///
/// # Errors
/// [`ParseError`] where the text is no result.
pub fn result(text: &str) -> Result<Verification, ParseError> {
    let document = Document::parse(text.to_owned())?;
    let said = document.report();
    let mut found = Verification::default();
    let again = match recorded_version(text) {
        Some(version) if version < WITH_EVIDENCE => {
            older(said, version, &mut found);
            plain::again(said, &mut found)
        }
        _ => {
            found.same("seal", said.seal.clone(), seal(text)?);
            built_from(said, &mut found);
            whole(said, &mut found)
        }
    };
    found
        .compare(said, &again)
        .map_err(ParseError::NotAResult)?;
    Ok(found)
}

/// What a result of before can't show; and that it is one of before.
fn older(said: &Report, version: u64, found: &mut Verification) {
    let seen = said.runs.iter().any(|run| run.evidence.is_some());
    if seen || !said.seal.is_empty() {
        found.wrong("version", version, WITH_EVIDENCE);
    }
    found.open(format!(
        "verdicts, intervals, ratios to the floor, and the account: version {version} records neither what was seen nor the \
         scenario's text; only its histograms and its sums are held against its numbers"
    ));
}

/// A result has to say what it was made with.
fn built_from(said: &Report, found: &mut Verification) {
    let built = &said.environment;
    for (what, known) in [("commit", &built.commit), ("lockfile", &built.lockfile)] {
        if known.is_none() {
            found.open(format!(
                "which program measured: environment.{what} is unknown, as of one that was built outside its repository"
            ));
        }
    }
    if said.command.is_empty() {
        found.wrong("command", "nothing", "the command line, as it was typed");
    }
}

/// The whole result, worked out again as far as that goes.
fn whole(said: &Report, found: &mut Verification) -> Report {
    let mut again = Report {
        version: result::VERSION,
        ..said.clone()
    };
    let (scenario, plan) = match planned(said) {
        Ok(planned) => planned,
        Err(Unplanned::NotThere(why)) => {
            found.open(format!("all but histograms and sums: {why}"));
            return plain::again(said, found);
        }
        Err(Unplanned::Wrong(why)) => {
            found.wrong("scenario.texts", why, "the scenario that was run");
            return plain::again(said, found);
        }
    };
    again.scenario = of_scenario(&scenario, &plan).counted_as(&said.scenario, &scenario);
    let shards = shards::again(said, &plan, found);
    let runs = said.runs.iter().enumerate();
    let again_of = |(index, one)| {
        let asked = run::Asked {
            scenario: &scenario,
            plan: &plan,
            undriven: shards.undriven,
        };
        let run = run::again(one, &asked, &format!("runs[{index}]"), found);
        Run {
            judgement: run.judgement.with_gaps(shards.gaps.clone()),
            ..run
        }
    };
    again.runs = runs.map(again_of).collect();
    again.shards = shards.again;
    if let Some(subject) = again.runs.last() {
        again.verdict = subject.judgement.verdict;
        again.reasons.clone_from(&subject.judgement.reasons);
    }
    again
}

/// Why a scenario can't be planned again.
enum Unplanned {
    /// Something that it names is not part of a result, and is not here.
    NotThere(String),
    /// It is not the scenario that was run.
    Wrong(String),
}

/// The scenario that was run, and its plan.
fn planned(said: &Report) -> Result<(Scenario, Plan), Unplanned> {
    if said.scenario.texts_withheld && said.scenario.texts.is_empty() {
        let why = "the scenario's text is withheld, since it may hold a secret";
        return Err(Unplanned::NotThere(why.to_owned()));
    }
    let scenario = again::read(&said.scenario).map_err(|error| {
        let Some(error) = error else {
            return Unplanned::Wrong("nothing".to_owned());
        };
        let why = error.to_string();
        // What is read beside the texts are files of bodies and of users.
        match why.contains("os error") {
            true => Unplanned::NotThere(why),
            false => Unplanned::Wrong(why),
        }
    })?;
    let plan = Plan::new(&scenario).map_err(|error| Unplanned::Wrong(error.to_string()))?;
    Ok((scenario, plan))
}
