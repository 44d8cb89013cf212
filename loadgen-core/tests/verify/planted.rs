//! Fifty changes of a result, by somebody who knows it well and seals it again: all of them are found.

use loadgen_core::{
    model::{histogram, packed},
    verify,
};
use serde_json::{Value, json};

use crate::leaves::{sealed, untouched, verified};

type Planted = (&'static str, fn(&mut Value));

/// The last run is judged.
const RUN: &str = "/runs/1";

fn at<'a>(value: &'a mut Value, pointer: &str) -> &'a mut Value {
    value
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("{pointer}"))
}

fn of_run<'a>(value: &'a mut Value, pointer: &str) -> &'a mut Value {
    at(value, &format!("{RUN}{pointer}"))
}

fn add(value: &mut Value, step: i64) {
    *value = (value.as_i64().unwrap() + step).into();
}

fn scale(value: &mut Value, by: f64) {
    *value = match value.as_i64() {
        Some(whole) => ((whole as f64 * by) as i64).into(),
        None => (value.as_f64().unwrap() * by).into(),
    };
}

/// All verdicts, whatever they were.
fn pass(value: &mut Value) {
    *at(value, "/verdict") = "PASS".into();
    *of_run(value, "/judgement/verdict") = "PASS".into();
    for judged in of_run(value, "/judgement/thresholds")
        .as_array_mut()
        .unwrap()
    {
        judged["verdict"] = "PASS".into();
    }
}

/// Takes a sample out of a histogram and puts it elsewhere.
fn moved(text: &mut Value, from: f64, to: u64) {
    let mut samples = histogram::decode(text.as_str().unwrap()).unwrap();
    let value = samples.value_at_quantile(from);
    let mut one = histogram::empty();
    one.saturating_record(value);
    samples.subtract(&one).unwrap();
    samples.saturating_record(to);
    *text = histogram::encode(&samples).into();
}

/// Changes what was seen of the judged run.
fn seen(value: &mut Value, change: impl FnOnce(&mut Value)) {
    repacked(of_run(value, "/evidence"), change);
}

fn repacked(evidence: &mut Value, change: impl FnOnce(&mut Value)) {
    let unpacked = packed::unpack(evidence.as_str().unwrap()).unwrap();
    let mut inside: Value = serde_json::from_slice(&unpacked).unwrap();
    change(&mut inside);
    *evidence = packed::pack(inside.to_string().as_bytes()).into();
}

/// Changes the bytes of what became of messages or of their deliveries.
fn outcomes(value: &mut Value, which: &str, change: impl FnOnce(&mut Vec<u8>)) {
    seen(value, |seen| {
        let text = &mut seen["outcomes"][which];
        let mut bytes = packed::unpack(text.as_str().unwrap()).unwrap();
        change(&mut bytes);
        *text = packed::pack(&bytes).into();
    });
}

/// What is said of a lost delivery wherever it is said: in totals, in a phase, a metric, a second and a finding.
fn hide_one_lost(value: &mut Value) {
    for totals in ["/totals", "/phases/0/totals"] {
        add(of_run(value, &format!("{totals}/lost")), -1);
        add(of_run(value, &format!("{totals}/delivered")), 1);
    }
    add(of_run(value, "/metrics/0/lost"), -1);
    add(of_run(value, "/metrics/1/lost"), -1);
    add(of_run(value, "/phases/0/delivery/lost"), -1);
    for finding in of_run(value, "/findings").as_array_mut().unwrap() {
        if finding["check"] == "lost" {
            add(&mut finding["count"], -1);
        }
    }
}

/// A delivery that was owed and came, as a byte of a slot; one that did not.
const CAME: u8 = 0b101;
const OWED: u8 = 0b001;

const PLANTED: [Planted; 50] = [
    ("the verdict alone", |v| {
        *at(v, "/verdict") = "INCONCLUSIVE".into()
    }),
    ("every verdict together", pass),
    ("every verdict with a reason that fits", |v| {
        pass(v);
        *at(v, "/reasons") = json!(["lost <= 5: 0"]);
        *of_run(v, "/judgement/reasons") = json!(["lost <= 5: 0"]);
    }),
    ("the verdict of the baseline", |v| {
        *at(v, "/runs/0/judgement/verdict") = "INVALID".into()
    }),
    ("a threshold's verdict", |v| {
        let one = of_run(v, "/judgement/thresholds/0/verdict");
        *one = if one == "PASS" { "FAIL" } else { "PASS" }.into();
    }),
    ("a threshold's value with its words", |v| {
        scale(of_run(v, "/judgement/thresholds/0/numbers/value"), 1.001);
        *of_run(v, "/judgement/thresholds/0/measured") = "99.9 %".into();
    }),
    ("a threshold that was easier", |v| {
        *of_run(v, "/judgement/thresholds/0/threshold") = "delivery.within_5ms >= 50%".into();
    }),
    ("a threshold left out", |v| {
        of_run(v, "/judgement/thresholds")
            .as_array_mut()
            .unwrap()
            .remove(1);
    }),
    ("an interval narrowed from below", |v| {
        scale(
            of_run(v, "/judgement/thresholds/0/numbers/long_run/low"),
            1.01,
        );
    }),
    ("an interval narrowed from both ends", |v| {
        scale(
            of_run(v, "/judgement/thresholds/0/numbers/this_run/low"),
            1.001,
        );
        scale(
            of_run(v, "/judgement/thresholds/0/numbers/this_run/high"),
            0.999,
        );
    }),
    ("more seconds than an interval rests on", |v| {
        add(of_run(v, "/judgement/thresholds/0/numbers/long_run/n"), 10);
    }),
    ("disturbed seconds that were left out", |v| {
        add(of_run(v, "/judgement/thresholds/1/left_out"), 1);
    }),
    ("a percentile", |v| {
        scale(of_run(v, "/metrics/0/percentiles/3/value"), 0.9)
    }),
    ("a percentile with the largest", |v| {
        scale(of_run(v, "/metrics/0/percentiles/3/value"), 0.9);
        scale(of_run(v, "/metrics/0/max"), 0.9);
    }),
    ("a percentile of which there are too few samples", |v| {
        *of_run(v, "/metrics/0/percentiles/4/value") = 9_000_000.into();
    }),
    ("the mean", |v| {
        scale(of_run(v, "/metrics/0/mean"), 1.000_001)
    }),
    ("the smallest", |v| scale(of_run(v, "/metrics/3/min"), 0.5)),
    ("a count within the promise", |v| {
        add(of_run(v, "/metrics/0/within/0/count"), 1)
    }),
    ("a sample moved in a histogram", |v| {
        moved(of_run(v, "/metrics/0/histogram"), 0.99, 1_000_000);
    }),
    ("a sample moved with all numbers of its metric", |v| {
        moved(of_run(v, "/metrics/0/histogram"), 1.0, 400_000);
        let samples = of_run(v, "/metrics/0/histogram")
            .as_str()
            .unwrap()
            .to_owned();
        let samples = histogram::decode(&samples).unwrap();
        *of_run(v, "/metrics/0/max") = samples.max().into();
        *of_run(v, "/metrics/0/mean") = samples.mean().into();
        add(of_run(v, "/metrics/0/within/0/count"), 1);
    }),
    ("a sample moved in a second", |v| {
        moved(of_run(v, "/windows/4/histogram"), 1.0, 300_000)
    }),
    ("a second's median", |v| {
        scale(of_run(v, "/windows/4/p50"), 0.9)
    }),
    ("a second's deliveries", |v| {
        add(of_run(v, "/windows/4/deliveries"), 1)
    }),
    ("a second that was not disturbed", |v| {
        *of_run(v, "/windows/3/machine/disturbed") = true.into();
        *of_run(v, "/windows/3/machine/cause") = "stolen".into();
    }),
    ("what was stolen in a second", |v| {
        *of_run(v, "/windows/3/machine/stolen") = 0.02.into()
    }),
    ("a late send", |v| {
        *of_run(v, "/windows/3/lateness_max") = 1.into()
    }),
    ("a second left out", |v| {
        of_run(v, "/windows").as_array_mut().unwrap().remove(2);
    }),
    ("a lost delivery in the totals", |v| {
        add(of_run(v, "/totals/lost"), -1)
    }),
    ("a lost delivery hidden wherever it is told", hide_one_lost),
    ("a lost delivery hidden in what was seen, too", |v| {
        hide_one_lost(v);
        outcomes(v, "slots", |slots| {
            let lost = slots.iter().position(|slot| *slot == OWED).unwrap();
            slots[lost] = CAME;
        });
    }),
    ("a lost delivery that was not owed, in what was seen", |v| {
        outcomes(v, "slots", |slots| {
            let lost = slots.iter().position(|slot| *slot == OWED).unwrap();
            slots[lost] = 0;
        });
    }),
    ("a message that was not sent, in what was seen", |v| {
        outcomes(v, "messages", |messages| {
            let unsent = messages.iter().position(|message| *message == 0).unwrap();
            messages[unsent] = 0b10_0111;
        });
    }),
    ("a doubled delivery", |v| {
        add(of_run(v, "/totals/duplicated"), -1);
        add(of_run(v, "/phases/0/totals/duplicated"), -1);
    }),
    ("the finding of a doubled delivery", |v| {
        of_run(v, "/findings")
            .as_array_mut()
            .unwrap()
            .retain(|one| one["check"] != "duplicated");
    }),
    ("another message in an example", |v| {
        add(of_run(v, "/findings/0/examples/0/message"), 1);
    }),
    ("another recipient in an example", |v| {
        let sender = of_run(v, "/findings/0/examples/0/sender").clone();
        *of_run(v, "/findings/0/examples/0/recipient") = sender;
    }),
    ("confirmed messages", |v| {
        add(of_run(v, "/totals/confirmed"), 1)
    }),
    ("stored messages", |v| add(of_run(v, "/totals/stored"), 1)),
    ("the ratio to the floor", |v| {
        scale(of_run(v, "/floor/ratio_p50"), 0.5)
    }),
    ("the interval of the ratio to the floor", |v| {
        scale(of_run(v, "/floor/ratio_p50_interval/0"), 1.1);
    }),
    ("a slower floor", |v| {
        repacked(of_run(v, "/floor/evidence/0"), |seen| {
            let other = seen["metrics"][0]["seconds"][1].clone();
            seen["metrics"][0]["seconds"][2] = other;
        });
        scale(of_run(v, "/floor/delivery/percentiles/0/value"), 2.0);
    }),
    ("the seconds that the floor replays", |v| {
        *of_run(v, "/floor/of_run") = json!([3, 6])
    }),
    ("how durable a confirmed message is", |v| {
        *of_run(v, "/durability") = "w: majority, j: true".into();
    }),
    ("the other delivery mode", |v| {
        *of_run(v, "/delivery") = "persist-first".into()
    }),
    ("a limit in the scenario's text", |v| {
        let text = at(v, "/scenario/texts/0/text");
        *text = text.as_str().unwrap().replace(">= 90%", ">= 50%").into();
    }),
    ("a limit in the scenario's text, with its hash", |v| {
        let text = at(v, "/scenario/texts/0/text");
        *text = text.as_str().unwrap().replace("< 9ms", "< 20ms").into();
        // What everybody can compute of a file that stands alone.
        *at(v, "/scenario/sha256") = "0".repeat(64).into();
    }),
    ("the seed", |v| add(at(v, "/scenario/seed"), 1)),
    ("as many messages as were planned", |v| {
        add(at(v, "/scenario/messages"), 100)
    }),
    ("what was seen, left out", |v| {
        v["runs"][1].as_object_mut().unwrap().remove("evidence");
    }),
    ("what was seen, of the other run", |v| {
        let other = v["runs"][0]["evidence"].clone();
        v["runs"][1]["evidence"] = other;
    }),
];

/// The names of those that are not found.
fn missed(planted: &[Planted]) -> Vec<&'static str> {
    let missed = planted.iter().filter(|(what, plant)| {
        let mut value = untouched();
        plant(&mut value);
        assert!(value != untouched(), "{what}");
        // What is no result any more is found, too.
        verify::result(&sealed(value)).is_ok_and(|found| found.is_clean())
    });
    missed.map(|(what, _)| *what).collect()
}

#[test]
fn fifty_of_fifty_planted_changes_are_found() {
    let halves = PLANTED.split_at(PLANTED.len() / 2);
    let missed = std::thread::scope(|scope| {
        let other = scope.spawn(|| missed(halves.1));
        [missed(halves.0), other.join().unwrap()].concat()
    });
    assert_eq!(missed, [""; 0]);
}

#[test]
fn a_result_of_before_says_what_can_not_be_worked_out_and_is_held_against_its_histograms() {
    let mut old = untouched();
    old["version"] = 3.into();
    old.as_object_mut().unwrap().remove("seal");
    old["scenario"].as_object_mut().unwrap().remove("texts");
    for run in old["runs"].as_array_mut().unwrap() {
        run.as_object_mut().unwrap().remove("evidence");
        run["floor"].as_object_mut().unwrap().remove("evidence");
    }
    let found = verified(&old.to_string());
    assert_eq!(found.wrong, []);
    assert!(
        found.open[0].contains("version 3 records neither"),
        "{:?}",
        found.open
    );
    scale(of_run(&mut old, "/metrics/0/percentiles/3/value"), 0.9);
    add(of_run(&mut old, "/totals/dropped"), 1);
    let places: Vec<String> = verified(&old.to_string())
        .wrong
        .into_iter()
        .map(|one| one.place)
        .collect();
    assert!(
        places
            .iter()
            .any(|place| place == "runs[1].metrics[0].percentiles[3].value"),
        "{places:?}"
    );
    assert!(
        places
            .iter()
            .any(|place| place == "runs[1].totals.scheduled"),
        "{places:?}"
    );
    // One of today that calls itself older.
    let mut younger = untouched();
    younger["version"] = 3.into();
    let wrong = verified(&younger.to_string()).wrong;
    assert_eq!(wrong[0].place, "version");
}
