//! The same over HTTP long polling, and from there to WebSocket.

use std::net::SocketAddr;

use futures::SinkExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Mutex};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::{
    client::{Client, next_text},
    running::{config, exchange, start},
};

/// A client with one connection for its polls and one for its posts, as browsers have.
pub struct Polling {
    address: SocketAddr,
    pub sid: String,
    polls: Mutex<TcpStream>,
    posts: Mutex<TcpStream>,
}

impl Polling {
    /// A session without a login.
    pub async fn open(address: SocketAddr) -> Self {
        let mut polls = TcpStream::connect(address).await.unwrap();
        let opened = exchange(&mut polls, &request("GET", "", "")).await.1;
        let opened: Value = serde_json::from_str(opened.strip_prefix('0').unwrap()).unwrap();
        Self {
            address,
            sid: opened["sid"].as_str().unwrap().to_owned(),
            polls: Mutex::new(polls),
            posts: Mutex::new(TcpStream::connect(address).await.unwrap()),
        }
    }

    pub async fn login(address: SocketAddr, token: &str) -> Self {
        let polling = Self::open(address).await;
        polling
            .post(&format!("40{}", json!({ "token": token })))
            .await;
        polling.until("40{").await;
        polling
    }

    pub async fn post(&self, packet: &str) -> u16 {
        let request = request("POST", &format!("&sid={}", self.sid), packet);
        exchange(&mut *self.posts.lock().await, &request).await.0
    }

    pub async fn poll(&self) -> Vec<String> {
        let request = request("GET", &format!("&sid={}", self.sid), "");
        let (status, body) = exchange(&mut *self.polls.lock().await, &request).await;
        assert_eq!(status, 200, "{body}");
        body.split('\u{1e}').map(str::to_owned).collect()
    }

    /// Polls until a packet begins like this. Pings behind it in the same answer are answered too: on a slow machine the first
    /// one comes after the login.
    pub async fn until(&self, prefix: &str) -> String {
        loop {
            let mut found = None;
            for packet in self.poll().await {
                if packet == "2" {
                    self.post("3").await;
                } else if packet.starts_with(prefix) && found.is_none() {
                    found = Some(packet);
                }
            }
            if let Some(found) = found {
                return found;
            }
        }
    }

    pub async fn upgrade(self) -> tokio_tungstenite::WebSocketStream<TcpStream> {
        let mut ws = self.begin_upgrade().await;
        ws.send(Message::text("5")).await.unwrap();
        ws
    }

    /// An upgrade but for its last packet.
    pub async fn begin_upgrade(self) -> tokio_tungstenite::WebSocketStream<TcpStream> {
        let url = format!(
            "ws://{}/socket.io/?EIO=4&transport=websocket&sid={}",
            self.address, self.sid
        );
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let (mut ws, _) = client_async(url.into_client_request().unwrap(), tcp)
            .await
            .unwrap();
        ws.send(Message::text("2probe")).await.unwrap();
        assert_eq!(next_text(&mut ws).await.unwrap(), "3probe");
        ws
    }
}

fn request(method: &str, query: &str, body: &str) -> String {
    format!(
        "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nHost: x\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_polling_client_chats_with_a_websocket_client() {
    let server = start(config()).await;
    let mut ws = Client::in_rooms(server.address, "w", &["r"]).await;
    let polling = Polling::login(server.address, "p").await;
    polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
    let joined = polling.until("431").await;
    assert!(joined.contains("\"connectedUsers\":2"), "{joined}");

    ws.call(
        "roomMessage",
        json!({ "roomId": "r", "body": "to polling" }),
    )
    .await;
    assert!(
        polling
            .until("42[\"roomMessageRecieved\"")
            .await
            .contains("to polling")
    );
    ws.event("roomMessageConfirmed").await;
    ws.event("roomMessageRecieved").await;

    polling
        .post("42[\"roomMessage\",{\"roomId\":\"r\",\"body\":\"from polling\"}]")
        .await;
    assert_eq!(
        ws.event("roomMessageRecieved").await["body"],
        "from polling"
    );
    assert_eq!(
        ws.event("roomMessageConfirmed").await["body"],
        "from polling"
    );

    polling.post("41").await;
    server.until_stats(1, 1, 1).await;
}

#[tokio::test]
async fn an_upgrade_loses_nothing() {
    let server = start(config()).await;
    let mut other = Client::in_rooms(server.address, "w", &["r"]).await;
    let polling = Polling::login(server.address, "p").await;
    polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
    polling.until("431").await;
    let sending = async {
        for n in 0..50 {
            let ack = other
                .call(
                    "roomMessage",
                    json!({ "roomId": "r", "body": format!("<{n}>") }),
                )
                .await;
            assert_eq!(ack["success"], true);
        }
    };
    let receiving = async {
        let mut ws = polling.upgrade().await;
        let mut next = 0;
        while next < 50 {
            let text = next_text(&mut ws).await.unwrap();
            if text.starts_with("42[\"roomMessageRecieved\"") {
                assert!(text.contains(&format!("<{next}>")), "{text}");
                next += 1;
            }
        }
        ws
    };
    let ((), ws) = tokio::join!(sending, receiving);
    server.until_stats(2, 1, 2).await;
    drop(ws);
    server.until_stats(1, 1, 1).await;
}

#[tokio::test]
async fn a_polling_client_gets_its_confirmations_before_the_server_stops() {
    let store = crate::store::Obedient::closed();
    let server = crate::running::start_with(config(), store.clone()).await;
    let polling = Polling::login(server.address, "p").await;
    polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
    polling.until("431").await;
    polling
        .post("422[\"roomMessage\",{\"roomId\":\"r\",\"body\":\"x\"}]")
        .await;
    polling.until("42[\"roomMessageRecieved\"").await;
    store.open();
    let stopping = server.stop();
    polling.until("42[\"roomMessageConfirmed\"").await;
    stopping.await.unwrap();
}
