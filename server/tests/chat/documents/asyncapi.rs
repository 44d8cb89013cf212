//! The AsyncAPI document, and what it says about events and fields.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use boon::{Compiler, Draft, Schemas};
use serde_json::Value;
use server::{
    message::Kind,
    protocol::{ALREADY_LOGGED_IN, Dialect, INBOUND, LOGGED_IN_ELSEWHERE, MISSED, RECONNECTED},
};

use super::tour;

/// What the document is called among the schemas; nothing is fetched.
const NAME: &str = "file:///asyncapi.json";

/// A file of docs/.
pub fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// docs/asyncapi.yaml.
pub struct Document {
    root: Value,
    compiler: RefCell<(Compiler, Schemas)>,
}

/// One operation: an event in one direction.
pub struct Operation {
    pub event: String,
    /// Received by the server; else sent by it.
    pub inbound: bool,
    /// The message with its payload, by its key in `components.messages`.
    pub message: String,
    /// The message that acknowledges it.
    pub reply: Option<String>,
    /// In which dialects the server sends it.
    pub dialects: Vec<String>,
    /// A packet of Socket.IO itself and no event.
    pub is_packet: bool,
}

impl Document {
    pub fn load() -> Self {
        let root: Value = serde_yaml_ng::from_str(&read("asyncapi.yaml")).unwrap();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V7);
        compiler.add_resource(NAME, root.clone()).unwrap();
        Self {
            root,
            compiler: RefCell::new((compiler, Schemas::new())),
        }
    }

    pub fn operations(&self) -> Vec<Operation> {
        let operations = self.root["operations"].as_object().unwrap();
        operations
            .iter()
            .map(|(key, operation)| {
                let message = self.message_of(&operation["messages"]);
                let event = self.root["components"]["messages"][&message]["name"]
                    .as_str()
                    .unwrap();
                assert_eq!((key, &message), (&event.to_owned(), &event.to_owned()));
                let action = operation["action"].as_str().unwrap();
                assert!(matches!(action, "send" | "receive"), "{key}: {action}");
                let dialects = operation["x-dialects"].as_array();
                Operation {
                    event: event.to_owned(),
                    inbound: action == "receive",
                    reply: operation
                        .get("reply")
                        .map(|reply| self.message_of(&reply["messages"])),
                    dialects: dialects
                        .into_iter()
                        .flatten()
                        .map(|dialect| dialect.as_str().unwrap().to_owned())
                        .collect(),
                    is_packet: operation.get("x-packet").is_some(),
                    message,
                }
            })
            .collect()
    }

    /// All keys of `components.messages`.
    pub fn messages(&self) -> Vec<String> {
        let messages = self.root["components"]["messages"].as_object().unwrap();
        messages.keys().cloned().collect()
    }

    /// Follows a list of one reference, through the channel, to a key of `components.messages`.
    fn message_of(&self, list: &Value) -> String {
        let [one] = list.as_array().unwrap().as_slice() else {
            panic!("not one message but {list}");
        };
        let in_channel = self.root.pointer(pointer(one)).unwrap();
        let key = pointer(in_channel)
            .strip_prefix("/components/messages/")
            .unwrap();
        assert!(
            self.root["components"]["messages"].get(key).is_some(),
            "{key}"
        );
        key.to_owned()
    }

    /// Whether a value is what the schema at this place says.
    pub fn check(&self, place: &str, value: &Value) -> Result<(), String> {
        let (compiler, schemas) = &mut *self.compiler.borrow_mut();
        let schema = compiler
            .compile(&format!("{NAME}#{place}"), schemas)
            .unwrap();
        schemas
            .validate(value, schema)
            .map_err(|error| format!("{error:#}"))
    }

    /// Whether a value is a payload of this message.
    pub fn check_payload(&self, message: &str, value: &Value) -> Result<(), String> {
        self.check(&payload_of(message), value)
    }

    /// The fields that a schema describes, as paths, and the places of its alternatives.
    pub fn described(&self, place: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut fields, mut alternatives) = Default::default();
        self.describe(place, "", &mut fields, &mut alternatives);
        (fields, alternatives)
    }

    fn describe(
        &self,
        place: &str,
        path: &str,
        fields: &mut BTreeSet<String>,
        alternatives: &mut BTreeSet<String>,
    ) {
        let schema = self.root.pointer(place).unwrap();
        if schema.get("$ref").is_some() {
            return self.describe(pointer(schema), path, fields, alternatives);
        }
        for field in schema["properties"].as_object().into_iter().flatten() {
            let inner = format!("{path}/{}", field.0);
            self.describe(
                &format!("{place}/properties/{}", field.0),
                &inner,
                fields,
                alternatives,
            );
            fields.insert(inner);
        }
        for index in 0..schema["oneOf"].as_array().map_or(0, Vec::len) {
            let alternative = format!("{place}/oneOf/{index}");
            self.describe(&alternative, path, fields, alternatives);
            // Nested ones are values of a field, and covered by the fields.
            if path.is_empty() {
                alternatives.insert(alternative);
            }
        }
    }

    /// The texts of an enumeration.
    pub fn texts(&self, place: &str) -> BTreeSet<String> {
        let texts = self.root.pointer(place).unwrap().as_array().unwrap();
        texts
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }
}

/// Where the payload's schema of a message is.
pub fn payload_of(message: &str) -> String {
    format!("/components/messages/{message}/payload")
}

fn pointer(reference: &Value) -> &str {
    reference["$ref"]
        .as_str()
        .unwrap()
        .strip_prefix('#')
        .unwrap()
}

/// The fields of a value, as paths.
fn fields_of(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        fields_of(inner, &path, fields);
        fields.insert(path);
    }
}

#[test]
fn every_event_of_both_dialects_is_there_in_its_direction() {
    let document = Document::load();
    let operations = document.operations();
    let described: BTreeSet<&str> = operations
        .iter()
        .filter(|operation| operation.inbound)
        .map(|operation| operation.event.as_str())
        .collect();
    assert_eq!(described, INBOUND.map(|(event, _)| event).into());
    assert!(
        operations
            .iter()
            .all(|operation| operation.inbound == operation.reply.is_some()),
        "the server acknowledges, and asks for no acknowledgement"
    );

    let described: BTreeSet<(&str, &str)> = operations
        .iter()
        .filter(|operation| !operation.inbound && !operation.is_packet)
        .flat_map(|operation| {
            let dialects = operation.dialects.iter();
            dialects.map(|dialect| (dialect.as_str(), operation.event.as_str()))
        })
        .collect();
    assert_eq!(described, outbound());
}

/// Every event that the code can send, with its dialect.
fn outbound() -> BTreeSet<(&'static str, &'static str)> {
    let mut events = BTreeSet::new();
    for dialect in [Dialect::Readme, Dialect::Reference] {
        let name = tour::name_of(dialect);
        for kind in [Kind::Room, Kind::Channel] {
            events.extend(dialect.sent(kind).map(|event| (name, event)));
            events.insert((name, dialect.received(kind)));
            events.insert((name, kind.confirmed()));
            events.insert((name, kind.failed()));
        }
        for event in [RECONNECTED, ALREADY_LOGGED_IN, LOGGED_IN_ELSEWHERE, MISSED] {
            events.insert((name, event));
        }
    }
    events
}

#[test]
fn every_message_is_in_use_and_its_examples_are_valid() {
    let document = Document::load();
    let used: BTreeSet<String> = document
        .operations()
        .into_iter()
        .flat_map(|operation| [Some(operation.message), operation.reply])
        .flatten()
        .collect();
    let messages = document.messages();
    assert_eq!(used, messages.iter().cloned().collect());
    let in_channel: BTreeSet<&String> = document.root["channels"]["root"]["messages"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(in_channel, messages.iter().collect());
    for message in &messages {
        let examples = &document.root["components"]["messages"][message]["examples"];
        for example in examples.as_array().expect(message) {
            let checked = document.check_payload(message, &example["payload"]);
            assert_eq!(checked, Ok(()), "{message}");
        }
    }
}

/// Both ways: what the server says is described, and what is described the server says.
#[tokio::test]
async fn the_server_says_what_is_described_and_nothing_else() {
    let document = Document::load();
    let operations = document.operations();
    let seen = tour::take().await;

    assert_eq!(
        seen.asked,
        INBOUND.map(|(event, _)| event.to_owned()).into()
    );
    let events: BTreeSet<(&str, &str)> = seen
        .events
        .iter()
        .map(|(dialect, event, _)| (*dialect, event.as_str()))
        .collect();
    assert_eq!(events, outbound());

    let mut said: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (_, event, payload) in &seen.events {
        said.entry(event).or_default().push(payload);
    }
    for (event, ack) in &seen.acks {
        let operation = operations
            .iter()
            .find(|operation| operation.event == *event);
        let reply = operation.unwrap().reply.as_deref().unwrap();
        said.entry(reply).or_default().push(ack);
    }
    for refusal in &seen.connect_errors {
        said.entry("connect_error").or_default().push(refusal);
    }
    for operation in &operations {
        let message = match &operation.reply {
            Some(reply) => reply,
            None => &operation.message,
        };
        check_said(&document, message, &said[message.as_str()]);
    }
}

fn check_said(document: &Document, message: &str, payloads: &[&Value]) {
    let (described, alternatives) = document.described(&payload_of(message));
    let mut fields = BTreeSet::new();
    for payload in payloads {
        let checked = document.check_payload(message, payload);
        assert_eq!(checked, Ok(()), "{message}: {payload}");
        fields_of(payload, "", &mut fields);
    }
    assert_eq!(
        fields, described,
        "fields of {message}: sent, and described"
    );
    for alternative in alternatives {
        let is_said = payloads
            .iter()
            .any(|payload| document.check(&alternative, payload).is_ok());
        assert!(is_said, "{message}: nothing is as {alternative} says");
    }
}
