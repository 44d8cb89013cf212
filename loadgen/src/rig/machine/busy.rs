//! Which threads of server, store and generator had the processors while messages were sent, and which waited for one.

use std::{collections::BTreeMap, fs, time::Instant};

use super::{DATABASES, called, threads::Threads};
use crate::{
    model::Nanos,
    observed::{ThreadUse, Whose},
    rig::Processes,
};

/// From the beginning of a schedule to its end.
pub struct ThreadMeter {
    server: Vec<Processes>,
    began: Instant,
    before: BTreeMap<Whose, Threads>,
}

impl ThreadMeter {
    /// From now on, of this program, of a server where its processes are known, and of the databases on this machine.
    pub fn start(server: Vec<Processes>) -> Self {
        Self {
            before: now(&server),
            server,
            began: Instant::now(),
        }
    }

    /// Until now. A thread that appeared meanwhile counts from its beginning, one that has ended not at all.
    pub fn finish(self) -> Vec<ThreadUse> {
        let passed = self.began.elapsed();
        let mut used = Vec::new();
        for (whose, threads) in now(&self.server) {
            let before = self.before.get(&whose);
            for (process, threads) in threads.0 {
                let before = before.and_then(|before| before.0.get(&process));
                for (thread, now) in threads {
                    let earlier = before.and_then(|before| before.get(&thread));
                    let earlier = earlier.copied().unwrap_or_default();
                    let since = |now: Nanos, earlier: Nanos| {
                        std::time::Duration::from_nanos(now.saturating_sub(earlier))
                    };
                    used.push(ThreadUse {
                        whose,
                        name: name(process, thread),
                        ran: since(now.ran, earlier.ran),
                        waited: since(now.waited, earlier.waited),
                        passed,
                    });
                }
            }
        }
        used
    }
}

fn now(server: &[Processes]) -> BTreeMap<Whose, Threads> {
    let server: Vec<u32> = server.iter().flat_map(|one| one.ids()).collect();
    let all = [
        (Whose::Server, server),
        (Whose::Store, called(|name| DATABASES.contains(&name))),
        (Whose::Generator, vec![std::process::id()]),
    ];
    let all = all.into_iter();
    all.map(|(whose, processes)| (whose, Threads::now(processes.into_iter())))
        .collect()
}

/// What a thread calls itself; its number where it has ended meanwhile.
fn name(process: u32, thread: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/task/{thread}/comm"));
    name.map_or_else(
        |_| thread.to_string(),
        |name| printable::escaped(name.trim()).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_works_is_seen_with_its_name_and_one_that_sleeps_is_not() {
        let meter = ThreadMeter::start(Vec::new());
        let (ended, wait) = std::sync::mpsc::channel::<()>();
        let (spun, has_spun) = std::sync::mpsc::channel();
        let busy = std::thread::Builder::new()
            .name("busy".to_owned())
            .spawn(move || {
                let began = Instant::now();
                let mut sum = 0_u64;
                while began.elapsed() < Duration::from_millis(60) {
                    sum = sum.wrapping_add(1);
                }
                let _ = spun.send(());
                // It is still there when it is looked at.
                let _ = wait.recv();
                sum
            });
        has_spun.recv().unwrap();
        let used = meter.finish();
        drop(ended);
        let _ = busy.unwrap().join();
        let of = |name: &str| used.iter().find(|thread| thread.name == name).unwrap();
        // Its name tells it from the sleeper, whatever else the machine does.
        assert!(of("busy").ran > Duration::ZERO);
        assert!(of("busy").passed >= Duration::from_millis(60));
        assert!(used.iter().all(|thread| thread.whose != Whose::Server));
    }
}
