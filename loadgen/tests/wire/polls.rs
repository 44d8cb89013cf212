//! Long polling by hand: what one answer may hold, how much one request may post, and connections that end in between.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use loadgen::{drive::Client, observed::Closed, scenario::Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    peer::{Peer, serve},
    user::Way,
};

/// A session: what polls are answered with, in turn, and what was posted.
#[derive(Clone, Default)]
struct Session {
    answers: Arc<Mutex<VecDeque<String>>>,
    posted: Arc<Mutex<Vec<String>>>,
}

impl Session {
    fn new(answers: &[&str]) -> Self {
        let session = Self::default();
        let mut all = session.answers.lock().unwrap();
        all.extend(answers.iter().map(|answer| (*answer).to_owned()));
        drop(all);
        session
    }

    /// `keep`: a connection serves more than one request.
    async fn serve(&self, keep: bool) -> String {
        let session = self.clone();
        serve(move |mut peer: Peer| {
            let session = session.clone();
            async move {
                loop {
                    peer.hear().await;
                    if peer.request.is_empty() {
                        return;
                    }
                    let answer = session.answer(&mut peer).await;
                    let close = if keep { "" } else { "connection: close\r\n" };
                    let head = format!(
                        "HTTP/1.1 200 OK\r\n{close}content-length: {}\r\n",
                        answer.len()
                    );
                    peer.raw(format!("{head}\r\n{answer}").as_bytes()).await;
                    peer.request.clear();
                    if !keep {
                        return;
                    }
                }
            }
        })
        .await
    }

    async fn answer(&self, peer: &mut Peer) -> String {
        if peer.request.starts_with("POST") {
            let length = peer
                .header("content-length")
                .unwrap_or("0")
                .parse()
                .unwrap();
            let mut body = vec![0; length];
            peer.wire.read_exact(&mut body).await.unwrap();
            let body = String::from_utf8(body).unwrap();
            self.posted.lock().unwrap().push(body);
            return "ok".to_owned();
        }
        let next = self.answers.lock().unwrap().pop_front();
        match next {
            Some(answer) => answer,
            // The last word waits until all that was to be said was posted.
            None => {
                while !self.posted.lock().unwrap().concat().contains("last") {
                    tokio::task::yield_now().await;
                }
                "1".to_owned()
            }
        }
    }
}

const SMALL: &str = "0{\"sid\":\"e1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":40}";

#[tokio::test]
async fn packets_and_attachments_come_in_one_answer_and_no_post_is_too_long() {
    for keep in [true, false] {
        let session = Session::new(&[
            SMALL,
            "40{\"sid\":\"s\"}\u{1e}42[\"early\"]",
            "451-[\"pic\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID\u{1e}427[\"ask\"]\u{1e}6",
            "2\u{1e}2",
            "431[\"ok\"]",
        ]);
        let url = session.serve(keep).await;
        let way = Way::to(&url).over(Transport::Polling);
        let seen = way
            .until_closed(|user| {
                for number in 0..5 {
                    user.emit("say", &number.to_string(), None);
                }
                user.emit("last", "\"a packet that is longer than 40 bytes\"", Some(1));
            })
            .await;
        let posted = session.posted.lock().unwrap().clone();
        assert_eq!(posted[0], "40{\"token\":\"t&t\"}");
        let packets: Vec<&str> = posted[1..]
            .iter()
            .flat_map(|body| body.split('\u{1e}'))
            .collect();
        for number in 0..5 {
            assert!(
                packets.contains(&&*format!("42[\"say\",{number}]")),
                "{posted:?}"
            );
        }
        for body in &posted {
            assert!(body.len() <= 40 || !body.contains('\u{1e}'), "{body}");
        }
        let names: Vec<&str> = seen.events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["early", "pic", "ask"], "{seen:?}");
        assert_eq!(seen.acks, [(1, "\"ok\"".to_owned())]);
        assert_eq!(
            seen.closed,
            Some(Closed::ByServer("Engine.IO close".into()))
        );
        assert!(packets.contains(&"437[]"), "{posted:?}");
        // Of two heartbeats at once the last is answered.
        assert_eq!(packets.iter().filter(|packet| **packet == "3").count(), 1);
    }
}

#[tokio::test]
async fn a_session_that_the_server_has_forgotten_is_told() {
    let url = serve(|mut peer: Peer| async move {
        let answers = [SMALL, "ok", "40{\"sid\":\"s\"}"];
        peer.hear().await;
        // Each connection of the two begins with what it is for.
        let mut answer = match peer.request.contains("sid=") {
            false => answers[0],
            true => answers[1],
        };
        loop {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            );
            peer.raw(head.as_bytes()).await;
            peer.request.clear();
            peer.hear().await;
            if peer.request.is_empty() {
                return;
            }
            if answer == answers[2] {
                let unknown = "{\"code\":1,\"message\":\"Session ID unknown\"}";
                let head = "HTTP/1.1 400 Bad Request\r\ncontent-length: 41\r\n\r\n";
                peer.raw(format!("{head}{unknown}").as_bytes()).await;
                return;
            }
            answer = answers[2];
        }
    })
    .await;
    let seen = Way::to(&url)
        .over(Transport::Polling)
        .until_closed(|_| {})
        .await;
    let Some(Closed::ByServer(what)) = &seen.closed else {
        panic!("{seen:?}");
    };
    assert!(
        what.contains("400") && what.contains("Session ID unknown"),
        "{what}"
    );
}

/// A session of which each answer is written by hand: to the handshake, to the poll with the CONNECT, and to those that
/// follow; posts are taken. Tells when its connections end.
async fn by_hand(
    polled: impl Fn() -> Vec<u8> + Clone + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) {
    let posted: Arc<Mutex<Vec<String>>> = Arc::default();
    let open = Arc::new(AtomicUsize::new(0));
    let polls = Arc::new(AtomicUsize::new(0));
    let (all_posted, all_open) = (Arc::clone(&posted), Arc::clone(&open));
    let url = serve(move |mut peer: Peer| {
        let (posted, open) = (Arc::clone(&all_posted), Arc::clone(&all_open));
        let (polls, polled) = (Arc::clone(&polls), polled.clone());
        async move {
            open.fetch_add(1, Relaxed);
            loop {
                peer.request.clear();
                peer.hear().await;
                if peer.request.is_empty() {
                    break;
                }
                let answer = if peer.request.starts_with("POST") {
                    let length = peer.header("content-length").unwrap().parse().unwrap();
                    let mut body = vec![0; length];
                    peer.wire.read_exact(&mut body).await.unwrap();
                    let body = String::from_utf8(body).unwrap();
                    posted.lock().unwrap().push(body);
                    whole("", b"ok")
                } else {
                    match polls.fetch_add(1, Relaxed) {
                        0 => whole("", SMALL.as_bytes()),
                        1 => whole("", b"40{\"sid\":\"s\"}"),
                        _ => polled(),
                    }
                };
                peer.raw(&answer).await;
            }
            open.fetch_sub(1, Relaxed);
        }
    })
    .await;
    (url, posted, open)
}

/// An answer with further headers.
fn whole(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn none_open(open: &AtomicUsize) {
    let closed = async {
        while open.load(Relaxed) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let closed = tokio::time::timeout(std::time::Duration::from_secs(30), closed).await;
    closed.expect("both connections end");
}

#[tokio::test]
async fn a_goodbye_ends_the_poll_that_waits_and_leaves_no_connection() {
    // A server that answers the poll, and one that never does.
    for answer in [whole("", b"6"), Vec::new()] {
        let (url, posted, open) = by_hand(move || answer.clone()).await;
        let way = Way::to(&url).over(Transport::Polling);
        let seen = way.until_closed(|user| user.close()).await;
        assert_eq!(seen.closed, None);
        assert_eq!(posted.lock().unwrap()[1..], ["41\u{1e}1"]);
        none_open(&open).await;
    }
}

#[tokio::test]
async fn what_ends_a_session_is_told_and_the_server_is_told_too() {
    let long = whole("", &vec![b'2'; (16 << 20) + 1]);
    let violations = [
        (whole("", b"42[\"a\",]"), "unexpected packet"),
        (whole("", b"\xff\xfe"), "not UTF-8"),
        (whole("", b"b?"), "no Base64"),
        (
            whole("content-encoding: gzip\r\n", b"\x1f\x8b"),
            "in the encoding gzip, and none was asked for",
        ),
        (b"what\r\n\r\n".to_vec(), "no HTTP answer"),
    ];
    for (answer, what) in violations.into_iter().chain([(long, "16 MiB")]) {
        let (url, posted, open) = by_hand(move || answer.clone()).await;
        let way = Way::to(&url).over(Transport::Polling);
        let seen = way.until_closed(|_| {}).await;
        let closed = seen.closed.unwrap();
        match what {
            "16 MiB" => assert!(matches!(closed, Closed::Limit(_)), "{closed}"),
            _ => assert!(matches!(closed, Closed::Protocol(_)), "{closed}"),
        }
        assert!(closed.to_string().contains(what), "{what}: {closed}");
        assert_eq!(posted.lock().unwrap()[1..], ["41\u{1e}1"], "{what}");
        none_open(&open).await;
    }
}

/// As socketioxide answers when it closes a session.
#[tokio::test]
async fn an_empty_answer_to_a_poll_is_the_servers_end_of_the_session() {
    let (url, posted, open) = by_hand(|| whole("", b"")).await;
    let seen = Way::to(&url)
        .over(Transport::Polling)
        .until_closed(|_| {})
        .await;
    let Some(Closed::ByServer(what)) = &seen.closed else {
        panic!("{seen:?}");
    };
    assert!(what.contains("empty answer"), "{what}");
    // To who has ended it nothing more is said.
    assert_eq!(posted.lock().unwrap().len(), 1);
    none_open(&open).await;
}

#[tokio::test]
async fn answers_may_be_chunked_and_of_http_1_0() {
    for answer in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n42[\"\r\n7\r\nsaid\"]\u{1e}\r\n1\r\n1\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ncontent-length: 12\r\n\r\n42[\"said\"]\u{1e}1",
        "HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 12\r\n\r\n42[\"said\"]\u{1e}1",
    ] {
        let (url, _, _) = by_hand(|| answer.as_bytes().to_vec()).await;
        let way = Way::to(&url).over(Transport::Polling);
        let seen = way.until_closed(|_| {}).await;
        assert_eq!(seen.events, [("said".to_owned(), String::new())]);
        assert_eq!(
            seen.closed,
            Some(Closed::ByServer("Engine.IO close".into())),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_in_a_pause_is_made_anew() {
    let session = Session::new(&[SMALL, "40{\"sid\":\"s\"}", "42[\"a\"]", "42[\"b\"]"]);
    let url = {
        let session = session.clone();
        serve(move |mut peer: Peer| {
            let session = session.clone();
            async move {
                peer.hear().await;
                let answer = session.answer(&mut peer).await;
                peer.raw(&whole("", answer.as_bytes())).await;
                // The next request is on its way when the connection ends.
                end_at_the_next_request(&mut peer).await;
            }
        })
        .await
    };
    let way = Way::to(&url).over(Transport::Polling);
    let seen = way.until_closed(|user| user.emit("last", "1", None)).await;
    let names: Vec<&str> = seen.events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "{seen:?}");
    assert_eq!(
        seen.closed,
        Some(Closed::ByServer("Engine.IO close".into()))
    );
}

/// Ends a connection in order while a request comes over it that nobody will answer.
async fn end_at_the_next_request(peer: &mut Peer) {
    let _ = peer.wire.read_u8().await;
    let _ = peer.wire.shutdown().await;
    // What is closed with something unread in it is reset.
    let _ = peer.wire.read_to_end(&mut Vec::new()).await;
}

/// A session whose connection ends as `end` has it while a request comes over it, the one behind the answer that begins so.
async fn torn_behind(answer: &'static str, end: End) -> (String, Session) {
    let session = Session::new(&[SMALL, "40{\"sid\":\"s\"}", "42[\"again\"]"]);
    let shared = session.clone();
    let url = serve(move |mut peer: Peer| {
        let session = shared.clone();
        async move {
            loop {
                peer.request.clear();
                peer.hear().await;
                if peer.request.is_empty() {
                    return;
                }
                let said = session.answer(&mut peer).await;
                peer.raw(&whole("", said.as_bytes())).await;
                if said.starts_with(answer) {
                    match end {
                        // What is closed with something unread in it is reset.
                        End::Reset => {
                            let _ = peer.wire.read_u8().await;
                        }
                        End::Late => {
                            peer.hear().await;
                            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                        }
                    }
                    return;
                }
            }
        }
    })
    .await;
    (url, session)
}

/// How a connection ends under a request.
#[derive(Clone, Copy)]
enum End {
    /// By a reset.
    Reset,
    /// In order, when the request has waited for longer than any round trip.
    Late,
}

#[tokio::test]
async fn a_request_that_the_server_may_have_taken_is_not_repeated() {
    for end in [End::Reset, End::Late] {
        // A poll, and whatever would have been in its answer.
        let (url, _) = torn_behind("40", end).await;
        let way = Way::to(&url).over(Transport::Polling);
        let seen = way.until_closed(|user| user.emit("last", "1", None)).await;
        assert!(seen.events.is_empty(), "{seen:?}");
        assert!(
            matches!(seen.closed, Some(Closed::Transport(_))),
            "{seen:?}"
        );
    }
    // A post, which would come twice.
    let (url, session) = torn_behind("ok", End::Reset).await;
    let way = Way::to(&url).over(Transport::Polling);
    let seen = way.until_closed(|user| user.emit("last", "1", None)).await;
    assert!(
        matches!(seen.closed, Some(Closed::Transport(_))),
        "{seen:?}"
    );
    assert_eq!(session.posted.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_flood_of_pings_in_one_answer_leaves_others_their_turn_and_is_answered_once() {
    let (url, posted, _) = by_hand(|| {
        let mut flood = "2\u{1e}".repeat(1_000_000);
        flood.push('1');
        whole("", flood.as_bytes())
    })
    .await;
    let way = Way::to(&url).over(Transport::Polling);
    let (seen, turns) = way.turns_until_closed().await;
    assert_eq!(
        seen.closed,
        Some(Closed::ByServer("Engine.IO close".into()))
    );
    assert!(turns > 900, "{turns}");
    assert!(posted.lock().unwrap().len() < 3);
}
