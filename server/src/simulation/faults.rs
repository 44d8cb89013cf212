//! What goes wrong in a simulated world, and when: drawn from its seed.

use rand::{RngExt as _, rngs::StdRng};

use super::{
    agenda::{Lane, Millis},
    database::StoreFault,
    network::End,
    world::{Event, Order, World},
};

/// What can go wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    Store(StoreFault),
    /// Everything takes up to so much longer, each piece its own time.
    Latency(Millis),
    /// A device's connection is cut.
    Cut(usize),
    /// Nothing gets through a device's connection any more, and nobody is told.
    HalfOpen(usize),
    /// Nothing gets through it for a while.
    Stall(usize),
    /// A device does not read for a while.
    SlowReader(usize),
    /// The server is killed, and started again after so long.
    Kill(Millis),
    /// The server is told to stop, and started again.
    Drain(Millis),
    /// The server's process is stopped for a while.
    Freeze,
    /// Nothing can be written to the journal's disk.
    DiskFull,
    /// Its disk is slower than the journal waits.
    DiskSlow,
}

/// A fault, from when, and for how long.
#[derive(Debug, Clone)]
pub struct Planned {
    pub at: Millis,
    pub lasts: Millis,
    pub fault: Fault,
}

/// Draws what goes wrong between two times; all of it is over at the second one.
pub fn draw(rng: &mut StdRng, devices: usize, from: Millis, to: Millis) -> Vec<Planned> {
    let mut plan = Vec::new();
    // Some worlds are calm, so that the server can be held to what it does when all is well.
    let gap = [1_500, 4_000, 12_000][rng.random_range(0..3)];
    let mut at = from;
    loop {
        at += rng.random_range(gap / 3..gap * 2);
        let lasts = *[300, 1_200, 3_000, 8_000, 14_000]
            .get(rng.random_range(0..5))
            .unwrap_or(&1_000);
        let lasts = rng.random_range(lasts / 2..lasts);
        if at + lasts >= to {
            return plan;
        }
        let fault = draw_one(rng, devices);
        // A drain may need its deadline, and time to start again.
        if !matches!(fault, Fault::Drain(_)) || at + 20_000 < to {
            plan.push(Planned { at, lasts, fault });
        }
    }
}

fn draw_one(rng: &mut StdRng, devices: usize) -> Fault {
    let device = rng.random_range(0..devices);
    let down = rng.random_range(20..3_000);
    match rng.random_range(0..100) {
        0..50 => Fault::Store(draw_store(rng)),
        50..56 => Fault::Latency(rng.random_range(5..400)),
        56..62 => Fault::Cut(device),
        62..68 => Fault::HalfOpen(device),
        68..73 => Fault::Stall(device),
        73..80 => Fault::SlowReader(device),
        80..86 => Fault::Kill(down),
        86..90 => Fault::Drain(down),
        90..94 => Fault::Freeze,
        94..97 => Fault::DiskFull,
        _ => Fault::DiskSlow,
    }
}

fn draw_store(rng: &mut StdRng) -> StoreFault {
    let share = [20, 60, 100][rng.random_range(0..3)];
    match rng.random_range(0..12) {
        0 => StoreFault::Slow(100..700),
        1 => StoreFault::Slow(1_500..4_000),
        2 => StoreFault::Slow(4_000..9_000),
        3 => StoreFault::Unavailable(share),
        4 => StoreFault::Rejected(share),
        5 => StoreFault::WriteConcern,
        6 => StoreFault::ClosedMidCommand,
        7 => StoreFault::ReplyLost,
        8 => StoreFault::Frozen,
        9 => StoreFault::Killed,
        10 => StoreFault::SteppedDown,
        _ => StoreFault::Unreachable,
    }
}

impl World {
    pub fn fault_begins(&mut self, number: usize) {
        let Planned { lasts, fault, .. } = self.plan[number].clone();
        self.note(format_args!("for {lasts} ms: {fault:?}"));
        let now = self.now;
        match fault {
            Fault::Store(fault) => self.store_suffers(number, fault),
            Fault::Latency(extra) => self.network.extra_latency = extra,
            Fault::Cut(device) => {
                if let Some(id) = self.devices[device].connection {
                    self.cut(id);
                }
            }
            Fault::HalfOpen(device) => {
                if let Some(id) = self.devices[device].connection {
                    self.swallow(id);
                }
            }
            Fault::Stall(device) => {
                if let Some(id) = self.devices[device].connection {
                    self.stall(id, now + lasts);
                }
            }
            Fault::SlowReader(device) => {
                if let Some(id) = self.devices[device].connection
                    && let Some(connection) = self.network.connections.get_mut(&id)
                {
                    connection.client.reads_from = now + lasts;
                    self.push(now + lasts, Lane::ToClient(id), Event::ReadsAgain(id));
                }
            }
            Fault::Kill(down) => self.order = Some(Order::Kill(down)),
            Fault::Drain(down) => self.order = Some(Order::Drain(down)),
            Fault::Freeze => self.order = Some(Order::Freeze(now + lasts)),
            Fault::DiskFull => self.disk.is_full = true,
            Fault::DiskSlow => self.disk.is_slow = true,
        }
        self.push(now + lasts, Lane::Plan, Event::FaultEnds(number));
    }

    pub fn fault_ends(&mut self, number: usize) {
        let now = self.now;
        match self.plan[number].fault {
            Fault::Store(_) => {
                self.note(format_args!("the store has one trouble less"));
                self.store_recovers(number);
            }
            Fault::Latency(_) => self.network.extra_latency = 0,
            Fault::DiskFull => {
                self.disk.is_full = false;
                self.disk.ailing_at = Some(now);
            }
            Fault::DiskSlow => {
                self.disk.is_slow = false;
                self.disk.ailing_at = Some(now);
            }
            _ => {}
        }
    }

    /// Everybody goes, each in their own way.
    pub fn all_leave(&mut self) {
        self.is_over = true;
        for number in 0..self.devices.len() {
            let end = match self.devices[number].rng.random_range(0..3) {
                0 => End::Reset,
                _ => End::Fin,
            };
            self.device_leaves(number, end, None);
        }
    }
}
