//! The reading side of a connection: one buffer of the worker's for all of them, and frames as they are completed.

use std::{cell::Cell, future::poll_fn, pin::Pin, task::Poll};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::tcp::OwnedReadHalf,
};

use super::{Connection, READ_BYTES, Reading};
use crate::{
    drive::{
        ConnectError,
        client::native::{
            frame::{Decoder, Frame},
            greeting::Early,
        },
    },
    model::Nanos,
    observed::Closed,
};

/// The half of a connection that [`Connection::run`] consumes.
pub struct Incoming {
    pub(super) read: OwnedReadHalf,
    pub(super) decoder: Decoder,
    /// What came behind the upgrade's answer.
    pub(super) first: Option<Vec<u8>>,
    pub(super) early: Vec<Early>,
    /// What ended the connection right behind the CONNECT.
    pub(super) ended: Option<Closed>,
}

impl Incoming {
    /// Reads once while the greeting is under way.
    pub(in super::super) async fn greeted(
        &mut self,
        connection: &Connection,
        each: impl FnMut(Nanos, Frame<'_>),
    ) -> Result<(), ConnectError> {
        let waited = Cell::new(false);
        match self.read(connection, &waited, each).await {
            Ok(0) => Err(ConnectError::NotSocketIo(
                "it closed the connection before the Socket.IO CONNECT".into(),
            )),
            Ok(_) => Ok(()),
            Err(closed) => {
                let refused = ConnectError::NotSocketIo(closed.to_string());
                self.ended = Some(closed);
                Err(refused)
            }
        }
    }

    /// Reads once into the worker's buffer and decodes there; returns how many bytes came.
    pub(super) async fn read(
        &mut self,
        connection: &Connection,
        waited: &Cell<bool>,
        mut each: impl FnMut(Nanos, Frame<'_>),
    ) -> Result<usize, Closed> {
        let shared = &connection.shared;
        if let Some(first) = self.first.take() {
            let stamp = shared.clock.now();
            self.decoder.feed(&first, |frame| each(stamp, frame))?;
            if connection.pipe.is_encrypted() {
                self.decode(connection, &[], &mut each)?;
            }
            // What came is no end, even if it was nothing.
            return Ok(1);
        }
        poll_fn(|cx| {
            match connection.reading.get() {
                Reading::On => {}
                Reading::Paused => {
                    connection.expect_wake(cx);
                    return Poll::Pending;
                }
                Reading::Over => {
                    return Poll::Ready(Err(Closed::Transport("cut by its own user".into())));
                }
            }
            if let Some(why) = connection.pipe.overfull() {
                return Poll::Ready(Err(why));
            }
            // Borrowed within one poll only: no other connection can read meanwhile.
            let mut input = shared.input.borrow_mut();
            let mut buffer = ReadBuf::new(&mut input);
            match Pin::new(&mut self.read).poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    waited.set(true);
                    connection.expect_wake(cx);
                    Poll::Pending
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(Closed::Transport(error.to_string()))),
                Poll::Ready(Ok(())) => {
                    let filled = buffer.filled();
                    Poll::Ready(
                        self.decode(connection, filled, &mut each)
                            .map(|()| filled.len()),
                    )
                }
            }
        })
        .await
    }

    /// Hands over each frame that what came completes. All of them came now.
    fn decode(
        &mut self,
        connection: &Connection,
        input: &[u8],
        each: &mut impl FnMut(Nanos, Frame<'_>),
    ) -> Result<(), Closed> {
        let shared = &connection.shared;
        let stamp = shared.clock.now();
        let decoder = &mut self.decoder;
        if !connection.pipe.is_encrypted() {
            return decoder.feed(input, |frame| each(stamp, frame));
        }
        let mut plain = shared.plain.borrow_mut();
        plain.resize(READ_BYTES, 0);
        connection.pipe.decrypt(input, &mut plain, |bytes| {
            decoder.feed(bytes, |frame| each(stamp, frame))
        })
    }
}
