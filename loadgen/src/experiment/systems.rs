//! What can be measured, as it is named on the command line: a running URL, a server of our own, a command, a peer.

use std::{
    fmt,
    net::TcpListener,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::RunError;
use crate::{
    dial::PORT,
    model::{BusMode, Delivery, Dialect},
    rig::Peer,
    scenario::{Scenario, Token},
};

/// A URL, the command that starts a server there, and the port that was picked for it.
type Foreign = (String, Option<String>, Option<u16>);

/// A system to measure, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemChoice {
    /// One that runs already, at a URL: what it has done before is not undone.
    Url(String),
    /// The server of this program, or another build of the `server` program.
    Own(Option<PathBuf>),
    /// A shell's command that starts one at `{port}`.
    Command(String),
    /// A chat that somebody else would have written.
    Peer(Peer),
    /// What only passes messages on, and so shows what the machine and the generator leave.
    Relay,
}

impl SystemChoice {
    /// Whether nobody knows which processes it is.
    pub fn hides_its_processes(&self) -> bool {
        matches!(self, SystemChoice::Url(_))
    }

    /// Whether it is started on a store of this program's.
    pub fn saves_here(&self) -> bool {
        matches!(self, SystemChoice::Own(_) | SystemChoice::Peer(_))
    }

    /// When it delivers where a scenario is asked of it, as far as that is known: of several modes the last.
    pub(super) fn delivers(&self, scenario: &Scenario) -> Delivery {
        match self {
            SystemChoice::Peer(peer) => peer.delivery(),
            _ => scenario.delivery.last().copied().unwrap_or_default(),
        }
    }

    /// Whether it says how long its own work takes: servers of our own that this program has started do.
    pub(super) fn times_itself(&self) -> bool {
        matches!(self, SystemChoice::Own(_))
    }

    /// Whether several of them can be started as one chat.
    pub(super) fn meets_others(&self) -> bool {
        match self {
            SystemChoice::Own(_) => true,
            SystemChoice::Peer(peer) => peer.meets_others(),
            SystemChoice::Url(_) | SystemChoice::Command(_) | SystemChoice::Relay => false,
        }
    }

    /// Whether it can be asked this.
    ///
    /// # Errors
    /// Why not and what would be right, in words that follow its name.
    pub fn can_be_asked(&self, scenario: &Scenario) -> Result<(), String> {
        let is_foreign = matches!(self, SystemChoice::Url(_) | SystemChoice::Command(_));
        if scenario.events.is_some() && !is_foreign {
            return Err(
                "this scenario speaks another server's events: name that server with cmd:COMMAND or its URL"
                    .to_owned(),
            );
        }
        if scenario.nodes > 1 && !self.meets_others() {
            return Err(
                "this scenario's `nodes` are servers of this program's own, or of peer:node: leave them out"
                    .to_owned(),
            );
        }
        let SystemChoice::Peer(_) = self else {
            return Ok(());
        };
        if scenario.dialect != Dialect::Readme {
            return Err(format!(
                "peers speak the dialect {} alone: --dialect {} lets all speak it",
                Dialect::Readme.name(),
                Dialect::Readme.name()
            ));
        }
        if scenario.nodes > 1 && scenario.bus_mode != BusMode::default() {
            return Err(
                "one order on several servers is promised by this program's own alone: leave `bus_mode` out"
                    .to_owned(),
            );
        }
        match scenario.connections.token {
            Token::Signed(_) => Err(
                "peers take a token for the user's id, and this scenario signs tokens: leave `token` out of [connections]"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// Whether it delivers so, or can be told to. The relay delivers at once, saves nothing and says so: it is told nothing.
    ///
    /// # Errors
    /// Why not and what would be right.
    pub fn can_deliver(&self, delivery: Delivery) -> Result<(), String> {
        match self {
            SystemChoice::Own(_) | SystemChoice::Relay => Ok(()),
            SystemChoice::Peer(peer) if peer.delivery() == delivery => Ok(()),
            SystemChoice::Peer(peer) => {
                let other = Peer::ALL.into_iter().find(|one| one.delivery() == delivery);
                let other = other.map(|one| format!(", or measure peer:{}", one.name()));
                Err(format!(
                    "its delivery is {} and can't be chosen: leave --delivery out{}",
                    peer.delivery().name(),
                    other.unwrap_or_default()
                ))
            }
            SystemChoice::Url(_) | SystemChoice::Command(_) => Err(
                "somebody else wrote it, and it delivers as it does: leave --delivery out (`delivery` in the scenario says what it is held to)"
                    .to_owned(),
            ),
        }
    }

    /// Whether it is there, as far as that can be known before it is started. `peers` is the folder of the peers, where
    /// somebody has named one.
    ///
    /// # Errors
    /// [`RunError`] says what is missing and how to get it.
    pub(super) fn is_there(&self, peers: Option<&Path>) -> Result<(), RunError> {
        match self {
            SystemChoice::Peer(peer) => Ok(peer.command(peers).map(drop)?),
            _ => Ok(()),
        }
    }

    /// The URL and the command that starts it there, of one that somebody else wrote; a command gets a port of its own, which
    /// comes third.
    pub(super) fn foreign(&self) -> Result<Option<Foreign>, RunError> {
        match self {
            SystemChoice::Own(_) | SystemChoice::Peer(_) | SystemChoice::Relay => Ok(None),
            SystemChoice::Url(url) => Ok(Some((url.clone(), None, None))),
            SystemChoice::Command(command) => {
                let port = free_port()?;
                let command = command.replace(PORT, &port.to_string());
                let url = format!("http://127.0.0.1:{port}");
                Ok(Some((url, Some(command), Some(port))))
            }
        }
    }
}

/// A port of the loopback that nobody else is given by the system for some time.
pub(super) fn free_port() -> Result<u16, RunError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl FromStr for SystemChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(command) = text.strip_prefix("cmd:") {
            return match command.contains(PORT) {
                true => Ok(SystemChoice::Command(command.to_owned())),
                false => Err(format!(
                    "the command does not say where to listen: write {PORT}, as in 'cmd:PORT={PORT} node server.js'"
                )),
            };
        }
        if let Some(name) = text.strip_prefix("peer:") {
            let peer = Peer::ALL.into_iter().find(|peer| peer.name() == name);
            let known = || {
                Peer::ALL
                    .map(|peer| format!("peer:{}", peer.name()))
                    .join(", ")
            };
            return peer
                .map(SystemChoice::Peer)
                .ok_or_else(|| format!("there is no peer {name:?}: there are {}", known()));
        }
        match text {
            "own" => return Ok(SystemChoice::Own(None)),
            "relay" => return Ok(SystemChoice::Relay),
            _ => {}
        }
        if let Some(program) = text.strip_prefix("own:") {
            let program = PathBuf::from(program);
            return match program.is_file() {
                // Without a folder it would be looked for on the PATH.
                true => match program.canonicalize() {
                    Ok(program) => Ok(SystemChoice::Own(Some(program))),
                    Err(error) => Err(format!("{}: {error}", program.display())),
                },
                false => Err(format!(
                    "{} is no file: write the path of a build of the server, as in own:target/release/server",
                    program.display()
                )),
            };
        }
        match text.split_once("://") {
            Some(("http" | "https" | "ws" | "wss", host)) if !host.is_empty() => {
                Ok(SystemChoice::Url(text.to_owned()))
            }
            _ => Err(format!(
                "there is no system {text:?}: write own, own:PATH of a build of the server, peer:NAME, relay, cmd:COMMAND with {PORT} in it, or a URL like http://host:port"
            )),
        }
    }
}

impl fmt::Display for SystemChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // There may be a password in it.
            SystemChoice::Url(url) => match url.rsplit_once('@') {
                Some((_, host)) => write!(f, "http://…@{host}"),
                None => f.write_str(url.split('?').next().unwrap_or_default()),
            },
            SystemChoice::Own(None) => f.write_str("own"),
            SystemChoice::Own(Some(program)) => write!(f, "own:{}", program.display()),
            SystemChoice::Command(command) => write!(f, "cmd:{command}"),
            SystemChoice::Peer(peer) => write!(f, "peer:{}", peer.name()),
            SystemChoice::Relay => f.write_str("relay"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_a_url_our_own_or_a_command_with_its_port() {
        let read = |text: &str| text.parse::<SystemChoice>();
        assert_eq!(read("own"), Ok(SystemChoice::Own(None)));
        let url = SystemChoice::Url("https://h".into());
        assert_eq!(read("https://h"), Ok(url));
        let command = read("cmd:PORT={port} node server.js").unwrap();
        assert_eq!(command.to_string(), "cmd:PORT={port} node server.js");
        let (url, started, picked) = command.foreign().unwrap().unwrap();
        let port = url.strip_prefix("http://127.0.0.1:").unwrap();
        assert_eq!(started, Some(format!("PORT={port} node server.js")));
        assert_eq!(
            picked.map(|picked| picked.to_string()).as_deref(),
            Some(port)
        );
        for (text, word) in [
            ("cmd:node server.js", "{port}"),
            ("cmd:", "{port}"),
            ("peer:", "peer:node"),
            ("peer:deno", "peer:python"),
            ("own:", "own:target/release/server"),
            ("own:/no/such/server", "no file"),
            ("node", "http://host:port"),
            ("", "http://host:port"),
            ("ftp://h", "http://host:port"),
            ("http://", "http://host:port"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn every_peer_is_a_system_that_saves_where_our_own_does() {
        for peer in Peer::ALL {
            let name = format!("peer:{}", peer.name());
            let system = name.parse::<SystemChoice>().unwrap();
            assert_eq!(system, SystemChoice::Peer(peer));
            assert_eq!(system.to_string(), name);
            assert!(system.saves_here() && system.foreign().unwrap().is_none());
        }
        assert!(!"relay".parse::<SystemChoice>().unwrap().saves_here());
    }

    #[test]
    fn only_a_server_of_our_own_is_told_when_to_deliver() {
        let told = |system: &str, delivery| {
            system
                .parse::<SystemChoice>()
                .unwrap()
                .can_deliver(delivery)
        };
        for delivery in [Delivery::Optimistic, Delivery::PersistFirst] {
            assert_eq!(told("own", delivery), Ok(()));
            assert_eq!(told("relay", delivery), Ok(()));
            for foreign in ["http://h", "cmd:x {port}"] {
                let error = told(foreign, delivery).unwrap_err();
                assert!(error.contains("held to"), "{foreign}: {error}");
            }
        }
        for (peer, obeyed, refused, other) in [
            (
                "peer:node",
                Delivery::Optimistic,
                Delivery::PersistFirst,
                "peer:node-persist-first",
            ),
            (
                "peer:python",
                Delivery::Optimistic,
                Delivery::PersistFirst,
                "peer:node-persist-first",
            ),
            (
                "peer:node-persist-first",
                Delivery::PersistFirst,
                Delivery::Optimistic,
                "peer:node",
            ),
        ] {
            assert_eq!(told(peer, obeyed), Ok(()));
            let error = told(peer, refused).unwrap_err();
            assert!(
                error.ends_with(&format!("or measure {other}")),
                "{peer}: {error}"
            );
        }
    }

    #[test]
    fn a_peer_is_not_asked_what_it_does_not_speak() {
        let asked = |more: &str| {
            let text = format!(
                "version = 1\nname = \"t\"\nquestion = \"?\"\n{more}\npopulation = {{ users = 2, rooms = 1 }}\n\
                 [[phases]]\nname = \"s\"\nduration = \"9s\"\nrate = \"9/s\"\n"
            );
            let scenario = Scenario::parse(Path::new("t.toml"), &text).unwrap();
            let [peer, own] =
                ["peer:node", "own"].map(|name| name.parse::<SystemChoice>().unwrap());
            assert_eq!(own.can_be_asked(&scenario), Ok(()));
            peer.can_be_asked(&scenario)
        };
        assert_eq!(asked(""), Ok(()));
        assert_eq!(asked("server = { nodes = 3 }"), Ok(()));
        for (more, word) in [
            ("server = { dialect = \"reference\" }", "--dialect readme"),
            (
                "server = { nodes = 3, bus_mode = \"ordered\" }",
                "`bus_mode`",
            ),
            ("connections = { token = { secret = \"hush\" } }", "`token`"),
        ] {
            let error = asked(more).unwrap_err();
            assert!(error.contains(word), "{more}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = |text: &str| text.parse::<SystemChoice>().unwrap().to_string();
        assert_eq!(shown("http://me:secret@h:1"), "http://…@h:1");
        assert_eq!(shown("http://h:1/?token=secret"), "http://h:1/");
    }
}
