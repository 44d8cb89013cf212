//! The bytes of a WebSocket, both ways: what passes and what is counted must not depend on where they are cut. Shared by the
//! fuzz target and the test that runs its corpus.

use std::sync::{Arc, LazyLock};

use futures::executor::block_on;
use server::{inspection::Inspected, telemetry::Telemetry, wire::Wire};
use tokio::io::{AsyncReadExt as _, join, sink};

static TELEMETRY: LazyLock<Arc<Telemetry>> =
    LazyLock::new(|| Arc::new(Telemetry::new().expect("its histograms can be made")));

/// Panics if the bytes break something, or pass otherwise when they come in two parts.
pub fn check(bytes: &[u8]) {
    // Where they are cut, they say themselves: so the fuzzer decides.
    let at = bytes
        .last()
        .map_or(0, |&last| usize::from(last) % bytes.len());
    let (begin, end) = bytes.split_at(at);
    assert_eq!(passed(bytes, &[]), passed(begin, end), "cut at {at}");
    assert_eq!(written(&[bytes]), written(&[begin, end]), "cut at {at}");
}

/// What the library gets of what a client sends.
fn passed(begin: &[u8], end: &[u8]) -> Vec<u8> {
    let client = join(begin.chain(end), sink());
    let mut inspected = Inspected::new(client, Arc::clone(&TELEMETRY));
    let mut passed = Vec::new();
    block_on(inspected.read_to_end(&mut passed)).expect("a slice has no errors");
    passed
}

/// How many packets are counted in what the library sends.
fn written(parts: &[&[u8]]) -> usize {
    let mut wire = Wire::default();
    let opened = wire.written(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert_eq!(opened, 0, "a head has no packets");
    parts.iter().map(|part| wire.written(part)).sum()
}
