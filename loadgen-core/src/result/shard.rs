//! What a result says of the processes that drove a run together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Environment, is_zero};

/// One of several processes that drove a run together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardResult {
    /// Which one, counted from 1.
    pub number: u16,
    /// How many there should have been.
    pub of: u16,
    /// Users that it drove.
    pub users: usize,
    /// Messages of these users in the plan.
    pub messages: usize,
    /// Where the server was, as this process was told.
    pub target: String,
    /// The eight digits that all bodies of its messages carry: the result's, where all shards were told the same start. `None` in
    /// results that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// When its schedule began, in nanoseconds after the planned moment, on the clock of shard 1 as far as that is known;
    /// `None`: something ended it before.
    pub began: Option<i64>,
    /// How much later than another shard's the moment was at which it was to begin, in nanoseconds: 0 where all were told the
    /// same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub planned_later: u64,
    /// How its clock stood to that of shard 1; `None` where nobody measured, so that its own clock is believed.
    pub clock: Option<ClockOffset>,
    /// Why it did not go to its end, where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The names of the files that it was given in, where these were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_as: Vec<String>,
    /// Where it was.
    pub environment: Environment,
}

/// How a clock stands to another: measured over the network, by the shortest of some round trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockOffset {
    /// How far it is ahead, in nanoseconds; behind, where it is negative.
    pub ahead: i64,
    /// The truth was no further than so many nanoseconds from that when the schedule began: half of the round trip, or what the
    /// clock had moved by when it was compared again, and half of that round trip.
    pub bound: u64,
}
