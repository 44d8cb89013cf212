//! How a server stopped: what became of the last saves, and what could not be told.

use std::process::ExitCode;

use crate::store::writer::DrainReport;

/// The exit code of a server that stopped before it had told everybody how their messages ended.
pub const EXIT_UNTOLD: u8 = 6;

/// How a server stopped.
#[derive(Debug)]
pub struct Stopped {
    /// What became of the messages that were waiting for the store.
    pub saves: DrainReport,
    /// What could not be told.
    pub untold: Untold,
    /// Whether every message had its end, and every client that end, before the deadline.
    pub clean: bool,
}

/// What a server could not tell before the deadline. All zero if it stopped as it should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Untold {
    /// Messages without an end.
    pub messages: usize,
    /// Clients that did not take what they were sent.
    pub clients: usize,
    /// The packets that they did not take.
    pub packets: usize,
    /// Connections that were cut before they had taken their end.
    pub connections: usize,
}

impl Stopped {
    /// What became of saves and of what was to be told; the log says it too.
    pub(super) fn told(saves: DrainReport, untold: Untold) -> Self {
        log(&saves, &untold);
        Self {
            saves,
            clean: untold == Untold::default(),
            untold,
        }
    }

    /// The exit code of the process: 0, or [`EXIT_UNTOLD`].
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.clean {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(EXIT_UNTOLD)
        }
    }
}

fn log(saves: &DrainReport, untold: &Untold) {
    let DrainReport {
        saved,
        failed,
        unsettled,
        took,
        died,
    } = saves;
    tracing::info!("stopped: {saved} messages saved and {failed} failed within {took:?}");
    if !unsettled.is_empty() {
        let ids: Vec<String> = unsettled
            .iter()
            .map(|(kind, id)| format!("{} {id}", kind.noun()))
            .collect();
        tracing::error!(
            "told as failed, but possibly in the store, which did not answer: {}",
            ids.join(", ")
        );
    }
    if let Some(reason) = died {
        tracing::error!("the writer had ended before it was told to: {reason}");
    }
    if *untold != Untold::default() {
        let Untold {
            messages,
            clients,
            packets,
            connections,
        } = untold;
        tracing::error!(
            "not told before the deadline: {messages} messages without an end, {packets} packets that {clients} clients \
             did not take, {connections} connections cut before they had taken their end"
        );
    }
}
