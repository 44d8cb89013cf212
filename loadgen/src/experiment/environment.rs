//! The machine: what the report says of it, and how many files it lets us open.

use std::{fs, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::RunError;
use crate::result::Environment;

/// Files that are open beside the users' sockets: store, server, pipes, timers, libraries.
const OTHER_FILES: u64 = 200;

/// What this program was built from; empty of what was built outside its repository.
const COMMIT: &str = env!("SOURCE_COMMIT");
/// With which versions of all libraries; empty likewise.
const LOCKFILE: &str = env!("SOURCE_LOCKFILE");

/// Raises the soft limit of open files to the hard one, and checks that the users fit, of whom each has so many open.
pub(super) fn allow_open_files(users: u32, each: u64) -> Result<(), RunError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_err() {
        tracing::debug!("the limit of open files stays as it was");
    }
    let needed = u64::from(users) * each + OTHER_FILES;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Err(RunError::OpenFiles {
            users,
            needed,
            limit,
        }),
        _ => Ok(()),
    }
}

/// What can be said of this machine. What can't be read is left out.
pub(super) fn read() -> Environment {
    let first_value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    Environment {
        loadgen: env!("CARGO_PKG_VERSION").to_owned(),
        commit: known(COMMIT),
        lockfile: known(LOCKFILE),
        cpu: first_value(&cpuinfo, "model name"),
        cores: cores(),
        kernel: kernel.map(|release| release.trim().to_owned()),
        virtualisation: virtualisation(),
        memory: first_value(&meminfo, "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .map(|kib| kib * 1024),
        open_files: getrlimit(Resource::Nofile).current,
        load: load
            .split_whitespace()
            .next()
            .and_then(|one| one.parse().ok()),
    }
}

/// What was compiled in, where anything was.
fn known(compiled_in: &str) -> Option<String> {
    (!compiled_in.is_empty()).then(|| compiled_in.to_owned())
}

/// The hypervisor, as the firmware names its machine.
fn virtualisation() -> Option<String> {
    let hypervised = fs::read_to_string("/proc/cpuinfo")
        .is_ok_and(|text| text.split_whitespace().any(|flag| flag == "hypervisor"));
    let product = fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    hypervised.then(|| match product.trim() {
        "" => "unnamed hypervisor".to_owned(),
        vendor => vendor.to_owned(),
    })
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
