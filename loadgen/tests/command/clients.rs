//! The clients that can be driven: two that were written apart agree on a scenario, over every transport.

use crate::{Bench, SMALL};

fn over(transport: &str) -> String {
    format!("{SMALL}\n[connections]\ntransport = \"{transport}\"\n")
}

#[cfg(feature = "rust-socketio")]
mod rust_socketio {
    use serde_json::Value;

    use super::*;

    /// What a run counted, whatever its latencies were. Of acknowledgements nothing, since the library asks for none
    /// (the top of `client/rust_socketio` says why).
    fn counted(scenario: &str, flags: &[&str], client: &str, transport: &str) -> Value {
        let bench = Bench::new();
        let flags = [&["--store", "memory"], flags].concat();
        let ended = bench.run(&bench.scenario(scenario), &flags);
        let run = &bench.report("small")["runs"][0];
        assert_eq!(
            run["findings"],
            Value::Array(Vec::new()),
            "{}",
            ended.stdout
        );
        assert_eq!(run["generator"]["client"], client);
        assert_eq!(run["generator"]["transport"], transport);
        let mut totals = run["totals"].clone();
        let acknowledged = totals["acknowledged"].take();
        let asked = if client == "native" {
            &totals["sent"]
        } else {
            &Value::from(0)
        };
        assert_eq!(acknowledged, *asked, "{client} over {transport}");
        totals
    }

    #[test]
    fn rust_socketio_and_the_native_client_agree_on_a_small_scenario() {
        let native = counted(SMALL, &["--client", "native"], "native", "websocket");
        let other = counted(
            SMALL,
            &["--client", "rust_socketio"],
            "rust_socketio",
            "websocket",
        );
        assert_eq!(native, other);
        assert!(native["delivered"].as_u64().unwrap() > 300);
    }

    #[test]
    fn the_library_sees_over_every_transport_what_the_native_client_sees() {
        let websocket = counted(SMALL, &[], "native", "websocket");
        for transport in ["polling", "upgraded"] {
            let library = ["--client", "rust_socketio"];
            let other = counted(&over(transport), &library, "rust_socketio", transport);
            assert_eq!(other, websocket, "{transport}");
        }
    }

    #[test]
    fn a_scenario_that_cuts_connections_needs_the_native_client() {
        let bench = Bench::new();
        let scenario =
            bench.scenario(&SMALL.replace("rate = \"200/s\"", "rate = \"200/s\"\ncuts = \"2/s\""));
        let ended = bench.run(&scenario, &["--client", "rust_socketio"]);
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains("can't cut"), "{}", ended.stderr);
    }

    #[test]
    fn what_only_an_acknowledgement_says_needs_the_native_client() {
        let bench = Bench::new();
        let persisted = SMALL.replace("[server]", "[server]\ndelivery = [\"persist-first\"]");
        let ended = bench.run(&bench.scenario(&persisted), &["--client", "rust_socketio"]);
        assert_eq!(ended.code, Some(2));
        let why = "no acknowledgements of messages";
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
}

#[cfg(not(feature = "rust-socketio"))]
#[test]
fn a_build_without_the_library_says_how_to_get_it() {
    let bench = Bench::new();
    let ended = bench.run(&bench.scenario(SMALL), &["--client", "rust_socketio"]);
    assert_eq!(ended.code, Some(2));
    let how = "--features rust-socketio";
    assert!(ended.stderr.contains(how), "{}", ended.stderr);
}

#[test]
fn the_library_is_not_driven_where_it_can_not_be_told_how() {
    let bench = Bench::new();
    let host = format!("{SMALL}\n[connections]\nheaders = {{ host = \"x\" }}\n");
    for (scenario, flags, what) in [
        (
            SMALL,
            &["--target", "https://h", "--insecure"][..],
            "--insecure",
        ),
        (&host, &["--target", "http://h"], "a header `host`"),
    ] {
        let flags = [flags, &["--client", "rust_socketio"]].concat();
        let ended = bench.run(&bench.scenario(scenario), &flags);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let what = format!("can't be told {what}");
        assert!(ended.stderr.contains(&what), "{}", ended.stderr);
    }
}

#[test]
fn every_transport_delivers_what_a_websocket_delivers() {
    let counted = |transport: &str| {
        let bench = Bench::new();
        let ended = bench.run(&bench.scenario(&over(transport)), &["--store", "memory"]);
        let run = bench.report("small")["runs"][0].clone();
        assert_eq!(run["findings"], serde_json::json!([]), "{}", ended.stdout);
        assert_eq!(run["generator"]["client"], "native");
        assert_eq!(run["generator"]["transport"], transport);
        run["totals"].clone()
    };
    let websocket = counted("websocket");
    assert!(websocket["delivered"].as_u64().unwrap() > 300);
    for transport in ["polling", "upgraded"] {
        assert_eq!(counted(transport), websocket, "{transport}");
    }
}

#[test]
fn a_token_can_be_shown_in_a_header() {
    let bench = Bench::new();
    let shown = format!(
        "{SMALL}\n[connections]\nauth = {{}}\nheaders = {{ access-token = \"{{token}}\" }}\n"
    );
    let ended = bench.run(&bench.scenario(&shown), &["--store", "memory"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn workers_are_bound_to_the_processors_that_are_named() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let ended = bench.run(&scenario, &["--store", "memory", "--cpus", "0"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    // One that can't be bound ends the run, be the other one ready or not.
    for cpus in ["1000", "0,1000"] {
        let flags = ["--store", "memory", "--workers", "2", "--cpus", cpus];
        let ended = bench.run(&scenario, &flags);
        assert_eq!(ended.code, Some(5));
        assert!(ended.stderr.contains("processor 1000"), "{}", ended.stderr);
    }
}

#[test]
fn users_sign_their_tokens_with_the_servers_secret() {
    let bench = Bench::new();
    let signed = format!("{SMALL}\n[connections]\ntoken = {{ secret = \"hush\" }}\n");
    let ended = bench.run(&bench.scenario(&signed), &["--store", "memory"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn an_event_map_needs_a_target_that_speaks_it() {
    let bench = Bench::new();
    let scenario = format!(
        "{SMALL}\n[server.events.room]\njoin = \"a\"\nsend = \"b\"\nreceived = \"c\"\nid_field = \"d\"\n"
    );
    let ended = bench.run(&bench.scenario(&scenario), &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--target"), "{}", ended.stderr);
}
