//! `cargo fuzz run token`: any bytes as an `auth`, a token, or its claims.
#![no_main]

#[path = "../token.rs"]
mod token;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| token::check(bytes));
