//! Acts of logging in, again or elsewhere, and of going in the middle of it.

use std::{io, time::Duration};

use serde_json::json;

use super::{
    stage::Player,
    websocket::{connect, event, login, open},
};
use crate::wire::{Wire, frame, upgrade_request};

pub async fn relogin(player: &mut Player<'_>) -> io::Result<()> {
    let user = player.user();
    let mut wire = if player.once_in(4) {
        open(player).await?
    } else {
        login(player, &user).await?
    };
    let packets = logins(player);
    if player.once_in(3) {
        for packet in &packets {
            wire.frames(&[packet]).await?;
        }
    } else {
        wire.frames(&packets).await?;
    }
    if player.once_in(2) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    player.go(wire).await;
    Ok(())
}

/// CONNECTs, DISCONNECTs and some events between them.
pub fn logins(player: &mut Player<'_>) -> Vec<String> {
    let mut packets = Vec::new();
    for _ in 0..2 + player.below(5) {
        let user = player.user();
        let room = player.room();
        packets.push(match player.below(7) {
            0..=2 => "41".to_owned(),
            3 | 4 => connect(&user),
            5 => event("joinRoom", &json!({ "roomId": room })),
            _ => event("roomMessage", &json!({ "roomId": room, "body": "between" })),
        });
    }
    packets
}

pub async fn end(player: &mut Player<'_>) -> io::Result<()> {
    let (user, room) = (player.user(), player.room());
    let mut wire = Wire::connect(player.address()).await?;
    let join = event("joinRoom", &json!({ "roomId": room }));
    let send = event(
        "roomMessage",
        &json!({ "roomId": room, "body": "last words" }),
    );
    let steps = [
        upgrade_request(None).into_bytes(),
        frame(0x81, connect(&user).as_bytes()),
        frame(0x81, join.as_bytes()),
        frame(0x81, send.as_bytes()),
    ];
    let last = player.below(steps.len());
    // Impatient ones send everything at once.
    let patient = player.once_in(2);
    for (step, bytes) in steps.iter().take(last + 1).enumerate() {
        let cut = if step == last && player.once_in(2) {
            player.below(bytes.len())
        } else {
            bytes.len()
        };
        wire.send(&bytes[..cut]).await?;
        match step {
            0 if patient && cut == bytes.len() => drop(wire.until(b"maxPayload").await?),
            1 if patient && cut == bytes.len() => drop(wire.until(b"40{").await?),
            _ => {}
        }
    }
    player.go(wire).await;
    Ok(())
}

pub async fn second_login(player: &mut Player<'_>) -> io::Result<()> {
    let user = player.user();
    let mut wires = Vec::new();
    for _ in 0..2 + player.below(3) {
        let room = player.room();
        let mut wire = login(player, &user).await?;
        wire.frames(&[event("joinRoom", &json!({ "roomId": room }))])
            .await?;
        wires.push(wire);
    }
    while !wires.is_empty() {
        let at = player.below(wires.len());
        let wire = wires.swap_remove(at);
        player.go(wire).await;
    }
    Ok(())
}
