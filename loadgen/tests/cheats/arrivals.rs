//! Users who arrive at a rate: each begins at its own time, however many before it are still under way.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Barrier,
};

use crate::{READMES, fault::Fault, report_on, server::Cheat};

/// More than one worker connects at once where there is no rate.
const USERS: usize = 100;

const ARRIVALS: &str = r#"version = 1
name = "arrivals"
question = "Does everybody begin in time?"
seed = 3
drain = "2s"
population = { users = 100, rooms = 50, connect_rate = "500/s" }

[[phases]]
name = "steady"
duration = "1s"
rate = "100/s"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_rate_nobody_waits_for_those_who_are_still_under_way() {
    let cheat = Cheat::start(Fault::None, READMES).await;
    let url = behind_a_gate(&cheat.url).await;
    let report = report_on(url, ARRIVALS, "\"failed\" = \">= 0\"").await;
    let run = &report.runs[0];
    assert_eq!(run.findings, []);
    assert!(run.totals.sent > 0, "{:?}", run.totals);
}

/// A way to a server on which no user gets through before all of them have come.
async fn behind_a_gate(url: &str) -> String {
    let server = url.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gate = Arc::new(Barrier::new(USERS));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(let_through(stream, server.clone(), Arc::clone(&gate)));
        }
    });
    url
}

async fn let_through(mut client: TcpStream, server: String, gate: Arc<Barrier>) {
    let mut head = [0; 512];
    let bytes = client.peek(&mut head).await.unwrap_or_default();
    // Whoever asks for a page is no user.
    if String::from_utf8_lossy(&head[..bytes]).contains("transport=websocket") {
        gate.wait().await;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
