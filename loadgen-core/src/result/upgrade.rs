//! Older results brought up to the present version: what they did not record yet is filled in as not recorded.

use serde_json::{Map, Value, json};

use super::VERSION;

/// Version 1 knew neither phases, sizes and floor nor the histograms of single seconds, and had one client only.
pub(super) fn from_1(mut result: Value) -> Value {
    result["version"] = VERSION.into();
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
    result
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
