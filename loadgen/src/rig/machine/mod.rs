//! The machine's own testimony, second by second: what kept the run from going on that was not its own doing.
//!
//! A second that is called disturbed says nothing against the server. It is called so by this evidence alone, never by
//! the latencies in it (`docs/MEASUREMENT.md`, rule 10).

mod busy;
mod hiccup;
mod processors;
mod quota;
mod server;
mod threads;

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

pub use self::{busy::ThreadMeter, hiccup::HiccupMonitor, server::Server};
use self::{
    processors::Processors,
    quota::{Quotas, Throttled},
    threads::{LongWaits, Threads},
};
use crate::{model::Nanos, observed::MachineSecond, rig::Processes};

/// The length of a window.
const SECOND: Duration = Duration::from_secs(1);
/// How often waits are looked at: a wait of the promise's length is half of it.
const STEP: Duration = Duration::from_millis(10);
/// Databases on this machine are part of what is measured, whoever started them.
const DATABASES: [&str; 2] = ["mongod", "mongos"];
/// So is what joins several servers, and what passes on to a server or a database in a container.
const BETWEEN: [&str; 3] = ["redis-server", "valkey-server", PROXY];
/// A proxy of this name listens for a server in a container, whose own process nobody knows.
const PROXY: &str = "docker-proxy";

/// The name of a thread of this program that the run does not need: when it waits for a processor, nothing of the run does.
pub const ONLOOKER: &str = "onlooker";

/// Watches the machine on a thread of its own.
pub struct Monitor {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
    seen: Arc<Mutex<Seen>>,
}

/// What was seen until now.
#[derive(Default)]
struct Seen {
    seconds: Vec<MachineSecond>,
    /// What followed them until the end, if that was less than most of a second.
    rest: Option<MachineSecond>,
}

impl Monitor {
    /// Watches from `start` on, a second at a time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(start: Instant, server: Server) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mine = Arc::clone(&seen);
        let thread = thread::Builder::new()
            .name("machine".to_owned())
            .spawn(move || watch(start, &Kernel::of(server), &stopped, &mine))?;
        Ok(Self { stop, thread, seen })
    }

    /// The seconds that have passed until now.
    pub fn so_far(&self) -> Vec<MachineSecond> {
        let seen = self.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).seconds.clone()
    }

    /// The seconds that have passed, the last one too if most of it has.
    pub fn finish(self) -> Vec<MachineSecond> {
        self.end().seconds
    }

    /// The seconds that have passed, and what there was of the last one, however little.
    pub fn finish_with_rest(self) -> Vec<MachineSecond> {
        let Seen { mut seconds, rest } = self.end();
        seconds.extend(rest);
        seconds
    }

    fn end(self) -> Seen {
        drop(self.stop);
        // Should it have panicked, what it saw before is there all the same.
        let _ = self.thread.join();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut seen)
    }
}

fn watch(start: Instant, kernel: &Kernel, stopped: &mpsc::Receiver<()>, seen: &Mutex<Seen>) {
    let until = |at: Instant| {
        stopped.recv_timeout(at.saturating_duration_since(Instant::now()))
            == Err(mpsc::RecvTimeoutError::Timeout)
    };
    if !until(start) {
        return;
    }
    let mut waits = LongWaits::default();
    let mut before = kernel.now();
    for second in 1.. {
        let due = start + SECOND * second;
        waits.refresh(&kernel.run());
        let mut waited = 0;
        let goes_on = loop {
            let now = Instant::now();
            waited += waits.step(now);
            if now >= due {
                break true;
            }
            if !until(due.min(now + STEP)) {
                break false;
            }
        };
        let after = kernel.now();
        let most_of_it = is_most_of_a_second(Instant::now(), due);
        let passed = kernel.between(&before, &after, waited);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match goes_on || most_of_it {
            true => seen.seconds.push(passed),
            false => seen.rest = Some(passed),
        }
        drop(seen);
        if !goes_on {
            return;
        }
        before = after;
    }
}

/// Whether most of the second has passed by then that is over when it is due.
fn is_most_of_a_second(now: Instant, due: Instant) -> bool {
    now + SECOND / 2 >= due
}

/// What the kernel is asked.
struct Kernel {
    server: Server,
    quotas: Quotas,
}

/// What it has counted until a moment.
#[derive(Debug, Clone)]
struct Counted {
    at: Instant,
    processors: Processors,
    /// Of the run's own processes.
    threads: Threads,
    throttled: Throttled,
}

impl Kernel {
    fn of(server: Server) -> Self {
        Self {
            server,
            quotas: Quotas::own(),
        }
    }

    /// The generator and the server, as far as it is known.
    fn run(&self) -> Vec<u32> {
        let server: &[Processes] = match &self.server {
            Server::Here(server) => server,
            Server::Unknown | Server::Elsewhere => &[],
        };
        let server = server.iter().flat_map(|processes| processes.ids());
        std::iter::once(std::process::id()).chain(server).collect()
    }

    fn now(&self) -> Counted {
        let threads = match &self.server {
            Server::Here(_) => {
                let beside = called(|name| DATABASES.contains(&name) || BETWEEN.contains(&name));
                Threads::now(self.run().into_iter().chain(beside))
            }
            Server::Unknown | Server::Elsewhere => Threads::now(self.run().into_iter()),
        };
        Counted {
            processors: Processors::now(),
            threads,
            throttled: self.quotas.now(),
            // Last: what the reading took belongs to the second that it ends.
            at: Instant::now(),
        }
    }

    /// What happened between two readings, with how long a thread of the run waited meanwhile.
    fn between(&self, before: &Counted, after: &Counted, waited: Nanos) -> MachineSecond {
        let used = after.processors.since(before.processors);
        let elapsed = after.at.saturating_duration_since(before.at).as_secs_f64();
        let ran = after.threads.ran_since(&before.threads) as f64 / 1e9;
        let all = used.cores * elapsed;
        // Interrupts are nobody's: as a rule they are for what the run itself sends.
        let others = ((used.busy - used.interrupts) * all - ran).max(0.0);
        let others = match self.server {
            Server::Unknown => 0.0,
            Server::Here(_) | Server::Elsewhere => others,
        };
        let second = MachineSecond {
            busy: used.busy,
            stolen: used.stolen,
            foreign: others / all.max(f64::MIN_POSITIVE),
            waited: waited as f64 / 1e9,
            throttled: after.throttled.since(before.throttled).as_secs_f64(),
            ..MachineSecond::default()
        };
        let second = match self.server {
            Server::Elsewhere => second.waiting_for(all, used.cores),
            Server::Here(_) | Server::Unknown => second.waiting_for(others, used.cores),
        };
        second.weighed()
    }
}

/// The processes on this machine, in containers too, whose names are such.
fn called(is: impl Fn(&str) -> bool) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes
        .filter(|pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| is(name.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{threads::Times, *};
    use crate::observed::Cause;

    /// A second apart on two cores: what was used of them in seconds, how long the generator ran and waited, and how
    /// much the hypervisor took.
    fn second(server: Server, used: f64, ran: f64, waited: f64, stolen: f64) -> MachineSecond {
        let start = Instant::now();
        let ticks = |seconds: f64| (seconds * 100.0) as u64;
        let counted = |used: f64, stolen: f64, ran: f64, at: Instant| Counted {
            at,
            processors: Processors::of(
                2,
                ticks(used),
                ticks(10.0 + 2.0 * (at - start).as_secs_f64() - used - stolen),
                ticks(stolen),
            ),
            threads: Threads(
                [(
                    1,
                    [(
                        1,
                        Times {
                            ran: (ran * 1e9) as u64,
                            waited: 0,
                        },
                    )]
                    .into(),
                )]
                .into(),
            ),
            throttled: Throttled::default(),
        };
        let kernel = Kernel {
            server,
            quotas: Quotas::default(),
        };
        kernel.between(
            &counted(0.0, 0.0, 0.0, start),
            &counted(used, stolen, ran, start + SECOND),
            (waited * 1e9) as u64,
        )
    }

    #[test]
    fn rule_10_a_wait_is_charged_to_the_others_that_ran_meanwhile() {
        let own = || Server::Here(vec![Processes::One(1)]);
        let waited = second(own(), 2.0, 0.8, 0.3, 0.0);
        assert_eq!(waited.cause, Some(Cause::Waited), "{waited:?}");
        assert!((waited.foreign - 0.6).abs() < 0.01, "{waited:?}");
        // The run's own threads had the processors.
        let starved = second(own(), 2.0, 1.95, 0.5, 0.0);
        assert_eq!(starved.cause, None, "{starved:?}");
        // Others ran, and nobody had to wait for them.
        let beside = second(own(), 1.5, 0.5, 0.004, 0.0);
        assert_eq!(beside.cause, None, "{beside:?}");
        assert_eq!(second(own(), 0.5, 0.5, 0.0, 0.2).cause, Some(Cause::Stolen));
    }

    #[test]
    fn rule_10_where_nobody_knows_the_server_nobody_is_a_stranger() {
        let second = second(Server::Unknown, 2.0, 0.5, 0.5, 0.0);
        assert_eq!((second.cause, second.foreign), (None, 0.0));
    }

    #[test]
    fn rule_10_what_happens_to_the_generator_is_not_the_doing_of_a_server_elsewhere() {
        let second = second(Server::Elsewhere, 1.0, 1.0, 0.2, 0.0);
        assert_eq!(second.cause, Some(Cause::Waited));
    }

    #[test]
    fn rule_10_what_servers_work_with_is_no_stranger() {
        use std::{
            os::unix::{fs::symlink, process::CommandExt},
            process::Command,
        };
        let folder = tempfile::tempdir().unwrap();
        for name in DATABASES.into_iter().chain(BETWEEN) {
            // The kernel knows a process by the name of what was run.
            let program = folder.path().join(name);
            symlink("/bin/sleep", &program).unwrap();
            let mut sleeper = Command::new(&program);
            let mut sleeper = sleeper.arg0("sleep").arg("100").spawn().unwrap();
            // It is told as started while the kernel still calls it as whoever started it.
            let comm = format!("/proc/{}/comm", sleeper.id());
            while fs::read_to_string(&comm).unwrap().trim() != name {
                thread::sleep(Duration::from_millis(1));
            }
            let kernel = Kernel::of(Server::Here(vec![Processes::One(std::process::id())]));
            let counted = kernel.now().threads;
            sleeper.kill().unwrap();
            sleeper.wait().unwrap();
            assert!(counted.0.contains_key(&sleeper.id()), "{name}");
        }
    }

    #[test]
    fn rule_10_what_is_shorter_than_a_second_is_the_rest() {
        let due = Instant::now() + SECOND;
        for (milliseconds, is_most) in [(50, false), (499, false), (500, true), (1_200, true)] {
            let now = due - SECOND + Duration::from_millis(milliseconds);
            assert_eq!(is_most_of_a_second(now, due), is_most, "{milliseconds} ms");
        }
        let seen = |_| {
            let monitor = Monitor::start(Instant::now(), Server::Elsewhere).unwrap();
            thread::sleep(Duration::from_millis(50));
            monitor.finish_with_rest()
        };
        // A thread that a busy machine lets begin after that has seen nothing.
        assert!((0..100).map(seen).any(|seconds| !seconds.is_empty()));
    }

    #[test]
    fn rule_10_this_machine_is_watched_by_the_second() {
        let monitor = Monitor::start(
            Instant::now(),
            Server::Here(vec![Processes::One(std::process::id())]),
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
