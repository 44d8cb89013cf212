//! A bare relay: it passes messages on and does nothing else, so that what is left of the latency is the machine's own.
//!
//! It speaks as much of Engine.IO and Socket.IO as the native client needs, in the names of the dialect `readme`. A
//! message goes to all that joined its conversation, spliced into the event that they expect; nothing is parsed but the
//! conversation's id. It keeps no users, checks no tokens and stores nothing (`docs/MEASUREMENT.md`, rule 9).
//!
//! Asked to, it also tells of an end a while later, as a server that saves would: so it has the same frames in and out.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    io::{self, Write},
    rc::Rc,
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc},
    task::LocalSet,
    time::Instant,
};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};
use tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig};

use crate::model::{Dialect, Kind, Names, Vocabulary};

/// How often clients are asked whether they are there; they give up when nobody asks.
const PING_INTERVAL: Duration = Duration::from_secs(25);
/// Messages that a client may be behind with before its connection is ended: far more than a floor's load.
const BEHIND: usize = 16 << 10;
/// Of each connection; the default of 128 KiB is too much for thousands.
const READ_BYTES: usize = 4 << 10;
const OPEN: &str = r#"0{"sid":"floor","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
/// The id of every message that has no end.
const FLOOR: &str = "\"_id\":\"floor\"";
const CONNECTED: &str = r#"40{"sid":"floor"}"#;

/// Be the relay, on this port of the loopback or for 0 on a free one, until SIGTERM. With `ends_after` each message is confirmed to all who got
/// it, and then acknowledged, so long after it was passed on; without it nothing is confirmed.
///
/// # Errors
/// When the port is taken, or the system gives no runtime or no signal.
pub fn serve(port: u16, ends_after: Option<Duration>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        writeln!(
            io::stdout(),
            "listening on http://{}",
            listener.local_addr()?
        )?;
        tokio::select! {
            () = relay(listener, ends_after) => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

/// Relays for everybody who connects, for ever; `ends_after` as for [`serve`]. Needs a [`LocalSet`].
pub async fn relay(listener: TcpListener, ends_after: Option<Duration>) {
    let relay = Rc::new(Relay::new(ends_after));
    if ends_after.is_some() {
        tokio::task::spawn_local(Rc::clone(&relay).tell_ends());
    }
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(Rc::clone(&relay).attend(stream));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // No file descriptor left, as a rule: others must close first.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

type Outbox = mpsc::Sender<Utf8Bytes>;

struct Relay {
    vocabulary: Vocabulary,
    connections: Cell<u64>,
    messages: Cell<u64>,
    rooms: Conversations,
    channels: Conversations,
    /// How long after a message its end comes.
    ends_after: Option<Duration>,
    /// Ends that are to come, the next first.
    ends: RefCell<VecDeque<End>>,
    has_ends: Notify,
}

/// How a message ends: what all its members are told, and then its sender.
struct End {
    due: Instant,
    members: Vec<Outbox>,
    confirmed: Option<Utf8Bytes>,
    sender: Outbox,
    acknowledged: Option<Utf8Bytes>,
}

/// Who has joined each conversation.
type Conversations = RefCell<HashMap<String, Vec<(u64, Outbox)>>>;

impl Relay {
    fn new(ends_after: Option<Duration>) -> Self {
        Self {
            vocabulary: Vocabulary::of(Dialect::Readme),
            connections: Cell::default(),
            messages: Cell::default(),
            rooms: RefCell::default(),
            channels: RefCell::default(),
            ends_after,
            ends: RefCell::default(),
            has_ends: Notify::new(),
        }
    }

    /// Tells of every end when it is due. They are as many as messages in that time.
    async fn tell_ends(self: Rc<Self>) {
        loop {
            let due = self.ends.borrow().front().map(|end| end.due);
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => self.has_ends.notified().await,
            }
            let now = Instant::now();
            while let Some(end) = {
                let mut ends = self.ends.borrow_mut();
                ends.pop_front_if(|end| end.due <= now)
            } {
                for member in end.members.iter().filter(|_| end.confirmed.is_some()) {
                    let _ = tell(member, end.confirmed.clone().unwrap_or_default());
                }
                if let Some(acknowledged) = end.acknowledged {
                    let _ = tell(&end.sender, acknowledged);
                }
            }
        }
    }

    /// Serves one connection to its end.
    async fn attend(self: Rc<Self>, stream: TcpStream) {
        let me = self.connections.get();
        self.connections.set(me + 1);
        if let Err(error) = self.talk(me, stream).await {
            tracing::debug!(%error, "a connection ended");
        }
        for conversations in [&self.rooms, &self.channels] {
            conversations.borrow_mut().retain(|_, members| {
                members.retain(|(member, _)| *member != me);
                !members.is_empty()
            });
        }
    }

    async fn talk(&self, me: u64, stream: TcpStream) -> Result<(), tungstenite::Error> {
        // Nagle's algorithm holds small frames back until the last one is acknowledged.
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
        let mut socket = accept_async_with_config(stream, Some(config)).await?;
        socket.send(Message::text(OPEN)).await?;
        let (outbox, mut inbox) = mpsc::channel(BEHIND);
        let mut pings = tokio::time::interval(PING_INTERVAL);
        pings.tick().await;
        loop {
            tokio::select! {
                frame = socket.next() => {
                    let Some(Message::Text(text)) = frame.transpose()? else {
                        return Ok(());
                    };
                    if self.hear(me, &outbox, &text).is_err() {
                        return Ok(());
                    }
                }
                Some(text) = inbox.recv() => write(&mut socket, text, &mut inbox).await?,
                _ = pings.tick() => socket.send(Message::text("2")).await?,
            }
        }
    }

    /// Does what a packet asks for. An error ends the connection.
    fn hear(&self, me: u64, outbox: &Outbox, packet: &str) -> Result<(), Goodbye> {
        if packet.starts_with("40") {
            return tell(outbox, CONNECTED.into());
        }
        if packet.starts_with("41") || packet.starts_with('1') {
            return Err(Goodbye);
        }
        let Some(event) = Event::parse(packet) else {
            return Ok(());
        };
        let Some((kind, id)) = self.conversation(&event) else {
            return Ok(());
        };
        let names = self.vocabulary.names(kind);
        let all = match kind {
            Kind::Room => &self.rooms,
            Kind::Channel => &self.channels,
        };
        let mut all = all.borrow_mut();
        let members = all.entry(id.to_owned()).or_default();
        let joined = members.iter().any(|(member, _)| *member == me);
        let done = if Some(event.name) == names.join.as_deref() {
            if !joined {
                members.push((me, outbox.clone()));
            }
            true
        } else if Some(event.name) == names.leave.as_deref() {
            members.retain(|(member, _)| *member != me);
            true
        } else if joined {
            if let Some(after) = self.ends_after {
                self.pass_on_to_an_end(after, &event, names, members, outbox);
                return Ok(());
            }
            pass_on(&event.spliced(&names.received, FLOOR), members);
            true
        } else {
            false
        };
        match event.ack {
            Some(ack) => tell(outbox, acknowledgement(ack, done)),
            None => Ok(()),
        }
    }

    /// Passes a message on under an id of its own, and has it end so long `after`.
    fn pass_on_to_an_end(
        &self,
        after: Duration,
        event: &Event<'_>,
        names: &Names,
        members: &[(u64, Outbox)],
        sender: &Outbox,
    ) {
        let number = self.messages.get();
        self.messages.set(number + 1);
        let passed = event.spliced(&names.received, &format!("\"_id\":\"temp_{number}\""));
        pass_on(&passed, members);
        let ids = format!("\"_id\":\"{number}\",\"tempId\":\"temp_{number}\"");
        let confirmed = names.confirmed.as_deref();
        self.ends.borrow_mut().push_back(End {
            due: Instant::now() + after,
            members: members.iter().map(|(_, outbox)| outbox.clone()).collect(),
            confirmed: confirmed.map(|confirmed| event.spliced(confirmed, &ids)),
            sender: sender.clone(),
            acknowledged: event.ack.map(|ack| acknowledgement(ack, true)),
        });
        self.has_ends.notify_one();
    }

    /// Which conversation an event is about; `None` for an event that this relay does not know.
    fn conversation<'a>(&self, event: &Event<'a>) -> Option<(Kind, &'a str)> {
        let kind = [Kind::Room, Kind::Channel].into_iter().find(|kind| {
            let names = self.vocabulary.names(*kind);
            Some(event.name) == names.join.as_deref()
                || event.name == names.send
                || Some(event.name) == names.leave.as_deref()
        })?;
        // A body can't hold this text: its quotes would be escaped.
        let field = match kind {
            Kind::Room => "roomId",
            Kind::Channel => "channelId",
        };
        let (_, after) = event.payload.split_once(&format!("\"{field}\":\""))?;
        Some((kind, after.split_once('"')?.0))
    }
}

/// The connection is to be ended.
struct Goodbye;

fn pass_on(packet: &Utf8Bytes, members: &[(u64, Outbox)]) {
    for (_, outbox) in members {
        // Who is that far behind misses it, and the floor is told as one that did not come through.
        let _ = tell(outbox, packet.clone());
    }
}

fn acknowledgement(ack: &str, success: bool) -> Utf8Bytes {
    format!("43{ack}[{{\"success\":{success}}}]").into()
}

fn tell(outbox: &Outbox, text: Utf8Bytes) -> Result<(), Goodbye> {
    outbox.try_send(text).map_err(|_| Goodbye)
}

/// Writes a message and all that wait behind it at once.
async fn write(
    socket: &mut WebSocketStream<TcpStream>,
    first: Utf8Bytes,
    inbox: &mut mpsc::Receiver<Utf8Bytes>,
) -> Result<(), tungstenite::Error> {
    socket.feed(Message::Text(first)).await?;
    while let Ok(next) = inbox.try_recv() {
        socket.feed(Message::Text(next)).await?;
    }
    socket.flush().await
}

/// An event from a client: `42<ack>["<name>",<payload>]`.
#[derive(Debug, PartialEq)]
struct Event<'a> {
    ack: Option<&'a str>,
    name: &'a str,
    payload: &'a str,
}

impl<'a> Event<'a> {
    fn parse(packet: &'a str) -> Option<Self> {
        let rest = packet.strip_prefix("42")?;
        let (ack, rest) = rest.split_at(rest.find('[')?);
        let (name, payload) = rest.strip_prefix("[\"")?.split_once("\",")?;
        Some(Self {
            ack: (!ack.is_empty()).then_some(ack),
            name,
            payload: payload.strip_suffix(']')?,
        })
    }

    /// Its payload as the event that the members expect, with these ids.
    fn spliced(&self, name: &str, ids: &str) -> Utf8Bytes {
        let fields = self.payload.strip_prefix('{').unwrap_or(self.payload);
        format!("42[\"{name}\",{{{ids},{fields}]").into()
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::{MaybeTlsStream, connect_async};

    use super::*;

    /// Only a guard against hanging.
    const PATIENCE: Duration = Duration::from_secs(30);

    struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

    impl Client {
        async fn connect(port: u16) -> Self {
            let url = format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket");
            let (socket, _) = connect_async(url).await.unwrap();
            let mut client = Self(socket);
            assert_eq!(client.next().await, OPEN);
            client.say("40{\"token\":\"x\"}").await;
            assert_eq!(client.next().await, CONNECTED);
            client
        }

        async fn say(&mut self, packet: &str) {
            self.0.send(Message::text(packet)).await.unwrap();
        }

        async fn next(&mut self) -> String {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
            next.unwrap().unwrap().unwrap().to_string()
        }
    }

    async fn relayed<T>(test: impl AsyncFnOnce(u16) -> T) -> T {
        relayed_to_ends(None, test).await
    }

    async fn relayed_to_ends<T>(
        ends_after: Option<Duration>,
        test: impl AsyncFnOnce(u16) -> T,
    ) -> T {
        LocalSet::new()
            .run_until(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                let port = listener.local_addr().unwrap().port();
                let relaying = tokio::task::spawn_local(relay(listener, ends_after));
                let result = test(port).await;
                relaying.abort();
                result
            })
            .await
    }

    #[tokio::test]
    async fn rule_09_a_message_comes_to_all_that_joined_its_conversation_and_to_nobody_else() {
        relayed(async |port| {
            let mut clients = Vec::new();
            for room in ["r1", "r1", "r2"] {
                let mut client = Client::connect(port).await;
                client
                    .say(&format!("427[\"joinRoom\",{{\"roomId\":\"{room}\"}}]"))
                    .await;
                assert_eq!(client.next().await, "437[{\"success\":true}]");
                clients.push(client);
            }
            let payload = r#"{"roomId":"r1","senderId":"a","body":"\"roomId\":\"r2\" é 🚀"}"#;
            clients[0]
                .say(&format!("420[\"roomMessage\",{payload}]"))
                .await;
            let expected = format!(
                "42[\"roomMessageRecieved\",{{\"_id\":\"floor\",{}]",
                &payload[1..]
            );
            assert_eq!(clients[0].next().await, expected);
            assert_eq!(clients[0].next().await, "430[{\"success\":true}]");
            assert_eq!(clients[1].next().await, expected);
            // Had the third got it, it would come before this.
            clients[2]
                .say("42[\"roomMessage\",{\"roomId\":\"r2\",\"body\":\"own\"}]")
                .await;
            assert!(clients[2].next().await.contains("own"));
        })
        .await;
    }

    #[tokio::test]
    async fn asked_to_it_tells_all_members_of_the_end_and_then_acknowledges_it() {
        relayed_to_ends(Some(Duration::from_millis(5)), async |port| {
            let (mut sender, mut other) =
                (Client::connect(port).await, Client::connect(port).await);
            for client in [&mut sender, &mut other] {
                client.say(r#"421["joinRoom",{"roomId":"r"}]"#).await;
                assert_eq!(client.next().await, "431[{\"success\":true}]");
            }
            sender
                .say(r#"427["roomMessage",{"roomId":"r","body":"x"}]"#)
                .await;
            for client in [&mut sender, &mut other] {
                assert_eq!(
                    client.next().await,
                    r#"42["roomMessageRecieved",{"_id":"temp_0","roomId":"r","body":"x"}]"#
                );
                assert_eq!(
                    client.next().await,
                    r#"42["roomMessageConfirmed",{"_id":"0","tempId":"temp_0","roomId":"r","body":"x"}]"#
                );
            }
            assert_eq!(sender.next().await, "437[{\"success\":true}]");
        })
        .await;
    }

    #[tokio::test]
    async fn who_has_not_joined_or_has_left_is_told_so_and_hears_nothing() {
        relayed(async |port| {
            let mut client = Client::connect(port).await;
            let send = r#"421["NEW_MESSAGE_EVENT",{"channelId":"c","body":"x"}]"#;
            client.say(send).await;
            assert_eq!(client.next().await, "431[{\"success\":false}]");
            client.say(r#"422["JOIN_CHANNEL",{"channelId":"c"}]"#).await;
            assert_eq!(client.next().await, "432[{\"success\":true}]");
            client.say(r#"423["leaveChannel",{"channelId":"c"}]"#).await;
            assert_eq!(client.next().await, "433[{\"success\":true}]");
            client.say(send).await;
            assert_eq!(client.next().await, "431[{\"success\":false}]");
        })
        .await;
    }

    #[tokio::test]
    async fn a_room_and_a_channel_of_one_id_are_two() {
        relayed(async |port| {
            let mut client = Client::connect(port).await;
            client.say(r#"421["joinRoom",{"roomId":"x"}]"#).await;
            assert_eq!(client.next().await, "431[{\"success\":true}]");
            client
                .say(r#"422["NEW_MESSAGE_EVENT",{"channelId":"x","body":"b"}]"#)
                .await;
            assert_eq!(client.next().await, "432[{\"success\":false}]");
        })
        .await;
    }

    #[test]
    fn what_is_no_event_is_no_event() {
        for packet in ["3", "42", "42[]", "421[\"name\"]", "42[\"a\",{}", "🚀"] {
            assert_eq!(Event::parse(packet), None, "{packet}");
        }
    }
}
