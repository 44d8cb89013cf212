//! Long polling by hand: what one answer may hold, how much one request may post, and connections that end in between.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use loadgen::{drive::Client, observed::Closed, scenario::Transport};
use tokio::io::AsyncReadExt;

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
