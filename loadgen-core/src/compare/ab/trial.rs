//! Is the change slower? Said anew after every cycle.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{Effect, compared::Compared, sequential::Allowed};
use crate::{
    compare::{
        number::median,
        sets::{Design, Sets, Values},
    },
    judge::Verdict,
};

/// How often it may be said that a change is slower that is not, in any of the numbers.
pub const FALSE_ALARMS: f64 = 0.01;
/// How often the interval of one number may lie beside it, to either side: so, too, how often a change may pass that is slower by
/// the margin.
pub const BESIDE: f64 = 0.025;
/// Cycles, unless the user says otherwise.
pub const CYCLES: usize = 20;
/// The user may ask for so many at most.
pub const MOST_CYCLES: usize = 100;
/// How often the base is held against itself.
const SHAMS: usize = 100;
/// Fixed, so that the same cycles always get the same answer.
const SEED: u64 = 0x5eed;

/// The numbers of one block, in nanoseconds, by their keys.
pub type Numbers = BTreeMap<String, f64>;

/// The cycles so far.
#[derive(Debug, Clone)]
pub struct Trial {
    compared: Vec<Compared>,
    most: usize,
    base: Vec<Numbers>,
    change: Vec<Numbers>,
    relay: Vec<Numbers>,
}

impl Trial {
    /// Of these numbers, in no more cycles than that.
    pub fn new(compared: Vec<Compared>, most: usize) -> Self {
        Self {
            compared,
            most,
            base: Vec::new(),
            change: Vec::new(),
            relay: Vec::new(),
        }
    }

    /// Cycles that a change takes at least to fail; `None` where it can't.
    pub fn soonest(&self) -> Option<usize> {
        self.alarm().soonest()
    }

    /// One more cycle. The relay serves for comparison.
    pub fn add(&mut self, base: Numbers, change: Numbers, relay: Option<Numbers>) {
        self.base.push(base);
        self.change.push(change);
        self.relay.extend(relay);
    }

    /// Cycles so far.
    pub fn cycles(&self) -> usize {
        self.base.len()
    }

    /// What is known of each number.
    pub fn effects(&self) -> Vec<Effect> {
        let compared = self.compared.iter();
        compared.map(|compared| self.effect(compared)).collect()
    }

    /// The verdict, as soon as there is one: a number that got worse, or all that did not; INCONCLUSIVE after the last cycle.
    pub fn verdict(&self) -> Option<Verdict> {
        let compared = self.compared.iter();
        let verdicts: Vec<Verdict> = compared.map(|one| self.ground(one).verdict).collect();
        let last = self.cycles() >= self.most;
        verdict(&verdicts).or(last.then_some(Verdict::Inconclusive))
    }

    /// Whether the base, held against itself, would not pass in as many cycles either: number by number.
    pub fn unstable(&self) -> Vec<bool> {
        let of = |compared: &Compared| {
            let base = values(&self.base, &compared.number.to_string());
            let margin = self.margin(compared, &base);
            !base.is_empty() && !self.would_pass(&base, margin)
        };
        self.compared.iter().map(of).collect()
    }

    /// What makes a false alarm of one number.
    fn alarm(&self) -> Allowed {
        Allowed {
            error: FALSE_ALARMS / self.compared.len().max(1) as f64,
            most: self.most,
        }
    }

    fn interval(&self) -> Allowed {
        Allowed {
            error: BESIDE,
            most: self.most,
        }
    }

    /// The logarithm of how many times as large as the base's a number may be.
    fn margin(&self, compared: &Compared, base: &[f64]) -> f64 {
        let least = median(base).map_or(0.0, |base| compared.least() as f64 / base.exp());
        compared.allowed().max(least).ln_1p()
    }

    /// What decides on a number.
    fn ground(&self, compared: &Compared) -> Ground {
        let key = compared.number.to_string();
        let (base, change) = (values(&self.base, &key), values(&self.change, &key));
        let margin = self.margin(compared, &base);
        let pairs = Sets::new(Design::Pairs, base.len(), base.len());
        let values = Values { base, change };
        let shift = pairs.shift(&values).map(|shift| shift.value);
        let Values { base, change } = values;
        let pairs = base.iter().zip(&change);
        let differences: Vec<f64> = pairs.map(|(base, change)| change - base).collect();
        let beneath: Vec<f64> = differences.iter().map(|one| margin - one).collect();
        let certain = self.alarm().are_above_zero(&differences);
        let verdict = if self.interval().are_above_zero(&beneath) {
            Verdict::Pass
        } else if certain && shift > Some(margin) {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        Ground {
            key,
            verdict,
            margin,
            base,
            change,
            differences,
            shift,
            certain,
        }
    }

    fn effect(&self, compared: &Compared) -> Effect {
        let ground = self.ground(compared);
        let relay = values(&self.relay, &ground.key);
        let of = |logarithm: Option<f64>| logarithm.map(f64::exp);
        let bounds = self.interval();
        Effect {
            verdict: ground.verdict,
            margin: compared.allowed(),
            margin_here: ground.margin.exp_m1(),
            base: of(median(&ground.base)),
            change: of(median(&ground.change)),
            relay: of(median(&relay)),
            ratio: of(ground.shift),
            low: of(bounds.below(&ground.differences, 0.0)),
            high: of(bounds.above(&ground.differences, ground.margin)),
            slower_for_certain: ground.certain,
            base_spread: spread(&ground.base),
            change_spread: spread(&ground.change),
            relay_spread: spread(&relay),
            unstable: false,
            key: ground.key,
        }
    }

    /// Whether blocks that differ like neighbours of these would pass more often than not.
    fn would_pass(&self, blocks: &[f64], margin: f64) -> bool {
        let steps: Vec<f64> = blocks.windows(2).map(|two| two[1] - two[0]).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let passed = (0..SHAMS).filter(|_| {
            let mut sham = || {
                let step = steps.choose(&mut rng).copied().unwrap_or(f64::INFINITY);
                let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
                margin - sign * step
            };
            let shams: Vec<f64> = (0..self.most).map(|_| sham()).collect();
            self.interval().are_above_zero(&shams)
        });
        2 * passed.count() >= SHAMS
    }
}

/// What decides on one number: all of it as logarithms.
struct Ground {
    key: String,
    verdict: Verdict,
    margin: f64,
    base: Vec<f64>,
    change: Vec<f64>,
    /// By how much the change's is larger, cycle by cycle.
    differences: Vec<f64>,
    /// The estimate of all of them.
    shift: Option<f64>,
    certain: bool,
}

/// FAIL of one decides, PASS of all does; `None`: not yet.
fn verdict(verdicts: &[Verdict]) -> Option<Verdict> {
    if verdicts.contains(&Verdict::Fail) {
        return Some(Verdict::Fail);
    }
    let all = verdicts.iter().all(|verdict| *verdict == Verdict::Pass);
    (all && !verdicts.is_empty()).then_some(Verdict::Pass)
}

/// The logarithms of a number in blocks that all have it.
fn values(blocks: &[Numbers], key: &str) -> Vec<f64> {
    let of = |numbers: &Numbers| {
        numbers
            .get(key)
            .filter(|number| **number > 0.0)
            .map(|n| n.ln())
    };
    blocks
        .iter()
        .map(of)
        .collect::<Option<_>>()
        .unwrap_or_default()
}

/// The median of how much blocks of one side differ from the one before, as a fraction.
fn spread(blocks: &[f64]) -> Option<f64> {
    let steps: Vec<f64> = blocks
        .windows(2)
        .map(|two| (two[1] - two[0]).abs())
        .collect();
    median(&steps).map(f64::exp_m1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(of: &[(&str, f64)]) -> Numbers {
        of.iter()
            .map(|(key, value)| ((*key).to_owned(), *value))
            .collect()
    }

    /// Cycles of one number: the base's wobbles by a fraction, the change takes so many times as long.
    fn trial(metric: &str, base: f64, wobble: f64, times: f64, cycles: usize) -> Trial {
        let compared: Compared = metric.parse().unwrap();
        let key = compared.number.to_string();
        let mut trial = Trial::new(vec![compared], CYCLES);
        for cycle in 0..cycles {
            let at = |place: usize| 1.0 + wobble * ((place * 7 % 11) as f64 / 5.0 - 1.0);
            let of = |value: f64| numbers(&[(&key, value)]);
            let change = base * times * at(cycle + 5);
            trial.add(of(base * at(cycle)), of(change), Some(of(base / 3.0)));
        }
        trial
    }

    fn decided(metric: &str, base: f64, wobble: f64, times: f64) -> (Verdict, usize) {
        let at = |cycles| trial(metric, base, wobble, times, cycles).verdict();
        (1..=CYCLES)
            .find_map(|cycles| Some((at(cycles)?, cycles)))
            .unwrap()
    }

    #[test]
    fn a_change_passes_as_soon_as_the_margin_is_excluded_and_fails_when_it_is_slower_for_certain() {
        let (verdict, cycles) = decided("delivery.p50", 1e6, 0.02, 1.0);
        assert!(
            verdict == Verdict::Pass && cycles < 10,
            "{verdict:?} {cycles}"
        );
        let (verdict, cycles) = decided("delivery.p50", 1e6, 0.02, 1.2);
        assert!(
            verdict == Verdict::Fail && cycles < 10,
            "{verdict:?} {cycles}"
        );
        // Slower for certain, and by less than the margin.
        let (verdict, _) = decided("delivery.p50", 1e6, 0.005, 1.05);
        assert_eq!(verdict, Verdict::Pass);
        let (verdict, cycles) = decided("delivery.p50", 1e6, 0.5, 1.1);
        assert_eq!((verdict, cycles), (Verdict::Inconclusive, CYCLES));
    }

    #[test]
    fn fifty_microseconds_of_a_fast_server_fail_nothing_and_of_cpu_they_do() {
        let (verdict, _) = decided("delivery.p50", 150_000.0, 0.01, 1.2);
        assert_eq!(verdict, Verdict::Pass);
        let effect = &trial("delivery.p50", 100_000.0, 0.0, 1.0, 4).effects()[0];
        assert!((effect.margin_here - 0.5).abs() < 1e-9, "{effect:?}");
        assert_eq!(effect.margin, 0.1);
        let (verdict, _) = decided("server.cpu", 150_000.0, 0.01, 1.2);
        assert_eq!(verdict, Verdict::Fail);
    }

    #[test]
    fn a_base_that_would_not_pass_against_itself_is_unstable() {
        assert_eq!(
            trial("delivery.p50", 1e6, 0.5, 1.0, CYCLES).unstable(),
            [true]
        );
        assert_eq!(
            trial("delivery.p50", 1e6, 0.01, 1.0, CYCLES).unstable(),
            [false]
        );
    }

    #[test]
    fn the_effect_has_an_interval_that_agrees_with_the_verdict() {
        let effect = &trial("delivery.p50", 1e6, 0.02, 1.2, 12).effects()[0];
        let (low, ratio, high) = (
            effect.low.unwrap(),
            effect.ratio.unwrap(),
            effect.high.unwrap(),
        );
        assert!(
            1.1 < low && low <= ratio && ratio <= high && high < 1.3,
            "{effect:?}"
        );
        assert!((effect.base.unwrap() - 1e6).abs() < 1e4, "{effect:?}");
        assert!(effect.slower_for_certain);
        let effect = &trial("delivery.p50", 1e6, 0.02, 1.0, 12).effects()[0];
        assert!(
            effect.verdict == Verdict::Pass && effect.high.unwrap() <= 1.1,
            "{effect:?}"
        );
        let few = &trial("delivery.p50", 1e6, 0.02, 1.0, 3).effects()[0];
        assert_eq!(
            (few.low, few.high, few.verdict),
            (None, None, Verdict::Inconclusive)
        );
    }

    #[test]
    fn one_number_that_got_worse_fails_and_all_must_pass() {
        let compared = ["delivery.p50", "server.cpu"].map(|one| one.parse().unwrap());
        let mut trial = Trial::new(compared.to_vec(), CYCLES);
        for cycle in 0..12 {
            let wobble = 1.0 + 0.01 * f64::from(cycle % 3);
            let of = |delivery, cpu: f64| {
                numbers(&[("delivery.p50", delivery), ("server.cpu", cpu * wobble)])
            };
            trial.add(of(1e6, 1e5), of(1e6, 1.4e5), None);
        }
        let verdicts: Vec<Verdict> = trial.effects().iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Fail]);
        assert_eq!(trial.verdict(), Some(Verdict::Fail));
        assert_eq!(trial.soonest(), Some(9));
        assert_eq!(Trial::new(vec![], 20).verdict(), None);
    }
}
