//! The change against its base, in turn, until it is known whether the change is slower: what is recorded of that.

mod block;
mod compared;
mod conclusion;
pub mod sequential;
mod show;
mod trial;

use std::collections::BTreeMap;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::block::broken;
pub(crate) use self::compared::of_deliveries;
pub use self::{
    block::Block,
    compared::{Compared, LEAST, Number, defaults, margin},
    conclusion::{Conclusion, Ending, conclude},
    show::{AbFormat, cycle_line},
    trial::{BESIDE, CYCLES, FALSE_ALARMS, MOST_CYCLES, Numbers, Trial},
};
use crate::{
    judge::Verdict,
    result::{Environment, ScenarioInfo},
};

/// The version of the schema of [`AbResult`].
pub const AB_VERSION: u32 = 1;

/// Who is measured in a block.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What the change is held against.
    Base,
    /// What is judged.
    Change,
    /// A bare relay: what the machine and the generator take.
    Relay,
}

impl Side {
    /// All of them.
    pub const ALL: [Side; 3] = [Side::Base, Side::Change, Side::Relay];

    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Base => "base",
            Side::Change => "change",
            Side::Relay => "relay",
        }
    }

    /// The order of each cycle, one after the other, each as likely as any other.
    pub fn orders(seed: u64) -> impl Iterator<Item = [Side; 3]> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        std::iter::repeat_with(move || {
            let mut order = Side::ALL;
            order.shuffle(&mut rng);
            order
        })
    }
}

/// `loadgen ab`, from its first block to its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AbResult {
    /// The version of this schema.
    pub ab_version: u32,
    /// PASS: a slowdown by the margin is excluded in every number. FAIL: a number is slower for certain and by more than its
    /// margin, or the change broke a promise. INCONCLUSIVE: neither. INVALID: most cycles were disturbed.
    pub verdict: Verdict,
    /// Why, in words; the weightiest first.
    pub reasons: Vec<String>,
    /// The base, held against itself, would not pass either.
    pub unstable: bool,
    /// What was asked in each block.
    pub scenario: ScenarioInfo,
    /// The command line, as it was typed.
    pub command: Vec<String>,
    /// What the user says of it, by key.
    pub labels: BTreeMap<String, String>,
    /// When the first block began: RFC 3339, UTC.
    pub started: String,
    /// When the last one ended.
    pub ended: String,
    /// Where it was measured.
    pub environment: Environment,
    /// How it was measured.
    pub settings: Settings,
    /// What the change is held against.
    pub base: SystemInfo,
    /// What is judged.
    pub change: SystemInfo,
    /// What became of each number.
    pub effects: Vec<Effect>,
    /// In their order, those that were left out among them.
    pub cycles: Vec<Cycle>,
}

/// How it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// Seconds of load before each block.
    pub warm_up: f64,
    /// Seconds of each block.
    pub block: f64,
    /// The phase of the scenario whose load a block has.
    pub phase: String,
    /// Cycles at most.
    pub cycles: usize,
    /// The seed of the orders in the cycles.
    pub order_seed: u64,
    /// How often, at most, a change fails that is not slower: a fraction of one, of all numbers together.
    pub false_alarms: f64,
}

/// One side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemInfo {
    /// As it was named.
    pub system: String,
    /// Which version it is, as it says; `None` where it does not.
    pub version: Option<String>,
    /// Which store it saves into, in words.
    pub store: String,
    /// When it delivers, in words.
    pub delivery: String,
}

/// Each side once, in the order that was drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cycle {
    /// Counted from 1.
    pub number: usize,
    /// In the order in which they were measured; of a block that was repeated, the last.
    pub blocks: Vec<Block>,
    /// Why the cycle does not count, where it does not.
    pub left_out: Option<String>,
}

impl Cycle {
    /// The block of one side.
    pub fn of(&self, side: Side) -> Option<&Block> {
        self.blocks.iter().find(|block| block.side == side)
    }

    /// Whether nothing more is measured in it: its last block says nothing, or the change broke a promise, which is certain whatever
    /// comes after it.
    pub fn is_over(&self) -> bool {
        self.blocks.len() >= Side::ALL.len()
            || self.blocks.last().is_some_and(|last| {
                last.doubt.is_some() || last.side == Side::Change && !last.broken.is_empty()
            })
    }

    /// Whether it is left out for what a block lacks, and not for what disturbed one.
    pub fn is_lacking(&self) -> bool {
        self.blocks.iter().any(|block| block.lacking)
    }

    /// By how much a number is larger with the change; `None` where a side has none.
    pub fn ratio(&self, key: &str) -> Option<f64> {
        let of = |side| self.of(side)?.numbers.get(key).copied();
        let (base, change): (f64, f64) = (of(Side::Base)?, of(Side::Change)?);
        (base > 0.0 && change > 0.0).then(|| change / base)
    }
}

/// What became of one number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// As in thresholds, or `server.cpu`: CPU of the server for each message.
    pub key: String,
    /// PASS: a slowdown by the margin is excluded. FAIL: slower for certain, and by more than the margin. Else INCONCLUSIVE.
    pub verdict: Verdict,
    /// By which fraction of the base's it may be larger.
    pub margin: f64,
    /// The same as it was judged: of a time that is so short that 50 µs are a larger fraction of it, that fraction.
    pub margin_here: f64,
    /// The median of the base's blocks, nanoseconds; `None`: a block has too few samples, here and below.
    pub base: Option<f64>,
    /// The median of the change's blocks.
    pub change: Option<f64>,
    /// The median of the relay's blocks.
    pub relay: Option<f64>,
    /// How many times as large it is with the change: the estimate of Hodges and Lehmann.
    pub ratio: Option<f64>,
    /// The lower end of its 95 % interval, which holds at every look; `None` of too few cycles.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// Larger with the change, by an error that all numbers share.
    pub slower_for_certain: bool,
    /// How much a block of the base differs from the one before, in the median: a fraction.
    pub base_spread: Option<f64>,
    /// Likewise of the change.
    pub change_spread: Option<f64>,
    /// Likewise of the relay: the machine's own.
    pub relay_spread: Option<f64>,
    /// Whether blocks that differ like those of the base would not pass either.
    pub unstable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_side_is_first_in_half_of_the_cycles_and_the_seed_decides_in_which() {
        let first = |order: &[Side; 3]| {
            let place = |side| order.iter().position(|one| *one == side);
            place(Side::Base) < place(Side::Change)
        };
        let of = |seed| Side::orders(seed).take(1_000);
        let base_first = of(1).filter(first).count();
        assert!((430..570).contains(&base_first), "{base_first}");
        assert!(of(1).eq(of(1)) && !of(1).eq(of(2)));
    }
}
