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
    gaps.extend(apart(shards));
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
    if late > most {
        return Some(Gap::Apart {
            first,
            last,
            micros: micros(late),
            most: micros(most),
        });
    }
    let bound = |one: &ShardResult| one.clock.map_or(0, |clock| clock.bound);
    let least = shards.iter().max_by_key(|one| bound(one))?;
    (bound(least) > MOST_APART).then(|| Gap::Unsure {
        shard: least.number,
        micros: bound(least) / 1_000,
        most: micros(most),
    })
}
