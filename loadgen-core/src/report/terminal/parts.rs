//! The parts of a run by themselves: its floor, its phases, its conversations by size.

use comfy_table::Table;

use super::{PROMISE, numbers};
use crate::{
    model::numbers::{count, duration},
    report::table::{align_numbers, plain_table},
    result::{FloorResult, MetricResult, Model, Run},
};

/// How the numbers are to be read where they are not charged from the plan.
pub(super) fn model(model: Model) -> Option<&'static str> {
    match model {
        Model::Open => None,
        Model::Closed => {
            Some("closed: latencies are service times, and a slow server was sent less")
        }
        Model::Mixed => Some(
            "open and closed: latencies of closed phases are service times, and a slow server was sent less in these",
        ),
    }
}

/// What the machine and the generator take by themselves, and what the server adds.
pub(super) fn floor(run: &Run) -> Option<String> {
    let floor = run.floor.as_ref()?;
    let mut percentiles = floor.delivery.percentiles.iter();
    let p50 = match percentiles.find(|p| p.percentile == 50.0) {
        Some(p50) => p50.value.map_or_else(
            || format!("p50 needs {} deliveries", count(p50.needs)),
            |value| format!("p50 {}", duration(value)),
        ),
        None => "no p50".to_owned(),
    };
    let alone = format!("{p50} over a bare relay");
    Some(match &added(floor)[..] {
        [] => alone,
        adds => format!("{alone}: the server adds {}", adds.join(", ")),
    })
}

fn added(floor: &FloorResult) -> Vec<String> {
    let ratio = |ratio: Option<f64>, at: &str| Some(format!("{:.1}× at {at}", ratio?));
    let difference = |difference: Option<i64>, at: &str| {
        let difference = difference?;
        let sign = if difference < 0 { "-" } else { "+" };
        Some(format!(
            "{sign}{} at {at}",
            duration(difference.unsigned_abs())
        ))
    };
    [
        ratio(floor.ratio_p50, "p50"),
        ratio(floor.ratio_p95, "p95"),
        difference(floor.difference_p99, "p99"),
        difference(floor.difference_p999, "p99.9"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Deliveries by phase and by the size of their conversation, where there are several.
pub(super) fn parts(run: &Run) -> Option<Table> {
    let phases = run.phases.iter().map(|phase| {
        let name = format!("phase {}", phase.name);
        (name, &phase.delivery)
    });
    let sizes = run.sizes.iter().map(|size| {
        let name = match (size.least, size.most) {
            (least, most) if least == most => format!("{} members", count(least.into())),
            (least, u32::MAX) => format!("{} members or more", count(least.into())),
            (least, most) => format!("{} to {} members", count(least.into()), count(most.into())),
        };
        (name, &size.delivery)
    });
    let rows: Vec<_> = several(phases.collect())
        .into_iter()
        .chain(several(sizes.collect()))
        .collect();
    (!rows.is_empty()).then(|| table(&rows))
}

/// One part alone is the whole.
fn several<T>(parts: Vec<T>) -> Vec<T> {
    if parts.len() > 1 { parts } else { Vec::new() }
}

fn table(rows: &[(String, &MetricResult)]) -> Table {
    let mut table = plain_table();
    let mut header = vec!["deliveries".to_owned(), "n".to_owned()];
    header.extend(super::SHOWN.iter().map(|p| format!("p{p}")));
    header.extend(["max".to_owned(), format!("within {}", duration(PROMISE))]);
    table.set_header(header);
    for (name, result) in rows {
        let mut row = vec![name.clone()];
        row.extend(numbers(result));
        table.add_row(row);
    }
    align_numbers(&mut table, 1);
    table
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
            windows: Vec::new(),
            ratio_p50: Some(2.14),
            ratio_p95: Some(2.3),
            difference_p99: Some(1_910_000),
            difference_p999: None,
        }
    }

    #[test]
    fn rule_09_ratios_are_quoted_below_and_differences_in_the_tail() {
        assert_eq!(
            added(&floor()),
            ["2.1× at p50", "2.3× at p95", "+1.91 ms at p99"]
        );
        let slower = FloorResult {
            difference_p99: Some(-200_000),
            ..floor()
        };
        assert_eq!(added(&slower)[2], "-200 µs at p99");
    }
}
