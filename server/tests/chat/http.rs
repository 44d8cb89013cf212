//! What the server says over plain HTTP.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;

use server::config::Config;

use crate::{
    client::Client,
    running::{config, http, start, start_with},
    store::Obedient,
};

#[tokio::test]
async fn the_state_is_shown_without_session_keys() {
    let server = start(config()).await;
    let _a = Client::in_rooms(server.address, "a", &["r", "s"]).await;
    let brief = server.get_json("/debug/sockets").await;
    assert_eq!(
        brief["stats"],
        json!({ "totalUsers": 1, "totalRooms": 2, "totalSockets": 1 })
    );
    assert!(brief["timestamp"].as_str().unwrap().ends_with('Z') && brief.get("users").is_none());
    let verbose = server.get_json("/debug/sockets?verbose").await;
    assert_eq!(verbose["users"][0]["rooms"], json!(["r", "s"]));
    assert_eq!(
        verbose["rooms"][0],
        json!({ "kind": "room", "id": "r", "users": ["a"] })
    );
    assert_eq!(verbose["users"][0]["socketId"].as_str().unwrap().len(), 16);
    assert_eq!(server.get("/ping").await.0, 200);
    assert_eq!(server.get("/nothing").await.0, 404);
}

#[tokio::test]
async fn health_says_how_durable_and_whether_the_store_answers() {
    let store = Obedient::opened();
    let server = start_with(config(), store.clone()).await;
    let (status, body) = server.get("/health").await;
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &health["healthy"]), (200, &json!(true)));
    assert_eq!(health["store"]["durability"], "none");
    assert_eq!(
        (&health["delivery"], &health["dialect"]),
        (&json!("optimistic"), &json!("readme"))
    );
    assert_eq!(health["queueDepth"], 0);
    assert_eq!(health["version"], server::provenance::VERSION);
    assert_eq!(health["commit"].as_str(), server::provenance::COMMIT);
    store.unreachable.store(true, SeqCst);
    let (status, body) = server.get("/health").await;
    assert_eq!(status, 503);
    assert!(body.contains("connection refused"), "{body}");
    assert_eq!(
        server.get("/debug/messages").await.0,
        404,
        "only the simulation is read over HTTP"
    );
}

#[tokio::test]
async fn times_are_recorded_for_every_message() {
    let server = start(config()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    for _ in 0..3 {
        a.call("roomMessage", json!({ "roomId": "r", "body": "x" }))
            .await;
    }
    assert_eq!(server.metric("chat_emit_seconds_count").await, 3.0);
    assert_eq!(server.metric("chat_save_seconds_count").await, 3.0);
    assert_eq!(
        server.metric("chat_messages_total{kind=\"room\"}").await,
        3.0
    );
    assert_eq!(
        server
            .metric("chat_events_total{event=\"roomMessage\"}")
            .await,
        3.0
    );
    assert_eq!(server.metric("chat_confirmed_total").await, 3.0);
    assert!(server.metric("process_resident_memory_bytes").await > 1e6);
    let histograms = server.get_json("/debug/histograms").await;
    assert!(
        histograms["emit"].as_str().unwrap().starts_with("HISTFAAA"),
        "{histograms}"
    );
}

#[tokio::test]
async fn the_store_can_be_told_to_fail_only_where_that_was_asked_for() {
    let ask = |method: &str, what: &str| {
        format!(
            "{method} /debug/store-faults?{what} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    let server = start(config()).await;
    let frozen = ask("POST", "name=f&kind=frozen");
    assert_eq!(http(server.address, &frozen).await.0, 404);
    let server = start(Config {
        store_faults: true,
        ..config()
    })
    .await;
    for wrong in ["name=f&kind=slow", "name=f&kind=broken", "kind=down"] {
        let (status, why) = http(server.address, &ask("POST", wrong)).await;
        assert_eq!(status, 400, "{wrong}: {why}");
    }
    let down = ask("POST", "name=f&kind=down");
    assert_eq!(
        http(server.address, &down).await,
        (200, "{\"met\":0}".to_owned())
    );
    assert_eq!(server.get("/health").await.0, 503);
    let asked = http(server.address, &ask("GET", "name=f")).await;
    assert_eq!(asked, (200, "{\"met\":1}".to_owned()));
    let lifted = http(server.address, &ask("DELETE", "name=f")).await;
    assert_eq!(lifted, (200, "{\"met\":1}".to_owned()));
    assert_eq!(server.get("/health").await.0, 200);
    assert_eq!(http(server.address, &ask("DELETE", "name=f")).await.0, 404);
    // A page of another site makes no browser do it.
    let browsers = down.replace("Host: x\r\n", "Host: x\r\nOrigin: https://example.org\r\n");
    assert_eq!(http(server.address, &browsers).await.0, 403);
}
