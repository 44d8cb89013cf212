//! What the proxy costs that stands in for the network where that is to be bad.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Nanos;

/// Round trips of a chat message's size on this machine, right before the run: without an idle proxy and through one. Medians, in
/// nanoseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct ProxyCost {
    /// Without.
    pub direct: Nanos,
    /// Through one.
    pub through: Nanos,
}

impl ProxyCost {
    /// How many times as long it takes through one.
    pub fn ratio(self) -> f64 {
        self.through as f64 / self.direct.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_ratio_of_one_run() {
        let cost = ProxyCost {
            direct: 20_000,
            through: 50_000,
        };
        assert!((cost.ratio() - 2.5).abs() < 1e-9);
    }
}
