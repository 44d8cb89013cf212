//! One run over several processes: what each records of its part, and how that becomes one result.

mod merge;
mod recording;

pub use self::{
    merge::{MOST_APART, MergeError, Whole},
    recording::{Given, Question, Recording, Start, Told, Torn, VERSION, file_name, schema},
};

#[cfg(test)]
mod tests;
