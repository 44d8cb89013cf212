//! Prints the tables of docs/MEASUREMENT.md that say how often `ab` is right, as Markdown:
//! `cargo bench -p benches --bench ab`.

#[path = "../../loadgen-core/tests/ab/noise.rs"]
mod noise;

use std::io::{self, Write};

use noise::{Noise, Tally};

const GATES: u64 = 1_000;
/// How many times as long everything takes with the change.
const TIMES: [f64; 4] = [1.0, 1.1, 1.2, 1.5];

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let head = TIMES.map(|times| match times {
        1.0 => "no change".to_owned(),
        _ => format!("slower by {:.0} %", 100.0 * (times - 1.0)),
    });
    writeln!(
        out,
        "| FAIL / PASS of {GATES} gates, median of cycles | {} |",
        head.join(" | ")
    )?;
    writeln!(out, "|---|{}", "--:|".repeat(TIMES.len()))?;
    for noise in Noise::ALL {
        let cells = TIMES.map(|times| {
            let tally = Tally::of(noise, times, GATES);
            let percent = |part: u64| 100.0 * part as f64 / tally.gates as f64;
            format!(
                "{:.1} % / {:.1} %, {}",
                percent(tally.failed),
                percent(tally.passed),
                tally.cycles()
            )
        });
        writeln!(out, "| {} | {} |", noise.name(), cells.join(" | "))?;
    }
    Ok(())
}
