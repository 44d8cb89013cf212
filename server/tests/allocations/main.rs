//! What a message costs the server in allocations and in calls of the system. Both are counted, so that they are the same on
//! every machine; a server that needs more than it did fails here.

mod wire;

use std::{net::SocketAddr, thread};

use server::{
    Server,
    config::{Config, StoreConfig},
    store::memory::MemoryConfig,
};
use tokio::{runtime::Runtime, sync::oneshot};

use wire::Wire;

/// Messages before those that are counted: whatever is made once is there then.
const WARM_UP: usize = 200;
/// Messages that are counted.
const MESSAGES: usize = 500;

/// Allocations for one message between two people, from the read to the acknowledgement: they are 46.
const ALLOCATIONS_OF_TWO: f64 = 49.0;
/// Allocations for each recipient more, who gets two packets: there are none.
const ALLOCATIONS_OF_ONE_MORE: f64 = 0.1;

/// What the server of this thread did for one message.
#[derive(Debug)]
struct Cost {
    allocations: f64,
    reads: f64,
    writes: f64,
}

/// Runs a server in this thread and everybody else in another. Each message is sent when all know how the one before ended.
fn cost(members: usize) -> Cost {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        store: StoreConfig::Memory(MemoryConfig::instant()),
        ..Config::on_a_free_port()
    };
    let server = runtime.block_on(Server::bind(config)).unwrap();
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = runtime.spawn(server.run(async move {
        let _stopped = stopped.await;
    }));
    let mut room = in_background(&runtime, move || Room::of(members, address));
    room = in_background(&runtime, move || room.talk(WARM_UP));
    let before = calls(&runtime, address);
    let mut talked = None;
    let counted = allocation_counter::measure(|| {
        talked = Some(in_background(&runtime, move || room.talk(MESSAGES)));
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

    fn talk(mut self, messages: usize) -> Self {
        for _ in 0..messages {
            self.0[0].say(
                r#"427["roomMessage",{"roomId":"r","body":"See you at eight, usual place? I'll bring the documents."}]"#,
            );
            for member in &mut self.0 {
                member.hear("42[\"roomMessageRecieved\"");
                member.hear("42[\"roomMessageConfirmed\"");
            }
            self.0[0].hear("437");
        }
        self
    }
}

#[test]
fn a_message_costs_no_more_allocations_than_it_did() {
    let (two, many) = (cost(2), cost(22));
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
        let cost = cost(members);
        let wanted = 2.0 * members as f64;
        assert!((1.0..1.05).contains(&cost.reads), "{cost:?}");
        assert!((wanted..wanted + 0.1).contains(&cost.writes), "{cost:?}");
    }
}
