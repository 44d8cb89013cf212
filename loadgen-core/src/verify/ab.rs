//! A result of `loadgen ab`: the numbers of its blocks, the orders of its cycles, and what all cycles say.

use hdrhistogram::Histogram;

use super::{Verification, again};
use crate::{
    compare::ab::{
        AbResult, Block, Compared, Conclusion, Cycle, Effect, Ending, MOST_CYCLES, Side, Trial,
        conclude, of_deliveries, sequential::FEWEST,
    },
    judge::statistic::Time,
    model::{HistogramError, Metric, histogram},
    plan::Plan,
    result::{ScenarioInfo, of_scenario},
    scenario::{self, Subject},
};

/// How a gate says that it was stopped.
const INTERRUPTED: &str = "interrupted";

/// Works out again what a gate says.
///
/// # Errors
/// Where the text is no such result.
pub fn ab(text: &str) -> Result<Verification, serde_json::Error> {
    let said: AbResult = serde_json::from_str(text)?;
    let mut found = Verification::default();
    let mut again = said.clone();
    match planned(&said) {
        Ok(info) => again.scenario = info,
        Err(why) => found.open(format!("the scenario: {why}")),
    }
    for (nth, cycle) in again.cycles.iter_mut().enumerate() {
        for (place, block) in cycle.blocks.iter_mut().enumerate() {
            let place = format!("cycles[{nth}].blocks[{place}]");
            if let Some(lost @ 1..) = block.lost.filter(|_| !may_have_lost(block)) {
                let follows = "0, where no promise was broken";
                found.wrong(format!("{place}.lost"), lost, follows);
            }
            if let Err(error) = numbers(block) {
                found.wrong(place, error, "histograms that can be read");
            }
        }
    }
    found.open(
        "of each block: times other than those of deliveries, and CPU; the blocks' own runs are not kept",
    );
    orders(&said, &mut found);
    let compared = said.effects.iter().map(compared);
    let most = said.settings.cycles;
    match compared.collect::<Result<Vec<Compared>, String>>() {
        // What is worked out for each cycle that there may be would not fit.
        Ok(_) if !(FEWEST..=MOST_CYCLES).contains(&most) => {
            let can_be = format!("{FEWEST} to {MOST_CYCLES}");
            found.wrong("settings.cycles", most, can_be);
        }
        Ok(compared) => {
            let cycles = again.cycles.clone();
            let concluded = concluded(&said, compared, &cycles);
            conclusion(concluded, &mut again);
        }
        Err(why) => found.wrong("effects", why, "numbers that can be compared"),
    }
    found.compare(&said, &again)?;
    Ok(found)
}

fn planned(said: &AbResult) -> Result<ScenarioInfo, String> {
    let whole = again::scenario(&said.scenario)?;
    let block = scenario::Block {
        phase: Some(said.settings.phase.clone()),
        warm_up: again::duration(said.settings.warm_up)?,
        length: again::duration(said.settings.block)?,
    };
    let short = whole.block(&block)?;
    let plan = Plan::new(&short).map_err(|error| error.to_string())?;
    Ok(of_scenario(&short, &plan).counted_as(&said.scenario, &short))
}

/// Whether deliveries can be lost in it: whoever lost them broke a promise, unless it is a relay, which makes none, or the block
/// is doubted.
fn may_have_lost(block: &Block) -> bool {
    !block.broken.is_empty() || block.doubt.is_some() || block.side == Side::Relay
}

/// Every number of deliveries from their histogram; those that it does not bear are none.
fn numbers(block: &mut Block) -> Result<(), HistogramError> {
    let deliveries = histogram::decode(&block.delivery)?;
    let lost = match may_have_lost(block) {
        true => block.lost,
        false => Some(0),
    };
    let told = std::mem::take(&mut block.numbers).into_iter();
    block.numbers = told
        .filter_map(|(key, number)| match scenario::parse_subject(&key) {
            Ok(subject) if subject.metric() == Some(Metric::Delivery) => {
                Some((key, number_again(subject, number, &deliveries, lost)?))
            }
            _ => Some((key, number)),
        })
        .collect();
    Ok(())
}

/// Where it is not told how many deliveries never came, as in results of before, a percentile is at least that of those that came.
fn number_again(
    subject: Subject,
    told: f64,
    deliveries: &Histogram<u64>,
    lost: Option<u64>,
) -> Option<f64> {
    match (subject, lost) {
        (Subject::Percentile(..), None) if !deliveries.is_empty() => {
            match of_deliveries(subject, deliveries, 0) {
                Time::Known(least) => Some(told.max(least)),
                Time::Never | Time::TooFew(_) => Some(told),
            }
        }
        _ => match of_deliveries(subject, deliveries, lost.unwrap_or(0)) {
            Time::Known(number) => Some(number),
            Time::Never | Time::TooFew(_) => None,
        },
    }
}

/// The sides of each cycle come in the order that the seed gives.
fn orders(said: &AbResult, found: &mut Verification) {
    let orders = Side::orders(said.settings.order_seed);
    for (nth, (cycle, order)) in said.cycles.iter().zip(orders).enumerate() {
        found.same(format!("cycles[{nth}].number"), cycle.number, nth + 1);
        let names = |sides: &mut dyn Iterator<Item = Side>| {
            sides.map(Side::name).collect::<Vec<_>>().join(", ")
        };
        let came = names(&mut cycle.blocks.iter().map(|block| block.side));
        let drawn = names(&mut order.into_iter().take(cycle.blocks.len()));
        found.same(format!("cycles[{nth}].blocks: sides"), came, drawn);
        found.same(
            format!("cycles[{nth}].blocks: whether it is over"),
            cycle.is_over(),
            true,
        );
        let doubted = cycle.blocks.iter().any(|block| block.doubt.is_some());
        found.same(
            format!("cycles[{nth}].left_out: whether"),
            cycle.left_out.is_some(),
            doubted,
        );
    }
}

fn compared(effect: &Effect) -> Result<Compared, String> {
    let number: Compared = effect.key.parse()?;
    let default = Compared {
        number: number.number,
        margin: None,
    };
    // As it was asked: a margin that is its kind's is none of its own.
    let margin = (default.allowed() != effect.margin).then_some(effect.margin);
    Ok(Compared { margin, ..default })
}

fn concluded(said: &AbResult, compared: Vec<Compared>, cycles: &[Cycle]) -> Conclusion {
    let mut trial = Trial::new(compared, said.settings.cycles);
    for cycle in cycles.iter().filter(|cycle| cycle.left_out.is_none()) {
        let numbers = |side| cycle.of(side).map(|block| block.numbers.clone());
        if let (Some(base), Some(change)) = (numbers(Side::Base), numbers(Side::Change)) {
            trial.add(base, change, numbers(Side::Relay));
        }
    }
    let ending = match said.reasons.iter().any(|one| one == INTERRUPTED) {
        true => Ending::Interrupted,
        false => Ending::Decided,
    };
    conclude(&trial, cycles, &ending)
}

fn conclusion(concluded: Conclusion, again: &mut AbResult) {
    let Conclusion {
        verdict,
        reasons,
        unstable,
        effects,
    } = concluded;
    // That a side died is told before all that was concluded.
    let told = again.reasons.len().saturating_sub(reasons.len());
    let died = again.reasons.drain(..told.min(1)).collect::<Vec<_>>();
    let died = died.into_iter().filter(|why| {
        [Side::Base, Side::Change, Side::Relay]
            .iter()
            .any(|side| why.starts_with(&format!("{}: ", side.name())))
    });
    again.reasons = died.chain(reasons).collect();
    again.verdict = verdict;
    again.unstable = unstable;
    again.effects = effects;
}
