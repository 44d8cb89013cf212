//! Whether the blocks of a gate can have the samples that its numbers need: known before the first of them.

use super::{AbOptions, SystemChoice};
use crate::{
    compare::ab::Compared,
    judge::{Promises, samples_of},
    model::Vocabulary,
    plan::Plan,
    scenario::Scenario,
};

/// Whether a block of either side has them, by a client that asks for acknowledgements or does not. `plan` is that of a block of
/// `scenario`.
///
/// # Errors
/// Which number lacks how many, and what would be right.
pub(super) fn samples(
    scenario: &Scenario,
    plan: &Plan,
    ab: &AbOptions,
    asks_for_acks: bool,
) -> Result<(), String> {
    for (flag, entrant) in [("--base", &ab.base), ("--change", &ab.change)] {
        let of = Side {
            scenario,
            plan,
            system: &entrant.system,
            asks_for_acks,
        };
        let mut compared = ab.compared.iter();
        if let Some((number, needs, has)) = compared.find_map(|one| of.lacks(one)) {
            return Err(match has {
                0 => format!(
                    "{number} needs samples, and there are none of {flag} {entrant}: leave that number out with --metric"
                ),
                _ => format!(
                    "{number} needs {needs} samples, and a block of {:?} has {has}: make it longer with --block, or leave that number out with --metric",
                    ab.block.length
                ),
            });
        }
    }
    Ok(())
}

/// A side of a gate, as far as its samples are known.
struct Side<'a> {
    scenario: &'a Scenario,
    plan: &'a Plan,
    system: &'a SystemChoice,
    asks_for_acks: bool,
}

impl Side<'_> {
    /// A number of which a block has too few samples, how many it needs, and how many there are.
    fn lacks(&self, compared: &Compared) -> Option<(String, u64, u64)> {
        let (metric, needs) = compared.needs()?;
        let vocabulary = self.scenario.vocabulary();
        let vocabulary = Vocabulary {
            acknowledges_messages: vocabulary.acknowledges_messages && self.asks_for_acks,
            ..vocabulary
        };
        let promises = Promises::of(&vocabulary, self.system.delivers(self.scenario));
        let has = samples_of(self.plan, metric, promises, self.system.times_itself())?;
        (has < needs).then(|| (compared.number.to_string(), needs, has))
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::scenario::Block;

    /// What a gate on that number is told: 100 messages a second in rooms of two, for 8 s.
    fn told(server: &str, change: &str, number: &str) -> Result<(), String> {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\n{server}\npopulation = {{ users = 9, rooms = 3 }}\n\
             [[phases]]\nname = \"s\"\nduration = \"9s\"\nrate = \"100/s\"\narrivals = \"uniform\"\n"
        );
        let scenario = Scenario::parse(Path::new("t.toml"), &text).unwrap();
        let block = Block {
            phase: None,
            warm_up: Duration::from_secs(1),
            length: Duration::from_secs(8),
        };
        let short = scenario.block(&block).unwrap();
        let plan = Plan::new(&short).unwrap();
        let ab = AbOptions {
            base: "own".parse().unwrap(),
            change: change.parse().unwrap(),
            compared: vec![number.parse().unwrap()],
            block,
            cycles: 20,
            order_seed: 1,
        };
        samples(&short, &plan, &ab, true)
    }

    #[test]
    fn a_number_whose_samples_a_block_can_not_have_is_refused_whatever_it_is_of() {
        for (server, change, number) in [
            ("", "own", "delivery.p95"),
            ("", "own", "confirm.p95"),
            ("", "own", "ack.max"),
            ("", "own", "server_emit.p95"),
            ("", "own", "connect.p99"),
            ("", "cmd:x {port}", "server.cpu"),
            ("server = { nodes = 3 }", "own", "delivery_same_node.p50"),
            ("", "peer:node-persist-first", "ack.p50"),
        ] {
            assert_eq!(told(server, change, number), Ok(()), "{change} {number}");
        }
        let first = "server = { delivery = [\"persist-first\"] }";
        for (server, change, number, word) in [
            (
                "",
                "own",
                "delivery.p99",
                "needs 1000 samples, and a block of 8s has 800",
            ),
            (
                "",
                "own",
                "confirm.p99",
                "needs 1000 samples, and a block of 8s has 800",
            ),
            ("", "own", "delivery_slowest.p99", "has 800"),
            (first, "own", "confirm.p50", "there are none of --base own"),
            (
                "",
                "peer:node-persist-first",
                "confirm.p50",
                "none of --change peer:node-persist-first",
            ),
            (
                "",
                "cmd:x {port}",
                "server_emit.p50",
                "none of --change cmd:x",
            ),
            (
                "",
                "http://h",
                "server_save.mean",
                "none of --change http://h",
            ),
            (
                "",
                "own",
                "delivery_cross_node.p50",
                "there are none of --base own",
            ),
        ] {
            let error = told(server, change, number).unwrap_err();
            assert!(error.contains(word), "{change} {number}: {error}");
        }
    }
}
