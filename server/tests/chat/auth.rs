//! Who is let in, and as whom they may speak.

use futures::SinkExt as _;
use serde_json::{Value, json};
use server::{
    auth::jwt,
    config::{Config, Secret},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::{
    client::{Client, next_text, request},
    running::{config, start},
};

const SECRET: &str = "a secret of these tests";

fn with_secret() -> Config {
    Config {
        jwt_secret: Some(Secret(SECRET.into())),
        ..config()
    }
}

fn token(claims: &Value) -> String {
    jwt::sign(claims, SECRET.as_bytes()).unwrap()
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let server = start(config()).await;
    for auth in [
        json!({}),
        json!({ "token": "" }),
        json!({ "token": null }),
        json!({ "token": { "$ne": null } }),
        json!({ "token": ["x"] }),
        json!({ "token": true }),
        json!(["x"]),
        json!([{ "token": "x" }]),
        json!("x"),
        json!("{\"token\":\"x\"}"),
        json!(7),
        json!(true),
        json!(null),
    ] {
        let refused = Client::try_login(server.address, &auth).await.err();
        assert_eq!(
            refused.as_deref(),
            Some("Authentication error: Token is required"),
            "{auth}"
        );
    }
    assert_eq!(
        server
            .metric("chat_refused_connections_total{reason=\"token_required\"}")
            .await,
        13.0
    );
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn the_token_may_be_in_a_header() {
    let server = start(config()).await;
    let mut request = request(server.address);
    request
        .headers_mut()
        .insert("access-token", "from-header".parse().unwrap());
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (mut ws, _) = client_async(request, tcp).await.unwrap();
    next_text(&mut ws).await.unwrap();
    ws.send(Message::text("40")).await.unwrap();
    assert!(next_text(&mut ws).await.unwrap().starts_with("40{"));
    server.until_stats(1, 0, 1).await;
    assert!(
        server
            .get("/debug/sockets?verbose")
            .await
            .1
            .contains("from-header")
    );
}

#[tokio::test]
async fn with_a_secret_the_token_says_who_speaks() {
    let server = start(with_secret()).await;
    let wrong = [
        json!({ "token": "a" }),
        json!({ "token": token(&json!({ "id": "a", "exp": 1_000_000_000 })) }),
        json!({ "token": token(&json!({ "name": "a" })) }),
    ];
    for auth in wrong {
        let refused = Client::try_login(server.address, &auth).await.err();
        assert_eq!(
            refused.as_deref(),
            Some("Invalid auth token provided"),
            "{auth}"
        );
    }
    let claims =
        json!({ "id": "a", "username": "Ann", "email": "ann@example.org", "avatar": "a.png" });
    let mut a = Client::in_rooms(server.address, &token(&claims), &["r"]).await;
    for wrong in [json!("b"), json!({ "$ne": "a" })] {
        let refused = a
            .call(
                "roomMessage",
                json!({ "roomId": "r", "body": "x", "senderId": wrong }),
            )
            .await;
        assert_eq!(
            refused,
            json!({ "success": false, "message": "Invalid senderId" })
        );
    }
    for right in [json!("a"), Value::Null] {
        let ack = a
            .call(
                "roomMessage",
                json!({ "roomId": "r", "body": "x", "senderId": right }),
            )
            .await;
        assert_eq!(
            ack["data"]["senderId"],
            json!({ "_id": "a", "username": "Ann", "email": "ann@example.org", "avatar": "a.png" })
        );
    }
}

#[tokio::test]
async fn without_a_secret_the_client_names_the_sender() {
    let server = start(config()).await;
    let mut client = Client::in_rooms(server.address, "your-token", &["test"]).await;
    let ack = client
        .call(
            "roomMessage",
            json!({ "roomId": "test", "senderId": "user1", "body": "Hello!" }),
        )
        .await;
    assert_eq!(ack["data"]["senderId"]["_id"], "user1");
}
