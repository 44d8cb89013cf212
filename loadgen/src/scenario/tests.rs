//! The whole of the format: every key is read into what it means, and every mistake is shown where it was made.

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::*;

const HEAD: &str = "version = 1\nname = \"t\"\nquestion = \"?\"\n";
const PEOPLE: &str =
    "[population]\nusers = 10\nrooms = 5\nchannels = [{ count = 1, members = 5 }]\n";
const STEADY: &str = "[[phases]]\nname = \"steady\"\nduration = \"10s\"\nrate = \"10/s\"\n";

fn parse(text: &str) -> Scenario {
    Scenario::parse(Path::new("t.toml"), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> Located {
    match Scenario::parse(Path::new("t.toml"), text) {
        Err(ScenarioError::Wrong(located)) => located,
        other => panic!("{other:?}\n{text}"),
    }
}

/// A folder of files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load(folder: &TempDir, settings: &[(&str, &str)]) -> Result<Scenario, String> {
    let settings: Vec<Setting> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let root = folder.path().display().to_string() + "/";
    Scenario::load(&folder.path().join("main.toml"), &settings)
        .map_err(|error| error.to_string().replace(&root, ""))
}

fn seconds(low: u64, high: u64) -> Range<Span> {
    Range {
        low: Span(Duration::from_secs(low)),
        high: Span(Duration::from_secs(high)),
    }
}

#[test]
fn a_small_file_has_the_defaults() {
    let scenario = parse(&format!("{HEAD}{PEOPLE}{STEADY}"));
    assert_eq!(scenario.seed, 1);
    assert_eq!(scenario.drain, Duration::from_secs(15));
    assert_eq!(scenario.dialect, Dialect::Readme);
    assert_eq!(scenario.events, None);
    assert_eq!(scenario.delivery, [Delivery::Optimistic]);
    assert_eq!(scenario.connections, Connections::default());
    assert_eq!(scenario.messages.text, BodyText::Mixed);
    let size = Size(120);
    assert_eq!(
        scenario.messages.size,
        Sizes::Range(Range {
            low: size,
            high: size
        })
    );
    let population = &scenario.population;
    assert_eq!(
        (population.silent, population.connected, population.joined),
        (0.0, 1.0, 1.0)
    );
    assert_eq!(scenario.behaviour.away, seconds(1, 3));
    assert_eq!(scenario.behaviour.stall, seconds(5, 10));
    let phase = &scenario.phases[0];
    assert_eq!(phase.churn, Churn::default());
    assert_eq!(
        (phase.skew, phase.silent, phase.measured),
        (0.0, None, true)
    );
    assert!(scenario.thresholds.is_empty() && phase.thresholds.is_empty());
}

#[test]
fn every_key_is_read() {
    let scenario = parse(
        r#"
version = 1
name = "all"
question = "What is read?"
seed = 9
drain = "3s"

[server]
delivery = ["persist-first", "optimistic"]
save_time = "5ms"
read_time = "1ms-2ms"

[server.events]
acknowledges_joins = false
acknowledges_messages = true
fields = { id = "msg.id", body = "text", temp_id = "tmp", sender = "" }
room = { join = "r-join", leave = "r-leave", send = "r-send", received = "r-msg", id_field = "room" }
channel = { join = "join", leave = "leave", send = "send", received = "msg", sent = "own", confirmed = "ok", failed = "no", id_field = "channel" }

[population]
users = 1000
rooms = 10
channels = [
    { count = 1, members = 50 },
    { count = 2, members = "10-200" },
    { count = 3, members = { most = 500, least = 5, zipf = 1.1 } },
    { count = 4, members = { most = 20 } },
]
silent = "90%"
connected = "50%"
joined = "80%"
connect_rate = "100/s"

[connections]
transport = "polling"
token = { template = "user-{id}-{index}" }

[messages]
size = [{ size = "40B", weight = 7 }, { size = "1KiB-2KiB", weight = 0.5 }]
text = "ascii"

[behaviour]
away = "2s-4s"
stall = "6s"

[[phases]]
name = "open"
duration = "20s"
measured = false
skew = 1.2
silent = "50%"
rate = "10/s"
ramp_to = "100/s"
steps = 4
spike = { rate = "500/s", after = "5s", lasts = "15s" }
burst = { messages = 100, every = "1s" }
arrivals = "uniform"
joins = "1/s"
leaves = "2/s"
rejoins = "3/s"
reconnects = "4/s"
cuts = "5/s"
connects = "6/s"
stalls = "7/s"

[[phases]]
name = "closed"
duration = "10s"
think_time = "1s-5s"
thresholds = { "delivery.p99" = "< 5ms" }

[[phases]]
name = "pause"
duration = "1s"

[thresholds]
"lost" = "== 0"
"delivery.p99" = { condition = "< 5ms", abort_after = "10s" }
"#,
    );
    assert_eq!(scenario.seed, 9);
    assert_eq!(scenario.drain, Duration::from_secs(3));
    assert_eq!(
        scenario.delivery,
        [Delivery::PersistFirst, Delivery::Optimistic]
    );
    let events = scenario.vocabulary();
    assert!(!events.acknowledges_joins && events.acknowledges_messages);
    assert_eq!(events.fields.id, "msg.id");
    assert_eq!(events.fields.sender, "");
    assert_eq!(events.room.confirmed, None);
    assert_eq!(events.channel.sent.as_deref(), Some("own"));
    let population = &scenario.population;
    let sizes: Vec<ChannelSize> = population.channels.iter().map(|g| g.members).collect();
    assert_eq!(
        sizes,
        [
            ChannelSize::Fixed(50),
            ChannelSize::Range {
                least: 10,
                most: 200
            },
            ChannelSize::Zipf {
                least: 5,
                most: 500,
                exponent: 1.1
            },
            ChannelSize::Zipf {
                least: 2,
                most: 20,
                exponent: 1.0
            },
        ]
    );
    assert_eq!(
        (population.silent, population.connected, population.joined),
        (0.9, 0.5, 0.8)
    );
    assert_eq!(scenario.connections.transport, Transport::Polling);
    assert_eq!(
        scenario.connections.token,
        Token::Template("user-{id}-{index}".into())
    );
    assert_eq!(scenario.messages.text, BodyText::Ascii);
    let size = |low, high| Range {
        low: Size(low),
        high: Size(high),
    };
    assert_eq!(
        scenario.messages.size,
        Sizes::Weighted(vec![(size(40, 40), 7.0), (size(1024, 2048), 0.5)])
    );
    assert_eq!(scenario.behaviour.away, seconds(2, 4));
    assert_eq!(scenario.behaviour.stall, seconds(6, 6));

    let [open, closed, pause] = &scenario.phases[..] else {
        panic!("three phases")
    };
    assert_eq!(
        (open.skew, open.silent, open.measured),
        (1.2, Some(0.5), false)
    );
    assert_eq!(
        open.load,
        Load::Open(Open {
            rate: 10.0,
            ramp_to: 100.0,
            steps: Some(4),
            spike: Some(Spike {
                rate: 500.0,
                after: Duration::from_secs(5),
                lasts: Duration::from_secs(15),
            }),
            burst: Some(Burst {
                messages: 100,
                every: Duration::from_secs(1),
            }),
            arrivals: Arrivals::Uniform,
        })
    );
    assert_eq!(
        open.churn,
        Churn {
            joins: 1.0,
            leaves: 2.0,
            rejoins: 3.0,
            reconnects: 4.0,
            cuts: 5.0,
            connects: 6.0,
            stalls: 7.0,
        }
    );
    assert_eq!(
        closed.load,
        Load::Closed {
            think_time: seconds(1, 5)
        }
    );
    assert_eq!(closed.thresholds[0].to_string(), "delivery.p99 < 5ms");
    assert_eq!(pause.load, Load::Open(Open::default()));
    assert_eq!(scenario.thresholds[0].to_string(), "lost == 0");
    assert_eq!(
        scenario.thresholds[1].abort_after,
        Some(Duration::from_secs(10))
    );
}

#[test]
fn mistakes_are_told_at_their_place_in_one_sentence() {
    let events =
        "[server.events.room]\njoin = \"j\"\nsend = \"s\"\nreceived = \"r\"\nid_field = \"i\"\n";
    // The changed or added line, where it goes, and what is said of it.
    let phase = |line: &str| format!("{HEAD}{PEOPLE}{STEADY}{line}\n");
    let people = |line: &str| format!("{HEAD}{PEOPLE}{line}\n{STEADY}");
    let section = |lines: &str| format!("{HEAD}{lines}\n{PEOPLE}{STEADY}");
    let closed = |line: &str| {
        let steady = STEADY.replace("rate = \"10/s\"\n", "");
        format!("{HEAD}{PEOPLE}{steady}{line}\n")
    };
    for (text, excerpt, message) in [
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
    ] {
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

#[test]
fn channel_sizes_that_do_not_fit_are_refused() {
    for (members, message) in [
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
    ] {
        let people = PEOPLE.replace("members = 5", &format!("members = {members}"));
        let located = error(&format!("{HEAD}{people}{STEADY}"));
        assert!(
            located.message.contains(message),
            "{members}: {message:?} is not in\n{located}"
        );
        assert_eq!(located.line, 7, "{located}");
    }
}

#[test]
fn own_events_are_checked_against_what_is_done_with_them() {
    let events =
        "[server.events.room]\njoin = \"j\"\nsend = \"s\"\nreceived = \"r\"\nid_field = \"i\"\n";
    let people = "[population]\nusers = 10\nrooms = 5\n";
    let text = |events: &str, rest: &str| format!("{HEAD}{events}{people}{STEADY}{rest}\n");
    parse(&text(events, ""));
    parse(&text(events, "rejoins = \"0/s\""));
    // A token for all is right where tokens are not users.
    parse(&format!(
        "{HEAD}{events}[connections]\ntoken = {{ template = \"key\" }}\n{people}{STEADY}"
    ));
    for (events, rest, message) in [
        (
            events.to_owned(),
            "leaves = \"1/s\"",
            "[server.events.room] has no `leave`",
        ),
        (
            events.to_owned(),
            "rejoins = \"1/s\"",
            "[server.events.room] has no `leave`",
        ),
        (
            format!("{events}confirmed = \"r\""),
            "",
            "is the event of `received` already",
        ),
        (format!("{events}failed = \"\""), "", "an event has a name"),
        (
            events.to_owned(),
            "[thresholds]\nfailed = \"== 0\"",
            "has no `failed`",
        ),
        (
            events.to_owned(),
            "[thresholds]\n\"confirm.p99\" = \"< 1s\"",
            "has no `confirmed`",
        ),
        (
            format!("[server.events]\nacknowledges_messages = false\n{events}"),
            "[thresholds]\n\"ack.p99\" = \"< 1s\"",
            "acknowledges_messages = false",
        ),
        (
            format!("[server.events]\nacknowledges_joins = false\n{events}"),
            "[thresholds]\n\"join.p99\" = \"< 1s\"",
            "acknowledges_joins = false",
        ),
        (
            format!("[server.events]\nfields = {{ body = \"a.b\" }}\n{events}"),
            "",
            "a plain field",
        ),
    ] {
        let located = error(&text(&format!("{events}\n"), rest));
        assert!(
            located.message.contains(message),
            "{message:?} is not in\n{located}"
        );
    }
}

#[test]
fn users_and_bodies_come_from_files_beside_the_one_that_names_them() {
    let folder = folder(&[
        (
            "main.toml",
            &format!(
                "include = [\"people/base.toml\"]\n{HEAD}[messages]\nfile = \"lines.txt\"\n{STEADY}"
            ),
        ),
        (
            "people/base.toml",
            "[population]\nusers = 2\nrooms = 1\n[connections]\ntoken = { file = \"users.csv\" }\n",
        ),
        (
            "people/users.csv",
            "id,token\r\nann, t1\r\n\r\nbob,t2,x\r\ncid,t3\r\n",
        ),
        ("lines.txt", "Hello!\n\n  How are you?  \n最後\n"),
    ]);
    let scenario = load(&folder, &[]).unwrap();
    let known = |id: &str, token: &str| KnownUser {
        id: id.to_owned(),
        token: token.to_owned(),
    };
    assert_eq!(
        scenario.connections.token,
        Token::Known(vec![
            known("ann", "t1"),
            known("bob", "t2,x"),
            known("cid", "t3")
        ])
    );
    let lines = ["Hello!", "  How are you?  ", "最後"].map(str::to_owned);
    assert_eq!(scenario.messages.text, BodyText::Lines(lines.into()));

    for (file, text, message) in [
        (
            "people/users.csv",
            "ann,t1\nbob\n",
            "people/users.csv:2:1: a line is a user's id",
        ),
        (
            "people/users.csv",
            "ann,t1\nann,t2\n",
            "people/users.csv:2:1: \"ann\" is the user of line 1",
        ),
        ("people/users.csv", "ann,\n", "people/users.csv:1:1:"),
        (
            "people/users.csv",
            &format!("{},t\n", "x".repeat(129)),
            "at most 128 bytes",
        ),
        (
            "people/users.csv",
            "ann,t1\n",
            "people/base.toml:5:18: the file has 1 users, and the population 2",
        ),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
        let error = load(&folder, &[]).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
    fs::write(folder.path().join("people/users.csv"), "ann,t1\nbob,t2\n").unwrap();
    for (text, message) in [
        ("\n \n", "main.toml:6:8: the file has no line"),
        (
            &*format!("short\n{}\n", "é".repeat(40_000)),
            "lines.txt:2:1: line 2 has 80000 bytes",
        ),
    ] {
        fs::write(folder.path().join("lines.txt"), text).unwrap();
        let error = load(&folder, &[]).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
}
