//! The two kinds of conversations, and how their events are called in the dialect of the documentation.

/// A kind of conversation.
pub struct Kind {
    pub name: &'static str,
    /// The key of a conversation's id in what is sent.
    pub id: &'static str,
    pub join: &'static str,
    pub leave: &'static str,
    pub send: &'static str,
    pub received: &'static str,
    pub confirmed: &'static str,
    pub failed: &'static str,
    /// What the sender is answered.
    pub created: &'static str,
    /// Where its messages are stored.
    pub collection: &'static str,
}

pub const KINDS: [Kind; 2] = [
    Kind {
        name: "room",
        id: "roomId",
        join: "joinRoom",
        leave: "leaveRoom",
        send: "roomMessage",
        received: "roomMessageRecieved",
        confirmed: "roomMessageConfirmed",
        failed: "roomMessageFailed",
        created: "Successfully created message in the room",
        collection: "message2",
    },
    Kind {
        name: "channel",
        id: "channelId",
        join: "JOIN_CHANNEL",
        leave: "leaveChannel",
        send: "NEW_MESSAGE_EVENT",
        received: "NEW_MESSAGE_RECEIVED_EVENT",
        confirmed: "channelMessageConfirmed",
        failed: "channelMessageFailed",
        created: "Successfully created message",
        collection: "messages",
    },
];

impl Kind {
    /// The library's room of a conversation.
    pub fn place(&self, id: &str) -> String {
        format!("{}:{id}", self.name)
    }
}
