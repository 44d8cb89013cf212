//! Faults: what a file says becomes what breaks, and each mistake is shown where it was made.

use super::*;

fn with(faults: &str) -> String {
    format!("{HEAD}{PEOPLE}{STEADY}{faults}")
}

fn one(lines: &str) -> String {
    with(&format!(
        "[[faults]]\nname = \"f\"\nat = \"2s\"\nfor = \"3s\"\n{lines}\n"
    ))
}

#[test]
fn each_kind_has_its_parameters() {
    let millis = Duration::from_millis;
    for (lines, damage) in [
        (
            "kind = \"store-slow\"\ntime = \"2s\"",
            Damage::Store(StoreDamage::Slow(millis(2_000))),
        ),
        (
            "kind = \"store-failing\"\nshare = \"20%\"\ncode = 11600",
            Damage::Store(StoreDamage::Failing {
                share: 0.2,
                code: 11_600,
            }),
        ),
        (
            "kind = \"store-write-concern\"",
            Damage::Store(StoreDamage::WriteConcern {
                share: 1.0,
                code: 64,
            }),
        ),
        (
            "kind = \"store-disconnect\"",
            Damage::Store(StoreDamage::Disconnect(1.0)),
        ),
        (
            "kind = \"store-reply-lost\"\nshare = \"5%\"",
            Damage::Store(StoreDamage::ReplyLost(0.05)),
        ),
        (
            "kind = \"store-frozen\"",
            Damage::Store(StoreDamage::Frozen),
        ),
        (
            "kind = \"store-restart\"",
            Damage::Store(StoreDamage::Restart),
        ),
        (
            "kind = \"store-stepdown\"",
            Damage::Store(StoreDamage::Stepdown),
        ),
        (
            "kind = \"network-latency\"\ntime = \"20ms\"\njitter = \"5ms\"\ndistribution = \"normal\"\nbetween = \"store\"",
            Damage::Network(
                Between::Store,
                NetworkDamage::Latency {
                    time: millis(20),
                    jitter: millis(5),
                    distribution: Distribution::Normal,
                },
            ),
        ),
        (
            "kind = \"network-bandwidth\"\nbandwidth = \"64KiB/s\"",
            Damage::Network(Between::Clients, NetworkDamage::Bandwidth(65_536)),
        ),
        (
            "kind = \"network-loss\"\nshare = \"1%\"",
            Damage::Network(
                Between::Clients,
                NetworkDamage::Loss {
                    share: 0.01,
                    stall: millis(200),
                },
            ),
        ),
        (
            "kind = \"network-cut\"\nrefuse = false",
            Damage::Network(Between::Clients, NetworkDamage::Cut { refuse: false }),
        ),
        (
            "kind = \"network-half-open\"",
            Damage::Network(Between::Clients, NetworkDamage::HalfOpen),
        ),
        (
            "kind = \"network-slow-reader\"\nbandwidth = \"1KiB/s\"",
            Damage::Network(Between::Clients, NetworkDamage::SlowReader(1_024)),
        ),
        ("kind = \"server-stop\"", Damage::Server(ServerDamage::Stop)),
        ("kind = \"server-kill\"", Damage::Server(ServerDamage::Kill)),
        (
            "kind = \"server-freeze\"",
            Damage::Server(ServerDamage::Freeze),
        ),
        (
            "kind = \"clients-disconnect\"\nshare = \"50%\"",
            Damage::Clients(ClientDamage::Disconnect, 0.5),
        ),
        (
            "kind = \"clients-silent\"\nshare = \"10%\"",
            Damage::Clients(ClientDamage::Silent, 0.1),
        ),
        (
            "kind = \"clients-stop-reading\"\nshare = \"100%\"",
            Damage::Clients(ClientDamage::StopReading, 1.0),
        ),
    ] {
        let faults = parse(&one(lines)).faults;
        let [fault] = &faults[..] else {
            panic!("{faults:?}")
        };
        assert_eq!(fault.damage, damage, "{lines}");
        assert!(lines.contains(fault.damage.kind().key()), "{lines}");
        assert_eq!((fault.at, fault.lasts), (millis(2_000), millis(3_000)));
    }
}

#[test]
fn there_can_be_several_at_once_of_different_things() {
    let freeze = "[[faults]]\nname = \"a\"\nat = \"1s\"\nfor = \"5s\"\nkind = \"server-freeze\"\n";
    let slow = "[[faults]]\nname = \"b\"\nat = \"2s\"\nfor = \"5s\"\nkind = \"store-slow\"\ntime = \"1s\"\n";
    let later = "[[faults]]\nname = \"c\"\nat = \"6s\"\nfor = \"1s\"\nkind = \"server-freeze\"\n";
    let faults = parse(&with(&format!("{freeze}{slow}{later}"))).faults;
    let names: Vec<&str> = faults.iter().map(|fault| &*fault.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let collision = later.replace("6s", "3s");
    let error = error(&with(&format!("{freeze}{collision}")));
    assert!(
        error.message.starts_with("\"a\" is not over by then"),
        "{error}"
    );
    assert_eq!(error.excerpt, "at = \"3s\"");
}

#[test]
fn each_mistake_is_told_in_its_place() {
    for (lines, excerpt, message) in [
        (
            "kind = \"server-kil\"",
            "kind",
            "did you mean `server-kill`?",
        ),
        (
            "kind = \"store-slow\"",
            "kind",
            "store-slow needs `time`, as in time = \"2s\"",
        ),
        (
            "kind = \"store-slow\"\ntime = \"0s\"",
            "time",
            "longer than 0s",
        ),
        (
            "kind = \"store-slow\"\ntimes = \"1s\"",
            "times",
            "did you mean `time`?",
        ),
        (
            "kind = \"server-kill\"\nshare = \"50%\"",
            "share",
            "`share` is no parameter of server-kill, which has `node`",
        ),
        (
            "kind = \"server-kill\"\nnode = 2",
            "node",
            "`node` names one of several servers, and there is one",
        ),
        (
            "kind = \"store-frozen\"\nnode = 1",
            "node",
            "no parameter of store-frozen, which has none",
        ),
        (
            "kind = \"bus-restart\"",
            "kind",
            "there is one: write `nodes` in [server]",
        ),
        (
            "kind = \"store-failing\"\ntime = \"5s\"",
            "time",
            "which has `share`, `code`",
        ),
        (
            "kind = \"store-failing\"\nshare = \"0%\"",
            "share",
            "more than 0%",
        ),
        (
            "kind = \"store-failing\"\ncode = \"x\"",
            "code",
            "expected a whole number",
        ),
        (
            "kind = \"network-latency\"\ntime = \"1s\"\ndistribution = \"normal\"",
            "distribution",
            "`jitter`",
        ),
        (
            "kind = \"network-latency\"\ntime = \"1s\"\njitter = \"0s\"\ndistribution = \"normal\"",
            "distribution",
            "`jitter`",
        ),
        (
            "kind = \"network-loss\"\nshare = \"1%\"\nstall = \"0s\"",
            "stall",
            "longer than 0s",
        ),
        (
            "kind = \"network-bandwidth\"\nbandwidth = \"64KiB\"",
            "bandwidth",
            "\"64KiB/s\"",
        ),
        (
            "kind = \"network-bandwidth\"\nbandwidth = \"0B/s\"",
            "bandwidth",
            "network-half-open",
        ),
        (
            "kind = \"network-cut\"\nbetween = \"server\"",
            "between",
            "`clients` or `store`",
        ),
        (
            "kind = \"clients-silent\"",
            "kind",
            "needs `share`, as in share = \"50%\"",
        ),
    ] {
        let error = error(&one(lines));
        assert!(error.message.contains(message), "{lines}: {error}");
        assert!(error.excerpt.starts_with(excerpt), "{lines}: {error}");
    }
    for (from, to, excerpt, message) in [
        ("\"f\"", "\"f g\"", "name", "letters, digits"),
        ("\"3s\"", "\"9s\"", "for", "2s + 9s is more than 10s"),
        ("\"3s\"", "\"0s\"", "for", "longer than 0s"),
        ("for = \"3s\"\n", "", "[[faults]]", "missing field `for`"),
        ("[[faults]]", "[faults]", "[faults]", "write [[faults]]"),
    ] {
        let text = one("kind = \"server-kill\"").replace(from, to);
        let error = error(&text);
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.excerpt.starts_with(excerpt), "{text}: {error}");
    }
    let twice = one(
        "kind = \"server-kill\"\n[[faults]]\nname = \"f\"\nat = \"7s\"\nfor = \"1s\"\nkind = \"server-kill\"",
    );
    assert!(error(&twice).message.contains("name each once"));
}

#[test]
fn thresholds_name_a_fault_behind_an_at() {
    let text = one(
        "kind = \"server-kill\"\n[thresholds]\n\"delivery.p99@f\" = \"< 5ms\"\n\"confirm.recovery@f\" = \"< 3s\"",
    );
    let thresholds = parse(&text).thresholds;
    let shown: Vec<String> = thresholds.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["delivery.p99@f < 5ms", "confirm.recovery@f < 3s"]);
    for (from, to, message) in [
        (
            "p99@f",
            "p99@g",
            "no fault is called \"g\"; did you mean `f`?",
        ),
        ("p99@f", "p99@slow-db", "there are f"),
        (
            "\"delivery.p99@f\" = \"< 5ms\"",
            "\"lost@f\" = \"== 0\"",
            "lost is known for the whole run only: leave @f out",
        ),
        (
            "delivery.p99@f",
            "hiccup.p99@f",
            "hiccup.p99 is known for the whole run only: leave @f out",
        ),
        (
            "recovery@f",
            "recovery",
            "name it, as in \"confirm.recovery@restart\"",
        ),
        ("\"< 5ms\"", "\"< 5\"", "is not a duration"),
        (
            "\"< 5ms\"",
            "{ condition = \"< 5ms\", abort_after = \"2s\" }",
            "no threshold can end the run early",
        ),
    ] {
        let error = error(&text.replacen(from, to, 1));
        assert!(error.message.contains(message), "{to}: {error}");
    }
    let asks = format!("asks = \"confirm.recovery@f\"\n{text}");
    assert_eq!(parse(&asks).asks.as_deref(), Some("confirm.recovery@f"));
    let asks = format!("asks = \"confirm.p99\"\n{text}");
    let there = "there are delivery.p99@f, confirm.recovery@f";
    assert!(error(&asks).message.contains(there));
    let early =
        "thresholds = { \"delivery.p99\" = { condition = \"< 5ms\", abort_after = \"2s\" } }\n";
    let phase = error(&one("kind = \"server-kill\"").replacen(
        "[[faults]]",
        &format!("{early}[[faults]]"),
        1,
    ));
    assert!(
        phase.message.contains("no threshold can end the run early"),
        "{phase}"
    );
    let phase = with("thresholds = { \"delivery.p99@f\" = \"< 5ms\" }\n");
    assert!(error(&phase).message.contains("[thresholds]"));
}

#[test]
fn what_happens_at_once_needs_no_time() {
    let text = one("kind = \"network-cut\"").replace("\"3s\"", "\"0s\"");
    assert!(parse(&text).faults[0].lasts.is_zero());
    for lasts in ["0s", "2s"] {
        let again = format!(
            "{text}[[faults]]\nname = \"g\"\nat = \"2s\"\nfor = \"{lasts}\"\nkind = \"network-cut\"\n"
        );
        let error = error(&again);
        assert!(error.message.starts_with("\"f\" is not over"), "{error}");
    }
}

/// The same with three servers.
fn of_three(lines: &str) -> String {
    one(lines).replace("[population]", "[server]\nnodes = 3\n[population]")
}

#[test]
fn of_several_servers_one_is_named() {
    for (lines, damage, shown) in [
        (
            "kind = \"server-kill\"\nnode = 3",
            Damage::Node(3, ServerDamage::Kill),
            "server-kill of server 3",
        ),
        (
            "kind = \"server-freeze\"\nnode = 1",
            Damage::Node(1, ServerDamage::Freeze),
            "server-freeze of server 1",
        ),
        ("kind = \"bus-restart\"", Damage::Bus, "bus-restart"),
        (
            "kind = \"network-half-open\"\nbetween = \"store\"",
            Damage::Network(Between::Store, NetworkDamage::HalfOpen),
            "network-half-open between server and store",
        ),
        (
            "kind = \"network-half-open\"",
            Damage::Network(Between::Clients, NetworkDamage::HalfOpen),
            "network-half-open between clients and server",
        ),
    ] {
        let faults = parse(&of_three(lines)).faults;
        assert_eq!(faults[0].damage, damage, "{lines}");
        assert_eq!(faults[0].damage.to_string(), shown);
    }
    for (lines, excerpt, message) in [
        (
            "kind = \"server-stop\"",
            "kind",
            "breaks one of 3 servers: name it by its number, as in node = 2",
        ),
        (
            "kind = \"server-stop\"\nnode = 4",
            "node",
            "numbered from 1 to 3",
        ),
        (
            "kind = \"server-stop\"\nnode = 0",
            "node",
            "numbered from 1 to 3",
        ),
    ] {
        let error = error(&of_three(lines));
        assert!(error.message.contains(message), "{lines}: {error}");
        assert!(error.excerpt.starts_with(excerpt), "{lines}: {error}");
    }
}

#[test]
fn two_servers_can_be_down_at_once_and_one_of_them_not_twice() {
    let fault = |name: &str, at: &str, node: u8| {
        format!(
            "[[faults]]\nname = \"{name}\"\nat = \"{at}\"\nfor = \"3s\"\nkind = \"server-kill\"\nnode = {node}\n"
        )
    };
    let both = |node| {
        let text = with(&format!(
            "{}{}",
            fault("a", "1s", 1),
            fault("b", "2s", node)
        ));
        text.replace("[population]", "[server]\nnodes = 3\n[population]")
    };
    assert_eq!(parse(&both(2)).faults.len(), 2);
    let error = error(&both(1));
    assert!(error.message.starts_with("\"a\" is not over"), "{error}");
}

#[test]
fn behind_proxies_nobody_sees_that_one_of_several_servers_is_gone() {
    let cut = "[[faults]]\nname = \"cut\"\nat = \"1s\"\nfor = \"1s\"\nkind = \"network-cut\"\n";
    let of = |kind: &str| {
        let server = format!(
            "[[faults]]\nname = \"server\"\nat = \"3s\"\nfor = \"1s\"\nkind = \"{kind}\"\nnode = 1\n"
        );
        [format!("{cut}{server}"), format!("{server}{cut}")]
            .map(|text| with(&text).replace("[population]", "[server]\nnodes = 3\n[population]"))
    };
    for text in of("server-freeze") {
        assert_eq!(parse(&text).faults.len(), 2);
    }
    for text in ["server-kill", "server-stop"].into_iter().flat_map(of) {
        let error = error(&text);
        assert!(error.message.contains("in two scenarios"), "{error}");
    }
}
