//! Acts on a WebSocket.

use std::io;

use rand::{RngExt as _, seq::IndexedRandom as _};
use serde_json::{Value, json};

use super::stage::Player;
use crate::wire::{Wire, frame};

/// Packets that nobody should send, or not now.
const ODD: [&str; 34] = [
    "",
    "1",
    "2",
    "2probe",
    "3",
    "5",
    "6",
    "7",
    "4",
    "42",
    "42[",
    "42[]",
    "42[1]",
    "42{}",
    "42[\"joinRoom\"]",
    "42[\"joinRoom\",null]",
    "42[\"joinRoom\",{\"roomId\":{}}]",
    "42[\"joinRoom\",{\"roomId\":\"\\ud800\"}]",
    "42[\"roomMessage\",{\"roomId\":\"meeting-0\",\"body\":7}]",
    "42[\"\",{}]",
    "42[\"disconnect\"]",
    "4299999999999999999999999999[\"joinRoom\",{}]",
    "42-1[\"joinRoom\",{}]",
    "42abc[\"joinRoom\",{}]",
    "42/elsewhere,[\"joinRoom\",{}]",
    "43[]",
    "439[{}]",
    "44{\"message\":\"no\"}",
    "451-[\"roomMessage\",{\"_placeholder\":true,\"num\":0}]",
    "4599999999999-[\"roomMessage\",{}]",
    "46-[]",
    "47",
    "bAAAA",
    "\u{1e}",
];
/// What a frame may begin with besides a text: continuations, reserved bits and codes, and control frames.
const HEADS: [u8; 12] = [
    0x00, 0x01, 0x02, 0x80, 0x82, 0x83, 0x87, 0x88, 0x89, 0x8a, 0xc1, 0xf1,
];
/// As much as a flood sends at once, at most.
const FLOOD: usize = 1500;
/// The body of a loud member.
const LOUD: usize = 30_000;

pub fn connect(user: &str) -> String {
    format!("40{}", json!({ "token": user }))
}

pub fn event(name: &str, payload: &Value) -> String {
    format!("42{}", json!([name, payload]))
}

/// An open WebSocket without a login.
pub async fn open(player: &Player<'_>) -> io::Result<Wire> {
    let mut wire = Wire::connect(player.address()).await?;
    wire.upgrade(None).await?;
    wire.until(b"maxPayload").await?;
    Ok(wire)
}

/// The same logged in.
pub async fn login(player: &Player<'_>, user: &str) -> io::Result<Wire> {
    let mut wire = open(player).await?;
    wire.frames(&[connect(user)]).await?;
    wire.until(b"40{").await?;
    Ok(wire)
}

/// In a room where others may be.
async fn member(player: &mut Player<'_>) -> io::Result<(Wire, String)> {
    let (user, room) = (player.user(), player.room());
    let mut wire = login(player, &user).await?;
    wire.frames(&[event("joinRoom", &json!({ "roomId": room }))])
        .await?;
    Ok((wire, room))
}

pub async fn odd(player: &mut Player<'_>) -> io::Result<()> {
    let (mut wire, _) = member(player).await?;
    for _ in 0..=player.below(12) {
        let packet = *ODD.choose(&mut player.rng).unwrap_or(&"");
        let bytes = if player.once_in(4) {
            odd_frame(player, packet)
        } else {
            frame(0x81, packet.as_bytes())
        };
        wire.send(&bytes).await?;
    }
    player.go(wire).await;
    Ok(())
}

/// Bytes that are not, or not quite, a frame.
fn odd_frame(player: &mut Player<'_>, packet: &str) -> Vec<u8> {
    let head = *HEADS.choose(&mut player.rng).unwrap_or(&0);
    let mut bytes = frame(head, packet.as_bytes());
    match player.below(5) {
        // Without a mask.
        0 => {
            bytes[1] &= 0x7f;
            bytes.drain(2..6);
        }
        // Less or more than it says.
        1 => bytes.truncate(player.below(bytes.len())),
        2 => bytes.extend_from_slice(b"more"),
        // No UTF-8.
        3 => bytes
            .splice(6.., [0xff, 0xfe, 0xed, 0xa0, 0x80])
            .for_each(drop),
        _ => {
            for byte in &mut bytes {
                *byte = player.rng.random();
            }
        }
    }
    bytes
}

pub async fn flood(player: &mut Player<'_>) -> io::Result<()> {
    let user = player.user();
    let mut wire = login(player, &user).await?;
    let own = json!({ "roomId": format!("{user}'s") });
    wire.frames(&[event("joinRoom", &own)]).await?;
    let packets: Vec<String> = (0..player.below(FLOOD))
        .map(|n| {
            let payload = json!({ "roomId": format!("{user}'s"), "body": "flood" });
            let name = if n % 2 == 0 {
                "leaveRoom"
            } else {
                "roomMessage"
            };
            format!("42{n}{}", json!([name, payload]))
        })
        .collect();
    wire.frames(&packets).await?;
    player.go(wire).await;
    Ok(())
}

pub async fn deaf(player: &mut Player<'_>) -> io::Result<()> {
    let (user, room) = (player.user(), player.room());
    let mut wire = Wire::narrow(player.address()).await?;
    wire.upgrade(None).await?;
    wire.until(b"maxPayload").await?;
    wire.frames(&[connect(&user)]).await?;
    wire.until(b"40{").await?;
    wire.frames(&[event("joinRoom", &json!({ "roomId": room }))])
        .await?;
    player.leave(wire);
    Ok(())
}

pub async fn loud(player: &mut Player<'_>) -> io::Result<()> {
    let (mut wire, room) = member(player).await?;
    let body = "x".repeat(player.below(LOUD));
    for n in 0..player.below(8) {
        let payload = json!({ "roomId": room, "body": body });
        wire.frames(&[format!("42{n}{}", json!(["roomMessage", payload]))])
            .await?;
    }
    wire.until(b"roomMessageRecieved").await?;
    player.go(wire).await;
    Ok(())
}

pub async fn names(player: &mut Player<'_>) -> io::Result<()> {
    let length = 1 << player.below(17);
    let user = player.user() + &"u".repeat(length.min(5000));
    let mut wire = login(player, &user).await?;
    let odd = ["x", "\u{0}", "\n", "é", "\u{202e}", "😀"].map(|piece| piece.repeat(length));
    for name in &odd {
        let nested = "[".repeat(player.below(3000)) + &"]".repeat(player.below(3000));
        wire.frames(&[
            event("joinRoom", &json!({ "roomId": name })),
            event("JOIN_CHANNEL", &json!({ "channelId": [name] })),
            event(name, &json!({ name: name })),
            format!("42[\"joinRoom\",{{\"roomId\":{nested}}}]"),
        ])
        .await?;
    }
    player.go(wire).await;
    Ok(())
}

pub async fn namespaces(player: &mut Player<'_>) -> io::Result<()> {
    let mut wire = Wire::narrow(player.address()).await?;
    wire.upgrade(None).await?;
    // Within the largest packet that may be sent, and often close to it.
    let length = if player.once_in(2) {
        900_000
    } else {
        1 << player.below(15)
    };
    let namespace = "n".repeat(length);
    for n in 0..player.below(20) {
        wire.frames(&[format!("40/{namespace}{n},{{\"token\":\"x\"}}")])
            .await?;
    }
    player.leave(wire);
    Ok(())
}
