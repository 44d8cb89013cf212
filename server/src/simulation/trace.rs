//! What has happened in a simulated world, as a number to compare and as its last events to read.

use std::{collections::VecDeque, fmt};

use super::agenda::Millis;

/// Events that are kept to be read, unless `SIMULATION_EVENTS` says how many.
const KEPT: usize = 60;

/// Names nothing that differs from run to run: no `_id`, no temporary id, no session key.
pub struct Trace {
    kept: usize,
    hash: u64,
    count: u64,
    last: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Self {
        let asked = std::env::var("SIMULATION_EVENTS");
        Self {
            kept: asked
                .ok()
                .and_then(|kept| kept.parse().ok())
                .unwrap_or(KEPT),
            hash: 0xcbf2_9ce4_8422_2325,
            count: 0,
            last: VecDeque::new(),
        }
    }
}

impl Trace {
    pub fn note(&mut self, at: Millis, event: fmt::Arguments<'_>) {
        let line = format!("{:>7.3} s  {event}", at as f64 / 1e3);
        // FNV-1a: a hash that is the same on every machine.
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.count += 1;
        if self.last.len() == self.kept {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// How many events there were, and a number that stands for all of them.
    pub const fn sum(&self) -> (u64, u64) {
        (self.count, self.hash)
    }

    /// The last events, a line each.
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
