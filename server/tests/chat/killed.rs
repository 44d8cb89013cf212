//! A server that is killed while MongoDB is frozen: what it told as failed is gone after the next start.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bson::{Document, doc};
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    client::Client,
    mongo::mongodb_support::MongoDb,
    running::{http, metric_of},
};

/// Against hanging only.
const GUARD: Duration = Duration::from_secs(90);

/// The program itself; killed when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

fn command(mongodb: &MongoDb, journal: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command
        .args(["--port", "0", "--save-deadline", "2s", "--store"])
        .arg(mongodb.uri())
        .arg("--journal")
        .arg(journal)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Process {
    /// Starts it; the error is what it said before it ended.
    fn start(mut command: Command) -> Result<Self, String> {
        let mut child = command.spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first_line)
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let Some(address) = first_line.trim().strip_prefix("listening on http://") else {
            let mut said = String::new();
            log.read_to_string(&mut said).unwrap();
            assert!(!child.wait().unwrap().success());
            return Err(said);
        };
        let address = address.parse().unwrap();
        // It writes on, and must not block on a full pipe.
        std::thread::spawn(move || log.lines().for_each(drop));
        Ok(Self { child, address })
    }

    async fn health(&self) -> Value {
        serde_json::from_str(&self.get("/health").await).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        http(self.address, &request).await.1
    }

    async fn metric(&self, name: &str) -> f64 {
        metric_of(&self.get("/metrics").await, name)
    }

    async fn until_settled(&self) {
        let settled = async {
            while self.health().await["unsettled"] != 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(GUARD, settled).await.expect("not settled");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL, as the test means it.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A message that is saved, and so many that end as failed because MongoDB is frozen.
async fn fail_some(process: &Process, mongodb: &MongoDb, count: usize) {
    let mut a = Client::in_rooms(process.address, "a", &["r"]).await;
    a.call("JOIN_CHANNEL", json!({ "channelId": "c" })).await;
    let saved = json!({ "roomId": "r", "body": "saved" });
    assert_eq!(a.call("roomMessage", saved).await["success"], true);
    mongodb.freeze();
    let mut asked = Vec::new();
    for n in 0..count {
        let (event, conversation) = match n % 2 {
            0 => ("roomMessage", ("roomId", "r")),
            _ => ("NEW_MESSAGE_EVENT", ("channelId", "c")),
        };
        let payload = json!({ conversation.0: conversation.1, "body": "failed", "clientMsgId": n.to_string() });
        asked.push(a.ask(event, payload).await);
        sleep(Duration::from_millis(5)).await;
    }
    for ask in asked {
        let ack = a.ack(ask).await;
        assert_eq!(ack["success"], false, "{ack}");
    }
}

async fn bodies(mongodb: &MongoDb) -> Vec<String> {
    let database = mongodb.client().await.default_database().unwrap();
    let mut bodies = Vec::new();
    for name in ["message2", "messages"] {
        let collection = database.collection::<Document>(name);
        let found = collection.find(doc! {}).await.unwrap();
        let found: Vec<Document> = found.try_collect().await.unwrap();
        bodies.extend(found.iter().map(|d| d.get_str("body").unwrap().to_owned()));
    }
    bodies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_told_as_failed_is_gone_after_the_next_start() {
    let Some(mongodb) = MongoDb::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let process = Process::start(command(&mongodb, &journal)).unwrap();
    fail_some(&process, &mongodb, 20).await;
    drop(process);
    let written = std::fs::read_to_string(&journal).unwrap();
    assert!(written.lines().count() >= 1, "{written}");
    // Not to be had yet: this start fails, and leaves the journal as it is.
    let error = Process::start(command(&mongodb, &journal)).err().unwrap();
    assert!(error.contains("can't be used"), "{error}");
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), written);
    mongodb.thaw();
    let process = Process::start(command(&mongodb, &journal)).unwrap();
    process.until_settled().await;
    // What lands late would land now.
    sleep(Duration::from_millis(500)).await;
    assert_eq!(bodies(&mongodb).await, ["saved"]);
    assert_eq!(process.health().await["journal"], "well");
    let deleted = process.metric("chat_writer_settled_deleted_total").await;
    assert!(deleted > 0.0, "the frozen server had received some of them");
    let emptied = async {
        while std::fs::metadata(&journal).unwrap().len() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(GUARD, emptied)
        .await
        .expect("settled, yet in the journal");
    // Its clientMsgId is free.
    let mut a = Client::in_rooms(process.address, "a", &["r"]).await;
    let again = json!({ "roomId": "r", "body": "again", "clientMsgId": "0" });
    assert_eq!(a.call("roomMessage", again).await["data"]["body"], "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_one_servers_and_one_stores() {
    let (Some(mongodb), Some(other)) = (MongoDb::start().await, MongoDb::start().await) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let process = Process::start(command(&mongodb, &journal)).unwrap();
    let error = Process::start(command(&mongodb, &journal)).err().unwrap();
    assert!(error.contains("is in use by another server"), "{error}");
    fail_some(&process, &mongodb, 4).await;
    drop(process);
    let error = Process::start(command(&other, &journal)).err().unwrap();
    assert!(error.contains("to settle in 127.0.0.1:"), "{error}");
    let mut in_memory = Command::new(env!("CARGO_BIN_EXE_server"));
    in_memory
        .args(["--port", "0", "--store", "memory", "--journal"])
        .arg(&journal)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let error = Process::start(in_memory).err().unwrap();
    assert!(
        error.contains("a journal is for a store that outlasts the server"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_keeps_no_failure_from_being_told() {
    let Some(mongodb) = MongoDb::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let server = command(&mongodb, &journal);
    let mut limited = Command::new("sh");
    // No file may have a byte, and a write that tries fails instead of ending the process.
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(server.get_program())
        .args(server.get_args())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let process = Process::start(limited).unwrap();
    assert_eq!(process.health().await["journal"], "well");
    fail_some(&process, &mongodb, 10).await;
    let why = process.health().await["journal"]["failing"].take();
    assert!(why.as_str().is_some_and(|why| !why.is_empty()), "{why}");
    mongodb.thaw();
    process.until_settled().await;
    assert_eq!(
        bodies(&mongodb).await,
        ["saved"],
        "this process has not forgotten them"
    );
}
