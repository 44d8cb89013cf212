//! The verdict of all cycles, with its reasons in words.

use super::{BESIDE, Cycle, Effect, Side, Trial};
use crate::{judge::Verdict, model::numbers::duration};

/// How the cycles came to their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// There is a verdict, or no cycle is left.
    Decided,
    /// The user wanted no more.
    Interrupted,
}

/// What all cycles say.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// The verdict.
    pub verdict: Verdict,
    /// Why; the weightiest reason first.
    pub reasons: Vec<String>,
    /// Whether the base would not pass against itself either.
    pub unstable: bool,
    /// What became of each number.
    pub effects: Vec<Effect>,
}

/// Concludes from what was counted, and from what was not.
pub fn conclude(trial: &Trial, cycles: &[Cycle], ending: &Ending) -> Conclusion {
    let mut effects = trial.effects();
    let counted = trial.verdict();
    let broken = broken(cycles, Side::Change);
    // What lacks samples would lack them on any machine, too.
    let (lacking, disturbed): (Vec<&Cycle>, Vec<&Cycle>) = cycles
        .iter()
        .filter(|one| one.left_out.is_some())
        .partition(|one| one.is_lacking());
    let decided = counted.filter(|verdict| *verdict != Verdict::Inconclusive);
    let verdict = match decided {
        _ if !broken.is_empty() => Verdict::Fail,
        Some(decided) => decided,
        None if *ending == Ending::Decided && 2 * disturbed.len() >= cycles.len() => {
            Verdict::Invalid
        }
        None => Verdict::Inconclusive,
    };
    let mut reasons = broken;
    let told = |left_out: &[&Cycle], what: &str| {
        let last = left_out.last().and_then(|one| one.left_out.as_deref());
        format!(
            "{} of {} cycles {what}, the last because {}",
            left_out.len(),
            cycles.len(),
            last.unwrap_or_default()
        )
    };
    if verdict == Verdict::Invalid {
        reasons.push(told(&disturbed, "could not be measured"));
    } else if verdict == Verdict::Inconclusive && !lacking.is_empty() {
        reasons.push(told(&lacking, "lack what is compared"));
    }
    if *ending == Ending::Interrupted {
        reasons.push("interrupted".to_owned());
    }
    // A verdict stands however restless the base is: chance would have made it no more often.
    if verdict == Verdict::Inconclusive {
        for (effect, unstable) in effects.iter_mut().zip(trial.unstable()) {
            effect.unstable = unstable && effect.verdict == Verdict::Inconclusive;
        }
    }
    reasons.extend(effects.iter().filter(|one| one.unstable).map(unstable));
    let shown = effects.iter().filter(|one| match verdict {
        Verdict::Pass => true,
        verdict => {
            one.verdict == verdict || (one.verdict != Verdict::Pass && verdict != Verdict::Fail)
        }
    });
    reasons.extend(shown.map(said));
    reasons.extend(
        self::broken(cycles, Side::Base)
            .into_iter()
            .map(|broken| format!("caution: {broken}")),
    );
    Conclusion {
        verdict,
        reasons,
        unstable: effects.iter().any(|one| one.unstable),
        effects,
    }
}

/// What a side broke, and in which cycle first.
fn broken(cycles: &[Cycle], side: Side) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for cycle in cycles {
        let broken = cycle.of(side).map_or(&[][..], |block| &block.broken);
        if !broken.is_empty() {
            known.push(format!(
                "the {} broke its promise in cycle {}: {}",
                side.name(),
                cycle.number,
                broken.join(", ")
            ));
        }
    }
    known
}

fn unstable(effect: &Effect) -> String {
    let spread = |spread: Option<f64>| {
        spread.map_or_else(
            || "an unknown part".to_owned(),
            |by| format!("{:.0} %", 100.0 * by),
        )
    };
    format!(
        "unstable: {} of the base against itself would not pass either, since its blocks differ by {} from one to the next (the relay's by {})",
        effect.key,
        spread(effect.base_spread),
        spread(effect.relay_spread)
    )
}

/// What became of a number, in a sentence.
pub(super) fn said(effect: &Effect) -> String {
    let Effect { key, .. } = effect;
    let Some(ratio) = effect.ratio else {
        return format!("{key}: nothing could be compared");
    };
    let margin = margin(effect);
    let measured = format!("{} {}", percent(ratio), interval(effect));
    match effect.verdict {
        Verdict::Pass => format!("{key}: not slower by {margin}: {measured}"),
        Verdict::Fail => {
            format!("{key}: slower for certain, and by more than {margin}: {measured}")
        }
        _ if effect.slower_for_certain => {
            format!("{key}: slower for certain, perhaps by {margin}: {measured}")
        }
        _ => format!("{key}: slower by {margin} or not slower at all, nobody can say: {measured}"),
    }
}

/// What may be slower, in words: the fraction, or the time that is more.
pub(super) fn margin(effect: &Effect) -> String {
    let percent = |fraction: f64| format!("{:.0} %", 100.0 * fraction);
    match effect.base {
        // By more than the hair that logarithms cost.
        Some(base) if effect.margin_here > effect.margin * (1.0 + 1e-9) => {
            format!(
                "{} ({})",
                duration((base * effect.margin_here).round() as u64),
                percent(effect.margin_here)
            )
        }
        _ => percent(effect.margin),
    }
}

/// By how much a ratio is above one.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:+.1} %", 100.0 * (ratio - 1.0))
}

/// The interval, as far as there is one.
pub(super) fn interval(effect: &Effect) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), percent);
    match (effect.low, effect.high) {
        (None, None) => "(too few cycles for an interval)".to_owned(),
        (low, high) => format!(
            "({:.0} % interval {} to {})",
            100.0 * (1.0 - 2.0 * BESIDE),
            end(low),
            end(high)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::ab::{Block, CYCLES, Numbers};

    fn block(side: Side, value: f64, broken: &[&str]) -> Block {
        Block {
            side,
            started: String::new(),
            repeated: false,
            doubt: None,
            lacking: false,
            broken: broken.iter().map(|one| (*one).to_owned()).collect(),
            numbers: Numbers::from([("delivery.p50".to_owned(), value)]),
            seconds: 8,
            disturbed: 0,
            sent: 1_000,
            lost: Some(0),
            delivery: String::new(),
        }
    }

    /// So many cycles of a change that takes so many times as long, some left out since they were disturbed.
    fn concluded(
        times: f64,
        counted: usize,
        left_out: usize,
        broken: [&[&str]; 2],
        ending: &Ending,
    ) -> Conclusion {
        let (trial, cycles) = measured(times, counted, left_out, broken);
        conclude(&trial, &cycles, ending)
    }

    fn measured(
        times: f64,
        counted: usize,
        left_out: usize,
        broken: [&[&str]; 2],
    ) -> (Trial, Vec<Cycle>) {
        let mut trial = Trial::new(vec!["delivery.p50".parse().unwrap()], CYCLES);
        let mut cycles = Vec::new();
        for number in 1..=counted + left_out {
            let base = 1e6 * (1.0 + 0.01 * (number % 3) as f64);
            let blocks = vec![
                block(Side::Base, base, broken[0]),
                block(Side::Change, 1e6 * times, broken[1]),
            ];
            let doubt = (number > counted).then(|| "8 of 8 seconds were disturbed".to_owned());
            if doubt.is_none() {
                trial.add(blocks[0].numbers.clone(), blocks[1].numbers.clone(), None);
            }
            cycles.push(Cycle {
                number,
                blocks,
                left_out: doubt,
            });
        }
        (trial, cycles)
    }

    #[test]
    fn the_reason_says_what_is_certain_and_by_how_much() {
        let none: [&[&str]; 2] = [&[], &[]];
        let slow = concluded(1.3, 12, 0, none, &Ending::Decided);
        assert_eq!(slow.verdict, Verdict::Fail);
        assert!(
            slow.reasons[0].contains("slower for certain, and by more than 10 %"),
            "{:?}",
            slow.reasons
        );
        let same = concluded(1.0, 12, 3, none, &Ending::Decided);
        assert_eq!((same.verdict, same.unstable), (Verdict::Pass, false));
        assert!(
            same.reasons[0].contains("not slower by 10 %"),
            "{:?}",
            same.reasons
        );
    }

    #[test]
    fn a_margin_is_told_as_it_was_asked_where_fifty_microseconds_are_less() {
        for asked in ["10%", "20%", "30%", "900%"] {
            let compared = format!("delivery.p50={asked}").parse().unwrap();
            let mut trial = Trial::new(vec![compared], CYCLES);
            let numbers = |value: f64| Numbers::from([("delivery.p50".to_owned(), value)]);
            trial.add(numbers(3e6), numbers(3e6), None);
            assert_eq!(margin(&trial.effects()[0]), asked.replace('%', " %"));
        }
    }

    #[test]
    fn a_promise_that_the_change_broke_fails_and_one_of_the_base_is_told() {
        let lost: &[&str] = &["4 deliveries lost"];
        let change = concluded(1.0, 2, 0, [&[], lost], &Ending::Decided);
        assert_eq!(change.verdict, Verdict::Fail);
        assert!(
            change.reasons[0]
                .contains("the change broke its promise in cycle 1: 4 deliveries lost")
        );
        let base = concluded(1.0, 12, 0, [lost, &[]], &Ending::Decided);
        assert_eq!(base.verdict, Verdict::Pass);
        assert!(
            base.reasons
                .iter()
                .any(|one| one.starts_with("caution: the base")),
            "{:?}",
            base.reasons
        );
    }

    #[test]
    fn what_was_disturbed_most_of_the_time_is_invalid_and_what_was_cut_off_inconclusive() {
        let none: [&[&str]; 2] = [&[], &[]];
        let disturbed = concluded(1.0, 3, 10, none, &Ending::Decided);
        assert_eq!(disturbed.verdict, Verdict::Invalid);
        assert!(
            disturbed.reasons[0].contains("10 of 13 cycles"),
            "{:?}",
            disturbed.reasons
        );
        let cut = concluded(1.0, 2, 2, none, &Ending::Interrupted);
        assert_eq!(cut.verdict, Verdict::Inconclusive);
        assert!(cut.reasons.contains(&"interrupted".to_owned()));
        // What lacks samples is no matter of the machine.
        let (trial, mut cycles) = measured(1.0, 3, 10, none);
        for cycle in &mut cycles[3..] {
            cycle.blocks[1].lacking = true;
        }
        let lacking = conclude(&trial, &cycles, &Ending::Decided);
        assert_eq!(lacking.verdict, Verdict::Inconclusive);
        let told = "10 of 13 cycles lack what is compared, the last because ";
        assert!(
            lacking.reasons[0].starts_with(told),
            "{:?}",
            lacking.reasons
        );
        // Nothing was measured at all.
        let nothing = concluded(1.0, 0, 0, none, &Ending::Interrupted);
        assert_eq!(nothing.verdict, Verdict::Inconclusive);
    }
}
