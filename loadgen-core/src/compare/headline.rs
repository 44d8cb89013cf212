//! A comparison in a few words: the worst difference that is certain, the same against the floors, and how that was decided.

use super::{
    number::{Estimate, Number, Quantity},
    sets::{CHANCE, Design, FEWEST, Sets},
    show::{percent, signed, value, value_of_due},
};

/// What became of the server's numbers; `invalid`: the side whose times say nothing about it.
pub(super) fn sentence(
    numbers: &[Number],
    chance: Option<f64>,
    invalid: Option<&str>,
    runs: (usize, usize),
) -> String {
    if let Some(side) = invalid {
        let why =
            format!("All results of {side} are INVALID: their times say nothing about the server.");
        // What is counted is a fact of each all the same.
        return [Some(why), broken(numbers), more(numbers)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
    }
    let (never, seen): (Vec<&Number>, Vec<&Number>) = numbers
        .iter()
        .filter(|number| number.headline)
        .partition(|number| number.is_never());
    let mut sentences: Vec<String> = broken(numbers).into_iter().chain(more(numbers)).collect();
    sentences.extend(never_with_the_change(&never));
    let Some(largest) = largest(&seen) else {
        if never.is_empty() {
            sentences.push("There are too few samples to compare.".to_owned());
        }
        return sentences.join(" ");
    };
    match chance {
        None => {
            let (base, change) = runs;
            sentences.push(format!(
                "Undecided: {} against {change} can't tell how runs vary. The largest difference: {}.",
                of_runs(base),
                said(largest)
            ));
        }
        Some(chance) if chance > CHANCE => sentences.push(format!(
            "No difference that these runs could tell. The largest: {}.",
            said(largest)
        )),
        Some(_) => match worst(&seen) {
            Some(worst) => {
                let which = if is_worse(worst) { "worst" } else { "largest" };
                sentences.push(format!(
                    "The {which} difference that is certain: {}.",
                    said(worst)
                ));
                sentences.extend(against_the_floor(worst, numbers));
            }
            None => sentences.push(
                "These runs differ, but in no single number for certain: more runs would tell."
                    .to_owned(),
            ),
        },
    }
    sentences.join(" ")
}

/// How it was decided.
pub(super) fn method(
    sets: &Sets,
    chance: Option<f64>,
    invalid: Option<&str>,
    (base, change): (usize, usize),
) -> String {
    if let Some(side) = invalid {
        return format!(
            "{} against {change}: since all results of {side} are INVALID, no time counts as certain.",
            of_runs(base)
        );
    }
    let Some(chance) = chance else {
        return format!(
            "{} against {change}: the unit is the run, and so few have no intervals. Measure {FEWEST} or more of each side, in turn.",
            of_runs(base)
        );
    };
    let how = match sets.design() {
        Design::Pairs => format!(
            "{base} pairs of runs that took turns; intervals by the signed ranks of their differences"
        ),
        Design::Apart => format!("{} against {change}; intervals by ranks", of_runs(base)),
    };
    format!(
        "{how} (Hodges and Lehmann), exact, 95 % or more. Any number of the headline differs as much in {:.1} % of all ways to share these runs out; above {:.0} % nothing counts as certain.",
        100.0 * chance,
        100.0 * CHANCE
    )
}

fn of_runs(n: usize) -> String {
    match n {
        1 => "1 run".to_owned(),
        n => format!("{n} runs"),
    }
}

/// Promises that only the change broke.
fn broken(numbers: &[Number]) -> Option<String> {
    let broken = numbers.iter().filter(|number| {
        number.quantity == Quantity::Count && number.base == Some(0.0) && number.change > Some(0.0)
    });
    let said =
        broken.map(|number| format!("{} {}", number.key, value(number.quantity, number.change)));
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| {
        format!(
            "Only with the change (the most in one run): {}.",
            said.join(", ")
        )
    })
}

/// Counts of which every run of the change has more than any of the base, which has some, too.
fn more(numbers: &[Number]) -> Option<String> {
    let is_more = |number: &&Number| {
        let by = number.difference.and_then(|difference| difference.interval);
        let is_certain = by.is_some_and(|(least, _)| least > 0.0);
        number.quantity == Quantity::Count && number.base > Some(0.0) && is_certain
    };
    let said = numbers.iter().filter(is_more).map(|number| {
        let [base, change] = [number.base, number.change].map(|side| value(number.quantity, side));
        format!("{} {change} ({base} at the base)", number.key)
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| {
        format!(
            "More with the change in every run (the most in one): {}.",
            said.join(", ")
        )
    })
}

/// Times that are of deliveries that never came with the change alone: its worst difference, which no ratio tells.
fn never_with_the_change(never: &[&Number]) -> Option<String> {
    let alone = never.iter().filter(|number| number.base_never == 0);
    let said = alone.map(|number| {
        let often = match number.change_runs.len() {
            0 => String::new(),
            known => format!(
                " in {} of {} runs",
                number.change_never,
                known + number.change_never
            ),
        };
        let base = value(number.quantity, number.base);
        format!("{}{often} ({base} at the base)", number.key)
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| {
        format!(
            "Never with the change, since so many deliveries were lost: {}.",
            said.join(", ")
        )
    })
}

/// By its own interval.
fn differs(number: &Number) -> bool {
    let ratio = number.ratio.map(|ratio| ratio.excludes(1.0));
    let difference = number.difference.map(|difference| difference.excludes(0.0));
    ratio.or(difference).unwrap_or(false)
}

/// The time that changed most.
fn largest<'a>(numbers: &[&'a Number]) -> Option<&'a Number> {
    let change = |number: &Number| ratio(number).ln().abs();
    let by_change = |one: &&Number, other: &&Number| change(one).total_cmp(&change(other));
    numbers.iter().copied().max_by(by_change)
}

/// Of those that differ for certain, the time that got longest, before any share that sank; where nothing got worse, the time
/// that got shortest.
fn worst<'a>(numbers: &[&'a Number]) -> Option<&'a Number> {
    let certain = || numbers.iter().copied().filter(|number| number.certain);
    let by_ratio = |one: &&Number, other: &&Number| ratio(one).total_cmp(&ratio(other));
    let worse = certain().filter(|number| is_worse(number));
    worse
        .max_by(by_ratio)
        .or_else(|| certain().min_by(by_ratio))
}

/// One for what has no ratio.
fn ratio(number: &Number) -> f64 {
    number.ratio.map_or(1.0, |ratio| ratio.value)
}

/// A longer time, or a smaller share.
fn is_worse(number: &Number) -> bool {
    match (number.ratio, number.difference) {
        (Some(ratio), _) => ratio.value > 1.0,
        (None, difference) => difference.is_some_and(|difference| difference.value < 0.0),
    }
}

/// A number, what became of it, and from what to what.
fn said(number: &Number) -> String {
    let key = &number.key;
    let became = match (number.ratio, number.difference) {
        (Some(ratio), _) => format!("{key} is {}", changed(number, ratio)),
        (None, Some(difference)) => {
            let by = with_interval(difference, |by| signed(number.quantity, by));
            format!("{key} changed by {by}")
        }
        (None, None) => key.clone(),
    };
    format!(
        "{became}, {} at the base and {} with the change",
        value_of_due(number.quantity, number.base, number.base_never),
        value_of_due(number.quantity, number.change, number.change_never)
    )
}

fn changed(number: &Number, ratio: Estimate) -> String {
    let [more, less] = match number.headline {
        true => ["slower", "faster"],
        false => ["larger", "smaller"],
    };
    let word = if ratio.value < 1.0 { less } else { more };
    let by = 100.0 * (ratio.value - 1.0).abs();
    match ratio.interval {
        Some((low, high)) => format!(
            "{word} by {by:.1} % (95 % interval {} to {})",
            percent(low),
            percent(high)
        ),
        None => format!("{word} by {by:.1} %"),
    }
}

fn with_interval(estimate: Estimate, show: impl Fn(f64) -> String) -> String {
    match estimate.interval {
        Some((low, high)) => format!(
            "{} (95 % interval {} to {})",
            show(estimate.value),
            show(low),
            show(high)
        ),
        None => show(estimate.value),
    }
}

/// The same of what the server adds to the machine and the generator, where the floors were measured.
fn against_the_floor(worst: &Number, numbers: &[Number]) -> Option<String> {
    let key = match worst.key.strip_prefix("delivery.p")? {
        "50" => "delivery.p50 divided by the floor's",
        "90" | "95" => "delivery.p95 divided by the floor's",
        _ => "delivery.p99 minus the floor's",
    };
    let adjusted = numbers.iter().find(|number| number.key == key)?;
    let certain = if differs(adjusted) {
        ""
    } else {
        ", which is not certain"
    };
    Some(format!(
        "Against each run's own floor: {}{certain}.",
        said(adjusted)
    ))
}
