//! The parts of a run by themselves: its floor, its phases, its conversations by size.

use comfy_table::Table;

use super::{PROMISE, numbers};
use crate::{
    model::numbers::{count, duration},
    report::table::{align_numbers, plain_table},
    result::{MetricResult, Model, Run},
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
