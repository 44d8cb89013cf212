//! What can be measured, as it is named on the command line: a running URL, a server of our own, a command.

use std::{fmt, net::TcpListener, path::PathBuf, str::FromStr};

use super::RunError;

/// A free port, in the places of a text that are for it.
const PORT: &str = "{port}";

/// A system to measure, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemChoice {
    /// One that runs already, at a URL: what it has done before is not undone.
    Url(String),
    /// The server of this program, or another build of the `server` program.
    Own(Option<PathBuf>),
    /// A shell's command that starts one at `{port}`.
    Command(String),
}

impl SystemChoice {
    /// Whether nobody knows which processes it is.
    pub fn hides_its_processes(&self) -> bool {
        matches!(self, SystemChoice::Url(_))
    }

    /// The URL and the command that starts it there, of one that somebody else wrote; a command gets a port of its own.
    pub(super) fn foreign(&self) -> Result<Option<(String, Option<String>)>, RunError> {
        match self {
            SystemChoice::Own(_) => Ok(None),
            SystemChoice::Url(url) => Ok(Some((url.clone(), None))),
            SystemChoice::Command(command) => {
                // Nobody else is given it by the system for some time.
                let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                let command = command.replace(PORT, &port.to_string());
                Ok(Some((format!("http://127.0.0.1:{port}"), Some(command))))
            }
        }
    }
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
        if text == "own" {
            return Ok(SystemChoice::Own(None));
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
                "there is no system {text:?}: write own, own:PATH of a build of the server, cmd:COMMAND with {PORT} in it, or a URL like http://host:port"
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
        let (url, started) = command.foreign().unwrap().unwrap();
        let port = url.strip_prefix("http://127.0.0.1:").unwrap();
        assert_eq!(started, Some(format!("PORT={port} node server.js")));
        for (text, word) in [
            ("cmd:node server.js", "{port}"),
            ("cmd:", "{port}"),
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
    fn a_password_is_not_shown() {
        let shown = |text: &str| text.parse::<SystemChoice>().unwrap().to_string();
        assert_eq!(shown("http://me:secret@h:1"), "http://…@h:1");
        assert_eq!(shown("http://h:1/?token=secret"), "http://h:1/");
    }
}
