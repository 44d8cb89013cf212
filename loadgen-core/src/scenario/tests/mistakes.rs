//! Every mistake is shown where it was made, in one sentence.

use super::{bounds::beyond_bounds, *};

/// Files with a mistake: the changed or added line, where it goes, and what is said of it.
fn mistakes() -> Vec<(String, &'static str, &'static str)> {
    let events =
        "[server.events.room]\njoin = \"j\"\nsend = \"s\"\nreceived = \"r\"\nid_field = \"i\"\n";
    let phase = |line: &str| format!("{HEAD}{PEOPLE}{STEADY}{line}\n");
    let people = |line: &str| format!("{HEAD}{PEOPLE}{line}\n{STEADY}");
    let section = |lines: &str| format!("{HEAD}{lines}\n{PEOPLE}{STEADY}");
    let closed = |line: &str| {
        let steady = STEADY.replace("rate = \"10/s\"\n", "");
        format!("{HEAD}{PEOPLE}{steady}{line}\n")
    };
    vec![
        (
            format!("asks = \"delivery.p99\"\n{HEAD}{PEOPLE}{STEADY}"),
            "asks",
            "no threshold is on delivery.p99, so that it has no limit to be held against; there is none",
        ),
        (
            format!(
                "asks = \"delivery.p99\"\n{HEAD}{PEOPLE}{STEADY}thresholds = {{ \"echo.p50\" = \"< 1s\" }}\n\
                 [thresholds]\n\"delivery.p95\" = \"< 1s\"\n"
            ),
            "asks",
            "there are delivery.p95, echo.p50",
        ),
        (
            format!("asks = \"delivery\"\n{HEAD}{PEOPLE}{STEADY}"),
            "asks",
            "metrics with a statistic",
        ),
        (
            phase("connects = \"1/s\""),
            "connects",
            "everybody is connected already",
        ),
        (
            phase("joins = \"1/s\""),
            "joins",
            "everything is joined already",
        ),
        (phase("steps = 3"), "steps", "`ramp_to`"),
        (
            section("[server]\ndelivery = [\"optimistic\", \"optimistic\"]"),
            "delivery",
            "\"optimistic\" is named twice",
        ),
        (
            phase("ramp_to = \"20/s\"\nsteps = 1"),
            "steps",
            "2 to 10000",
        ),
        (
            phase("spike = { rate = \"1/s\", after = \"6s\", lasts = \"5s\" }"),
            "spike",
            "6s + 5s is more than 10s",
        ),
        (
            phase("spike = { rate = \"1/s\", after = \"6s\", lasts = \"0s\" }"),
            "spike",
            "longer than 0s",
        ),
        (
            phase("burst = { messages = 0, every = \"1s\" }"),
            "burst",
            "a message or more",
        ),
        (
            phase("think_time = \"1s\""),
            "rate",
            "`rate` belongs to an open load",
        ),
        (
            closed("think_time = \"1s\"\narrivals = \"uniform\""),
            "arrivals",
            "`arrivals` belongs",
        ),
        (
            closed("think_time = \"0s-1s\""),
            "think_time",
            "longer than 0s",
        ),
        (
            closed("think_time = \"1ns\""),
            "think_time",
            "messages by the end",
        ),
        (
            closed("burst = { messages = 4000000, every = \"1ms\" }"),
            "burst",
            "messages by the end",
        ),
        (phase("skew = -1"), "skew", "from 0 to 10"),
        (
            phase("silent = \"100%\""),
            "silent",
            "nobody would be left to send",
        ),
        (phase("cuts = \"1000000000/s\""), "cuts", "at most"),
        (
            phase("thresholds = { \"connect.p99\" = \"< 1s\" }"),
            "thresholds",
            "connect is known for the whole run only",
        ),
        (
            phase("thresholds = { \"server_emit.p99\" = \"< 1s\" }"),
            "thresholds",
            "server_emit is known for the whole run only",
        ),
        (
            phase(
                "[[phases]]\nname = \"x\"\nduration = \"1s\"\nmeasured = false\nthresholds = { \"lost\" = \"== 0\" }",
            ),
            "thresholds",
            "nothing of this phase is measured",
        ),
        (
            phase("[thresholds]\nlost = { condition = \"== 0\", abort_after = \"1s\" }"),
            "lost",
            "at the end only",
        ),
        (
            phase(
                "[[phases]]\nname = \"x\"\nduration = \"1s\"\nrate = \"1/s\"\nthresholds = { \"dropped\" = { condition = \"== 0\", abort_after = \"1s\" } }",
            ),
            "thresholds",
            "known at the end only",
        ),
        (
            phase("[thresholds]\nlost = { condition = \"0\" }"),
            "lost",
            "is not a condition",
        ),
        (
            phase("[thresholds]\ndelivery.p99 = \"< 5ms\""),
            "delivery",
            "unknown field `p99`",
        ),
        (
            people("silent = \"100%\""),
            "silent",
            "nobody would be left to send",
        ),
        (people("connected = 50"), "connected", "text with a unit"),
        (
            people("connect_rate = \"0/s\""),
            "connect_rate",
            "nobody would ever connect",
        ),
        (
            section("[connections]\ntransport = \"carrier-pigeon\""),
            "transport",
            "unknown variant",
        ),
        (
            section("[connections]\ntoken = {}"),
            "token",
            "one of `template`, `file` and `secret`",
        ),
        (
            section("[connections]\ntoken = { template = \"{id}\", secret = \"s\" }"),
            "token",
            "one of `template`, `file` and `secret`",
        ),
        (
            section("[connections]\ntoken = { template = \"all\" }"),
            "token",
            "one token",
        ),
        (
            section("[connections]\ntoken = { template = \"{name}\" }"),
            "token",
            "{name} is nothing",
        ),
        (
            section("[connections]\ntoken = { secret = \"\" }"),
            "token",
            "not empty",
        ),
        (
            section("[connections]\ntoken = { file = \"nowhere.csv\" }"),
            "token",
            "nowhere.csv: No such file",
        ),
        (
            section("[connections]\npath = \"socket.io\""),
            "path",
            "begins with no single /",
        ),
        (
            section("[connections]\npath = \"/a?b=1\""),
            "path",
            "write it as `query`",
        ),
        (
            section("[connections]\npath = \"/{who}/\""),
            "path",
            "{who} is nothing: there are {id}, {index} and {token}",
        ),
        (
            section("[connections]\nquery = { EIO = 3 }"),
            "query",
            "Engine.IO's own",
        ),
        (
            section("[connections]\nquery = { a = [1] }"),
            "query",
            "a text, a number",
        ),
        (
            section("[connections]\nheaders = { Upgrade = \"x\" }"),
            "headers",
            "writes `upgrade` itself",
        ),
        (
            section("[connections]\nheaders = { \"a b\" = \"x\" }"),
            "headers",
            "no name of a header",
        ),
        (
            section("[connections]\nheaders = { a = \"x\\r\\ny\" }"),
            "headers",
            "no line end",
        ),
        (
            section("[connections]\nheaders = { a = \"x\", A = \"y\" }"),
            "headers",
            "there twice",
        ),
        (
            section("[connections]\nauth = \"token\""),
            "auth",
            "expected a table",
        ),
        (
            section("[connections]\nauth = { since = 2026-01-01 }"),
            "auth",
            "no dates",
        ),
        (
            section("[connections]\nauth = { deep = [{ who = \"{name}\" }] }"),
            "auth",
            "{name} is nothing",
        ),
        (
            section("[messages]\nsize = \"10B\""),
            "size",
            "a body has 22B to 65536B",
        ),
        (
            section("[messages]\nsize = 120"),
            "size",
            "text with a unit",
        ),
        (
            section("[messages]\nsize = []"),
            "size",
            "at least one size",
        ),
        (
            section("[messages]\nsize = [{ size = \"40B\", weight = 0 }]"),
            "size",
            "more than 0",
        ),
        (
            section("[messages]\nsize = { median = \"2KiB\", p99 = \"1KiB\" }"),
            "size",
            "not less than the median",
        ),
        (
            section("[messages]\nsize = { median = \"120B\", p99 = \"1MiB\" }"),
            "size",
            "a body has",
        ),
        (
            section("[messages]\nsize = \"40B\"\nfile = \"x\""),
            "size",
            "leave `size` out, or `file`",
        ),
        (
            section("[messages]\ntext = \"ascii\"\nfile = \"x\""),
            "text",
            "leave `text` out, or `file`",
        ),
        (
            section("[messages]\nfile = \"nowhere.txt\""),
            "file",
            "nowhere.txt: No such file",
        ),
        (
            section(events),
            "[server.events.room]",
            "the population has channels",
        ),
        (
            section(&format!("[server]\ndialect = \"readme\"\n{events}")),
            "dialect",
            "instead of a dialect",
        ),
        (
            section("[server]\nnodes = 17"),
            "nodes",
            "a number of servers from 1 to 16",
        ),
        (
            section("[server]\nnodes = 0"),
            "nodes",
            "a number of servers from 1 to 16",
        ),
        (
            section("[server]\ndelivery = []"),
            "delivery",
            "at least one delivery",
        ),
        (
            section("include = \"base.toml\""),
            "include",
            "a list of files",
        ),
        (
            section("include = [\"nowhere.toml\"]"),
            "include",
            "nowhere.toml: No such file",
        ),
        (
            section("[variables]\nx = 1"),
            "x = 1",
            "nothing uses this variable",
        ),
        (
            section("[variables]\nx = [1]"),
            "x = [1]",
            "a text, a number, true or false",
        ),
        (
            section("[variables]\ny = \"${x}\""),
            "y = ",
            "no other variable",
        ),
        (
            phase("arrivals = \"${x}\""),
            "arrivals",
            "no variable `x`; the file has no [variables]",
        ),
        (phase("arrivals = \"${x\""), "arrivals", "without its `}`"),
    ]
}

#[test]
fn mistakes_are_told_at_their_place_in_one_sentence() {
    for (text, excerpt, message) in mistakes() {
        let located = error(&text);
        assert!(
            located.message.contains(message),
            "{message:?} is not in\n{located}"
        );
        assert!(
            located.excerpt.contains(excerpt),
            "{excerpt:?} is not in\n{located}"
        );
    }
}

/// What the schema can't refuse, by what the program says of it, and why it can't.
const BEYOND_A_SCHEMA: [(&str, &str); 31] = [
    ("no threshold is on delivery.p99", "what another table has"),
    ("there are delivery.p95, echo.p50", "what another table has"),
    ("everybody is connected already", "what another table has"),
    ("everything is joined already", "what another table has"),
    ("6s + 5s is more than 10s", "a sum of numbers in texts"),
    ("messages by the end", "a product of numbers in texts"),
    ("user would connect after", "a quotient of two keys"),
    ("at most", "a number in a text"),
    ("the population has channels", "what another table has"),
    (
        "one token",
        "a file or another server's events make it right",
    ),
    ("{name} is nothing", "a column of a file may be called so"),
    (
        "{who} is nothing",
        "what stands in braces has a grammar of its own",
    ),
    ("nowhere.csv: No such file", "what is on the disk"),
    ("nowhere.txt: No such file", "what is on the disk"),
    ("nowhere.toml: No such file", "what is on the disk"),
    (
        "there twice",
        "two names that differ in the case of their letters",
    ),
    ("no dates", "JSON, which it speaks of, has none"),
    ("JSON has no such number", "likewise"),
    ("the weights have no sum", "a sum of several numbers"),
    ("a condition that can be", "a number in a text"),
    ("a body has", "a number in a text"),
    ("not less than the median", "two numbers in texts"),
    ("nothing uses this variable", "what all other texts say"),
    ("no variable `x`", "what another table has"),
    ("5 is less than 6", "two numbers in a text"),
    ("is more than the most", "the numbers of two keys"),
    ("2 to 10 members", "how many users another key says"),
    ("is too long", "a number in a text"),
    ("with this one they are longer", "a sum of numbers in texts"),
    ("with these there are more", "the numbers of several keys"),
    ("two phases are called", "what another table has"),
];

#[test]
fn the_schema_refuses_each_mistake_that_a_schema_can_tell() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("schema.json", schema()).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let mut beyond = Vec::new();
    let mut accepted = Vec::new();
    let all = [mistakes(), channel_sizes(), beyond_bounds()];
    for (text, _, message) in all.into_iter().flatten() {
        let file: serde_json::Value = match toml::from_str(&text) {
            Ok(file) => file,
            // What is no TOML an editor underlines by itself.
            Err(_) => continue,
        };
        let refused = schemas.validate(&file, index).is_err();
        let exception = BEYOND_A_SCHEMA
            .iter()
            .position(|(said, _)| message.contains(said));
        match (refused, exception) {
            (true, _) => {}
            (false, Some(exception)) => beyond.push(exception),
            (false, None) => accepted.push(format!("{message}\n{text}")),
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
    // No exception is there for nothing.
    let unused = (0..BEYOND_A_SCHEMA.len()).filter(|one| !beyond.contains(one));
    let unused: Vec<_> = unused.map(|one| BEYOND_A_SCHEMA[one].0).collect();
    assert_eq!(unused, [""; 0]);
}

/// Channels of a size that does not fit.
fn channel_sizes() -> Vec<(String, &'static str, &'static str)> {
    [
        ("1", "2 to 10 members"),
        ("11", "2 to 10 members"),
        ("-3", "-3"),
        ("\"many\"", "\"10-200\""),
        ("\"5-20\"", "2 to 10 members"),
        ("\"6-5\"", "5 is less than 6"),
        ("{ most = 20 }", "2 to 10 members"),
        ("{ most = 4, least = 5 }", "is more than the most"),
        ("{ most = 5, zipf = -1 }", "from 0 to 10"),
        ("{ most = 5, zipf = nan }", "from 0 to 10"),
        ("{ least = 5 }", "missing field `most`"),
        ("{ most = 5, zpf = 1 }", "unknown field `zpf`"),
        ("true", "a number of members"),
    ]
    .into_iter()
    .map(|(members, message)| {
        let people = PEOPLE.replace("members = 5", &format!("members = {members}"));
        (format!("{HEAD}{people}{STEADY}"), members, message)
    })
    .collect()
}

#[test]
fn channel_sizes_that_do_not_fit_are_refused() {
    for (text, members, message) in channel_sizes() {
        let located = error(&text);
        assert!(
            located.message.contains(message),
            "{members}: {message:?} is not in\n{located}"
        );
        assert_eq!(located.line, 7, "{located}");
    }
}
