//! The search for the highest rate that keeps a limit: which rate is held next, what a hold shows, and what all of them
//! show together.

mod asked;
mod controller;
mod evidence;
mod found;
mod growth;
mod hold;
mod judged;
pub mod ladder;
mod lengths;
mod outcome;
mod rules;
mod seen;
mod show;
#[cfg(test)]
mod tests;

pub use self::{
    asked::asked_of,
    controller::{Answer, Ask, BELOW, Controller, Ended, Held, Length, Next, Purpose, Settings},
    evidence::{Bounds, Evidence},
    found::{About, Found, LimitFound, SearchSettings, SystemFound, is_same_rate, schema},
    growth::{Growth, growth},
    hold::{
        AtLimit, Beside, Bottleneck, BusyThread, Hold, LIMITS, PROMISED, Pile, PiledUp, SHARE,
        limits,
    },
    lengths::{Lengths, settings, shortest},
    outcome::Outcome,
    rules::{RULES_SINCE, Rules, SEARCH_VERSION, SEEN_SINCE},
    seen::{Asked, Kept, Seen, saves_first, scenario_of},
    show::{SearchFormat, line},
};
