//! What a message costs the server in allocations and in calls of the system. Both are counted, so that they are the same on
//! every machine; a server that needs more than it did fails here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wire;

use std::{net::SocketAddr, thread, time::Duration};

use server::{
    Server,
    config::{Config, StoreConfig},
    store::{memory::MemoryConfig, writer::WriterConfig},
};
use tokio::{runtime::Runtime, sync::oneshot};

use wire::Wire;

const MESSAGE: &str = r#"427["roomMessage",{"roomId":"r","body":"See you at eight, usual place? I'll bring the documents."}]"#;
/// Messages before those that are counted: whatever is made once is there then.
const WARM_UP: usize = 200;
/// Messages that are counted.
const MESSAGES: usize = 500;

/// Allocations for one message between two people, from the read to the acknowledgement: they are 46.
const ALLOCATIONS_OF_TWO: f64 = 49.0;
/// Allocations for each recipient more, who gets two packets: there are none.
const ALLOCATIONS_OF_ONE_MORE: f64 = 0.1;

/// Messages that are said at once, and saved together.
const BURST: usize = 10;

/// What the server of this thread did for one message.
#[derive(Debug)]
struct Cost {
    allocations: f64,
    reads: f64,
    writes: f64,
}

/// Runs a server in this thread and everybody else in another. Of `at_once` messages each is sent when all know how those
/// before have ended.
fn cost(members: usize, at_once: usize) -> Cost {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        store: StoreConfig::Memory(MemoryConfig::instant()),
        writer: WriterConfig {
            batch_max: at_once,
            batch_wait: Duration::from_secs(1),
            ..WriterConfig::default()
        },
        ..Config::on_a_free_port()
    };
    let server = runtime.block_on(Server::bind(config)).unwrap();
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = runtime.spawn(server.run(async move {
        let _stopped = stopped.await;
    }));
    let mut room = in_background(&runtime, move || Room::of(members, address));
    room = in_background(&runtime, move || room.talk(WARM_UP, at_once));
    let before = calls(&runtime, address);
    let mut talked = None;
    let counted = allocation_counter::measure(|| {
        talked = Some(in_background(&runtime, move || {
            room.talk(MESSAGES, at_once)
        }));
    });
    let after = calls(&runtime, address);
    // The pages that say so were read and written too.
    let each = |before: u64, after: u64| (after - before - 1) as f64 / MESSAGES as f64;
    drop((talked, stop));
    runtime.block_on(serving).unwrap();
    Cost {
        allocations: counted.count_total as f64 / MESSAGES as f64,
        reads: each(before.0, after.0),
        writes: each(before.1, after.1),
    }
}

/// The runtime goes on in this thread, while something is done in another.
fn in_background<T: Send + 'static>(
    runtime: &Runtime,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = oneshot::channel();
    let other = thread::spawn(move || {
        let _gone = done.send(work());
    });
    let result = runtime.block_on(result).unwrap();
    other.join().unwrap();
    result
}

/// Reads and writes of sockets since the server began.
fn calls(runtime: &Runtime, address: SocketAddr) -> (u64, u64) {
    let page = in_background(runtime, move || wire::get(address, "/metrics"));
    let value = |name: &str| {
        let line = page.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    (
        value("chat_socket_reads_total"),
        value("chat_socket_writes_total"),
    )
}

/// People in one room, the first of whom talks.
struct Room(Vec<Wire>);

impl Room {
    fn of(members: usize, address: SocketAddr) -> Self {
        let people = (0..members).map(|member| {
            let mut wire = Wire::login(address, &format!("user{member}"));
            wire.say(r#"421["joinRoom",{"roomId":"r"}]"#);
            wire.hear("431");
            wire
        });
        Self(people.collect())
    }

    fn talk(mut self, messages: usize, at_once: usize) -> Self {
        let packets = vec![MESSAGE; at_once];
        for _ in 0..messages / at_once {
            self.0[0].say_all(&packets);
            for (member, wire) in self.0.iter_mut().enumerate() {
                for _ in 0..at_once {
                    wire.hear("42[\"roomMessageRecieved\"");
                }
                for _ in 0..at_once {
                    wire.hear("42[\"roomMessageConfirmed\"");
                    if member == 0 {
                        wire.hear("437");
                    }
                }
            }
        }
        self
    }
}

#[test]
fn a_message_costs_no_more_allocations_than_it_did() {
    let (two, many) = (cost(2, 1), cost(22, 1));
    assert!(two.allocations <= ALLOCATIONS_OF_TWO, "{two:?}");
    let one_more = (many.allocations - two.allocations) / 20.0;
    assert!(
        one_more <= ALLOCATIONS_OF_ONE_MORE,
        "{one_more}: {two:?}, {many:?}"
    );
}

/// One read; each member is written to when the message comes and when it ends. The sender's end and its acknowledgement are
/// one write. Heartbeats may come in between.
#[test]
fn a_message_is_one_read_and_two_writes_for_each_member() {
    for members in [2, 5] {
        let cost = cost(members, 1);
        let wanted = 2.0 * members as f64;
        assert!((1.0..1.05).contains(&cost.reads), "{cost:?}");
        assert!((wanted..wanted + 0.1).contains(&cost.writes), "{cost:?}");
    }
}

/// What is said at once is delivered with one write for each member, and what is saved together ends with one.
#[test]
fn a_group_commit_is_told_with_one_write_for_each_member() {
    let cost = cost(3, BURST);
    let wanted = 2.0 * 3.0 / BURST as f64;
    assert!((wanted..wanted + 0.1).contains(&cost.writes), "{cost:?}");
    assert!(cost.reads < 0.2, "{cost:?}");
}
