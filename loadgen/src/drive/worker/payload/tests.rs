//! Payloads of every shape, read by what the file says of them.

use super::*;
use crate::model::BodyText;

#[test]
fn the_systems_own_payload_is_read() {
    let json =
        r#"{"_id":"temp_1","body":"a\n b","roomId":"r","tempId":null,"senderId":{"_id":"x"}}"#;
    let payload = Payload::parse(None, json).ok().unwrap();
    assert_eq!(payload.id(), Some("temp_1"));
    assert_eq!(payload.body().ok().unwrap().text(), "a\n b");
    assert_eq!(payload.conversation(Kind::Room), Some("r"));
    assert_eq!(payload.conversation(Kind::Channel), None);
    assert_eq!(payload.temp_id(), None);
}

#[test]
fn a_sender_is_known_by_its_id_however_it_is_written() {
    let is_from = |sender: &str, user: &str| {
        let json = format!("{{\"senderId\":{sender}}}");
        let payload = Payload::parse(None, &json).ok().unwrap();
        payload.is_from(user)
    };
    for right in [
        r#"{"_id":"u 1","username":null}"#,
        r#"{ "username": {}, "_id": "u\u00201" }"#,
        r#""u 1""#,
    ] {
        assert_eq!(is_from(right, "u 1"), Some(true), "{right}");
    }
    for wrong in [
        r#"{"_id":"u 2"}"#,
        r#"{"_id":""}"#,
        r#"{"_id":{}}"#,
        "7",
        "[]",
        "true",
    ] {
        assert_eq!(is_from(wrong, "u 1"), Some(false), "{wrong}");
    }
    for none in ["null", "{}", r#"{"_id":null}"#] {
        assert_eq!(is_from(none, "u 1"), None, "{none}");
    }
    assert_eq!(is_from(r#"{"_id":7}"#, "7"), Some(true));
    let digits = "507F1F77BCF86CD799439011";
    let lower = format!("\"{}\"", digits.to_lowercase());
    assert_eq!(is_from(&lower, digits), Some(true));
}

#[test]
fn an_empty_id_is_none() {
    let payload = Payload::parse(None, r#"{"_id":""}"#);
    assert_eq!(payload.ok().unwrap().id(), None);
}

#[test]
fn a_refusal_is_told_in_the_servers_own_words() {
    for (answer, said) in [
        (
            r#"{"success":false,"message":"You are blocked","error":"E7"}"#,
            "You are blocked",
        ),
        (r#"{"success":false,"error":"a\nb"},"more""#, "a\nb"),
        (
            r#"{"success":false,"message":7}"#,
            r#"{"success":false,"message":7}"#,
        ),
        (r#"{"success":false}"#, r#"{"success":false}"#),
        ("", ""),
    ] {
        assert_eq!(words(answer), said);
    }
}

#[test]
fn another_servers_payload_is_read_by_its_paths() {
    let path = |text: &str| Some(text.parse().unwrap());
    for (id, body, conversation, json) in [
        (
            path("message.id"),
            path("message.text"),
            path("room"),
            r#"{"room":"lobby","message":{"id":7,"text":"hi"}}"#,
        ),
        (
            path("1.id"),
            path("1.text"),
            path("0"),
            r#""lobby",{"id":7,"text":"hi"}"#,
        ),
        (
            path("0.0._doc.id"),
            path("0.0._doc.text"),
            path("0.0.room"),
            r#"[{"room":"lobby","_doc":{"id":"7","text":"hi"}}],{"extra":1}"#,
        ),
        (None, path("0"), None, r#""hi""#),
    ] {
        let paths = Paths {
            id,
            body,
            conversation,
            temp_id: None,
            from: None,
        };
        let payload = Payload::parse(Some(&paths), json).ok().unwrap();
        assert_eq!(payload.id(), paths.id.as_ref().map(|_| "7"));
        assert_eq!(payload.body().ok().unwrap().text(), "hi");
        assert!(payload.is_in(Kind::Room, "lobby"));
        assert_eq!(
            payload.is_in(Kind::Room, "other"),
            paths.conversation.is_none()
        );
    }
}

#[test]
fn an_acknowledgement_succeeds_however_its_json_is_written() {
    for success in [
        r#"{"success":true}"#,
        r#"{ "at": 7, "success" : true }"#,
        r#"{"success":true},"more""#,
    ] {
        assert_eq!(
            answer(&Answers::own(), true, success).answer,
            Answer::Done,
            "{success}"
        );
        assert_eq!(
            answer(&Answers::own(), false, success).answer,
            Answer::Done,
            "{success}"
        );
    }
    for failure in [
        r#"{"success":false}"#,
        r#"{"ok":true}"#,
        "",
        "true",
        r#""success":true"#,
    ] {
        assert_ne!(
            answer(&Answers::own(), true, failure).answer,
            Answer::Done,
            "{failure}"
        );
        assert_ne!(
            answer(&Answers::own(), false, failure).answer,
            Answer::Done,
            "{failure}"
        );
    }
}

/// The official client's parser reads all of it, or throws.
#[test]
fn what_is_behind_the_first_argument_is_json_too() {
    let event = r#"{"_id":"a","body":"hi"}"#;
    let answered = r#"{"success":true,"data":{"_id":"a"}}"#;
    let is_read = |behind: &str| {
        let read = Payload::parse(None, &format!("{event}{behind}")).is_ok();
        let said = format!("{answered}{behind}");
        let said = answer(&Answers::own(), true, &said);
        assert_eq!(read, said.answer == Answer::Done, "{behind:?}");
        assert_eq!(read, said.saved_id().is_some(), "{behind:?}");
        read
    };
    for more in ["", " ", "\r\n\t", ",1", " , null,[{}]", ",\"}]\""] {
        assert!(is_read(more), "{more:?}");
    }
    for wrong in [
        "}", "x", ",", " 1", ",{", ",1,", ",1 2", "]", "\u{a0}", "\u{c}",
    ] {
        assert!(!is_read(wrong), "{wrong:?}");
    }
}

#[test]
fn an_acknowledgement_says_under_which_id_a_message_is_saved_or_does_not() {
    let id = |data: &str| {
        let said = format!("{{\"success\":true,\"message\":\"m\"{data}}}");
        let said = answer(&Answers::own(), true, &said);
        assert_eq!(said.answer, Answer::Done, "{data}");
        said.saved_id().map(Cow::into_owned)
    };
    for (data, wanted) in [
        (
            r#","data":{"body":"{\"_id\":1}","_id":"a","timing":{}}"#,
            Some("a"),
        ),
        (r#","data":{"_id":"\u0061"}"#, Some("a")),
        (r#","data":{"_id":""}"#, None),
        (r#","data":{"_id":7}"#, None),
        (r#","data":{"_id":null}"#, None),
        (r#","data":{"id":"a"}"#, None),
        (r#","data":null"#, None),
        (r#","data":"a""#, None),
        (r#","_id":"a""#, None),
        ("", None),
    ] {
        assert_eq!(id(data).as_deref(), wanted, "{data}");
    }
}

#[test]
fn what_is_no_json_is_unexpected() {
    assert!(Payload::parse(None, "{").is_err());
    let empty = Payload::parse(None, "{}").ok().unwrap();
    assert!(empty.body().is_err());
    let number = Payload::parse(None, "{\"body\":7}");
    assert!(number.ok().unwrap().body().is_err());
}
#[test]
fn a_body_is_the_same_text_however_its_json_is_written() {
    let run = RunId::new(7);
    let mut text = String::new();
    body::write(&mut text, &run, 9, 120, &BodyText::Mixed);
    assert!(text.contains('"') && text.contains('\\') && !text.is_ascii());
    let plain = serde_json::to_string(&text).unwrap();
    let escaped: String = plain
        .chars()
        .flat_map(|c| match u16::try_from(u32::from(c)) {
            Ok(unit) if !c.is_ascii() => format!("\\u{unit:04x}").chars().collect(),
            _ => vec![c],
        })
        .collect();
    let wholly: String = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    for json in [plain, escaped, format!("\"{wholly}\"")] {
        let payload = format!("{{\"body\":{json}}}");
        let payload = Payload::parse(None, &payload);
        let payload = payload.ok().unwrap();
        let body = payload.body().ok().unwrap();
        assert_eq!(body.message(&run), Some(9), "{json}");
        assert!(body.is(&text, &mut Vec::new()), "{json}");
        assert!(!body.is(&text.replace("quoted", "qouted"), &mut Vec::new()));
        assert!(!body.is(&text[..text.len() - 1], &mut Vec::new()));
    }
}

#[test]
fn what_is_no_text_is_not_the_text() {
    for json in ["\"\\ud800\"", "\"\\u12\""] {
        assert!(!Body::Json(json).is("x", &mut Vec::new()), "{json}");
        assert_eq!(Body::Json(json).message(&RunId::new(7)), None);
    }
}
