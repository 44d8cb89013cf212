//! What the program demands of texts and keys beside their types, as JSON Schema says it: patterns, and keys that go together
//! or exclude each other. What a variable makes of a text is known when the file is read, so that `${` passes everywhere.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::{
    check::{AT_THE_END, OWN_HEADERS, OWN_PARAMETERS, WHOLE_RUN},
    units::{SHARE, SPAN},
};
use crate::model::{Count, Metric};

/// A percentile above 0 and below 100, of those that one writes.
const PERCENTILE: &str = r"p(0?0\.0*[1-9][0-9]*|0?[1-9](\.[0-9]+)?|[1-9][0-9](\.[0-9]+)?)";
/// Which fault a number is of.
const FAULT: &str = "@[A-Za-z0-9_-]+";
/// What a condition begins with.
const COMPARISON: &str = r"(<=?|>=?|==)";

/// A text that has a number other than zero in it.
pub(super) fn not_zero() -> Value {
    json!({ "pattern": "^[^1-9$]*$" })
}

/// A range that begins at zero.
pub(super) fn from_zero() -> Value {
    json!({ "pattern": "^[^1-9$-]*(-|$)" })
}

/// Everybody.
pub(super) fn all_of_them() -> Value {
    json!({ "pattern": r"^\s*100(\.0+)?\s*%\s*$" })
}

/// All keys of the second list are forbidden beside the first.
pub(super) fn excludes(key: &str, others: &[&str]) -> Value {
    let both: Vec<Value> = others
        .iter()
        .map(|other| json!({ "required": [key, other] }))
        .collect();
    json!({ "anyOf": both })
}

/// The left side of a threshold.
pub(super) fn subject(_: &mut SchemaGenerator) -> Schema {
    let counts = Count::ALL.map(Count::key).join("|");
    let times = times(&Metric::ALL);
    let within = within(&Metric::ALL);
    json_schema!({ "type": "string", "pattern": format!(r"^({counts}|{times}|{within})$|\$\{{") })
}

/// The conditions on the whole run.
pub(super) fn thresholds(generator: &mut SchemaGenerator) -> Schema {
    let (late, early): (Vec<Metric>, Vec<Metric>) = Metric::ALL
        .into_iter()
        .partition(|metric| AT_THE_END.contains(metric));
    let (lost, counts): (Vec<Count>, Vec<Count>) = Count::ALL
        .into_iter()
        .partition(|count| *count == Count::Lost);
    let abort = generator.subschema_for::<super::Span>().to_value();
    conditions(&[(&counts, &early, Some(&abort)), (&lost, &late, None)])
}

/// The conditions on one phase, of which counts are known at the end.
pub(super) fn phase_thresholds(generator: &mut SchemaGenerator) -> Schema {
    let by_phase = Metric::ALL
        .into_iter()
        .filter(|metric| !WHOLE_RUN.contains(metric));
    let (late, early): (Vec<Metric>, Vec<Metric>) =
        by_phase.partition(|metric| AT_THE_END.contains(metric));
    let abort = generator.subschema_for::<super::Span>().to_value();
    conditions(&[(&[], &early, Some(&abort)), (&Count::ALL, &late, None)])
}

/// Conditions by what they are on; with what ends a run early where that is known early.
fn conditions(groups: &[(&[Count], &[Metric], Option<&Value>)]) -> Schema {
    let mut patterns = Map::new();
    for (counts, metrics, abort) in groups {
        let counts = counts.iter().map(|count| count.key());
        let counts = counts.collect::<Vec<_>>().join("|");
        for (left, right) in [
            (counts, r"\+?[0-9]+"),
            (times(metrics), SPAN),
            (within(metrics), SHARE),
        ] {
            if !left.is_empty() {
                patterns.insert(format!("^({left})$"), condition(right, *abort));
            }
        }
    }
    json_schema!({
        "type": "object",
        "patternProperties": patterns,
        "additionalProperties": false,
    })
}

/// The right side of a threshold: `"< 5ms"`, or a table that also says from when on it ends the run.
fn condition(right: &str, abort: Option<&Value>) -> Value {
    let text = json!({
        "type": "string",
        "pattern": format!(r"^\s*{COMPARISON}\s*({right})\s*$|\$\{{"),
    });
    let mut told = text.clone();
    told["description"] = "The condition, as in `\"< 5ms\"`, `\">= 99%\"` or `\"== 0\"`.".into();
    let mut keys = Map::from_iter([("condition".to_owned(), told)]);
    if let Some(abort) = abort {
        let mut abort = abort.clone();
        abort["description"] =
            "So long after the first measured message, a missed condition ends the run.".into();
        keys.insert("abort_after".to_owned(), abort);
    }
    json!({ "anyOf": [
        text,
        {
            "type": "object",
            "properties": keys,
            "required": ["condition"],
            "additionalProperties": false,
        },
    ] })
}

fn keys(metrics: &[Metric]) -> String {
    let keys = metrics.iter().map(|metric| metric.definition().key);
    keys.collect::<Vec<_>>().join("|")
}

/// The left sides on times of these metrics.
fn times(metrics: &[Metric]) -> String {
    match metrics {
        [] => String::new(),
        some => format!(
            r"({})\.(({PERCENTILE}|max|mean)({FAULT})?|recovery{FAULT})",
            keys(some)
        ),
    }
}

/// The left sides on shares of these metrics.
fn within(metrics: &[Metric]) -> String {
    match metrics {
        [] => String::new(),
        some => format!(r"({})\.within_{SPAN}({FAULT})?", keys(some)),
    }
}

/// What is added to the query of each request: none of Engine.IO's own parameters.
pub(super) fn query(generator: &mut SchemaGenerator) -> Schema {
    let names = OWN_PARAMETERS.join("|");
    named_texts(
        generator,
        &json!({ "not": { "pattern": format!("^({names})$") } }),
        r"",
    )
}

/// What is added to the headers of each request: none of those that the client writes, and no value of several lines.
pub(super) fn headers(generator: &mut SchemaGenerator) -> Schema {
    let own = OWN_HEADERS.iter().map(|name| in_any_case(name));
    let own = own.collect::<Vec<_>>().join("|");
    let websocket = in_any_case("sec-websocket-");
    let names = json!({
        "pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        "not": { "pattern": format!("^(({own})$|{websocket})") },
    });
    named_texts(generator, &names, r"^[^\x00-\x1f\x7f-\x9f]*$")
}

fn named_texts(generator: &mut SchemaGenerator, names: &Value, values: &str) -> Schema {
    let mut text = generator
        .subschema_for::<super::file::FileText>()
        .to_value();
    if !values.is_empty() {
        text["pattern"] = values.into();
    }
    json_schema!({ "type": "object", "propertyNames": names, "additionalProperties": text })
}

/// A pattern for a name that is written large or small.
fn in_any_case(name: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_alphabetic() {
        true => format!("[{}{letter}]", letter.to_ascii_uppercase()),
        false => letter.to_string(),
    };
    name.chars().map(letter).collect()
}
