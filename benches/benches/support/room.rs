//! A room whose members are sockets without a network.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{DateTime, oid::ObjectId};
use parking_lot::Mutex;
use server::{
    delivery::Delivery,
    message::{Conversation, Kind, Message},
    protocol::{
        Dialect,
        outbound::{self, Encoded, Phase},
    },
    session::{Recipient, Session},
    socket_manager::{SocketManager, User},
    telemetry::Telemetry,
};
use socketioxide::{SocketIo, extract::SocketRef};
use tokio::runtime::Runtime;

/// Messages between two drains of the connections, well below what a connection holds.
const ROUND: u64 = 100;

/// What a client sends.
pub const PAYLOAD: &str = r#"{"roomId":"507f1f77bcf86cd799439011","senderId":"507f1f77bcf86cd799439012","body":"See you at eight, usual place? I'll bring the documents.","clientMsgId":"3f2a9c"}"#;

/// What the server makes of it.
pub fn message() -> Message {
    Message {
        id: ObjectId::new(),
        conversation: Conversation {
            kind: Kind::Room,
            id: "507f1f77bcf86cd799439011".to_owned(),
        },
        workspace_id: None,
        sender_id: "507f1f77bcf86cd799439012".to_owned(),
        body: "See you at eight, usual place? I'll bring the documents.".to_owned(),
        image: None,
        image_key: None,
        client_msg_id: None,
        created_at: DateTime::now(),
    }
}

/// What its recipients get.
pub fn encoded() -> Encoded {
    let sender = User::unnamed("507f1f77bcf86cd799439012");
    outbound::message(
        &message(),
        &sender,
        Phase::Optimistic {
            temp_id: "temp_1760000000000_k3x9a1b2c",
        },
    )
    .expect("a message has a JSON text")
}

/// A room of sockets without a network, and the way to empty their connections.
pub struct Room {
    runtime: Runtime,
    delivery: Delivery,
    conversation: Conversation,
    sender: Arc<Session>,
    connections: Vec<Box<dyn FnMut() -> bool>>,
    _io: SocketIo,
}

impl Room {
    /// So many members.
    pub fn of(members: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let (_layer, io) = SocketIo::builder()
            .max_buffer_size(4 * ROUND as usize)
            .build_layer();
        let sockets: Arc<Mutex<Vec<SocketRef>>> = Arc::default();
        let connected = Arc::clone(&sockets);
        io.ns("/", move |socket: SocketRef| {
            connected.lock().push(socket);
            std::future::ready(())
        });
        let mut connections: Vec<Box<dyn FnMut() -> bool>> = Vec::new();
        for _ in 0..members {
            let (to_server, mut from_server) = runtime.block_on(io.new_dummy_sock("/", ()));
            connections.push(Box::new(move || {
                // Kept, so that the connection stays.
                let _open = &to_server;
                from_server.try_recv().is_ok()
            }));
        }

        let conversation = message().conversation;
        let users = Arc::new(Mutex::new(SocketManager::new(1000)));
        let telemetry = Arc::new(Telemetry::new().expect("the bounds are right"));
        let delivery = Delivery::new(Arc::clone(&users), Dialect::Readme, telemetry, None);
        let mut sender = None;
        for (n, socket) in sockets.lock().iter().enumerate() {
            let user = Arc::new(User::unnamed(format!("user{n}")));
            let session = Arc::new(Session::new(Arc::clone(&user), None, None, None));
            let recipient = Recipient {
                session: Arc::clone(&session),
                socket: socket.clone(),
            };
            let mut users = users.lock();
            users.add_user(session.id, Arc::clone(&user), recipient);
            users
                .join_room(&user.id, &conversation)
                .expect("a new user may join");
            sender = Some(session);
        }
        let sender = sender.expect("somebody is there");
        let mut room = Self {
            runtime,
            delivery,
            conversation,
            sender,
            connections,
            _io: io,
        };
        // Each has been told that it is connected.
        room.empty(members as u64);
        room
    }

    /// Delivers some messages and says how long that took, without the emptying in between.
    pub fn deliver(&mut self, messages: u64, encoded: &Encoded) -> Duration {
        let mut took = Duration::ZERO;
        let mut left = messages;
        while left > 0 {
            let round = left.min(ROUND);
            let started = Instant::now();
            for _ in 0..round {
                black_box(
                    self.delivery
                        .deliver(&self.conversation, &self.sender, "temp_0_0", encoded)
                        .expect("is a member"),
                );
            }
            took += started.elapsed();
            left -= round;
            self.empty(round * self.connections.len() as u64);
        }
        took
    }

    /// Takes so many packets out of the connections, so that none is ever full.
    fn empty(&mut self, mut packets: u64) {
        while packets > 0 {
            // Between the sender's queue and the receiver is a task for each connection.
            self.runtime.block_on(tokio::task::yield_now());
            for receive in &mut self.connections {
                while receive() {
                    packets = packets.saturating_sub(1);
                }
            }
        }
    }
}
