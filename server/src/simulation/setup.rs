//! How the server of a simulated world is set up: drawn from its seed.

use std::{num::NonZeroU32, time::Duration};

use rand::{RngExt as _, rngs::StdRng};

use super::agenda::Millis;
use crate::{config::Config, protocol::Dialect, store::writer::WriterConfig};

/// What differs from world to world, apart from what happens in it.
#[derive(Debug, Clone)]
pub struct Setup {
    pub has_journal: bool,
    /// Whether the store keeps what it has acknowledged when a machine dies.
    pub is_durable: bool,
    pub has_small_queue: bool,
    /// Bytes that may be on their way to a client.
    pub window: usize,
    /// The mean time between two things that a device does.
    pub gap: Millis,
    /// Events a second that one socket may send. Who sends more is read more slowly.
    pub events_per_second: Option<NonZeroU32>,
    is_reference: bool,
    has_small_buffers: bool,
    batch_max: usize,
    batch_wait: Duration,
    slots: usize,
}

impl Setup {
    pub fn draw(rng: &mut StdRng) -> Self {
        Self {
            has_journal: rng.random_bool(0.5),
            is_durable: rng.random_bool(0.8),
            has_small_queue: rng.random_bool(0.2),
            window: [1_500, 4_000, 65_536][rng.random_range(0..3)],
            gap: [700, 2_000, 5_000][rng.random_range(0..3)],
            events_per_second: NonZeroU32::new(2).filter(|_| rng.random_bool(0.1)),
            is_reference: rng.random_bool(0.3),
            has_small_buffers: rng.random_bool(0.4),
            batch_max: [1, 3, 500][rng.random_range(0..3)],
            batch_wait: Duration::from_millis([0, 0, 20, 100][rng.random_range(0..4)]),
            slots: rng.random_range(1..5),
        }
    }

    /// As the command line would have it.
    pub fn config(&self) -> Config {
        let mut config = Config::on_a_free_port();
        config.writer = WriterConfig {
            capacity: if self.has_small_queue { 6 } else { 32_768 },
            batch_max: self.batch_max,
            batch_wait: self.batch_wait,
            max_in_flight: Some(self.slots),
            ..WriterConfig::default()
        };
        if self.is_reference {
            config.dialect = Dialect::Reference;
        }
        config.limits.events_per_second = self.events_per_second;
        if self.has_small_buffers {
            config.limits.send_buffer = 128;
        }
        config
    }
}
