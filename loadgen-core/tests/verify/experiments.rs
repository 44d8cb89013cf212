//! Results of gates and of searches: what follows from their blocks and holds, and what does not.

use std::{collections::BTreeMap, path::Path, time::Duration};

use hdrhistogram::Histogram;
use loadgen_core::{
    compare::ab::{
        AB_VERSION, AbResult, Block, Compared, Conclusion, Cycle, Ending, Settings, Side,
        SystemInfo, Trial, conclude,
    },
    judge::share_needed,
    model::{histogram, percentile},
    plan::Plan,
    result::{self, Environment},
    scenario::{self, Scenario},
    search::{
        About, Ask, AtLimit, Controller, Found, Hold, LIMITS, Lengths, Next, Outcome, RULES_SINCE,
        SEARCH_VERSION, SearchSettings, SystemFound, settings,
    },
    verify::{self, Verification},
};
use serde_json::Value;

const SCENARIO: &str = "version = 1\nname = \"gate\"\nquestion = \"?\"\npopulation = { users = 20, rooms = 10 }\n\
    [[phases]]\nname = \"steady\"\nduration = \"20s\"\nrate = \"100/s\"\n";

fn scenario() -> Scenario {
    Scenario::parse(Path::new("gate.toml"), SCENARIO).unwrap()
}

fn environment() -> Environment {
    Environment {
        loadgen: "0.1.0".to_owned(),
        ..Environment::default()
    }
}

fn deliveries(middle: u64) -> Histogram<u64> {
    let mut samples = histogram::empty();
    for nth in 0..2_000 {
        samples.saturating_record(middle / 2 + middle * nth / 2_000);
    }
    samples
}

fn block(side: Side, middle: u64) -> Block {
    let samples = deliveries(middle);
    let numbers = [50.0, 99.0].map(|p| {
        let value = percentile::of(&samples, p).unwrap() as f64;
        (format!("delivery.p{p}"), value)
    });
    let whole = [
        ("delivery.mean".to_owned(), samples.mean()),
        ("delivery.max".to_owned(), samples.max() as f64),
    ];
    Block {
        side,
        started: "2026-03-01T12:00:00.000Z".to_owned(),
        repeated: false,
        doubt: None,
        lacking: false,
        broken: Vec::new(),
        numbers: numbers.into_iter().chain(whole).collect(),
        seconds: 8,
        disturbed: 0,
        sent: 1_000,
        lost: Some(0),
        delivery: histogram::encode(&samples),
    }
}

/// Ten cycles of a change that takes so many times as long.
pub fn gate(times: f64) -> AbResult {
    let seed = 7;
    let asked = ["delivery.p50", "delivery.p99=30%"].map(|one| one.parse::<Compared>().unwrap());
    let mut trial = Trial::new(asked.to_vec(), 20);
    let mut cycles = Vec::new();
    for (number, order) in (1..=10).zip(Side::orders(seed)) {
        let of = |side| {
            let middle = 1_000_000 + 10_000 * number as u64;
            match side {
                Side::Change => block(side, (middle as f64 * times) as u64),
                Side::Base => block(side, middle + 3_000),
                Side::Relay => block(side, 200_000),
            }
        };
        let numbers = |side| of(side).numbers;
        trial.add(
            numbers(Side::Base),
            numbers(Side::Change),
            Some(numbers(Side::Relay)),
        );
        cycles.push(Cycle {
            number,
            blocks: order.map(of).into(),
            left_out: None,
        });
    }
    let Conclusion {
        verdict,
        reasons,
        unstable,
        effects,
    } = conclude(&trial, &cycles, &Ending::Decided);
    let block = scenario::Block {
        phase: None,
        warm_up: Duration::from_secs(2),
        length: Duration::from_secs(8),
    };
    let short = scenario().block(&block).unwrap();
    AbResult {
        ab_version: AB_VERSION,
        verdict,
        reasons,
        unstable,
        scenario: result::of_scenario(&short, &Plan::new(&short).unwrap()),
        command: Vec::new(),
        labels: BTreeMap::new(),
        started: String::new(),
        ended: String::new(),
        environment: environment(),
        settings: Settings {
            warm_up: 2.0,
            block: 8.0,
            phase: "steady".to_owned(),
            cycles: 20,
            order_seed: seed,
            false_alarms: 0.01,
        },
        base: SystemInfo::default(),
        change: SystemInfo::default(),
        effects,
        cycles,
    }
}

fn places(found: &Verification) -> Vec<&str> {
    found.wrong.iter().map(|one| one.place.as_str()).collect()
}

/// Each change by itself, and where it has to be told.
type Planted = (&'static str, fn(&mut Value), &'static str);

fn all_are_found(untouched: &Value, planted: &[Planted], verify: impl Fn(&str) -> Verification) {
    assert_eq!(places(&verify(&untouched.to_string())), [""; 0]);
    for (pointer, plant, place) in planted {
        let mut changed = untouched.clone();
        plant(changed.pointer_mut(pointer).unwrap());
        let found = verify(&changed.to_string());
        assert!(
            places(&found).contains(place),
            "{pointer}: {:?}",
            found.wrong
        );
    }
}

#[test]
fn what_a_gate_says_follows_from_its_blocks() {
    let planted: [Planted; 21] = [
        (
            "/cycles/3/blocks/1",
            |v| v["delivery"] = "".into(),
            "cycles[3].blocks[1].numbers.delivery.mean",
        ),
        (
            "/cycles/3/blocks/1",
            |v| {
                v["broken"] = vec!["4 deliveries doubled"].into();
                v["numbers"]["delivery.p50"] = 1.0.into();
            },
            "cycles[3].blocks[1].numbers.delivery.p50",
        ),
        (
            "/cycles/3/blocks/1/numbers",
            |v| v["delivery.p99.9"] = 2_000_000.0.into(),
            "cycles[3].blocks[1].numbers.delivery.p99.9",
        ),
        (
            "/cycles/3/blocks/1/lost",
            |v| *v = 10.into(),
            "cycles[3].blocks[1].lost",
        ),
        (
            "/cycles/3/blocks/1/numbers",
            |v| v["delivery.mean"] = 1.0.into(),
            "cycles[3].blocks[1].numbers.delivery.mean",
        ),
        (
            "/cycles/3/blocks/1/numbers",
            |v| v["delivery.max"] = 1.0.into(),
            "cycles[3].blocks[1].numbers.delivery.max",
        ),
        ("/verdict", |v| *v = "PASS".into(), "verdict"),
        ("/reasons/0", |v| *v = "all is well".into(), "reasons[0]"),
        (
            "/effects/0/verdict",
            |v| *v = "PASS".into(),
            "effects[0].verdict",
        ),
        ("/effects/0/ratio", |v| *v = 1.01.into(), "effects[0].ratio"),
        ("/effects/0/low", |v| *v = 0.9.into(), "effects[0].low"),
        ("/effects/1/base", |v| *v = 1.0.into(), "effects[1].base"),
        (
            "/effects/1/margin_here",
            |v| *v = 0.9.into(),
            "effects[1].margin_here",
        ),
        (
            "/cycles/3/blocks/0/numbers",
            |v| v["delivery.p50"] = 1.0.into(),
            "cycles[3].blocks[0].numbers.delivery.p50",
        ),
        (
            "/cycles/4/blocks",
            |v| v.as_array_mut().unwrap().swap(0, 1),
            "cycles[4].blocks: sides",
        ),
        (
            "/cycles/5/left_out",
            |v| *v = "disturbed".into(),
            "cycles[5].left_out: whether",
        ),
        ("/scenario/messages", |v| *v = 7.into(), "scenario.messages"),
        ("/unstable", |v| *v = true.into(), "unstable"),
        // What would be worked out for so many would not fit a machine.
        (
            "/settings/cycles",
            |v| *v = 1_000_000_000_000_u64.into(),
            "settings.cycles",
        ),
        ("/settings/cycles", |v| *v = 3.into(), "settings.cycles"),
        ("/settings/cycles", |v| *v = 101.into(), "settings.cycles"),
    ];
    let slow = serde_json::to_value(gate(1.5)).unwrap();
    assert_eq!(slow["verdict"], "FAIL");
    all_are_found(&slow, &planted, |text| verify::ab(text).unwrap());
    let same = serde_json::to_value(gate(1.0)).unwrap();
    assert_eq!(same["verdict"], "PASS");
    all_are_found(&same, &[], |text| verify::ab(text).unwrap());
}

/// A relay makes no promise that it would break.
#[test]
fn what_never_came_in_a_block_took_longer_than_all_that_did() {
    let mut lossy = gate(1.0);
    let mut blocks = lossy.cycles[3].blocks.iter_mut();
    let relay = blocks.find(|block| block.side == Side::Relay).unwrap();
    let samples = histogram::decode(&relay.delivery).unwrap();
    for p in [50.0, 99.0] {
        let due = percentile::of_due(&samples, 10, p).unwrap().unwrap();
        relay.numbers.insert(format!("delivery.p{p}"), due as f64);
    }
    let mut wrong_if_lost = |lost: Option<u64>| {
        let mut blocks = lossy.cycles[3].blocks.iter_mut();
        blocks.find(|block| block.side == Side::Relay).unwrap().lost = lost;
        let text = serde_json::to_string(&lossy).unwrap();
        let wrong = verify::ab(&text).unwrap().wrong;
        wrong.into_iter().any(|one| one.place.contains("numbers"))
    };
    assert!(!wrong_if_lost(Some(10)));
    assert!(wrong_if_lost(Some(0)));
    // Results of before don't tell.
    assert!(!wrong_if_lost(None));
}

fn hold(ask: Ask, capacity: f64) -> Hold {
    let outcome = match ask.rate < capacity {
        true => Outcome::Kept,
        false => Outcome::BacklogGrew,
    };
    let samples = deliveries(1_000_000);
    let at = |limit| AtLimit {
        limit,
        within: Some(0.995),
        outcome,
    };
    Hold {
        purpose: ask.purpose,
        length: ask.length,
        rate: ask.rate,
        outcome,
        because: String::new(),
        took: 12.5,
        sent: 1_000,
        deliveries: samples.len(),
        p50: percentile::of(&samples, 50.0).ok(),
        p99: percentile::of(&samples, 99.0).ok(),
        delivery: histogram::encode(&samples),
        limits: LIMITS.map(at).into(),
        server_cpu: Some(0.001),
        generator_cpu: Some(0.001),
        server_memory: None,
        server_memory_before: None,
        store_cpu: None,
        threads: Vec::new(),
        floor: None,
        piled_up: Vec::new(),
        bottleneck: None,
        seen: None,
    }
}

fn searched() -> Found {
    searched_to(1_000.0)
}

fn searched_to(capacity: f64) -> Found {
    let lengths = Lengths {
        full: Duration::from_secs(20),
        short: Duration::from_secs(8),
    };
    let found = search(&scenario(), lengths, 10_000.0, |ask, _| hold(ask, capacity));
    Found {
        // Nothing is kept of these holds.
        search_version: RULES_SINCE,
        ..found
    }
}

/// A search of one system, of which that holds a rate; it is told how many were held before.
pub fn search(
    scenario: &Scenario,
    lengths: Lengths,
    up_to: f64,
    mut hold: impl FnMut(Ask, u64) -> Hold,
) -> Found {
    let plan = Plan::new(scenario).unwrap();
    let rate = scenario.measured_rate().unwrap();
    let budget = Duration::from_secs(900);
    let needed = share_needed(scenario, &plan);
    let settings = settings(scenario, rate, needed, lengths, budget, Some(up_to)).unwrap();
    let recorded = SearchSettings {
        scenario_rate: rate,
        up_to,
        precision: settings.precision,
        budget: budget.as_secs_f64(),
        full: lengths.full.as_secs_f64(),
        short: lengths.short.as_secs_f64(),
    };
    let mut controller = Controller::new(settings);
    let mut holds = Vec::new();
    let answer = loop {
        match controller.next() {
            Next::Done(answer) => break answer,
            Next::Hold(ask) => {
                let hold = hold(ask, holds.len() as u64);
                let took = Duration::from_secs_f64(hold.took);
                controller.tell(ask, hold.outcome, took);
                holds.push(hold);
            }
        }
    };
    let about = About {
        system: "own".to_owned(),
        ..About::default()
    };
    let system = SystemFound::of(about, &answer, holds);
    Found {
        search_version: SEARCH_VERSION,
        verdict: system.verdict,
        scenario: result::of_scenario(scenario, &plan),
        command: Vec::new(),
        labels: BTreeMap::new(),
        started: String::new(),
        ended: String::new(),
        environment: environment(),
        settings: recorded,
        systems: vec![system],
    }
}

#[test]
fn no_rate_is_too_long_a_number_to_be_written_and_read() {
    for nth in 0..60 {
        let found = searched_to(97.0 + 13.7 * f64::from(nth));
        let text = serde_json::to_string_pretty(&found).unwrap();
        let verified = verify::search(&text).unwrap();
        assert_eq!(verified.wrong, [], "{nth}");
    }
}

#[test]
fn what_is_kept_over_all_seconds_may_be_less_than_what_was_missed_in_the_undisturbed_ones() {
    let mut found = searched();
    let limits = &mut found.systems[0].holds[1].limits;
    // All 2,000 are within 2 ms; of 1 ms the disturbed seconds are left out.
    for limit in &mut limits[1..] {
        limit.within = Some(1.0);
    }
    limits[2].within = Some(0.9995);
    let text = serde_json::to_string(&found).unwrap();
    let wrong = verify::search(&text).unwrap().wrong;
    assert!(
        wrong
            .iter()
            .all(|one| !one.place.contains("holds[1].limits")),
        "{wrong:?}"
    );
}

#[test]
fn a_gate_of_blocks_that_no_run_can_have_is_told_and_not_planned() {
    let mut gate = serde_json::to_value(gate(1.0)).unwrap();
    for (block, why) in [
        (3_000_000_000_u64, "longer than 365d"),
        (30_000_000, "at most 100000000 can be planned"),
    ] {
        gate["settings"]["block"] = block.into();
        let open = verify::ab(&gate.to_string()).unwrap().open;
        assert!(open.iter().any(|one| one.contains(why)), "{why}: {open:?}");
    }
}

#[test]
fn what_a_search_says_follows_from_its_holds() {
    let planted: [Planted; 17] = [
        (
            "/systems/0/holds/1/limits/2/within",
            |v| *v = 0.9.into(),
            "systems[0].holds[1].limits[2].within",
        ),
        (
            "/systems/0/holds/1/limits/2/within",
            |v| *v = 0.999.into(),
            "systems[0].holds[1].limits",
        ),
        (
            "/systems/0/holds/1/limits",
            |v| drop(v.as_array_mut().unwrap().pop()),
            "systems[0].holds[1].limits",
        ),
        ("/verdict", |v| *v = "FAIL".into(), "verdict"),
        (
            "/systems/0/verdict",
            |v| *v = "FAIL".into(),
            "systems[0].verdict",
        ),
        (
            "/systems/0/sentence",
            |v| *v = "it carries all".into(),
            "systems[0].sentence",
        ),
        (
            "/systems/0/last_success",
            |v| *v = 800.0.into(),
            "systems[0].last_success",
        ),
        (
            "/systems/0/confirmed",
            |v| *v = 760.0.into(),
            "systems[0].confirmed",
        ),
        (
            "/systems/0/geometric_mean",
            |v| *v = 800.0.into(),
            "systems[0].geometric_mean",
        ),
        (
            "/systems/0/limits/2/first_failure",
            |v| *v = 900.0.into(),
            "systems[0].limits[2].first_failure",
        ),
        (
            "/systems/0/ended",
            |v| *v = "at-most".into(),
            "systems[0].ended",
        ),
        // What was not kept is said to be: then it would have been asked for more.
        (
            "/systems/0/holds/4/outcome",
            |v| *v = "kept".into(),
            "systems[0].holds[5]",
        ),
        (
            "/systems/0/holds/2/rate",
            |v| *v = 230.0.into(),
            "systems[0].holds[2]",
        ),
        (
            "/systems/0/holds/2/rate",
            |v| *v = 0.into(),
            "systems[0].holds[2].rate",
        ),
        (
            "/systems/0/holds/2/rate",
            |v| *v = (-100).into(),
            "systems[0].holds[2].rate",
        ),
        (
            "/systems/0/holds/2/p99",
            |v| *v = 1.into(),
            "systems[0].holds[2].p99",
        ),
        (
            "/settings/scenario_rate",
            |v| *v = 50.0.into(),
            "settings.scenario_rate",
        ),
    ];
    let found = serde_json::to_value(searched()).unwrap();
    assert_eq!(found["verdict"], "PASS");
    assert_eq!(found["systems"][0]["holds"][4]["outcome"], "backlog-grew");
    all_are_found(&found, &planted, |text| verify::search(text).unwrap());
}
