//! The search for the highest rate that keeps a limit: which rate is held next, what a hold shows, and what all of them
//! show together.

mod asked;
mod controller;
mod evidence;
mod found;
mod growth;
mod hold;
pub mod ladder;
mod lengths;
mod outcome;
mod show;
#[cfg(test)]
mod tests;

pub use self::{
    asked::asked_of,
    controller::{Answer, Ask, BELOW, Controller, Ended, Held, Length, Next, Purpose, Settings},
    evidence::{Bounds, Evidence},
    found::{About, Found, LimitFound, SEARCH_VERSION, SearchSettings, SystemFound, schema},
    growth::{Growth, growth},
    hold::{
        AtLimit, Beside, Bottleneck, BusyThread, Hold, LIMITS, Pile, PiledUp, SHARE, Seen, limits,
        watched,
    },
    lengths::{Lengths, settings, shortest},
    outcome::Outcome,
    show::{SearchFormat, line},
};
