//! What a server of several counts, and how `/metrics` shows it: only where there is a bus.

use std::fmt::Write as _;

use crate::telemetry::Counter;

/// The counters.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages and ends that the bus has been given.
    pub published: Counter,
    /// Exchanges with the bus that carried them: several entries go in one.
    pub batches: Counter,
    /// Entries of others that were read.
    pub read: Counter,
    /// Entries that had come before.
    pub repeated: Counter,
    /// Packets that members here were handed for messages and ends of other servers.
    pub relayed: Counter,
    /// Entries that were said again because the bus had begun a new life.
    pub replayed: Counter,
    /// Entries that never came and that members here wait for; they are told.
    pub missed: Counter,
    /// Partitions whose members here were told that messages may be missing, each time: also where nobody knows how many.
    pub gaps: Counter,
    /// Entries that had to be given up before the bus had taken them.
    pub given_up: Counter,
    /// Messages of others whose end nobody here will hear.
    pub forgotten: Counter,
    /// Entries that nobody here understands.
    pub unreadable: Counter,
    /// Logins here that a newer one on another server replaced.
    pub replaced: Counter,
}

/// What is measured at the moment of the question.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Whether the bus answers.
    pub up: bool,
    /// Servers whose lease runs.
    pub nodes: usize,
    /// Entries that the bus has not taken.
    pub waiting: usize,
    /// Partitions that are read.
    pub partitions: usize,
}

impl Counts {
    /// As text in the exposition format 0.0.4.
    #[must_use]
    pub fn render(&self, now: Now) -> String {
        let mut page = String::new();
        let mut line = |name: &str, help: &str, kind: &str, value: u64| {
            // Writing into a string does not fail.
            let _ = writeln!(
                page,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        };
        for (name, help, value) in [
            ("chat_bus_up", "Whether the bus answers.", u64::from(now.up)),
            (
                "chat_bus_nodes",
                "Servers whose lease runs.",
                now.nodes as u64,
            ),
            (
                "chat_bus_waiting",
                "Entries that the bus has not taken.",
                now.waiting as u64,
            ),
            (
                "chat_bus_partitions",
                "Partitions that are read.",
                now.partitions as u64,
            ),
        ] {
            line(name, help, "gauge", value);
        }
        for (name, help, counter) in [
            (
                "chat_bus_published_total",
                "Messages and ends for the bus.",
                &self.published,
            ),
            (
                "chat_bus_batches_total",
                "Exchanges that carried them.",
                &self.batches,
            ),
            (
                "chat_bus_read_total",
                "Entries of other servers that were read.",
                &self.read,
            ),
            (
                "chat_bus_repeated_total",
                "Entries that had come before.",
                &self.repeated,
            ),
            (
                "chat_bus_relayed_total",
                "Packets for members here from other servers.",
                &self.relayed,
            ),
            (
                "chat_bus_replayed_total",
                "Entries said again after a restart of the bus.",
                &self.replayed,
            ),
            (
                "chat_bus_missed_total",
                "Entries that never came.",
                &self.missed,
            ),
            (
                "chat_bus_gaps_total",
                "Partitions whose members were told that messages may be missing.",
                &self.gaps,
            ),
            (
                "chat_bus_given_up_total",
                "Entries given up before the bus took them.",
                &self.given_up,
            ),
            (
                "chat_bus_forgotten_total",
                "Messages of others whose end is not told.",
                &self.forgotten,
            ),
            (
                "chat_bus_unreadable_total",
                "Entries that are not understood.",
                &self.unreadable,
            ),
            (
                "chat_bus_replaced_total",
                "Logins replaced by one on another server.",
                &self.replaced,
            ),
        ] {
            line(name, help, "counter", counter.get());
        }
        page
    }
}
