//! Prints the tables of docs/REPORTS.md that say how often `compare` is right, as Markdown:
//! `cargo bench -p benches --bench comparisons`.

#[path = "../../loadgen-core/tests/comparisons/noise.rs"]
mod noise;

use std::io::{self, Write};

use noise::{Kind, Order, alarms};

const COMPARISONS: u64 = 2_000;
/// Of each side.
const RUNS: [usize; 5] = [4, 5, 6, 8, 10];
/// How many times as long everything takes with the change.
const FACTORS: [f64; 4] = [1.1, 1.2, 1.5, 2.0];

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let head: Vec<String> = RUNS.iter().map(|n| format!("{n} against {n}")).collect();
    let head = head.join(" | ");
    let line = "--:|".repeat(RUNS.len());
    writeln!(out, "| false alarms | runs | {head} |\n|---|---|{line}")?;
    for kind in Kind::ALL {
        for order in Order::ALL {
            let cells = cells(kind, order, 1.0);
            writeln!(out, "| {} | {} | {cells} |", kind.name(), order.name())?;
        }
    }
    writeln!(out, "\n| seen | slower by | {head} |\n|---|--:|{line}")?;
    for kind in Kind::ALL {
        for factor in FACTORS {
            let slower = 100.0 * (factor - 1.0);
            let cells = cells(kind, Order::InTurn, factor);
            writeln!(out, "| {} | {slower:.0} % | {cells} |", kind.name())?;
        }
    }
    Ok(())
}

fn cells(kind: Kind, order: Order, factor: f64) -> String {
    let share = |n| alarms(kind, order, n, factor, COMPARISONS);
    RUNS.map(|n| format!("{:.1} %", 100.0 * share(n)))
        .join(" | ")
}
