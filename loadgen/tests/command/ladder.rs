//! `ladder`: what it refuses, what it leaves, and what is published of it.

use std::{fs, path::Path};

use loadgen::search::{
    Ended,
    ladder::{Ladder, headline},
};

use crate::{Bench, SMALL, finish, loadgen};

#[test]
fn a_mistake_in_the_last_scenario_is_told_before_anything_is_started() {
    let bench = Bench::new();
    let good = bench.scenario(SMALL);
    let closed = bench.path("closed.toml");
    fs::write(
        &closed,
        SMALL.replace("rate = \"200/s\"", "think_time = \"1s\""),
    )
    .unwrap();
    for (flags, word) in [
        (&[][..], "phase \"steady\" is closed"),
        (&["--systems", "own,own"], "--systems names own twice"),
        (&["--systems", "own,node"], "peer:NAME"),
        (&["--systems", "own@redis"], "no store \"redis\""),
        (
            &["--systems", "own@docker,own@docker"],
            "--systems names own@docker twice",
        ),
    ] {
        let mut command = loadgen();
        command.arg("ladder").arg(&good).arg(&closed).args(flags);
        command.arg("--out").arg(bench.path("out"));
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(word), "{flags:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

/// What a busy machine makes of the rates is not this test's: only that both systems are asked in turn, that all files say
/// the same, and that a site and a page can be made of them.
#[test]
fn a_ladder_leaves_what_every_system_carries_and_can_be_published() {
    let bench = Bench::new();
    let text = SMALL.replace(
        "\"lost\" = \"== 0\"",
        "\"lost\" = \"== 0\"\n\"confirm.p99\" = \"< 5s\"",
    );
    let mut command = loadgen();
    command.arg("ladder").arg(bench.scenario(&text));
    // A store of its own, whatever else is there.
    command.args(["--systems", "own@memory,relay", "--up-to", "120/s"]);
    command.args(["--hold", "10s", "--budget", "55s", "--no-machine-check"]);
    command.arg("--out").arg(bench.path("out"));
    let ended = finish(command);
    assert!(
        matches!(ended.code, Some(0 | 1 | 3 | 4)),
        "{}",
        ended.stderr
    );
    let json = bench.path("out").join("systems.ladder.json");
    let text = fs::read_to_string(&json).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let ladder = Ladder::parse(&json, &text).unwrap();
    assert_eq!(ladder.systems(), ["own@memory", "relay"]);
    let store = &ladder.searches[0].systems[0].store;
    assert!(store.starts_with("in-memory simulation"), "{store}");
    assert_eq!(ladder.asked, ["small"]);
    // The relay confirms nothing, and is not asked for it.
    assert!(
        ended
            .stderr
            .contains("relay: confirm.p99 < 5s is not asked of it"),
        "{}",
        ended.stderr
    );
    for system in &ladder.searches[0].systems {
        let hold = &system.holds[0];
        assert!(
            hold.sent > 0
                && hold.server_memory > Some(1 << 20)
                && hold.server_memory_before > Some(1 << 20),
            "{hold:?}"
        );
        assert!(
            system.version.is_some() == (system.system == "own@memory"),
            "{system:?}"
        );
    }
    let turns: Vec<&str> = ended
        .stderr
        .lines()
        .filter_map(|line| line.split_once(": settle at "))
        .map(|(system, _)| system)
        .collect();
    assert_eq!(turns[..2], ["own@memory", "relay"], "{}", ended.stderr);
    published(&bench, &json, &ladder);
}

fn published(bench: &Bench, json: &Path, ladder: &Ladder) {
    let told = headline(ladder).unwrap();
    assert!(ladder_is_told(
        &fs::read_to_string(json.with_file_name("systems.ladder.html")).unwrap(),
        &told.sentence
    ));
    let readme = bench.path("README.md");
    let publish = || {
        let mut command = loadgen();
        command
            .arg("publish")
            .arg(json)
            .arg("--to")
            .arg(bench.path("site"));
        command.arg("--readme").arg(&readme);
        finish(command)
    };
    fs::write(&readme, "# No place\n").unwrap();
    let ended = publish();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("<!-- ladder -->"), "{}", ended.stderr);
    assert!(!bench.path("site").exists());
    fs::write(&readme, "# T\n<!-- ladder -->\n<!-- /ladder -->\nmore\n").unwrap();
    let ended = publish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(&readme).unwrap();
    assert!(
        text.contains(&told.sentence) && text.ends_with("\nmore\n"),
        "{text}"
    );
    let index = fs::read_to_string(bench.path("site/index.html")).unwrap();
    let page = format!("systems/{}.html", ladder.name());
    assert!(index.contains(&format!("href=\"{page}\"")) && ladder_is_told(&index, &told.sentence));
    let kept = bench.path("site").join(page).with_extension("json");
    assert_eq!(
        fs::read_to_string(kept).unwrap(),
        fs::read_to_string(json).unwrap()
    );
    let picture = fs::read_to_string(bench.path("site/systems/headline.svg")).unwrap();
    assert_eq!(Some(picture), told.picture);
    // One that was broken off says nothing that could be published.
    let mut stopped = ladder.clone();
    stopped.searches[0].systems[1].ended = Ended::Interrupted;
    let mut fewer = ladder.clone();
    fewer.asked.push("soak".to_owned());
    for (broken_off, told) in [
        (stopped, "the search of relay was broken off"),
        (fewer, "soak was not searched"),
    ] {
        fs::write(json, serde_json::to_string(&broken_off).unwrap()).unwrap();
        let ended = publish();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}

/// Whether a page says a sentence, which it writes with entities.
fn ladder_is_told(page: &str, sentence: &str) -> bool {
    page.contains(&sentence.replace('\'', "&#39;"))
}

#[test]
fn the_schema_of_ladders_is_the_published_one() {
    let mut command = loadgen();
    command.args(["ladder", "--schema"]);
    let ended = finish(command);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ladder.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &ended.stdout).unwrap();
    }
    let published = fs::read_to_string(path).unwrap_or_default();
    assert!(
        ended.stdout == published,
        "docs/ladder.schema.json is not the code's: `loadgen ladder --schema` prints it, UPDATE_SCHEMA=1 writes it"
    );
}
