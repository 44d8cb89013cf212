//! The event map: each key is read into the shapes of events, and each mistake is shown in place.

use super::*;

/// A file with an event map, for rooms alone.
fn with(map: &str) -> String {
    format!("{HEAD}[population]\nusers = 4\nrooms = 2\n{STEADY}{map}")
}

const ROOM: &str = "[server.events.room]\njoin = \"enter\"\nsend = \"say\"\nreceived = \"said\"\n";

fn path(text: &str) -> Option<crate::model::Path> {
    Some(text.parse().unwrap())
}

#[test]
fn a_map_of_names_has_the_systems_own_shapes() {
    let events = parse(&with(&format!("{ROOM}id_field = \"room\"\n"))).vocabulary();
    assert_eq!(events.room_shapes, crate::model::Shapes::of("room"));
    assert_eq!(events.answers, Answers::own());
    assert!(events.is_mapped());
    let own = parse(&with(&format!("{ROOM}id_field = \"roomId\"\n"))).vocabulary();
    assert!(!own.is_mapped());
}

#[test]
fn a_path_of_an_event_wins_over_one_of_the_map() {
    let map = format!(
        "{ROOM}sent = \"mine\"\nconfirmed = \"stored\"\nfailed = \"lost\"\njoined = \"entered\"\nid_field = \"room\"\n\
         [server.events.room.fields]\nconfirmed = {{ conversation = \"_doc.room\" }}\njoined = {{ conversation = \"1\" }}\n\
         [server.events.fields]\nid = \"id\"\nbody = \"1.text\"\nconversation = \"0\"\nsent_body = \"text\"\n\
         confirmed = {{ id = \"_doc._id\", body = \"_doc.text\", temp_id = \"\" }}\nreceived = {{ body = \"2.text\" }}\n"
    );
    let shapes = parse(&with(&map)).vocabulary().room_shapes;
    assert_eq!(shapes.received.body, path("2.text"));
    assert_eq!(shapes.received.id, path("id"));
    assert_eq!(shapes.received.conversation, path("0"));
    assert_eq!(shapes.sent, shapes.received);
    assert_eq!(shapes.confirmed.id, path("_doc._id"));
    assert_eq!(shapes.confirmed.conversation, path("_doc.room"));
    assert_eq!(shapes.confirmed.temp_id, None);
    assert_eq!(shapes.failed.temp_id, path("tempId"));
    assert_eq!(shapes.failed.body, path("1.text"));
    assert_eq!(shapes.joined, path("1"));
}

#[test]
fn templates_say_what_is_sent() {
    let map = format!(
        "{ROOM}leave = \"exit\"\njoin_payload = '\"{{conversation}}\"'\nsend_payload = '\"{{conversation}}\",\"{{body}}\"'\n\
         [server.events.fields]\nbody = \"0\"\nconversation = \"\"\n"
    );
    let shapes = parse(&with(&map)).vocabulary().room_shapes;
    let form = |text: &str| Form::parse(text, &Blank::OF_MESSAGES).unwrap();
    assert_eq!(shapes.join, form("\"{conversation}\""));
    assert_eq!(shapes.leave, shapes.join);
    assert_eq!(shapes.send, form("\"{conversation}\",\"{body}\""));
    assert_eq!(shapes.received.conversation, None);
}

#[test]
fn a_server_that_joins_its_users_itself_needs_no_event() {
    let map = "[server.events.room]\nsend = \"say\"\nsend_payload = '\"{body}\"'\nreceived = \"said\"\n\
               [server.events]\nfields = { body = \"0\", conversation = \"\" }\n";
    let events = parse(&with(map)).vocabulary();
    assert_eq!(
        (
            events.room.join.as_deref(),
            events.answers_joins(crate::model::Kind::Room)
        ),
        (None, false)
    );
    let churn = with(map)
        .replace("rate = \"10/s\"", "rate = \"10/s\"\nrejoins = \"1/s\"")
        .replace(
            "send = \"say\"",
            "send = \"say\"\nleave = \"exit\"\nleave_payload = '\"{conversation}\"'",
        );
    assert!(error(&churn).to_string().contains("has no `join`"));
    let some = with(map).replace("rooms = 2", "rooms = 2\njoined = \"50%\"");
    assert!(error(&some).to_string().contains("has no `join`"));
}

#[test]
fn an_acknowledgement_says_yes_in_one_way() {
    let answers = |keys: &str| {
        let map = format!("{ROOM}id_field = \"room\"\n[server.events]\n{keys}\n");
        Scenario::parse(Path::new("t.toml"), &with(&map))
            .map(|scenario| scenario.vocabulary().answers)
            .map_err(|error| error.to_string())
    };
    assert_eq!(answers("answers = \"any\""), Ok(Answers::Any));
    assert_eq!(
        answers("answers = \"error-first\""),
        Ok(Answers::ErrorFirst)
    );
    assert_eq!(answers("answers_success = false"), Ok(Answers::Any));
    assert_eq!(answers("answers_success = true"), Ok(Answers::own()));
    let deep = answers("fields = { success = \"1.ok\" }");
    assert_eq!(deep, Ok(Answers::Success("1.ok".parse().unwrap())));
    for (keys, what) in [
        (
            "answers = \"any\"\nanswers_success = false",
            "leave `answers_success`",
        ),
        (
            "answers = \"any\"\nfields = { success = \"ok\" }",
            "leave one of the two out",
        ),
        ("answers = \"maybe\"", "unknown variant"),
        ("fields = { success = \"a..b\" }", "is no path"),
    ] {
        let error = answers(keys).unwrap_err();
        assert!(error.contains(what), "{keys}: {error}");
    }
}

#[test]
fn a_sender_and_an_acknowledged_id_have_places_where_the_map_says() {
    let map = format!(
        "{ROOM}sent = \"mine\"\nconfirmed = \"stored\"\nid_field = \"room\"\n\
         [server.events.fields]\nfrom = \"author.id\"\nsent = {{ from = \"\" }}\nconfirmed = {{ from = \"by\" }}\n\
         acknowledged = {{ id = \"1.data._id\" }}\n"
    );
    let shapes = parse(&with(&map)).vocabulary().room_shapes;
    assert_eq!(shapes.received.from, path("author.id"));
    assert_eq!(shapes.sent.from, None);
    assert_eq!(shapes.confirmed.from, path("by"));
    assert_eq!(shapes.acknowledged, path("1.data._id"));
    let of_rooms = format!("{map}[server.events.room.fields]\nacknowledged = {{ id = \"0\" }}\n");
    let shapes = parse(&with(&of_rooms)).vocabulary().room_shapes;
    assert_eq!(shapes.acknowledged, path("0"));
    let nowhere = of_rooms.replace("id = \"0\"", "id = \"\"");
    assert_eq!(
        parse(&with(&nowhere)).vocabulary().room_shapes.acknowledged,
        None
    );
    // What names its sender nowhere is not compared, and a map of the system's own shapes says nothing more.
    let own = parse(&with(&format!("{ROOM}id_field = \"roomId\"\n"))).vocabulary();
    assert_eq!((own.room_shapes.received.from, own.one_order), (None, true));
    let from =
        format!("{ROOM}id_field = \"roomId\"\n[server.events.fields]\nfrom = \"senderId\"\n");
    assert!(parse(&with(&from)).vocabulary().is_mapped());
}

#[test]
fn one_order_can_be_unpromised_by_a_map_and_by_a_dialect() {
    for server in [
        "[server]\none_order = false\n",
        "[server]\none_order = false\ndialect = \"reference\"\n",
    ] {
        assert!(!parse(&with(server)).vocabulary().one_order);
    }
    assert!(
        parse(&with("[server]\ndialect = \"reference\"\n"))
            .vocabulary()
            .one_order
    );
    let map = format!("[server]\none_order = false\n{ROOM}id_field = \"room\"\n");
    assert!(!parse(&with(&map)).vocabulary().one_order);
    for (several, promised) in [
        ("nodes = 3", false),
        ("nodes = 1", true),
        ("nodes = 3\nbus_mode = \"ordered\"", true),
        (
            "nodes = 3\nbus_mode = \"ordered\"\none_order = false",
            false,
        ),
    ] {
        let scenario = parse(&with(&format!("[server]\n{several}\n")));
        assert_eq!(scenario.vocabulary().one_order, promised, "{several}");
    }
}

/// What was said before is said again by each server for itself.
#[test]
fn no_one_order_is_promised_over_a_restart_of_the_bus() {
    for (kind, promised) in [
        ("kind = \"bus-restart\"", false),
        ("kind = \"server-freeze\"\nnode = 1", true),
    ] {
        let fault = format!("[[faults]]\nname = \"f\"\nat = \"2s\"\nfor = \"3s\"\n{kind}\n");
        let server = "[server]\nnodes = 3\nbus_mode = \"ordered\"\n";
        let scenario = parse(&with(&format!("{server}{fault}")));
        assert_eq!(scenario.vocabulary().one_order, promised, "{kind}");
    }
}

/// Every pair of events of a map that have one name either works or is refused, whichever kinds they are of.
#[test]
fn two_events_of_one_name_work_or_are_refused() {
    const EVENTS: [&str; 8] = [
        "join",
        "leave",
        "send",
        "received",
        "sent",
        "confirmed",
        "failed",
        "joined",
    ];
    let from_server = |event: &str| !["join", "leave", "send"].contains(&event);
    let message = |event: &str| ["received", "sent"].contains(&event);
    let all: Vec<(&str, &str)> = ["room", "channel"]
        .into_iter()
        .flat_map(|kind| EVENTS.map(|event| (kind, event)))
        .collect();
    for (index, &one) in all.iter().enumerate() {
        for &other in &all[..index] {
            let name = |event: (&str, &str)| match event == one || event == other {
                true => "same".to_owned(),
                false => format!("{}-{}", event.0, event.1),
            };
            let mut map = String::new();
            for kind in ["room", "channel"] {
                map += &format!("[server.events.{kind}]\nid_field = \"{kind}\"\n");
                for event in EVENTS {
                    map += &format!("{event} = {:?}\n", name((kind, event)));
                }
            }
            let text = with(&map).replace(
                "rooms = 2",
                "rooms = 2\nchannels = [{ count = 1, members = 3 }]",
            );
            let same_meaning = one.1 == other.1 || message(one.1) && message(other.1);
            let ambiguous = match (from_server(one.1), from_server(other.1)) {
                (true, true) => !same_meaning,
                // Of one kind, with the payload that is the default of both.
                (false, false) => one.0 == other.0 && [one.1, other.1] == ["leave", "join"],
                _ => false,
            };
            match Scenario::parse(Path::new("t.toml"), &text) {
                Ok(scenario) => {
                    assert!(!ambiguous, "{one:?} and {other:?}");
                    let events = scenario.vocabulary();
                    let shared = from_server(one.1) && from_server(other.1) && one.1 != "joined";
                    assert_eq!(
                        events.readings("same").count(),
                        match (shared, one.1) {
                            (true, _) => 2,
                            (false, "joined") => 0,
                            (false, one) => usize::from(
                                from_server(one) || from_server(other.1) && other.1 != "joined"
                            ),
                        },
                        "{one:?} and {other:?}"
                    );
                }
                Err(ScenarioError::Wrong(error)) => {
                    assert!(ambiguous, "{one:?} and {other:?}: {error}");
                    assert!(error.0[0].excerpt.contains("\"same\""), "{error}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn each_mistake_is_shown_in_place() {
    let id = "id_field = \"room\"\n";
    for (map, line, what) in [
        (ROOM.to_owned(), "[server.events.room]", "has no `id_field`"),
        (
            format!("{ROOM}{id}send_payload = '{{\"to\":\"{{nobody}}\"}}'\n"),
            "send_payload",
            "{nobody} is nothing here",
        ),
        (
            format!("{ROOM}{id}send_payload = '{{\"text\":\"> {{body}}\"}}'\n"),
            "send_payload",
            "\"{body}\" and nothing else",
        ),
        (
            format!("{ROOM}{id}send_payload = '\"{{body}}\",\"{{token}}\"'\n"),
            "send_payload",
            "{token} is nothing here",
        ),
        (
            format!("{ROOM}{id}send_payload = '{{\"text\":{{body}}}}'\n"),
            "send_payload",
            "stands in quotes",
        ),
        (
            format!("{ROOM}{id}leave_payload = '\"x\"'\n"),
            "leave_payload",
            "the event `leave`, and there is none",
        ),
        (
            format!("{ROOM}{id}joined = \"said\"\n"),
            "joined",
            "can't mean two things",
        ),
        (
            format!("{ROOM}{id}[server.events.fields]\nbody = \"0\"\n"),
            "body",
            "`sent_body` or `send_payload`",
        ),
        (
            format!("{ROOM}{id}[server.events.fields]\nconfirmed = {{ id = \"a..b\" }}\n"),
            "confirmed",
            "is no path",
        ),
        (
            format!(
                "{ROOM}{id}send_payload = '\"{{body}}\"'\n[server.events.fields]\nsender = \"from\"\n"
            ),
            "sender",
            "leave `sender` out",
        ),
        (
            format!("{ROOM}{id}[server.events.fields]\nconfirmed = {{ bdy = \"a\" }}\n"),
            "confirmed",
            "unknown field `bdy`",
        ),
        (
            format!("{ROOM}{id}[server.events.fields]\nfrom = \"a..b\"\n"),
            "from",
            "is no path",
        ),
        (
            format!("{ROOM}{id}[server.events.fields]\nacknowledged = {{ id = \"a..b\" }}\n"),
            "acknowledged",
            "is no path",
        ),
        (
            format!(
                "{ROOM}{id}[server.events.fields]\nacknowledged = {{ id = \"a\", body = \"b\" }}\n"
            ),
            "acknowledged",
            "`id` alone is looked for",
        ),
        (
            format!("{ROOM}{id}[server.events.fields]\nacknowledged = {{ }}\n"),
            "acknowledged",
            "where the message's id is",
        ),
        (
            format!(
                "[server.events]\nacknowledges_messages = false\n{ROOM}{id}[server.events.room.fields]\nacknowledged = {{ id = \"_id\" }}\n"
            ),
            "acknowledged",
            "leave one of the two out",
        ),
        (
            format!("{ROOM}{id}leave = \"enter\"\n"),
            "leave",
            "say with `leave_payload` how the server tells them apart",
        ),
        (
            format!("{ROOM}{id}[server.events.fields.received]\nbody = \"\"\n"),
            "body",
            "the body has a name",
        ),
    ] {
        let text = with(&map);
        let error = error(&text);
        assert!(error.to_string().contains(what), "{map}: {error}");
        let shown = text.lines().nth(error.line - 1).unwrap();
        assert!(shown.starts_with(line), "{map}: {error}");
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
            format!("[server.events]\nechoes = false\n{events}"),
            "[thresholds]\n\"echo.p50\" = \"< 1s\"",
            "echoes = false",
        ),
        (
            format!("[server.events]\nechoes = false\n{events}sent = \"mine\""),
            "",
            "`sent` is the sender's own copy",
        ),
        (
            format!("[server.events]\nfields = {{ sent_body = \"a.b\" }}\n{events}"),
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
