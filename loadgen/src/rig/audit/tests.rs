//! What documents and lines of a listing say of messages, and what of that is compared.

use super::*;

#[test]
fn a_prefix_is_taken_literally() {
    assert_eq!(starts_with("r1.*\\ é"), "^r1\\.\\*\\\\\\ é");
    assert_eq!(starts_with(""), "^");
}

#[test]
fn a_listed_line_is_a_message_or_an_error() {
    let line = br#"{"_id":"507f1f77bcf86cd799439011","collection":"messages","senderId":"u1","body":"hi","createdAt":"x"}"#;
    let message = listed(line).unwrap();
    assert_eq!(
        (message.body.as_str(), message.sender_id.as_deref()),
        ("hi", Some("u1"))
    );
    assert_eq!(message.id, "507f1f77bcf86cd799439011");
    assert_eq!(
        (message.conversation, message.kind),
        (None, Some(Kind::Channel))
    );
    let line = br#"{"_id":"507f1f77bcf86cd799439011","collection":7,"roomId":null,"channelId":"c","senderId":"u1","body":"hi"}"#;
    let message = listed(line).unwrap();
    assert_eq!(
        (message.conversation.as_deref(), message.kind),
        (Some("c"), None)
    );
    assert!(listed(br#"{"_id":"507f","senderId":"u1","body":"hi"}"#).is_err());
}

#[test]
fn senders_are_strings_or_object_ids() {
    let id = ObjectId::new();
    let stored = |document: Document| stored(&document, &Documents::default());
    let message = stored(doc! { "_id": id, "senderId": id, "body": "x" }).unwrap();
    assert_eq!(message.sender_id, Some(id.to_hex()));
    let message = stored(doc! { "_id": id, "senderId": "u", "body": "x" }).unwrap();
    assert_eq!(message.sender_id.as_deref(), Some("u"));
    let none = stored(doc! { "_id": "not ours", "senderId": "u", "body": "x" });
    assert_eq!(none.unwrap_err(), "its _id is no object-id");
    let none = stored(doc! { "_id": id, "senderId": "u", "body": 1 });
    assert_eq!(none.unwrap_err(), "its body is no text");
}

#[test]
fn another_servers_documents_are_read_by_their_paths() {
    let uuid = bson::Uuid::new();
    for (id, id_type, told) in [
        (Bson::from("m-7"), IdType::Text, "m-7".to_owned()),
        (Bson::from(7_i64), IdType::Number, "7".to_owned()),
        (Bson::from(7.0), IdType::Number, "7".to_owned()),
        (Bson::from(uuid), IdType::Uuid, uuid.to_string()),
    ] {
        let documents = Documents {
            collections: None,
            body: "msg.text".to_owned(),
            id: "msg.id".to_owned(),
            id_type,
            ..Documents::default()
        };
        let document = doc! { "_id": ObjectId::new(), "msg": { "id": id, "text": "hi" } };
        let message = stored(&document, &documents).unwrap();
        assert_eq!((message.id, message.body), (told, "hi".to_owned()));
        assert_eq!((message.sender_id, message.conversation), (None, None));
    }
}

#[test]
fn whose_and_where_a_document_is_stands_where_it_is_said_to_or_where_the_contract_has_it() {
    let (id, user, room) = (ObjectId::new(), ObjectId::new(), bson::Uuid::new());
    let document = doc! {
        "_id": id, "body": "hi", "senderId": user, "channelId": "c",
        "in": { "room": room, "by": 7_i64 },
    };
    let whose = |documents: &Documents| {
        let message = stored(&document, documents).unwrap();
        (message.sender_id.unwrap(), message.conversation.unwrap())
    };
    let own = Documents::default();
    assert_eq!(whose(&own), (user.to_hex(), "c".to_owned()));
    assert_eq!(
        compared(&own),
        doc! { "body": 1, "_id": 1, "senderId": 1, "roomId": 1, "channelId": 1 }
    );
    let theirs = Documents {
        sender: Some("in.by".to_owned()),
        conversation: Some("in.room".to_owned()),
        ..own
    };
    assert_eq!(whose(&theirs), ("7".to_owned(), room.to_string()));
    assert_eq!(
        compared(&theirs),
        doc! { "body": 1, "_id": 1, "in.by": 1, "in.room": 1 }
    );
}

#[test]
fn what_nobody_said_of_another_servers_documents_is_not_compared() {
    let compares = |documents: Documents, whole_contract: bool| {
        let compares = Audit::mongo("", "", documents).compares(whole_contract);
        (compares.sender, compares.conversation, compares.kind)
    };
    let own = Documents::default;
    assert_eq!(compares(own(), true), (true, true, true));
    assert_eq!(compares(own(), false), (false, false, false));
    let named = Documents {
        sender: Some("by".to_owned()),
        ..own()
    };
    assert_eq!(compares(named, false), (true, false, false));
}
