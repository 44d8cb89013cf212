//! What a bare relay says of a limit that a server missed under the same load on the same machine (rule 9).

use hdrhistogram::Histogram;

use super::misses::{Allowed, Misses, Second};
use crate::{
    model::{Metric, Nanos, numbers},
    observed::{Observed, Window},
};

/// What a relay is timed by as a server is.
const TIMED: [Metric; 6] = [
    Metric::Delivery,
    Metric::DeliveryAsSent,
    Metric::DeliverySlowest,
    Metric::Echo,
    Metric::Ack,
    Metric::SendLateness,
];

/// A second of the floor, as far as a verdict rests on it.
#[derive(Debug, Clone)]
pub(super) struct FloorSecond {
    /// The samples of each metric that has some, nanoseconds.
    pub samples: Vec<(Metric, Histogram<u64>)>,
    /// Whether something outside disturbed it.
    pub disturbed: bool,
}

/// The seconds of a floor that hold samples.
pub(super) fn seconds(floor: &Observed) -> impl Iterator<Item = FloorSecond> {
    let windows = TIMED.map(|metric| (metric, floor.recorded.windows(metric)));
    let all = windows.iter().map(|(_, windows)| windows.len());
    (0..all.max().unwrap_or(0))
        .map(move |second| FloorSecond {
            samples: windows
                .iter()
                .filter_map(|(metric, windows)| Some((*metric, windows.get(second)?)))
                .map(|(metric, window)| (metric, Window::histogram(window)))
                .filter(|(_, samples)| !samples.is_empty())
                .collect(),
            disturbed: floor.is_disturbed(second),
        })
        .filter(|second| !second.samples.is_empty())
}

/// Samples over a limit in the floor's undisturbed seconds, of how many.
pub(super) fn undisturbed(floor: &[FloorSecond], metric: Metric, limit: Nanos) -> (u64, u64) {
    let seconds = by_second(floor, metric, limit);
    seconds.fold((0, 0), |(over, n), one| (over + one.missed, n + one.n))
}

fn by_second(floor: &[FloorSecond], metric: Metric, limit: Nanos) -> impl Iterator<Item = Second> {
    let seconds = floor.iter().filter(|second| !second.disturbed);
    seconds.filter_map(move |second| {
        let mut samples = second.samples.iter();
        let (_, samples) = samples.find(|(known, _)| *known == metric)?;
        let (n, within) = (samples.len(), samples.count_between(0, limit));
        Some(Second {
            missed: n - within,
            n,
        })
    })
}

/// What the floor's undisturbed seconds say of an upper limit; `None` where none of its samples is over it: such a floor
/// excuses nothing.
pub(super) fn misses(
    floor: &[FloorSecond],
    metric: Metric,
    limit: Nanos,
    fan_out: f64,
) -> Option<Misses> {
    let seconds: Vec<Second> = by_second(floor, metric, limit).collect();
    let missed = seconds.iter().any(|second| second.missed > 0);
    missed.then(|| Misses::of(&seconds, fan_out))
}

/// Why a limit that a server missed can't be blamed on it: the machine misses it without any server, and what is left of
/// the server's share is not over the allowed one for certain.
pub(super) fn excuse(server: &Misses, floor: &Misses, allowed: Allowed) -> Option<String> {
    let added = server.share - floor.share;
    // The interval of a difference of two shares from their own intervals (Newcombe 1998, method 10).
    let end = |server: f64, floor: f64| server.hypot(floor);
    let least = added - end(server.share - server.run.low, floor.seen.high - floor.share);
    let most = added + end(server.run.high - server.share, floor.share - floor.seen.low);
    let signed = |share: f64| {
        let sign = if share < 0.0 { "-" } else { "" };
        format!("{sign}{}", numbers::share(share.abs()))
    };
    allowed.allows(least.max(0.0)).then(|| {
        format!(
            "over a bare relay, without any server, {} miss this limit too: what the server adds, {} to {}, is not for \
             certain more than the {} that may",
            numbers::share(floor.share),
            signed(least),
            signed(most),
            numbers::share(allowed.share),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed = Allowed {
        share: 0.01,
        below: false,
    };

    /// Seconds of 100 samples, all with so many misses.
    fn of(missed: u64, seconds: usize) -> Misses {
        Misses::of(&vec![Second { missed, n: 100 }; seconds], 1.0)
    }

    #[test]
    fn rule_09_what_the_server_adds_for_certain_is_not_excused() {
        let excused = |server: u64, floor: u64| excuse(&of(server, 20), &of(floor, 6), ALLOWED);
        // All late, and more than a third of the floor.
        assert_eq!(excused(100, 37), None);
        assert_eq!(excused(10, 1), None);
        for (server, floor) in [(4, 4), (4, 3), (4, 30), (38, 37)] {
            assert!(excused(server, floor).is_some(), "{server} {floor}");
        }
        assert_eq!(
            excused(4, 3).as_deref(),
            Some(
                "over a bare relay, without any server, 3.00 % miss this limit too: what the server adds, -0.89 % to \
                 2.54 %, is not for certain more than the 1.00 % that may"
            )
        );
    }

    #[test]
    fn rule_09_a_limit_that_nothing_may_miss_is_the_machines_if_it_misses_it_alone() {
        let none = Allowed {
            share: 0.0,
            below: false,
        };
        let mut alone = [Second { missed: 0, n: 100 }; 6];
        alone[2].missed = 1;
        let alone = Misses::of(&alone, 1.0);
        let mut server = [Second { missed: 0, n: 100 }; 20];
        server[7].missed = 3;
        assert!(excuse(&Misses::of(&server, 1.0), &alone, none).is_some());
        assert_eq!(excuse(&of(5, 20), &alone, none), None);
    }
}
