//! What happens, stretch by stretch: the load of messages, and who comes, goes and stops reading.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Range, Rate, Span, Threshold, expected};

/// So many messages a run has at most: what is kept of them from its beginning, plan and ledger, is gigabytes.
pub const MOST_MESSAGES: f64 = 1e8;
/// So many comings and goings likewise.
pub const MOST_ACTIONS: f64 = 1e8;

/// A stretch of time with one kind of load.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its name in reports.
    pub name: String,
    /// How long it lasts.
    pub duration: Duration,
    /// Who sends when: by a rate, or each user after the last answer.
    pub load: Load,
    /// Zipf exponent with which conversations are chosen: 0 chooses all alike, 1 gives the k-th a k-th of the first's.
    pub skew: f64,
    /// The share of users who don't send in this phase, instead of the population's.
    pub silent: Option<f64>,
    /// Who comes and goes.
    pub churn: Churn,
    /// `false` for a warm-up: its messages are accounted for, its latencies are not recorded.
    pub measured: bool,
    /// Conditions on this phase alone.
    pub thresholds: Vec<Threshold>,
}

/// Who sends when: by a rate, or each user after the last answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// Open model: sends come at their times, whatever the server does.
    Open(Open),
    /// Closed model: each user thinks, sends, waits for the acknowledgement, thinks again. A slow server is sent less,
    /// so that its latencies are service times and hide what waiting users would have seen (coordinated omission).
    Closed {
        /// From an acknowledgement to the same user's next send.
        think_time: Range<Span>,
    },
}

impl Load {
    /// How many messages it has in that time on average; of a closed one, where so many users are answered at once each time.
    pub fn messages(&self, duration: Duration, users: u32) -> f64 {
        match self {
            Load::Open(open) => expected(open, duration),
            Load::Closed { think_time } => {
                let Range { low, high } = think_time;
                let thinks = (low.0.as_secs_f64() + high.0.as_secs_f64()) / 2.0;
                duration.as_secs_f64() / thinks * f64::from(users)
            }
        }
    }
}

/// An open load: the rate over the phase.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Open {
    /// Messages per second at the phase's start.
    pub rate: f64,
    /// Messages per second at its end: the rate changes linearly, or in `steps`.
    pub ramp_to: f64,
    /// In so many equal steps, the first at `rate` and the last at `ramp_to`, instead of linearly.
    pub steps: Option<u32>,
    /// Another rate for a part of the phase.
    pub spike: Option<Spike>,
    /// Messages at once, again and again, on top of the rate.
    pub burst: Option<Burst>,
    /// How sends are spaced.
    pub arrivals: Arrivals,
}

/// Another rate for a part of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spike {
    /// Messages a second in it.
    pub rate: Rate,
    /// When it begins, from the phase's start.
    pub after: Span,
    /// How long it lasts.
    #[schemars(extend("not" = super::rules::not_zero()))]
    pub lasts: Span,
}

/// Messages that are all due at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// How many messages.
    #[schemars(range(min = 1))]
    pub messages: u32,
    /// From one burst to the next; the first is at the phase's start.
    #[schemars(extend("not" = super::rules::not_zero()))]
    pub every: Span,
}

/// How sends are spaced in time (open model).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Independent of each other, as of many people: exponential gaps.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// How often, per second of the phase, somebody does something else than send.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Churn {
    /// A membership that is not joined is joined.
    pub joins: f64,
    /// A joined membership is left.
    pub leaves: f64,
    /// A joined membership is left and, after [`Behaviour::away`], joined again.
    pub rejoins: f64,
    /// A user says goodbye and, after [`Behaviour::away`], connects again.
    pub reconnects: f64,
    /// A user's TCP connection is cut without a goodbye and, after [`Behaviour::away`], the user connects again.
    pub cuts: f64,
    /// A user who was not connected yet connects.
    pub connects: f64,
    /// A user stops reading for [`Behaviour::stall`].
    pub stalls: f64,
}

impl Churn {
    /// All of it together.
    pub fn per_second(&self) -> f64 {
        let Self {
            joins,
            leaves,
            rejoins,
            reconnects,
            cuts,
            connects,
            stalls,
        } = self;
        joins + leaves + rejoins + reconnects + cuts + connects + stalls
    }
}

/// How long people are away, and how long they don't read.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// From leaving or going to coming back; default "1s-3s".
    pub away: Range<Span>,
    /// How long somebody who stops reading does so; default "5s-10s".
    pub stall: Range<Span>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            away: Range::milliseconds(1_000, 3_000),
            stall: Range::milliseconds(5_000, 10_000),
        }
    }
}
