//! What a cheating server speaks: the names of the contract's dialects, in either delivery mode.

/// What it speaks, and when it delivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Speech {
    /// The names of the dialect `reference`, in which a sender gets an event of its own.
    pub reference: bool,
    /// It saves first, and then delivers under the final id.
    pub saves_first: bool,
}

/// The names of one kind of conversation.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub join: &'static str,
    pub leave: &'static str,
    pub send: &'static str,
    pub received: &'static str,
    pub sent: &'static str,
    pub confirmed: &'static str,
    pub failed: &'static str,
    pub id: &'static str,
}

const ROOM: Names = Names {
    join: "joinRoom",
    leave: "leaveRoom",
    send: "roomMessage",
    received: "roomMessageRecieved",
    sent: "roomMessageRecieved",
    confirmed: "roomMessageConfirmed",
    failed: "roomMessageFailed",
    id: "roomId",
};

const CHANNEL: Names = Names {
    join: "JOIN_CHANNEL",
    leave: "leaveChannel",
    send: "NEW_MESSAGE_EVENT",
    received: "NEW_MESSAGE_RECEIVED_EVENT",
    sent: "NEW_MESSAGE_RECEIVED_EVENT",
    confirmed: "channelMessageConfirmed",
    failed: "channelMessageFailed",
    id: "channelId",
};

impl Speech {
    /// Of rooms, and of channels.
    pub fn names(self) -> [Names; 2] {
        match self.reference {
            false => [ROOM, CHANNEL],
            true => [
                Names {
                    sent: "roomMessageSent",
                    ..ROOM
                },
                Names {
                    join: "JoinChannel",
                    leave: "LeaveChannel",
                    send: "NewMessage",
                    received: "NewMessageReceived",
                    sent: "channelMessageSent",
                    ..CHANNEL
                },
            ],
        }
    }
}
