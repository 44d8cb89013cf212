//! What keeps the shards of a run from being one run, as far as the shards of its result say so themselves.

use std::collections::BTreeSet;

use crate::{judge::Gap, model::Nanos, result::ShardResult};

/// So much later than the first one a shard may begin: two of the promise's lengths, in which a thousandth of a short run's
/// messages is sent.
pub const MOST_APART: Nanos = 10_000_000;

/// What is missing, doubled, cut short or out of step, in that order; nothing of a run that one process drove.
pub fn gaps(shards: &[ShardResult]) -> Vec<Gap> {
    let Some(of) = shards.first().map(|one| one.of) else {
        return Vec::new();
    };
    let mut gaps = Vec::new();
    let there: BTreeSet<u16> = shards.iter().map(|one| one.number).collect();
    let missing: Vec<u16> = (1..=of).filter(|number| !there.contains(number)).collect();
    if !missing.is_empty() {
        gaps.push(Gap::Missing {
            shards: missing,
            of,
        });
    }
    let doubled = shards.iter().filter(|one| !one.given_as.is_empty());
    gaps.extend(doubled.map(|one| Gap::Twice {
        shard: one.number,
        of,
        names: one.given_as.clone(),
    }));
    gaps.extend(cut_short(shards, of));
    let out_of_step = apart(shards)
        .or_else(|| foreign(shards))
        .or_else(|| uncompared(shards))
        .or_else(|| unsure(shards));
    gaps.extend(out_of_step);
    gaps
}

/// Those that did not go to their end, where others did: what ends all of them, as a server that dies, is the run's own end.
fn cut_short(shards: &[ShardResult], of: u16) -> Vec<Gap> {
    if shards.len() == usize::from(of) && shards.iter().all(|one| one.ended.is_some()) {
        return Vec::new();
    }
    let cut = shards.iter().filter_map(|one| {
        Some(Gap::CutShort {
            shard: one.number,
            of,
            why: one.ended.clone()?,
        })
    });
    cut.collect()
}

/// Whether they began at one moment.
fn apart(shards: &[ShardResult]) -> Option<Gap> {
    let later = |one: &ShardResult| i128::from(one.planned_later);
    // One that never began was cut short.
    let began = || {
        let began = shards.iter();
        began.filter_map(|one| Some((later(one) + i128::from(one.began?), one.number)))
    };
    let ((earliest, first), (latest, last)) = (began().min()?, began().max()?);
    let spread = shards.iter().map(later).max()? - shards.iter().map(later).min()?;
    let most = i128::from(MOST_APART);
    let late = (latest - earliest).max(spread);
    let micros = |nanos: i128| u64::try_from(nanos / 1_000).unwrap_or(u64::MAX);
    (late > most).then(|| Gap::Apart {
        first,
        last,
        micros: micros(late),
        most: micros(most),
    })
}

/// Whether their messages are of one run, so that each knows those of the others where the server mistakes them.
fn foreign(shards: &[ShardResult]) -> Option<Gap> {
    let one = shards.first()?;
    let other = shards.iter().find(|other| other.run_id != one.run_id)?;
    Some(Gap::Foreign {
        first: one.number,
        shard: other.number,
    })
}

/// Whether all were compared with one clock, or all are believed. Results of before, which do not say of which run their
/// messages were, were not asked for it.
fn uncompared(shards: &[ShardResult]) -> Option<Gap> {
    let is_asked = shards.iter().all(|one| one.run_id.is_some());
    let some = shards.iter().any(|one| one.clock.is_some());
    let not = shards.iter().find(|one| one.clock.is_none())?;
    (is_asked && some).then_some(Gap::Uncompared {
        shard: not.number,
        most: MOST_APART / 1_000,
    })
}

/// Whether all clocks were known well enough, where anybody began.
fn unsure(shards: &[ShardResult]) -> Option<Gap> {
    let bound = |one: &ShardResult| one.clock.map_or(0, |clock| clock.bound);
    let least = shards.iter().max_by_key(|one| bound(one))?;
    let began = shards.iter().any(|one| one.began.is_some());
    (began && bound(least) > MOST_APART).then(|| Gap::Unsure {
        shard: least.number,
        micros: bound(least) / 1_000,
        most: MOST_APART / 1_000,
    })
}
