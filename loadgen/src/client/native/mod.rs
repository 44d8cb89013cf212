//! The native client: Socket.IO over one WebSocket, with no buffer of its own while it idles.

mod connection;
mod frame;
mod handshake;
mod packet;

pub use self::{
    connection::{Connection, Shared},
    handshake::Endpoint,
};
