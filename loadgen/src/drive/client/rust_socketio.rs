//! The second driver: the `rust_socketio` crate, for polling, for upgrades, and to cross-check the native client.
//!
//! It was written by others and shares nothing with the native client but this program's vocabulary. It costs several
//! times the CPU and stamps a receipt after the library has parsed it, so its latencies are longer: it answers whether
//! two clients see the same, not how fast a server is. Of its acknowledgement ids there are 1,000, drawn at random, and
//! two alike at a time make it panic: so joins are asked one after the other, and messages without acknowledgement.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use futures::FutureExt;
use rust_socketio::{
    Event, Payload, TransportType,
    asynchronous::{Client as Library, ClientBuilder},
};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Observer;
use crate::{
    dial::{Caller, Endpoint},
    drive::{Client, ConnectError},
    model::{Clock, Nanos},
    observed::Closed,
    scenario::Transport,
};

/// The library forgets an acknowledgement after that long.
const ACK_PATIENCE: Duration = Duration::from_secs(60);

/// A connected user. What is emitted is handed to a task, since the library's own emit waits.
pub struct Connection {
    user: u32,
    orders: UnboundedSender<Order>,
    closing: Cell<bool>,
}

/// What the library says, in the order in which it does: the half that [`Connection::run`] consumes.
pub struct Incoming {
    heard: UnboundedReceiver<(Nanos, Heard)>,
    early: Vec<(Nanos, Heard)>,
    orders: RefCell<Option<(Library, UnboundedReceiver<Order>)>>,
    hears: Hears,
}

enum Order {
    /// The event, its payload, and the id under which an acknowledgement is asked for.
    Emit(String, Value, Option<u64>),
    Close,
}

enum Heard {
    Connected,
    Event(String, Vec<Value>),
    Ack(u64, Vec<Value>),
    Error(String),
    Closed,
}

/// Stamps what is heard and passes it on.
#[derive(Clone)]
struct Hears {
    clock: Clock,
    to: UnboundedSender<(Nanos, Heard)>,
}

impl Hears {
    fn tell(&self, heard: Heard) {
        // Whoever hears no more has closed the connection.
        let _ = self.to.send((self.clock.now(), heard));
    }
}

impl Connection {
    /// Connects, greets and waits for the server's CONNECT.
    ///
    /// # Errors
    /// [`ConnectError`]: nothing listens, no Socket.IO server, refused, or no answer within `patience`.
    pub async fn open(
        endpoint: &Endpoint,
        caller: &Caller,
        transport: Transport,
        clock: Clock,
        patience: Duration,
    ) -> Result<(Rc<Self>, Incoming), ConnectError> {
        let greeted = tokio::time::timeout(patience, greet(endpoint, caller, transport, clock));
        let (orders, incoming) = greeted
            .await
            .unwrap_or(Err(ConnectError::TimedOut(patience)))?;
        let connection = Rc::new(Self {
            user: caller.user,
            orders,
            closing: Cell::new(false),
        });
        Ok((connection, incoming))
    }

    /// Hands everything to the observer until the connection ends.
    pub async fn run(self: Rc<Self>, mut incoming: Incoming, observer: impl Observer) {
        if let Some((library, queue)) = incoming.orders.take() {
            tokio::task::spawn_local(work(library, queue, incoming.hears.clone()));
        }
        for (stamp, heard) in std::mem::take(&mut incoming.early) {
            if self.hear(stamp, heard, &observer) {
                return;
            }
        }
        while let Some((stamp, heard)) = incoming.heard.recv().await {
            if self.hear(stamp, heard, &observer) {
                return;
            }
        }
    }

    /// `true`: that was the last.
    fn hear(&self, stamp: Nanos, heard: Heard, observer: &impl Observer) -> bool {
        if self.closing.get() {
            return true;
        }
        let why = match heard {
            Heard::Event(name, values) => {
                observer.event(self.user, stamp, &name, &arguments(&values));
                return false;
            }
            Heard::Ack(id, values) => {
                observer.ack(self.user, stamp, id, &arguments(&values));
                return false;
            }
            Heard::Connected => Closed::Protocol("a second CONNECT".into()),
            Heard::Error(error) => Closed::Transport(error),
            Heard::Closed => Closed::ByServer("Socket.IO DISCONNECT".into()),
        };
        self.closing.set(true);
        observer.closed(self.user, stamp, why);
        true
    }
}

impl Client for Connection {
    fn emit(&self, event: &str, payload: &str, ack: Option<u64>) {
        // What is emitted was written by this program.
        let payload = serde_json::from_str(payload).unwrap_or(Value::Null);
        let order = Order::Emit(event.to_owned(), payload, ack);
        // A task that has ended is told by the connection's own end.
        let _ = self.orders.send(order);
    }

    fn close(&self) {
        self.closing.set(true);
        let _ = self.orders.send(Order::Close);
    }
}

/// Connects, and gives what is to be sent from now on and what is heard.
async fn greet(
    endpoint: &Endpoint,
    caller: &Caller,
    transport: Transport,
    clock: Clock,
) -> Result<(UnboundedSender<Order>, Incoming), ConnectError> {
    let not_socket_io = ConnectError::NotSocketIo;
    let (to, mut heard) = unbounded_channel();
    let hears = Hears { clock, to };
    let auth =
        serde_json::from_str(&caller.auth).map_err(|error| not_socket_io(error.to_string()))?;
    let library = builder(endpoint, caller, auth, transport, &hears)
        .connect()
        .await;
    let library = library.map_err(|error| not_socket_io(error.to_string()))?;
    let mut early = Vec::new();
    loop {
        match heard.recv().await {
            Some((_, Heard::Connected)) => break,
            Some((_, Heard::Error(error))) => return Err(ConnectError::Refused(error)),
            Some((_, Heard::Closed)) | None => {
                let closed = "it closed the connection before the Socket.IO CONNECT";
                return Err(not_socket_io(closed.to_owned()));
            }
            Some(event) => early.push(event),
        }
    }
    let (orders, queue) = unbounded_channel();
    let incoming = Incoming {
        heard,
        early,
        orders: RefCell::new(Some((library, queue))),
        hears,
    };
    Ok((orders, incoming))
}

fn builder(
    endpoint: &Endpoint,
    caller: &Caller,
    auth: Value,
    transport: Transport,
    hears: &Hears,
) -> ClientBuilder {
    let transport = match transport {
        Transport::Websocket => TransportType::Websocket,
        Transport::Polling => TransportType::Polling,
        Transport::Upgraded => TransportType::WebsocketUpgrade,
    };
    let tell = |heard: fn(Payload) -> Heard| {
        let hears = hears.clone();
        move |payload: Payload, _: Library| {
            hears.tell(heard(payload));
            async {}.boxed()
        }
    };
    let any = hears.clone();
    // Its query is the library's own to write, with the transport in it.
    let place = caller.engine_io("", "");
    let (path, query) = place.split_once('?').unwrap_or((&place, ""));
    let query = query.strip_prefix("EIO=4&transport=").unwrap_or(query);
    let url = format!("{}{path}?{query}", endpoint.target().origin());
    let named = caller
        .headers()
        .into_iter()
        .filter(|(name, _)| *name != "host");
    named
        .fold(ClientBuilder::new(url), |builder, (name, value)| {
            builder.opening_header(name, value)
        })
        .namespace(caller.namespace.as_str())
        .transport_type(transport)
        .auth(auth)
        .reconnect(false)
        .on(Event::Connect, tell(|_| Heard::Connected))
        .on(Event::Close, tell(|_| Heard::Closed))
        .on(
            Event::Error,
            tell(|payload| Heard::Error(arguments(&values(payload)))),
        )
        .on_any(move |event, payload, _| {
            any.tell(Heard::Event(event.to_string(), values(payload)));
            async {}.boxed()
        })
}

/// Emits one thing after the other, so that a sender's messages leave in order.
async fn work(library: Library, mut queue: UnboundedReceiver<Order>, hears: Hears) {
    while let Some(order) = queue.recv().await {
        let done = match order {
            Order::Emit(event, payload, None) => library.emit(event, payload).await,
            Order::Emit(event, payload, Some(id)) => {
                let hears = hears.clone();
                let (answer, mut answered) = unbounded_channel();
                let hear = move |payload: Payload, _: Library| {
                    hears.tell(Heard::Ack(id, acknowledged(values(payload))));
                    // Nobody waits any more for an answer that came too late.
                    let _ = answer.send(());
                    async {}.boxed()
                };
                let asked = library.emit_with_ack(event, payload, ACK_PATIENCE, hear);
                let asked = asked.await;
                if asked.is_ok() {
                    let _ = tokio::time::timeout(ACK_PATIENCE, answered.recv()).await;
                }
                asked
            }
            Order::Close => {
                // Whether the goodbye arrives or not, it was the last.
                let _ = library.disconnect().await;
                return;
            }
        };
        if let Err(error) = done {
            hears.tell(Heard::Error(error.to_string()));
        }
    }
}

fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        // This system sends no binary; what else there is has no text.
        _ => Vec::new(),
    }
}

/// The library hands an acknowledgement's arguments over as one array.
fn acknowledged(values: Vec<Value>) -> Vec<Value> {
    match <[Value; 1]>::try_from(values) {
        Ok([Value::Array(arguments)]) => arguments,
        Ok([other]) => vec![other],
        Err(values) => values,
    }
}

/// The JSON text of arguments, without the brackets.
fn arguments(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    texts.join(",")
}
