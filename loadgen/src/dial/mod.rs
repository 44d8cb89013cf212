//! The way to a target: what the user says of it, checked once; its addresses, TLS, and HTTP over both.
//!
//! Who drives users and who asks a server about itself go the same way.

mod caller;
mod cookies;
mod endpoint;
mod error;
mod http;
mod stream;
mod target;
mod tls;
mod upgrade;

pub use self::{
    caller::{Caller, encode},
    cookies::Jar,
    endpoint::Endpoint,
    error::DialError,
    http::{
        Fate, Line, PAGE_PATIENCE, Page, Unanswered, ask, beginning, hint, media_type, no_answer,
    },
    stream::{Stream, into_parts},
    target::{PORT, Target, TargetMistake},
    tls::Trust,
    upgrade::upgrade,
};
