//! The bodies of requests to Engine.IO: collected within bounds, and looked at before the library gets them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use crate::{
    config::MAX_PAYLOAD,
    inspection::{LOOK, Verdict, judge},
    wire::SEPARATOR,
};

/// How long a whole body may take: a megabyte at 33 kB a second.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// How long each piece of a body may take, and how many bytes it must have brought: the minimum rate.
const PIECE_WITHIN: Duration = Duration::from_secs(5);
const PIECE: usize = 4 * 1024;
/// Bytes of bodies in the process, from the first one to the answer.
const ALL_BODIES: usize = 64 * 1024 * 1024;
/// A body of so many bytes is let in above that: those who fill it must not keep everybody else out.
const SMALL: usize = 64 * 1024;
/// Packets that the library gets at once. Between two such parts others have their turn.
const PACKETS_AT_ONCE: usize = 64;

/// Why a body is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It came more slowly than it may.
    Slow,
    /// It is larger than `maxPayload`.
    Large,
    /// There are too many unfinished ones.
    TooMany,
    /// The connection broke within it.
    Broken,
}

impl BodyError {
    /// Its name among the counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow_body",
            Self::Large => "large_body",
            Self::TooMany => "too_many_bodies",
            Self::Broken => "broken_body",
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// All bodies that are being collected.
#[derive(Debug, Clone, Default)]
pub struct Bodies(Arc<AtomicUsize>);

/// One that is complete. Its bytes are given back when it is dropped.
#[derive(Debug)]
pub struct Collected {
    /// What came.
    pub bytes: Bytes,
    _held: Held,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

impl Bodies {
    /// Collects one.
    ///
    /// # Errors
    /// It is too slow, too large, one too many, or ends in the middle.
    pub async fn collect<E>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Collected, BodyError> {
        let mut body = std::pin::pin!(body);
        let mut held = Held {
            bytes: 0,
            all: Arc::clone(&self.0),
        };
        let mut collected = BytesMut::new();
        let end = Instant::now() + BODY_WITHIN;
        let mut piece_end = Instant::now() + PIECE_WITHIN;
        let mut wanted = PIECE;
        loop {
            let next = timeout_at(piece_end.min(end), body.next());
            let piece = match next.await.map_err(|_| BodyError::Slow)? {
                None => {
                    return Ok(Collected {
                        bytes: collected.freeze(),
                        _held: held,
                    });
                }
                Some(Err(_)) => return Err(BodyError::Broken),
                Some(Ok(piece)) => piece,
            };
            if collected.len() + piece.len() > MAX_PAYLOAD {
                return Err(BodyError::Large);
            }
            held.bytes += piece.len();
            let all = self.0.fetch_add(piece.len(), Relaxed) + piece.len();
            if all > ALL_BODIES && held.bytes > SMALL {
                return Err(BodyError::TooMany);
            }
            collected.extend_from_slice(&piece);
            if collected.len() >= wanted {
                wanted = collected.len() + PIECE;
                piece_end = Instant::now() + PIECE_WITHIN;
            }
        }
    }
}

/// A body in parts of some packets each, in order.
pub fn parts(body: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let from = at?;
        let rest = &body[from..];
        let separator = rest
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == SEPARATOR)
            .nth(PACKETS_AT_ONCE - 1);
        match separator {
            Some((length, _)) => {
                at = Some(from + length + 1);
                Some(body.slice(from..from + length))
            }
            None => {
                at = None;
                Some(body.slice(from..))
            }
        }
    })
}

/// Bytes of packets that ask for a namespace other than ours. The library repeats its name in the answer, which goes
/// past what bounds everything else that we send.
#[must_use]
pub fn foreign_bytes(part: &[u8]) -> usize {
    part.split(|byte| *byte == SEPARATOR)
        .filter(|packet| packet.starts_with(b"40/"))
        .map(<[u8]>::len)
        .sum()
}

/// The first event that the library would drop, or would carry out and not answer: what it is counted as. On a WebSocket
/// the same judge ends the session, or answers; a poll has no place for answers that the library does not know of.
#[must_use]
pub fn unfit_event(part: &[u8]) -> Option<&'static str> {
    part.split(|byte| *byte == SEPARATOR).find_map(|packet| {
        let begins = &packet[..packet.len().min(LOOK)];
        match judge(begins, packet.len() <= LOOK) {
            Verdict::Pass | Verdict::AnswerAndPass(_) => None,
            Verdict::Answer(_) => Some("ack_id"),
            Verdict::Refuse => Some("unfit_event"),
        }
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use proptest::prelude::*;

    use super::*;

    async fn collect(pieces: Vec<(u64, usize)>) -> Result<usize, BodyError> {
        let body = stream::iter(pieces).then(async |(seconds, bytes)| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, ()>(Bytes::from(vec![b'x'; bytes]))
        });
        let body = Bodies::default().collect(body).await;
        body.map(|body| body.bytes.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_deadline_a_rate_and_a_size() {
        assert_eq!(collect(vec![]).await, Ok(0));
        assert_eq!(
            collect(vec![(1, 900_000), (4, 100_000)]).await,
            Ok(1_000_000)
        );
        assert_eq!(collect(vec![(1, 1_000_001)]).await, Err(BodyError::Large));
        assert_eq!(collect(vec![(6, 10)]).await, Err(BodyError::Slow));
        // Byte by byte, and just fast enough but too long.
        assert_eq!(collect(vec![(1, 1); 10]).await, Err(BodyError::Slow));
        assert_eq!(collect(vec![(4, 5000); 6]).await, Ok(30_000));
        assert_eq!(collect(vec![(4, 5000); 9]).await, Err(BodyError::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn all_bodies_have_a_bound_and_give_back_what_they_held() {
        let bodies = Bodies::default();
        let stalled = |bodies: Bodies| async move {
            let some = stream::iter([Ok::<_, ()>(Bytes::from(vec![b'x'; 900_000]))]);
            bodies.collect(some.chain(stream::pending())).await
        };
        let all = (0..100).map(|_| stalled(bodies.clone()));
        let (ends, small) = tokio::join!(futures::future::join_all(all), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let small = stream::iter([Ok::<_, ()>(Bytes::from(vec![b'x'; SMALL]))]);
            bodies.collect(small).await
        });
        assert_eq!(small.unwrap().bytes.len(), SMALL, "nobody keeps it out");
        let count = |wanted| {
            let errors = ends.iter().filter_map(|end| end.as_ref().err());
            errors.filter(|error| **error == wanted).count()
        };
        assert_eq!(count(BodyError::Slow), ALL_BODIES / 900_000);
        assert_eq!(count(BodyError::TooMany), 100 - ALL_BODIES / 900_000);
        assert_eq!(bodies.0.load(Relaxed), 0);
    }

    proptest! {
        #[test]
        fn parts_are_the_body(packets in proptest::collection::vec("[a-z]{0,3}", 1..300)) {
            let body = Bytes::from(packets.join("\u{1e}"));
            let parts: Vec<Bytes> = parts(&body).collect();
            for part in &parts {
                prop_assert!(part.split(|byte| *byte == SEPARATOR).count() <= PACKETS_AT_ONCE);
            }
            prop_assert_eq!(parts.len(), packets.len().div_ceil(PACKETS_AT_ONCE));
            prop_assert_eq!(parts.join(&SEPARATOR), body);
        }
    }

    #[test]
    fn an_event_that_the_library_would_not_answer_is_found_among_others() {
        let fit = "40/a,\x1e42[\"x\",{}]\x1e4212[\"x\",\"42/a,\"]\x1e41\x1e2\x1e";
        assert_eq!(unfit_event(fit.as_bytes()), None);
        let id = format!("{fit}\x1e42{}[\"x\"]\x1e3", "9".repeat(20));
        assert_eq!(unfit_event(id.as_bytes()), Some("ack_id"));
        let long = format!("{fit}42{}[\"x\"]", "9".repeat(LOOK));
        assert_eq!(unfit_event(long.as_bytes()), Some("unfit_event"));
        assert_eq!(unfit_event(b"42/a,[\"x\"]"), Some("unfit_event"));
    }

    #[test]
    fn only_other_namespaces_are_foreign() {
        assert_eq!(
            foreign_bytes(b"40{}\x1e40/a,\x1e42[\"40/\"]\x1e41\x1e40/bc"),
            5 + 5
        );
    }
}
