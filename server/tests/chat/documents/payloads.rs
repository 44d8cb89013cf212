//! What the document says of payloads from clients: the server takes exactly those that its schemas allow.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use server::protocol::inbound::Payload;

use super::asyncapi::{Document, Operation, payload_of};
use crate::{
    client::Client,
    running::{config, start},
};

/// Values of every type and of the lengths where limits are.
fn candidates() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(7),
        json!(-7),
        json!(1.5),
        json!("x"),
        json!(""),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "$ne": null }),
    ];
    for limit in [128, 255, 65_536] {
        values.extend([limit, limit + 1].map(|length| json!("x".repeat(length))));
    }
    values
}

fn inbound(document: &Document) -> Vec<Operation> {
    let operations = document.operations().into_iter();
    operations.filter(|operation| operation.inbound).collect()
}

fn fields(document: &Document, operation: &Operation) -> BTreeSet<String> {
    let (paths, _) = document.described(&payload_of(&operation.message));
    let name = |path: String| path.strip_prefix('/').unwrap().to_owned();
    paths.into_iter().map(name).collect()
}

#[test]
fn every_field_that_the_server_reads_is_described() {
    let document = Document::load();
    let described: BTreeSet<String> = inbound(&document)
        .iter()
        .flat_map(|operation| fields(&document, operation))
        .collect();
    // The field names of the type that is read, as its own `Debug` shows them.
    let read: BTreeSet<String> = format!("{:#?}", Payload::default())
        .lines()
        .filter_map(|line| Some(camel_case(line.trim().split_once(':')?.0)))
        .collect();
    assert_eq!(described, read);
}

fn camel_case(snake_case: &str) -> String {
    let mut words = snake_case.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        name + &initial.to_uppercase() + rest
    })
}

#[tokio::test]
async fn the_server_takes_what_the_schemas_allow_and_refuses_the_rest() {
    let document = Document::load();
    let server = start(config()).await;
    let mut client = Client::in_rooms(server.address, "a", &["x"]).await;
    client
        .call("JOIN_CHANNEL", json!({ "channelId": "x" }))
        .await;
    let mut refused = 0;
    for operation in inbound(&document) {
        let whole: Value = fields(&document, &operation)
            .into_iter()
            .map(|field| (field, json!("x")))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let mut payloads = candidates();
        payloads.push(whole.clone());
        for field in fields(&document, &operation) {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(&field);
            payloads.push(without);
            payloads.extend(candidates().into_iter().map(|value| {
                let mut payload = whole.clone();
                payload[&field] = value;
                payload
            }));
        }
        let mut unknown = whole;
        unknown["unknown"] = json!({ "$ne": null });
        payloads.push(unknown);
        for payload in payloads {
            let allowed = document.check_payload(&operation.message, &payload);
            let ack = client.call(&operation.event, payload.clone()).await;
            // Who is where is no matter of the payload: such a message was well-formed.
            let not_joined = ack["message"].as_str().unwrap().ends_with("before sending");
            let taken = ack["success"] == true || not_joined;
            let shown: String = payload.to_string().chars().take(300).collect();
            assert_eq!(
                allowed.is_ok(),
                taken,
                "{} {shown}: {ack}, {allowed:?}",
                operation.event
            );
            refused += usize::from(!taken);
            client.settled().await;
        }
    }
    assert!(refused > 100, "the candidates test nothing");
}
