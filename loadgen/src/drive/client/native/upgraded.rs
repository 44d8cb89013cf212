//! A session begun with polling and moved to a WebSocket, as browsers do.

use std::rc::Rc;

use hyper::Method;

use super::{
    connection::{Connection, Incoming, Shared},
    frame::Frame,
    greeting::Early,
    lane::{Answered, Lane},
    packet::{self, Packet},
    polling::{EMPTY, Piece, Polled, Polling, pieces},
};
use crate::{
    dial::{self, Caller, Endpoint},
    drive::ConnectError,
};

/// What has come of a probe of the WebSocket.
#[derive(Default)]
struct Probe {
    answered: bool,
    failed: Option<ConnectError>,
}

/// Opens a session over polling, greets, and moves it to a WebSocket.
///
/// # Errors
/// [`ConnectError`]: nothing listens, no Socket.IO server, refused, or no upgrade.
pub async fn open(
    endpoint: &Endpoint,
    caller: Caller,
    shared: Rc<Shared>,
) -> Result<(Rc<Connection>, Incoming), ConnectError> {
    let (polling, polled) = Polling::open(endpoint, caller, &shared).await?;
    let Polled {
        mut polls,
        mut posts,
        mut early,
        open,
    } = polled;
    if !open.upgrades.iter().any(|upgrade| upgrade == "websocket") {
        return Err(ConnectError::NotSocketIo(
            "it offers no upgrade to WebSocket; it can be measured with transport = \"polling\""
                .into(),
        ));
    }
    let session = format!("&sid={}", open.sid);
    let (stream, first) = dial::upgrade(endpoint, polling.caller(), &session).await?;
    let (connection, mut incoming) = Connection::over(stream, first, polling.caller(), shared);
    connection.write_packet(b"2probe");
    let mut probe = Probe::default();
    while !probe.answered {
        // The server ends the poll that waits with a noop when the WebSocket is there.
        let mut poll = Box::pin(ask(&mut polls, &polling));
        let answer = loop {
            tokio::select! {
                answer = &mut poll => break answer,
                read = incoming.greeted(&connection, |_, frame| probe.hear(frame)), if !probe.answered => {
                    read?;
                    if let Some(failed) = probe.failed.take() {
                        return Err(failed);
                    }
                }
            }
        };
        drop(poll);
        let pong = keep(&answer?, &mut early)?;
        if let Some(pong) = pong {
            let place = polling.place();
            posts
                .ask(polling.caller(), Method::POST, place, format!("3{pong}"))
                .await?;
        }
    }
    connection.write_packet(b"5");
    connection.adopt(&mut incoming, polling.heartbeat(), early);
    Ok((connection, incoming))
}

async fn ask(polls: &mut Lane, polling: &Polling) -> Result<Answered, ConnectError> {
    let (caller, place) = (polling.caller(), polling.place());
    let answer = polls.ask(caller, Method::GET, place, String::new()).await?;
    match answer.status.is_success() {
        true => Ok(answer),
        false => Err(ConnectError::NotSocketIo(format!(
            "it answered HTTP {} with {:?} during the upgrade",
            answer.status,
            packet::beginning(&answer.body)
        ))),
    }
}

/// Keeps what came over polling while the WebSocket was probed; the payload of a pong, if it asks for one.
fn keep(answer: &Answered, early: &mut Vec<Early>) -> Result<Option<String>, ConnectError> {
    if answer.body.is_empty() {
        return Err(ConnectError::NotSocketIo(EMPTY.into()));
    }
    let mut pong = None;
    for piece in pieces(&answer.body) {
        match piece.map_err(ConnectError::NotSocketIo)? {
            Piece::Binary => early.push(Early::Binary(answer.stamp)),
            Piece::Text(text) => match packet::parse(text) {
                Ok(Packet::Ping(payload)) => pong = Some(payload.to_owned()),
                Ok(Packet::Noop) => {}
                _ => early.push(Early::Text(answer.stamp, text.to_owned())),
            },
        }
    }
    Ok(pong)
}

impl Probe {
    fn hear(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Text("3probe") => self.answered = true,
            // A ping of the WebSocket's own is answered by whoever reads on.
            Frame::Ping(_) => {}
            other => {
                self.failed = Some(ConnectError::NotSocketIo(format!(
                    "it answered the probe of the WebSocket with {other:?}"
                )));
            }
        }
    }
}
