//! A thread that only sleeps: how much longer than asked is the pause that the machine itself makes (rule 10).

use std::{
    io,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{model::nanos, observed::Hiccups};

/// How long it sleeps at a time.
const SLEEP: Duration = Duration::from_millis(1);

/// Watches the machine's scheduler on a thread of its own.
pub struct HiccupMonitor {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<Hiccups>,
}

impl HiccupMonitor {
    /// Sleeps and wakes from `start` on.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(start: Instant) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("hiccups".to_owned())
            .spawn(move || watch(start, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// What there was until now; `None` if the thread did not live to tell.
    pub fn finish(self) -> Option<Hiccups> {
        drop(self.stop);
        self.thread.join().ok()
    }
}

fn watch(start: Instant, stopped: &mpsc::Receiver<()>) -> Hiccups {
    let mut hiccups = Hiccups::default();
    thread::sleep(start.saturating_duration_since(Instant::now()));
    let mut due = start;
    while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
        // On an absolute schedule. What was slept over is one pause and not many: nothing is filled in.
        let slept = Instant::now().saturating_duration_since(start);
        due = due.max(start + SLEEP * (slept.as_millis() as u32)) + SLEEP;
        // Not a wait for the channel: its own machinery would be measured.
        thread::sleep(due.saturating_duration_since(Instant::now()));
        hiccups.add(due - start, nanos(due.elapsed()));
    }
    hiccups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_10_each_second_has_its_longest_oversleep() {
        let mut hiccups = Hiccups::default();
        for (due, oversleep) in [(1, 50), (999, 70), (2_000, 9_000_000), (2_001, 40)] {
            hiccups.add(Duration::from_millis(due), oversleep);
        }
        assert_eq!(hiccups.longest, [70, 0, 9_000_000]);
        assert_eq!(hiccups.all.len(), 4);
    }

    #[test]
    fn rule_10_this_machine_never_wakes_a_thread_early() {
        let monitor = HiccupMonitor::start(Instant::now()).unwrap();
        thread::sleep(Duration::from_millis(1_200));
        let hiccups = monitor.finish().unwrap();
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
        let hiccups = monitor.finish().unwrap();
        assert!(hiccups.all.is_empty() && hiccups.longest.is_empty());
    }
}
