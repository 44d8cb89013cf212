//! What is told while a run goes on, to whoever shows it.

pub use crate::judge::Snapshot;
use crate::judge::Turn;

/// What happens, told to whoever shows it. Measuring never waits for showing.
pub enum Event<'a> {
    /// Something to know, in one sentence.
    Notice(String),
    /// What is measured from here on.
    Turn(&'a Turn),
    /// A stage of the run begins.
    Stage(&'a str),
    /// Where the run is; about four times a second while users connect and messages are sent.
    Progress(&'a Snapshot),
}

/// Whoever shows a run.
pub trait Watcher {
    /// Shows it, soon.
    fn event(&mut self, event: Event<'_>);
}
