//! What the generator and the server took, and what of it in one second, out of what they had taken at their samples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the generator itself took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Which client it drove: `native` or `rust_socketio`.
    pub client: String,
    /// Over which transport: `websocket`, `polling` or `upgraded`.
    pub transport: String,
    /// Threads that drove the users.
    pub workers: usize,
    /// CPU seconds of each worker thread, by second of the schedule.
    pub worker_cpu: Vec<Vec<f64>>,
    /// Resident bytes before the first connection of this process, be it to a floor or an earlier run.
    pub resident_before: u64,
    /// Resident bytes with everybody connected.
    pub resident_connected: u64,
    /// Resident bytes at the end of the schedule.
    pub resident_end: u64,
    /// Users in the plan: each has one connection at a time.
    pub connections: u64,
    /// Seconds from the first connect until everybody had joined.
    pub connect_seconds: f64,
    /// CPU seconds of this process while messages were sent.
    pub cpu_seconds: f64,
    /// CPU and memory of this process, second by second of the schedule.
    pub usage: Vec<UsageSecond>,
}

/// What a process had taken at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageSecond {
    /// Seconds from the start of the schedule.
    pub at: f64,
    /// CPU seconds since the process began.
    pub cpu_seconds: f64,
    /// Resident bytes at that moment.
    pub resident: u64,
    /// Messages that waited for the store; `None` of a process without such a queue.
    pub queue: Option<u64>,
}

/// What the server took while messages were sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerUse {
    /// CPU seconds of its process while messages were sent.
    pub cpu_seconds: f64,
    /// Resident bytes at the end of the schedule.
    pub resident: u64,
    /// CPU and memory of the server's process, second by second of the schedule.
    pub usage: Vec<UsageSecond>,
}

impl Generator {
    /// Resident bytes for each connection, the plan and the ledger left out since they were there before; `None` for
    /// so few that the buffers that all share would look like theirs.
    pub fn bytes_per_connection(&self) -> Option<u64> {
        if self.connections < 1_000 {
            return None;
        }
        self.resident_connected
            .saturating_sub(self.resident_before)
            .checked_div(self.connections)
    }
}

/// What a process took during one second of the schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct During {
    /// CPU seconds in it.
    pub cpu_seconds: f64,
    /// The most resident bytes of its samples, of the first one after it where it has none.
    pub resident: u64,
    /// The most messages that waited for the store, likewise, where that is known.
    pub queue: Option<u64>,
}

/// The second's share between the last sample before its middle and the first one after; `None` where there are none.
pub(crate) fn per_second(usage: &[UsageSecond], second: usize) -> Option<During> {
    let middle = second as f64 + 0.5;
    let after = usage.partition_point(|sample| sample.at < middle);
    let (before, after) = (usage.get(after.checked_sub(1)?)?, usage.get(after)?);
    let passed = after.at - before.at;
    let start = second as f64;
    let within = usage
        .iter()
        .filter(|sample| (start..start + 1.0).contains(&sample.at));
    let resident = within.clone().map(|sample| sample.resident).max();
    let queue = within.filter_map(|sample| sample.queue).max();
    (passed > 0.0).then(|| During {
        cpu_seconds: (after.cpu_seconds - before.cpu_seconds).max(0.0) / passed,
        resident: resident.unwrap_or(after.resident),
        queue: queue.or(after.queue),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: f64, cpu_seconds: f64) -> UsageSecond {
        UsageSecond {
            at,
            cpu_seconds,
            resident: 7,
            queue: None,
        }
    }

    #[test]
    fn what_goes_up_and_down_is_the_most_within_the_second() {
        let queue = |at, queue| UsageSecond {
            queue: Some(queue),
            ..sample(at, at)
        };
        let usage = [
            queue(0.0, 1),
            queue(1.1, 40),
            queue(1.4, 900),
            queue(1.9, 3),
            queue(3.0, 5),
        ];
        let queued = |second| per_second(&usage, second).and_then(|during| during.queue);
        assert_eq!(queued(1), Some(900));
        // Without a sample of its own, that of the next.
        assert_eq!(queued(2), Some(5));
    }

    #[test]
    fn a_second_takes_what_lies_between_its_samples() {
        let usage = [sample(0.0, 1.0), sample(1.0, 1.25), sample(3.0, 2.25)];
        let cpu = |second| per_second(&usage, second).map(|during| during.cpu_seconds);
        assert_eq!(cpu(0), Some(0.25));
        assert_eq!(cpu(1), Some(0.5));
        assert_eq!(cpu(2), Some(0.5));
        assert_eq!(cpu(3), None);
        assert_eq!(per_second(&[], 0), None);
    }
}
