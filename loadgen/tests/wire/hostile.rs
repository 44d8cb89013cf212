//! Servers that flood, and servers that read nothing: nothing grows, and everybody else has a turn.

use loadgen::{drive::Client, observed::Closed};

use crate::{
    peer::{PING, Peer, TEXT, frame, serve},
    user::Way,
};

/// Bytes of a flood.
const FLOOD: usize = 32 << 20;

#[tokio::test]
async fn a_flood_of_pings_leaves_others_their_turn_and_nothing_waits() {
    for ping in [frame(TEXT, b"2"), frame(PING, b""), frame(PING, &[7; 125])] {
        let url = serve(move |mut peer: Peer| {
            let ping = ping.clone();
            async move {
                peer.greet().await;
                // It never reads an answer.
                let some = ping.repeat((64 << 10) / ping.len());
                for _ in 0..FLOOD / some.len() {
                    peer.raw(&some).await;
                }
                peer.text("42[\"after the flood\"]").await;
                peer.text("1").await;
                peer.drain().await;
            }
        })
        .await;
        let (seen, turns) = Way::to(&url).turns_until_closed().await;
        assert_eq!(seen.events, [("after the flood".to_owned(), String::new())]);
        assert_eq!(
            seen.closed,
            Some(Closed::ByServer("Engine.IO close".into()))
        );
        // At least one for each quarter of what is read at once.
        assert!(turns > (FLOOD / (64 << 10)) as u64 / 2, "{turns}");
    }
}

#[tokio::test]
async fn what_a_server_does_not_read_is_bounded() {
    let url = serve(|mut peer: Peer| async move {
        peer.greet().await;
        // Neither reads nor says anything more, and stays.
        std::future::pending::<()>().await;
    })
    .await;
    let body = format!("\"{}\"", "x".repeat(1 << 20));
    let seen = Way::to(&url)
        .until_closed(|user| {
            for _ in 0..32 {
                user.emit("say", &body, None);
            }
        })
        .await;
    assert_eq!(seen.closed, Some(Closed::Overfull(4 << 20)));
}
