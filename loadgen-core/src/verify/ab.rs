//! A result of `loadgen ab`: the numbers of its blocks, the orders of its cycles, and what all cycles say.

use super::{Verification, again};
use crate::{
    compare::ab::{
        AbResult, Block, Compared, Conclusion, Cycle, Effect, Ending, Side, Trial, conclude,
    },
    judge::statistic,
    model::{HistogramError, Metric, histogram, percentile},
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
    for cycle in &mut again.cycles {
        for block in &mut cycle.blocks {
            if let Err(error) = numbers(block) {
                let place = format!("cycles[{}]", cycle.number.saturating_sub(1));
                found.wrong(place, error, "histograms that can be read");
            }
        }
    }
    found.open(
        "of each block: times other than those of deliveries, and CPU; the blocks' own runs are not kept",
    );
    orders(&said, &mut found);
    let compared = said.effects.iter().map(compared);
    match compared.collect::<Result<Vec<Compared>, String>>() {
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
    Ok(of_scenario(&short, &plan))
}

/// Every number of deliveries from their histogram: where nothing was lost, no other sample counts.
fn numbers(block: &mut Block) -> Result<(), HistogramError> {
    let deliveries = histogram::decode(&block.delivery)?;
    if !block.broken.is_empty() || deliveries.is_empty() {
        return Ok(());
    }
    for (key, number) in &mut block.numbers {
        let again = match scenario::parse_subject(key) {
            Ok(Subject::Percentile(Metric::Delivery, p)) => {
                let value = percentile::of_due(&deliveries, 0, p).ok().flatten();
                value.map(|value| value as f64)
            }
            Ok(subject @ (Subject::Mean(Metric::Delivery) | Subject::Max(Metric::Delivery))) => {
                statistic::time(subject, &deliveries).ok()
            }
            _ => None,
        };
        *number = again.unwrap_or(*number);
    }
    Ok(())
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
