//! Reads a scenario's merged table into its types, and finds every mistake in it, not only the first: what is wrong is
//! noted, taken out, and the rest is read again.

use std::ops::Range;

use serde::Deserialize;
use toml::{Spanned, de::DeValue};

use super::{
    Located,
    alike::alike,
    file::File,
    schema,
    sources::{Sources, Table, Value},
};
use crate::model::Metric;

/// Of more mistakes nobody reads.
const MOST: usize = 50;
/// Where conditions stand, whose keys have dots.
const THRESHOLDS: &str = "thresholds";

/// Tables that there is one of. serde would take a list for the values of their keys in order.
const ONE: [&str; 6] = [
    "server",
    "population",
    "connections",
    "messages",
    "behaviour",
    THRESHOLDS,
];

/// What could be read, and all that is wrong with it.
pub(super) struct Read {
    /// `None`: too little is right to go on; what was taken out would make other things look wrong.
    pub file: Option<File>,
    pub mistakes: Vec<Located>,
}

/// Reads a table.
pub(super) fn read(mut table: Spanned<Table<'_>>, sources: &Sources) -> Read {
    let mut mistakes = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    let mut rest_stands = true;
    for name in ONE {
        let is_list = |value: &Value<'_>| matches!(value.get_ref(), DeValue::Array(_));
        if let Some(value) = table.get_ref().get(name).filter(|value| is_list(value)) {
            let told = format!("there is one `{name}` only: write [{name}] before it");
            mistakes.push(sources.wrong(value.span(), told));
            table.get_mut().remove(name);
            taken.push(name.to_owned());
            rest_stands = false;
        }
    }
    while mistakes.len() < MOST {
        let deserializer = toml::de::Deserializer::from(table.clone());
        let error = match File::deserialize(deserializer) {
            Ok(file) => {
                let file = Some(file).filter(|_| rest_stands);
                return Read { file, mistakes };
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        let path = take(table.get_mut(), &span, false);
        // What was taken out is not missing.
        let of_ours = quoted(message).first().is_some_and(|name| {
            message.starts_with("missing field") && taken.iter().any(|taken| taken == name)
        });
        if !of_ours {
            let told = told(message, &path);
            if let Some((_, meant)) = told.split_once("did you mean `") {
                // What a misspelt key would have said is missing below.
                rest_stands = false;
                taken.extend(meant.split('`').next().map(str::to_owned));
            }
            mistakes.push(sources.wrong(span, told));
        }
        if is_one_group(message, &path)
            && let Some(DeValue::Table(population)) =
                table.get_mut().get_mut("population").map(Spanned::get_mut)
        {
            // One sentence says all of it.
            population.remove("channels");
        }
        let Some(last) = path.last() else {
            break;
        };
        taken.push(last.clone());
        let is_condition = path.iter().any(|key| key == THRESHOLDS);
        rest_stands &= message.starts_with("unknown field") || is_condition;
    }
    Read {
        file: None,
        mistakes,
    }
}

/// Takes the innermost entry out that stands at a place, and says where it was: the keys down to it. A table of conditions
/// that is empty then goes with it.
fn take(table: &mut Table<'_>, span: &Range<usize>, conditions: bool) -> Vec<String> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let names: Vec<String> = table
        .iter()
        .map(|(key, _)| key.get_ref().to_string())
        .collect();
    for name in &names {
        let Some(value) = table.get_mut(name.as_str()) else {
            continue;
        };
        let below = take_below(value, span, conditions || name == THRESHOLDS);
        if below.is_empty() {
            continue;
        }
        if conditions && is_empty(value) {
            table.remove(name.as_str());
        }
        return [vec![name.clone()], below].concat();
    }
    let entries = table.iter();
    let here = entries
        .filter(|(key, value)| key.span() == *span || within(value.span()))
        .map(|(key, _)| key.get_ref().to_string())
        .next();
    let Some(name) = here else {
        return Vec::new();
    };
    let value = table.remove(name.as_str()).map(Spanned::into_inner);
    let mut path = vec![name];
    // `delivery.p99.9` is a table in a table.
    let mut inner = value;
    while let Some(DeValue::Table(nested)) = inner {
        if nested.len() != 1 || !nested.iter().all(|(key, _)| is_number(key.get_ref())) {
            break;
        }
        let Some((key, value)) = nested.into_iter().next() else {
            break;
        };
        path.push(key.get_ref().to_string());
        inner = Some(value.into_inner());
    }
    path
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

fn is_empty(value: &Value<'_>) -> bool {
    match value.get_ref() {
        DeValue::Table(table) => table.is_empty(),
        _ => false,
    }
}

fn take_below(value: &mut Value<'_>, span: &Range<usize>, conditions: bool) -> Vec<String> {
    match value.get_mut() {
        DeValue::Table(table) => take(table, span, conditions),
        DeValue::Array(values) => {
            for one in values.iter_mut() {
                let below = take_below(one, span, conditions);
                if !below.is_empty() {
                    return below;
                }
            }
            let place = values.iter().position(|one| {
                let outer = one.span();
                outer.start <= span.start && span.end <= outer.end
            });
            match place {
                Some(place) if matches!(values[place].get_ref(), DeValue::Table(_)) => {
                    let all = values.iter().enumerate();
                    let others = all.filter(|(index, _)| *index != place);
                    *values = others.map(|(_, one)| one.clone()).collect();
                    // No key of its own, and something was taken.
                    vec![String::new()]
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// Whether a group of channels stands where a file of them could: below `[population.channels]`.
fn is_one_group(message: &str, path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    message.starts_with("unknown field")
        && matches!(
            path[..],
            ["population", "channels", "count" | "members" | "disjoint"]
        )
}

/// The library's message with what would be right, where that can be guessed.
fn told(message: &str, path: &[String]) -> String {
    if let Some(quote) = unquoted(message, path) {
        return quote;
    }
    if is_one_group(message, path) {
        return "there can be several groups of channels: write [[population.channels]] before each"
            .to_owned();
    }
    let key = path.iter().rev().find(|key| !key.is_empty());
    let key = key.map_or("", String::as_str);
    let dotted = path.iter().filter(|key| !key.is_empty());
    let dotted = dotted.cloned().collect::<Vec<_>>().join(".");
    if message.contains("invalid type: map, expected a sequence") {
        return format!("there can be several of `{key}`: write [[{dotted}]] before each");
    }
    let message = match message.find("expected struct File") {
        // Names of types are no reader's.
        Some(at) => format!("{}expected a table", &message[..at]),
        None => message.to_owned(),
    };
    let message = match [
        "expected u32",
        "expected u64",
        "expected i64",
        "expected usize",
    ]
    .iter()
    .find_map(|end| message.strip_suffix(end))
    {
        Some(before) => format!("{before}expected a whole number"),
        None => message,
    };
    let hint = guess(&message);
    match hint {
        Some(hint) => format!("{message}; {hint}"),
        None => message,
    }
}

/// `delivery.p95 = …` without quotes is a table in TOML: how to write it.
fn unquoted(message: &str, path: &[String]) -> Option<String> {
    let place = path.iter().rposition(|key| key == THRESHOLDS)?;
    let below = &path[place + 1..];
    let [metric, .., last] = below else {
        return None;
    };
    let is_key_of_a_condition = ["condition", "abort_after"].contains(&last.as_str());
    if !message.starts_with("unknown field") || is_key_of_a_condition {
        return None;
    }
    let key = below.join(".");
    let metric = Metric::from_key(metric).map_or_else(
        || format!("; there is no metric `{metric}`"),
        |_| String::new(),
    );
    let word = quoted(message).first().copied().unwrap_or_default();
    Some(format!(
        "unknown field `{word}`: quote the key, since its dots are its own: \"{key}\" = …{metric}"
    ))
}

/// What stands between backquotes.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// What was meant by what is not known: something alike that there is, or the table that has it.
fn guess(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let names = quoted(message);
    let (given, known) = names.split_first()?;
    if let Some(alike) = alike(given, known.iter().copied()) {
        return Some(format!("did you mean `{alike}`?"));
    }
    let tables = schema::tables_with(given);
    match &tables[..] {
        [table] if message.starts_with("unknown field") => {
            Some(format!("`{given}` is a key of {table}"))
        }
        _ => None,
    }
}
