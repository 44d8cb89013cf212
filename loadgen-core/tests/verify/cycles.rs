//! Cycles of a gate that end before each side was measured.

use loadgen_core::{
    compare::ab::{AbResult, Side},
    verify,
};

use crate::experiments::gate;

/// Whoever breaks a promise ends the cycle: what comes after it decides nothing.
#[test]
fn a_cycle_ends_with_the_promise_that_the_change_broke_and_with_nothing_else() {
    let mut broke = gate(1.0);
    let places = broke.cycles.iter().map(|cycle| {
        let mut blocks = cycle.blocks.iter();
        blocks.position(|block| block.side == Side::Change).unwrap()
    });
    let places: Vec<usize> = places.collect();
    let first = places.iter().position(|place| *place < 2).unwrap();
    broke.cycles.truncate(first + 1);
    let cycle = &mut broke.cycles[first];
    cycle.blocks.truncate(places[first] + 1);
    let wrong = |told: &AbResult| {
        let text = serde_json::to_string(told).unwrap();
        let found = verify::ab(&text).unwrap();
        let wrong = found.wrong.into_iter().map(|one| one.place);
        wrong
            .filter(|place| place.starts_with("cycles"))
            .collect::<Vec<_>>()
    };
    let cut = format!("cycles[{first}].blocks: whether it is over");
    assert_eq!(wrong(&broke), [cut]);
    let block = &mut broke.cycles[first].blocks[places[first]];
    block.broken = vec!["4 deliveries doubled".to_owned()];
    assert_eq!(wrong(&broke), [""; 0]);
    let text = serde_json::to_string(&broke).unwrap();
    let verdict = verify::ab(&text).unwrap().wrong;
    let verdict = verdict.iter().find(|one| one.place == "verdict").unwrap();
    assert!(verdict.follows.contains("FAIL"), "{verdict:?}");
}
