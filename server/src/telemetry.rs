//! What the server counts and times.

pub mod log;
pub mod prometheus;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hdrhistogram::{
    CreationError, Histogram,
    serialization::{Serializer as _, V2DeflateSerializeError, V2DeflateSerializer},
};
use parking_lot::Mutex;

use crate::{message::Kind, protocol::INBOUND};

/// The longest time a histogram holds, in nanoseconds: 10 minutes.
const LONGEST: u64 = 600_000_000_000;
/// Different names that one counter keeps apart: some come from outside.
const MAX_LABELS: usize = 64;

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts some.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counters by a name that is not known beforehand. Not for hot paths.
#[derive(Debug, Default)]
pub struct CounterByName(Mutex<BTreeMap<String, u64>>);

impl CounterByName {
    /// Counts one under `name`, or under `other` once there are too many names.
    pub fn increment(&self, name: &str) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(name) {
            *count += 1;
        } else {
            let name = if counts.len() < MAX_LABELS {
                name
            } else {
                "other"
            };
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// All counts.
    #[must_use]
    pub fn get(&self) -> BTreeMap<String, u64> {
        self.0.lock().clone()
    }
}

/// A distribution of durations, in nanoseconds with three digits.
#[derive(Debug)]
pub struct Times(Mutex<Recorded>);

#[derive(Debug)]
struct Recorded {
    histogram: Histogram<u64>,
    sum: Duration,
}

impl Times {
    /// # Errors
    /// Never in practice: the bounds are constants.
    fn new() -> Result<Self, CreationError> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Self(Mutex::new(Recorded {
            histogram,
            sum: Duration::ZERO,
        })))
    }

    /// Records one duration; one beyond the longest counts as the longest.
    pub fn record(&self, time: Duration) {
        let mut recorded = self.0.lock();
        recorded.sum += time;
        recorded
            .histogram
            .saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A copy of the histogram and the exact sum.
    #[must_use]
    pub fn snapshot(&self) -> (Histogram<u64>, Duration) {
        let recorded = self.0.lock();
        (recorded.histogram.clone(), recorded.sum)
    }

    /// The histogram in the compressed HdrHistogram V2 encoding, as base64.
    ///
    /// # Errors
    /// The histogram can't be encoded.
    pub fn encoded(&self) -> Result<String, V2DeflateSerializeError> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.snapshot().0, &mut bytes)?;
        Ok(BASE64_STANDARD.encode(bytes))
    }
}

/// All counters and histograms of one server.
#[derive(Debug)]
pub struct Telemetry {
    /// From receipt to the last recipient's connection.
    pub emit: Times,
    /// From receipt to the store's answer.
    pub save: Times,
    /// Events by name, in the order of [`INBOUND`].
    events: [Counter; INBOUND.len()],
    /// Messages that were accepted, rooms and channels.
    messages: [Counter; 2],
    /// Packets handed to a connection.
    pub delivered: Counter,
    /// Packets for a client that had gone or was cut off: they reach nobody.
    pub dropped: Counter,
    /// Reads of sockets that brought something, an end or an error.
    pub reads: Counter,
    /// Writes to sockets that got something on its way.
    pub writes: Counter,
    /// Messages that ended in the store.
    pub confirmed: Counter,
    /// Messages that ended outside the store, by reason.
    pub failed: CounterByName,
    /// Repetitions of a `clientMsgId`, answered with the first message's acknowledgement.
    pub repeated: Counter,
    /// Stored messages that could not be read back before their delivery (`persist-first`).
    pub read_back_failed: Counter,
    /// Events that were not carried out, by reason.
    pub refused: CounterByName,
    /// Clients that were disconnected because their send buffer was full.
    pub slow_consumers: Counter,
    /// Packets for which there was no room in the process.
    pub send_memory_full: Counter,
    /// Sessions that were ended for another reason than a full send buffer.
    pub cut: CounterByName,
    /// Requests that were not carried out, by reason.
    pub requests_refused: CounterByName,
    /// Logins.
    pub connected: Counter,
    /// Connections and logins that were not let in, by reason.
    connections_refused: CounterByName,
    /// Logins that ended, by reason.
    pub disconnected: CounterByName,
}

impl Telemetry {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// Never in practice: the histograms' bounds are constants.
    pub fn new() -> Result<Self, CreationError> {
        Ok(Self {
            emit: Times::new()?,
            save: Times::new()?,
            events: Default::default(),
            messages: Default::default(),
            delivered: Counter::default(),
            dropped: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            confirmed: Counter::default(),
            failed: CounterByName::default(),
            repeated: Counter::default(),
            read_back_failed: Counter::default(),
            refused: CounterByName::default(),
            slow_consumers: Counter::default(),
            send_memory_full: Counter::default(),
            cut: CounterByName::default(),
            requests_refused: CounterByName::default(),
            connected: Counter::default(),
            connections_refused: CounterByName::default(),
            disconnected: CounterByName::default(),
        })
    }

    /// Counts an event by its place in [`INBOUND`].
    pub fn event(&self, index: usize) {
        if let Some(counter) = self.events.get(index) {
            counter.increment();
        }
    }

    /// Counts an accepted message.
    pub fn message(&self, kind: Kind) {
        self.messages[kind as usize].increment();
    }

    /// Counts somebody who was not let in.
    pub fn connection_refused(&self, reason: &str) {
        self.connections_refused.increment(reason);
    }
}

/// Milliseconds for a log line: whole ones, but a fraction below one.
#[must_use]
pub fn log_millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 1.0 {
        format!("{millis:.2}ms")
    } else {
        format!("{millis:.0}ms")
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;

    use super::*;

    #[test]
    fn log_lines_keep_a_fraction_below_a_millisecond() {
        assert_eq!(log_millis(Duration::from_micros(120)), "0.12ms");
        assert_eq!(log_millis(Duration::from_millis(2)), "2ms");
        assert_eq!(log_millis(Duration::from_micros(87_400)), "87ms");
    }

    #[test]
    fn names_from_outside_do_not_grow_a_counter_without_end() {
        let counter = CounterByName::default();
        for i in 0..1000 {
            counter.increment(&format!("reason {i}"));
        }
        let counts = counter.get();
        assert_eq!(counts.len(), MAX_LABELS + 1);
        assert_eq!(counts["other"], 1000 - MAX_LABELS as u64);
    }

    #[test]
    fn an_encoded_histogram_is_the_histogram() {
        let times = Times::new().unwrap();
        times.record(Duration::from_micros(1500));
        times.record(Duration::from_secs(100_000));
        let bytes = BASE64_STANDARD.decode(times.encoded().unwrap()).unwrap();
        let decoded: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .unwrap();
        assert_eq!(decoded, times.snapshot().0);
        assert_eq!(decoded.count_between(1_499_000, 1_501_000), 1);
        assert_eq!(times.snapshot().1, Duration::from_micros(100_000_001_500));
    }
}
