//! What bounds a search, and what ends it.

use super::*;
use crate::search::{Outcome, Rules};

#[test]
fn no_hold_is_asked_for_that_can_not_be_planned() {
    let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 20, rooms = 10 }\n\
                [[phases]]\nname = \"w\"\nduration = \"10s\"\nrate = \"50/s\"\nmeasured = false\n\
                [[phases]]\nname = \"p\"\nduration = \"20s\"\nrate = \"100/s\"\nburst = { messages = 7, every = \"3s\" }\n";
    let scenario = Scenario::parse(std::path::Path::new("t.toml"), text).unwrap();
    let own = scenario.measured_rate().unwrap();
    for hold in [20, 3_600] {
        let hold = Duration::from_secs(hold);
        let lengths = Lengths {
            full: hold,
            short: hold,
        };
        let highest = highest(&scenario, own, lengths);
        let at = |rate| {
            let (length, purpose) = (Length::Full, Purpose::Bracket);
            let ask = Ask {
                rate,
                length,
                purpose,
            };
            scenario_of(&scenario, own, lengths, ask)
        };
        assert!(at(highest).messages_due() <= MOST_MESSAGES);
        assert!(Plan::new(&at(1.02 * highest)).is_err());
    }
}

#[test]
fn an_interrupt_ends_what_is_not_answered_and_takes_no_answer_away() {
    let hold = Duration::from_secs(20);
    let mut controller = Controller::new(Settings {
        start: 100.0,
        most: 200.0,
        least: 1.0,
        precision: 0.025,
        full: hold,
        short: hold,
        budget: 100 * hold,
        rules: Rules::LATEST,
    });
    while let Ok(ask) = due(&controller, false) {
        assert_eq!(due(&controller, true), Err(Ended::Interrupted));
        controller.tell(ask, Outcome::Kept, hold);
    }
    for interrupted in [false, true] {
        assert_eq!(due(&controller, interrupted), Err(Ended::AtMost));
    }
}
