//! The fuzzer's corpora, and a bounded number of mutations of them: through the checks, and through a real server.

use std::{collections::BTreeMap, fs, path::Path};

use futures::SinkExt as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::Client,
    running::{config, start},
};

#[path = "../../fuzz/frames.rs"]
mod frames;
#[path = "../../fuzz/packet.rs"]
mod packet;
#[path = "../../fuzz/payload.rs"]
mod payload;
#[path = "../../fuzz/token.rs"]
mod token;

/// Panics if an input breaks something.
type Check = fn(&[u8]);

/// Mutations of each corpus that are checked without a server.
const MUTATIONS: usize = 10_000;
/// Mutations that a server gets.
const FRAMES: usize = 300;

/// Fragments that parsers stumble over.
const FRAGMENTS: [&[u8]; 14] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u",
    b"\\ud83d",
    b"1e999",
    b"-",
    b"null",
    b"{\"$ne\":1}",
    b"\"roomId\":",
    b"\xf0\x9f",
    b"51-",
];

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let corpus: BTreeMap<_, _> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    assert!(corpus.len() >= 8, "the corpus of {target} is missing");
    corpus
}

/// One of the corpus, changed in one to four places. Always the same sequence.
fn mutations(corpus: &BTreeMap<String, Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    let seeds: Vec<Vec<u8>> = corpus.values().cloned().collect();
    let mut rng = StdRng::seed_from_u64(1);
    std::iter::repeat_with(move || {
        let mut frame = seeds.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..=4) {
            let at = rng.random_range(0..=frame.len());
            match rng.random_range(0..6) {
                0 => frame.truncate(at),
                1 if at < frame.len() => frame[at] ^= 1 << rng.random_range(0..7),
                2 if at < frame.len() => {
                    frame.remove(at);
                }
                3 => {
                    let other = seeds.choose(&mut rng).unwrap();
                    frame.truncate(at);
                    frame.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
                }
                4 => {
                    let tail = frame[at..].to_vec();
                    frame.extend(tail);
                }
                _ => {
                    let fragment = *FRAGMENTS.choose(&mut rng).unwrap();
                    frame.splice(at..at, fragment.iter().copied());
                }
            }
        }
        frame
    })
}

#[test]
fn nothing_breaks_the_checks() {
    let checks: [(&str, Check); 4] = [
        ("frames", frames::check),
        ("packet", packet::check),
        ("payload", payload::check),
        ("token", token::check),
    ];
    for (target, check) in checks {
        let corpus = corpus(target);
        for input in corpus.values() {
            check(input);
        }
        for input in mutations(&corpus).take(MUTATIONS) {
            check(&input);
        }
    }
}

#[tokio::test]
async fn no_frame_breaks_the_server() {
    let server = start(config()).await;
    let mut witness = Client::in_rooms(server.address, "witness", &["quiet"]).await;
    let corpus = corpus("packet");
    let frames = corpus
        .values()
        .cloned()
        .chain(mutations(&corpus).take(FRAMES));
    let mut client = Client::in_rooms(server.address, "fuzzer", &["r"]).await;
    for frame in frames {
        // Engine.IO's `4` makes a message of it.
        let message = match String::from_utf8(frame) {
            Ok(text) => Message::text(format!("4{text}")),
            Err(error) => Message::binary(error.into_bytes()),
        };
        if client.ws.send(message).await.is_err() {
            client = Client::in_rooms(server.address, "fuzzer", &["r"]).await;
        }
    }
    assert_eq!(witness.settled().await, [], "nobody else notices");
    drop(client);
    server.until_stats(1, 1, 1).await;
    witness.logout().await;
    server.until_stats(0, 0, 0).await;
}
