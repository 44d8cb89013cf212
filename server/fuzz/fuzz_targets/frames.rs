//! `cargo fuzz run frames`: any bytes as the bytes of a WebSocket.
#![no_main]

#[path = "../frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames::check(bytes));
