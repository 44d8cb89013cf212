//! The shards of a merged result: which part of the plan each drove, and what keeps them from being one run.

use super::Verification;
use crate::{
    judge::Gap,
    plan::{Part, Plan, Send, Shard, Share},
    result::{Report, ShardResult},
    shards,
};

/// How a reason begins that says that a file breaks off, and what stands behind the file's name in it.
const TORN: (&str, &str) = ("not one whole run: ", " breaks off in the middle: ");

/// What the shards of a result and the plan say of a run.
pub(super) struct Shards {
    /// The shards as the plan has them.
    pub(super) again: Vec<ShardResult>,
    /// What makes the run less than a whole.
    pub(super) gaps: Vec<Gap>,
    /// Messages of measured phases that were due and that no shard drove.
    pub(super) undriven: u64,
}

/// Works out again what is said of the shards.
pub(super) fn again(said: &Report, plan: &Plan, found: &mut Verification) -> Shards {
    let mut again = said.shards.clone();
    let merged = said
        .command
        .get(1)
        .is_some_and(|command| command == "merge");
    if merged && again.is_empty() {
        found.wrong("shards", "nothing", "the shards that were merged");
    }
    // What is said of all is what the first one says.
    if let Some(run_id) = again.first().and_then(|one| one.run_id.clone()) {
        found.same("shards[0].run_id", run_id, said.run_id.clone());
    }
    let first = again.first().map(|one| (one.of, 0));
    let (of, mut before) = first.unwrap_or_default();
    let mut driven = 0;
    for (nth, one) in again.iter_mut().enumerate() {
        found.same(format!("shards[{nth}].of"), one.of, of);
        if one.number <= before {
            let follows = "numbers that ascend, each once";
            found.wrong(format!("shards[{nth}].number"), one.number, follows);
        }
        before = one.number;
        let part = Shard::new(one.number, of).map(|shard| Part::of(plan, shard));
        match part {
            Some(Ok(part)) => {
                one.users = part.users().len();
                let share = Share::of(part);
                one.messages = share.sends(plan).count();
                driven += share
                    .sends(plan)
                    .filter(|(_, send)| is_due(plan, send))
                    .count() as u64;
            }
            Some(Err(error)) => found.wrong(format!("shards[{nth}]"), of, error),
            None => {
                let what = format!("{} of {of}", one.number);
                found.wrong(format!("shards[{nth}]"), what, "a shard that there can be");
            }
        }
    }
    let mut gaps = torn(said, found);
    gaps.extend(shards::gaps(&said.shards));
    ends(said, found);
    let due = plan.sends.iter().filter(|send| is_due(plan, send)).count() as u64;
    Shards {
        undriven: match again.is_empty() {
            true => 0,
            false => due.saturating_sub(driven),
        },
        again,
        gaps,
    }
}

/// Whether a message is due whether or not anybody drives its sender.
fn is_due(plan: &Plan, send: &Send) -> bool {
    let phase = plan.phase_of(send);
    phase.measured && !phase.closed
}

/// Files that broke off, which are no shards of the result: that there were any is told by its reasons alone.
fn torn(said: &Report, found: &mut Verification) -> Vec<Gap> {
    let reasons = said.runs.last().map(|run| &run.judgement.reasons);
    let torn = reasons.into_iter().flatten().filter_map(|reason| {
        let text = reason.to_string();
        let (name, why) = text.strip_prefix(TORN.0)?.split_once(TORN.1)?;
        Some(Gap::Torn {
            name: name.to_owned(),
            why: why.to_owned(),
        })
    });
    let torn: Vec<Gap> = torn.collect();
    if !torn.is_empty() {
        found.open("that a file breaks off: it is no part of the result");
    }
    torn
}

/// A run is cut short where one of its shards was.
fn ends(said: &Report, found: &mut Verification) {
    let Some(run) = said.runs.last().filter(|_| !said.shards.is_empty()) else {
        return;
    };
    let cut = said.shards.iter().any(|one| one.ended.is_some());
    found.same("shards: whether one was cut short", cut, !run.complete);
}
