//! What one system carries in one scenario, in the few numbers that systems are held against each other by.

use super::super::{Found, Hold, LimitFound, Outcome, PROMISED, SystemFound};
use crate::{
    model::{Nanos, numbers::bytes},
    search::found::rate,
};

/// What the column of [`Carried::memory_for_each`] is called.
pub(super) const MEMORY: &str = "memory before the first message ÷ users";

/// What one system carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carried<'a> {
    /// All that was found of it.
    pub found: &'a SystemFound,
    /// Where the limit ends that is promised: 99 % of the deliveries within 5 ms.
    pub promised: Option<LimitFound>,
    /// CPU seconds of the server for each message, in the hold that the cores are of, too: the last at the highest rate that
    /// kept 5 ms, or where none did, at the lowest of all.
    pub cpu: Option<f64>,
    /// Messages a second in that hold: what a message costs is another thing at another rate.
    pub cpu_at: Option<f64>,
    /// Cores that the server used on average in it.
    pub cores: Option<f64>,
    /// Resident bytes of the server for each user with all of them connected, before the first message of all: a simulated
    /// store keeps its messages in the server. All that it takes without users is included.
    pub memory_per_user: Option<f64>,
}

impl Carried<'_> {
    /// `77 µs at 9,310/s`.
    pub(super) fn cpu_for_each(&self) -> String {
        match self.cpu.zip(self.cpu_at) {
            Some((cpu, at)) => format!("{:.0} µs at {}", cpu * 1e6, rate(at)),
            None => "unknown".to_owned(),
        }
    }

    /// `30.6 KiB`.
    pub(super) fn memory_for_each(&self) -> String {
        let memory = self.memory_per_user;
        memory.map_or_else(|| "unknown".to_owned(), |each| bytes(each as u64))
    }
}

/// What each system of a search carries, in their order.
pub fn carried(found: &Found) -> Vec<Carried<'_>> {
    let users = f64::from(found.scenario.users.max(1));
    let of = |system| {
        let promised = at(system, PROMISED);
        let hold = told_hold(system, promised);
        let cpu = hold.and_then(|hold| hold.server_cpu);
        let first = system.holds.first();
        let memory = first.and_then(|hold| hold.server_memory_before);
        Carried {
            found: system,
            promised,
            cpu,
            cpu_at: hold.map(|hold| hold.rate),
            cores: cpu.zip(hold).map(|(cpu, hold)| cpu * hold.rate),
            memory_per_user: memory.map(|bytes| bytes as f64 / users),
        }
    };
    found.systems.iter().map(of).collect()
}

/// Where a limit ends for a system.
pub(super) fn at(system: &SystemFound, limit: Nanos) -> Option<LimitFound> {
    let mut limits = system.limits.iter();
    limits.find(|found| found.limit == limit).copied()
}

/// The hold whose numbers are told.
fn told_hold(system: &SystemFound, promised: Option<LimitFound>) -> Option<&Hold> {
    let sent = |hold: &&Hold| hold.purpose.counts() && hold.sent > 0;
    let mut counted = system.holds.iter().filter(sent);
    match promised.and_then(|promised| promised.last_success) {
        Some(rate) => counted.rfind(|hold| {
            let mut limits = hold.limits.iter();
            let kept = |outcome| outcome == Outcome::Kept;
            hold.rate == rate && limits.any(|at| at.limit == PROMISED && kept(at.outcome))
        }),
        None => counted.min_by(|a, b| a.rate.total_cmp(&b.rate)),
    }
}
