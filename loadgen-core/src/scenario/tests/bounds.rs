//! What would be too much for a run is refused before anything is worked out of it, and phases are told apart.

use super::*;

/// Files with a mistake: see [`super::mistakes`].
pub(super) fn beyond_bounds() -> Vec<(String, &'static str, &'static str)> {
    let phase = |line: &str| format!("{HEAD}{PEOPLE}{STEADY}{line}\n");
    let lasting = |length: &str| format!("{HEAD}{PEOPLE}{}", STEADY.replace("10s", length));
    let people = |lines: &str| format!("{HEAD}[population]\n{lines}\n{STEADY}");
    let section = |lines: &str| format!("{HEAD}{lines}\n{PEOPLE}{STEADY}");
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
            lasting("1000s").replace("10/s", "1000000/s"),
            "rate",
            "1000000000 messages by the end of this phase; at most 100000000 fit a run",
        ),
        (
            lasting("1000s").replace("10/s", "60000/s")
                + "[[phases]]\nname = \"x\"\nduration = \"1000s\"\nthink_time = \"1us-300us\"\n",
            "think_time",
            "messages by the end of this phase",
        ),
        (
            lasting("1000s") + "joins = \"1/s\"\nleaves = \"60000/s\"\nrejoins = \"60000/s\"\n",
            "rejoins",
            "120001000 comings and goings by the end of this phase; at most 100000000",
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
            people("users = 1000\nrooms = 1\nconnect_rate = \"0.1/h\""),
            "connect_rate",
            "the last user would connect after 416 days: raise it, so that all are there within 365d",
        ),
        (
            people(&format!(
                "users = 2\nrooms = 1\nconnect_rate = \"0.{}1/h\"",
                "0".repeat(300)
            )),
            "connect_rate",
            "the last user would connect after ",
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
        (
            format!("{HEAD}{PEOPLE}{STEADY}").replace("\"t\"", &format!("{:?}", "t".repeat(101))),
            "name",
            "101 characters: a name has at most 100",
        ),
        (
            section("[connections]\nauth = { token = \"t\", deep = [{ far = inf }] }"),
            "auth",
            "inf: JSON has no such number, write it as a text",
        ),
        (
            section("[connections]\n[connections.auth]\ntoken = \"t\"\nwhere = nan"),
            "where = nan",
            "NaN: JSON has no such number",
        ),
        (
            section("[connections]\nheaders = { a = inf }"),
            "headers",
            "inf: JSON has no such number",
        ),
        (
            section(
                "[messages]\nsize = [{ size = \"40B\", weight = 1e308 },\n  { size = \"50B\", weight = 1e308 }]",
            ),
            "50B",
            "the weights have no sum",
        ),
        (
            phase("[thresholds]\n\"delivery.within_5ms\" = \"> 100%\""),
            "> 100%",
            "delivery.within_5ms is never > 100%: write a condition that can be kept, as in \">= 99%\"",
        ),
        (
            phase("thresholds = { lost = \">= 0\" }"),
            ">= 0",
            "lost is always >= 0, so that nothing would be judged: write a condition that can be missed",
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
