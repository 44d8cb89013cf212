//! The native client: Socket.IO over a WebSocket with no buffer of its own while it idles, or over polling.

mod connection;
mod frame;
mod greeting;
mod lane;
mod packet;
mod pipe;
mod polling;
mod session;
mod upgraded;

pub use self::{
    connection::{Connection, Incoming, Shared},
    packet::is_json,
    polling::{Polled, Polling},
    upgraded::open as open_upgraded,
};
use self::{
    frame::{Decoder, Frame},
    packet::Packet,
};

/// Reads whole frames of a server and hands over each event's name and payload: what a connection does with every read,
/// without the connection.
///
/// # Errors
/// What violates the protocol.
pub fn read_events(input: &[u8], mut each: impl FnMut(&str, &str)) -> Result<(), String> {
    let mut wrong = None;
    Decoder::default()
        .feed(input, |frame| {
            if let Frame::Text(text) = frame {
                match packet::parse(text) {
                    Ok(Packet::Event(event)) => each(&event.name, event.payload),
                    Ok(_) => {}
                    Err(violation) => wrong = Some(violation),
                }
            }
        })
        .map_err(|closed| closed.to_string())?;
    wrong.map_or(Ok(()), Err)
}
