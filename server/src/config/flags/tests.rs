//! Flags: what is understood, and what is refused in which words.

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn parse(flags: &[&str]) -> Result<Args, String> {
    Cli::try_parse_from([&["server"], flags].concat())
        .map(|cli| cli.args)
        .map_err(|e| e.to_string())
}

#[test]
fn the_flags_of_the_contract_are_understood() {
    let args = parse(&[
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--store",
        "mongodb://u:hunter2@h/db",
        "--dialect",
        "reference",
        "--delivery",
        "persist-first",
        "--origin",
        "https://a.example",
        "--origin",
        "http://localhost:5173",
        "--events-per-second",
        "50",
        "--connections-per-address",
        "10",
        "--save-deadline",
        "3s",
        "--jwt-secret",
        "hunter2",
        "--debug-pages",
        "anywhere",
        "--debug-token",
        "hunter2",
        "--bus",
        "redis://:hunter2@127.0.0.1:6379/0",
        "--bus-mode",
        "ordered",
        "--node-id",
        "a-1",
    ])
    .unwrap();
    assert!(!format!("{args:?}").contains("hunter2"));
    let config = Config::from(args);
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.address.to_string(), "0.0.0.0:0");
    assert_eq!(config.dialect, Dialect::Reference);
    assert_eq!(config.delivery, DeliveryMode::PersistFirst);
    assert_eq!(config.origins.len(), 2);
    assert_eq!(config.debug_access.pages, DebugPages::Anywhere);
    assert_eq!(config.writer.deadline, Duration::from_secs(3));
    assert!(matches!(config.store, StoreConfig::MongoDb(_)));
    let cluster = config.cluster.unwrap();
    assert_eq!((&*cluster.node_id, cluster.mode), ("a-1", BusMode::Ordered));
}

#[test]
fn the_defaults_are_those_that_tests_start_from() {
    let from_flags = Config::from(
        parse(&[
            "--port",
            "0",
            "--store",
            "memory",
            "--jwt-secret",
            "",
            "--debug-token",
            "",
            "--bus",
            "",
        ])
        .unwrap(),
    );
    assert_eq!(
        format!("{from_flags:?}"),
        format!("{:?}", Config::on_a_free_port())
    );
}

#[test]
fn bad_flags_are_told_what_would_be_right() {
    for (flags, expected) in [
        (["--store", "redis://x"], "expected `memory`, `mongodb://…`"),
        (
            ["--origin", "example.org"],
            "expected an origin like https://chat.example.org",
        ),
        (
            ["--send-buffer", "1"],
            "expected a number of packets from 16",
        ),
        (
            ["--send-memory", "1GB"],
            "expected a number of bytes from 1000000",
        ),
        (["--threads", "0"], "expected a number from 1 to 256"),
        (
            ["--bus", "memory"],
            "expected a Redis like redis://127.0.0.1:6379",
        ),
        (["--node-id", "a b"], "expected 1 to 64 letters, digits"),
        (
            ["--bus-mode", "global"],
            "possible values: local-first, ordered",
        ),
        (["--ping-interval", "0s"], "expected at least 1ms"),
        (["--tcp-user-timeout", "30days"], "expected at most 10days"),
        (["--save-deadline", "0s"], "expected at least 1ms"),
        (["--queue-capacity", "0"], "expected a number from 1"),
        (["--batch-max", "0"], "expected a number from 1"),
        (["--rooms-per-user", "0"], "expected a number from 1"),
        (
            ["--max-body", "0"],
            "expected a number of bytes from 1 to 1000000",
        ),
        (
            ["--max-body", "1000001"],
            "expected a number of bytes from 1 to 1000000",
        ),
        (["--pool-size", "3"], "3 is not in 4..=1000"),
        (["--save-time", "5"], "expected one like 50ms-200ms"),
        (
            ["--write-concern", "all"],
            "expected `majority` or a number",
        ),
        (["--dialect", "node"], "possible values: readme, reference"),
        (
            ["--debug-pages", "all"],
            "possible values: off, loopback, anywhere",
        ),
        (["--debug-pages", "anywhere"], "--debug-token <DEBUG_TOKEN>"),
    ] {
        let error = parse(&flags).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_first_message_that_would_wait_for_others_until_it_fails_is_refused() {
    let checked = |flags: &[&str]| parse(flags).unwrap().check();
    assert_eq!(checked(&["--batch-wait", "9999ms"]), Ok(()));
    for wait in ["10s", "1h"] {
        let flags = ["--batch-wait", wait];
        assert_eq!(checked(&flags), Err(FlagsError::WaitsUntilItFails));
    }
    let flags = ["--batch-wait", "1s", "--save-deadline", "500ms"];
    assert_eq!(checked(&flags), Err(FlagsError::WaitsUntilItFails));
}
