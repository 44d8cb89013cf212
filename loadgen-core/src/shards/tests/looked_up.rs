//! The store has the messages of all shards: what one of them could not look up there, nobody knows.

use super::*;
use crate::observed::{Lookup, Stored};

/// What became of a shard's look into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    NotAsked,
    Failed,
    Found,
}

/// A shard of a run whose messages are all in the store, as far as it could look.
fn looked(scenario: &Scenario, which: &str, look: Look) -> Recording {
    let plan = Plan::new(scenario).unwrap();
    let part = Part::of(&plan, shard(which)).unwrap();
    let mut stored = Stored::new(plan.sends.len());
    for (message, _) in Share::of(part.clone()).sends(&plan) {
        stored.add(message, u64::from(message) + 1);
    }
    let observed = Observed {
        stored: match look {
            Look::NotAsked => Lookup::NotAsked,
            Look::Failed => Lookup::Failed,
            Look::Found => Lookup::Found(stored),
        },
        ..seen(scenario, &plan, &part, fast)
    };
    recording(scenario, &plan, which, &observed)
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![Just(Look::NotAsked), Just(Look::Failed), Just(Look::Found)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_is_looked_up_by_all_or_by_none(
        looks in prop::collection::vec(look(), 1..5), turn in 0_usize..4,
    ) {
        let of = looks.len();
        let named = (1..).zip(&looks);
        let mut all: Vec<Recording> = named
            .map(|(number, look)| looked(&short(), &format!("{number}/{of}"), *look))
            .collect();
        all.rotate_left(turn % of);
        let report = report(&all);
        let run = &report.runs[0];
        let told = report.reasons.iter().any(|reason| {
            reason.to_string() == "confirmed messages could not be looked up in the store"
        });
        let all_are = |one: Look| looks.iter().all(|look| *look == one);
        prop_assert_eq!(run.findings.len(), 0, "{:?}", report.reasons);
        prop_assert_eq!(run.audited, all_are(Look::Found));
        prop_assert_eq!(told, !all_are(Look::Found) && !all_are(Look::NotAsked));
        prop_assert!(!told || report.verdict == Verdict::Inconclusive);
    }
}

#[test]
fn who_has_sent_nothing_has_nothing_to_look_up() {
    // There are more rooms, of which each shard has one, than messages.
    let text = TEXT.replace("30s", "100ms");
    let scenario = Scenario::parse(Path::new("t.toml"), &text).unwrap();
    let plan = Plan::new(&scenario).unwrap();
    let mut idle = 0;
    let all = (1..=12).map(|number| {
        let which = format!("{number}/12");
        let part = Part::of(&plan, shard(&which)).unwrap();
        let look = match Share::of(part).sends(&plan).count() {
            0 => Look::NotAsked,
            _ => Look::Found,
        };
        idle += u32::from(look == Look::NotAsked);
        looked(&scenario, &which, look)
    });
    let all: Vec<Recording> = all.collect();
    assert!((1..12).contains(&idle), "{idle}");
    let report = report(&all);
    assert!(report.runs[0].audited, "{:?}", report.reasons);
}
