//! The way to the CONNECT: what may come before it, and what each server that is none of ours is told to be.

use loadgen::{observed::Closed, scenario::Transport};

use crate::{
    peer::{OPEN, PING, PONG, Peer, serve},
    user::Way,
};

#[tokio::test]
async fn pings_come_before_and_during_the_handshake() {
    let url = serve(|mut peer: Peer| async move {
        peer.upgrade("").await;
        peer.frame(PING, b"early").await;
        assert_eq!(peer.next_frame().await, Some((PONG, b"early".to_vec())));
        peer.text("2").await;
        assert_eq!(peer.next_text().await, "3");
        peer.text(OPEN).await;
        assert_eq!(peer.next_text().await, "40{\"token\":\"t&t\"}");
        peer.frame(PING, b"late").await;
        assert_eq!(peer.next_frame().await, Some((PONG, b"late".to_vec())));
        peer.text("6").await;
        peer.text("40{\"pid\":\"p\", \"sid\":\"s\"}").await;
        peer.text("42[\"early\",1]").await;
        peer.text("1").await;
        peer.drain().await;
    })
    .await;
    let seen = Way::to(&url).until_closed(|_| {}).await;
    assert_eq!(seen.events, [("early".to_owned(), "1".to_owned())]);
}

#[tokio::test]
async fn events_may_come_before_the_connect() {
    let url = serve(|mut peer: Peer| async move {
        peer.upgrade("").await;
        peer.text(OPEN).await;
        peer.next_text().await;
        peer.text("42[\"welcome\",1]").await;
        peer.text("451-[\"pic\"]").await;
        peer.frame(crate::peer::BINARY, &[7]).await;
        peer.text("40{\"sid\":\"s\"}").await;
        peer.text("1").await;
        peer.drain().await;
    })
    .await;
    let seen = Way::to(&url).until_closed(|_| {}).await;
    let names: Vec<&str> = seen.events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["welcome", "pic"]);
}

#[tokio::test]
async fn everything_may_come_in_one_piece() {
    let url = serve(|mut peer: Peer| async move {
        peer.upgrade("").await;
        peer.text(OPEN).await;
        peer.next_text().await;
        let all: Vec<u8> = ["40{\"sid\":\"s\"}", "451-[\"pic\"]"]
            .iter()
            .flat_map(|text| crate::peer::frame(crate::peer::TEXT, text.as_bytes()))
            .chain(crate::peer::frame(crate::peer::BINARY, &[7]))
            .chain(crate::peer::frame(crate::peer::TEXT, b"1"))
            .collect();
        peer.raw(&all).await;
        peer.drain().await;
    })
    .await;
    let seen = Way::to(&url).until_closed(|_| {}).await;
    assert_eq!(seen.events, [("pic".to_owned(), String::new())]);
}

#[tokio::test]
async fn what_ends_a_connection_right_behind_the_connect_is_no_refusal() {
    for (last, what) in [
        (crate::peer::frame(0x83, b""), "opcode 0x3"),
        (
            crate::peer::frame(crate::peer::TEXT, b"no"),
            "packet \"no\"",
        ),
        (
            crate::peer::frame(crate::peer::CLOSE, &1001_u16.to_be_bytes()),
            "WebSocket close 1001",
        ),
    ] {
        let url = serve(move |mut peer: Peer| {
            let last = last.clone();
            async move {
                peer.upgrade("").await;
                peer.text(OPEN).await;
                peer.next_text().await;
                let connect = crate::peer::frame(crate::peer::TEXT, b"40{\"sid\":\"s\"}");
                peer.raw(&[connect, last].concat()).await;
                peer.drain().await;
            }
        })
        .await;
        let seen = Way::to(&url).until_closed(|_| {}).await;
        let closed = seen.closed.unwrap().to_string();
        assert!(closed.contains(what), "{closed}");
    }
}

#[tokio::test]
async fn an_answer_may_have_a_hundred_headers_and_its_cookies_are_kept() {
    let url = serve(|mut peer: Peer| async move {
        let mut headers: String = (0..100).map(|n| format!("X-Filler-{n}: v\r\n")).collect();
        headers.push_str("Set-Cookie: sticky=a; Path=/\r\nset-cookie: session=1\r\n");
        peer.upgrade(&headers).await;
        peer.text(OPEN).await;
        peer.next_text().await;
        peer.text("40{\"sid\":\"s\"}").await;
        let cookies = peer.header("cookie").unwrap_or("none").to_owned();
        peer.text(&format!("42[\"cookies\",\"{cookies}\"]")).await;
        peer.text("1").await;
        peer.drain().await;
    })
    .await;
    let way = Way::to(&url).with("headers = { cookie = \"own={id}\" }");
    for cookies in ["\"own=ann\"", "\"own=ann; sticky=a; session=1\""] {
        let seen = way.until_closed(|_| {}).await;
        assert_eq!(seen.events, [("cookies".to_owned(), cookies.to_owned())]);
    }
}

#[tokio::test]
async fn a_request_says_what_the_connections_say() {
    let url = serve(|mut peer: Peer| async move {
        peer.upgrade("").await;
        peer.text(OPEN).await;
        let connect = peer.next_text().await;
        peer.text("40{\"sid\":\"s\"}").await;
        let line = peer.request.lines().next().unwrap_or_default().to_owned();
        let said = [
            line.as_str(),
            peer.header("authorization").unwrap_or_default(),
            peer.header("access-token").unwrap_or_default(),
            &connect,
        ];
        let said = serde_json::json!(["said", said]);
        peer.text(&format!("42{said}")).await;
        peer.text("1").await;
        peer.drain().await;
    })
    .await;
    let url = url.replace("http://", "ws://me:pa%20ss@");
    let way = Way::to(&format!("{url}/?from=url")).with(
        "path = \"/chat/{index}/socket.io\"\nquery = { token = \"{token}\" }\n\
         headers = { access-token = \"Bearer {token}\" }\nauth = { who = { id = \"{id}\" }, n = 1 }",
    );
    let seen = way.until_closed(|_| {}).await;
    let said: Vec<String> = serde_json::from_str(&seen.events[0].1).unwrap();
    assert_eq!(
        said,
        [
            "GET /chat/0/socket.io/?EIO=4&transport=websocket&from=url&token=t%26t HTTP/1.1",
            "Basic bWU6cGEgc3M=",
            "Bearer t&t",
            "40{\"n\":1,\"who\":{\"id\":\"ann\"}}",
        ]
    );
}

#[tokio::test]
async fn a_socket_io_2_server_is_named_over_each_transport() {
    let url = serve(|mut peer: Peer| async move {
        peer.hear().await;
        if peer.header("upgrade").is_some() {
            // The head is read already.
            let key = peer.header("sec-websocket-key").unwrap_or_default();
            let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            peer.raw(answer.as_bytes()).await;
            peer.text("0{\"sid\":\"e\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":5000}")
                .await;
            peer.text("40").await;
            peer.drain().await;
            return;
        }
        let body = "81:0{\"sid\":\"e\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":5000}2:40";
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        peer.raw(answer.as_bytes()).await;
    })
    .await;
    for transport in [
        Transport::Websocket,
        Transport::Polling,
        Transport::Upgraded,
    ] {
        let refused = Way::to(&url).over(transport).refused().await;
        assert!(
            refused.contains("Socket.IO 2"),
            "{}: {refused}",
            transport.name()
        );
    }
}

#[tokio::test]
async fn what_comes_before_an_answer_is_none() {
    let url = serve(|mut peer: Peer| async move {
        for _ in 0..3 {
            peer.raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
                .await;
        }
        peer.greet().await;
        peer.text("1").await;
        peer.drain().await;
    })
    .await;
    let seen = Way::to(&url).until_closed(|_| {}).await;
    assert_eq!(
        seen.closed,
        Some(Closed::ByServer("Engine.IO close".into()))
    );
}

#[tokio::test]
async fn each_refusal_is_told() {
    for (answer, what) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope",
            "404 Not Found nope; is the path right (--path)?",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: https://h/\r\ncontent-length: 0\r\n\r\n",
            "sends to https://h/",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            "no valid Sec-WebSocket-Accept",
        ),
        (
            "HTTP/1.0 307 x\r\nlocation: /chat/\r\n\r\n",
            "sends to /chat/",
        ),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 37\r\n\r\n{\"code\":0,\"message\":\"no\u{1b}[2J and more\"}",
            "\\u{1b}[2J",
        ),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "not HTTP"),
        ("", "closed the connection instead of upgrading"),
    ] {
        let url = serve(move |mut peer: Peer| async move {
            peer.hear().await;
            peer.raw(answer.as_bytes()).await;
        })
        .await;
        let refused = Way::to(&url).refused().await;
        assert!(refused.contains(what), "{what}: {refused}");
    }
}

#[tokio::test]
async fn a_refused_poll_tells_what_may_help() {
    for (answer, what) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope",
            "404 Not Found with \"nope\"; is the path right (--path)?",
        ),
        (
            "HTTP/1.1 301 Moved Permanently\r\nlocation: https://h/\r\ncontent-length: 0\r\n\r\n",
            "it sends to https://h/: name that as the target",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "empty answer",
        ),
    ] {
        for transport in [Transport::Polling, Transport::Upgraded] {
            let url = serve(move |mut peer: Peer| async move {
                peer.hear().await;
                peer.raw(answer.as_bytes()).await;
            })
            .await;
            let refused = Way::to(&url).over(transport).refused().await;
            assert!(refused.contains(what), "{what}: {refused}");
        }
    }
}
