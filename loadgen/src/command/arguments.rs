//! Arguments that several commands take.

use std::path::PathBuf;

use crate::{
    dial::{Target, TargetMistake, Trust},
    scenario::{Connections, Setting},
};

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
