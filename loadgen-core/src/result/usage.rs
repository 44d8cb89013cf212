//! What a process took in one second, out of what it had taken at its samples.

use super::UsageSecond;

/// What a process took during one second of the schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct During {
    /// CPU seconds in it.
    pub cpu_seconds: f64,
    /// Resident bytes at its end.
    pub resident: u64,
    /// Messages that waited for the store at its end, where that is known.
    pub queue: Option<u64>,
}

/// The second's share between the last sample before its middle and the first one after; `None` where there are none.
pub(crate) fn per_second(usage: &[UsageSecond], second: usize) -> Option<During> {
    let middle = second as f64 + 0.5;
    let after = usage.partition_point(|sample| sample.at < middle);
    let (before, after) = (usage.get(after.checked_sub(1)?)?, usage.get(after)?);
    let passed = after.at - before.at;
    (passed > 0.0).then(|| During {
        cpu_seconds: (after.cpu_seconds - before.cpu_seconds).max(0.0) / passed,
        resident: after.resident,
        queue: after.queue,
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
