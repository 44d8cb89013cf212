//! Where a server is, as the user says it: the URL, `[connections]` and the flags, checked before anything runs.

use std::{path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, pki_types::ServerName};
use url::{Host, Url};

use super::{caller::encode, tls::Trust};
use crate::scenario::{Connections, OWN_PARAMETERS, Pattern, Template, check_path};

/// Where Socket.IO servers listen if nobody says otherwise.
const USUAL_PATH: &str = "/socket.io/";
/// What stands for a free port where one is picked.
pub const PORT: &str = "{port}";

/// Where a server is and what each request to it says, checked.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL without credentials and without its query: what is shown.
    pub(super) shown: String,
    /// What results call it: the same, but for a port that was picked for one run.
    name: String,
    /// A host's name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The `Host` header.
    pub(super) authority: String,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The flag that says whom to trust, if there is one.
    trust: Option<&'static str>,
    /// `Authorization`, from credentials in the URL.
    pub(super) basic: Option<String>,
    pub(super) namespace: String,
    pub(super) path: Template,
    /// Percent-encoded names, and their values.
    pub(super) query: Vec<(String, Template)>,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) auth: Option<Pattern>,
}

/// Why something can't be a target, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetMistake {
    /// The URL. It is not quoted: there may be a password in it.
    #[error(
        "--target: {0}; write http://host:port or https://host, with the namespace behind it if there is one"
    )]
    Url(String),
    /// Another part of where it is.
    #[error("{0}")]
    Other(String),
}

impl Target {
    /// From the URL of a running server, what the scenario says of requests, and flags: a path instead of the
    /// scenario's, and whom to trust.
    ///
    /// # Errors
    /// [`TargetMistake`] says what would be right.
    pub fn new(
        url: &str,
        connections: &Connections,
        path: Option<&str>,
        trust: &Trust,
    ) -> Result<Self, TargetMistake> {
        let url = parse(url)?;
        let secure = matches!(url.scheme(), "https" | "wss");
        if !secure && let Some(flag) = trust.named() {
            return Err(TargetMistake::Other(format!(
                "{flag} is of TLS, and --target has none: write https://"
            )));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(wrong("it names no host")),
        };
        let tls = match secure {
            true => Some((trust.config()?, server_name(&host)?)),
            false => None,
        };
        let path = match path {
            Some(path) => {
                check_path(path).map_err(|why| TargetMistake::Other(format!("--path: {why}")))?;
                Template::plain(path)
            }
            None => connections.path.clone().unwrap_or_else(usual_path),
        };
        let target = Self {
            shown: shown(&url),
            name: shown(&url),
            port: url.port().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority(&url),
            tls,
            trust: trust.named(),
            basic: basic(&url),
            namespace: namespace(&url)?,
            path,
            query: query(&url, connections)?,
            headers: connections.headers.clone(),
            auth: connections.auth.clone(),
            host,
        };
        target.one_authorization()?;
        Ok(target)
    }

    /// A server that was started here and said where it listens: at the usual path, and told what the scenario says
    /// beside that.
    ///
    /// # Errors
    /// [`TargetMistake`], if it says something else than an address.
    pub fn started_here(url: &str, connections: &Connections) -> Result<Self, TargetMistake> {
        let connections = Connections {
            path: None,
            ..connections.clone()
        };
        Self::new(url, &connections, None, &Trust::default())
    }

    /// The same, whose port was picked for this run: results call it by `{port}`, so that it is one target in all of them.
    pub fn at_any_port(mut self, port: &str) -> Self {
        self.name = self.shown.replace(port, PORT);
        self
    }

    /// What is shown of it: no credentials, no query.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What results call it: the same, with `{port}` in the place of a port that was picked for one run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        let scheme = self
            .shown
            .split_once("://")
            .map_or("http", |(scheme, _)| scheme);
        format!("{scheme}://{}", self.authority)
    }

    /// What is said of it that no other client than this program's own can be told.
    pub fn only_for_native(&self) -> Option<&'static str> {
        let names_host = self.headers.iter().any(|(name, _)| name == "host");
        self.trust
            .or(names_host.then_some("a header `host` in [connections]"))
    }

    fn one_authorization(&self) -> Result<(), TargetMistake> {
        let header = self.headers.iter().any(|(name, _)| name == "authorization");
        match header && self.basic.is_some() {
            true => Err(TargetMistake::Other(
                "--target has credentials, and [connections] a header `authorization`: leave one of the two out"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }
}

fn wrong(what: impl Into<String>) -> TargetMistake {
    TargetMistake::Url(what.into())
}

fn usual_path() -> Template {
    Template::plain(USUAL_PATH)
}

/// Takes a URL apart, as far as it is one that can be measured.
fn parse(url: &str) -> Result<Url, TargetMistake> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("http" | "https" | "ws" | "wss") => {}
        Some(_) => return Err(wrong("it begins with neither http:// nor https://")),
        None => return Err(wrong("it has no http:// or https:// before the host")),
    }
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if parsed.fragment().is_some() {
        return Err(wrong("it has a fragment (#…), which no server is told"));
    }
    if parsed.port() == Some(0) {
        return Err(wrong("nobody listens at port 0"));
    }
    Ok(parsed)
}

fn server_name(host: &str) -> Result<ServerName<'static>, TargetMistake> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| wrong(format!("{host:?} can't stand in a certificate")))
}

/// `host` or `host:port`, as the `Host` header has it.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Without credentials and query; `ws` is shown as it was written.
fn shown(url: &Url) -> String {
    let path = url.path().trim_end_matches('/');
    format!("{}://{}{path}", url.scheme(), authority(url))
}

/// As `socket.io-client` has it: the path of the URL.
fn namespace(url: &Url) -> Result<String, TargetMistake> {
    let decoded = percent_decode_str(url.path()).decode_utf8();
    let namespace = decoded.map_err(|_| wrong("its path is not UTF-8"))?;
    let last = Path::new(namespace.as_ref()).file_name();
    if last.is_some_and(|last| last == "socket.io" || last == "engine.io") {
        return Err(wrong(format!(
            "its path {namespace:?} would be the namespace, as in socket.io-client, and the server's own path is --path {namespace}"
        )));
    }
    if namespace.contains(',') || namespace.chars().any(char::is_control) {
        return Err(wrong(format!("{namespace:?} can't be a namespace")));
    }
    Ok(namespace.into_owned())
}

fn query(url: &Url, connections: &Connections) -> Result<Vec<(String, Template)>, TargetMistake> {
    let mut query: Vec<(String, Template)> = Vec::new();
    for (name, value) in url.query_pairs() {
        if OWN_PARAMETERS.contains(&&*name) {
            return Err(wrong(format!("`{name}` in its query is Engine.IO's own")));
        }
        if connections.query.iter().any(|(own, _)| *own == name) {
            return Err(wrong(format!(
                "`{name}` is in its query and in `query` of [connections]: leave one of the two out"
            )));
        }
        query.push((encode(&name), Template::plain(&value)));
    }
    let own = connections.query.iter();
    query.extend(own.map(|(name, value)| (encode(name), value.clone())));
    Ok(query)
}

fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let mut credentials = decode(url.username());
    credentials.push(b':');
    credentials.extend(decode(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(credentials)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        Target::new(url, &Connections::default(), None, &Trust::default())
            .map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_url_says_host_port_namespace_and_credentials() {
        for (url, shown, host, port, namespace) in [
            (
                "http://127.0.0.1:3000",
                "http://127.0.0.1:3000",
                "127.0.0.1",
                3000,
                "/",
            ),
            (
                "http://localhost:3000/",
                "http://localhost:3000",
                "localhost",
                3000,
                "/",
            ),
            (
                "ws://chat.example",
                "ws://chat.example",
                "chat.example",
                80,
                "/",
            ),
            (
                "http://[::1]:3000/admin",
                "http://[::1]:3000/admin",
                "::1",
                3000,
                "/admin",
            ),
            (
                "http://u:p%40@h:1/a%20b?x=1",
                "http://h:1/a%20b",
                "h",
                1,
                "/a b",
            ),
            (
                "HTTP://Chat.Example:80/чат",
                "http://chat.example/%D1%87%D0%B0%D1%82",
                "chat.example",
                80,
                "/чат",
            ),
        ] {
            let target = target(url).unwrap();
            assert_eq!(target.shown, shown);
            assert_eq!((target.host.as_str(), target.port), (host, port), "{url}");
            assert_eq!(target.namespace, namespace);
        }
        let basic = target("http://us%20er:p%40ss@h").unwrap().basic;
        assert_eq!(basic.as_deref(), Some("Basic dXMgZXI6cEBzcw=="));
    }

    /// What is started at another port each time is one target in all results: else no two of its runs were of the same.
    #[test]
    fn a_port_that_was_picked_for_one_run_is_in_no_name() {
        for (url, shown, name) in [
            (
                "http://127.0.0.1:40123",
                "http://127.0.0.1:40123",
                "http://127.0.0.1:{port}",
            ),
            (
                "http://u:secret@[::1]:40123/admin?x=1",
                "http://[::1]:40123/admin",
                "http://[::1]:{port}/admin",
            ),
        ] {
            let target = target(url).unwrap();
            assert_eq!(target.name(), shown);
            let target = target.at_any_port("40123");
            assert_eq!((target.name(), target.shown()), (name, shown));
        }
    }

    #[test]
    fn a_wrong_target_says_what_would_be_right_and_never_the_password() {
        for (url, what) in [
            ("localhost:3000", "no http:// or https://"),
            ("ftp://u:secret@h", "neither http:// nor https://"),
            ("http://", "empty host"),
            ("http://u:secret@:80", "empty host"),
            ("http://u:secret@h:99999", "invalid port number"),
            ("http://h:0", "port 0"),
            ("http://u:secret@h/#a", "fragment"),
            (
                "http://u:secret@h/?EIO=3",
                "`EIO` in its query is Engine.IO's own",
            ),
            ("http://u:secret@h/socket.io/", "--path /socket.io/"),
            ("http://h/chat/socket.io", "--path /chat/socket.io"),
            ("http://h/a,b", "can't be a namespace"),
        ] {
            let mistake = target(url).unwrap_err();
            assert!(mistake.contains(what), "{url}: {mistake}");
            assert!(mistake.contains("http://host:port"), "{mistake}");
            assert!(!mistake.contains("secret"), "{mistake}");
        }
    }

    #[test]
    fn two_sources_of_one_thing_are_a_mistake() {
        let connections = Connections {
            query: vec![("v".to_owned(), Template::plain("1"))],
            headers: vec![("authorization".to_owned(), Template::plain("x"))],
            ..Connections::default()
        };
        let target = |url| Target::new(url, &connections, None, &Trust::default());
        assert!(
            target("http://h/?v=2")
                .unwrap_err()
                .to_string()
                .contains("`v`")
        );
        let both = target("http://u:p@h").unwrap_err().to_string();
        assert!(both.contains("authorization"), "{both}");
        assert!(target("http://h/?w=2").is_ok());
    }

    #[test]
    fn what_is_of_tls_needs_tls_and_a_path_is_one() {
        let trust = Trust {
            insecure: true,
            ..Trust::default()
        };
        let none = Connections::default();
        let mistake = Target::new("http://h", &none, None, &trust).unwrap_err();
        assert!(
            mistake.to_string().contains("--insecure is of TLS"),
            "{mistake}"
        );
        for path in ["socket.io", "//h/x", "/a?b", "/a b", ""] {
            let mistake = Target::new("http://h", &none, Some(path), &Trust::default());
            let mistake = mistake.unwrap_err().to_string();
            assert!(mistake.starts_with("--path: "), "{mistake}");
        }
    }
}
