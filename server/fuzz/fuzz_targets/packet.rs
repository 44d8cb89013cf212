//! `cargo fuzz run packet`: any bytes as a frame from a client.
#![no_main]

#[path = "../packet.rs"]
mod packet;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| packet::check(frame));
