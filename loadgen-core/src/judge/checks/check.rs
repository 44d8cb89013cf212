//! The promises that can be broken: one check for each way to break one.

use serde::{Deserialize, Serialize};

/// A promise that can be broken. One check for each way to break one.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A delivery that was due and never came.
    Lost,
    /// A delivery beyond the first of the same message to the same member.
    Duplicated,
    /// A body that is not the one that was sent.
    ContentChanged,
    /// A message to somebody who is no member, or under another conversation.
    CrossDelivered,
    /// An event about a message that nobody sent, or that can't be read.
    Unexpected,
    /// A sender's later message before an earlier one.
    Reordered,
    /// Two members of a conversation that saw its messages in different orders.
    OrderDisagrees,
    /// A member that was never told whether a message was saved.
    EndMissing,
    /// A member that was told more than once, or both Confirmed and Failed.
    EndTwice,
    /// Confirmed or Failed before the message itself.
    EndEarly,
    /// Confirmed or Failed for a temporary id that was never given out.
    EndOrphaned,
    /// Members that were told different `_id`s of one message.
    IdDiffers,
    /// A sender that got no acknowledgement, or several.
    AckWrong,
    /// Confirmed, and not in the store under its `_id`.
    ConfirmedNotStored,
    /// Failed, and in the store all the same.
    FailedButStored,
    /// One message in the store under two ids.
    StoredTwice,
    /// A connection that the server or the network ended.
    ConnectionLost,
    /// Users, rooms or sockets left on the server when everybody had gone.
    StateLeft,
}

impl Check {
    /// All of them, in the order of a report.
    pub const ALL: [Check; 18] = [
        Check::Lost,
        Check::Duplicated,
        Check::ContentChanged,
        Check::CrossDelivered,
        Check::Unexpected,
        Check::Reordered,
        Check::OrderDisagrees,
        Check::EndMissing,
        Check::EndTwice,
        Check::EndEarly,
        Check::EndOrphaned,
        Check::IdDiffers,
        Check::AckWrong,
        Check::ConfirmedNotStored,
        Check::FailedButStored,
        Check::StoredTwice,
        Check::ConnectionLost,
        Check::StateLeft,
    ];

    /// What it means when it is broken, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Check::Lost => "deliveries lost",
            Check::Duplicated => "deliveries duplicated",
            Check::ContentChanged => "bodies changed",
            Check::CrossDelivered => "delivered to the wrong user or conversation",
            Check::Unexpected => "unexpected messages",
            Check::Reordered => "messages of one sender out of order",
            Check::OrderDisagrees => "members that saw different orders",
            Check::EndMissing => "messages neither confirmed nor failed",
            Check::EndTwice => "messages ended twice",
            Check::EndEarly => "ended before the delivery",
            Check::EndOrphaned => "ends of unknown temporary ids",
            Check::IdDiffers => "messages with two different _ids",
            Check::AckWrong => "acknowledgements missing or doubled",
            Check::ConfirmedNotStored => "confirmed and not stored",
            Check::FailedButStored => "failed and stored all the same",
            Check::StoredTwice => "stored twice",
            Check::ConnectionLost => "connections lost",
            Check::StateLeft => "users, rooms or sockets left behind",
        }
    }
}
