//! The body of a POST: into packets as Engine.IO does it, and each packet through all checks. Shared by the fuzz target and
//! the test that runs its corpus.

use std::convert::Infallible;

use bytes::Bytes;
use engineioxide_core::{Packet, PacketParseError, ProtocolVersion, payload};
use futures::{StreamExt as _, executor::block_on, stream};
use http_body::Frame;
use http_body_util::StreamBody;

use super::packet;

/// As much as the server takes.
const MAX_PAYLOAD: u64 = 1_000_000;
/// More packets than that nobody looks at.
const MOST: usize = 1_000;

/// Panics if the body breaks something, or reads otherwise when it comes in two parts.
pub fn check(body: &[u8]) {
    let whole = packets(&[body]);
    for packet in &whole {
        if let Ok(Packet::Message(message)) = packet {
            packet::check(message.as_bytes());
        }
    }
    // Where it is cut, the body says itself: so the fuzzer decides.
    let at = body
        .first()
        .map_or(0, |&first| usize::from(first) % body.len());
    let (begin, end) = body.split_at(at);
    let parts = packets(&[begin, end]);
    assert_eq!(whole.len(), parts.len(), "cut at {at}");
    for (one, other) in whole.iter().zip(&parts) {
        match (one, other) {
            (Ok(one), Ok(other)) => assert_eq!(one, other, "cut at {at}"),
            (Err(_), Err(_)) => {}
            _ => panic!("{one:?} is {other:?} when cut at {at}"),
        }
    }
}

fn packets(parts: &[&[u8]]) -> Vec<Result<Packet, PacketParseError>> {
    // An empty frame there never is: HTTP has none.
    let frames: Vec<_> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(part))))
        .collect();
    let body = StreamBody::new(stream::iter(frames));
    let packets = payload::decoder(body, None, ProtocolVersion::V4, MAX_PAYLOAD);
    let mut until_wrong = Vec::new();
    let mut packets = std::pin::pin!(packets.take(MOST));
    // As the server: the first wrong packet ends the session.
    while let Some(packet) = block_on(packets.next()) {
        let is_wrong = packet.is_err();
        until_wrong.push(packet);
        if is_wrong {
            break;
        }
    }
    until_wrong
}
