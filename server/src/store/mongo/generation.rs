//! Generations of connections: how to know that an insert which was given up can't land any more.
//!
//! An insert whose connection broke, or that was given up, may still be executed: the bytes lie in
//! the socket of a server that is frozen, or its thread waits for a lock, and it goes on whenever
//! it goes on. A delete on another connection may be executed before it. No time limit helps (the
//! clock of a frozen server stands still too), a tombstone under the same `_id` would have to be
//! removed at some time and be visible until then, and a transaction number, by which a server
//! refuses what is older, needs a replica set.
//!
//! But a server reads a connection in order: first the insert, then that the connection was closed.
//! So once the server itself no longer lists the connection, the insert has been executed or never
//! will be. All connections of a generation carry its name (`appName`); a fence closes those of a
//! generation that has such an insert by opening a new generation and dropping the old one, and
//! waits until `$currentOp` lists none of the old name. That is exact, takes a few milliseconds
//! when the server is well, and lets the server itself tell when it is well again. After a crash of
//! the server nothing is listed, and nothing can land.
//!
//! On a replica set, the old primary of a failover isn't asked: what it has not replicated is
//! rolled back there. Behind `mongos`, which hands inserts on to shards, and where `$currentOp` is
//! forbidden, time is all there is: see `GRACE`.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use bson::{Document, doc, oid::ObjectId, raw::RawDocumentBuf};
use futures::TryStreamExt as _;
use mongodb::{
    Client, Collection, Database,
    error::{Error, ErrorKind},
    options::ClientOptions,
};
use parking_lot::RwLock;

use super::{
    super::{StoreError, document::collection_name},
    failure,
};
use crate::message::Kind;

/// How long to wait where the connections can't be listed.
const GRACE: Duration = Duration::from_secs(20);
/// The time between two looks at the server's connections.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(250);
/// Unauthorized; command not found; command not supported; unknown aggregation stage; forbidden by
/// the hoster.
const NOT_LISTED: [i32; 5] = [13, 59, 115, 40_324, 8_000];

/// The connections that were opened together, under one name.
pub(super) struct Generation {
    client: Client,
    database: Database,
    collections: [Collection<RawDocumentBuf>; 2],
    /// `appName` of all its connections.
    name: String,
    /// Whether an insert on it was given up or ended as unknown.
    tainted: AtomicBool,
}

impl Generation {
    fn open(options: &ClientOptions, database: &str, name: String) -> Result<Arc<Self>, Error> {
        let options = {
            let mut options = options.clone();
            options.app_name = Some(name.clone());
            options
        };
        let client = Client::with_options(options)?;
        let database = client.database(database);
        let collections =
            [Kind::Room, Kind::Channel].map(|kind| database.collection(collection_name(kind)));
        Ok(Arc::new(Self {
            client,
            database,
            collections,
            name,
            tainted: AtomicBool::new(false),
        }))
    }

    pub(super) fn collection(&self, kind: Kind) -> &Collection<RawDocumentBuf> {
        let [rooms, channels] = &self.collections;
        match kind {
            Kind::Room => rooms,
            Kind::Channel => channels,
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// To hold while inserting.
    pub(super) fn inserting(&self) -> Inserting<'_> {
        Inserting {
            generation: self,
            known: false,
        }
    }
}

/// An insert under way. Unless its end is known, it has tainted its generation when this is
/// dropped, which is also what happens to an insert that is given up.
pub(super) struct Inserting<'a> {
    generation: &'a Generation,
    known: bool,
}

impl Inserting<'_> {
    pub(super) fn ended_known(mut self) {
        self.known = true;
    }
}

impl Drop for Inserting<'_> {
    fn drop(&mut self) {
        if !self.known {
            self.generation.tainted.store(true, SeqCst);
        }
    }
}

/// The generation in use, and whether older ones may still be listed by the server.
pub(super) struct Generations {
    options: ClientOptions,
    database: String,
    answer_timeout: Duration,
    /// What the names of all generations begin with; another store has another.
    prefix: String,
    current: RwLock<Arc<Generation>>,
    state: tokio::sync::Mutex<State>,
}

struct State {
    opened: u64,
    /// Those that were replaced and may still be listed.
    old: Vec<Weak<Generation>>,
}

impl Generations {
    pub(super) fn new(
        options: ClientOptions,
        database: &str,
        answer_timeout: Duration,
    ) -> Result<Self, Error> {
        let prefix = format!("chat-server-{}-", ObjectId::new());
        let first = Generation::open(&options, database, format!("{prefix}1"))?;
        Ok(Self {
            options,
            database: database.to_owned(),
            answer_timeout,
            prefix,
            current: RwLock::new(first),
            state: tokio::sync::Mutex::new(State {
                opened: 1,
                old: Vec::new(),
            }),
        })
    }

    pub(super) fn current(&self) -> Arc<Generation> {
        self.current.read().clone()
    }

    /// Returns once no insert that was given up before this call can land any more.
    pub(super) async fn fence(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        if self.current().tainted.load(SeqCst) {
            state.opened += 1;
            let name = format!("{}{}", self.prefix, state.opened);
            let next = Generation::open(&self.options, &self.database, name)
                .map_err(|error| failure::of_store(&error))?;
            let old = std::mem::replace(&mut *self.current.write(), next);
            state.old.push(Arc::downgrade(&old));
        }
        if !state.old.is_empty() {
            self.wait_for_old_ones(&state.old).await?;
            state.old.clear();
        }
        Ok(())
    }

    /// What the names of all connections of this store begin with.
    pub(super) fn session(&self) -> &str {
        &self.prefix
    }

    /// Returns once no insert of these sessions, whose processes have ended, can land any more.
    ///
    /// Their ends of the connections are closed, and the same holds as for a generation that was dropped: the server
    /// reads first the insert, then that the connection was closed, and then lists it no longer.
    pub(super) async fn fence_sessions(&self, sessions: &[String]) -> Result<(), StoreError> {
        match sessions {
            [] => Ok(()),
            sessions => self.wait_until_unlisted(&sessions.join("|")).await,
        }
    }

    async fn wait_for_old_ones(&self, old: &[Weak<Generation>]) -> Result<(), StoreError> {
        let mut wait = LOOK_MIN;
        // An old one closes with the last insert that is under way on it. Such an insert may have
        // no connection yet, so the server's list alone would not show it.
        while old.iter().any(|generation| generation.strong_count() > 0) {
            pause(&mut wait).await;
        }
        self.wait_until_unlisted(&self.prefix).await
    }

    /// Waits until the server lists no connection, but those in use, of which the name begins with `prefixes`.
    async fn wait_until_unlisted(&self, prefixes: &str) -> Result<(), StoreError> {
        let mut wait = LOOK_MIN;
        let current = self.current();
        loop {
            let look = look(&current, prefixes);
            match failure::answer_within(self.answer_timeout, look).await? {
                Look::Gone => return Ok(()),
                Look::Listed => pause(&mut wait).await,
                Look::Hidden(why) => {
                    tracing::warn!(why, grace = ?GRACE, "settling by time");
                    tokio::time::sleep(GRACE).await;
                    return Ok(());
                }
            }
        }
    }
}

/// What the server says about the connections of older generations.
enum Look {
    Gone,
    Listed,
    /// It does not say, for this reason.
    Hidden(&'static str),
}

async fn look(current: &Generation, prefixes: &str) -> Result<Look, Error> {
    let admin = current.client.database("admin");
    let hello = admin.run_command(doc! { "hello": 1 }).await?;
    if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        return Ok(Look::Hidden(
            "behind mongos the connections to the shards are not ours",
        ));
    }
    let old = doc! { "$regex": format!("^({prefixes})"), "$ne": current.name.as_str() };
    let pipeline = [
        doc! { "$currentOp": { "idleConnections": true, "localOps": true } },
        doc! { "$match": { "appName": old } },
        doc! { "$limit": 1 },
        doc! { "$project": { "_id": 0, "desc": 1 } },
    ];
    let listed: Result<Option<Document>, Error> =
        async { admin.aggregate(pipeline).await?.try_next().await }.await;
    match listed {
        Ok(None) => Ok(Look::Gone),
        Ok(Some(_)) => Ok(Look::Listed),
        Err(error) if is_forbidden(&error) => {
            Ok(Look::Hidden("MongoDB does not list its connections for us"))
        }
        Err(error) => Err(error),
    }
}

/// Sleeps, and longer the next time.
async fn pause(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(LOOK_MAX);
}

fn is_forbidden(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(command) if NOT_LISTED.contains(&command.code))
}
