//! The promises that can be broken: one check for each way to break one.

use serde::{Deserialize, Serialize};

use crate::model::{named::named, numbers::count};

// In the order of a report.
named! {
    /// A promise that can be broken. One check for each way to break one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    #[derive(schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Check;
    /// What it means when it is broken, in a few words.
    pub title: &'static str;

    /// A delivery to another than the sender that was due and never came.
    Lost => "deliveries lost",
    /// A sender's own copy that was due and never came.
    EchoMissing => "senders' own copies missing",
    /// A delivery beyond the first of the same message to the same member.
    Duplicated => "deliveries duplicated",
    /// A body that is not the one that was sent.
    ContentChanged => "bodies changed",
    /// A message to somebody who is no member, or under another conversation.
    CrossDelivered => "delivered to the wrong user or conversation",
    /// A message or its end by an event that is not for that member, or not for such a conversation.
    WrongEvent => "by an event for somebody or something else",
    /// A message or its confirmation under another sender, or none.
    WrongSender => "under the wrong sender",
    /// An event about a message that nobody sent, or that can't be read.
    Unexpected => "unexpected messages",
    /// A sender's later message before an earlier one.
    Reordered => "messages of one sender out of order",
    /// Two members of a conversation that saw its messages in different orders.
    OrderDisagrees => "members that saw different orders",
    /// A member that was never told whether a message was saved.
    EndMissing => "messages neither confirmed nor failed",
    /// A member that was told more than once, or both Confirmed and Failed.
    EndTwice => "messages ended twice",
    /// Confirmed or Failed before the message itself.
    EndEarly => "ended before the delivery",
    /// Confirmed or Failed for a temporary id that was never given out.
    EndOrphaned => "ends of unknown temporary ids",
    /// Members that were told different `_id`s of one message.
    IdDiffers => "messages with two different _ids",
    /// A sender that got no acknowledgement, or several.
    AckWrong => "acknowledgements missing or doubled",
    /// Answers to one message of which one says that it is saved or delivered, and another that it is not.
    AnswersContradict => "answers that contradict each other",
    /// Told as stored, and not in the store under its `_id` as it was sent.
    ConfirmedNotStored => "confirmed and not stored",
    /// Failed, and in the store all the same.
    FailedButStored => "failed and stored all the same",
    /// One message in the store under two ids.
    StoredTwice => "stored twice",
    /// A connection that the server or the network ended, or whose server neither spoke nor read any more.
    ConnectionLost => "connections lost",
    /// A connection that this program closed, since what came over it was against the protocol.
    ProtocolViolated => "connections closed for a violation of the protocol",
    /// Users, rooms or sockets left on the server when everybody had gone.
    StateLeft => "users, rooms or sockets left behind",
}

impl Check {
    /// So many cases in words: `1 delivery lost`, `3 deliveries lost`.
    pub fn counted(self, cases: u64) -> String {
        let words = match cases {
            1 => self.one(),
            _ => self.title(),
        };
        format!("{} {words}", count(cases))
    }

    /// What one case of it is.
    const fn one(self) -> &'static str {
        match self {
            Check::Lost => "delivery lost",
            Check::EchoMissing => "sender's own copy missing",
            Check::Duplicated => "delivery duplicated",
            Check::ContentChanged => "body changed",
            Check::Unexpected => "unexpected message",
            Check::Reordered => "message of one sender out of order",
            Check::OrderDisagrees => "member that saw a different order",
            Check::EndMissing => "message neither confirmed nor failed",
            Check::EndTwice => "message ended twice",
            Check::EndOrphaned => "end of an unknown temporary id",
            Check::IdDiffers => "message with two different _ids",
            Check::AckWrong => "acknowledgement missing or doubled",
            Check::AnswersContradict => "message with answers that contradict each other",
            Check::ConnectionLost => "connection lost",
            Check::ProtocolViolated => "connection closed for a violation of the protocol",
            Check::StateLeft => "user, room or socket left behind",
            Check::CrossDelivered
            | Check::WrongEvent
            | Check::WrongSender
            | Check::EndEarly
            | Check::ConfirmedNotStored
            | Check::FailedButStored
            | Check::StoredTwice => self.title(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_case_is_no_plural() {
        assert_eq!(Check::Lost.counted(1), "1 delivery lost");
        assert_eq!(Check::Lost.counted(1_200), "1,200 deliveries lost");
        for check in Check::ALL {
            let one = check.counted(1);
            for plural in [
                "deliveries",
                "messages",
                "copies",
                "bodies",
                "members ",
                "connections",
            ] {
                assert!(!one.contains(plural), "{one}");
            }
        }
    }
}
