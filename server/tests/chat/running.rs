//! A server on a free port, in the test's own runtime.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::Value;
use server::{
    Server, Stopped,
    config::{Config, StoreConfig},
    store::{MessageStore, memory::MemoryConfig},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::client::GUARD;

pub struct Running {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

/// The defaults with a store that takes no time.
pub fn config() -> Config {
    Config {
        store: StoreConfig::Memory(MemoryConfig::instant()),
        ..Config::on_a_free_port()
    }
}

pub async fn start(config: Config) -> Running {
    run(Server::bind(config).await.unwrap())
}

pub async fn start_with(config: Config, store: Arc<dyn MessageStore>) -> Running {
    run(Server::bind_with(config, store).await.unwrap())
}

fn run(server: Server) -> Running {
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async move {
        // Dropped or sent: both mean stop.
        let _ = stopped.await;
    }));
    Running {
        address,
        stop,
        task,
    }
}

impl Running {
    /// Tells the server to stop, and does not wait.
    pub fn stop(self) -> JoinHandle<Stopped> {
        drop(self.stop);
        self.task
    }

    /// Ends the server as a killed one ends: it tells nobody anything.
    pub async fn kill(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.is_err(), "it had stopped before");
    }

    /// Tells the server to stop and waits until it has.
    pub async fn stopped(self) -> Stopped {
        timeout(GUARD, self.stop())
            .await
            .expect("the server does not stop")
            .unwrap()
    }

    /// GET of a path: the status and the body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        http(
            self.address,
            &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        )
        .await
    }

    pub async fn get_json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.1).unwrap()
    }

    /// Waits until users, rooms and sockets are as many.
    pub async fn until_stats(&self, users: u64, rooms: u64, sockets: u64) {
        let wanted = serde_json::json!({ "totalUsers": users, "totalRooms": rooms, "totalSockets": sockets });
        let reached = async {
            loop {
                let stats = self.get_json("/debug/sockets").await["stats"].take();
                if stats == wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(GUARD, reached).await.is_err() {
            panic!(
                "not {wanted} but {}",
                self.get_json("/debug/sockets?verbose").await
            );
        }
    }

    /// A counter or gauge of `/metrics`, by its name with labels.
    pub async fn metric(&self, name: &str) -> f64 {
        metric_of(&self.get("/metrics").await.1, name)
    }
}

/// A counter or gauge on a page of `/metrics`, by its name with labels; zero where there is none.
pub fn metric_of(page: &str, name: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// One HTTP exchange by hand, on a connection of its own: the status and the body.
pub async fn http(address: SocketAddr, request: &str) -> (u16, String) {
    exchange(&mut TcpStream::connect(address).await.unwrap(), request).await
}

/// One HTTP exchange on a connection that may have been used before.
pub async fn exchange(stream: &mut TcpStream, request: &str) -> (u16, String) {
    timeout(GUARD, try_exchange(stream, request))
        .await
        .expect("no answer")
        .unwrap()
}

async fn try_exchange(stream: &mut TcpStream, request: &str) -> io::Result<(u16, String)> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let head_end = loop {
        if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let body = answer.split_off(head_end + 4);
    let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    let mut body = body;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    match length {
        Some(length) => {
            let mut rest = vec![0; usize::saturating_sub(length, body.len())];
            stream.read_exact(&mut rest).await?;
            body.extend(rest);
        }
        None => {
            stream.read_to_end(&mut body).await?;
        }
    }
    let body = String::from_utf8(body).unwrap();
    let body = if head.contains("transfer-encoding: chunked") {
        dechunked(&body)
    } else {
        body
    };
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body))
}

fn dechunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            break;
        }
        text.push_str(&rest[..length]);
        body = &rest[length + 2..];
    }
    text
}
