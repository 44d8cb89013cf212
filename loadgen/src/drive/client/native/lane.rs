//! HTTP requests of one user, one after the other over a connection that is kept, each answer stamped where it was read.

use std::{borrow::Cow, cell::Cell, rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Method, Response, StatusCode, body::Incoming, header::LOCATION};
use hyper_util::rt::TokioIo;
use tokio_util::io::InspectReader;

use super::frame::MOST_BYTES;
use crate::{
    dial::{Caller, DialError, Endpoint, Fate, Line, Unanswered, no_answer},
    model::{Clock, Nanos, nanos},
};

/// Packets of one answer are this far from each other.
pub const SEPARATOR: char = '\u{1e}';
/// That a server closed a connection before it got a request is heard of within a round trip: this is longer than one takes,
/// and than who drives many users takes to look. Who is told of an end later had a request that the server was at.
const ROUND_TRIP: Duration = Duration::from_millis(500);

/// A kept connection, made anew when the server has closed it in a pause.
pub struct Lane {
    endpoint: Endpoint,
    clock: Clock,
    line: Option<Line>,
    came: Rc<Came>,
}

/// What came over the connections of a lane.
#[derive(Default)]
struct Came {
    /// When bytes came last, or their end.
    at: Cell<Nanos>,
    /// How many.
    bytes: Cell<u64>,
}

/// An answer.
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Where it sends to, if it says so.
    pub location: Option<String>,
    /// When its last bytes came.
    pub stamp: Nanos,
    /// Its text.
    pub body: String,
}

impl Lane {
    /// To an endpoint, not yet connected.
    pub fn new(endpoint: &Endpoint, clock: Clock) -> Self {
        Self {
            endpoint: endpoint.clone(),
            clock,
            line: None,
            came: Rc::default(),
        }
    }

    /// Asks, and reads the whole answer. To be called on a `LocalSet`. What the server did not get, since it had closed the
    /// kept connection, is asked once more. Nothing else is: a server that took a post would get it twice, and one whose answer
    /// to a poll was lost would be charged for what was in it.
    ///
    /// # Errors
    /// [`DialError`]: no connection, no HTTP over it, or more than 16 MiB of answer.
    pub async fn ask(
        &mut self,
        caller: &Caller,
        method: Method,
        target: &str,
        body: String,
    ) -> Result<Answered, DialError> {
        let body = Bytes::from(body);
        let mut kept = self.line.take();
        if let Some(line) = &mut kept
            && !line.is_ready().await
        {
            kept = None;
        }
        if let Some(mut line) = kept {
            let (asked, before) = (self.clock.now(), self.came.bytes.get());
            let answer = line.send(caller, method.clone(), target, body.clone());
            let answer = answer.await;
            let at_once = self.clock.now().saturating_sub(asked) < nanos(ROUND_TRIP);
            let silent = self.came.bytes.get() == before;
            match answer {
                Err(Unanswered {
                    fate: Fate::Unsent, ..
                }) => {}
                // The server closed it in a pause, just when the request was on its way: browsers ask again, too.
                Err(Unanswered {
                    fate: Fate::Ended, ..
                }) if at_once && silent => {}
                answer => {
                    self.line = Some(line);
                    return self.read(answer?).await;
                }
            }
        }
        let line = self.connect(caller).await?;
        let answer = self.line.insert(line).send(caller, method, target, body);
        let answer = answer.await?;
        self.read(answer).await
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Answered, DialError> {
        let status = answer.status();
        let location = answer.headers().get(LOCATION);
        let location = location.map(|place| String::from_utf8_lossy(place.as_bytes()));
        let location = location.map(Cow::into_owned);
        let mut frames = std::pin::pin!(answer.into_body());
        let mut bytes = Vec::new();
        while let Some(frame) = frames.frame().await {
            let frame = frame.map_err(|error| no_answer(&error))?;
            if let Some(data) = frame.data_ref() {
                bytes.extend_from_slice(data);
            }
            if bytes.len() > MOST_BYTES {
                return Err(DialError::TooLong(format!(
                    "an answer of more than {MOST_BYTES} bytes (16 MiB), the most that this program reads"
                )));
            }
        }
        let body = String::from_utf8(bytes)
            .map_err(|error| DialError::NoText(format!("an answer that is not UTF-8: {error}")))?;
        Ok(Answered {
            status,
            location,
            stamp: self.came.at.get(),
            body,
        })
    }

    async fn connect(&self, caller: &Caller) -> Result<Line, DialError> {
        let (clock, came) = (self.clock, Rc::clone(&self.came));
        let stream = self.endpoint.connect(caller.user).await?;
        let stream = InspectReader::new(stream, move |bytes: &[u8]| {
            came.at.set(clock.now());
            came.bytes.set(came.bytes.get() + bytes.len() as u64);
        });
        let (line, work) = Line::over(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(work);
        Ok(line)
    }
}
