//! The counters as Prometheus text (exposition format 0.0.4): what goes into `templates/metrics.txt`.

use std::time::Duration;

use askama::Template;

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
    /// TCP connections that are open.
    pub connections: usize,
    /// Bytes that wait for clients, counted for each of them.
    pub waiting: usize,
    /// What waits for the store, and what its writer has done so far.
    pub writer: WriterStats,
    /// CPU time that this process has taken.
    pub cpu: Duration,
    /// Resident memory of this process in bytes, where the system tells.
    pub resident: Option<u64>,
}

/// Everything as text in the exposition format 0.0.4.
#[must_use]
pub fn render(telemetry: &Telemetry, gauges: &Gauges) -> String {
    let events = INBOUND.iter().zip(&telemetry.events);
    let kinds = ["room", "channel"].into_iter().zip(&telemetry.messages);
    let failed = FailureReason::ALL.iter().zip(gauges.writer.failed);
    let page = Page {
        telemetry,
        gauges,
        events: events.map(|((name, _), n)| (*name, n.get())).collect(),
        messages: kinds.map(|(kind, n)| (kind, n.get())).collect(),
        writer_failed: failed.map(|(why, n)| (why.as_str(), n)).collect(),
        times: [
            Distribution::of(
                "chat_emit_seconds",
                "From receipt to the last recipient's connection.",
                &telemetry.emit,
            ),
            Distribution::of(
                "chat_save_seconds",
                "From receipt to the store's answer.",
                &telemetry.save,
            ),
        ],
    };
    page.to_string()
}

#[derive(Template)]
#[template(path = "metrics.txt")]
struct Page<'a> {
    telemetry: &'a Telemetry,
    gauges: &'a Gauges,
    events: Vec<(&'static str, u64)>,
    messages: Vec<(&'static str, u64)>,
    writer_failed: Vec<(&'static str, u64)>,
    times: [Distribution; 2],
}

impl Page<'_> {
    /// Counts by the texts of a label, these as the format wants them.
    fn labelled(&self, counters: &CounterByName) -> Vec<(String, u64)> {
        let escaped = |text: String| {
            text.replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n")
        };
        let counts = counters.get().into_iter();
        counts.map(|(text, n)| (escaped(text), n)).collect()
    }
}

/// A histogram of seconds.
struct Distribution {
    name: &'static str,
    help: &'static str,
    /// Upper ends in seconds, and how many were not above each.
    buckets: [(f64, u64); BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Distribution {
    fn of(name: &'static str, help: &'static str, times: &Times) -> Self {
        let (histogram, sum) = times.snapshot();
        let within = |seconds| {
            histogram.count_between(0, Duration::from_secs_f64(seconds).as_nanos() as u64)
        };
        Self {
            name,
            help,
            buckets: BUCKETS.map(|bound| (bound, within(bound))),
            count: histogram.len(),
            sum: sum.as_secs_f64(),
        }
    }
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
                waiting: 0,
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
