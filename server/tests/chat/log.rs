//! The log of the real program: no user, room or error text writes a line of its own into it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::client::Client;

const NASTY: [&str; 6] = [
    "a\n2026-01-01T00:00:00Z  WARN server: forged",
    "b\r\nforged",
    "\u{1b}[2J\u{1b}[1;1Hforged",
    "\u{9b}2Jforged\u{85}forged",
    "\u{2028}forged\u{2029}forged",
    "\u{202e}degrof\u{200f}\u{feff}",
];

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[tokio::test]
async fn no_text_of_a_client_writes_a_line() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_server"))
        .args([
            "--port",
            "0",
            "--store",
            "memory",
            "--save-time",
            "0s",
            "--log",
            "trace",
        ])
        .env_remove("JWT_SECRET_KEY")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("listening on http://").unwrap();
    let mut stderr = server.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut log = Vec::new();
        stderr.read_to_end(&mut log).unwrap();
        String::from_utf8(log).unwrap()
    });
    for text in NASTY {
        let mut client = Client::login(address.parse().unwrap(), text).await;
        client.call("joinRoom", json!({ "roomId": text })).await;
        let message =
            json!({ "roomId": text, "body": text, "senderId": text, "clientMsgId": text });
        assert_eq!(client.call("roomMessage", message).await["success"], true);
        client.call("nothing", json!(text)).await;
        client
            .call("leaveRoom", json!({ "roomId": "elsewhere" }))
            .await;
        // The state is printed while somebody is there.
        signal(&server, Signal::USR1);
        client
            .call("joinChannel", json!({ "channelId": text }))
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let mut again = Client::login(address.parse().unwrap(), text).await;
        again.settled().await;
    }
    signal(&server, Signal::TERM);
    server.wait().unwrap();
    let log = log.join().unwrap();
    assert!(
        log.lines().count() > 40 && log.matches("forged").count() > 20,
        "{log}"
    );
    assert!(
        log.contains("[SocketManager] 1 users, 1 rooms, 1 sockets"),
        "{log}"
    );
    for line in log.split_inclusive('\n') {
        let text = line.strip_suffix('\n').expect("a whole line");
        let acts =
            |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{200f}\u{feff}".contains(c);
        assert!(!text.contains(acts), "{text:?}");
        let (time, rest) = text.split_once(' ').expect("a time and more");
        assert!(time.len() == 27 && time.ends_with('Z'), "{text}");
        let level = rest.trim_start().split(' ').next().unwrap();
        assert!(
            ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&level),
            "{text}"
        );
    }
}
