//! Acts between polling and WebSocket.

use std::io;

use serde_json::json;

use super::{
    http::session,
    stage::Player,
    websocket::{connect, event, open},
};
use crate::wire::{Wire, polling, upgrade_request};

/// Logged in over polling, and in a room: the session's key, and the connection that was used.
async fn polled(player: &mut Player<'_>) -> io::Result<(String, Wire)> {
    let (user, room) = (player.user(), player.room());
    let (sid, mut wire) = session(player).await?;
    wire.exchange(&polling("POST", Some(&sid), &connect(&user)))
        .await?;
    let join = event("joinRoom", &json!({ "roomId": room }));
    wire.exchange(&polling("POST", Some(&sid), &join)).await?;
    Ok((sid, wire))
}

pub async fn honest(player: &mut Player<'_>) -> io::Result<()> {
    let (sid, mut polls) = polled(player).await?;
    let mut wire = Wire::connect(player.address()).await?;
    wire.upgrade(Some(&sid)).await?;
    wire.frames(&["2probe"]).await?;
    wire.until(b"3probe").await?;
    polls.exchange(&polling("GET", Some(&sid), "")).await?;
    let room = player.room();
    wire.frames(&[
        "5".to_owned(),
        event("joinRoom", &json!({ "roomId": room })),
        event(
            "roomMessage",
            &json!({ "roomId": room, "body": "upgraded" }),
        ),
    ])
    .await?;
    wire.until(b"roomMessageRecieved").await?;
    player.go(wire).await;
    Ok(())
}

pub async fn odd(player: &mut Player<'_>) -> io::Result<()> {
    let (sid, mut polls) = polled(player).await?;
    let mut wire = Wire::connect(player.address()).await?;
    match player.below(8) {
        // Asked for and given up.
        0 => wire.send(upgrade_request(Some(&sid)).as_bytes()).await?,
        // Half.
        1 => {
            wire.upgrade(Some(&sid)).await?;
            wire.frames(&["2probe"]).await?;
        }
        // Without a probe, or with the rest in one segment.
        2 => {
            wire.upgrade(Some(&sid)).await?;
            wire.frames(&["5", "41"]).await?;
        }
        3 => {
            wire.upgrade(Some(&sid)).await?;
            wire.frames(&["2probe", "5", "40{\"token\":\"again\"}", "41", "41"])
                .await?;
        }
        // A poll waits meanwhile, and is left alone.
        4 => {
            polls
                .send(polling("GET", Some(&sid), "").as_bytes())
                .await?;
            wire.upgrade(Some(&sid)).await?;
            wire.frames(&["2probe"]).await?;
            wire.until(b"3probe").await?;
        }
        // Two at once.
        5 => {
            let mut other = Wire::connect(player.address()).await?;
            wire.upgrade(Some(&sid)).await?;
            other.send(upgrade_request(Some(&sid)).as_bytes()).await?;
            wire.frames(&["2probe", "5"]).await?;
            player.go(other).await;
        }
        // Of a WebSocket.
        6 => {
            let mut ws = Wire::connect(player.address()).await?;
            ws.upgrade(None).await?;
            let head = ws.until(b"\",").await?;
            let head = String::from_utf8_lossy(&head);
            let own = head.rsplit("\"sid\":\"").next().unwrap_or_default();
            wire.upgrade(Some(own.trim_end_matches("\","))).await?;
            player.go(ws).await;
        }
        // POSTs after it.
        _ => {
            wire.upgrade(Some(&sid)).await?;
            wire.frames(&["2probe"]).await?;
            wire.until(b"3probe").await?;
            wire.frames(&["5"]).await?;
            polls.exchange(&polling("POST", Some(&sid), "41")).await?;
        }
    }
    drop(polls);
    player.go(wire).await;
    if player.once_in(8) {
        drop(open(player).await?);
    }
    Ok(())
}
