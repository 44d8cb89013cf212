//! What the hot operations cost in instructions, which don't vary with the machine's load: `cargo bench --bench
//! instructions`. Counted by valgrind; each has a budget, and the run fails if one is exceeded.

use std::{
    env,
    hint::black_box,
    io::{self, Write as _},
    process::{Command, ExitCode, Stdio},
    sync::Arc,
};

use loadgen::drive::client::native;
use server::{
    message::{Conversation, Kind},
    protocol::{
        inbound::Payload,
        outbound::{self, Phase},
    },
    socket_manager::{SocketId, SocketManager, User},
};

#[path = "support/room.rs"]
mod room;
use room::{PAYLOAD, Room, encoded, message};

/// An operation, the most instructions that one of it may take, and a way to do it some times.
struct Operation {
    name: &'static str,
    budget: u64,
    run: fn(u64),
}

/// About a quarter above what they took when they were written.
const OPERATIONS: [Operation; 10] = [
    Operation {
        name: "read_payload",
        budget: 4_700,
        run: read_payload,
    },
    Operation {
        name: "encode_optimistic",
        budget: 10_700,
        run: encode_optimistic,
    },
    Operation {
        name: "is_user_in_room",
        budget: 800,
        run: is_user_in_room,
    },
    Operation {
        name: "users_in_room",
        budget: 500,
        run: users_in_room,
    },
    Operation {
        name: "join_leave_room",
        budget: 5_750,
        run: join_leave_room,
    },
    Operation {
        name: "add_remove_user",
        budget: 2_150,
        run: add_remove_user,
    },
    Operation {
        name: "fan_out_2",
        budget: 14_000,
        run: |times| fan_out(2, times),
    },
    Operation {
        name: "fan_out_50",
        budget: 304_000,
        run: |times| fan_out(50, times),
    },
    Operation {
        name: "read_event",
        budget: 1_000,
        run: |times| read_frame(EVENT, times),
    },
    Operation {
        name: "read_acknowledgement",
        budget: 900,
        run: |times| read_frame(ACKNOWLEDGEMENT, times),
    },
];

/// What a server sends for each message, in unmasked text frames.
const EVENT: &str = r#"42["roomMessageRecieved",{"_id":"temp_1760000000000_k3x9a1b2c","body":"Hello to all of you who are here!","roomId":"507f1f77bcf86cd799439011","senderId":{"_id":"507f1f77bcf86cd799439012","username":"u"},"isOptimistic":true}]"#;
const ACKNOWLEDGEMENT: &str = r#"4377[{"success":true,"message":"Successfully created message in the room","timing":{"emitTime":1,"dbTime":2}}]"#;

/// An operation's cost is the difference between these two numbers of times, so that the set-up is none of it.
const FEW: u64 = 100;
const MANY: u64 = 1_100;

const USERS: u64 = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let [name, times] = arguments.as_slice()
        && let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == name)
        && let Ok(times) = times.parse()
    {
        (operation.run)(times);
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("PASSED OVER, no valgrind: install it to count instructions");
        return if env::var("REQUIRE_VALGRIND").is_ok_and(|value| value == "1") {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    let mut exceeded = false;
    let mut table = format!(
        "{:<20} {:>14} {:>10}\n",
        "operation", "instructions", "budget"
    );
    for Operation { name, budget, .. } in OPERATIONS {
        let counts = instructions(name, FEW).and_then(|few| Ok((few, instructions(name, MANY)?)));
        let (few, many) = match counts {
            Ok(counts) => counts,
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        };
        let each = many.saturating_sub(few) / (MANY - FEW);
        let note = if each > budget { "  EXCEEDED" } else { "" };
        exceeded |= each > budget;
        table += &format!("{name:<20} {each:>14} {budget:>10}{note}\n");
    }
    if let Err(error) = io::stdout().write_all(table.as_bytes()) {
        eprintln!("cannot print the table: {error}");
        return ExitCode::FAILURE;
    }
    if exceeded {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// What valgrind counts when this program does an operation so many times.
fn instructions(name: &str, times: u64) -> Result<u64, String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args([name, &times.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{}: {report}", output.status));
    }
    report
        .lines()
        .find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok())
        .ok_or_else(|| format!("valgrind said no count: {report}"))
}

/// By the client that measures.
fn read_frame(packet: &str, times: u64) {
    let length = packet.len() as u16;
    let length = match length {
        0..126 => vec![length as u8],
        _ => [&[126][..], &length.to_be_bytes()].concat(),
    };
    let frame = [&[0x81][..], &length, packet.as_bytes()].concat();
    for _ in 0..times {
        let read = native::read_events(black_box(&frame), |name, payload| {
            black_box((name, payload));
        });
        read.expect("a whole frame");
    }
}

fn read_payload(times: u64) {
    for _ in 0..times {
        let payload: Payload = serde_json::from_str(black_box(PAYLOAD)).expect("valid");
        black_box(payload.message(Kind::Room, 65_536).expect("valid"));
    }
}

fn encode_optimistic(times: u64) {
    let (message, sender) = (message(), User::unnamed("507f1f77bcf86cd799439012"));
    for _ in 0..times {
        let phase = Phase::Optimistic {
            temp_id: "temp_1760000000000_k3x9a1b2c",
        };
        black_box(outbound::message(black_box(&message), &sender, phase).expect("valid"));
    }
}

fn pair(n: u64) -> Conversation {
    Conversation {
        kind: Kind::Room,
        id: format!("room{n}"),
    }
}

fn filled() -> SocketManager<u64> {
    let mut manager = SocketManager::new(1000);
    for n in 0..USERS {
        let id = format!("user{n}");
        manager.add_user(SocketId(n), Arc::new(User::unnamed(id.as_str())), n);
        manager
            .join_room(&id, &pair(n / 2))
            .expect("a new user may join");
    }
    manager
}

fn is_user_in_room(times: u64) {
    let (manager, room) = (filled(), pair(100));
    for _ in 0..times {
        black_box(manager.is_user_in_room(black_box("user200"), &room));
    }
}

fn users_in_room(times: u64) {
    let (mut manager, room) = (filled(), pair(100));
    for _ in 0..times {
        black_box(manager.users_in_room(black_box(&room)));
    }
}

fn join_leave_room(times: u64) {
    let (mut manager, room) = (filled(), pair(USERS));
    for _ in 0..times {
        black_box(manager.join_room("user200", &room).is_ok());
        black_box(manager.leave_room("user200", &room));
    }
}

fn add_remove_user(times: u64) {
    let (mut manager, user) = (filled(), Arc::new(User::unnamed("newcomer")));
    for _ in 0..times {
        manager.add_user(SocketId(u64::MAX), Arc::clone(&user), 0);
        black_box(manager.remove_user(SocketId(u64::MAX)));
    }
}

/// With the emptying of the connections, because a count can't leave it out: a task switch for each of them.
fn fan_out(members: usize, times: u64) {
    Room::of(members).deliver(times, &encoded());
}
