//! Acts over plain HTTP and the polling transport.

use std::io;

use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use super::{
    logins::logins,
    stage::Player,
    websocket::{connect, event},
};
use crate::wire::{Wire, polling};

/// What is no request, or not one of ours.
const ODD_REQUESTS: [&str; 12] = [
    "\r\n\r\n",
    "GET\r\n\r\n",
    "\u{16}\u{3}\u{1}",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /socket.io/?EIO=4&transport=carrier-pigeon HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA HTTP/1.1\r\nHost: x\r\n\r\n",
    "DELETE /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
];
const PAGES: [&str; 6] = [
    "/debug/sockets",
    "/debug/sockets?verbose",
    "/debug/histograms",
    "/metrics",
    "/health",
    "/ping",
];

/// A polling session without a login: its key, and the connection that was used.
pub async fn session(player: &Player<'_>) -> io::Result<(String, Wire)> {
    let mut wire = Wire::connect(player.address()).await?;
    let (_, body) = wire.exchange(&polling("GET", None, "")).await?;
    let opened = body
        .get(1..)
        .and_then(|open| serde_json::from_slice::<Value>(open).ok());
    let sid = opened
        .as_ref()
        .and_then(|open| open["sid"].as_str())
        .ok_or(io::ErrorKind::InvalidData)?
        .to_owned();
    Ok((sid, wire))
}

pub async fn relogin(player: &mut Player<'_>) -> io::Result<()> {
    let user = player.user();
    let (sid, mut wire) = session(player).await?;
    if !player.once_in(4) {
        wire.exchange(&polling("POST", Some(&sid), &connect(&user)))
            .await?;
        wire.exchange(&polling("GET", Some(&sid), "")).await?;
    }
    let packets = logins(player).join("\u{1e}");
    wire.exchange(&polling("POST", Some(&sid), &packets))
        .await?;
    if player.once_in(2) {
        wire.exchange(&polling("POST", Some(&sid), "1")).await?;
    }
    Ok(())
}

pub async fn odd_polls(player: &mut Player<'_>) -> io::Result<()> {
    let (user, room) = (player.user(), player.room());
    let (sid, mut wire) = session(player).await?;
    let mut other = Wire::connect(player.address()).await?;
    let join = event("joinRoom", &json!({ "roomId": room }));
    let packets = [connect(&user), join].join("\u{1e}");
    wire.exchange(&polling("POST", Some(&sid), &packets))
        .await?;
    let poll = polling("GET", Some(&sid), "");
    match player.below(5) {
        // Two at once.
        0 => {
            wire.send(poll.as_bytes()).await?;
            other.exchange(&poll).await?;
        }
        // Many in one segment.
        1 => wire.send(poll.repeat(5).as_bytes()).await?,
        // Cancelled.
        2 => {
            other.send(poll.as_bytes()).await?;
            drop(other);
            wire.exchange(&poll).await?;
        }
        // What is no packet.
        3 => {
            wire.exchange(&polling("POST", Some(&sid), "\u{1e}\u{1e}4"))
                .await?;
            wire.exchange(&poll).await?;
        }
        // Never fetched.
        _ => {
            let call = "421[\"leaveRoom\",{\"roomId\":\"x\"}]";
            let many = vec![call; 1000].join("\u{1e}");
            wire.exchange(&polling("POST", Some(&sid), &many)).await?;
        }
    }
    player.leave(wire);
    Ok(())
}

pub async fn half_request(player: &mut Player<'_>) -> io::Result<()> {
    let mut wire = Wire::connect(player.address()).await?;
    let request = *ODD_REQUESTS.choose(&mut player.rng).unwrap_or(&"");
    match player.below(3) {
        0 => wire.send(request.as_bytes()).await?,
        1 => {
            let cut = player.below(request.len());
            wire.send(&request.as_bytes()[..cut]).await?;
        }
        // A head without an end.
        _ => {
            wire.send(b"GET / HTTP/1.1\r\n").await?;
            for n in 0..player.below(2000) {
                wire.send(format!("x-{n}: {n}\r\n").as_bytes()).await?;
            }
        }
    }
    player.leave(wire);
    Ok(())
}

pub async fn stalled_body(player: &mut Player<'_>) -> io::Result<()> {
    let (sid, mut wire) = session(player).await?;
    let said = 1 + player.below(990_000);
    let sent = player.below(said.min(300_000));
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: {said}\r\n\r\n"
    );
    wire.send(head.as_bytes()).await?;
    wire.send("4".repeat(sent).as_bytes()).await?;
    player.leave(wire);
    Ok(())
}

pub async fn pages(player: &mut Player<'_>) -> io::Result<()> {
    let mut wire = Wire::connect(player.address()).await?;
    let page = *PAGES.choose(&mut player.rng).unwrap_or(&"/ping");
    let request = format!("GET {page} HTTP/1.1\r\nHost: x\r\n\r\n");
    wire.send(request.repeat(1 + player.below(20)).as_bytes())
        .await?;
    // One answer is waited for, so that there are as many at a time as there are strangers.
    wire.until(b"HTTP/1.1").await?;
    if player.once_in(2) {
        player.leave(wire);
    }
    Ok(())
}
