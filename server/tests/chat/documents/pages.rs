//! What the pages for people say: every event, every error, every JSON example, every flag.

use std::{collections::BTreeSet, num::NonZeroU32};

use clap::{Args as _, Command};
use serde_json::{Value, json};
use server::{
    auth::AuthError,
    config::Args,
    handlers::connection::ConnectError,
    message::Kind,
    protocol::{Refusal, outbound::FAILED_TO_SAVE},
    store::queue::FailureReason,
};

use super::asyncapi::{Document, read};
use crate::{
    client::Client,
    running::{config, start},
};

/// The cells of the table that follows a heading or sentence, without its head.
fn table(page: &str, after: &str) -> Vec<Vec<String>> {
    let (_, rest) = page.split_once(after).expect(after);
    rest.lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn every_event_is_on_the_page() {
    let page = read("SOCKET_EVENTS.md");
    for operation in Document::load().operations() {
        assert!(
            page.contains(&code(&operation.event)),
            "{}",
            operation.event
        );
    }
}

#[test]
fn every_json_example_is_valid() {
    let page = read("SOCKET_EVENTS.md");
    let document = Document::load();
    let messages = document.messages();
    let mut lines = page.lines();
    let mut examples = 0;
    while let Some(line) = lines.next() {
        let Some(message) = line.strip_prefix("```json ") else {
            assert_ne!(
                line, "```json",
                "an example must say of which message it is"
            );
            continue;
        };
        assert!(messages.iter().any(|known| known == message), "{message}");
        let text: String = lines.by_ref().take_while(|line| *line != "```").collect();
        let example: Value = serde_json::from_str(&text).expect(&text);
        assert_eq!(document.check_payload(message, &example), Ok(()), "{text}");
        examples += 1;
    }
    assert!(examples > 15, "{examples}");
}

/// One of each kind. The match is there so that a new kind does not compile until somebody looks here.
fn refusals() -> Vec<Refusal> {
    let invalid = |field, expected: &'static str| Refusal::Invalid {
        field,
        expected: expected.into(),
    };
    let all = vec![
        Refusal::NotAnObject(Kind::Room),
        Refusal::NotAnObject(Kind::Channel),
        Refusal::Missing("roomId"),
        Refusal::Missing("channelId"),
        Refusal::Missing("body"),
        invalid("roomId", "a string of 1 to 128 bytes"),
        invalid("body", "a string of at most 65536 bytes"),
        invalid("filename", "a string of at most 255 bytes"),
        Refusal::InvalidSender,
        Refusal::NotJoined(Kind::Room),
        Refusal::NotJoined(Kind::Channel),
        Refusal::TooManyConversations,
        Refusal::TooManyEvents,
        Refusal::LoggedInElsewhere,
        Refusal::NotConnected,
        Refusal::ShuttingDown,
        Refusal::NoOrder,
        Refusal::UnknownEvent,
    ];
    for refusal in &all {
        match refusal {
            Refusal::NotAnObject(_)
            | Refusal::Missing(_)
            | Refusal::Invalid { .. }
            | Refusal::InvalidSender
            | Refusal::NotConnected
            | Refusal::NotJoined(_)
            | Refusal::TooManyConversations
            | Refusal::TooManyEvents
            | Refusal::LoggedInElsewhere
            | Refusal::ShuttingDown
            | Refusal::NoOrder
            | Refusal::UnknownEvent => {}
        }
    }
    all
}

#[test]
fn the_table_of_refusals_is_the_codes() {
    let page = read("SOCKET_EVENTS.md");
    let described: BTreeSet<(String, String)> = table(&page, "### A refused event")
        .into_iter()
        .map(|row| (row[0].clone(), row[2].clone()))
        .collect();
    let known = refusals()
        .into_iter()
        .map(|refusal| (code(&refusal.message()), code(refusal.name())))
        .collect();
    assert_eq!(described, known);
}

#[test]
fn the_reasons_of_connect_error_are_the_codes() {
    let all = [
        ConnectError::Auth(AuthError::TokenRequired),
        ConnectError::Auth(AuthError::InvalidToken),
        ConnectError::TooMany,
        ConnectError::ShuttingDown,
    ];
    for reason in &all {
        match reason {
            ConnectError::Auth(AuthError::TokenRequired | AuthError::InvalidToken)
            | ConnectError::TooMany
            | ConnectError::ShuttingDown => {}
        }
    }
    let mut known: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    // The library's own; `hostile.rs` holds it.
    known.insert("Invalid namespace".into());
    let document = Document::load();
    let place = "/components/messages/connect_error/payload/properties/message/enum";
    assert_eq!(document.texts(place), known);
    let described = table(&read("SOCKET_EVENTS.md"), "`error.message` is one of");
    let described: BTreeSet<String> = described.into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(described, known.iter().map(|text| code(text)).collect());
}

#[tokio::test]
async fn the_reasons_of_a_failed_save_are_the_codes() {
    let mut known: BTreeSet<String> = FailureReason::ALL.map(|r| r.to_string()).into();
    known.insert(reason_of_a_full_queue().await);
    // Of a repetition whose first message ended without an outcome, which takes a race to see.
    known.insert("no outcome".into());
    let document = Document::load();
    let place = "/components/schemas/notSaved/properties/error/enum";
    assert_eq!(document.texts(place), known);
    let page = read("SOCKET_EVENTS.md");
    let described = table(&page, "### A save that failed");
    let described: BTreeSet<String> = described.into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(described, known.iter().map(|text| code(text)).collect());
    assert!(page.contains(FAILED_TO_SAVE));
}

async fn reason_of_a_full_queue() -> String {
    let mut config = config();
    config.writer.capacity = 0;
    let server = start(config).await;
    let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
    let message = json!({ "roomId": "r", "body": "x" });
    let ack = client.call("roomMessage", message).await;
    ack["error"].as_str().unwrap().to_owned()
}

#[test]
fn every_flag_is_in_the_table_with_its_default_and_its_variable() {
    let command = Args::augment_args(Command::new("server"));
    let known: BTreeSet<[String; 3]> = command
        .get_arguments()
        // Those for tests are nobody's setting.
        .filter(|argument| !argument.is_hide_set())
        .map(|argument| {
            let default: Vec<_> = argument
                .get_default_values()
                .iter()
                .map(|value| code(&value.to_string_lossy()))
                .collect();
            let variable = argument.get_env().map(|name| code(&name.to_string_lossy()));
            [
                code(&format!("--{}", argument.get_long().unwrap())),
                default.join(" "),
                variable.unwrap_or_default(),
            ]
        })
        .collect();
    let page = read("SOCKET_ARCHITECTURE.md");
    let described: BTreeSet<[String; 3]> = table(&page, "## Configuration")
        .into_iter()
        .map(|row| [row[0].clone(), row[1].clone(), row[2].clone()])
        .collect();
    assert_eq!(described, known);
}

/// The limits that [`Config`](server::config::Config) has by default are those of the page.
#[test]
fn the_limits_are_the_codes() {
    let page = read("SOCKET_EVENTS.md");
    let limits = config().limits;
    let none: Option<NonZeroU32> = None;
    assert_eq!(
        (limits.events_per_second, limits.connections_per_address),
        (none, none)
    );
    let grouped = |number: usize| format!("{},{:03}", number / 1000, number % 1000);
    let described = table(&page, "## Limits");
    for (flag, default) in [
        ("`--max-body`", grouped(limits.max_body)),
        ("`--rooms-per-user`", grouped(limits.rooms_per_user)),
        ("`--send-buffer`", grouped(limits.send_buffer)),
        ("`--queue-capacity`", grouped(config().writer.capacity)),
    ] {
        let row = described.iter().find(|row| row[2] == flag).expect(flag);
        assert_eq!(
            row[1].strip_suffix(" bytes").unwrap_or(&row[1]),
            default,
            "{flag}"
        );
    }
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let mut is_code = false;
    page.lines()
        .filter(|line| {
            is_code ^= line.starts_with("```");
            !is_code
        })
        .filter_map(|line| {
            line.trim_start_matches('#')
                .strip_prefix(' ')
                .filter(|_| line.starts_with('#'))
        })
        .map(anchor)
        .collect()
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut links = 0;
    for name in [
        "SOCKET_ARCHITECTURE.md",
        "SOCKET_EVENTS.md",
        "TESTING_GUIDE.md",
        "FRONTEND_MIGRATION.md",
        "MEASUREMENT.md",
    ] {
        let page = read(name);
        for link in page.split("](").skip(1) {
            let (target, _) = link.split_once(')').unwrap();
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let there = read(if file.is_empty() { name } else { file });
            let leads = place.is_empty() || anchors(&there).contains(place);
            assert!(leads, "{name} links to {target}");
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}
