//! The commands: what is typed, what is shown, and how the program ends.

pub mod catalogue;
pub mod cli;
pub mod exit_code;
pub mod output;
pub mod preview;
pub mod progress;
