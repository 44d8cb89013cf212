//! What both sides are compared by: a time or the server's CPU, how much larger it may be, and its value in a block.

use std::{fmt, str::FromStr, time::Duration};

use hdrhistogram::Histogram;

use crate::{
    judge::statistic::{self, Time},
    model::{HistogramError, Metric, Nanos, histogram, nanos, percentile},
    report::seconds,
    result::Run,
    scenario::{Subject, parse_subject},
};

/// How the CPU of the server is called.
const SERVER_CPU: &str = "server.cpu";
/// A slowdown up to so much is none: what tells changes of a few microseconds apart fails no change.
pub const LEAST: Duration = Duration::from_micros(50);

/// A number that both sides are compared by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// Which.
    pub number: Number,
    /// By which fraction of the base's it may be larger; `None`: the default of its kind.
    pub margin: Option<f64>,
}

/// Which number of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A percentile, the mean or the largest of a metric.
    Time(Subject),
    /// CPU of the server's processes for each message, in all of the block's schedule.
    ServerCpu,
}

/// What is compared where nobody says: two times, and what the machine disturbs least.
pub fn defaults() -> Vec<Compared> {
    let delivery = |p| Number::Time(Subject::Percentile(Metric::Delivery, p));
    let numbers = [delivery(50.0), delivery(99.0), Number::ServerCpu];
    let compared = |number| Compared {
        number,
        margin: None,
    };
    numbers.map(compared).to_vec()
}

impl Compared {
    /// The fraction of the base's by which it may be larger.
    pub fn allowed(&self) -> f64 {
        self.margin.unwrap_or(match self.number {
            Number::ServerCpu | Number::Time(Subject::Mean(_)) => 0.1,
            Number::Time(Subject::Percentile(_, p)) if p <= 95.0 => 0.1,
            // A tail.
            Number::Time(_) => 0.2,
        })
    }

    /// A slowdown by less is none whatever it is a fraction of; nanoseconds.
    pub fn least(&self) -> Nanos {
        match self.number {
            Number::ServerCpu => 0,
            Number::Time(_) => nanos(LEAST),
        }
    }

    /// Samples that a block needs for it, and of which metric; `None` of what is no time.
    pub fn needs(&self) -> Option<(Metric, u64)> {
        let Number::Time(subject) = self.number else {
            return None;
        };
        let needed = match subject {
            Subject::Percentile(_, percentile) => percentile::needed(percentile),
            _ => 1,
        };
        Some((subject.metric()?, needed))
    }

    /// In one block, in nanoseconds: of deliveries those of undisturbed seconds.
    ///
    /// # Errors
    /// [`HistogramError`] when a histogram can't be read.
    pub fn of(&self, run: &Run) -> Result<Time, HistogramError> {
        match self.number {
            Number::ServerCpu => Ok(cpu_per_message(run).map_or(NONE, Time::Known)),
            Number::Time(subject) => time(subject, run),
        }
    }
}

/// Without a sample.
const NONE: Time = Time::TooFew(1);

fn time(subject: Subject, run: &Run) -> Result<Time, HistogramError> {
    let Some(metric) = subject.metric() else {
        return Ok(NONE);
    };
    if metric == Metric::Delivery {
        return Ok(of_deliveries(subject, &deliveries(run)?, lost(run)));
    }
    let Some(result) = run.metrics.iter().find(|one| one.metric == metric) else {
        return Ok(NONE);
    };
    let samples = histogram::decode(&result.histogram)?;
    Ok(of_deliveries(subject, &samples, result.lost))
}

/// A time of these deliveries and so many that never came. The largest and the mean are of those that came.
pub(crate) fn of_deliveries(subject: Subject, latencies: &Histogram<u64>, lost: u64) -> Time {
    let lost = match subject {
        Subject::Percentile(..) => lost,
        _ => 0,
    };
    statistic::time_of_due(subject, latencies, lost)
}

fn cpu_per_message(run: &Run) -> Option<f64> {
    let seconds = run.server.as_ref()?.cpu_seconds;
    (run.totals.sent > 0 && seconds > 0.0).then(|| 1e9 * seconds / run.totals.sent as f64)
}

/// The latencies of the deliveries of these seconds.
pub(super) fn deliveries(run: &Run) -> Result<Histogram<u64>, HistogramError> {
    histogram::merged(seconds::undisturbed(run).map(|second| second.histogram.as_str()))
}

/// Deliveries of these seconds that never came.
pub(super) fn lost(run: &Run) -> u64 {
    seconds::undisturbed(run)
        .filter_map(|second| second.lost)
        .sum()
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Time(subject) => subject.fmt(f),
            Number::ServerCpu => f.write_str(SERVER_CPU),
        }
    }
}

impl FromStr for Compared {
    type Err = String;

    /// `delivery.p99`, or with its margin `delivery.p99=30%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, margin) = match text.split_once('=') {
            Some((key, margin)) => (key.trim(), Some(self::margin(margin)?)),
            None => (text.trim(), None),
        };
        let number = match key {
            SERVER_CPU => Number::ServerCpu,
            key => match parse_subject(key).map_err(|error| format!("{error}, or {SERVER_CPU}"))? {
                Subject::Count(_) | Subject::Within(..) => {
                    return Err(format!(
                        "{key:?} is no time: what is compared are ratios of times, as of delivery.p99 or {SERVER_CPU}; lost and doubled messages fail a change anyway"
                    ));
                }
                time => Number::Time(time),
            },
        };
        Ok(Self { number, margin })
    }
}

/// By which fraction a number may be larger, as in `10%`.
///
/// # Errors
/// What would be right.
pub fn margin(text: &str) -> Result<f64, String> {
    let number = text
        .trim()
        .strip_suffix('%')
        .and_then(|n| n.trim().parse::<f64>().ok());
    match number {
        Some(percent) if (1.0..=1_000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(format!(
            "{text:?} is no margin: write a percentage from 1% to 1000%, as in 10%"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_named_as_in_thresholds_and_has_its_margin_behind_it() {
        let read = |text: &str| {
            text.parse::<Compared>()
                .map(|one| (one.number.to_string(), one.allowed()))
        };
        assert_eq!(read("delivery.p50"), Ok(("delivery.p50".into(), 0.1)));
        assert_eq!(read("delivery.p99"), Ok(("delivery.p99".into(), 0.2)));
        assert_eq!(read("ack.max = 30%"), Ok(("ack.max".into(), 0.3)));
        assert_eq!(read("confirm.mean"), Ok(("confirm.mean".into(), 0.1)));
        assert_eq!(read("server.cpu"), Ok(("server.cpu".into(), 0.1)));
        for (text, word) in [
            ("delivery.p99=ten", "10%"),
            ("delivery.p99=0%", "1%"),
            ("delivery.p99=-3%", "1%"),
            ("delivery.p99=nan%", "1%"),
            ("lost", "fail a change anyway"),
            ("delivery.within_5ms", "no time"),
            ("latency.p50", "server.cpu"),
            ("", "server.cpu"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn the_defaults_are_the_median_the_tail_and_the_servers_cpu() {
        let named: Vec<String> = defaults()
            .iter()
            .map(|one| one.number.to_string())
            .collect();
        assert_eq!(named, ["delivery.p50", "delivery.p99", "server.cpu"]);
        let needs: Vec<_> = defaults().iter().map(Compared::needs).collect();
        let of_deliveries = |needed| Some((Metric::Delivery, needed));
        assert_eq!(needs, [of_deliveries(20), of_deliveries(1_000), None]);
        let needs = |text: &str| text.parse::<Compared>().unwrap().needs();
        assert_eq!(needs("confirm.p99"), Some((Metric::Confirm, 1_000)));
        assert_eq!(needs("ack.max"), Some((Metric::Ack, 1)));
        let least: Vec<_> = defaults().iter().map(Compared::least).collect();
        assert_eq!(least, [50_000, 50_000, 0]);
    }

    #[test]
    fn a_percentile_among_the_lost_is_never_and_not_too_few() {
        let mut latencies = histogram::empty();
        latencies.saturating_record_n(1_000_000, 980);
        let of = |p, lost| {
            let subject = Subject::Percentile(Metric::Delivery, p);
            of_deliveries(subject, &latencies, lost)
        };
        assert_eq!(of(99.0, 20), Time::Never);
        assert_eq!(of(99.0, 19), Time::TooFew(1_000));
        assert!(matches!(of(50.0, 20), Time::Known(_)));
    }
}
