//! A user of the native client, and what it sees.

use std::{cell::RefCell, path::Path, rc::Rc, sync::Arc, time::Duration};

use loadgen::{
    dial::{Caller, Endpoint, Jar, Target, Trust},
    drive::{
        ConnectError,
        client::{Connection, Driver, Observer, native::Shared},
    },
    model::{Clock, Nanos},
    observed::Closed,
    scenario::{Connections, Filling, Scenario, Transport},
};
use tokio::{task::LocalSet, time::timeout};

/// Only a guard against hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a user saw.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Seen {
    pub events: Vec<(String, String)>,
    pub acks: Vec<(u64, String)>,
    pub ignored: Vec<String>,
    pub closed: Option<Closed>,
}

#[derive(Clone, Default)]
struct Watch(Rc<RefCell<Seen>>);

impl Observer for Watch {
    fn event(&self, _: u32, _: Nanos, name: &str, payload: &str) -> bool {
        let event = (name.to_owned(), payload.to_owned());
        self.0.borrow_mut().events.push(event);
        // As of a name that nobody knows.
        false
    }

    fn ack(&self, _: u32, _: Nanos, id: u64, payload: &str) -> bool {
        self.0.borrow_mut().acks.push((id, payload.to_owned()));
        false
    }

    fn ignored(&self, _: u32, what: &str) {
        self.0.borrow_mut().ignored.push(what.to_owned());
    }

    fn closed(&self, _: u32, _: Nanos, why: Closed) {
        self.0.borrow_mut().closed = Some(why);
    }
}

/// `[connections]` as a file has it.
pub fn connections(text: &str) -> Connections {
    let file = format!(
        "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 2, rooms = 1 }}\n\
         [connections]\n{text}\n[[phases]]\nname = \"p\"\nduration = \"1s\"\nrate = \"1/s\"\n"
    );
    Scenario::parse(Path::new("t.toml"), &file)
        .unwrap_or_else(|error| panic!("{error}"))
        .connections
}

/// How a user gets to a server.
#[derive(Clone)]
pub struct Way {
    pub url: String,
    pub connections: Connections,
    pub trust: Trust,
    pub jar: Arc<Jar>,
}

impl Way {
    pub fn to(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            connections: Connections::default(),
            trust: Trust::default(),
            jar: Arc::default(),
        }
    }

    pub fn over(mut self, transport: Transport) -> Self {
        self.connections.transport = transport;
        self
    }

    pub fn with(mut self, text: &str) -> Self {
        self.connections = connections(text);
        self
    }

    async fn connect(
        &self,
    ) -> Result<(Connection, loadgen::drive::client::Incoming), ConnectError> {
        let target = Target::new(&self.url, &self.connections, None, &self.trust).unwrap();
        let filling = Filling {
            id: "ann",
            index: 0,
            token: "t&t",
            columns: None,
        };
        let caller = Caller::new(&target, &filling, Arc::clone(&self.jar));
        let endpoint = Endpoint::resolve(target, caller.clone()).await.unwrap();
        let opened = Connection::open(
            Driver::Native,
            &endpoint,
            caller,
            self.connections.transport,
            Shared::new(Clock::start()),
            PATIENCE,
        );
        opened.await
    }

    /// Why the user can't connect.
    pub async fn refused(&self) -> String {
        let here = LocalSet::new();
        let refused = here.run_until(timeout(PATIENCE, self.connect()));
        match refused.await.expect("an answer") {
            Ok(_) => panic!("it could connect"),
            Err(error) => error.to_string(),
        }
    }

    /// Connects, does something, and reads until the server ends the connection.
    pub async fn until_closed(&self, act: impl FnOnce(&Connection)) -> Seen {
        let watch = Watch::default();
        let here = LocalSet::new();
        let whole = here.run_until(timeout(PATIENCE, async {
            let (connection, incoming) = self.connect().await.unwrap_or_else(|e| panic!("{e}"));
            act(&connection);
            connection.run(incoming, watch.clone()).await;
        }));
        whole.await.expect("an end");
        watch.0.take()
    }

    /// Connects and reads until the server has been silent for too long: at once, as it were.
    pub async fn until_silent(&self) -> Seen {
        let watch = Watch::default();
        let here = LocalSet::new();
        let whole = here.run_until(timeout(PATIENCE, async {
            let (connection, incoming) = self.connect().await.unwrap_or_else(|e| panic!("{e}"));
            let reader = connection.clone().run(incoming, watch.clone());
            let reader = tokio::task::spawn_local(reader);
            tokio::task::yield_now().await;
            connection.check_heartbeat(Nanos::MAX, &watch);
            reader.await.unwrap();
        }));
        whole.await.expect("an end");
        watch.0.take()
    }

    /// The same, while a neighbour on the same thread takes turns: how many it had.
    pub async fn turns_until_closed(&self) -> (Seen, u64) {
        let watch = Watch::default();
        let turns = Rc::new(std::cell::Cell::new(0));
        let here = LocalSet::new();
        let whole = here.run_until(timeout(PATIENCE, async {
            let (connection, incoming) = self.connect().await.unwrap_or_else(|e| panic!("{e}"));
            let taken = Rc::clone(&turns);
            let neighbour = tokio::task::spawn_local(async move {
                loop {
                    tokio::task::yield_now().await;
                    taken.set(taken.get() + 1);
                }
            });
            connection.run(incoming, watch.clone()).await;
            neighbour.abort();
        }));
        whole.await.expect("an end");
        (watch.0.take(), turns.get())
    }
}
