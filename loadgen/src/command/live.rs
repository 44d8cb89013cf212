//! The live view of `run --live`: a page that goes on with the run, and its numbers for Prometheus, served by a thread
//! that measuring never waits for.

mod serve;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{SocketAddr, TcpListener},
    str::FromStr,
    sync::mpsc as channel,
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    experiment::{Event, Snapshot, Watcher},
    judge::Turn,
    report::live::View,
    result::Report,
    rig::machine::ONLOOKER,
};

/// What is told and not taken yet, at most: some ten seconds of a run. What is more is not shown.
const UNTAKEN: usize = 64;
/// How long readers have to take the last that is said.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where the page is to be had, as it is typed: `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// On this machine alone, at a port that is free.
    pub const HERE: &str = "127.0.0.1:0";
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':');
        let is_place =
            parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        match is_place {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("expected host:port, as in {}", Self::HERE)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why there is no live view.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The address can't be had.
    #[error(
        "the live view can't be had at {place}: {error}; name another address with --live=host:port, or none for a free port"
    )]
    Taken {
        /// As it was typed.
        place: Place,
        /// What the system says.
        error: io::Error,
    },
    /// The system gives no thread.
    #[error("the live view has no thread: {0}")]
    Thread(io::Error),
}

/// What its thread is told.
enum Told {
    Turn(Turn),
    Stage(String),
    Notice(String),
    Snapshot(Box<Snapshot>),
    Finished(Box<Report>),
}

impl Told {
    fn of(event: &Event<'_>) -> Self {
        match event {
            Event::Notice(text) => Told::Notice(text.clone()),
            Event::Turn(turn) => Told::Turn((*turn).clone()),
            Event::Stage(stage) => Told::Stage((*stage).to_owned()),
            Event::Progress(snapshot) => Told::Snapshot(Box::new((*snapshot).clone())),
        }
    }
}

/// The live view, while it is served.
pub struct Live {
    address: SocketAddr,
    telling: mpsc::Sender<Told>,
    /// Says that the thread has ended by saying nothing any more.
    ended: channel::Receiver<()>,
}

impl Live {
    /// Serves it from now on; `labels` are what the user says of the results.
    ///
    /// # Errors
    /// [`LiveError`] where the address is not to be had.
    pub fn start(place: &Place, labels: BTreeMap<String, String>) -> Result<Self, LiveError> {
        let taken = |error| LiveError::Taken {
            place: place.clone(),
            error,
        };
        let listener = TcpListener::bind(&place.0).map_err(taken)?;
        listener.set_nonblocking(true).map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let (telling, told) = mpsc::channel(UNTAKEN);
        let (ending, ended) = channel::channel();
        thread::Builder::new()
            .name(ONLOOKER.to_owned())
            .spawn(move || {
                if let Err(error) = serve::serve(listener, View::new(labels), told) {
                    tracing::warn!(%error, "the live view has ended");
                }
                drop(ending);
            })
            .map_err(LiveError::Thread)?;
        Ok(Self {
            address,
            telling,
            ended,
        })
    }

    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Tells whoever watches, beside `other`.
    pub fn beside<'a>(&'a self, other: Box<dyn Watcher>) -> Box<dyn Watcher + 'a> {
        Box::new(Beside { live: self, other })
    }

    /// Shows how a run ended.
    pub fn finished(&self, report: &Report) {
        self.tell(Told::Finished(Box::new(report.clone())));
    }

    /// Ends it, as soon as readers have the last that was said, or have had their time.
    pub fn end(self) {
        drop(self.telling);
        // A disconnect is its end; after that time it is not waited for.
        let _ = self.ended.recv_timeout(2 * LAST_WORDS);
    }

    /// What is not taken soon is not shown: nobody waits.
    fn tell(&self, told: Told) {
        if self.telling.try_send(told).is_err() {
            tracing::debug!("the live view has missed something");
        }
    }
}

/// Shows a run to another, and on the live view.
struct Beside<'a> {
    live: &'a Live,
    other: Box<dyn Watcher>,
}

impl Watcher for Beside<'_> {
    fn event(&mut self, event: Event<'_>) {
        self.live.tell(Told::of(&event));
        self.other.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_a_port() {
        for right in ["127.0.0.1:0", "localhost:9000", "[::1]:80", "0.0.0.0:9000"] {
            assert_eq!(right.parse::<Place>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "9000",
            ":9000",
            "localhost",
            "localhost:",
            "localhost:http",
            "127.0.0.1:70000",
        ] {
            let error = wrong.parse::<Place>().unwrap_err();
            assert!(error.contains("127.0.0.1:0"), "{wrong}: {error}");
        }
    }
}
