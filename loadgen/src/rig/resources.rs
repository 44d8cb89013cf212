//! CPU time and memory of a process, read from `/proc`, once or every so often during a run.

use std::{
    fs,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::error::TargetError;

/// What a process has used until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads since it started, user and system, in steps of a clock tick (10 ms as a rule).
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident: u64,
}

/// A process's [`Usage`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceSample {
    /// When it was read.
    pub at: Instant,
    /// What it was.
    pub usage: Usage,
}

/// What is measured on this machine: one process, or a command with its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// The process of this id.
    One(u32),
    /// All processes of the group of this id, and what those have used that they have waited for.
    Group(u32),
    /// All that the process of this id has started.
    Children(u32),
}

impl Processes {
    /// Reads what they have used until now.
    ///
    /// # Errors
    /// [`TargetError::Usage`] if none is there or its numbers cannot be read.
    pub fn usage(self) -> Result<Usage, TargetError> {
        let group = match self {
            Processes::One(pid) => return usage_of(pid),
            Processes::Group(id) | Processes::Children(id) => id,
        };
        let mut sum = Usage {
            cpu: Duration::ZERO,
            resident: 0,
        };
        for pid in self.ids() {
            // Whoever has ended meanwhile is counted by who waited for it.
            if let (Ok(usage), Ok(stat)) = (
                usage_of(pid),
                fs::read_to_string(format!("/proc/{pid}/stat")),
            ) {
                let ended = ticks(&stat, ENDED_CHILDREN).unwrap_or(0);
                sum.cpu += usage.cpu + seconds(ended);
                sum.resident += usage.resident;
            }
        }
        match sum.resident {
            0 => Err(TargetError::Usage {
                pid: group,
                reason: "no process of the command is left".to_owned(),
            }),
            _ => Ok(sum),
        }
    }

    /// The id of the process, or of the group.
    pub const fn id(self) -> u32 {
        match self {
            Processes::One(id) | Processes::Group(id) | Processes::Children(id) => id,
        }
    }

    /// Whether all of them have been told to stand still (SIGSTOP), and do.
    pub fn stand_still(self) -> bool {
        let stands = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            // The name before it may have any characters in it.
            stat.is_ok_and(|stat| {
                let behind = stat.rsplit_once(')').map(|(_, behind)| behind.trim_start());
                behind.is_some_and(|behind| behind.starts_with('T'))
            })
        };
        let pids = self.ids();
        !pids.is_empty() && pids.iter().all(stands)
    }

    /// The processes as they are now.
    pub fn ids(self) -> Vec<u32> {
        let (id, place) = match self {
            Processes::One(pid) => return vec![pid],
            Processes::Group(group) => (u64::from(group), PROCESS_GROUP),
            Processes::Children(parent) => (u64::from(parent), PARENT),
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
                stat.is_ok_and(|stat| field(&stat, place) == Some(id))
            })
            .collect()
    }
}

/// Reads what all of these have used until now, together.
///
/// # Errors
/// As [`Processes::usage`], if any of them is gone: what the others have used is no sum of all.
pub fn usage_of_all(all: &[Processes]) -> Result<Usage, TargetError> {
    let mut sum = Usage {
        cpu: Duration::ZERO,
        resident: 0,
    };
    for one in all {
        let usage = one.usage()?;
        sum.cpu += usage.cpu;
        sum.resident += usage.resident;
    }
    Ok(sum)
}

/// Reads what the process `pid` has used.
///
/// # Errors
/// [`TargetError::Usage`] if there is no such process or its numbers cannot be read.
pub fn usage_of(pid: u32) -> Result<Usage, TargetError> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path).map_err(|error| TargetError::Usage {
            pid,
            reason: format!("{path}: {error}"),
        })
    };
    let unexpected = |name: &str| TargetError::Usage {
        pid,
        reason: format!("unexpected contents of {name}"),
    };
    let ticks = cpu_ticks(&read("stat")?).ok_or_else(|| unexpected("stat"))?;
    let pages = resident_pages(&read("statm")?).ok_or_else(|| unexpected("statm"))?;
    Ok(Usage {
        cpu: seconds(ticks),
        resident: pages * rustix::param::page_size() as u64,
    })
}

/// Of `/proc/<pid>/stat`, counted from the process's state: its group.
const PROCESS_GROUP: usize = 2;
/// Its parent.
const PARENT: usize = 1;
/// `utime` and `stime`.
const OWN: [usize; 2] = [11, 12];
/// `cutime` and `cstime`: of children that have ended and were waited for.
const ENDED_CHILDREN: [usize; 2] = [13, 14];

/// The CPU ticks of a process, user and system.
fn cpu_ticks(stat: &str) -> Option<u64> {
    ticks(stat, OWN)
}

fn ticks(stat: &str, [user, system]: [usize; 2]) -> Option<u64> {
    Some(field(stat, user)? + field(stat, system)?)
}

/// A field of `/proc/<pid>/stat`. The second is the program's name in parentheses and may itself hold blanks and
/// parentheses, so fields are counted from behind the last one.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    fields.nth(number)?.parse().ok()
}

fn seconds(ticks: u64) -> Duration {
    Duration::from_secs(ticks)
        / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

/// The second field of `/proc/<pid>/statm`.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Samples processes at a steady interval, on a thread of its own so that no runtime's load delays it.
#[derive(Debug)]
pub struct ResourceSampler {
    // Dropping it ends the thread.
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<Vec<ResourceSample>>,
}

impl ResourceSampler {
    /// Takes a first sample at once and then one every `interval`, until it is finished or any of the processes is gone.
    ///
    /// # Errors
    /// [`TargetError::Usage`] if one of the processes cannot be read now, or no thread can be started.
    pub fn start(of: &[Processes], interval: Duration) -> Result<ResourceSampler, TargetError> {
        let first = ResourceSample {
            at: Instant::now(),
            usage: usage_of_all(of)?,
        };
        let (stop, stopped) = mpsc::channel::<()>();
        let all = of.to_vec();
        let thread = thread::Builder::new()
            .name("resources".to_owned())
            .spawn(move || sample(&all, interval, first, &stopped))
            .map_err(|error| TargetError::Usage {
                pid: of.first().map_or(0, |first| first.id()),
                reason: error.to_string(),
            })?;
        Ok(ResourceSampler { stop, thread })
    }

    /// Takes a last sample, if all processes are still there, and returns all of them, oldest first.
    #[must_use]
    pub fn finish(self) -> Vec<ResourceSample> {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn sample(
    of: &[Processes],
    interval: Duration,
    first: ResourceSample,
    stopped: &mpsc::Receiver<()>,
) -> Vec<ResourceSample> {
    let mut samples = vec![first];
    loop {
        // On an absolute schedule, so that a late sample does not shift all that follow.
        let due = first.at + interval * u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let waited = stopped.recv_timeout(due.saturating_duration_since(Instant::now()));
        let Ok(usage) = usage_of_all(of) else {
            return samples;
        };
        samples.push(ResourceSample {
            at: Instant::now(),
            usage,
        });
        if waited != Err(mpsc::RecvTimeoutError::Timeout) {
            return samples;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_a_name_with_blanks_and_parentheses() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 200";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("42 (short) S 1"), None);
        assert_eq!(cpu_ticks(""), None);
        assert_eq!(resident_pages("1000 200 30 4 0 50 0"), Some(200));
        assert_eq!(resident_pages("1000"), None);
    }

    #[test]
    fn the_own_process_uses_memory_and_its_cpu_time_grows_with_work() {
        let me = std::process::id();
        let before = usage_of(me).unwrap();
        assert!(before.resident > 100_000, "{before:?}");
        // Until the kernel has charged a tenth of a second, however long that takes on a busy machine.
        let mut x = 1_u64;
        while usage_of(me).unwrap().cpu < before.cpu + Duration::from_millis(100) {
            for _ in 0..100_000 {
                x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        // Above the highest process id that Linux gives.
        let error = usage_of(1 << 30).unwrap_err().to_string();
        assert!(error.contains("/proc/1073741824/stat"), "{error}");
        let none = [Processes::One(1 << 30)];
        assert!(ResourceSampler::start(&none, Duration::from_secs(1)).is_err());
    }

    #[test]
    fn the_sampler_returns_a_first_and_a_last_sample_and_some_between() {
        let own = [Processes::One(std::process::id())];
        let sampler = ResourceSampler::start(&own, Duration::from_millis(10)).unwrap();
        thread::sleep(Duration::from_millis(55));
        let samples = sampler.finish();
        assert!(samples.len() >= 2, "{samples:?}");
        assert!(samples.is_sorted_by_key(|sample| sample.at));
        assert!(samples.is_sorted_by_key(|sample| sample.usage.cpu));
    }

    #[test]
    fn a_group_has_what_all_its_processes_have() {
        use std::os::unix::process::CommandExt;
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 100 & sleep 100 & wait"])
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Processes::Group(shell.id());
        while group.ids().len() < 3 {
            thread::sleep(Duration::from_millis(5));
        }
        let whole = group.usage().unwrap();
        let one = Processes::One(shell.id()).usage().unwrap();
        assert!(whole.resident > one.resident, "{whole:?} {one:?}");
        let id = rustix::process::Pid::from_child(&shell);
        rustix::process::kill_process_group(id, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
        while !group.ids().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(group.usage().is_err());
    }

    #[test]
    fn the_sampler_ends_with_its_process() {
        let mut child = std::process::Command::new("sleep")
            .arg("100")
            .spawn()
            .unwrap();
        // One of several is enough.
        let both = [child.id(), std::process::id()].map(Processes::One);
        let sampler = ResourceSampler::start(&both, Duration::from_millis(5)).unwrap();
        assert!(usage_of_all(&both).is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!sampler.finish().is_empty());
        assert!(usage_of_all(&both).is_err());
    }

    #[test]
    fn several_have_what_each_of_them_has() {
        let own = Processes::One(std::process::id());
        let one = own.usage().unwrap();
        let twice = usage_of_all(&[own, own]).unwrap();
        // Memory may shrink meanwhile, but not to the half of it; CPU time never does.
        assert!(twice.resident > one.resident, "{twice:?} {one:?}");
        assert!(twice.cpu >= 2 * one.cpu, "{twice:?} {one:?}");
    }
}
