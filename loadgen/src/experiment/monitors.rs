//! What watches the machine while a run goes on: the kernel's counts, and a thread that only sleeps.

use std::time::Instant;

use crate::{
    model::Nanos,
    observed::MachineSecond,
    rig::machine::{HiccupMonitor, Monitor, Server},
};

/// Both, as far as they could be started.
#[derive(Default)]
pub(super) struct Monitors {
    pub(super) machine: Option<Monitor>,
    pub(super) hiccups: Option<HiccupMonitor>,
}

impl Monitors {
    pub(super) fn start(start: Instant, server: &Server, machine_check: bool) -> Self {
        let hiccups = HiccupMonitor::start(start)
            .inspect_err(|error| tracing::warn!(%error, "the scheduler's pauses are not watched"))
            .ok();
        let machine = machine_check.then(|| Monitor::start(start, server.clone()));
        let machine = machine.transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "the machine is not watched");
            None
        });
        Self { machine, hiccups }
    }

    /// The seconds that have passed, with how long the generator stood still in them.
    pub(super) fn so_far(&self) -> Vec<MachineSecond> {
        let seconds = self.machine.as_ref().map(Monitor::so_far);
        let paused = self.hiccups.as_ref().map(HiccupMonitor::paused_so_far);
        with_pauses(seconds, &paused.unwrap_or_default())
    }

    /// The same at the end, with what there was of the last second.
    pub(super) fn finish(self) -> Vec<MachineSecond> {
        let seconds = self.machine.map(Monitor::finish_with_rest);
        let hiccups = self.hiccups.map(HiccupMonitor::finish);
        with_pauses(seconds, &hiccups.unwrap_or_default().paused)
    }
}

fn with_pauses(seconds: Option<Vec<MachineSecond>>, paused: &[Nanos]) -> Vec<MachineSecond> {
    let mut seconds = seconds.unwrap_or_default();
    for (second, &paused) in seconds.iter_mut().zip(paused) {
        *second = second.with_pause(paused);
    }
    seconds
}
