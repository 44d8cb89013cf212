mod busy;
mod charged;
mod fake;
mod ladder;
mod opinions;
mod properties;
mod shown;
mod targets;

use std::time::Duration;

use super::{Answer, Controller, Next, Rules, Settings};
use fake::Target;

/// The budget of a search that nobody told otherwise.
const QUARTER: Duration = Duration::from_secs(15 * 60);

fn settings(start: f64) -> Settings {
    Settings {
        start,
        most: 1e6,
        least: start / 64.0,
        precision: 0.025,
        full: Duration::from_secs(45),
        short: Duration::from_secs(15),
        budget: QUARTER,
        rules: Rules::LATEST,
    }
}

/// With time for everything.
fn unhurried(start: f64) -> Settings {
    Settings {
        budget: Duration::from_secs(36_000),
        ..settings(start)
    }
}

/// Searches to the end; in simulated time, which is the length of the holds alone.
fn search(settings: Settings, target: &mut dyn Target) -> (Answer, Controller) {
    let mut controller = Controller::new(settings.clone());
    for _ in 0..1_000 {
        let ask = match controller.next() {
            Next::Done(answer) => return (answer, controller),
            Next::Hold(ask) => ask,
        };
        let length = controller.length(ask.length);
        let outcome = target.hold(ask.rate, length.as_secs());
        controller.tell(ask, outcome, length);
    }
    panic!("a thousand holds and no answer: {:?}", controller.holds());
}
