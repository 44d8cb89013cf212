//! Who is there: users, rooms of two, channels of any sizes, and who of them talks.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Rate;
use crate::model::Kind;

/// Who is connected and where they talk.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Users, connected or not.
    pub users: u32,
    /// Rooms and channels that the server has already, from files.
    pub existing: Vec<Existing>,
    /// Rooms of two that are drawn. More rooms than half the users put users into several of them.
    pub rooms: u32,
    /// Groups of channels that are drawn, each with a size of its own.
    pub channels: Vec<ChannelGroup>,
    /// The share of users who never send: they listen.
    pub silent: f64,
    /// The share of users who are connected before the first phase; the others come by [`super::Churn::connects`].
    pub connected: f64,
    /// The share of memberships that are joined when their users connect; the others by [`super::Churn::joins`].
    pub joined: f64,
    /// New connections per second before the first phase; `None`: as fast as they are accepted.
    pub connect_rate: Option<Rate>,
}

impl Population {
    /// When the last of those who are there from the start begins to connect, after the first; `None` without a rate, since
    /// nobody knows it then. Where no time is so long it is the longest.
    pub fn connecting(&self) -> Option<Duration> {
        let Rate(rate) = self.connect_rate?;
        let others = (f64::from(self.users) * self.connected - 1.0).max(0.0);
        let seconds = Duration::try_from_secs_f64(others / rate);
        Some(seconds.unwrap_or(Duration::MAX))
    }

    /// Whether there is a conversation of this kind, drawn or from a file.
    pub fn has(&self, kind: Kind) -> bool {
        let drawn = match kind {
            Kind::Room => self.rooms > 0,
            Kind::Channel => self.channels.iter().any(|group| group.count > 0),
        };
        drawn || self.existing.iter().any(|existing| existing.kind == kind)
    }
}

/// A room or a channel that the server has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Room of two or channel.
    pub kind: Kind,
    /// The id under which the server knows it.
    pub id: String,
    /// Its members, as indices of users, ascending; two or more, a room two.
    pub members: Vec<u32>,
}

/// Channels whose sizes follow one rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelGroup {
    /// How many of them.
    pub count: u32,
    /// How many members each of them has.
    pub members: ChannelSize,
    /// Whether no user is in two channels of this group.
    pub disjoint: bool,
}

/// Members of a channel: `50`, `"10-200"`, or `{ most = 500, least = 5, zipf = 1.1 }`.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum ChannelSize {
    /// All channels have as many.
    Fixed(#[schemars(range(min = 2))] u32),
    /// Drawn evenly from a range, as in "10-200".
    #[schemars(with = "String", extend("pattern" = r"^\s*[0-9_]+\s*-\s*[0-9_]+\s*$|\$\{"))]
    Range(u32, u32),
    /// Zipf's law: the channel of rank k has `most / k^zipf` members, and not fewer than `least`.
    Zipf(Zipf),
}

/// The numbers of Zipf's law.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zipf {
    /// Members of the largest channel.
    #[schemars(range(min = 2))]
    pub most: u32,
    /// No channel has fewer members.
    #[serde(default = "two")]
    #[schemars(range(min = 2))]
    pub least: u32,
    /// The exponent: 0 makes all channels equal, 1 is Zipf's own law.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 10))]
    pub zipf: f64,
}

impl Zipf {
    /// Members of the channel of a rank, counted from 1.
    pub fn members(self, rank: u32) -> u32 {
        let share = f64::from(rank).powf(-self.zipf);
        ((f64::from(self.most) * share).round() as u32).max(self.least)
    }
}

fn two() -> u32 {
    2
}

fn one() -> f64 {
    1.0
}
