//! What is measured: one definition per kind of sample, with its name, its clock points and its unit.

use serde::{Deserialize, Serialize};

/// One kind of sample. Kinds are never mixed in a histogram (`docs/MEASUREMENT.md`, rule 2).
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
pub enum Metric {
    /// A message to a recipient other than its sender, charged from the intended time.
    Delivery,
    /// The same delivery, charged from the moment the generator really sent.
    DeliveryAsSent,
    /// The delivery to the slowest recipient of each message.
    DeliverySlowest,
    /// The sender's own copy of the message.
    Echo,
    /// The acknowledgement, which the server sends after the save.
    Ack,
    /// The confirmation at the sender.
    Confirm,
    /// From a recipient's optimistic delivery to its confirmation.
    ConfirmAfterDelivery,
    /// From the TCP connect to the server's Socket.IO CONNECT.
    Connect,
    /// From the join request to its acknowledgement.
    Join,
    /// How late the generator itself sent.
    SendLateness,
    /// How much longer than asked a thread slept that does nothing else: the machine's own pauses.
    Hiccup,
    /// From the read of a frame off the socket to the start of its parsing.
    ReceiveWait,
    /// The server's own time from the receipt of a message to its last emit.
    ServerEmit,
    /// The server's own time from the receipt of a message to the store's answer.
    ServerSave,
}

/// What the numbers of a metric count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds; shown with the prefix that fits.
    Nanoseconds,
}

/// What a reader must know of a metric to read its numbers.
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
    /// What its numbers count.
    pub unit: Unit,
}

impl Metric {
    /// All of them, in the order of a report.
    pub const ALL: [Metric; 14] = [
        Metric::Delivery,
        Metric::DeliveryAsSent,
        Metric::DeliverySlowest,
        Metric::Echo,
        Metric::Ack,
        Metric::Confirm,
        Metric::ConfirmAfterDelivery,
        Metric::Connect,
        Metric::Join,
        Metric::SendLateness,
        Metric::Hiccup,
        Metric::ReceiveWait,
        Metric::ServerEmit,
        Metric::ServerSave,
    ];

    /// Its name and clock points.
    pub const fn definition(self) -> Definition {
        let (key, title, from, to) = match self {
            Metric::Delivery => (
                "delivery",
                "delivery latency",
                "intended send",
                "receipt by a recipient",
            ),
            Metric::DeliveryAsSent => (
                "delivery_as_sent",
                "delivery, as sent",
                "actual send",
                "receipt by a recipient",
            ),
            Metric::DeliverySlowest => (
                "delivery_slowest",
                "delivery to the slowest",
                "intended send",
                "receipt by the message's last recipient",
            ),
            Metric::Echo => (
                "echo",
                "sender's echo",
                "intended send",
                "receipt by the sender",
            ),
            Metric::Ack => (
                "ack",
                "acknowledgement",
                "intended send",
                "acknowledgement at the sender",
            ),
            Metric::Confirm => (
                "confirm",
                "confirmation",
                "intended send",
                "confirmation at the sender",
            ),
            Metric::ConfirmAfterDelivery => (
                "confirm_after_delivery",
                "confirmation after delivery",
                "receipt by a recipient",
                "confirmation at that recipient",
            ),
            Metric::Connect => (
                "connect",
                "connect",
                "start of the TCP connect",
                "Socket.IO CONNECT",
            ),
            Metric::Join => ("join", "join", "join request", "its acknowledgement"),
            Metric::SendLateness => (
                "send_lateness",
                "send lateness",
                "intended send",
                "actual send",
            ),
            Metric::Hiccup => (
                "hiccup",
                "scheduler hiccup",
                "planned end of a sleep of 1 ms",
                "its end",
            ),
            Metric::ReceiveWait => (
                "receive_wait",
                "receive-queue wait",
                "read off the socket",
                "start of parsing",
            ),
            Metric::ServerEmit => (
                "server_emit",
                "emit, in the server",
                "receipt by the server",
                "last emit (warm-up included)",
            ),
            Metric::ServerSave => (
                "server_save",
                "save, in the server",
                "receipt by the server",
                "the store's answer (warm-up included)",
            ),
        };
        Definition {
            key,
            title,
            from,
            to,
            // Every kind of sample is a time so far.
            unit: Unit::Nanoseconds,
        }
    }

    /// The metric of a name.
    pub fn from_key(key: &str) -> Option<Metric> {
        Self::ALL.into_iter().find(|m| m.definition().key == key)
    }

    /// Its place in an array indexed by metric.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What is counted: each of these is zero in a healthy run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Deliveries that were due and never came.
    Lost,
    /// Deliveries beyond the first of the same message to the same recipient.
    Duplicated,
    /// Messages that were scheduled and not sent.
    Dropped,
    /// Messages that the server said it could not save.
    Failed,
}

impl Count {
    /// All of them.
    pub const ALL: [Count; 4] = [
        Count::Lost,
        Count::Duplicated,
        Count::Dropped,
        Count::Failed,
    ];

    /// Its name in scenario files and results.
    pub const fn key(self) -> &'static str {
        match self {
            Count::Lost => "lost",
            Count::Duplicated => "duplicated",
            Count::Dropped => "dropped",
            Count::Failed => "failed",
        }
    }
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
