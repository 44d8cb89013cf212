//! A raw Socket.IO client: every frame by hand, so that it can be hostile, and so that order is what was on the wire.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, handshake::client::Request},
};

/// A guard against hanging; nothing here is expected to take long.
pub const GUARD: Duration = Duration::from_secs(20);

/// What the server said.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// An event with its one argument.
    Event(String, Value),
    /// An acknowledgement by its number.
    Ack(u64, Value),
    /// A Socket.IO disconnect.
    Disconnect,
    /// An Engine.IO close, a WebSocket close, or the end of the connection.
    Closed,
}

pub struct Client {
    pub ws: WebSocketStream<TcpStream>,
    inbox: VecDeque<Packet>,
    next_ack: u64,
}

pub fn request(address: SocketAddr) -> Request {
    format!("ws://{address}/socket.io/?EIO=4&transport=websocket")
        .into_client_request()
        .unwrap()
}

/// An Engine.IO session without a Socket.IO login.
pub async fn open(address: SocketAddr) -> WebSocketStream<TcpStream> {
    open_with_sid(address).await.0
}

/// The same with its session key.
pub async fn open_with_sid(address: SocketAddr) -> (WebSocketStream<TcpStream>, String) {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let (mut ws, _) = client_async(request(address), tcp).await.unwrap();
    let open = next_text(&mut ws).await.unwrap();
    let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    (ws, open["sid"].as_str().unwrap().to_owned())
}

/// The next text frame that is no ping (pings are answered), or `None` at the end.
pub async fn next_text(ws: &mut WebSocketStream<TcpStream>) -> Option<String> {
    loop {
        match timeout(GUARD, ws.next())
            .await
            .expect("the server says nothing")
        {
            Some(Ok(Message::Text(text))) if text == "2" => {
                if ws.send(Message::text("3")).await.is_err() {
                    return None;
                }
            }
            Some(Ok(Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

impl Client {
    /// Logs in with a token, which is the user id where the server has no secret.
    pub async fn login(address: SocketAddr, token: &str) -> Self {
        Self::try_login(address, &json!({ "token": token }))
            .await
            .unwrap()
    }

    /// Logs in with any `auth`; the error is the message of the `connect_error`.
    pub async fn try_login(address: SocketAddr, auth: &Value) -> Result<Self, String> {
        Self::login_on(open(address).await, auth).await
    }

    /// Logs in on a session that is open.
    pub async fn login_on(
        mut ws: WebSocketStream<TcpStream>,
        auth: &Value,
    ) -> Result<Self, String> {
        ws.send(Message::text(format!("40{auth}"))).await.unwrap();
        let answer = next_text(&mut ws)
            .await
            .expect("closed instead of an answer to the login");
        if let Some(error) = answer.strip_prefix("44") {
            let error: Value = serde_json::from_str(error).unwrap();
            return Err(error["message"].as_str().unwrap().to_owned());
        }
        assert!(answer.starts_with("40{"), "{answer}");
        Ok(Self {
            ws,
            inbox: VecDeque::new(),
            next_ack: 0,
        })
    }

    /// Logs in and joins some rooms.
    pub async fn in_rooms(address: SocketAddr, token: &str, rooms: &[&str]) -> Self {
        let mut client = Self::login(address, token).await;
        for room in rooms {
            let ack = client.call("joinRoom", json!({ "roomId": room })).await;
            assert_eq!(ack["success"], true, "{ack}");
        }
        client
    }

    /// Sends a frame as it is.
    pub async fn raw(&mut self, frame: impl Into<String>) {
        self.ws.send(Message::text(frame.into())).await.unwrap();
    }

    /// Sends an event without asking for an acknowledgement.
    pub async fn emit(&mut self, event: &str, payload: Value) {
        self.raw(format!("42{}", json!([event, payload]))).await;
    }

    /// Sends an event that asks for an acknowledgement; its number.
    pub async fn ask(&mut self, event: &str, payload: Value) -> u64 {
        self.next_ack += 1;
        let id = self.next_ack;
        self.raw(format!("42{id}{}", json!([event, payload]))).await;
        id
    }

    /// Sends an event and waits for its acknowledgement.
    pub async fn call(&mut self, event: &str, payload: Value) -> Value {
        let id = self.ask(event, payload).await;
        self.ack(id).await
    }

    /// Waits for an acknowledgement; what comes before stays in the inbox.
    pub async fn ack(&mut self, id: u64) -> Value {
        let found = self
            .find(|packet| matches!(packet, Packet::Ack(got, _) if *got == id))
            .await;
        let Packet::Ack(_, data) = found else {
            unreachable!()
        };
        data
    }

    /// Waits for an event; what comes before stays in the inbox.
    pub async fn event(&mut self, name: &str) -> Value {
        let found = self
            .find(|packet| matches!(packet, Packet::Event(got, _) if got == name))
            .await;
        let Packet::Event(_, data) = found else {
            unreachable!()
        };
        data
    }

    /// The next packet, whatever it is.
    pub async fn next(&mut self) -> Packet {
        match self.inbox.pop_front() {
            Some(packet) => packet,
            None => self.read().await,
        }
    }

    /// Waits for the end of the connection and gives what came before.
    pub async fn until_closed(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            match self.next().await {
                Packet::Closed => return packets,
                packet => packets.push(packet),
            }
        }
    }

    /// Everything that the server has sent until now: it answers in order, so an answer comes after all of it.
    pub async fn settled(&mut self) -> Vec<Packet> {
        let id = self
            .ask("leaveRoom", json!({ "roomId": "a room nobody is in" }))
            .await;
        let _ack = self.ack(id).await;
        self.inbox.drain(..).collect()
    }

    /// Leaves as a good client does.
    pub async fn logout(mut self) {
        self.raw("41").await;
        self.ws.close(None).await.unwrap();
        while self.read().await != Packet::Closed {}
    }

    async fn find(&mut self, wanted: impl Fn(&Packet) -> bool) -> Packet {
        if let Some(at) = self.inbox.iter().position(&wanted) {
            return self.inbox.remove(at).unwrap();
        }
        loop {
            let packet = self.read().await;
            if wanted(&packet) {
                return packet;
            }
            assert_ne!(packet, Packet::Closed, "closed; before: {:?}", self.inbox);
            self.inbox.push_back(packet);
        }
    }

    async fn read(&mut self) -> Packet {
        let Some(text) = next_text(&mut self.ws).await else {
            return Packet::Closed;
        };
        if let Some(event) = text.strip_prefix("42") {
            let (name, data): (String, Value) = serde_json::from_str(event).unwrap();
            return Packet::Event(name, data);
        }
        if let Some(ack) = text.strip_prefix("43") {
            let data_at = ack.find('[').unwrap();
            let (data,): (Value,) = serde_json::from_str(&ack[data_at..]).unwrap();
            return Packet::Ack(ack[..data_at].parse().unwrap(), data);
        }
        match text.as_str() {
            "41" => Packet::Disconnect,
            "1" => Packet::Closed,
            other => panic!("unexpected frame {other}"),
        }
    }
}

/// The names of the events among packets, with the `_id` or `tempId` that they are about.
pub fn about(packets: &[Packet]) -> Vec<(String, String)> {
    packets
        .iter()
        .filter_map(|packet| match packet {
            Packet::Event(name, data) => {
                let id = data.get("tempId").unwrap_or(&data["_id"]);
                Some((name.clone(), id.as_str().unwrap().to_owned()))
            }
            _ => None,
        })
        .collect()
}
