//! Older results brought up to the present version: what they did not record yet is filled in as not recorded.

use serde_json::{Map, Value, json};

use super::{Report, Run, VERSION};
use crate::{
    judge::{Check, Finding},
    model::Metric,
};

/// Text of `store` in results whose server was running before.
const NOT_OWN: &str = "the target's own";

/// Version 3 recorded neither what was seen nor the scenario's text: what it says can't be worked out again.
pub(super) fn from_3(mut result: Value) -> Value {
    result["version"] = VERSION.into();
    result
}

/// Version 2 knew no labels, and did not ask the server what it is.
pub(super) fn from_2(mut result: Value) -> Value {
    if let Some(result) = object(&mut result) {
        fill(result, "labels", json!({}));
    }
    for run in elements(&mut result["runs"]) {
        let own = run["store"] != NOT_OWN;
        if let Some(run) = object(run) {
            fill(run, "own", json!(own));
            fill(run, "target_version", json!(null));
        }
    }
    from_3(result)
}

/// Version 1 knew neither phases, sizes and floor nor the histograms of single seconds, and had one client only.
pub(super) fn from_1(mut result: Value) -> Value {
    if let Some(scenario) = object(&mut result["scenario"]) {
        fill(scenario, "variables", json!({}));
        fill(scenario, "model", json!("open"));
        fill(scenario, "phases", json!([]));
        fill(scenario, "actions", json!(0));
    }
    for run in elements(&mut result["runs"]) {
        if let Some(run) = object(run) {
            fill(run, "phases", json!([]));
            fill(run, "sizes", json!([]));
            fill(run, "unread", json!(0));
            fill(run, "grey", json!(0));
        }
        if let Some(generator) = object(&mut run["generator"]) {
            fill(generator, "client", json!("native"));
            fill(generator, "transport", json!("websocket"));
            fill(generator, "worker_cpu", json!([]));
        }
        for window in elements(&mut run["windows"]) {
            if let Some(window) = object(window) {
                fill(window, "scheduled", json!(0));
                fill(window, "sent", json!(0));
                fill(window, "histogram", json!(""));
            }
        }
    }
    from_2(result)
}

/// The first results of version 2, and those of version 1, counted a sender's missing copy as a lost delivery, and did not
/// say which metrics lacked what was lost.
pub(super) fn early_accounts(report: &mut Report) {
    for run in report.runs.iter_mut().filter(|run| run.held_to.is_none()) {
        split_lost(run);
        charge_lost(run);
    }
}

fn split_lost(run: &mut Run) {
    let mut findings = run.findings.iter_mut();
    let Some(finding) = findings.find(|finding| finding.check == Check::Lost) else {
        return;
    };
    let own = finding.count.saturating_sub(run.totals.lost);
    if own == 0 {
        return;
    }
    finding.count -= own;
    let is_own = |note: &str| note.contains("the sender's own copy");
    let (examples, others) = std::mem::take(&mut finding.examples)
        .into_iter()
        .partition(|example| example.note.as_deref().is_some_and(is_own));
    finding.examples = others;
    run.totals.echo_missing = own;
    run.findings.push(Finding {
        check: Check::EchoMissing,
        count: own,
        examples,
    });
    run.findings.retain(|finding| finding.count > 0);
    run.findings.sort_by_key(|finding| finding.check);
}

fn charge_lost(run: &mut Run) {
    for phase in &mut run.phases {
        phase.delivery.lost = phase.totals.lost;
    }
    let lost = match &run.phases[..] {
        [] => run.totals.lost,
        phases => phases.iter().map(|phase| phase.totals.lost).sum(),
    };
    for result in &mut run.metrics {
        if matches!(result.metric, Metric::Delivery | Metric::DeliveryAsSent) {
            result.lost = lost;
        }
    }
}

fn fill(object: &mut Map<String, Value>, key: &str, value: Value) {
    object.entry(key).or_insert(value);
}

fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    value.as_object_mut()
}

fn elements(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}
