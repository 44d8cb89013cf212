//! Logging in, logging in again, and going.

use std::{fmt, sync::Arc, time::Duration};

use bson::DateTime;
use serde::Serialize;
use serde_json::value::to_raw_value;
use socketioxide::{
    adapter::LocalAdapter,
    extract::{Extension, SocketRef, TryData},
    handler::DisconnectHandler,
    socket::{DisconnectReason, Socket},
};
use tokio::time::Instant;

use super::route;
use crate::{
    auth::{AuthError, Handshake},
    chat::Chat,
    line::Line,
    listener::Connection,
    message::Conversation,
    pace::Pace,
    packet::Shared,
    protocol::{ALREADY_LOGGED_IN, LOGGED_IN_ELSEWHERE, RECONNECTED, Refusal, outbound::iso},
    session::{Life, Recipient, Session},
    socket_manager::{SocketId, Superseded},
};

/// How long a replaced login may stay to show its user why; one live socket per user is the rule.
const SUPERSEDED_STAYS: Duration = Duration::from_secs(10);

/// Why a login has ended where only its connection says so.
const CONNECTION_ENDED: &str = "connection_ended";

/// How long another thread may take for the last step of a login.
const CONNECTED_WITHIN: Duration = Duration::from_millis(200);

/// Why a client is not let in: the message of its `connect_error`.
#[derive(Debug)]
pub enum ConnectError {
    /// The token is missing or wrong.
    Auth(AuthError),
    /// Its address has as many logins as it may.
    TooMany,
    /// The server has been told to stop.
    ShuttingDown,
}

impl ConnectError {
    const fn name(&self) -> &'static str {
        match self {
            Self::Auth(AuthError::TokenRequired) => "token_required",
            Self::Auth(AuthError::InvalidToken) => "invalid_token",
            Self::TooMany => "address_limit",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
            Self::TooMany => f.write_str("Too many connections from this address"),
            Self::ShuttingDown => f.write_str("Server is shutting down"),
        }
    }
}

/// Lets a client in and gives its socket all handlers, before the client is told that it is connected.
///
/// # Errors
/// The token is missing or wrong, the address has too many logins, or the server is stopping.
pub fn admit(
    chat: &Arc<Chat>,
    socket: &SocketRef,
    TryData(handshake): TryData<Handshake>,
) -> Result<(), ConnectError> {
    try_admit(chat, socket, handshake.unwrap_or_default())
        .inspect_err(|refused| chat.telemetry.connection_refused(refused.name()))
}

fn try_admit(
    chat: &Arc<Chat>,
    socket: &SocketRef,
    handshake: Handshake,
) -> Result<(), ConnectError> {
    if chat.is_draining() {
        return Err(ConnectError::ShuttingDown);
    }
    let request = socket.req_parts();
    let user = chat
        .authenticator
        .authenticate(handshake, &request.headers)
        .map_err(ConnectError::Auth)?;
    let connection = request.extensions.get::<Arc<Connection>>();
    let place = match (&chat.logins, connection) {
        (Some(limit), Some(connection)) => Some(
            limit
                .take(connection.peer().ip())
                .ok_or(ConnectError::TooMany)?,
        ),
        _ => None,
    };
    let line = request.extensions.get::<Arc<Line>>().cloned();
    let pace = chat
        .limits
        .events_per_second
        .map(|rate| Pace::new(rate, Instant::now()));
    if let (Some(_), Some(line)) = (&pace, &line) {
        line.count_traffic();
    }
    let session = Arc::new(Session::new(user, line.clone(), pace, place));

    route(chat, &session, socket);
    let (gone_from, who) = (Arc::clone(chat), Arc::clone(&session));
    socket.on_disconnect(Goodbye {
        chat: Arc::clone(chat),
        session: Arc::clone(&session),
    });
    if let Some(line) = line
        && !line.log_in(&session, socket, move || {
            go(&gone_from, &who, CONNECTION_ENDED)
        })
    {
        // The connection has ended in between. The library will notice too.
        go(chat, &session, CONNECTION_ENDED);
    }
    socket.extensions.insert(session);
    Ok(())
}

/// Runs once the client has been told that it is connected.
pub fn connected(chat: &Arc<Chat>, socket: SocketRef, Extension(session): Extension<Arc<Session>>) {
    // Gone before it began: there is nobody to tell.
    let _gone = go_live(chat, &Recipient { session, socket });
}

/// Makes the login known, the first time it is called: by the connect handler, or by an event that was faster. Not
/// earlier, because packets can't be sent before.
///
/// # Errors
/// The library has not finished the login, which it should have done already.
pub fn go_live(chat: &Arc<Chat>, login: &Recipient) -> Result<(), Refusal> {
    let session = &login.session;
    if *session.life() != Life::New {
        return Ok(());
    }
    await_connected(login)?;
    let superseded = {
        let mut life = session.life();
        if *life != Life::New {
            return Ok(());
        }
        *life = Life::Live;
        chat.users
            .lock()
            .add_user(session.id, Arc::clone(&session.user), login.clone())
    };
    chat.telemetry.connected.increment();
    tracing::debug!(
        "[SocketManager] User {} connected on socket {}",
        session.user.id,
        session.id
    );
    if let Some(superseded) = superseded {
        tell_both(chat, login, superseded);
    }
    if let Some(cluster) = &chat.cluster {
        cluster.look();
    }
    Ok(())
}

/// The library tells the client that it is connected, and marks the socket as connected just after, maybe on another
/// thread. A client's first event can come in between, and what its room is sent then would not reach it. So wait
/// for the other thread, which has two instructions to go; with one thread there is nothing to wait for.
fn await_connected(login: &Recipient) -> Result<(), Refusal> {
    // Other threads take real time, also where a test has stopped the clock.
    let started = std::time::Instant::now();
    while !login.socket.connected() {
        if *login.session.life() == Life::Gone || started.elapsed() > CONNECTED_WITHIN {
            return Err(Refusal::NotConnected);
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// What the library does when a login ends.
///
/// Its own handlers are closures whose future is spawned, and only after that the library forgets the socket. A client
/// that logs out and in again in one segment is then forgotten with its new login: it would stay for ever. This one
/// does all of it at once.
struct Goodbye {
    chat: Arc<Chat>,
    session: Arc<Session>,
}

/// Which implementation of the trait it is.
struct AtOnce;

impl DisconnectHandler<LocalAdapter, AtOnce> for Goodbye {
    fn call_with_defer(
        &self,
        socket: Arc<Socket<LocalAdapter>>,
        reason: DisconnectReason,
        forget: fn(Arc<Socket<LocalAdapter>>),
    ) {
        go(&self.chat, &self.session, reason_name(reason));
        forget(socket);
    }
}

fn go(chat: &Chat, session: &Session, reason: &'static str) {
    session.free_place();
    if let Some(line) = session.line() {
        line.log_out(session);
    }
    let was_live = std::mem::replace(&mut *session.life(), Life::Gone) == Life::Live;
    if was_live {
        chat.users.lock().remove_user(session.id);
        chat.telemetry.disconnected.increment(reason);
        tracing::debug!(
            "[SocketManager] User {} disconnected: {reason}",
            session.user.id
        );
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reconnected<'a> {
    message: &'a str,
    rooms: Vec<&'a str>,
    previous_socket_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecondLogin<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_socket_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_socket_id: Option<String>,
    user_id: &'a str,
    timestamp: String,
}

/// Tells both sockets of a user that there is a new one, and lets the old one go.
fn tell_both(chat: &Arc<Chat>, new: &Recipient, old: Superseded<Recipient>) {
    tracing::debug!(
        "[SocketManager] User {} logged in again: {} replaces {}",
        new.session.user.id,
        new.session.id,
        old.socket_id
    );
    let conversations = old.conversations.iter().map(|conversation| &**conversation);
    tell_reconnected(chat, new, old.socket_id, conversations);
    tell_elsewhere(chat, old.handle, new.session.id);
}

/// Tells a login which one it has replaced, and in which conversations it is for that.
pub fn tell_reconnected<'a>(
    chat: &Chat,
    new: &Recipient,
    replaced: SocketId,
    conversations: impl Iterator<Item = &'a Conversation>,
) {
    let previous_socket_id = replaced.to_string();
    let reconnected = Reconnected {
        message: "Successfully reconnected",
        rooms: conversations
            .map(|conversation| conversation.id.as_str())
            .collect(),
        previous_socket_id: previous_socket_id.clone(),
    };
    tell(chat, new, RECONNECTED, &reconnected);
    let already = SecondLogin {
        message: "Account was already logged in on another device",
        new_socket_id: None,
        previous_socket_id: Some(previous_socket_id),
        user_id: &new.session.user.id,
        timestamp: iso(DateTime::now()),
    };
    tell(chat, new, ALREADY_LOGGED_IN, &already);
}

/// Tells a login that this socket has replaced it, maybe on another server, and lets it go.
pub fn tell_elsewhere(chat: &Chat, old: Recipient, new: SocketId) {
    let elsewhere = SecondLogin {
        message: "Account logged in from another device",
        new_socket_id: Some(new.to_string()),
        previous_socket_id: None,
        user_id: &old.session.user.id,
        timestamp: iso(DateTime::now()),
    };
    tell(chat, &old, LOGGED_IN_ELSEWHERE, &elsewhere);
    tokio::spawn(async move {
        tokio::time::sleep(SUPERSEDED_STAYS).await;
        old.dismiss().await;
    });
}

fn tell<T: Serialize>(chat: &Chat, recipient: &Recipient, event: &'static str, payload: &T) {
    match to_raw_value(payload) {
        Ok(payload) => chat
            .delivery
            .account(recipient, recipient.emit(event, &Shared::new(&payload))),
        Err(error) => tracing::error!("cannot encode {event}: {error}"),
    }
}

const fn reason_name(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::TransportClose => "transport_close",
        DisconnectReason::MultipleHttpPollingError => "multiple_polling_requests",
        DisconnectReason::PacketParsingError => "packet_parsing_error",
        DisconnectReason::TransportError => "transport_error",
        DisconnectReason::HeartbeatTimeout => "heartbeat_timeout",
        DisconnectReason::ClientNSDisconnect => "client_disconnect",
        DisconnectReason::ServerNSDisconnect => "server_disconnect",
        DisconnectReason::ClosingServer => "closing_server",
    }
}
