use super::{search, settings};
use crate::{
    judge::Verdict,
    observed::Whose,
    result::{Environment, Model, ScenarioInfo},
    search::{
        About, AtLimit, Bottleneck, BusyThread, Ended, Found, Hold, LIMITS, Outcome,
        SEARCH_VERSION, SearchFormat, SearchSettings, Settings, SystemFound,
    },
};

/// What a search of a server finds that keeps each limit up to a rate of its own, the wider the higher.
pub(super) fn found(capacity: f64, most: f64) -> SystemFound {
    found_with_rates(capacity, most, |rate| rate)
}

/// The same, where the rates of the holds are what was read of them.
fn found_with_rates(capacity: f64, most: f64, read: impl Fn(f64) -> f64) -> SystemFound {
    let mut server = |rate: f64| match rate < capacity {
        true => Outcome::Kept,
        false => Outcome::Missed,
    };
    let settings = Settings {
        most,
        ..settings(100.0)
    };
    let (answer, controller) = search(settings, &mut server);
    let holds = controller.holds().iter().map(|held| {
        let limits = LIMITS.iter().zip([0.25, 0.5, 1.0, 1.1, 1.2]);
        Hold {
            limits: limits
                .map(|(&limit, part)| AtLimit {
                    limit,
                    within: Some(0.999),
                    outcome: match held.ask.rate < capacity * part {
                        true => Outcome::Kept,
                        false => Outcome::Missed,
                    },
                })
                .collect(),
            p50: Some(300_000),
            p99: Some(held.ask.rate as u64 * 4_000),
            delivery: String::new(),
            server_cpu: Some(0.000_1),
            generator_cpu: Some(0.000_05),
            server_memory: Some(640 << 20),
            server_memory_before: Some(64 << 20),
            sent: 1_000,
            store_cpu: Some(0.000_02),
            threads: vec![BusyThread {
                whose: Whose::Server,
                name: "server".to_owned(),
                used: 0.97,
                waited: 0.02,
            }],
            floor: None,
            deliveries: 10_000,
            outcome: held.outcome,
            because: "as told".to_owned(),
            rate: read(held.ask.rate),
            ..Hold::refused(held.ask, String::new(), held.took.as_secs_f64())
        }
    });
    let about = About {
        system: "own <1> | a".to_owned(),
        store: "in memory".to_owned(),
        delivery: "optimistic".to_owned(),
        ..About::default()
    };
    SystemFound::of(about, &answer, holds.collect())
}

pub(super) fn document(systems: Vec<SystemFound>) -> Found {
    Found {
        search_version: SEARCH_VERSION,
        verdict: systems.iter().map(|one| one.verdict).max().unwrap(),
        scenario: ScenarioInfo {
            name: "t".to_owned(),
            question: "?".to_owned(),
            asks: None,
            file: "t.toml".to_owned(),
            sha256: String::new(),
            texts: Vec::new(),
            texts_withheld: false,
            seed: 1,
            variables: Default::default(),
            model: Model::Open,
            phases: Vec::new(),
            actions: 0,
            users: 2,
            rooms: 1,
            channels: 0,
            messages: 0,
            deliveries: 0,
        },
        command: Vec::new(),
        labels: Default::default(),
        started: String::new(),
        ended: String::new(),
        environment: Environment::default(),
        settings: SearchSettings {
            scenario_rate: 100.0,
            up_to: 1e6,
            precision: 0.025,
            budget: 900.0,
            full: 45.0,
            short: 15.0,
        },
        systems,
    }
}

#[test]
fn each_limit_ends_between_two_rates_of_the_same_holds() {
    let found = found(900.0, 1e6);
    assert_eq!(found.verdict, Verdict::Pass);
    for (limit, part) in found.limits.iter().zip([0.25, 0.5, 1.0, 1.1, 1.2]) {
        let (kept, missed) = (limit.last_success.unwrap(), limit.first_failure.unwrap());
        let end = 900.0 * part;
        assert!(
            kept < end && end <= missed && !limit.contradicted,
            "{limit:?}"
        );
    }
    let product: f64 = found
        .limits
        .iter()
        .map(|one| one.last_success.unwrap())
        .product();
    assert!((found.geometric_mean.unwrap() / product.powf(0.2) - 1.0).abs() < 1e-9);
}

/// `verify` works it out from rates that were written and read, whose last bit may be another one.
#[test]
fn what_was_used_up_is_found_at_a_rate_whose_last_bit_differs() {
    for read in [f64::next_up, f64::next_down] {
        let found = found_with_rates(900.0, 1e6, read);
        assert!(found.bottleneck.is_some());
        assert_eq!(found.bottleneck, super::shown::found(900.0, 1e6).bottleneck);
    }
}

#[test]
fn every_format_says_the_same() {
    let document = document(vec![found(900.0, 1e6), found(300.0, 1e6)]);
    for format in [
        SearchFormat::Terminal,
        SearchFormat::Markdown,
        SearchFormat::Html,
    ] {
        let text = format.render(&document).unwrap();
        for said in [
            "PASS",
            "it keeps its limits at 8",
            "confirmed at",
            "geometric mean over 1 ms, 2 ms",
        ] {
            assert!(text.contains(said), "{format:?} lacks {said:?}: {text}");
        }
    }
    let json = SearchFormat::Json.render(&document).unwrap();
    assert_eq!(serde_json::from_str::<Found>(&json).unwrap(), document);
    let page = SearchFormat::Html.render(&document).unwrap();
    assert!(page.contains("own &#60;1&#62;") || page.contains("own &lt;1&gt;"));
    assert!(!page.contains("own <1>"));
    assert!(page.contains("<svg") && page.len() < 490_000);
    for part in ["server", "generator", "store"] {
        let legend = format!("{part}</li>");
        assert!(page.contains(&legend), "the CPU of the {part} is drawn");
    }
    let markdown = SearchFormat::Markdown.render(&document).unwrap();
    assert!(!markdown.contains("own <1> | a"), "{markdown}");
}

#[test]
fn what_ends_a_search_is_said_in_its_sentence() {
    let most = found(900.0, 800.0);
    assert_eq!(most.ended, Ended::AtMost);
    assert!(most.sentence.contains("--up-to"), "{}", most.sentence);
    let nothing = found(0.0, 1e6);
    assert_eq!(nothing.verdict, Verdict::Fail);
    assert_eq!(nothing.last_success, None);
}

/// The first hold that failed is not where the limit ends.
#[test]
fn what_is_used_up_is_told_by_the_hold_at_which_the_limit_ends() {
    let mut found = found(900.0, 1e6);
    let end = found.first_failure.unwrap();
    for hold in &mut found.holds {
        let failed = hold.outcome.is_failure();
        hold.bottleneck = failed.then_some(Bottleneck::Unknown);
        hold.because = match hold.rate == end {
            true => "at the end".to_owned(),
            false => "elsewhere".to_owned(),
        };
    }
    let mut failed = found.holds.iter().filter(|hold| hold.outcome.is_failure());
    assert!(failed.next().is_some_and(|first| first.rate > end));
    let text = SearchFormat::Terminal
        .render(&document(vec![found]))
        .unwrap();
    assert!(
        text.contains("nothing that was watched: at the end") && !text.contains("elsewhere"),
        "{text}"
    );
}
