//! One frame from a client through packet parser, payload and checks: nothing may panic, and what is accepted must be
//! within all limits and come out as valid JSON. Shared by the fuzz target and the test that runs its corpus.

use bson::{DateTime, oid::ObjectId};
use server::{
    message::{Kind, Message},
    protocol::{
        inbound::{MAX_ID, NewMessage, Payload},
        outbound::{self, Phase},
    },
    socket_manager::User,
};
use socketioxide_core::{
    packet::PacketData,
    parser::{Parse as _, ParseConfig, ParserState},
};
use socketioxide_parser_common::CommonParser;

const MAX_BODY: usize = 1024;

/// Panics if the frame breaks something.
pub fn check(frame: &[u8]) {
    let Ok(text) = std::str::from_utf8(frame) else {
        return;
    };
    let config = ParseConfig {
        max_incoming_binaries: 0,
        max_incoming_binary_buf_size: 0,
        ..ParseConfig::default()
    };
    let packet = CommonParser.decode_str(&config, &ParserState::default(), text.to_owned().into());
    let Ok(packet) = packet else { return };
    let (PacketData::Event(mut data, _) | PacketData::BinaryEvent(mut data, _)) = packet.inner
    else {
        return;
    };
    if CommonParser.read_event(&data).is_err() {
        return;
    }
    let Ok(payload) = CommonParser.decode_value::<Payload>(&mut data, true) else {
        return;
    };
    for kind in [Kind::Room, Kind::Channel] {
        if let Ok(conversation) = payload.clone().conversation(kind) {
            assert!((1..=MAX_ID).contains(&conversation.id.len()));
        }
        match payload.clone().message(kind, MAX_BODY) {
            Ok(message) => accepted(message),
            Err(refusal) => assert!(!refusal.message().is_empty() && !refusal.name().is_empty()),
        }
    }
}

fn accepted(new: NewMessage) {
    assert!((1..=MAX_ID).contains(&new.conversation.id.len()));
    assert!((1..=MAX_BODY).contains(&new.body.len()));
    for id in [&new.workspace_id, &new.sender_id, &new.client_msg_id]
        .into_iter()
        .flatten()
    {
        assert!((1..=MAX_ID).contains(&id.len()));
    }
    let sender = User::unnamed(new.sender_id.as_deref().unwrap_or("nobody"));
    let message = Message {
        id: ObjectId::new(),
        conversation: new.conversation,
        workspace_id: new.workspace_id,
        sender_id: sender.id.to_string(),
        body: new.body,
        image: new.image,
        image_key: new.image_key,
        client_msg_id: new.client_msg_id,
        created_at: DateTime::now(),
    };
    let encoded = outbound::message(
        &message,
        &sender,
        Phase::Confirmed {
            temp_id: "temp_1_x",
        },
    );
    let encoded = encoded.expect("whatever was accepted can be sent on");
    let decoded: serde_json::Value =
        serde_json::from_str(encoded.get()).expect("what is sent is JSON");
    assert_eq!(decoded["body"], message.body.as_str());
    assert_eq!(decoded["senderId"]["_id"], message.sender_id.as_str());
}
