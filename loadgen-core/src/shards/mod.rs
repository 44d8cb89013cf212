//! One run over several processes: what each records of its part, and how that becomes one result.

mod gaps;
mod merge;
mod recording;

pub use self::{
    gaps::{MOST_APART, gaps},
    merge::{MergeError, Whole},
    recording::{Given, Question, Recording, Start, Told, Torn, VERSION, file_name, schema},
};

#[cfg(test)]
mod tests;
