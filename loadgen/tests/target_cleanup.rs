//! Whatever happens to the load generator, nothing that it started is left.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use bson::doc;
use loadgen::rig::{RunningStore, StoreChoice};
use mongodb::Client;
use rustix::process::{Pid, Signal};

use crate::measuring::{
    Measuring, WAIT, containers_of, docker_is_there, eventually, mongod_is_there,
};

mod measuring;

#[test]
fn role() {
    measuring::play();
}

/// How a load generator may end without stopping anything itself.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// `kill -9` of it alone.
    Killed,
    /// Ctrl-C in its terminal: SIGINT to its whole process group, handled by nobody.
    Interrupted,
    /// A panic, with what it started on the stack.
    Panic,
    /// What it started is dropped when its runtime is gone already.
    LateDrop,
}

const ENDS: [End; 4] = [End::Killed, End::Interrupted, End::Panic, End::LateDrop];

impl End {
    fn role(self) -> &'static str {
        match self {
            End::Killed | End::Interrupted => WAIT,
            End::Panic => "panic",
            End::LateDrop => "drop outside",
        }
    }

    fn befall(self, run: &mut Measuring) {
        match self {
            End::Killed => run.process.kill().unwrap(),
            End::Interrupted => {
                let group = Pid::from_raw(run.process.id().cast_signed()).unwrap();
                rustix::process::kill_process_group(group, Signal::INT).unwrap();
            }
            End::Panic | End::LateDrop => {}
        }
        assert_eq!(run.end().success(), self == End::LateDrop, "{self:?}");
    }
}

#[test]
fn nothing_is_left_of_mongod_however_the_load_generator_ends() {
    if !mongod_is_there() {
        return;
    }
    for end in ENDS {
        let mut run = Measuring::start(end.role(), "mongod", |_| {});
        assert!(TcpStream::connect(("127.0.0.1", run.port())).is_ok());
        end.befall(&mut run);
        run.nothing_is_left_on_this_machine();
    }
}

#[test]
fn nothing_is_left_of_a_container_however_the_load_generator_ends() {
    if !docker_is_there() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for end in ENDS {
        let mut run = Measuring::start(end.role(), "docker", |_| {});
        end.befall(&mut run);
        eventually("the container is gone", || {
            runtime.block_on(containers_of(run.process.id())).is_empty()
        });
        run.nothing_is_left_on_this_machine();
    }
}

#[test]
fn nothing_is_left_of_a_database_after_a_kill() {
    if !mongod_is_there() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let host = runtime
        .block_on(RunningStore::start(&StoreChoice::Mongod, "", &mut |_| {}))
        .unwrap();
    let uri = host.server_args()[1].clone();
    let mut run = Measuring::start(WAIT, &uri, |_| {});
    let name = run.args.rsplit_once(' ').unwrap().1.to_owned();
    let client = runtime.block_on(Client::with_uri_str(&uri)).unwrap();
    runtime.block_on(async {
        client
            .database(&name)
            .collection("messages")
            .insert_one(doc! {})
            .await
            .unwrap()
    });
    run.process.kill().unwrap();
    run.end();
    eventually("the database is gone", || {
        !runtime
            .block_on(client.list_database_names().into_future())
            .unwrap()
            .contains(&name)
    });
    runtime.block_on(host.stop()).unwrap();
}

#[test]
fn nothing_is_left_of_a_container_whose_start_was_given_up() {
    if !docker_is_there() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Before it is created, while it is, while it starts: wherever these moments are on this machine.
    for patience in [1, 10, 30, 60, 100, 200, 400, 800] {
        let mut run = Measuring::start(&format!("give up after {patience}"), "docker", |_| {});
        assert!(run.end().success());
        let left = runtime.block_on(containers_of(run.process.id()));
        assert!(left.is_empty(), "{patience} ms: {left:?}");
    }
}

/// A Docker daemon that is busy: it takes so long to create a container, and until then it knows none.
struct BusyDaemon {
    address: String,
    creation: Arc<Mutex<Creation>>,
}

#[derive(Debug, Clone, Copy)]
enum Creation {
    NotAsked,
    Since(Instant),
    Removed,
}

impl BusyDaemon {
    fn start(takes: Duration) -> BusyDaemon {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let creation = Arc::new(Mutex::new(Creation::NotAsked));
        let seen = creation.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), seen.clone());
                thread::spawn(move || answer(stream, takes, &seen));
            }
        });
        BusyDaemon {
            address: format!("tcp://{address}"),
            creation,
        }
    }
}

/// Answers what comes over one connection, but never the order to create something.
fn answer(mut stream: TcpStream, takes: Duration, creation: &Mutex<Creation>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(request)) = lines.next() {
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let mut creation = creation.lock().unwrap();
        let (status, body) = match (request.split_whitespace().next(), *creation) {
            (Some("POST"), _) => {
                *creation = Creation::Since(Instant::now());
                drop(creation);
                // Whoever waits for the answer has given up long before.
                return thread::sleep(10 * takes);
            }
            (Some("DELETE"), Creation::Since(begin)) if begin.elapsed() > takes => {
                *creation = Creation::Removed;
                ("204 No Content", "")
            }
            (Some("DELETE"), _) => ("404 Not Found", r#"{"message":"No such container"}"#),
            _ => ("200 OK", "{}"),
        };
        drop(creation);
        let length = body.len();
        let answer = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        if answer.is_err() {
            return;
        }
    }
}

#[test]
fn a_container_that_comes_after_its_start_was_given_up_is_removed_too() {
    let daemon = BusyDaemon::start(Duration::from_secs(4));
    let mut run = Measuring::start("give up after 1000", "docker", |command| {
        command.env("DOCKER_HOST", &daemon.address);
    });
    assert!(run.end().success());
    let creation = *daemon.creation.lock().unwrap();
    assert!(matches!(creation, Creation::Removed), "{creation:?}");
}
