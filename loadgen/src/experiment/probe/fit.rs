//! Which keys of an event map would fit what was seen of one message between two users.

use serde_json::Value;

use crate::{
    drive::worker::text_at,
    model::{Answer, Answers, Kind, Path},
};

/// Fields that are taken for a message's id, the likeliest first.
const IDS: [&str; 5] = ["_id", "id", "messageId", "message_id", "uuid"];

/// What was seen of a join and of one message.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// What came until the message was sent, in order.
    pub before: Vec<Came>,
    /// What came afterwards.
    pub after: Vec<Came>,
    /// The acknowledgement of the other's join, if there was one.
    pub join_answer: Option<Vec<Value>>,
    /// The acknowledgement of the message.
    pub answer: Option<Vec<Value>>,
}

/// An event that came to one of the two.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Came {
    /// To the one who sent the message.
    pub own: bool,
    /// The event's name.
    pub event: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// What the two had to do with.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// What kind of conversation it was.
    pub kind: Kind,
    /// Its id.
    pub conversation: &'a str,
    /// What the message's text begins with.
    pub prefix: &'a str,
}

/// The keys that would fit, as a scenario file has them; what nobody can tell is left out.
pub(super) fn keys(exchange: &Exchange, known: &Known<'_>) -> String {
    let told = |own: bool| {
        let came = exchange.after.iter().filter(move |came| came.own == own);
        came.filter_map(|came| Some((came, text_at(&came.arguments, known.prefix)?)))
    };
    let others: Vec<(&Came, Path)> = told(false).collect();
    let own: Vec<(&Came, Path)> = told(true).collect();
    let mut events = Vec::new();
    let mut names = Vec::new();
    let mut fields = Vec::new();
    if let Some((received, body)) = others.first() {
        names.push(format!("received = {:?}", received.event));
        fields.extend(paths(received, body, known));
        match own.first() {
            None => events.push("echoes = false".to_owned()),
            Some((echo, _)) if echo.event == received.event => {}
            Some((echo, at)) => {
                names.push(format!("sent = {:?}", echo.event));
                fields.extend(of_event("sent", echo, at, received, body, known));
            }
        }
        let end = others.iter().find(|(came, _)| came.event != received.event);
        if let Some((end, at)) = end {
            names.push(format!("confirmed = {:?}", end.event));
            fields.extend(of_event("confirmed", end, at, received, body, known));
            let id = id(received).and_then(|path| path.find(&received.arguments));
            let temporary = id.and_then(|id| Path::to(&end.arguments, |value| value == id));
            fields.extend(temporary.map(|path| format!("temp_id = \"{path}\"")));
        }
    }
    events.extend(joins(exchange, known, &mut names, &mut fields));
    if exchange.answer.is_none() {
        events.push("acknowledges_messages = false".to_owned());
    }
    events.extend(answers(&[&exchange.join_answer, &exchange.answer]));
    sections(&events, &names, &fields, known.kind)
}

/// How joins are answered.
fn joins(
    exchange: &Exchange,
    known: &Known<'_>,
    names: &mut Vec<String>,
    fields: &mut Vec<String>,
) -> Option<String> {
    if exchange.join_answer.is_some() {
        return None;
    }
    let in_it = |came: &Came| Path::to(&came.arguments, |value| *value == known.conversation);
    let joined = exchange.before.iter().filter(|came| !came.own);
    let joined = joined.filter_map(|came| Some((came, in_it(came)?))).next();
    let Some((came, path)) = joined else {
        return Some("acknowledges_joins = false".to_owned());
    };
    names.push(format!("joined = {:?}", came.event));
    fields.push(format!("joined = {{ conversation = \"{path}\" }}"));
    None
}

/// Where in a delivery things are.
fn paths(came: &Came, body: &Path, known: &Known<'_>) -> Vec<String> {
    let conversation = Path::to(&came.arguments, |value| *value == known.conversation);
    let conversation = conversation.map_or_else(String::new, |path| path.to_string());
    let id = id(came).map_or_else(String::new, |path| path.to_string());
    vec![
        format!("id = \"{id}\""),
        format!("body = \"{body}\""),
        format!("conversation = \"{conversation}\""),
    ]
}

/// Where in another event things are, as far as it is not as in the delivery.
fn of_event(
    key: &str,
    came: &Came,
    body: &Path,
    received: &Came,
    received_body: &Path,
    known: &Known<'_>,
) -> Option<String> {
    let lines = paths(came, body, known).into_iter();
    let usual = paths(received, received_body, known);
    let others: Vec<String> = lines.filter(|line| !usual.contains(line)).collect();
    (!others.is_empty()).then(|| format!("{key} = {{ {} }}", others.join(", ")))
}

/// Where an event has the message's id: the nearest field of a likely name.
fn id(came: &Came) -> Option<Path> {
    let holds = |value: &Value| IDS.iter().any(|id| is_scalar(value.get(id)));
    let object = Path::to(&came.arguments, holds)?;
    let inside = object.find(&came.arguments)?;
    let field = IDS.into_iter().find(|id| is_scalar(inside.get(id)))?;
    Some(object.inside(field))
}

fn is_scalar(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::String(_) | Value::Number(_)))
}

/// How acknowledgements say yes, where one of them says neither yes nor no as the system's own do.
fn answers(acknowledgements: &[&Option<Vec<Value>>]) -> Option<String> {
    let came = || acknowledgements.iter().copied().flatten();
    came().find(|arguments| Answers::own().read(arguments) == Answer::Unclear)?;
    let error_first = came().all(|arguments| arguments.first() == Some(&Value::Null));
    Some(match error_first {
        true => "answers = \"error-first\"".to_owned(),
        false => "answers = \"any\"".to_owned(),
    })
}

fn sections(events: &[String], names: &[String], fields: &[String], kind: Kind) -> String {
    let kind = match kind {
        Kind::Room => "[server.events.room]",
        Kind::Channel => "[server.events.channel]",
    };
    let mut text = String::new();
    for (heading, lines) in [
        ("[server.events]", events),
        (kind, names),
        ("[server.events.fields]", fields),
    ] {
        if !lines.is_empty() {
            text += &format!("{heading}\n{}\n", lines.join("\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KNOWN: Known<'_> = Known {
        kind: Kind::Room,
        conversation: "r1",
        prefix: "lg1:7:",
    };
    const TEXT: &str = "lg1:7:0:hello";

    fn came(own: bool, event: &str, arguments: Value) -> Came {
        Came {
            own,
            event: event.to_owned(),
            arguments: arguments.as_array().unwrap().clone(),
        }
    }

    #[test]
    fn a_plain_server_needs_names_and_fields() {
        let said = |own| {
            came(
                own,
                "said",
                json!([{ "id": "m1", "room": "r1", "text": TEXT }]),
            )
        };
        let exchange = Exchange {
            after: vec![came(true, "typing", json!([])), said(true), said(false)],
            join_answer: Some(vec![json!({ "success": true })]),
            answer: Some(vec![json!({ "success": true })]),
            ..Exchange::default()
        };
        assert_eq!(
            keys(&exchange, &KNOWN),
            "[server.events.room]\nreceived = \"said\"\n[server.events.fields]\nid = \"id\"\nbody = \"text\"\nconversation = \"room\"\n"
        );
    }

    #[test]
    fn a_server_that_differs_in_everything_is_told_so() {
        let saved = json!([{ "_doc": { "_id": "i1", "what": TEXT, "in": "r1" }, "temp": "t1" }]);
        let exchange = Exchange {
            before: vec![came(false, "entered", json!([null, { "room": "r1" }]))],
            after: vec![
                came(false, "said", json!(["r1", { "_id": "t1", "what": TEXT }])),
                came(true, "mine", json!([{ "echo": [TEXT] }])),
                came(false, "stored", saved),
            ],
            join_answer: None,
            answer: Some(vec![Value::Null, json!({ "id": 1 })]),
        };
        assert_eq!(
            keys(&exchange, &KNOWN),
            "[server.events]\nanswers = \"error-first\"\n\
             [server.events.room]\nreceived = \"said\"\nsent = \"mine\"\nconfirmed = \"stored\"\njoined = \"entered\"\n\
             [server.events.fields]\nid = \"1._id\"\nbody = \"1.what\"\nconversation = \"0\"\n\
             sent = { id = \"\", body = \"echo.0\", conversation = \"\" }\n\
             confirmed = { id = \"_doc._id\", body = \"_doc.what\", conversation = \"_doc.in\" }\ntemp_id = \"temp\"\n\
             joined = { conversation = \"1.room\" }\n"
        );
    }

    #[test]
    fn what_did_not_come_is_switched_off() {
        let exchange = Exchange {
            after: vec![came(false, "said", json!([TEXT]))],
            ..Exchange::default()
        };
        assert_eq!(
            keys(&exchange, &KNOWN),
            "[server.events]\nechoes = false\nacknowledges_joins = false\nacknowledges_messages = false\n\
             [server.events.room]\nreceived = \"said\"\n\
             [server.events.fields]\nid = \"\"\nbody = \"0\"\nconversation = \"\"\n"
        );
        let ok = Exchange {
            answer: Some(vec![json!("ok")]),
            join_answer: Some(Vec::new()),
            ..Exchange::default()
        };
        assert_eq!(keys(&ok, &KNOWN), "[server.events]\nanswers = \"any\"\n");
    }

    #[test]
    fn answers_fit_joins_and_messages_alike() {
        let yes = json!([{ "success": true }]);
        for (join, message, fits) in [
            (json!([true]), &yes, "answers = \"any\""),
            (
                json!([null, {}]),
                &json!([null]),
                "answers = \"error-first\"",
            ),
            (json!([null]), &yes, "answers = \"any\""),
            (yes.clone(), &yes, ""),
            // A refusal is none that nobody understands.
            (yes.clone(), &json!([{ "success": false }]), ""),
        ] {
            let came = |answer: &Value| answer.as_array().cloned();
            let exchange = Exchange {
                join_answer: came(&join),
                answer: came(message),
                ..Exchange::default()
            };
            let keys = keys(&exchange, &KNOWN);
            assert_eq!(keys.contains("answers"), !fits.is_empty(), "{keys}");
            assert!(keys.contains(fits), "{keys}");
        }
    }
}
