//! The floor in words: what a bare relay takes under the same load, and the server beside it.

use crate::{
    model::numbers::{counted, duration},
    result::FloorResult,
};

/// What the machine and the generator take by themselves, and the server beside that.
pub(super) fn sentence(floor: &FloorResult) -> String {
    let mut percentiles = floor.delivery.percentiles.iter();
    let p50 = match percentiles.find(|p| p.percentile == 50.0) {
        Some(p50) => p50.value.map_or_else(
            || format!("p50 needs {}", counted(p50.needs, "delivery")),
            |value| format!("p50 {}", duration(value)),
        ),
        None => "no p50".to_owned(),
    };
    let of_run = floor
        .of_run
        .map(|[first, end]| format!(", as in the seconds {first} to {end}"));
    let alone = format!("{p50} over a bare relay{}", of_run.unwrap_or_default());
    match &beside(floor)[..] {
        [] => format!("{alone}; it varies more than the server differs from it"),
        beside => format!("{alone}; the server: {}", beside.join(", ")),
    }
}

/// The server's numbers beside the floor's, as far as they can be told apart, each with its interval.
fn beside(floor: &FloorResult) -> Vec<String> {
    let ratio = |ratio: Option<f64>, interval: Option<[f64; 2]>, at: &str| {
        let interval = interval.map(|[low, high]| format!(" ({low:.1} to {high:.1})"));
        let interval = interval.unwrap_or_default();
        Some(format!("{:.1} × the floor at {at}{interval}", ratio?))
    };
    let difference = |difference: Option<i64>, interval: Option<[i64; 2]>, at: &str| {
        let interval = interval.map(|[low, high]| format!(" ({} to {})", more(low), more(high)));
        let interval = interval.unwrap_or_default();
        Some(format!("{} at {at}{interval}", more(difference?)))
    };
    [
        ratio(floor.ratio_p50, floor.ratio_p50_interval, "p50"),
        ratio(floor.ratio_p95, floor.ratio_p95_interval, "p95"),
        difference(floor.difference_p99, floor.difference_p99_interval, "p99"),
        difference(
            floor.difference_p999,
            floor.difference_p999_interval,
            "p99.9",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A difference with its sign.
fn more(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "+" };
    format!("{sign}{}", duration(nanos.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Metric,
        observed::{DeliverySample, Layout, Recorder},
        result,
    };

    fn floor() -> FloorResult {
        let mut recorder = Recorder::new(Layout::new(&[], &[]).into());
        for _ in 0..20 {
            recorder.record_delivery(DeliverySample {
                intended: 0,
                received: 165_000,
                phase: 0,
                members: 2,
            });
        }
        FloorResult {
            seconds: 6.0,
            delivery: result::metric(Metric::Delivery, &recorder.finish()),
            slowest: None,
            of_run: Some([4, 7]),
            windows: Vec::new(),
            ratio_p50: Some(2.14),
            ratio_p50_interval: Some([1.93, 2.38]),
            ratio_p95: Some(2.3),
            ratio_p95_interval: None,
            difference_p99: Some(1_910_000),
            difference_p99_interval: Some([-20_000, 2_400_000]),
            difference_p999: None,
            difference_p999_interval: None,
            evidence: Vec::new(),
        }
    }

    #[test]
    fn rule_09_ratios_are_quoted_below_and_differences_in_the_tail() {
        assert_eq!(
            beside(&floor()),
            [
                "2.1 × the floor at p50 (1.9 to 2.4)",
                "2.3 × the floor at p95",
                "+1.91 ms at p99 (-20.0 µs to +2.40 ms)"
            ]
        );
        let slower = FloorResult {
            difference_p99: Some(-200_000),
            difference_p99_interval: None,
            ..floor()
        };
        assert_eq!(beside(&slower)[2], "-200 µs at p99");
    }
}
