//! The machine's own testimony, second by second: the CPU that the hypervisor and strangers took from the run.
//!
//! A window that is called disturbed says nothing about the server. It is called so by this evidence alone, never by
//! the latencies in it (`docs/MEASUREMENT.md`, rule 10).

mod hiccup;

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

pub use self::hiccup::HiccupMonitor;
use crate::{
    observed::{Cause, MachineSecond},
    rig::{Processes, cpu_ticks},
};

/// The length of a window.
const SECOND: Duration = Duration::from_secs(1);
/// Of all cores' time in a second, as much stolen by the hypervisor as makes the second disturbed: 100 ms on two cores.
/// Bursts of 5 to 10 ms are the everyday life of a virtual machine and stay charged.
const STOLEN: f64 = 0.05;
/// Of all cores' time in a second, as much used by processes that are no part of the run as makes it disturbed.
const FOREIGN: f64 = 0.15;
/// Databases on this machine are part of what is measured, whoever started them.
const DATABASES: [&str; 2] = ["mongod", "mongos"];

/// Watches the machine on a thread of its own.
pub struct Monitor {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
    seconds: Arc<Mutex<Vec<MachineSecond>>>,
}

impl Monitor {
    /// Watches from `start` on, a second at a time. `own` are the processes of the run, this one included; `None` where
    /// nobody knows which process the server is: then all that is used may be the run's.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(start: Instant, own: Option<Vec<Processes>>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let seconds = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&seconds);
        let thread = thread::Builder::new()
            .name("machine".to_owned())
            .spawn(move || watch(start, own.as_deref(), &stopped, &seen))?;
        Ok(Self {
            stop,
            thread,
            seconds,
        })
    }

    /// The seconds that have passed until now.
    pub fn so_far(&self) -> Vec<MachineSecond> {
        let seconds = self.seconds.lock();
        seconds.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The seconds that have passed, the last one too if most of it has.
    pub fn finish(self) -> Vec<MachineSecond> {
        drop(self.stop);
        // Should it have panicked, what it saw before is there all the same.
        let _ = self.thread.join();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut seconds)
    }
}

fn watch(
    start: Instant,
    own: Option<&[Processes]>,
    stopped: &mpsc::Receiver<()>,
    seen: &Mutex<Vec<MachineSecond>>,
) {
    let until = |at: Instant| {
        stopped.recv_timeout(at.saturating_duration_since(Instant::now()))
            == Err(mpsc::RecvTimeoutError::Timeout)
    };
    if !until(start) {
        return;
    }
    let mut before = Counted::now(own);
    for second in 1.. {
        let due = start + SECOND * second;
        let goes_on = until(due);
        let after = Counted::now(own);
        let most_of_it = Instant::now() + SECOND / 2 >= due;
        if goes_on || most_of_it {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(after.since(&before));
        }
        if !goes_on {
            return;
        }
        before = after;
    }
}

/// The kernel's counters at a moment, in clock ticks.
#[derive(Debug, Clone, Default, PartialEq)]
struct Counted {
    busy: u64,
    idle: u64,
    stolen: u64,
    /// By process: one that ends must not look as if it gave time back. `None`: everybody may belong to the run.
    own: Option<BTreeMap<u32, u64>>,
}

impl Counted {
    fn now(own: Option<&[Processes]>) -> Self {
        let mut counted = fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|stat| Self::parse(&stat))
            .unwrap_or_default();
        counted.own = own.map(|own| {
            own.iter()
                .flat_map(|processes| processes.ids())
                .chain(databases())
                .filter_map(|pid| {
                    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
                    Some((pid, cpu_ticks(&stat)?))
                })
                .collect()
        });
        counted
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .map(|ticks| ticks.parse().ok())
            .collect::<Option<_>>()?;
        let &[user, nice, system, idle, iowait, irq, softirq, stolen, ..] = ticks.as_slice() else {
            return None;
        };
        Some(Self {
            busy: user + nice + system + irq + softirq,
            idle: idle + iowait,
            stolen,
            own: None,
        })
    }

    fn since(&self, before: &Self) -> MachineSecond {
        let busy = self.busy.saturating_sub(before.busy);
        let stolen = self.stolen.saturating_sub(before.stolen);
        let all = busy + stolen + self.idle.saturating_sub(before.idle);
        let own = match (&self.own, &before.own) {
            (Some(after), Some(before)) => after
                .iter()
                .filter_map(|(pid, ticks)| Some(ticks.saturating_sub(*before.get(pid)?)))
                .sum(),
            _ => busy,
        };
        let share = |ticks: u64| ticks as f64 / all.max(1) as f64;
        let (stolen, foreign) = (share(stolen), share(busy.saturating_sub(own)));
        let cause = if stolen >= STOLEN {
            Some(Cause::Stolen)
        } else {
            (foreign >= FOREIGN).then_some(Cause::Strangers)
        };
        MachineSecond {
            busy: share(busy),
            stolen,
            foreign,
            disturbed: cause.is_some(),
            cause,
        }
    }
}

/// The databases that run on this machine, in containers too.
fn databases() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| DATABASES.contains(&name.trim()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(busy: u64, idle: u64, stolen: u64, own: &[(u32, u64)]) -> Counted {
        Counted {
            busy,
            idle,
            stolen,
            own: Some(own.iter().copied().collect()),
        }
    }

    #[test]
    fn the_kernels_line_is_read() {
        let stat = "cpu  10 20 30 400 5 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(
            Counted::parse(stat),
            Some(Counted {
                own: None,
                ..counted(73, 405, 8, &[])
            })
        );
        assert_eq!(Counted::parse("intr 1 2 3\n"), None);
    }

    #[test]
    fn rule_10_what_the_run_itself_uses_is_not_foreign() {
        let before = counted(1_000, 5_000, 0, &[(1, 100), (2, 50)]);
        let second = counted(1_180, 5_020, 0, &[(1, 200), (2, 130)]).since(&before);
        assert_eq!((second.busy, second.foreign), (0.9, 0.0));
        assert!(!second.disturbed);
    }

    #[test]
    fn rule_10_strangers_and_the_hypervisor_disturb() {
        let before = counted(1_000, 5_000, 0, &[(1, 100)]);
        let strangers = counted(1_200, 5_000, 0, &[(1, 200)]).since(&before);
        assert!(strangers.disturbed && strangers.foreign == 0.5);
        let stolen = counted(1_100, 5_090, 10, &[(1, 200)]).since(&before);
        assert!(stolen.disturbed && stolen.foreign == 0.0);
    }

    #[test]
    fn rule_10_where_nobody_knows_the_server_nobody_is_a_stranger() {
        let before = Counted {
            own: None,
            ..counted(0, 0, 0, &[])
        };
        let second = Counted {
            own: None,
            ..counted(200, 0, 0, &[])
        }
        .since(&before);
        assert_eq!((second.busy, second.foreign), (1.0, 0.0));
    }

    #[test]
    fn a_process_that_appears_counts_from_its_second_sample_on() {
        let before = counted(0, 0, 0, &[]);
        let second = counted(100, 100, 0, &[(7, 5_000)]).since(&before);
        assert_eq!(second.foreign, 0.5);
    }

    #[test]
    fn rule_10_this_machine_is_watched_by_the_second() {
        let monitor = Monitor::start(
            Instant::now(),
            Some(vec![Processes::One(std::process::id())]),
        )
        .unwrap();
        thread::sleep(Duration::from_millis(2_100));
        let seconds = monitor.finish();
        assert!((2..=3).contains(&seconds.len()), "{seconds:?}");
        assert!(
            seconds
                .iter()
                .all(|second| (0.0..=1.0).contains(&second.busy)),
            "{seconds:?}"
        );
    }
}
