//! The two handshakes at the beginning of a connection, Engine.IO's and Socket.IO's, over whichever transport.

use std::time::Duration;

use serde::Deserialize;

use super::packet::{self, Open, Packet};
use crate::{drive::ConnectError, model::Nanos};

/// No more than one frame's worth is kept of what a server says before its CONNECT.
const MOST_EARLY: usize = 16 * 1024 * 1024;

/// What came before it could be heard, with its stamp.
pub enum Early {
    /// A packet.
    Text(Nanos, String),
    /// A binary message.
    Binary(Nanos),
}

/// What has come of the two handshakes.
pub struct Greeting<'a> {
    namespace: &'a str,
    /// The Engine.IO handshake.
    pub open: Option<Open>,
    /// The server's CONNECT has come.
    pub connected: bool,
    /// What came before the CONNECT or right behind it: what handlers of the connection say does.
    pub early: Vec<Early>,
    early_bytes: usize,
}

impl<'a> Greeting<'a> {
    /// With nothing come yet.
    pub fn new(namespace: &'a str) -> Self {
        Self {
            namespace,
            open: None,
            connected: false,
            early: Vec::new(),
            early_bytes: 0,
        }
    }

    /// How long the server may be silent, as its handshake says.
    pub fn heartbeat(&self) -> Duration {
        self.open.as_ref().map_or(Duration::MAX, |open| {
            Duration::from_millis(open.ping_interval.saturating_add(open.ping_timeout))
        })
    }

    /// A packet came; the payload of the pong that it asks for, if it does.
    ///
    /// # Errors
    /// [`ConnectError`]: it is no Socket.IO server of today, or refuses.
    pub fn text(&mut self, stamp: Nanos, text: &str) -> Result<Option<String>, ConnectError> {
        let not_socket_io = |what: String| Err(ConnectError::NotSocketIo(what));
        if self.connected {
            self.keep(Early::Text(stamp, text.to_owned()))?;
            return Ok(None);
        }
        match packet::parse(text) {
            Ok(Packet::Open(json)) => match serde_json::from_str::<Open>(json) {
                Ok(_) if self.open.is_some() => {
                    return not_socket_io("a second Engine.IO handshake".into());
                }
                Ok(open) => self.open = Some(open),
                Err(error) => {
                    let what = format!("its Engine.IO handshake can't be read: {error}");
                    return not_socket_io(what);
                }
            },
            // A ping can come before the CONNECT.
            Ok(Packet::Ping(payload)) => return Ok(Some(payload.to_owned())),
            Ok(Packet::Pong(_) | Packet::Noop) => {}
            // Before version 3 of the protocol the server says it unasked, and without an id.
            Ok(Packet::Connect { data, .. }) if session_id(data).is_none() => {
                return not_socket_io(
                    "it speaks Socket.IO 2: its CONNECT has no session id; versions 3 and 4 are measured"
                        .into(),
                );
            }
            Ok(Packet::Connect { namespace, .. }) if namespace == self.namespace => {
                self.connected = true;
            }
            Ok(Packet::ConnectError { namespace, data }) if namespace == self.namespace => {
                return Err(ConnectError::Refused(refusal(data, namespace)));
            }
            // Of another namespace.
            Ok(Packet::Connect { .. } | Packet::ConnectError { .. }) => {}
            // python-socketio answers the CONNECT after what its handler says; as socket.io-client does, that is heard then.
            Ok(Packet::Event(_)) if self.open.is_some() => {
                self.keep(Early::Text(stamp, text.to_owned()))?;
            }
            Ok(Packet::Close) => {
                return not_socket_io("it closed the session before the Socket.IO CONNECT".into());
            }
            Ok(_) => {
                let what = format!("{:?} before the CONNECT", packet::beginning(text));
                return not_socket_io(what);
            }
            Err(message) => return not_socket_io(message),
        }
        Ok(None)
    }

    /// A binary message came.
    ///
    /// # Errors
    /// [`ConnectError::NotSocketIo`] before all packets: it speaks another encoding.
    pub fn binary(&mut self, stamp: Nanos) -> Result<(), ConnectError> {
        if self.connected || !self.early.is_empty() {
            return self.keep(Early::Binary(stamp));
        }
        Err(ConnectError::NotSocketIo(
            "a binary message before the CONNECT: it may speak another encoding, as of socket.io-msgpack-parser"
                .into(),
        ))
    }

    fn keep(&mut self, early: Early) -> Result<(), ConnectError> {
        self.early_bytes += size_of::<Early>();
        if let Early::Text(_, text) = &early {
            self.early_bytes += text.len();
        }
        if self.early_bytes > MOST_EARLY && !self.connected {
            return Err(ConnectError::NotSocketIo(
                "it said more than 16 MiB before the CONNECT".into(),
            ));
        }
        self.early.push(early);
        Ok(())
    }
}

/// The id in the server's CONNECT.
fn session_id(data: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Connected {
        sid: String,
    }
    let connected: Connected = serde_json::from_str(data).ok()?;
    Some(connected.sid)
}

fn refusal(json: &str, namespace: &str) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let message = serde_json::from_str(json)
        .map_or_else(|_| json.to_owned(), |refusal: Refusal| refusal.message);
    match message.as_str() {
        "Invalid namespace" => format!(
            "{message} {namespace}: the namespace is the path of --target, and where the server listens on its host is --path"
        ),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;

    fn greet(namespace: &str, packets: &[&str]) -> Result<bool, String> {
        let mut greeting = Greeting::new(namespace);
        for packet in packets {
            greeting
                .text(0, packet)
                .map_err(|error| error.to_string())?;
        }
        Ok(greeting.connected)
    }

    #[test]
    fn a_connect_has_a_session_id_however_its_json_is_written() {
        for connect in [
            "40{\"sid\":\"x\"}",
            "40 { \"pid\" : 1, \"sid\" : \"x\" } ",
            "40{\"s\\u0069d\":\"\"}",
        ] {
            assert_eq!(
                greet("/", &[OPEN, "2", "6", connect]),
                Ok(true),
                "{connect}"
            );
        }
        assert_eq!(greet("/a", &[OPEN, "40{\"sid\":\"x\"}"]), Ok(false));
        assert_eq!(greet("/a", &[OPEN, "40/a,{\"sid\":\"x\"}"]), Ok(true));
    }

    #[test]
    fn what_is_said_before_the_connect_is_kept_and_bounded() {
        let mut greeting = Greeting::new("/");
        let mut say = |text: &str| greeting.text(0, text);
        say(OPEN).unwrap();
        say("42[\"e\"]").unwrap();
        say("451-[\"pic\",{\"_placeholder\":true,\"num\":0}]").unwrap();
        greeting.binary(0).unwrap();
        greeting.text(0, "40{\"sid\":\"s\"}").unwrap();
        assert!(greeting.connected);
        assert_eq!(greeting.early.len(), 3);

        let mut greeting = Greeting::new("/");
        greeting.text(0, OPEN).unwrap();
        let event = format!("42[\"{}\"]", "e".repeat(1_000_000));
        let kept = (0..17).map_while(|_| greeting.text(0, &event).ok()).count();
        assert_eq!(kept, 16);
    }

    #[test]
    fn each_wrong_greeting_is_named() {
        for (namespace, packets, what) in [
            ("/", &[OPEN, "40"][..], "Socket.IO 2"),
            ("/a", &[OPEN, "40"], "Socket.IO 2"),
            ("/", &[OPEN, "40{}"], "Socket.IO 2"),
            (
                "/",
                &[OPEN, "44{\"message\":\"no\"}"],
                "refused the connection: no",
            ),
            ("/", &[OPEN, "44\"no\""], "refused the connection: \"no\""),
            (
                "/x",
                &[OPEN, "44/x,{\"message\":\"Invalid namespace\"}"],
                "is --path",
            ),
            ("/", &["42[\"e\"]"], "before the CONNECT"),
            ("/", &[OPEN, "431[]"], "before the CONNECT"),
            ("/", &[OPEN, OPEN], "second"),
            ("/", &["0{}"], "can't be read: missing field `sid`"),
            ("/", &["hello"], "unexpected packet \"hello\""),
            ("/", &[OPEN, "1"], "closed the session"),
        ] {
            let error = greet(namespace, packets).unwrap_err();
            assert!(error.contains(what), "{packets:?}: {error}");
        }
    }
}
