//! All mistakes of a file are told at once, the likeliest with what is right.

use super::*;

/// What is said of each mistake of a file.
fn all_mistakes(text: &str) -> Vec<String> {
    match Scenario::parse(Path::new("t.toml"), text) {
        Err(ScenarioError::Wrong(mistakes)) => mistakes
            .0
            .iter()
            .map(|mistake| format!("{}: {}", mistake.line, mistake.message))
            .collect(),
        other => panic!("{other:?}\n{text}"),
    }
}

#[test]
fn the_likeliest_mistakes_say_what_is_right() {
    let conditions = |lines: &str| format!("{HEAD}{PEOPLE}{STEADY}[thresholds]\n{lines}\n");
    for (text, message) in [
        (
            conditions("delivery.p95 = \"< 5ms\""),
            "quote the key, since its dots are its own: \"delivery.p95\" = …",
        ),
        (
            conditions("delivery.p99.9 = \"< 5ms\""),
            "\"delivery.p99.9\" = …",
        ),
        (
            conditions("delivery = { within_5ms = \">= 99%\" }"),
            "\"delivery.within_5ms\" = …",
        ),
        (
            format!("{HEAD}{PEOPLE}{STEADY}[thresholds.ack]\np50 = \"< 1s\"\n"),
            "\"ack.p50\" = …",
        ),
        (
            format!("{HEAD}{PEOPLE}{STEADY}thresholds.echo.max = \"< 1s\"\n"),
            "\"echo.max\" = …",
        ),
        (
            conditions("latency.p99 = \"< 5ms\""),
            "there is no metric `latency`",
        ),
        (
            format!("{HEAD}{PEOPLE}{}", STEADY.replace("[[phases]]", "[phases]")),
            "write [[phases]] before each",
        ),
        (
            format!(
                "{HEAD}{}\n[population.channels]\ncount = 1\nmembers = 5\n{STEADY}",
                PEOPLE.replace("channels = [{ count = 1, members = 5 }]", "")
            ),
            "[[population.channels]]",
        ),
        (
            format!(
                "{HEAD}{}{STEADY}",
                PEOPLE.replace("[population]", "[[population]]")
            ),
            "write [population] before it",
        ),
        (
            format!("{HEAD}{}{STEADY}", PEOPLE.replace("rooms", "roms")),
            "did you mean `rooms`?",
        ),
        (
            format!("{HEAD}{PEOPLE}{}", STEADY.replace("duration", "duratoin")),
            "did you mean `duration`?",
        ),
        (
            format!("{HEAD}rooms = 5\n{PEOPLE}{STEADY}"),
            "`rooms` is a key of [population]",
        ),
        (
            format!("{HEAD}[server]\ndialect = \"refernce\"\n{PEOPLE}{STEADY}"),
            "did you mean `reference`?",
        ),
    ] {
        let all = all_mistakes(&text);
        assert!(
            all[0].contains(message),
            "{message:?} is not in {all:#?}\n{text}"
        );
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_and_none_that_follows_from_another() {
    let text = "version = 1\nname = \"a b\"\nquestion = \"?\"\nsed = 7\n\
        [population]\nusers = \"many\"\nrooms = 5\n\
        [[phases]]\nname = \"steady\"\nduration = \"10 parsecs\"\nrate = \"10/s\"\nskw = 1\n\
        [thresholds]\ndelivery.p95 = \"< 5ms\"\ndelivery.p99.9 = \"< 9ms\"\nlost = 0\n";
    let all = all_mistakes(text);
    let lines: Vec<&str> = all
        .iter()
        .map(|told| told.split(':').next().unwrap())
        .collect();
    assert_eq!(lines, ["4", "6", "10", "12", "14", "15", "16"], "{all:#?}");
    // What reads well and is wrong all the same.
    let text = "version = 1\nname = \"a b\"\nquestion = \"?\"\n\
        [population]\nusers = 10\nrooms = 5\n\
        [[phases]]\nname = \"one\"\nduration = \"0s\"\nrate = \"10/s\"\n\
        [[phases]]\nname = \"two\"\nduration = \"10s\"\nrate = \"10/s\"\nconnects = \"1/s\"\nsteps = 3\n\
        [thresholds]\nlost = \"0\"\n\"delivery.p0\" = \"< 5ms\"\n";
    let all = all_mistakes(text);
    let lines: Vec<&str> = all
        .iter()
        .map(|told| told.split(':').next().unwrap())
        .collect();
    assert_eq!(lines, ["2", "9", "15", "16", "18", "19"], "{all:#?}");
}

#[test]
fn what_is_missing_is_told_with_the_rest() {
    let all =
        all_mistakes("version = 1\nname = \"t\"\nsed = 1\n[population]\nusers = 10\nroms = 5\n");
    assert!(
        all.iter().any(|told| told.contains("did you mean `seed`?")),
        "{all:#?}"
    );
    assert!(
        all.iter()
            .any(|told| told.contains("did you mean `rooms`?")),
        "{all:#?}"
    );
    assert!(
        all.iter()
            .any(|told| told.contains("missing field `question`")),
        "{all:#?}"
    );
}
