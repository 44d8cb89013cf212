//! The shape of JSON, in one line for people: which fields there are and what stands in them, without what they say.

use serde_json::Value;

/// Fields and items of one object or list that are shown.
const MOST: usize = 12;
/// How deep it is shown.
const DEEP: usize = 5;
/// Bytes of a field's name that are shown.
const NAME: usize = 40;

/// The shape of an event's arguments, with commas between them; `name` says what is known of a value.
pub fn of(arguments: &[Value], name: &impl Fn(&Value) -> Option<String>) -> String {
    let shapes: Vec<String> = arguments
        .iter()
        .take(MOST)
        .map(|value| shape(value, DEEP, name))
        .collect();
    match shapes.is_empty() {
        true => "nothing".to_owned(),
        false => shapes.join(", "),
    }
}

fn shape(value: &Value, deep: usize, name: &impl Fn(&Value) -> Option<String>) -> String {
    if let Some(name) = name(value) {
        return name;
    }
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Array(_) if deep == 0 => "[…]".to_owned(),
        Value::Object(_) if deep == 0 => "{…}".to_owned(),
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            "binary".to_owned()
        }
        Value::Array(items) => {
            let mut shapes: Vec<String> = Vec::new();
            for item in items.iter().take(MOST) {
                let shape = shape(item, deep - 1, name);
                // A list of alike is shown by one of them.
                if shapes.last() != Some(&shape) {
                    shapes.push(shape);
                }
            }
            if items.len() > shapes.len() {
                shapes.push("…".to_owned());
            }
            format!("[{}]", shapes.join(", "))
        }
        Value::Object(fields) => {
            let mut shapes: Vec<String> = fields
                .iter()
                .take(MOST)
                .map(|(field, value)| {
                    let field = &field[..field.floor_char_boundary(NAME)];
                    format!("{field}: {}", shape(value, deep - 1, name))
                })
                .collect();
            if fields.len() > shapes.len() {
                shapes.push("…".to_owned());
            }
            format!("{{ {} }}", shapes.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(value: Value) -> String {
        of(&[value], &|_| None)
    }

    #[test]
    fn fields_are_shown_and_not_what_they_say() {
        assert_eq!(
            plain(
                json!({ "a": "secret", "b": [1, 2, { "c": null }], "d": true, "e": {}, "f": [] })
            ),
            "{ a: text, b: [number, { c: null }, …], d: true, e: {}, f: [] }"
        );
        assert_eq!(plain(json!({ "_placeholder": true, "num": 0 })), "binary");
        assert_eq!(of(&[], &|_| None), "nothing");
        let known = |value: &Value| (value == "r1").then(|| "the room".to_owned());
        assert_eq!(
            of(&[json!("r1"), json!({ "in": "r1" })], &known),
            "the room, { in: the room }"
        );
    }

    #[test]
    fn what_is_large_is_shown_in_part() {
        let deep = (0..100).fold(json!(1), |inside, _| json!([inside]));
        assert_eq!(plain(deep), "[[[[[[…]]]]]]");
        let wide: Value = (0..100)
            .map(|n| (format!("{n:0>100}"), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert!(plain(wide).len() < 1_000);
    }
}
