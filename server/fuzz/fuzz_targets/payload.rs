//! `cargo fuzz run payload`: any bytes as the body of a POST.
#![no_main]

#[path = "../packet.rs"]
mod packet;
#[path = "../payload.rs"]
mod payload;

libfuzzer_sys::fuzz_target!(|body: &[u8]| payload::check(body));
