//! What a process took in one second, out of what it had taken at its samples.

use super::UsageSecond;

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
