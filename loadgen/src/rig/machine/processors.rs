//! What all processors have done, as the kernel counts it in `/proc/stat`.

use std::fs;

/// Clock ticks of all processors since the machine began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Processors {
    cores: u64,
    busy: u64,
    /// Of those: interrupts, and what they left to do.
    interrupts: u64,
    idle: u64,
    stolen: u64,
}

/// What they did in a while, as parts of all their time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Used {
    pub(super) cores: f64,
    pub(super) busy: f64,
    pub(super) interrupts: f64,
    pub(super) stolen: f64,
}

impl Processors {
    /// Until now; zeros where it can't be read.
    pub(super) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").ok();
        stat.and_then(|stat| Self::parse(&stat)).unwrap_or_default()
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); one more for each processor.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .map(|ticks| ticks.parse().ok())
            .collect::<Option<_>>()?;
        let &[user, nice, system, idle, iowait, irq, softirq, stolen, ..] = ticks.as_slice() else {
            return None;
        };
        let lines = stat.lines().filter(|line| line.starts_with("cpu"));
        Some(Self {
            cores: lines.count().saturating_sub(1) as u64,
            busy: user + nice + system + irq + softirq,
            interrupts: irq + softirq,
            idle: idle + iowait,
            stolen,
        })
    }

    #[cfg(test)]
    pub(super) fn of(cores: u64, busy: u64, idle: u64, stolen: u64) -> Self {
        Self {
            cores,
            busy,
            interrupts: 0,
            idle,
            stolen,
        }
    }

    /// Since an earlier reading.
    pub(super) fn since(self, before: Self) -> Used {
        let busy = self.busy.saturating_sub(before.busy);
        let interrupts = self.interrupts.saturating_sub(before.interrupts);
        let stolen = self.stolen.saturating_sub(before.stolen);
        let all = busy + stolen + self.idle.saturating_sub(before.idle);
        let share = |ticks: u64| ticks as f64 / all.max(1) as f64;
        Used {
            cores: self.cores as f64,
            busy: share(busy),
            interrupts: share(interrupts),
            stolen: share(stolen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  1000 0 500 8000 100 10 40 50 0 0\ncpu0 500 0 250 4000 50 5 20 25 0 0\n\
                        cpu1 500 0 250 4000 50 5 20 25 0 0\nintr 7\n";

    #[test]
    fn rule_10_the_kernels_own_counters_are_read() {
        let read = Processors::parse(STAT).unwrap();
        let expected = Processors {
            cores: 2,
            busy: 1_550,
            interrupts: 50,
            idle: 8_100,
            stolen: 50,
        };
        assert_eq!(read, expected);
        for other in ["", "cpu  1 2 3", "cpu  a b c d e f g h", "intr 7"] {
            assert_eq!(Processors::parse(other), None, "{other}");
        }
    }

    #[test]
    fn rule_10_shares_are_of_all_processors_time() {
        let used = Processors::of(2, 150, 40, 10).since(Processors::of(2, 50, 0, 0));
        assert_eq!((used.busy, used.stolen), (100.0 / 150.0, 10.0 / 150.0));
        let nothing = Processors::default().since(Processors::default());
        assert_eq!(nothing.busy, 0.0);
    }
}
