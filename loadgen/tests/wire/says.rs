//! Legal packets and frames however they are written, and violations, which end the connection by name.

use std::sync::{Arc, Mutex};

use loadgen::{drive::Client, observed::Closed};

use crate::{
    peer::{BINARY, CLOSE, ENDS, GOES_ON, PING, PONG, Peer, TEXT, TEXT_BEGINS, frame, serve},
    user::{Seen, Way},
};

/// What a user sees of these frames, and then a normal end.
async fn seen(frames: Vec<(u8, Vec<u8>)>) -> Seen {
    let url = serve(move |mut peer: Peer| {
        let frames = frames.clone();
        async move {
            peer.greet().await;
            for (first, payload) in &frames {
                peer.frame(*first, payload).await;
            }
            peer.frame(CLOSE, &1000_u16.to_be_bytes()).await;
            peer.drain().await;
        }
    })
    .await;
    Way::to(&url).until_closed(|_| {}).await
}

fn text(text: &str) -> (u8, Vec<u8>) {
    (TEXT, text.as_bytes().to_vec())
}

#[tokio::test]
async fn events_are_read_by_their_json() {
    for (packet, name, payload) in [
        (r#"42["said",{"a":1}]"#, "said", r#"{"a":1}"#),
        (r#"42["said"]"#, "said", ""),
        (r#"42[ "said" , {"a":1} ]"#, "said", r#"{"a":1}"#),
        ("42\n[\t\"said\",\r\n1 ]\n", "said", "1"),
        (r#"42["s\u0061id",1]"#, "said", "1"),
        (r#"42["a\"b\\c",1]"#, "a\"b\\c", "1"),
        (r#"42["сказал",1]"#, "сказал", "1"),
        (r#"42["\ud83d\ude42",1]"#, "🙂", "1"),
        (
            r#"42["said","room",{"a":[1,2]},null]"#,
            "said",
            r#""room",{"a":[1,2]},null"#,
        ),
        (r#"42["said",[{"a":1}]]"#, "said", r#"[{"a":1}]"#),
        (r#"42["said","a]\"[,"]"#, "said", r#""a]\"[,""#),
        (r#"42[7,1]"#, "7", "1"),
    ] {
        let seen = seen(vec![text(packet)]).await;
        assert_eq!(
            seen.events,
            [(name.to_owned(), payload.to_owned())],
            "{packet}"
        );
        assert_eq!(
            seen.closed,
            Some(Closed::ByServer("WebSocket close 1000".into()))
        );
    }
}

#[tokio::test]
async fn binary_events_and_acknowledgements_come_with_their_attachments() {
    let place = |number: u32| format!(r#"{{"_placeholder":true,"num":{number}}}"#);
    let seen = seen(vec![
        text(&format!("451-[\"avatar\",{}]", place(0))),
        (BINARY, vec![1, 2, 3]),
        text(&format!(
            "452-[\"two\",{{\"a\":{},\"b\":{}}}]",
            place(0),
            place(1)
        )),
        // Heartbeats of both kinds come in between.
        (BINARY, vec![1]),
        text("2"),
        (PING, vec![]),
        (BINARY, vec![]),
        text(&format!("461-7[{{\"sig\":{}}}]", place(0))),
        (BINARY, vec![9]),
        text("450-[\"none\"]"),
    ])
    .await;
    let names: Vec<&str> = seen.events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["avatar", "two", "none"]);
    assert_eq!(seen.events[0].1, place(0));
    assert_eq!(seen.acks, [(7, format!("{{\"sig\":{}}}", place(0)))]);
    assert!(matches!(seen.closed, Some(Closed::ByServer(_))), "{seen:?}");
}

#[tokio::test]
async fn what_is_not_ours_is_ignored_and_counted() {
    let seen = seen(vec![
        text("6"),
        text("42/other,[\"said\",1]"),
        text("43/other,1[]"),
        text("41/other,"),
        text("40/other,{\"sid\":\"x\"}"),
        (PONG, vec![]),
        text("42[\"said\",1]"),
    ])
    .await;
    assert_eq!(seen.events, [("said".to_owned(), "1".to_owned())]);
    assert_eq!(
        seen.ignored,
        [
            "said of namespace /other",
            "an acknowledgement of namespace /other",
            "a packet of namespace /other",
            "a packet of namespace /other"
        ]
    );
}

#[tokio::test]
async fn fragments_are_put_together_around_control_frames() {
    let seen = seen(vec![
        (TEXT_BEGINS, b"42[\"sa".to_vec()),
        (PING, b"in between".to_vec()),
        (GOES_ON, b"id\",\"\xc3".to_vec()),
        (ENDS, b"\xa9\"]".to_vec()),
    ])
    .await;
    assert_eq!(seen.events, [("said".to_owned(), "\"é\"".to_owned())]);
}

#[tokio::test]
async fn a_frame_split_over_many_reads_is_read() {
    let url = serve(|mut peer: Peer| async move {
        peer.greet().await;
        for byte in frame(TEXT, b"42[\"said\",1]") {
            peer.raw(&[byte]).await;
            tokio::task::yield_now().await;
        }
        peer.frame(CLOSE, &[]).await;
    })
    .await;
    let seen = Way::to(&url).until_closed(|_| {}).await;
    assert_eq!(seen.events.len(), 1);
}

#[tokio::test]
async fn events_that_ask_are_answered_and_pings_too() {
    let url = serve(|mut peer: Peer| async move {
        peer.greet().await;
        for (first, payload, answer) in [
            (
                TEXT,
                &b"4212[\"hello\",{\"a\":1}]"[..],
                (TEXT, &b"4312[]"[..]),
            ),
            (TEXT, b"424294967296[\"hello\"]", (TEXT, b"434294967296[]")),
            (TEXT, b"2", (TEXT, b"3")),
            (TEXT, b"2x", (TEXT, b"3x")),
            (PING, b"payload", (PONG, b"payload")),
        ] {
            peer.frame(first, payload).await;
            let heard = peer.next_frame().await.unwrap();
            assert_eq!((heard.0, &heard.1[..]), answer);
        }
        peer.text("451-3[\"pic\",{\"_placeholder\":true,\"num\":0}]")
            .await;
        peer.frame(BINARY, &[1]).await;
        assert_eq!(peer.next_text().await, "433[]");
        peer.text("42[\"all is well\"]").await;
        peer.frame(CLOSE, &[]).await;
    })
    .await;
    let seen = Way::to(&url).until_closed(|_| {}).await;
    // The server's own assertions end its task before it says so.
    assert_eq!(seen.events.last().unwrap().0, "all is well", "{seen:?}");
}

#[tokio::test]
async fn a_namespace_is_in_every_packet() {
    let url = serve(|mut peer: Peer| async move {
        peer.upgrade("").await;
        peer.text(crate::peer::OPEN).await;
        assert_eq!(peer.next_text().await, "40/admin,{\"token\":\"t&t\"}");
        peer.text("40/admin,{\"sid\":\"s\"}").await;
        assert_eq!(peer.next_text().await, "42/admin,5[\"say\",{\"a\":1}]");
        peer.text("43/admin,5[{\"ok\":true}]").await;
        peer.text("42/admin,9[\"ask\"]").await;
        assert_eq!(peer.next_text().await, "43/admin,9[]");
        peer.text("42[\"not ours\"]").await;
        peer.text("42/admin,[\"ours\"]").await;
        peer.text("41/admin,").await;
        peer.drain().await;
    })
    .await;
    let way = Way::to(&format!("{url}/admin"));
    let seen = way
        .until_closed(|user| user.emit("say", "{\"a\":1}", Some(5)))
        .await;
    assert_eq!(seen.acks, [(5, "{\"ok\":true}".to_owned())]);
    let names: Vec<&str> = seen.events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ask", "ours"]);
    assert_eq!(seen.ignored, ["not ours of namespace /"]);
    assert_eq!(
        seen.closed,
        Some(Closed::ByServer("Socket.IO DISCONNECT".into()))
    );
}

#[tokio::test]
async fn each_violation_ends_the_connection_by_name() {
    let long = vec![b'x'; 200];
    for (bytes, what) in [
        (frame(TEXT, b"hello"), "unexpected packet \"hello\""),
        (frame(TEXT, b"42[\"said\",{]"), "an event that is no JSON"),
        (frame(TEXT, b"42[\"said\",]"), "unexpected packet"),
        (frame(TEXT, b"42[\"said\" 1]"), "unexpected packet"),
        (
            frame(TEXT, b"42[\"said\",{\"a\":1}}]"),
            "an event that is no JSON",
        ),
        (
            frame(TEXT, b"42[\"said\",{\"a\":1},]"),
            "an event that is no JSON",
        ),
        (
            frame(TEXT, b"42[\"said\",{\"a\":1} {\"b\":2}]"),
            "an event that is no JSON",
        ),
        (frame(TEXT, b"42{}"), "unexpected packet"),
        (frame(TEXT, b"43[]"), "unexpected packet"),
        (frame(TEXT, b"437[{]"), "an acknowledgement that is no JSON"),
        (
            frame(TEXT, b"437[{\"success\":true}x]"),
            "an acknowledgement that is no JSON",
        ),
        (
            frame(TEXT, b"437[1 2]"),
            "an acknowledgement that is no JSON",
        ),
        (
            frame(TEXT, b"4399999999999999999999[]"),
            "unexpected packet",
        ),
        (frame(TEXT, b"40{\"sid\":\"again\"}"), "a second handshake"),
        (frame(TEXT, b"\xff"), "not UTF-8"),
        (frame(BINARY, b"\x01"), "no packet announced"),
        (
            [frame(TEXT, b"451-[\"a\"]"), frame(TEXT, b"42[\"b\"]")].concat(),
            "between another one and its attachments",
        ),
        (
            frame(PING, &long),
            "control frame of 200 bytes, and 125 are the most",
        ),
        (frame(0x09, b""), "fragmented"),
        (frame(0x83, b""), "opcode 0x3"),
        (frame(0xc1, b"x"), "reserved bit"),
        (vec![TEXT, 0x80, 0, 0, 0, 0], "masked"),
        (
            [&[TEXT, 127, 0x80][..], &[0; 7]].concat(),
            "63 bits are the most",
        ),
    ] {
        let (seen, goodbye) = hung_up(bytes).await;
        let Some(closed @ Closed::Protocol(_)) = &seen.closed else {
            panic!("{what}: {seen:?}");
        };
        let closed = closed.to_string();
        assert!(
            closed.contains(what) && closed.contains("closed by this program"),
            "{closed}"
        );
        assert_eq!(goodbye, (CLOSE, vec![0x03, 0xea]), "{what}");
    }
}

#[tokio::test]
async fn more_than_is_read_here_ends_the_connection_and_is_no_violation() {
    let mut long = vec![TEXT, 127];
    long.extend(((16_u64 << 20) + 1).to_be_bytes());
    let half = vec![b'x'; 8 << 20];
    let fragments = [
        frame(TEXT_BEGINS, &half),
        frame(GOES_ON, &half),
        frame(ENDS, b"x"),
    ];
    for (bytes, what) in [
        (long, "16777217 bytes, and 16777216 (16 MiB) are the most"),
        (fragments.concat(), "16777217 bytes, and 16777216 (16 MiB)"),
        (
            frame(TEXT, b"4510001-[\"a\"]"),
            "10001 attachments, and 10000 are the most",
        ),
    ] {
        let (seen, goodbye) = hung_up(bytes).await;
        let Some(closed @ Closed::Limit(_)) = &seen.closed else {
            panic!("{what}: {seen:?}");
        };
        let closed = closed.to_string();
        assert!(
            closed.contains(what) && closed.contains("closed by this program, whose limit"),
            "{closed}"
        );
        assert_eq!(goodbye, (CLOSE, vec![0x03, 0xf1]), "{what}");
    }
}

#[tokio::test]
async fn a_silent_server_is_left_with_no_connection() {
    let (told, heard) = tokio::sync::oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let url = serve(move |mut peer: Peer| {
        let told = told.lock().unwrap().take();
        async move {
            peer.greet().await;
            let goodbye = (peer.next_frame().await, peer.next_frame().await);
            let _ = told.unwrap().send(goodbye);
        }
    })
    .await;
    let seen = Way::to(&url).until_silent().await;
    assert!(matches!(seen.closed, Some(Closed::Silent(_))), "{seen:?}");
    let (goodbye, end) = heard.await.unwrap();
    assert_eq!(goodbye, Some((CLOSE, vec![0x03, 0xe8])));
    assert_eq!(end, None);
}

/// What a user sees of these bytes, and what its server hears then.
async fn hung_up(bytes: Vec<u8>) -> (Seen, (u8, Vec<u8>)) {
    let (told, heard) = tokio::sync::oneshot::channel();
    let told = Arc::new(Mutex::new(Some(told)));
    let url = serve(move |mut peer: Peer| {
        let (bytes, told) = (bytes.clone(), told.lock().unwrap().take());
        async move {
            peer.greet().await;
            peer.raw(&bytes).await;
            let goodbye = peer.next_frame().await;
            let _ = told.unwrap().send(goodbye);
        }
    })
    .await;
    let seen = Way::to(&url).until_closed(|_| {}).await;
    (seen, heard.await.unwrap().unwrap())
}

#[tokio::test]
async fn the_servers_goodbyes_are_told_apart() {
    let policy = [&1008_u16.to_be_bytes()[..], b"too\nmuch"].concat();
    for (first, payload, what) in [
        (CLOSE, &policy[..], "WebSocket close 1008, \"too\\nmuch\""),
        (CLOSE, b"", "WebSocket close"),
        (TEXT, b"41", "Socket.IO DISCONNECT"),
        (TEXT, b"1", "Engine.IO close"),
    ] {
        let seen = seen(vec![(first, payload.to_vec())]).await;
        assert_eq!(seen.closed, Some(Closed::ByServer(what.into())));
    }
}
