//! The JSON Schema of scenario files: what editors complete, explain and underline. It is made from the types that read
//! a file, so that it can't say anything else than they do.

use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value, json};

use super::file::File;

/// The name of this schema among all others, version and all.
const ID: &str = "urn:loadgen:scenario:1";
/// A value that is a variable's as a whole.
const VARIABLE: &str = r"^\$\{[A-Za-z0-9_-]+\}$";

/// Keys of a file that are read before variables are known.
const BEFORE_VARIABLES: [&str; 3] = ["version", "include", "variables"];

/// Keys of which one says who there is, and whether a table says it and nothing else does.
const SAYS_WHO_THERE_IS: [(&[&str], bool); 4] = [
    (&["population", "users"], false),
    (&["population", "rooms"], true),
    (&["population", "channels"], true),
    (&["connections", "token", "file"], false),
];

/// The JSON Schema (draft 7) of a scenario file.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(plain)
        .into_generator();
    let mut schema = generator.root_schema_for::<File>();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (key, property) in properties {
            if !BEFORE_VARIABLES.contains(&key.as_str())
                && let Ok(property) = property.try_into()
            {
                admit_variables(property);
            }
        }
    }
    schema.insert("$id".to_owned(), ID.into());
    let mut schema = schema.to_value();
    let required = take_required(&mut schema);
    // What an including file leaves out, the included one can give.
    schema["anyOf"] = json!([
        { "required": ["include"] },
        { "allOf": [required, { "anyOf": SAYS_WHO_THERE_IS.map(somewhere) }] },
    ]);
    schema
}

/// A file that has this key, and as a table where that is asked for.
fn somewhere((path, as_table): (&[&str], bool)) -> Value {
    let value = match as_table {
        true => json!({ "type": "object" }),
        false => json!({}),
    };
    path.iter().rev().fold(
        value,
        |inside, key| json!({ "required": [key], "properties": { *key: inside } }),
    )
}

/// The tables of a scenario that have a key, as they are written: `[population]`, `[[phases]]`, `the top of the file`.
pub(super) fn tables_with(key: &str) -> Vec<String> {
    let mut tables = Vec::new();
    find(&schema(), key, "", false, &mut tables);
    tables
}

fn find(schema: &Value, key: &str, path: &str, several: bool, tables: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if name == key {
            tables.push(match (path, several) {
                ("", _) => "the top of the file".to_owned(),
                (path, true) => format!("[[{path}]]"),
                (path, false) => format!("[{path}]"),
            });
        }
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        find(property, key, &path, false, tables);
        find(&property["items"], key, &path, true, tables);
    }
}

/// TOML has no null, and formats like `uint32` are no standard's.
fn plain(schema: &mut Schema) {
    transform_subschemas(&mut plain, schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("format");
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(alternatives)) = object.get_mut(key) else {
            continue;
        };
        alternatives.retain(|schema| schema["type"] != "null");
        if let [Value::Object(only)] = &mut alternatives[..] {
            let only = std::mem::take(only);
            object.remove(key);
            // The description of the key says more than that of its type.
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}

/// Numbers, booleans and names can also be a variable's; any other text is checked when the value is in its place.
fn admit_variables(schema: &mut Schema) {
    transform_subschemas(&mut admit_variables, schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let one_of_names = object
        .get("oneOf")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().all(|schema| schema.get("const").is_some()));
    let typed = object
        .get("type")
        .is_some_and(|name| ["integer", "number", "boolean"].iter().any(|t| name == t));
    if !(typed || one_of_names || object.contains_key("enum")) {
        return;
    }
    let said = ["title", "description", "default"];
    let (outside, inside): (Map<String, Value>, Map<String, Value>) = std::mem::take(object)
        .into_iter()
        .partition(|(key, _)| said.contains(&key.as_str()));
    *object = outside;
    object.insert(
        "anyOf".to_owned(),
        json!([inside, { "type": "string", "pattern": VARIABLE }]),
    );
}

/// Moves `required` out of all tables that an included file can complete, into a schema of its own.
fn take_required(schema: &mut Value) -> Value {
    let Value::Object(object) = schema else {
        return json!({});
    };
    let mut required = Map::new();
    if let Some(keys) = object.remove("required") {
        required.insert("required".to_owned(), keys);
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        let below: Map<String, Value> = properties
            .iter_mut()
            .map(|(key, property)| (key.clone(), take_required(property)))
            .filter(|(_, required)| *required != json!({}))
            .collect();
        if !below.is_empty() {
            required.insert("properties".to_owned(), Value::Object(below));
        }
    }
    Value::Object(required)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_admit_a_variable_and_nothing_admits_null() {
        let schema = schema();
        let users = &schema["properties"]["population"]["properties"]["users"]["anyOf"];
        assert_eq!(users[0]["type"], "integer");
        assert_eq!(users[0]["minimum"], 2);
        assert_eq!(users[1]["pattern"], VARIABLE);
        assert_eq!(schema["properties"]["version"]["const"], 1);
        assert_eq!(schema["$id"], ID);
        assert!(!schema.to_string().contains("null"));
    }

    #[test]
    fn every_key_is_described() {
        fn walk(path: &str, schema: &Value, undescribed: &mut Vec<String>) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{key}");
                if property["description"].as_str().is_none_or(str::is_empty) {
                    undescribed.push(path.clone());
                }
                walk(&path, property, undescribed);
                walk(&path, &property["items"], undescribed);
                for alternative in property["anyOf"].as_array().into_iter().flatten() {
                    walk(&path, alternative, undescribed);
                    walk(&path, &alternative["items"], undescribed);
                }
            }
        }
        let mut undescribed = Vec::new();
        walk("", &schema(), &mut undescribed);
        assert_eq!(undescribed, Vec::<String>::new());
    }
}
