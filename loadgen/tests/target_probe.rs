//! Probing a target's address, and reading back an in-memory store, against servers that answer fixed bytes.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

use loadgen::{
    dial::{Caller, Endpoint, Target, Trust},
    rig::{self, Late, TargetError},
    scenario::{Connections, Transport},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

#[tokio::test]
async fn a_port_at_which_nothing_listens_is_said() {
    // Held to the end, so that nobody else can be given it meanwhile, and never listening.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let silent = held.local_addr().unwrap();
    let line = probe(&format!("http://{silent}"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        line.starts_with(&format!(
            "nothing listens at http://{silent} (connection refused)"
        )),
        "{line}"
    );
}

#[tokio::test]
async fn what_is_no_socket_io_server_is_said_with_what_came() {
    for (answer, expected) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope",
            "it answers HTTP 404 Not Found with \"nope\"; is the path right (--path)?",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<html></a",
            "it answers HTTP 200 OK with \"<html></a\"",
        ),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "it does not answer in HTTP ("),
        ("", "it does not answer in HTTP ("),
    ] {
        let url = answering(answer).await;
        let error = probe(&url).await.unwrap_err();
        assert!(matches!(error, TargetError::NotSocketIo { .. }), "{error}");
        let line = error.to_string();
        assert!(
            line.contains(&format!("{url} is not a Socket.IO server: {expected}")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_probe_closes_the_session_that_it_opened() {
    let open = r#"0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in [open, "ok"] {
            let (mut socket, _) = listener.accept().await.unwrap();
            requests.push(first_line(&mut socket).await);
            answer_with(
                &mut socket,
                &format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
                    answer.len()
                ),
            )
            .await;
        }
        requests
    });
    probe(&url).await.unwrap();
    assert_eq!(
        requests.await.unwrap(),
        [
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1",
            "POST /socket.io/?EIO=4&transport=polling&sid=abc HTTP/1.1"
        ]
    );
}

/// A server that answers each connection with these bytes and closes it.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            first_line(&mut socket).await;
            answer_with(&mut socket, answer).await;
        }
    });
    url
}

async fn reached(url: &str) -> Endpoint {
    let target = Target::new(url, &Connections::default(), None, &Trust::default()).unwrap();
    let asker = Caller::nobody(&target);
    Endpoint::resolve(target, asker).await.unwrap()
}

async fn probe(url: &str) -> Result<(), TargetError> {
    rig::probe(&reached(url).await, Transport::Websocket).await
}

#[tokio::test]
async fn a_page_that_answers_everything_is_none_of_ours() {
    let app =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<!doctype html>";
    let app = reached(&answering(app).await).await;
    assert_eq!(rig::lists_messages(&app).await, Ok(false));
    assert_eq!(rig::present(&app).await, Ok(None));
    assert_eq!(rig::durability(&app).await, None);
    let ours = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 0\r\n\r\n";
    let ours = reached(&answering(ours).await).await;
    assert_eq!(rig::lists_messages(&ours).await, Ok(true));
}

/// Who is too busy to say is no server without such pages.
#[tokio::test]
async fn a_server_that_is_too_busy_may_have_the_page() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let busy = reached(&answering(busy).await).await;
    assert_eq!(rig::lists_messages(&busy).await, Err(Late));
    assert_eq!(rig::present(&busy).await, Err(Late));
    let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let none = reached(&answering(none).await).await;
    assert_eq!(rig::lists_messages(&none).await, Ok(false));
    assert_eq!(rig::present(&none).await, Ok(None));
}

#[tokio::test]
async fn a_page_that_never_comes_is_waited_for_two_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = reached(&format!("http://{}", listener.local_addr().unwrap())).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(rig::lists_messages(&silent).await, Err(Late));
    assert_eq!(rig::present(&silent).await, Err(Late));
    // By the test's own clock, which goes on only while everybody waits.
    assert!(began.elapsed() < std::time::Duration::from_secs(6));
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // `localhost` is ::1 first on many machines, and this server listens at 127.0.0.1 alone.
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    let url = answering(answer).await.replace("127.0.0.1", "localhost");
    let error = probe(&url).await.unwrap_err().to_string();
    assert!(error.contains("HTTP 200 OK with \"hi\""), "{error}");
}

async fn first_line(socket: &mut TcpStream) -> String {
    let mut request = vec![0; 4096];
    let n = socket.read(&mut request).await.unwrap();
    String::from_utf8_lossy(&request[..n])
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

async fn answer_with(socket: &mut TcpStream, answer: &str) {
    socket.write_all(answer.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_in_memory_store_is_read_back_line_by_line() {
    let listing = concat!(
        r#"{"_id":"507f1f77bcf86cd799439011","collection":"messages","senderId":"u1","body":"r1 a","createdAt":"x"}"#,
        "\n",
        r#"{"_id":"507f1f77bcf86cd799439012","collection":"message2","senderId":"u2","body":"r2 b","createdAt":"x"}"#,
        "\n"
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{listing}",
        listing.len()
    );
    let audit = rig::Audit::memory(&reached(&answering(answer.leak()).await).await);
    let mut found = Vec::new();
    audit
        .visit("r2", &mut |message| {
            found.push((message.sender_id, message.body))
        })
        .await
        .unwrap();
    assert_eq!(found, [(Some("u2".to_owned()), "r2 b".to_owned())]);

    let cut = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}",
        listing.len(),
        &listing[..150]
    );
    let audit = rig::Audit::memory(&reached(&answering(cut.leak()).await).await);
    let error = audit.visit("", &mut |_| {}).await.unwrap_err().to_string();
    assert!(
        error.contains("/debug/messages") && error.contains("broke off"),
        "{error}"
    );

    // Nobody has it, whether asked for a part or for all.
    let missing = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let audit = rig::Audit::memory(&reached(&missing).await);
    let error = audit.visit("", &mut |_| {}).await.unwrap_err().to_string();
    assert!(
        error.contains("only a server with an in-memory store lists its messages"),
        "{error}"
    );
}

#[tokio::test]
async fn a_run_asks_for_its_own_messages_and_a_server_that_knows_no_part_for_all() {
    let part = "GET /debug/messages?body=r2%3A%C3%A9%26x HTTP/1.1";
    let all = "GET /debug/messages HTTP/1.1";
    let listing =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 0\r\n\r\n";
    let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let app = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n";
    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    for (answers, asked, is_read) in [
        (&[listing][..], &[part][..], true),
        (&[none, listing], &[part, all], true),
        (&[app, listing], &[part, all], true),
        (&[busy], &[part], false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                asked.push(first_line(&mut socket).await);
                answer_with(&mut socket, answer).await;
            }
            asked
        };
        let audit = rig::Audit::memory(&reached(&url).await);
        let mut seen = |_| {};
        let (was_asked, read) = tokio::join!(server, audit.visit("r2:é&x", &mut seen));
        assert_eq!(was_asked, asked, "{answers:?}");
        assert_eq!(read.is_ok(), is_read, "{answers:?}");
    }
}
