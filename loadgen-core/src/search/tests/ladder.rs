//! A ladder of made-up searches: what its sentence, its tables and its picture say.

use std::path::Path;

use super::shown::{document, found};
use crate::{
    judge::Verdict,
    search::{
        SystemFound,
        ladder::{Ladder, LadderFormat, headline, newest},
    },
};

fn named(system: &str, capacity: f64) -> SystemFound {
    SystemFound {
        system: system.to_owned(),
        ..found(capacity, 1e6)
    }
}

fn ladder(systems: Vec<SystemFound>) -> Ladder {
    let searches = vec![document(systems.clone()), document(systems)];
    Ladder::of(searches, Vec::new()).unwrap()
}

#[test]
fn the_files_of_a_ladder_lie_in_its_folder_whatever_it_says() {
    let name = |started: &str, asked: &str| {
        let mut ladder = ladder(vec![named("own", 1_000.0)]);
        ladder.started = started.to_owned();
        ladder.searches[0].scenario.name = asked.to_owned();
        ladder.name()
    };
    let day = "2026-11-26T19:42:39.200Z";
    assert_eq!(name(day, "one_to-one"), "20261126T194239200Z-one_to-one-t");
    assert_eq!(name("../x", "../../../x"), "x----------x-t");
    assert_eq!(name("/", "/etc"), "--etc-t");
    assert_eq!(name(day, &"x".repeat(300)).len(), 200);
}

#[test]
fn the_sentence_holds_this_server_against_all_others() {
    let four = [
        ("own", 1_000.0),
        ("peer:node", 400.0),
        ("peer:python", 0.0),
        ("relay", 1_600.0),
    ];
    let ladder = ladder(
        four.map(|(system, capacity)| named(system, capacity))
            .to_vec(),
    );
    let headline = headline(&ladder).unwrap();
    let kept = |place: usize| {
        ladder.searches[0].systems[place].limits[2]
            .last_success
            .unwrap()
    };
    for said in [
        format!("In t, this server carries {:.0} messages a second", kept(0)),
        "within 5 ms on one core: ".to_owned(),
        format!(
            "{:.1} times plain Node.js ({:.0})",
            kept(0) / kept(1),
            kept(1)
        ),
        "; no rate is known at which python-socketio would keep that.".to_owned(),
        format!(
            " and {:.0} % of the bare relay (1,",
            100.0 * kept(0) / kept(3)
        ),
    ] {
        let sentence = &headline.sentence;
        assert!(sentence.contains(&said), "{said:?} is not in {sentence:?}");
    }
    assert!(
        headline.lost.starts_with("No rival carries more"),
        "{}",
        headline.lost
    );
    let told = headline.markdown("reports");
    for said in [
        "](reports/systems/headline.svg)",
        "](reports/systems/-t-t.json)",
        "in memory",
    ] {
        assert!(told.contains(said), "{said:?} is not in {told}");
    }
    assert!(
        headline
            .picture
            .is_some_and(|svg| svg.contains("peer:node: up to"))
    );
}

#[test]
fn whose_search_found_no_end_is_told_beside_the_headline() {
    let ended = |system: &str, capacity: f64, verdict: Verdict| SystemFound {
        verdict,
        ..named(system, capacity)
    };
    let own = || ended("own", 1_000.0, Verdict::Pass);
    let told = headline(&ladder(vec![
        own(),
        ended("peer:node", 400.0, Verdict::Inconclusive),
        ended("relay", 1_600.0, Verdict::Invalid),
    ]))
    .unwrap();
    let said = "Searches that ended INCONCLUSIVE: in t of plain Node.js; in t of plain Node.js. \
                Searches that ended INVALID: in t of the bare relay; in t of the bare relay.";
    assert_eq!(told.undecided, said);
    assert!(told.markdown("reports").contains(said));
    assert!(told.sentences().contains(&said.to_owned()));
    // A system that keeps no limit has an answer.
    let failed = ended("peer:node", 400.0, Verdict::Fail);
    let told = headline(&ladder(vec![own(), failed])).unwrap();
    assert_eq!(told.undecided, "");
    assert_eq!(told.sentences().len(), 2);
}

#[test]
fn a_lost_comparison_is_told() {
    let ladder = ladder(vec![named("own", 400.0), named("peer:node", 1_000.0)]);
    let headline = headline(&ladder).unwrap();
    assert!(
        headline.sentence.contains("% of plain Node.js"),
        "{}",
        headline.sentence
    );
    assert!(
        headline
            .lost
            .contains("in t plain Node.js carries more within 1 ms, 2 ms, 5 ms, 10 ms, 25 ms"),
        "{}",
        headline.lost
    );
}

#[test]
fn that_a_rival_was_not_asked_for_more_does_not_say_that_it_carries_less() {
    let mut node = named("peer:node", 400.0);
    for open in &mut node.limits[3..] {
        open.first_failure = None;
    }
    let own = named("own", 1_000.0);
    let lost = headline(&ladder(vec![own.clone(), node.clone()]))
        .unwrap()
        .lost;
    let scope = "in any of the scenarios, within 1, 2, 5, 10 or 25 ms.";
    let said = "It is not known whether plain Node.js carries more in t within 10 ms, 25 ms;";
    assert!(
        lost.starts_with(&format!("No rival is known to carry more {scope} {said}")),
        "{lost}"
    );
    // Nor does it where what was seen of this server contradicts itself.
    let mut torn = own;
    let ends = &mut torn.limits[2];
    (ends.contradicted, ends.last_success) = (true, None);
    let lost = headline(&ladder(vec![torn, node])).unwrap().lost;
    let said = "whether plain Node.js carries more in t within 5 ms, 10 ms, 25 ms;";
    assert!(lost.contains(said), "{lost}");
}

/// Nor does a last success of this server that nothing ends.
#[test]
fn that_this_server_was_not_asked_for_more_does_not_say_that_a_rival_carries_more() {
    let node = named("peer:node", 1_000.0);
    let theirs = node.limits[2].last_success.unwrap();
    let lost = |success: Option<f64>, failure: Option<f64>| {
        let mut own = named("own", 400.0);
        let ends = &mut own.limits[2];
        (ends.last_success, ends.first_failure) = (success, failure);
        headline(&ladder(vec![own, node.clone()])).unwrap().lost
    };
    let all = "plain Node.js carries more within 1 ms, 2 ms, 5 ms, 10 ms, 25 ms";
    let but = "plain Node.js carries more within 1 ms, 2 ms, 10 ms, 25 ms";
    let unknown = "It is not known whether plain Node.js carries more in t within 5 ms;";
    for (success, failure, is_more) in [
        (Some(400.0), Some(410.0), true),
        (Some(400.0), Some(theirs), true),
        (Some(400.0), Some(theirs + 1.0), false),
        (Some(400.0), None, false),
        (None, Some(100.0), true),
        (None, None, false),
    ] {
        let lost = lost(success, failure);
        assert!(
            lost.contains(if is_more { all } else { but }),
            "{success:?} {failure:?}: {lost}"
        );
        assert_eq!(lost.contains(unknown), !is_more, "{lost}");
    }
}

#[test]
fn an_end_that_was_not_found_is_only_a_bound() {
    let mut open = named("own", 900.0);
    open.limits[2].first_failure = None;
    let both = ladder(vec![open.clone(), named("peer:node", 300.0)]);
    let sentence = headline(&both).unwrap().sentence;
    assert!(
        sentence.contains("carries at least ") && sentence.contains("at least 3."),
        "{sentence}"
    );
    // Of two such ends, nothing is told that may not be so.
    let mut relay = named("relay", 2_000.0);
    relay.limits[2].last_success = Some(2_000.0);
    open.limits[2].last_success = Some(900.0);
    let said = "within 5 ms: beside the bare relay, which carries at least 2,000.";
    for failed in [None, Some(1_510.0)] {
        // A failure that lies far above does not end it: a search that is not ended may have kept a rate above that.
        open.limits[2].first_failure = failed;
        relay.limits[2].first_failure = None;
        let both = ladder(vec![open.clone(), relay.clone()]);
        let sentence = headline(&both).unwrap().sentence;
        assert!(sentence.contains(said), "{sentence}");
    }
    open.limits[2].last_success = None;
    let none = ladder(vec![open, named("peer:node", 300.0)]);
    let headline = headline(&none).unwrap();
    assert!(
        headline.sentence.contains("no rate is known"),
        "{}",
        headline.sentence
    );
}

#[test]
fn what_contradicts_itself_and_what_was_never_decided_are_told_apart() {
    let (mut relay, mut node) = (named("relay", 900.0), named("peer:node", 300.0));
    let ends = &mut relay.limits[2];
    (ends.contradicted, ends.last_success) = (true, None);
    let ends = &mut node.limits[2];
    (ends.last_success, ends.first_failure) = (None, None);
    let ladder = ladder(vec![named("own", 900.0), node, relay]);
    let sentence = headline(&ladder).unwrap().sentence;
    assert!(
        sentence.ends_with(
            "; no rate is known at which plain Node.js would keep that; what was seen of the bare relay contradicts itself."
        ),
        "{sentence}"
    );
    let told = headline(&ladder).unwrap().markdown("reports");
    assert!(told.contains("| peer:node | undecided |"), "{told}");
    assert!(told.contains("| relay | contradicted |"), "{told}");
    let picture = headline(&ladder).unwrap().picture.unwrap();
    for legend in ["relay: contradicted", "peer:node: undecided"] {
        assert!(picture.contains(legend), "{legend}");
    }
}

/// One search alone looks more certain than it is.
#[test]
fn what_other_ladders_of_the_kind_found_stands_beside_the_newest() {
    let on = |day: &str, node: f64| {
        let all = vec![
            named("own", 1_000.0),
            named("peer:node", node),
            named("relay", 1_600.0),
        ];
        Ladder {
            started: format!("2026-11-{day}T00:00:00Z"),
            ..ladder(all)
        }
    };
    let elsewhere = {
        let mut other = on("23", 10.0);
        other.environment.cpu = Some("another".to_owned());
        other
    };
    let ladders = [on("24", 400.0), on("26", 100.0), elsewhere, on("25", 50.0)];
    let kept = |ladder: &Ladder, place: usize| {
        let system = &ladder.searches[0].systems[place];
        system.limits[2].last_success.unwrap()
    };
    let (_, told) = newest(ladders.iter()).unwrap();
    let times = |ladder: &Ladder| kept(ladder, 0) / kept(ladder, 1);
    assert_eq!(
        told.range,
        format!(
            "The 3 published ladders of such a machine found {:.0} for this server, {:.0} to {:.0} for plain Node.js ({:.1} to {:.1} \
             times) and 1,{:.0} for the bare relay.",
            kept(&ladders[0], 0),
            kept(&ladders[3], 1),
            kept(&ladders[0], 1),
            times(&ladders[0]),
            times(&ladders[3]),
            kept(&ladders[0], 2) - 1_000.0,
        )
    );
    let markdown = told.markdown("reports");
    assert!(
        markdown.contains(&format!(" {}**\n\n|", told.range)),
        "{markdown}"
    );
    let (_, alone) = newest(ladders[..1].iter()).unwrap();
    assert_eq!(alone.range, "");

    // Ladders that found no rate are counted, and told.
    let mut without = on("22", 400.0);
    for found in &mut without.searches {
        found.systems[1].limits[2].last_success = None;
    }
    let (_, told) = newest(ladders.iter().chain([&without])).unwrap();
    let all = "The 4 published ladders ";
    assert!(told.range.starts_with(all), "{}", told.range);
    let said = " times; no rate in 1 of them) and 1,";
    assert!(told.range.contains(said), "{}", told.range);
    // What was labelled otherwise, or asked otherwise, is another kind.
    let mut labelled = on("22", 400.0);
    labelled.labels.insert("for".to_owned(), "a try".to_owned());
    let mut changed = on("22", 400.0);
    changed.searches[0].scenario.sha256 = "another".to_owned();
    let (_, told) = newest(ladders.iter().chain([&labelled, &changed])).unwrap();
    let all = "The 3 published ladders ";
    assert!(told.range.starts_with(all), "{}", told.range);
}

/// A mean over limits that another system keeps nowhere can't be held against that of the other.
#[test]
fn means_are_over_the_limits_that_all_systems_keep() {
    let mut poor = named("peer:node", 300.0);
    for one in &mut poor.limits[..2] {
        one.last_success = None;
    }
    let own = named("own", 900.0);
    let mean = |system: &SystemFound| {
        let kept = system.limits[2..]
            .iter()
            .map(|one| one.last_success.unwrap());
        kept.product::<f64>().powf(1.0 / 3.0)
    };
    let text = LadderFormat::Markdown
        .render(&ladder(vec![own.clone(), poor.clone()]))
        .unwrap();
    assert!(
        text.contains("| geometric mean over 5 ms, 10 ms, 25 ms |"),
        "{text}"
    );
    for system in [&own, &poor] {
        assert!(
            text.contains(&format!(" {:.0}/s |\n", mean(system))),
            "{text}"
        );
    }
    for one in &mut poor.limits {
        one.last_success = None;
    }
    let text = LadderFormat::Terminal
        .render(&ladder(vec![own, poor]))
        .unwrap();
    assert!(text.contains("no limit is kept by all"), "{text}");
}

#[test]
fn this_server_with_another_store_stands_beside_it_and_is_no_rival() {
    let systems = [
        ("own@memory", 900.0),
        ("own@docker", 1_500.0),
        ("peer:node@docker", 300.0),
        ("own:/builds/server@docker", 300.0),
    ];
    let systems = systems.map(|(system, capacity)| named(system, capacity));
    let ladder = ladder(systems.to_vec());
    let told = headline(&ladder).unwrap();
    for said in [
        "In t, this server with a simulated store carries ",
        " of this server with MongoDB in Docker (",
        " times plain Node.js with MongoDB in Docker (",
        " times own:/builds/server@docker (",
    ] {
        let sentence = &told.sentence;
        assert!(sentence.contains(said), "{said:?} is not in {sentence:?}");
    }
    assert!(told.lost.starts_with("No rival "), "{}", told.lost);
    assert_eq!(ladder.verdict_on_own(), Verdict::Pass);
}

#[test]
fn without_this_server_there_is_no_headline() {
    assert_eq!(headline(&ladder(vec![named("peer:node", 300.0)])), None);
}

#[test]
fn every_format_has_every_system_and_a_page_is_safe() {
    let ladder = ladder(vec![named("own", 900.0), named("cmd:<b> | node", 300.0)]);
    for format in [
        LadderFormat::Terminal,
        LadderFormat::Markdown,
        LadderFormat::Html,
    ] {
        let text = format.render(&ladder).unwrap();
        for said in [
            "PASS",
            "this server carries",
            "99 % within 25 ms",
            "32.0 MiB",
            "geometric mean",
        ] {
            assert!(text.contains(said), "{format:?} lacks {said:?}: {text}");
        }
    }
    let page = LadderFormat::Html.render(&ladder).unwrap();
    assert!(
        !page.contains("<b>") && page.matches("<figure>").count() == 8,
        "{page}"
    );
    let markdown = LadderFormat::Markdown.render(&ladder).unwrap();
    assert!(!markdown.contains("<b> | node"), "{markdown}");
}

#[test]
fn a_ladder_is_read_as_it_was_written_and_nothing_else_is() {
    let ladder = ladder(vec![named("own", 900.0)]);
    assert_eq!(ladder.verdict, Verdict::Pass);
    let text = LadderFormat::Json.render(&ladder).unwrap();
    let path = Path::new("x.ladder.json");
    assert!(Ladder::is_meant(&text));
    assert_eq!(Ladder::parse(path, &text).unwrap(), ladder);
    let search = serde_json::to_string(&ladder.searches[0]).unwrap();
    assert!(!Ladder::is_meant(&search));
    let error = Ladder::parse(path, &search).unwrap_err().to_string();
    assert!(
        error.starts_with("x.ladder.json: ") && error.contains("ladder_version"),
        "{error}"
    );
    let newer = text.replacen("\"ladder_version\": 1", "\"ladder_version\": 2", 1);
    let error = Ladder::parse(path, &newer).unwrap_err().to_string();
    assert!(error.contains("version 2"), "{error}");
}

/// What was left of a ladder that broke off between two scenarios once said what the first of them had come to.
#[test]
fn a_ladder_that_broke_off_is_undecided_and_says_what_it_lacks() {
    let whole = |asked: &[&str]| {
        let asked = asked.iter().map(|name| (*name).to_owned()).collect();
        Ladder::of(vec![document(vec![named("own", 900.0)])], asked).unwrap()
    };
    for asked in [&[][..], &["t"]] {
        let ladder = whole(asked);
        assert_eq!(ladder.verdict, Verdict::Pass);
        assert_eq!((ladder.missing(), ladder.broken_off()), (&[][..], None));
    }
    let broken = whole(&["t", "hot-channel", "soak"]);
    assert_eq!(broken.verdict, Verdict::Inconclusive);
    assert_eq!(broken.verdict_on_own(), Verdict::Inconclusive);
    assert_eq!(
        broken.broken_off().as_deref(),
        Some("hot-channel was not searched")
    );
    let said = "It broke off: of 3 scenarios, hot-channel and soak were not searched.";
    for format in [
        LadderFormat::Terminal,
        LadderFormat::Markdown,
        LadderFormat::Html,
    ] {
        let text = format.render(&broken).unwrap();
        assert!(
            text.contains(said) && text.contains("own <span class=\"verdict INCONCLUSIVE\"")
                || text.contains("own INCONCLUSIVE"),
            "{format:?}: {text}"
        );
    }
    // Of a failure it takes nothing away.
    let failed = Ladder::of(
        vec![document(vec![named("own", 0.0)])],
        vec!["t".to_owned(), "soak".to_owned()],
    );
    assert_eq!(failed.unwrap().verdict, Verdict::Fail);
}
