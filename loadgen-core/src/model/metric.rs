//! What is measured and counted: one row for each kind of sample, with its name and its clock points.

use serde::{Deserialize, Serialize};

use super::named::named;

/// What a reader must know of a metric to read its numbers, which are nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// The name in scenario files and results.
    pub key: &'static str,
    /// The name in tables and charts.
    pub title: &'static str,
    /// The clock point that a sample starts from.
    pub from: &'static str,
    /// The clock point that a sample ends at.
    pub to: &'static str,
}

// In the order of a report: the key and the title of each, and the clock points that its samples start from and end at.
named! {
    /// One kind of sample. Kinds are never mixed in a histogram (`docs/MEASUREMENT.md`, rule 2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    #[derive(schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Metric;
    row: [&'static str; 4];

    /// A message to a recipient other than its sender, charged from the intended time.
    Delivery => ["delivery", "delivery latency", "intended send", "receipt by a recipient"],
    /// The same delivery, charged from the moment the generator really sent.
    DeliveryAsSent =>
        ["delivery_as_sent", "delivery, as sent", "actual send", "receipt by a recipient"],
    /// The delivery to the slowest recipient of each message.
    DeliverySlowest =>
        ["delivery_slowest", "delivery to the slowest", "intended send", "receipt by the message's last recipient"],
    /// The sender's own copy of the message.
    Echo => ["echo", "sender's echo", "intended send", "receipt by the sender"],
    /// The acknowledgement, which the server sends after the save.
    Ack => ["ack", "acknowledgement", "intended send", "acknowledgement at the sender"],
    /// The confirmation at the sender.
    Confirm => ["confirm", "confirmation", "intended send", "confirmation at the sender"],
    /// From a recipient's optimistic delivery to its confirmation.
    ConfirmAfterDelivery => [
        "confirm_after_delivery",
        "confirmation after delivery",
        "receipt by a recipient",
        "confirmation at that recipient",
    ],
    /// From the TCP connect to the server's Socket.IO CONNECT.
    Connect => ["connect", "connect", "start of the TCP connect", "Socket.IO CONNECT"],
    /// From the join request to its acknowledgement.
    Join => ["join", "join", "join request", "its acknowledgement"],
    /// How late the generator itself sent.
    SendLateness => ["send_lateness", "send lateness", "intended send", "actual send"],
    /// How much longer than asked a thread slept that does nothing else: the machine's own pauses.
    Hiccup => ["hiccup", "scheduler hiccup", "planned end of a sleep of 1 ms", "its end"],
    /// From the read of a frame off the socket to the start of its parsing.
    ReceiveWait => ["receive_wait", "wait before parsing", "read off the socket", "start of parsing"],
    /// The server's own time from the receipt of a message to its last emit.
    ServerEmit =>
        ["server_emit", "emit, in the server", "receipt by the server", "last emit (warm-up included)"],
    /// The server's own time from the receipt of a message to the store's answer.
    ServerSave =>
        ["server_save", "save, in the server", "receipt by the server", "the store's answer (warm-up included)"],
    /// A delivery to a recipient on the sender's own server, where there are several.
    DeliverySameNode =>
        ["delivery_same_node", "delivery, same server", "intended send", "receipt by a recipient on the sender's server"],
    /// A delivery to a recipient on another server than the sender's.
    DeliveryCrossNode =>
        ["delivery_cross_node", "delivery, other server", "intended send", "receipt by a recipient on another server"],
}

impl Metric {
    /// Its name and clock points.
    pub const fn definition(self) -> Definition {
        let [key, title, from, to] = self.row();
        Definition {
            key,
            title,
            from,
            to,
        }
    }

    /// The metric of a name.
    pub fn from_key(key: &str) -> Option<Metric> {
        Self::ALL.into_iter().find(|m| m.definition().key == key)
    }

    /// Whether it is measured only where several servers are one chat.
    pub const fn needs_several_servers(self) -> bool {
        matches!(self, Self::DeliverySameNode | Self::DeliveryCrossNode)
    }

    /// Whether most of its samples come before the schedule, while all users connect and join.
    pub const fn begins_before_the_schedule(self) -> bool {
        matches!(self, Self::Connect | Self::Join)
    }

    /// Its place in an array indexed by metric.
    pub const fn index(self) -> usize {
        self as usize
    }
}

named! {
    /// What is counted: each of these is zero in a healthy run.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Count;
    /// Its name in scenario files and results.
    pub key: &'static str;

    /// Deliveries that were due and never came.
    Lost => "lost",
    /// Deliveries beyond the first of the same message to the same recipient.
    Duplicated => "duplicated",
    /// Messages that were scheduled and not sent.
    Dropped => "dropped",
    /// Messages that the server said it could not save.
    Failed => "failed",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_key_and_indexed_by_its_place() {
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric.index(), place);
            assert_eq!(Metric::from_key(metric.definition().key), Some(metric));
        }
    }
}
