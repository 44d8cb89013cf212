//! Who sends more than `--events-per-second`: a burst is answered, and a flood is read slowly and then ended.

use std::{num::NonZeroU32, time::Duration};

use futures::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, GUARD},
    polling::Polling,
    running::{config, start},
};

#[tokio::test]
async fn a_flood_of_events_is_refused_beyond_the_rate() {
    let mut config = config();
    config.limits.events_per_second = NonZeroU32::new(5);
    let server = start(config).await;
    let mut client = Client::login(server.address, "a").await;
    let mut asked = Vec::new();
    for n in 0..100 {
        asked.push(client.ask("joinRoom", json!({ "roomId": n })).await);
    }
    let (mut done, mut refused) = (0, 0);
    for ask in asked {
        let ack = client.ack(ask).await;
        if ack["success"] == true {
            done += 1;
        } else {
            assert_eq!(ack["message"], "Too many events");
            refused += 1;
        }
    }
    assert!(
        done >= 5 && refused > 0 && done + refused == 100,
        "{done} {refused}"
    );
    assert_eq!(
        server
            .metric("chat_refused_total{reason=\"too_many_events\"}")
            .await,
        f64::from(refused)
    );
}

#[tokio::test]
async fn who_floods_is_read_more_slowly_and_must_go_in_the_end() {
    let mut config = config();
    config.limits.events_per_second = NonZeroU32::new(5);
    // It answers no ping.
    config.ping_timeout = Duration::from_secs(60);
    let server = start(config).await;
    let mut flooder = Client::in_rooms(server.address, "f", &["r"]).await;
    let flood = async {
        let event = "42[\"joinRoom\",{\"roomId\":\"r\"}]";
        while flooder.ws.send(Message::text(event)).await.is_ok() {}
    };
    tokio::time::timeout(GUARD, flood)
        .await
        .expect("never gone");
    server.until_stats(0, 0, 0).await;
    assert_eq!(server.metric("chat_cut_total{reason=\"flood\"}").await, 1.0);
    let refused = server
        .metric("chat_refused_total{reason=\"too_many_events\"}")
        .await;
    // Some seconds, and in each no more than is read at once.
    assert!((10.0..5000.0).contains(&refused), "{refused}");
}

/// More than can be read within the time that a flood may last, if it is paused for each event.
const BURST: usize = 3000;

#[tokio::test]
async fn a_large_burst_is_answered_and_may_stay() {
    let mut config = config();
    config.limits.events_per_second = NonZeroU32::new(5);
    config.limits.send_buffer = 2 * BURST;
    let server = start(config).await;
    let mut client = Client::login(server.address, "a").await;
    let polling = Polling::login(server.address, "p").await;
    let event = |n: usize| format!("42{n}[\"joinRoom\",{{\"roomId\":\"r\"}}]");
    let events: Vec<String> = (0..BURST).map(|n| event(n + 1000)).collect();
    for event in &events {
        client.ws.feed(Message::text(event.as_str())).await.unwrap();
    }
    client.ws.flush().await.unwrap();
    let body = events.join("\u{1e}");
    let (status, ()) = tokio::join!(polling.post(&body), async {
        for n in 0..BURST {
            client.ack(n as u64 + 1000).await;
        }
    });
    assert_eq!(status, 200);
    let mut polled = 0;
    while polled < BURST {
        let packets = polling.poll().await;
        polled += packets
            .iter()
            .filter(|packet| packet.starts_with("43"))
            .count();
    }
    server.until_stats(2, 1, 2).await;
    assert_eq!(server.metric("chat_cut_total{reason=\"flood\"}").await, 0.0);
}
