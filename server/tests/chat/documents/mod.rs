//! Holds docs/asyncapi.yaml, docs/SOCKET_EVENTS.md and the table of flags against the code and a running server.

mod asyncapi;
mod pages;
mod payloads;
mod tour;
