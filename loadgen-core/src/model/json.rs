//! JSON of what is recorded: written in one form and made into the others, so that each type's code for it is built once.

use serde::Serialize;
use serde_json::{Error, Value};

/// As text for programs, on one line.
///
/// # Errors
/// When it can't be written as JSON, as a map whose keys are no texts.
pub fn line(of: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(of)
}

/// As text for people, as `serde_json` indents it.
///
/// # Errors
/// As [`line`].
pub fn indented(of: &impl Serialize) -> Result<String, Error> {
    Ok(indent(&line(of)?))
}

/// As a value.
///
/// # Errors
/// As [`line`].
pub fn value(of: &impl Serialize) -> Result<Value, Error> {
    serde_json::from_str(&line(of)?)
}

/// What was written on one line, with a line for each field and element.
fn indent(line: &str) -> String {
    let mut out = String::with_capacity(line.len() * 2);
    let mut depth = 0;
    let mut rest = line;
    // Nothing between two of these says how it is to be written; a text may hold any of them.
    while let Some(at) = rest.find(['"', '{', '[', '}', ']', ',', ':']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = match from.as_bytes()[0] {
            b'"' => end_of_text(from),
            _ => 1,
        };
        let (written, after) = from.split_at(end);
        match written {
            "{" | "[" if after.starts_with(['}', ']']) => out.push_str(written),
            "{" | "[" => {
                depth += 1;
                out.push_str(written);
                new_line(&mut out, depth);
            }
            "}" | "]" if out.ends_with(['{', '[']) => out.push_str(written),
            "}" | "]" => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push_str(written);
            }
            "," => {
                out.push_str(written);
                new_line(&mut out, depth);
            }
            ":" => out.push_str(": "),
            text => out.push_str(text),
        }
        rest = after;
    }
    out + rest
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Where a text that begins here is over.
fn end_of_text(from: &str) -> usize {
    let mut escaped = false;
    let closes = |byte: &u8| {
        let quote = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        quote
    };
    let end = from.as_bytes()[1..].iter().position(closes);
    end.map_or(from.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let text = || "[a-c\"\\\\{}\\[\\],:\n\u{e9} ]{0,6}";
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        plain.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::from),
                vec((text(), inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_indented_as_the_library_does_it(value in any_value()) {
            prop_assert_eq!(indented(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap());
        }
    }

    #[test]
    fn a_value_is_what_its_text_says() {
        let sample = json!({ "a": [0.1, u64::MAX, { "b": null }], "c": "" });
        assert_eq!(value(&sample).unwrap(), sample);
    }
}
