//! A process beside the load generator that cleans up if the load generator is killed.
//!
//! Drop covers errors, panics and Ctrl-C; nothing in a process covers `kill -9` of it. So the load generator starts
//! itself a second time as a guard and tells it over a pipe what must not be left: child processes, containers,
//! databases, folders. The kernel closes the pipe however the load generator ends, and then the guard removes what
//! is still on its list. (`PR_SET_PDEATHSIG` would need `unsafe`, follows threads instead of processes, and knows
//! nothing of containers.)

use std::{
    io::{self, BufRead, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal},
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use super::{
    error::TargetError,
    leftover::{Absence, Leftover},
};

/// The one guard of this process: none until [`arm`].
static GUARD: OnceLock<Guard> = OnceLock::new();

/// How long a killed process may take to be gone before its folder is deleted.
const KILL_DEADLINE: Duration = Duration::from_secs(5);

struct Guard {
    orders: Mutex<ChildStdin>,
    // Kept so that the guard is this process's child and not a zombie of nobody; it ends by itself.
    _process: Child,
}

/// What the load generator tells its guard, one JSON object a line.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Add(Leftover),
    Forget(Leftover),
}

/// Starts the guard of this process: `program` must end up in [`serve`] (as a rule this executable with the argument
/// for it). Without it, all is removed on errors, panics and Ctrl-C too, but not after `kill -9`. Calling it again
/// changes nothing.
///
/// # Errors
/// [`TargetError::Guard`] if the process cannot be started.
pub fn arm(mut program: Command) -> Result<(), TargetError> {
    if GUARD.get().is_some() {
        return Ok(());
    }
    let mut process = program
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(TargetError::Guard)?;
    let none = || TargetError::Guard(io::Error::other("it has no standard input"));
    let orders = process.stdin.take().ok_or_else(none)?;
    // Lost only to a thread that armed at the same time; dropping the pipe then ends this second guard.
    drop(GUARD.set(Guard {
        orders: Mutex::new(orders),
        _process: process,
    }));
    Ok(())
}

/// The guard's whole life: reads orders from standard input until the load generator is gone, then removes what is
/// still on the list. What cannot be removed is said on standard error.
///
/// # Errors
/// If its input cannot be read, or no runtime can be started for the removal.
pub fn serve() -> io::Result<()> {
    // Out of the terminal's foreground group, or the Ctrl-C that ends the load generator would end its guard too.
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "the guard stays in its session");
    }
    let left = read_orders(io::stdin().lock())?;
    if left.is_empty() {
        return Ok(());
    }
    kill_processes(&left);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Folders last: by then nobody writes to them.
        let (folders, others): (Vec<_>, Vec<_>) = left
            .iter()
            .map(|entry| &entry.leftover)
            .filter(|leftover| {
                !matches!(leftover, Leftover::Process { .. } | Leftover::Group { .. })
            })
            .partition(|leftover| matches!(leftover, Leftover::Folder { .. }));
        for leftover in others.into_iter().chain(folders) {
            if let Err(error) = leftover.remove(Absence::MayCome).await {
                let _ = writeln!(io::stderr(), "{error}");
            }
        }
    });
    Ok(())
}

/// Tells the guard, if there is one, of something that must not be left.
pub(super) fn add(leftover: &Leftover) {
    order(&Order::Add(leftover.clone()));
}

/// Tells the guard that it is gone.
pub(super) fn forget(leftover: &Leftover) {
    order(&Order::Forget(leftover.clone()));
}

fn order(order: &Order) {
    let Some(guard) = GUARD.get() else { return };
    let sent = serde_json::to_string(order).map_err(io::Error::other);
    let sent = sent.and_then(|line| {
        let mut orders = guard.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.write_all((line + "\n").as_bytes())
    });
    if let Err(error) = sent {
        tracing::warn!(%error, "the guard is gone: what was started would be left after a kill");
    }
}

/// A thing on the guard's list, with a handle on it where it is a process: a handle still means the same process when
/// its id has been given to another one.
struct Entry {
    leftover: Leftover,
    process: Option<OwnedFd>,
}

fn read_orders(input: impl BufRead) -> io::Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in input.lines() {
        match serde_json::from_str(&line?).map_err(io::Error::other)? {
            Order::Add(leftover) => {
                let process = match leftover {
                    Leftover::Process { pid } => open_process(pid),
                    _ => None,
                };
                entries.push(Entry { leftover, process });
            }
            Order::Forget(leftover) => entries.retain(|entry| entry.leftover != leftover),
        }
    }
    Ok(entries)
}

fn open_process(pid: i32) -> Option<OwnedFd> {
    rustix::process::pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

fn kill_processes(entries: &[Entry]) {
    let processes = || entries.iter().filter_map(|entry| entry.process.as_ref());
    for process in processes() {
        if let Err(error) = rustix::process::pidfd_send_signal(process, Signal::KILL) {
            tracing::debug!(%error, "a process was gone already");
        }
    }
    for entry in entries {
        // Forgotten before it is gone: as long as a process of it is left, its id is nobody else's.
        if let Leftover::Group { id } = entry.leftover
            && let Some(group) = Pid::from_raw(id)
            && let Err(error) = rustix::process::kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(%error, "a command's processes were gone already");
        }
    }
    let deadline = Timespec {
        tv_sec: KILL_DEADLINE.as_secs().cast_signed(),
        tv_nsec: 0,
    };
    for process in processes() {
        // Readable once the process has ended.
        if let Err(error) =
            rustix::event::poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&deadline))
        {
            tracing::debug!(%error, "a killed process could not be waited for");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(order: &Order) -> String {
        serde_json::to_string(order).unwrap() + "\n"
    }

    #[test]
    fn the_list_is_what_was_added_and_not_forgotten() {
        let one = Leftover::Container {
            name: "one".to_owned(),
        };
        let two = Leftover::Folder {
            path: "/nowhere/two\nlines".into(),
        };
        let orders = [
            line(&Order::Add(one.clone())),
            line(&Order::Add(two.clone())),
            line(&Order::Forget(one)),
            line(&Order::Forget(Leftover::Process { pid: 1 })),
        ];
        let left = read_orders(orders.concat().as_bytes()).unwrap();
        assert_eq!(
            left.into_iter()
                .map(|entry| entry.leftover)
                .collect::<Vec<_>>(),
            [two]
        );
    }

    #[test]
    fn what_is_no_order_is_an_error() {
        assert!(read_orders(&b"hello\n"[..]).is_err());
    }

    #[test]
    fn processes_are_killed_through_their_handles() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let pid = child.id().cast_signed();
        let left = read_orders(line(&Order::Add(Leftover::Process { pid })).as_bytes()).unwrap();
        kill_processes(&left);
        assert!(!child.wait().unwrap().success());
    }
}
