//! A timer with the kernel's own resolution: tokio's has a millisecond, a fifth of the promise.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};

/// Waits on a Linux timerfd, which is not subject to the slack of sleeps and polls.
pub struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        #[expect(
            deprecated,
            reason = "its successor is `unsafe` to call, and what it guards against can't happen to an OwnedFd"
        )]
        let timer = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Waits for that long; may return early, as after an earlier wait that was cancelled.
    ///
    /// # Errors
    /// When the timer can't be set, which only a broken system does.
    pub async fn wait(&self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: time.subsec_nanos().into(),
            },
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        let mut ready = self.0.readable().await?;
        let mut expirations = [0; 8];
        // The number of expirations is of no interest: reading it makes the timer silent again.
        let _ =
            ready.try_io(|fd| rustix::io::read(fd.get_ref(), &mut expirations).map_err(Into::into));
        Ok(())
    }
}
