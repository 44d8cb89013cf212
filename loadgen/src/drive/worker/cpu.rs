//! The CPU time of a worker's own thread, second by second of the schedule.

use std::{cell::RefCell, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::model::{Clock, Nanos};

const SECOND: Duration = Duration::from_secs(1);

/// CPU seconds of the thread that it runs on, one for each whole second of the schedule that has passed.
#[derive(Default)]
pub(super) struct Cpu(RefCell<Vec<f64>>);

impl Cpu {
    /// Reads the thread's clock at each second from `start` on, until it is dropped. A reading that comes late counts
    /// more in one second and less in the next.
    pub(super) async fn watch(&self, clock: Clock, start: Nanos) {
        let mut due = tokio::time::Instant::from_std(clock.instant(start));
        tokio::time::sleep_until(due).await;
        let mut before = used();
        loop {
            due += SECOND;
            tokio::time::sleep_until(due).await;
            let now = used();
            self.0
                .borrow_mut()
                .push(now.saturating_sub(before).as_secs_f64());
            before = now;
        }
    }

    pub(super) fn take(&self) -> Vec<f64> {
        self.0.take()
    }
}

fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        used.tv_sec.try_into().unwrap_or(0),
        used.tv_nsec.try_into().unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rule_10_a_thread_that_works_is_charged_and_one_that_waits_is_not() {
        let (clock, cpu) = (Clock::start(), Cpu::default());
        let work = async {
            // Until the thread's own clock has moved on: this takes as long as the machine lets it.
            let begin = used();
            while used() < begin + Duration::from_millis(300) {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(2_300)).await;
        };
        tokio::select! {
            () = cpu.watch(clock, clock.now()) => {}
            () = work => {}
        }
        let seconds = cpu.take();
        assert!(seconds.len() >= 2, "{seconds:?}");
        let (all, last) = (seconds.iter().sum::<f64>(), seconds[seconds.len() - 1]);
        assert!(all >= 0.25, "{seconds:?}");
        assert!(last < 0.2, "{seconds:?}");
    }
}
