//! What would be too much for a run is refused before anything is worked out of it, and phases are told apart.

use super::*;

/// Files with a mistake: see [`super::mistakes`].
pub(super) fn beyond_bounds() -> Vec<(String, &'static str, &'static str)> {
    let phase = |line: &str| format!("{HEAD}{PEOPLE}{STEADY}{line}\n");
    let lasting = |length: &str| format!("{HEAD}{PEOPLE}{}", STEADY.replace("10s", length));
    let people = |lines: &str| format!("{HEAD}[population]\n{lines}\n{STEADY}");
    let next = |name: &str| phase(&format!("[[phases]]\nname = \"{name}\"\nduration = \"1s\""));
    vec![
        (
            lasting("18446744073709551615s"),
            "duration",
            "\"18446744073709551615s\" is too long: at most 365d",
        ),
        (
            phase("[[phases]]\nname = \"x\"\nduration = \"365d\""),
            "duration = \"365d\"",
            "with this one they are longer",
        ),
        (
            format!("drain = \"600y\"\n{HEAD}{PEOPLE}{STEADY}"),
            "drain",
            "\"600y\" is too long",
        ),
        (
            phase("[behaviour]\naway = \"1s-600y\""),
            "away",
            "\"600y\" is too long",
        ),
        (
            phase("[thresholds]\n\"delivery.p99\" = \"< 366d\""),
            "delivery.p99",
            "\"366d\" is too long",
        ),
        (
            people("users = 4294967295\nrooms = 1"),
            "users",
            "at most 10000000 users fit a run",
        ),
        (
            people("users = 1000000\nrooms = 50000001"),
            "rooms",
            "with these there are more",
        ),
        (
            people("users = 1000000\nrooms = 1\nchannels = [{ count = 100, members = 1000000 }]"),
            "channels",
            "with these there are more",
        ),
        (
            people(
                "users = 10\nchannels = [{ count = 4294967295, members = { most = 9, zipf = 1.5 } }]",
            ),
            "channels",
            "with these there are more",
        ),
        (next(""), "name = \"\"", "a phase has a name"),
        (next(" "), "name = \" \"", "a phase has a name"),
        (
            next("steady"),
            "name = \"steady\"",
            "two phases are called \"steady\": name each once",
        ),
    ]
}

#[test]
fn what_is_too_much_is_told_at_its_place() {
    for (text, excerpt, message) in beyond_bounds() {
        let located = error(&text);
        assert!(
            located.message.contains(message) && located.excerpt.contains(excerpt),
            "{message:?} is not in\n{located}"
        );
    }
}

#[test]
fn the_most_that_fits_a_run_is_planned_without_overflow() {
    let text = format!(
        "drain = \"365d\"\n{HEAD}{PEOPLE}[behaviour]\naway = \"365d\"\n\
         [[phases]]\nname = \"long\"\nduration = \"365d\"\nreconnects = \"1/h\"\n"
    );
    let scenario = parse(&text);
    assert_eq!(scenario.duration(), Duration::from_secs(365 * 86_400));
    let plan = crate::plan::Plan::new(&scenario).unwrap();
    assert!(!plan.actions.is_empty());
}
