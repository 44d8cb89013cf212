//! The counters as Prometheus text.

use std::{fmt::Write as _, time::Duration};

use hdrhistogram::Histogram;

use super::{CounterByName, Telemetry, Times};
use crate::{
    protocol::INBOUND,
    socket_manager::Stats,
    store::queue::{FailureReason, WriterStats},
};

/// Upper bounds of the buckets in seconds; 5 ms is the limit that this system is about.
const BUCKETS: [f64; 17] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 5.0, 10.0,
];

/// What is measured at the moment of the question.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// Users, rooms and sockets.
    pub stats: Stats,
    /// TCP connections.
    pub connections: usize,
    /// Repetitions that are remembered.
    pub writer: WriterStats,
    /// CPU time of this process.
    pub cpu: Duration,
    /// Resident memory of this process in bytes, where the system tells.
    pub resident: Option<u64>,
}

/// Everything as text in the exposition format 0.0.4.
#[must_use]
pub fn render(telemetry: &Telemetry, gauges: &Gauges) -> String {
    let mut page = Page(String::with_capacity(8192));
    let Gauges {
        stats,
        connections,
        writer,
        cpu,
        resident,
    } = gauges;
    page.gauge("chat_users", "Connected users.", stats.total_users as f64);
    page.gauge(
        "chat_rooms",
        "Rooms and channels with a connected user.",
        stats.total_rooms as f64,
    );
    page.gauge(
        "chat_sockets",
        "Connected Socket.IO sockets.",
        stats.total_sockets as f64,
    );
    page.gauge(
        "chat_connections",
        "Open TCP connections.",
        *connections as f64,
    );
    page.gauge(
        "chat_queue_depth",
        "Messages without an outcome of their save.",
        writer.depth as f64,
    );
    page.gauge(
        "chat_unsettled",
        "Failed messages that may be in the store until they are settled.",
        writer.unsettled as f64,
    );
    page.counter("chat_logins_total", "Logins.", telemetry.connected.get());
    page.by_name(
        "chat_logouts_total",
        "Logins that ended.",
        "reason",
        &telemetry.disconnected,
    );
    page.by_name(
        "chat_refused_connections_total",
        "Connections and logins not let in.",
        "reason",
        &telemetry.connections_refused,
    );
    page.head("chat_events_total", "Events received.", "counter");
    for ((name, _), counter) in INBOUND.iter().zip(&telemetry.events) {
        page.line(
            "chat_events_total",
            &[("event", name)],
            counter.get() as f64,
        );
    }
    page.by_name(
        "chat_refused_total",
        "Events not carried out.",
        "reason",
        &telemetry.refused,
    );
    page.head("chat_messages_total", "Messages accepted.", "counter");
    for (kind, counter) in ["room", "channel"].iter().zip(&telemetry.messages) {
        page.line(
            "chat_messages_total",
            &[("kind", kind)],
            counter.get() as f64,
        );
    }
    page.counter(
        "chat_repeated_total",
        "Repetitions of a clientMsgId.",
        telemetry.repeated.get(),
    );
    page.counter(
        "chat_delivered_total",
        "Packets handed to a connection.",
        telemetry.delivered.get(),
    );
    page.counter(
        "chat_dropped_total",
        "Packets for clients that had gone.",
        telemetry.dropped.get(),
    );
    page.counter(
        "chat_slow_consumers_total",
        "Clients cut off with a full send buffer.",
        telemetry.slow_consumers.get(),
    );
    page.counter(
        "chat_confirmed_total",
        "Messages that ended in the store.",
        telemetry.confirmed.get(),
    );
    page.by_name(
        "chat_failed_total",
        "Messages that ended outside the store.",
        "reason",
        &telemetry.failed,
    );
    page.counter(
        "chat_read_back_failed_total",
        "Stored messages not read back.",
        telemetry.read_back_failed.get(),
    );
    page.histogram(
        "chat_emit_seconds",
        "From receipt to the last recipient's connection.",
        &telemetry.emit,
    );
    page.histogram(
        "chat_save_seconds",
        "From receipt to the store's answer.",
        &telemetry.save,
    );
    page.counter(
        "chat_writer_batches_total",
        "Inserts sent to the store.",
        writer.batches,
    );
    page.counter(
        "chat_writer_batched_total",
        "Messages in these inserts.",
        writer.batched,
    );
    page.counter(
        "chat_writer_retries_total",
        "Messages sent to the store once more.",
        writer.retries,
    );
    page.counter(
        "chat_writer_settled_total",
        "Unknown writes that were settled.",
        writer.settled,
    );
    page.counter(
        "chat_writer_settled_deleted_total",
        "Of these, found in the store and deleted.",
        writer.settled_deleted,
    );
    page.head("chat_writer_failed_total", "Saves that failed.", "counter");
    for (reason, count) in FailureReason::ALL.iter().zip(writer.failed) {
        page.line(
            "chat_writer_failed_total",
            &[("reason", reason.as_str())],
            count as f64,
        );
    }
    page.head(
        "process_cpu_seconds_total",
        "CPU time of this process.",
        "counter",
    );
    page.line("process_cpu_seconds_total", &[], cpu.as_secs_f64());
    if let Some(resident) = resident {
        page.gauge(
            "process_resident_memory_bytes",
            "Resident memory of this process.",
            *resident as f64,
        );
    }
    page.0
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String can't fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            let _ = write!(
                self.0,
                "{}{label}=\"{text}\"",
                if i == 0 { '{' } else { ',' }
            );
        }
        let _ = writeln!(
            self.0,
            "{} {value}",
            if labels.is_empty() { "" } else { "}" }
        );
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help, "gauge");
        self.line(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(name, &[], value as f64);
    }

    fn by_name(&mut self, name: &str, help: &str, label: &str, counters: &CounterByName) {
        self.head(name, help, "counter");
        for (text, count) in counters.get() {
            self.line(name, &[(label, &text)], count as f64);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, times: &Times) {
        let (histogram, sum) = times.snapshot();
        self.head(name, help, "histogram");
        let bucket = format!("{name}_bucket");
        for bound in BUCKETS {
            self.line(
                &bucket,
                &[("le", &bound.to_string())],
                count_within(&histogram, bound) as f64,
            );
        }
        self.line(&bucket, &[("le", "+Inf")], histogram.len() as f64);
        self.line(&format!("{name}_sum"), &[], sum.as_secs_f64());
        self.line(&format!("{name}_count"), &[], histogram.len() as f64);
    }
}

fn count_within(histogram: &Histogram<u64>, seconds: f64) -> u64 {
    histogram.count_between(0, Duration::from_secs_f64(seconds).as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_prometheus_reads() {
        let telemetry = Telemetry::new().unwrap();
        telemetry.emit.record(Duration::from_micros(80));
        telemetry.emit.record(Duration::from_millis(7));
        telemetry.failed.increment("a \"bad\"\nreason");
        telemetry.event(0);
        let page = render(
            &telemetry,
            &Gauges {
                stats: Stats {
                    total_users: 3,
                    total_rooms: 2,
                    total_sockets: 3,
                },
                connections: 3,
                writer: WriterStats::default(),
                cpu: Duration::from_millis(1500),
                resident: Some(4096),
            },
        );
        for line in [
            "# TYPE chat_emit_seconds histogram",
            "chat_emit_seconds_bucket{le=\"0.0001\"} 1",
            "chat_emit_seconds_bucket{le=\"0.005\"} 1",
            "chat_emit_seconds_bucket{le=\"0.01\"} 2",
            "chat_emit_seconds_bucket{le=\"+Inf\"} 2",
            "chat_emit_seconds_sum 0.00708",
            "chat_emit_seconds_count 2",
            "chat_users 3",
            "chat_events_total{event=\"joinRoom\"} 1",
            "chat_failed_total{reason=\"a \\\"bad\\\"\\nreason\"} 1",
            "process_cpu_seconds_total 1.5",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        }
    }
}
