//! Prints the tables of docs/MEASUREMENT.md that say how often the intervals and verdicts are right, as Markdown:
//! `cargo bench -p benches --bench coverage`.

#[path = "../../loadgen-core/tests/coverage/shapes.rs"]
mod shapes;

use std::io::{self, Write};

use shapes::{Shape, Tally};

/// Of each kind of run.
const RUNS: u32 = 500;
const SECONDS: [usize; 5] = [20, 60, 120, 300, 600];
/// Of all messages within the limit, in the long run, against a limit of 99 %.
const TRUTHS: [f64; 5] = [0.999, 0.992, 0.99, 0.985, 0.98];

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let head: Vec<String> = SECONDS.iter().map(|s| format!("{s} s")).collect();
    let line = "--:|".repeat(SECONDS.len());
    writeln!(
        out,
        "| the server misses the limit | over it | {} |",
        head.join(" | ")
    )?;
    writeln!(out, "|---|--:|{line}")?;
    for shape in Shape::ALL {
        let over = shape.example();
        let cells = SECONDS.map(|seconds| {
            let tally = Tally::of(shape, over, seconds, RUNS);
            format!("{:.1} %", 100.0 * tally.share(tally.covered))
        });
        let name = shape.name();
        writeln!(
            out,
            "| {name} | {:.1} % | {} |",
            100.0 * over,
            cells.join(" | ")
        )?;
    }
    writeln!(
        out,
        "\n| in truth within | the server misses the limit | {} |",
        head.join(" | ")
    )?;
    writeln!(out, "|--:|---|{line}")?;
    for truth in TRUTHS {
        for shape in Shape::ALL {
            let cells = SECONDS.map(|seconds| {
                let tally = Tally::of(shape, 1.0 - truth, seconds, RUNS);
                let percent = |part| 100.0 * tally.share(part);
                format!(
                    "{:.0} / {:.0}",
                    percent(tally.passed),
                    percent(tally.failed)
                )
            });
            let name = shape.name();
            writeln!(
                out,
                "| {:.1} % | {name} | {} |",
                100.0 * truth,
                cells.join(" | ")
            )?;
        }
    }
    Ok(())
}
