//! The search for the highest rate that keeps a limit: which rate is held next, what a hold shows, and what all of them
//! show together.

mod controller;
mod evidence;
mod growth;
mod outcome;
#[cfg(test)]
mod tests;

pub use self::{
    controller::{Answer, Ask, BELOW, Controller, Ended, Held, Length, Next, Purpose, Settings},
    evidence::{Bounds, Evidence},
    growth::{Growth, growth},
    outcome::Outcome,
};
