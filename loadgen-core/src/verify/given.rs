//! Values that follow from nothing else in a result: what was told to this program, or read once, with why that is so.

/// Where such values stand, and why nothing else says them. `[]` is any index, and `**` is all beneath.
pub(super) const GIVEN: [(&str, &str); 71] = [
    ("command[]", "typed by the user"),
    ("labels.**", "said by the user"),
    ("scenario.file", "as the user asked for it"),
    (
        "run_id",
        "drawn at random for the bodies, which are not kept",
    ),
    ("started", "read from the clock once"),
    ("ended", "read from the clock once"),
    (
        "environment.**",
        "said by the machine, and compiled into the program",
    ),
    ("shards[].target", "the address of the server"),
    (
        "shards[].run_id",
        "made of the start that the shard was told",
    ),
    ("shards[].began", "read from the shard's clock once"),
    ("shards[].planned_later", "chosen by the user of the shard"),
    ("shards[].clock.**", "measured between the shards once"),
    (
        "shards[].ended",
        "told by the shard; whether one was cut short follows",
    ),
    ("shards[].given_as[]", "how the user named the files"),
    (
        "shards[].environment.**",
        "said by the machine, and compiled into the program",
    ),
    (
        "runs[].delivery_known",
        "known to whoever started the server",
    ),
    (
        "runs[].dialect",
        "the user may say another than the scenario",
    ),
    ("runs[].target", "the address of the server"),
    ("runs[].own", "known to whoever started the server"),
    ("runs[].target_version", "said by the server or the user"),
    ("runs[].store", "said by whoever started the store"),
    ("runs[].ignored.**", "by name, and nothing is judged by it"),
    (
        "runs[].findings[].examples[].note",
        "words for what is counted",
    ),
    (
        "runs[].findings[].examples[].more",
        "which examples are alike is in their words",
    ),
    ("runs[].generator.client", "known to the program alone"),
    (
        "runs[].generator.resident_before",
        "said by the kernel once",
    ),
    (
        "runs[].generator.resident_connected",
        "said by the kernel once",
    ),
    ("runs[].generator.resident_end", "said by the kernel once"),
    (
        "runs[].generator.connect_seconds",
        "read from the clock once",
    ),
    ("runs[].generator.cpu_seconds", "said by the kernel once"),
    ("runs[].generator.usage[].**", "said by the kernel once"),
    ("runs[].server.**", "said by the kernel once"),
    ("base.**", "said by the user and the server"),
    ("change.**", "said by the user and the server"),
    ("settings.warm_up", "chosen by the user"),
    ("settings.block", "chosen by the user"),
    ("settings.cycles", "chosen by the user"),
    (
        "settings.order_seed",
        "drawn at random; the orders follow from it",
    ),
    ("settings.false_alarms", "a constant of the program"),
    ("settings.budget", "chosen by the user"),
    ("asked[]", "named by the user"),
    ("settings.up_to", "chosen by the user"),
    ("settings.full", "chosen by the user"),
    ("settings.short", "chosen by the user"),
    ("cycles[].left_out", "words for what a block is doubted for"),
    ("cycles[].blocks[].started", "read from the clock once"),
    ("cycles[].blocks[].repeated", "its first try is not kept"),
    ("cycles[].blocks[].doubt", "the block's own run is not kept"),
    (
        "cycles[].blocks[].lacking",
        "the block's own run is not kept",
    ),
    (
        "cycles[].blocks[].broken[]",
        "the block's own run is not kept",
    ),
    (
        "cycles[].blocks[].seconds",
        "the block's own run is not kept",
    ),
    (
        "cycles[].blocks[].disturbed",
        "the block's own run is not kept",
    ),
    ("cycles[].blocks[].sent", "the block's own run is not kept"),
    ("cycles[].blocks[].lost", "the block's own run is not kept"),
    (
        "cycles[].blocks[].numbers.server.cpu",
        "said by the kernel once",
    ),
    ("systems[].system", "named by the user"),
    ("systems[].version", "said by the server"),
    ("systems[].store", "said by whoever started the store"),
    ("systems[].delivery", "known to whoever started the server"),
    (
        "systems[].holds[].outcome",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].because",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].took",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].sent",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].limits[].**",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].server_cpu",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].generator_cpu",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].store_cpu",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].threads[].**",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].floor.**",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].piled_up[].**",
        "what was seen is kept only of holds that decide",
    ),
    (
        "systems[].holds[].bottleneck",
        "what was seen is kept only of holds that decide",
    ),
];

/// Why nothing else in a result says the value at a place, as `runs[0].target`; `None` where it follows.
pub fn why(place: &str) -> Option<&'static str> {
    let place = any_index(place);
    // A ladder is made of searches.
    let place = place.strip_prefix("searches[].").unwrap_or(&place);
    let mut given = GIVEN.iter();
    let found = given.find(|(pattern, _)| match pattern.strip_suffix(".**") {
        Some(above) => place
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('[')),
        None => place == *pattern,
    });
    found.map(|(_, why)| *why)
}

fn any_index(place: &str) -> String {
    let mut any = String::with_capacity(place.len());
    let mut within = false;
    for letter in place.chars() {
        within &= letter != ']';
        if !within {
            any.push(letter);
        }
        within |= letter == '[';
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_whatever_its_index() {
        assert!(why("runs[3].generator.usage[12].resident").is_some());
        assert!(why("runs[0].server.cpu_seconds").is_some() && why("runs[0].server").is_some());
        assert!(why("labels.build").is_some() && why("command[0]").is_some());
        for follows in [
            "runs[0].totals.lost",
            "runs[0].generator.workers",
            "labelsx",
            "verdict",
        ] {
            assert_eq!(why(follows), None, "{follows}");
        }
    }
}
