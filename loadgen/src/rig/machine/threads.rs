//! What the scheduler says of threads: how long each ran, and how long it was ready and had no processor.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use super::ONLOOKER;
use crate::model::Nanos;

/// What a thread has had since it began, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) ran: Nanos,
    pub(super) waited: Nanos,
}

impl Times {
    /// The first two fields of `schedstat` (proc(5), `/proc/[pid]/task/[tid]/schedstat`).
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_ascii_whitespace();
        Some(Self {
            ran: fields.next()?.parse().ok()?,
            waited: fields.next()?.parse().ok()?,
        })
    }
}

/// The threads of some processes, by process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Threads(pub(super) BTreeMap<u32, BTreeMap<u32, Times>>);

impl Threads {
    /// Those of these processes that can be read.
    pub(super) fn now(processes: impl Iterator<Item = u32>) -> Self {
        Self(processes.map(|process| (process, of(process))).collect())
    }

    /// How long all of them ran together since an earlier reading, nanoseconds.
    ///
    /// A process that appears counts from its second reading on, a thread of a known process from its beginning.
    pub(super) fn ran_since(&self, before: &Self) -> Nanos {
        let known = self.0.iter();
        let known = known.filter_map(|(process, threads)| Some((threads, before.0.get(process)?)));
        let ran = known.flat_map(|(threads, known)| {
            threads.iter().map(move |(thread, now)| {
                let earlier = known.get(thread).copied().unwrap_or_default();
                now.ran.saturating_sub(earlier.ran)
            })
        });
        ran.sum()
    }
}

fn of(process: u32) -> BTreeMap<u32, Times> {
    tasks(process)
        .filter_map(|thread| {
            let path = format!("/proc/{process}/task/{thread}/schedstat");
            Some((thread, Times::parse(&fs::read_to_string(path).ok()?)?))
        })
        .collect()
}

/// How long one thread waits for a processor.
#[derive(Debug)]
pub(super) struct Wait {
    /// `None` where the kernel keeps no such numbers.
    file: Option<File>,
    last: Nanos,
}

impl Wait {
    /// Of this thread, from now on.
    pub(super) fn own() -> Self {
        Self::of("/proc/thread-self/schedstat")
    }

    fn of(path: &str) -> Self {
        let mut wait = Self {
            file: File::open(path).ok(),
            last: 0,
        };
        wait.since_last();
        wait
    }

    /// Since it was last asked, nanoseconds. One read of a file that stays open: 2 µs.
    pub(super) fn since_last(&mut self) -> Nanos {
        let mut text = [0; 96];
        let read = self.file.as_ref().map(|file| file.read_at(&mut text, 0));
        let Some(Ok(bytes)) = read else {
            return 0;
        };
        let times = str::from_utf8(&text[..bytes]).ok().and_then(Times::parse);
        let waited = times.map_or(self.last, |times| times.waited);
        let since = waited.saturating_sub(self.last);
        self.last = waited;
        since
    }
}

/// A wait in one step that holds nobody up: a fifth of the step. A thousand waits of 50 µs each are the price of being
/// woken on a busy machine, and one of 50 ms is ten times the promise.
const SHORT: f64 = 0.2;

/// The long waits of some threads, looked at step by step.
#[derive(Debug, Default)]
pub(super) struct LongWaits {
    threads: BTreeMap<(u32, u32), Wait>,
    /// When the step before ended.
    last: Option<Instant>,
}

impl LongWaits {
    /// Looks at the threads that these processes have now.
    pub(super) fn refresh(&mut self, processes: &[u32]) {
        let mut threads = BTreeMap::new();
        for &process in processes {
            for thread in tasks(process) {
                let known = self.threads.remove(&(process, thread));
                if known.is_none() && is_onlooker(process, thread) {
                    continue;
                }
                let path = || format!("/proc/{process}/task/{thread}/schedstat");
                let wait = known.unwrap_or_else(|| Wait::of(&path()));
                threads.insert((process, thread), wait);
            }
        }
        self.threads = threads;
    }

    /// Ends a step: how long the thread that waited longest did so in it, if that was long.
    pub(super) fn step(&mut self, now: Instant) -> Nanos {
        let last = self.last.replace(now).unwrap_or(now);
        let waits = self.threads.values_mut().map(Wait::since_last);
        let longest = waits.max().unwrap_or(0);
        if is_long(longest, now.saturating_duration_since(last)) {
            longest
        } else {
            0
        }
    }
}

/// A thread of this program that only looks on. What others call theirs says nothing.
fn is_onlooker(process: u32, thread: u32) -> bool {
    process == std::process::id()
        && fs::read_to_string(format!("/proc/{process}/task/{thread}/comm"))
            .is_ok_and(|name| name.trim_end() == ONLOOKER)
}

fn is_long(wait: Nanos, step: Duration) -> bool {
    Duration::from_nanos(wait) > step.mul_f64(SHORT)
}

fn tasks(process: u32) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(format!("/proc/{process}/task"));
    let entries = entries.into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(of: &[(u32, u32, Nanos)]) -> Threads {
        let mut threads = Threads::default();
        for &(process, thread, ran) in of {
            let process = threads.0.entry(process).or_default();
            process.insert(thread, Times { ran, waited: 0 });
        }
        threads
    }

    #[test]
    fn rule_10_what_all_threads_ran_is_one_sum() {
        let before = threads(&[(1, 1, 100), (1, 2, 50), (7, 7, 0)]);
        let after = threads(&[(1, 1, 140), (1, 2, 60), (7, 7, 5)]);
        assert_eq!(after.ran_since(&before), 55);
    }

    #[test]
    fn a_process_that_appears_counts_from_its_second_reading_on_and_its_threads_from_their_first() {
        let before = threads(&[(1, 1, 100)]);
        let after = threads(&[(1, 1, 100), (1, 2, 7), (9, 9, 5_000)]);
        assert_eq!(after.ran_since(&before), 7);
    }

    #[test]
    fn rule_10_many_short_waits_are_no_long_one() {
        let step = Duration::from_millis(10);
        assert!(!is_long(500_000, step));
        assert!(is_long(3_000_000, step));
        // Whoever looks was late itself.
        assert!(!is_long(3_000_000, 3 * step));
        assert!(!is_long(0, Duration::ZERO));
    }

    #[test]
    fn rule_10_a_thread_that_only_looks_on_keeps_nothing_waiting() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let stopped = std::sync::Arc::new(std::sync::Mutex::new(stopped));
        let mut threads = Vec::new();
        for name in [ONLOOKER, "worker"] {
            let (tell, stopped) = (tell.clone(), std::sync::Arc::clone(&stopped));
            let thread = std::thread::Builder::new().name(name.to_owned());
            threads.push(thread.spawn(move || {
                let id = rustix::thread::gettid().as_raw_nonzero().get() as u32;
                tell.send(id).unwrap();
                let _ = stopped.lock().unwrap().recv();
            }));
        }
        let ids: Vec<u32> = told.iter().take(2).collect();
        let mut waits = LongWaits::default();
        let own = std::process::id();
        waits.refresh(&[own]);
        let known = |id: &&u32| waits.threads.contains_key(&(own, **id));
        assert_eq!(ids.iter().filter(known).count(), 1);
        drop(stop);
        for thread in threads {
            thread.unwrap().join().unwrap();
        }
    }

    #[test]
    fn the_kernels_line_is_read_and_anything_else_is_not() {
        assert_eq!(
            Times::parse("269172 1782222 2\n"),
            Some(Times {
                ran: 269_172,
                waited: 1_782_222
            })
        );
        assert_eq!(Times::parse("269172"), None);
        assert_eq!(Times::parse("a b c"), None);
    }

    #[test]
    fn this_process_and_its_threads_can_be_read() {
        let own = Threads::now([std::process::id()].into_iter());
        assert!(
            own.0[&std::process::id()]
                .values()
                .any(|times| times.ran > 0)
        );
        let mut wait = Wait::own();
        assert!(wait.file.is_some());
        wait.since_last();
        let mut waits = LongWaits::default();
        waits.refresh(&[std::process::id()]);
        assert!(!waits.threads.is_empty());
        waits.step(Instant::now());
    }
}
