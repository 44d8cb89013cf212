//! Who is there: users, rooms of two, channels of any sizes, and who of them talks.

use super::Rate;

/// Who is connected and where they talk.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Users, connected or not.
    pub users: u32,
    /// Rooms of two. More rooms than half the users put users into several of them.
    pub rooms: u32,
    /// Groups of channels, each with a size of its own.
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

/// Channels whose sizes follow one rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelGroup {
    /// How many of them.
    pub count: u32,
    /// How many members each of them has.
    pub members: ChannelSize,
}

/// How many members the channels of a group have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ChannelSize {
    /// All of them as many.
    Fixed(u32),
    /// Drawn evenly from `least` to `most`.
    Range {
        /// The fewest members that a channel has.
        least: u32,
        /// The most members that a channel has.
        most: u32,
    },
    /// Zipf's law: the channel of rank k has `most / k^exponent` members, and not fewer than `least`.
    Zipf {
        /// The fewest members that a channel has.
        least: u32,
        /// Members of the channel of the first rank, the largest.
        most: u32,
        /// 0 makes all equal, 1 is Zipf's own.
        exponent: f64,
    },
}
