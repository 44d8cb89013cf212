//! A thread that only sleeps: how much longer than asked is the pause that the machine itself makes (rule 10).

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::threads::Wait;
use crate::{
    model::{Nanos, nanos},
    observed::Hiccups,
};

/// How long it sleeps at a time.
const SLEEP: Duration = Duration::from_millis(1);

/// Watches the machine's scheduler on a thread of its own.
pub struct HiccupMonitor {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
    seen: Arc<Mutex<Hiccups>>,
}

impl HiccupMonitor {
    /// Sleeps and wakes from `start` on.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(start: Instant) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let seen = Arc::new(Mutex::new(Hiccups::default()));
        let mine = Arc::clone(&seen);
        let thread = thread::Builder::new()
            .name("hiccups".to_owned())
            .spawn(move || watch(start, &stopped, &mine))?;
        Ok(Self { stop, thread, seen })
    }

    /// How long it stood still at a stretch in each second until now, without having waited for a processor.
    pub fn paused_so_far(&self) -> Vec<Nanos> {
        let seen = self.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).paused.clone()
    }

    /// What there was until now.
    pub fn finish(self) -> Hiccups {
        drop(self.stop);
        // Should it have panicked, what it saw before is there all the same.
        let _ = self.thread.join();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut seen)
    }
}

fn watch(start: Instant, stopped: &mpsc::Receiver<()>, seen: &Mutex<Hiccups>) {
    thread::sleep(start.saturating_duration_since(Instant::now()));
    let mut wait = Wait::own();
    let mut due = start;
    while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
        // On an absolute schedule. What was slept over is one pause and not many: nothing is filled in.
        let slept = Instant::now().saturating_duration_since(start);
        due = due.max(start + SLEEP * (slept.as_millis() as u32)) + SLEEP;
        // Not a wait for the channel: its own machinery would be measured.
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let oversleep = nanos(due.elapsed());
        let waited = wait.since_last();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.add(due - start, oversleep, waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_10_this_machine_never_wakes_a_thread_early() {
        let monitor = HiccupMonitor::start(Instant::now()).unwrap();
        thread::sleep(Duration::from_millis(1_200));
        assert!(!monitor.paused_so_far().is_empty());
        let hiccups = monitor.finish();
        assert!(!hiccups.all.is_empty());
        // One a millisecond at most, since nothing is filled in for what was slept over.
        assert!(hiccups.all.len() <= 60_000, "{}", hiccups.all.len());
        assert!(!hiccups.longest.is_empty());
        let longest = hiccups.longest.iter().max().copied().unwrap();
        assert!(hiccups.all.max() >= longest);
    }

    #[test]
    fn one_that_is_stopped_before_its_start_has_nothing() {
        let monitor = HiccupMonitor::start(Instant::now() + Duration::from_millis(50)).unwrap();
        let hiccups = monitor.finish();
        assert!(hiccups.all.is_empty() && hiccups.longest.is_empty());
    }
}
