//! The shape of a stored message: collections, fields and their BSON types, as the system of today
//! reads them.

use std::sync::Arc;

use bson::raw::{CStr, RawBsonRef, RawDocument, RawDocumentBuf, cstr};

use crate::message::{Conversation, Kind, Message, object_id};

/// What a stored message's `status` says; nothing here changes it afterwards.
const STATUS: &str = "unread";

/// The field that a message has, and is `true`, once a repetition was confirmed by it: nobody deletes it any more.
pub const KEPT: &str = "kept";

/// The collection that holds messages of this kind. Mongoose, which named them, makes no plural of a name that ends in
/// a digit.
#[must_use]
pub const fn collection_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Room => "message2",
        Kind::Channel => "messages",
    }
}

/// The field that names the conversation of such a message.
#[must_use]
pub const fn conversation_field(kind: Kind) -> &'static CStr {
    match kind {
        Kind::Room => cstr!("roomId"),
        Kind::Channel => cstr!("channelId"),
    }
}

/// The document of a message. Optional fields that are not set are left out, as Mongoose does.
#[must_use]
pub fn to_document(message: &Message) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), message.id);
    append_id(
        &mut document,
        conversation_field(message.conversation.kind),
        &message.conversation.id,
    );
    if let Some(workspace_id) = &message.workspace_id {
        append_id(&mut document, cstr!("workspaceId"), workspace_id);
    }
    append_id(&mut document, cstr!("senderId"), &message.sender_id);
    document.append(cstr!("body"), message.body.as_str());
    let optional = [
        (cstr!("image"), &message.image),
        (cstr!("imageKey"), &message.image_key),
        (cstr!("clientMsgId"), &message.client_msg_id),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            document.append(key, value.as_str());
        }
    }
    document.append(cstr!("status"), STATUS);
    document.append(cstr!("createdAt"), message.created_at);
    document.append(cstr!("updatedAt"), message.created_at);
    document
}

/// The message of a document.
///
/// # Errors
///
/// In words, which field is missing or of another type.
pub fn from_document(kind: Kind, document: &RawDocument) -> Result<Message, String> {
    let required =
        |name: &str| id_or_text(document, name)?.ok_or_else(|| format!("it has no `{name}`"));
    let conversation = conversation_field(kind).as_str();
    let id = document
        .get_object_id("_id")
        .map_err(|error| error.to_string())?;
    Ok(Message {
        id,
        conversation: Conversation {
            kind,
            id: required(conversation)?,
        },
        workspace_id: id_or_text(document, "workspaceId")?,
        sender_id: required("senderId")?,
        // The history has messages that are an image and nothing else.
        body: id_or_text(document, "body")?.unwrap_or_default(),
        image: id_or_text(document, "image")?,
        image_key: id_or_text(document, "imageKey")?,
        client_msg_id: id_or_text(document, "clientMsgId")?,
        created_at: match document
            .get("createdAt")
            .map_err(|error| error.to_string())?
        {
            // An `_id` says when it was made, to the second.
            None | Some(RawBsonRef::Null) => id.timestamp(),
            Some(RawBsonRef::DateTime(time)) => time,
            Some(other) => return Err(format!("its `createdAt` is a {:?}", other.element_type())),
        },
    })
}

/// The message as a database gives it back: an id of 24 hex digits is a number there and comes back
/// in lower case.
#[must_use]
pub fn as_stored(message: &Arc<Message>) -> Arc<Message> {
    let ids = [
        Some(&message.conversation.id),
        message.workspace_id.as_ref(),
        Some(&message.sender_id),
    ];
    if !ids
        .into_iter()
        .flatten()
        .any(|id| has_upper_case_digits(id))
    {
        return message.clone();
    }
    let mut stored = Message::clone(message);
    let ids = [
        Some(&mut stored.conversation.id),
        stored.workspace_id.as_mut(),
        Some(&mut stored.sender_id),
    ];
    for id in ids
        .into_iter()
        .flatten()
        .filter(|id| has_upper_case_digits(id))
    {
        id.make_ascii_lowercase();
    }
    Arc::new(stored)
}

fn has_upper_case_digits(id: &str) -> bool {
    object_id(id).is_some() && id.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn append_id(document: &mut RawDocumentBuf, key: &CStr, id: &str) {
    match object_id(id) {
        Some(id) => document.append(key, id),
        None => document.append(key, id),
    }
}

/// A field that holds an id or a text; documents of today have `null` for what is not set.
fn id_or_text(document: &RawDocument, name: &str) -> Result<Option<String>, String> {
    match document.get(name).map_err(|error| error.to_string())? {
        None | Some(RawBsonRef::Null) => Ok(None),
        Some(RawBsonRef::String(text)) => Ok(Some(text.to_owned())),
        Some(RawBsonRef::ObjectId(id)) => Ok(Some(id.to_hex())),
        Some(other) => Err(format!("its `{name}` is a {:?}", other.element_type())),
    }
}

#[cfg(test)]
mod tests {
    use bson::{Bson, DateTime, Document, doc, oid::ObjectId};

    use super::*;

    fn message(kind: Kind) -> Message {
        Message {
            id: ObjectId::new(),
            conversation: Conversation {
                kind,
                id: "507f1f77bcf86cd799439011".to_owned(),
            },
            workspace_id: Some("w1".to_owned()),
            sender_id: "alice".to_owned(),
            body: "héllo \0 wörld".to_owned(),
            image: Some("a.png".to_owned()),
            image_key: Some("a.png-1760000000000".to_owned()),
            client_msg_id: Some("m1".to_owned()),
            created_at: DateTime::from_millis(1_760_000_000_123),
        }
    }

    #[test]
    fn fields_and_types_are_those_of_today() {
        let message = message(Kind::Channel);
        let document = Document::try_from(to_document(&message)).unwrap();
        let expected = doc! {
            "_id": message.id,
            "channelId": ObjectId::parse_str("507f1f77bcf86cd799439011").unwrap(),
            "workspaceId": "w1",
            "senderId": "alice",
            "body": "héllo \0 wörld",
            "image": "a.png",
            "imageKey": "a.png-1760000000000",
            "clientMsgId": "m1",
            "status": "unread",
            "createdAt": message.created_at,
            "updatedAt": message.created_at,
        };
        assert_eq!(document, expected);
    }

    #[test]
    fn what_is_not_set_is_left_out_and_comes_back_unset() {
        let bare = Message {
            workspace_id: None,
            image: None,
            image_key: None,
            client_msg_id: None,
            ..message(Kind::Room)
        };
        let document = to_document(&bare);
        let keys: Vec<_> = Document::try_from(document.clone())
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let expected = [
            "_id",
            "roomId",
            "senderId",
            "body",
            "status",
            "createdAt",
            "updatedAt",
        ];
        assert_eq!(keys, expected);
        assert_eq!(from_document(Kind::Room, &document).unwrap(), bare);
        let full = message(Kind::Room);
        assert_eq!(
            from_document(Kind::Room, &to_document(&full)).unwrap(),
            full
        );
    }

    #[test]
    fn only_24_hex_digits_are_an_object_id() {
        let stored_as = |id: &str| {
            let conversation = Conversation {
                kind: Kind::Room,
                id: id.to_owned(),
            };
            let document = to_document(&Message {
                conversation,
                ..message(Kind::Room)
            });
            Document::try_from(document)
                .unwrap()
                .get("roomId")
                .cloned()
                .unwrap()
        };
        assert!(matches!(
            stored_as("507F1F77BCF86CD799439011"),
            Bson::ObjectId(_)
        ));
        for text in [
            "507f1f77bcf86cd79943901",
            "507f1f77bcf86cd7994390111",
            "507f1f77bcf86cd79943901g",
            "12 bytes 12b",
            "",
        ] {
            assert_eq!(stored_as(text), Bson::String(text.to_owned()));
        }
    }

    #[test]
    fn a_document_of_today_with_nulls_is_read() {
        let id = ObjectId::new();
        let now = DateTime::from_millis(1);
        let document = doc! {
            "_id": id, "roomId": id, "senderId": id, "body": "x", "image": null, "imageKey": null,
            "status": "read", "createdAt": now, "updatedAt": now, "__v": 0,
        };
        let document = RawDocumentBuf::try_from(&document).unwrap();
        let message = from_document(Kind::Room, &document).unwrap();
        assert_eq!(
            (message.image, message.conversation.id),
            (None, id.to_hex())
        );
    }

    #[test]
    fn a_document_of_today_with_fields_missing_is_read() {
        let id = ObjectId::new();
        let document = doc! { "_id": id, "roomId": id, "senderId": id, "image": "a.png", "__v": 0 };
        let document = RawDocumentBuf::try_from(&document).unwrap();
        let message = from_document(Kind::Room, &document).unwrap();
        assert_eq!(
            (message.body.as_str(), message.image.as_deref()),
            ("", Some("a.png"))
        );
        assert_eq!(message.created_at, id.timestamp());
        assert_eq!(message.client_msg_id, None);
    }

    #[test]
    fn a_document_that_is_no_message_is_told_so() {
        let document =
            RawDocumentBuf::try_from(&doc! { "_id": ObjectId::new(), "roomId": "r" }).unwrap();
        assert_eq!(
            from_document(Kind::Room, &document).unwrap_err(),
            "it has no `senderId`"
        );
        let document =
            RawDocumentBuf::try_from(&doc! { "_id": ObjectId::new(), "roomId": 7 }).unwrap();
        assert_eq!(
            from_document(Kind::Room, &document).unwrap_err(),
            "its `roomId` is a Int32"
        );
    }

    #[test]
    fn upper_case_digits_come_back_in_lower_case() {
        let upper = Arc::new(Message {
            sender_id: "507F1F77BCF86CD799439012".to_owned(),
            ..message(Kind::Room)
        });
        let read_back = from_document(Kind::Room, &to_document(&upper)).unwrap();
        assert_eq!(read_back.sender_id, "507f1f77bcf86cd799439012");
        assert_eq!(*as_stored(&upper), read_back);
        let text = Arc::new(Message {
            sender_id: "ALICE".to_owned(),
            ..message(Kind::Room)
        });
        assert_eq!(as_stored(&text).sender_id, "ALICE");
    }
}
