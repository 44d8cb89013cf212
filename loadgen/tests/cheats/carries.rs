//! The highest rate of a server over real sockets whose capacity is known: one worker, a fixed time for each message.

use std::{path::Path, time::Duration};

use loadgen::{
    dial::Target,
    experiment::{self, Interrupt, SearchOptions},
    judge::Verdict,
    scenario::Scenario,
    search::{Ended, Purpose},
};

use crate::{
    Silent,
    fault::{Fault, SERVICE},
    options,
    server::Cheat,
    speech::Speech,
};

const SCENARIO: &str = r#"version = 1
name = "carries"
question = "How much does one worker carry?"
drain = "10s"
population = { users = 20, rooms = 10 }

[[phases]]
name = "steady"
duration = "10s"
rate = "60/s"

[thresholds]
"delivery.within_100ms" = ">= 95%"
"#;

/// The worker sleeps, so that a busy machine takes little of what it can do: never more than one message in each of these times
/// is done, and a part of that is confirmed.
#[tokio::test]
async fn what_one_worker_carries_is_found_and_confirmed_over_sockets() {
    let cheat = Cheat::start(Fault::TakesItsTime, Speech::default()).await;
    let scenario = Scenario::parse(Path::new("carries.toml"), SCENARIO).unwrap();
    let target = Target::started_here(&cheat.url, &scenario.connections).unwrap();
    let asked = SearchOptions {
        systems: vec![cheat.url.parse().unwrap()],
        budget: Duration::from_secs(600),
        hold: Some(Duration::from_secs(10)),
        up_to: Some(1_000.0),
    };
    let interrupt = Interrupt::listen().unwrap();
    let options = options(target);
    let mut silent = Silent;
    let search = experiment::search(&scenario, &options, &asked, &interrupt, &mut silent);
    let found = search.await.unwrap().found;
    let system = &found.systems[0];
    let told = format!("{}: {:?}", system.sentence, system.holds);
    assert_eq!(
        (system.verdict, system.ended),
        (Verdict::Pass, Ended::Found),
        "{told}"
    );
    let capacity = 1.0 / SERVICE.as_secs_f64();
    let (last, first) = (system.last_success.unwrap(), system.first_failure.unwrap());
    assert!(
        0.5 * capacity < last && last < 1.05 * capacity && last < first,
        "{told}"
    );
    let confirmed = system.confirmed.unwrap();
    assert!((confirmed / last - 0.95).abs() < 1e-6, "{told}");
    let drains = system.holds.windows(2);
    let drains = drains.filter(|pair| pair[1].purpose == Purpose::Drain);
    // Beyond what it can do, what waits grows: that is drained.
    assert!(drains.count() > 0, "{told}");
    for pair in system.holds.windows(2) {
        let piled_up = !pair[0].piled_up.is_empty() || pair[0].purpose == Purpose::Drain;
        assert!(piled_up || pair[1].purpose != Purpose::Drain, "{told}");
    }
}
