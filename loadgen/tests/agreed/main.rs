//! What is agreed with somebody else's server: each shape of events and payloads that an event map can say, and each
//! mistake in it, told within seconds.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

mod joins;
mod mistakes;
mod probe;
mod server;
mod shapes;

use std::{path::Path, time::Duration};

use loadgen::{
    dial::Target,
    experiment::{self, Event, Interrupt, Options, RunError, SystemChoice, Watcher},
    judge::Verdict,
    result::Report,
    rig::StoreChoice,
    scenario::Scenario,
};
use server::Shape;

const SCENARIO: &str = r#"version = 1
name = "agreed"
question = "Is it understood?"
drain = "2s"
population = { users = 6, rooms = 3 }

[[phases]]
name = "steady"
duration = "1s"
rate = "40/s"

[thresholds]
"lost" = "== 0"
"#;

/// The map of [`Shape::PLAIN`].
const PLAIN: &str = r#"
[server.events.room]
join = "enter"
send = "say"
received = "said"
id_field = "room"
[server.events.fields]
body = "text"
sender = ""
"#;

#[derive(Default)]
struct Notices(Vec<String>);

impl Watcher for Notices {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Notice(text) = event {
            self.0.push(text);
        }
    }
}

/// A run of a scenario against a server, and what was told meanwhile.
async fn run(scenario: &str, shape: Shape) -> (Result<Report, RunError>, Vec<String>) {
    let url = server::start(shape).await;
    let scenario = Scenario::parse(Path::new("agreed.toml"), scenario).unwrap();
    let options = Options {
        store: StoreChoice::Memory,
        mongo_image: String::new(),
        target: Some(Target::started_here(&url, &scenario.connections).unwrap()),
        target_version: None,
        target_command: None,
        system: SystemChoice::Own(None),
        peers: None,
        audit: None,
        client: None,
        workers: Some(1),
        cpus: Vec::new(),
        machine_check: false,
        floor: None,
        command: Vec::new(),
        labels: Default::default(),
    };
    let mut notices = Notices::default();
    let interrupt = Interrupt::listen().unwrap();
    let finished = experiment::run(&scenario, &options, &interrupt, &mut notices).await;
    (finished.map(|finished| finished.report), notices.0)
}

/// A server and its map: everything is delivered, and nothing is found.
async fn passes(scenario: &str, shape: Shape) -> Report {
    let (report, _) = run(scenario, shape).await;
    let report = report.unwrap_or_else(|error| panic!("{error}\n{scenario}"));
    let run = &report.runs[0];
    assert_eq!(run.findings, [], "{scenario}");
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert!(run.totals.delivered > 10);
    assert_eq!(run.totals.delivered, run.totals.expected);
    report
}

/// The one sentence that a run ends with, and that it ends soon.
async fn mistake(scenario: &str, shape: Shape) -> String {
    let longer = scenario.replace("duration = \"1s\"", "duration = \"60s\"");
    let ended = tokio::time::timeout(Duration::from_secs(40), run(&longer, shape)).await;
    match ended.expect("it ends long before its minute").0 {
        Err(RunError::Mistaken(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(report) => panic!("{:?}: {:?}", report.verdict, report.runs[0].findings),
    }
}
