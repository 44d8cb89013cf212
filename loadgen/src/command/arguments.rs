//! Arguments that several commands take.

use std::{
    env,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use super::{obeyed::Said, run::typed::typed};
use crate::{
    dial::{Target, TargetMistake, Trust},
    drive::Driver,
    experiment::{Entrant, Options, SystemChoice},
    model::{Delivery, Dialect, nanos},
    rig::{self, StoreChoice},
    scenario::{Connections, Scenario, Setting, Span},
};

/// The MongoDB image of a store in a container.
pub(super) const MONGO_IMAGE: &str = "mongo:8.0";

/// What a scenario asks, by which generator, and what the user says of it: the same of every command that measures.
#[derive(Debug, Clone, clap::Args)]
pub struct Load {
    /// The names of events that the server speaks, instead of the scenario's.
    #[arg(long)]
    pub dialect: Option<Dialect>,
    /// The seed, instead of the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The value of a variable of the scenario, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
    /// The client that connects users: native, or the rust_socketio crate [default: native where it can].
    #[arg(long)]
    pub client: Option<Driver>,
    /// Worker threads of the generator [default: one for every two cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Processors to bind the worker threads to, in turn, as in `1` or `2,3` [default: the system decides].
    #[arg(long, value_name = "CPU[,CPU]", value_delimiter = ',')]
    pub cpus: Vec<usize>,
    /// Judge every second, also those in which other processes or the hypervisor had the machine.
    #[arg(long)]
    pub no_machine_check: bool,
    /// What to tell the result apart by, as in build=nightly; can be given again with other keys.
    ///
    /// `compare` and `publish` keep results of other labels apart.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// The folder of the peers [default: interop/peers of the checkout].
    #[arg(long, env = "LOADGEN_PEERS", value_name = "FOLDER")]
    pub peers: Option<PathBuf>,
}

impl Load {
    /// A scenario with what is said here instead of what it says itself. Its variables are set when it is read.
    ///
    /// # Errors
    /// Where it says itself which names of events are spoken.
    pub(super) fn ask(&self, scenario: &mut Scenario) -> Result<(), String> {
        if let (Some(_), Some(dialect)) = (&scenario.events, self.dialect) {
            return Err(format!(
                "--dialect {}: {} has names of events of its own, in [server.events]: leave one of them out",
                dialect.name(),
                scenario.path.display()
            ));
        }
        scenario.dialect = self.dialect.unwrap_or(scenario.dialect);
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        Ok(())
    }

    /// How is measured: servers that are started here, on such a store, without a floor.
    pub(super) fn options(&self, store: &StoreChoice, mongo_image: &str) -> Options {
        Options {
            store: store.clone(),
            mongo_image: mongo_image.to_owned(),
            target: None,
            target_version: None,
            target_command: None,
            system: SystemChoice::Own(None),
            peers: self.peers.clone(),
            audit: None,
            client: self.client,
            workers: self.workers.map(usize::from),
            cpus: self.cpus.clone(),
            machine_check: !self.no_machine_check,
            floor: None,
            command: typed(env::args_os()),
            labels: self.label.iter().cloned().collect(),
        }
    }
}

/// Servers that are started here beside others: the same of every command that measures several systems.
#[derive(Debug, Clone, clap::Args)]
pub struct Servers {
    /// The store behind servers of our own and behind peers: auto, memory, docker, mongod, or mongodb://host:port.
    #[arg(long, default_value = "auto")]
    pub store: StoreChoice,
    /// The image of a MongoDB in a container.
    #[arg(long, env = "MONGO_IMAGE", default_value = MONGO_IMAGE)]
    pub mongo_image: String,
    /// The delivery mode [default: the scenario's last].
    #[arg(long, value_name = "MODE")]
    pub delivery: Option<Delivery>,
}

impl Servers {
    /// A scenario in the delivery mode that is wanted.
    pub(super) fn ask(&self, scenario: &mut Scenario) {
        if let Some(delivery) = self.delivery {
            scenario.delivery = vec![delivery];
        }
    }

    /// How is measured, likewise.
    pub(super) fn options(&self, load: &Load) -> Options {
        load.options(&self.store, &self.mongo_image)
    }

    /// Whether these servers, each behind the flag that names it, can obey all that is said of them.
    ///
    /// # Errors
    /// The first flag that can't be obeyed, why, and what would be right.
    pub(super) fn can_be_told<'a>(
        &self,
        systems: impl IntoIterator<Item = (&'static str, &'a Entrant)>,
        load: &Load,
    ) -> Result<(), String> {
        let systems = systems.into_iter();
        let said = Said {
            systems: systems.map(|(flag, one)| (flag, one.clone())).collect(),
            delivery: self.delivery.as_slice(),
            store: &self.store,
            mongo_image: &self.mongo_image,
            load,
        };
        said.can_be_obeyed()?;
        let stores = said
            .systems
            .iter()
            .filter_map(|(_, one)| one.store.as_ref());
        for store in stores.chain([&self.store]) {
            if let StoreChoice::Uri(uri) = store {
                rig::check_uri(uri).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

/// Where a running server is.
#[derive(Debug, Clone, clap::Args)]
pub struct Where {
    /// Measure a server that is running already, at http://host:port or https://host, instead of starting one. A path
    /// behind it is the namespace; a user and a password before the host are sent as Basic.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// What else leads to it.
    #[command(flatten)]
    pub way: Way,
}

/// How a server at a URL is reached.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Way {
    /// Where the target listens on its host, instead of what the scenario says [default: /socket.io/].
    #[arg(long)]
    pub path: Option<String>,
    /// Certificates that the target's is signed by, in PEM, instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Trust whoever answers at the target, whatever certificate it shows.
    #[arg(long)]
    pub insecure: bool,
    /// A certificate to show to the target, in PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The private key of the certificate of --cert, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
}

impl Where {
    /// The target at a URL, checked together with what a scenario says of connections; `None`: there is none.
    ///
    /// # Errors
    /// [`TargetMistake`] says what would be right.
    pub fn target(
        &self,
        url: Option<&str>,
        connections: &Connections,
    ) -> Result<Option<Target>, TargetMistake> {
        let Some(url) = url else {
            if let Some(flag) = self.way.named() {
                return Err(TargetMistake::Other(format!(
                    "{flag} says something of a target: name it with --target or --command"
                )));
            }
            return match connections.path {
                Some(_) => Err(TargetMistake::Other(
                    "the scenario says at which `path` the server listens, and the one that is started here listens at /socket.io/: name a running one with --target"
                        .to_owned(),
                )),
                None => Ok(None),
            };
        };
        self.way.to(url, connections).map(Some)
    }
}

impl Way {
    /// The target at a URL, checked together with what a scenario says of connections.
    ///
    /// # Errors
    /// [`TargetMistake`] says what would be right.
    pub fn to(&self, url: &str, connections: &Connections) -> Result<Target, TargetMistake> {
        let trust = Trust {
            ca: self.ca.clone(),
            insecure: self.insecure,
            identity: self.cert.clone().zip(self.key.clone()),
        };
        Target::new(url, connections, self.path.as_deref(), &trust)
    }

    /// The first flag that was given.
    fn named(&self) -> Option<&'static str> {
        [
            ("--path", self.path.is_some()),
            ("--ca", self.ca.is_some()),
            ("--insecure", self.insecure),
            ("--cert", self.cert.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }
}

/// A variable's name and value.
pub(super) fn setting(text: &str) -> Result<Setting, String> {
    text.split_once('=')
        .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "expected name=value".to_owned())
}

/// A moment in RFC 3339, as nanoseconds since 1970, UTC.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no moment: write it as in 2026-11-26T12:00:00Z");
    let zone = text.len().checked_sub("+00:00".len());
    let zone = zone.and_then(|at| text.split_at_checked(at));
    let ahead = zone.and_then(|(_, zone)| minutes_ahead(zone));
    let (utc, ahead) = match (zone, ahead) {
        (Some((local, _)), Some(ahead)) => (format!("{local}Z"), ahead),
        _ => (text.to_owned(), 0),
    };
    let time = humantime::parse_rfc3339(&utc).map_err(|_| wrong())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
    nanos(since)
        .checked_add_signed(-ahead * 60_000_000_000)
        .ok_or_else(wrong)
}

/// The same as it is written in UTC.
pub(super) fn written(moment: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_nanos(moment);
    humantime::format_rfc3339(time).to_string()
}

/// A host and a port of it.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let port = parts.and_then(|(_, port)| port.parse::<u16>().ok());
    match (parts, port) {
        (Some((host, _)), Some(1..)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(format!(
            "{text:?} is no host and its port: write it as in load1:7070"
        )),
    }
}

/// How far a zone is ahead of UTC, as `+02:00` is.
fn minutes_ahead(zone: &str) -> Option<i64> {
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let part = |digits: &str, most: i64| {
        let number = digits.parse().ok().filter(|_| digits.len() == 2);
        number.filter(|number| (0..=most).contains(number))
    };
    Some(sign * (part(hours, 23)? * 60 + part(minutes, 59)?))
}

/// A duration with or without a minus, in nanoseconds.
pub(super) fn signed_span(text: &str) -> Result<i64, String> {
    let (sign, span) = match text.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, text),
    };
    let span = nanos(span.parse::<Span>()?.0);
    i64::try_from(span)
        .map(|span| sign * span)
        .map_err(|_| format!("{text:?} is too long"))
}

/// What a result is told apart by: a key that every format can carry, and any text for people.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "expected key=value".to_owned())?;
    let begins = key.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "the key {key:?} is not one: write letters, digits and _, a letter first"
        ));
    }
    Ok((key.to_owned(), words(value)?))
}

/// A line of text that says something.
pub(super) fn words(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("write some text".to_owned()),
        text if text.contains(char::is_control) => {
            Err(format!("{text:?} has characters that belong into no line"))
        }
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_all_zones() {
        let noon = moment("2026-11-26T12:00:00Z").unwrap();
        assert_eq!(noon, 1_795_694_400_000_000_000);
        assert_eq!(moment("2026-11-26T14:00:00+02:00").unwrap(), noon);
        assert_eq!(moment("2026-11-26T08:30:00-03:30").unwrap(), noon);
        assert_eq!(
            moment("2026-11-26T12:00:00.25Z").unwrap(),
            noon + 250_000_000
        );
        for wrong in [
            "",
            "noon",
            "12:00:00Z",
            "2026-11-26",
            "2026-11-26T12:00:00",
            "2026-13-26T12:00:00Z",
            "1969-01-01T00:00:00Z",
            "2026-11-26T12:00:00+2:00",
            "2026-11-26T12:00:00+99:00",
            "é:00:00",
        ] {
            let error = moment(wrong).unwrap_err();
            assert!(
                error.contains("as in 2026-11-26T12:00:00Z"),
                "{wrong}: {error}"
            );
        }
        assert_eq!(written(noon), "2026-11-26T12:00:00Z");
        assert_eq!(moment(&written(noon + 7)), Ok(noon + 7));
        assert_eq!(signed_span("-2s"), Ok(-2_000_000_000));
        assert_eq!(signed_span("137ms"), Ok(137_000_000));
        assert!(signed_span("--2s").is_err());
    }

    #[test]
    fn a_host_has_a_port() {
        for right in ["load1:7070", "10.0.0.1:1", "[::1]:65535"] {
            assert_eq!(host_and_port(right).as_deref(), Ok(right));
        }
        for wrong in ["", "load1", ":7070", "load1:", "load1:0", "load1:65536"] {
            let error = host_and_port(wrong).unwrap_err();
            assert!(error.contains("as in load1:7070"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_label_has_a_key_for_every_format_and_a_text() {
        let written = |text| label(text).map(|(key, value)| format!("{key}: {value}"));
        assert_eq!(written("build=a=b c").unwrap(), "build: a=b c");
        for (wrong, word) in [
            ("build", "key=value"),
            ("=x", "letters"),
            ("2nd=x", "letter first"),
            ("a-b=x", "letters"),
            ("build=", "some text"),
            ("build= ", "some text"),
            ("build=a\nb", "no line"),
        ] {
            let error = written(wrong).unwrap_err();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }
}
