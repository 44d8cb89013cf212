//! What stands in the `auth` of a CONNECT, and what a token says. Shared by the fuzz target and the test that runs its corpus.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde_json::value::RawValue;
use server::{
    auth::{Authenticator, Handshake, jwt},
    config::Secret,
    protocol::inbound::MAX_ID,
};

const SECRET: &str = "the fuzzer's own";
/// Seconds since 1970: some moment.
const NOW: u64 = 1_800_000_000;

/// Panics if it breaks something, or if somebody is let in who must not be.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for secret in [None, Some(Secret(SECRET.to_owned()))] {
        if let Ok(handshake) = serde_json::from_str::<Handshake>(text) {
            let is_verified = secret.is_some();
            let user = Authenticator::new(secret).authenticate(handshake, &HeaderMap::new());
            assert!(user.is_err() || !is_verified, "let in without a signature");
        }
    }
    assert!(
        jwt::verify(text, SECRET.as_bytes(), NOW).is_err(),
        "verified without a signature"
    );
    signed(text);
}

/// The text as the claims of a token that is signed: what counts is within its time and has what is read of it.
fn signed(claims: &str) {
    let Ok(claims) = serde_json::from_str::<&RawValue>(claims) else {
        return;
    };
    let token = jwt::sign(&claims, SECRET.as_bytes()).expect("what was read can be signed");
    let Ok(verified) = jwt::verify(&token, SECRET.as_bytes(), NOW) else {
        return;
    };
    let read: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(claims.get()).expect("what counts is an object");
    for (name, is_in_time) in [
        ("exp", (|time| time > NOW as f64) as fn(f64) -> bool),
        ("nbf", |time| time <= NOW as f64),
    ] {
        if let Some(time) = read.get(name) {
            let number = serde_json::from_str(time.get());
            assert!(number.is_ok_and(is_in_time), "{name}: {time}");
        }
    }
    let handshake = serde_json::json!({ "token": token });
    let handshake = serde_json::from_value(handshake).expect("an object with a text");
    let authenticator = Authenticator::new(Some(Secret(SECRET.to_owned())));
    // By the clock it may have expired meanwhile.
    if let Ok(user) = authenticator.authenticate(handshake, &HeaderMap::new()) {
        assert!((1..=MAX_ID).contains(&user.id.len()));
    }
    // Whatever is asked for, it is read or refused.
    let _claim = verified.get::<String>("username");
}
