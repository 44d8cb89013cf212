//! Assembles the server, binds it, runs it and drains it.

mod saving;
mod stopped;
mod twins;

use std::{
    future::Future,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{Router, middleware};
use parking_lot::Mutex;
use socketioxide::{
    ParserConfig, SocketIo,
    extract::{Extension, SocketRef, TryData},
    handler::ConnectHandler as _,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::unconstrained,
    time::Instant,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use self::saving::Saving;
pub use self::stopped::{EXIT_UNTOLD, Stopped, Untold};
use crate::{
    auth::{Authenticator, Handshake},
    chat::Chat,
    cluster::{Cluster, ClusterError},
    config::{Args, Config, FlagsError, MAX_PAYLOAD, StoreConfig},
    delivery::Delivery,
    door::{self, Door},
    front::Front,
    handlers::connection,
    http::{self, Pages},
    idempotency::ClientMessages,
    limits::AddressLimit,
    lines::Lines,
    listener::{Acceptor, listen},
    outbox::{Bounds, WINDOW_PACKETS},
    process,
    session::Session,
    socket_manager::SocketManager,
    store::{
        MessageStore, StoreError,
        journal::{Journal, JournalError},
        later,
        mongo::MongoStore,
        queue::SaveQueue,
        writer::Writer,
    },
    telemetry::{Telemetry, log},
    transport::Listener,
};

/// Bytes that the library takes of a WebSocket at once: a chat message. Each connection holds as many; from its socket more
/// are read at once ([`crate::inspection`]).
const WS_READ_BUFFER: usize = 512;
/// How much of the drain deadline is kept for telling the clients, at most: for what waits in their connections.
const FAREWELLS_WITHIN: Duration = Duration::from_secs(3);
/// Packets that the library may have for one client besides those that we hand to it: heartbeats, answers to logins.
const LIBRARYS_OWN: usize = 64;
/// How long ended connections may take to be gone.
const REMAINS_WITHIN: Duration = Duration::from_secs(1);
/// How long killed ones may take.
const KILLED_WITHIN: Duration = Duration::from_millis(100);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flags can't work together.
    #[error("{0}")]
    Flags(#[from] FlagsError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store does not answer or refuses us.
    #[error("cannot use the store: {0}")]
    Store(#[from] StoreError),
    /// The journal can't be used.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The other servers can't be reached.
    #[error("cannot use the bus: {0}")]
    Bus(#[from] ClusterError),
    /// The filter of the log is wrong.
    #[error("wrong log filter `{filter}`: {source}; expected one like `info` or `server=debug`")]
    LogFilter {
        /// As typed.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The histograms could not be made.
    #[error("cannot make histograms: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
    /// The runtime, the signals or the output.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs a server in this thread until Ctrl-C or SIGTERM, then drains it. The first line on stdout is its address.
///
/// # Errors
/// It could not start.
pub fn serve(args: Args) -> Result<Stopped, Error> {
    args.check()?;
    log::start(&args.log).map_err(|source| Error::LogFilter {
        filter: args.log.clone(),
        source,
    })?;
    process::raise_file_limit();
    let mut runtime = if args.threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = runtime.worker_threads(args.threads).enable_all().build()?;
    let served = runtime.block_on(async {
        let stop = stop_signal()?;
        if !args.twin_ports.is_empty() {
            return twins::serve(args, stop).await;
        }
        let server = Server::bind(Config::from(args)).await?;
        server.print_state_on_signal()?;
        writeln!(io::stdout(), "listening on http://{}", server.local_addr())?;
        Ok(server.run(stop).await)
    });
    // What is still running belongs to clients that were given up.
    runtime.shutdown_background();
    served
}

/// A server that listens and does not accept yet.
pub struct Server {
    listener: Listener,
    address: SocketAddr,
    acceptor: Arc<Acceptor>,
    front: Front,
    io: SocketIo,
    chat: Arc<Chat>,
    writer: Writer,
    lines: Arc<Lines>,
    closing: UnboundedReceiver<Box<str>>,
    drain_deadline: Duration,
}

impl Server {
    /// Prepares the store and listens.
    ///
    /// # Errors
    /// The store can't be used, or the address.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        match config.store.clone() {
            StoreConfig::Memory(memory) => {
                let simulated = Saving::simulated(memory, config.store_faults);
                Self::bind_to(config, simulated).await
            }
            StoreConfig::MongoDb(mongo) => {
                let store = MongoStore::new(mongo).await?;
                Self::bind_to(config, Saving::to(Arc::new(store))).await
            }
        }
    }

    /// The same with a store that the caller made.
    ///
    /// # Errors
    /// The store can't be used, or the address.
    pub async fn bind_with(config: Config, store: Arc<dyn MessageStore>) -> Result<Self, Error> {
        Self::bind_to(config, Saving::to(store)).await
    }

    /// A server on a simulated network, with a simulated disk.
    #[cfg(test)]
    pub(crate) fn simulated(
        config: Config,
        store: Arc<dyn MessageStore>,
        journal: Option<Journal>,
        listener: Listener,
    ) -> Result<Self, Error> {
        let address = config.address;
        Self::assemble(
            config,
            Saving::to(store),
            journal,
            None,
            (listener, address),
        )
    }

    /// What its handlers share.
    #[cfg(test)]
    pub(crate) fn chat(&self) -> Arc<Chat> {
        Arc::clone(&self.chat)
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves, then drains: accepts nobody and nothing more, finishes every pending save,
    /// tells the clients, and lets them go; all within the drain deadline.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Stopped {
        let connections = TaskTracker::new();
        let stop = CancellationToken::new();
        let Self {
            listener,
            acceptor,
            front,
            io,
            chat,
            writer,
            lines,
            closing,
            drain_deadline,
            ..
        } = self;
        let _closing = in_background(front.clone().close_sessions(closing));
        let (swept, of) = (Arc::clone(&lines), io.clone());
        let _sweeping = in_background(async move { swept.sweep(&of).await });
        let _writing: Vec<_> = acceptor
            .couriers()
            .iter()
            .map(|courier| {
                let courier = Arc::clone(courier);
                // It lets others have their turn by itself.
                in_background(unconstrained(async move { courier.go().await }))
            })
            .collect();
        let cluster = chat.cluster.clone();
        let among_others = cluster.as_ref().map(|cluster| cluster.start(&chat));
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                stream = acceptor.accept(&listener) => {
                    connections.spawn(front.clone().serve(stream, stop.clone()));
                }
            }
        }
        let deadline = later(Instant::now(), drain_deadline);
        let for_the_clients = (drain_deadline / 4).min(FAREWELLS_WITHIN);
        chat.draining.store(true, Ordering::SeqCst);
        drop(listener);
        tracing::info!(
            "stopping: {} messages wait for the store",
            chat.queue.depth()
        );

        let given_up = acceptor.given_up();
        let saves = writer.drain(drain_deadline - for_the_clients).await;
        chat.in_flight.close();
        let mut untold = Untold::default();
        if !within(deadline, Duration::MAX, chat.in_flight.wait()).await {
            untold.messages = chat.in_flight.len();
        }
        // Half for taking what was sent, and half for taking the end.
        let mut behind = lines.behind();
        within(deadline, for_the_clients / 2, behind.caught_up()).await;
        (untold.clients, untold.packets) = behind.cut();
        within(deadline, for_the_clients / 2, io.close()).await;
        lines.end_strangers(Duration::ZERO);
        if let (Some(cluster), Some(started)) = (&cluster, among_others) {
            let left = deadline - for_the_clients / 2;
            within(left, Duration::MAX, cluster.leave(&chat, started)).await;
        }
        stop.cancel();
        connections.close();
        let now = Instant::now();
        let remains = deadline.clamp(now + KILLED_WITHIN, now + REMAINS_WITHIN);
        within(remains, Duration::MAX, connections.wait()).await;
        within(remains, Duration::MAX, acceptor.until_empty()).await;
        // Whoever does not have the end yet may take until the deadline.
        within(deadline, for_the_clients / 2, acceptor.until_finished()).await;
        untold.connections = acceptor.unfinished() + acceptor.given_up() - given_up;
        acceptor.kill_all();
        within(
            Instant::now() + KILLED_WITHIN,
            Duration::MAX,
            acceptor.until_empty(),
        )
        .await;
        Stopped::told(saves, untold)
    }

    async fn bind_to(config: Config, saving: Saving) -> Result<Self, Error> {
        let journal = open_journal(config.journal.as_deref(), &*saving.store)?;
        saving.store.prepare().await?;
        let cluster = match &config.cluster {
            Some(cluster) => Some(Cluster::join(cluster).await?),
            None => None,
        };
        let listening = listen(config.address).map_err(|source| Error::Listen {
            address: config.address,
            source,
        })?;
        Self::assemble(config, saving, journal, cluster, listening)
    }

    fn assemble(
        config: Config,
        saving: Saving,
        journal: Option<Journal>,
        cluster: Option<Arc<Cluster>>,
        (listener, address): (Listener, SocketAddr),
    ) -> Result<Self, Error> {
        let telemetry = Arc::new(Telemetry::new()?);
        let mut users = SocketManager::new(config.limits.rooms_per_user);
        if cluster.is_some() {
            users.watch();
        }
        let users = Arc::new(Mutex::new(users));
        let post = cluster.as_ref().map(|cluster| Arc::clone(cluster.post()));
        let (queue, writer) =
            SaveQueue::start_with(Arc::clone(&saving.store), config.writer.clone(), journal);
        let chat = Arc::new(Chat {
            delivery: Delivery::new(
                Arc::clone(&users),
                config.dialect,
                Arc::clone(&telemetry),
                post,
            ),
            users,
            queue,
            store: saving.store,
            memory: saving.memory,
            store_faults: saving.faults,
            dialect: config.dialect,
            mode: config.delivery,
            busy_work: config.busy_work,
            authenticator: Authenticator::new(config.jwt_secret),
            logins: config.limits.connections_per_address.map(AddressLimit::new),
            limits: config.limits.clone(),
            client_messages: ClientMessages::default(),
            telemetry: Arc::clone(&telemetry),
            in_flight: TaskTracker::new(),
            cluster,
            draining: false.into(),
        });
        let acceptor = Arc::new(Acceptor::new(
            config.limits.connections_per_address,
            config.tcp_user_timeout,
            Arc::clone(&telemetry),
        ));

        let (library, io) = SocketIo::builder()
            .ping_interval(config.ping_interval)
            .ping_timeout(config.ping_timeout)
            .connect_timeout(config.login_within)
            .max_buffer_size(WINDOW_PACKETS + LIBRARYS_OWN)
            .max_payload(MAX_PAYLOAD as u64)
            .ws_read_buffer_size(WS_READ_BUFFER)
            .ws_max_message_size(MAX_PAYLOAD)
            .ws_max_frame_size(MAX_PAYLOAD)
            .with_parser(
                ParserConfig::common()
                    .max_incoming_binaries(0)
                    .max_incoming_binary_buf_size(0),
            )
            .build_with_inner_svc(Router::new());
        let (admitting, connecting) = (Arc::clone(&chat), Arc::clone(&chat));
        let on_connect = move |socket: SocketRef, session: Extension<Arc<Session>>| {
            connection::connected(&connecting, socket, session);
            std::future::ready(())
        };
        let middleware = move |socket: SocketRef, handshake: TryData<Handshake>| {
            std::future::ready(connection::admit(&admitting, &socket, handshake))
        };
        io.ns("/", on_connect.with(middleware));

        let bounds = Bounds {
            packets: config.limits.send_buffer,
            bytes: config.limits.send_buffer_bytes,
        };
        let (close, closing) = unbounded_channel();
        let lines = Arc::new(Lines::new(
            bounds,
            config.limits.send_memory,
            config.login_within,
            Arc::clone(&telemetry),
            close,
        ));
        let memory = Arc::clone(lines.memory());
        let pages = Pages::new(Arc::clone(&chat), Arc::clone(&acceptor), memory);
        let door = Door {
            library,
            telemetry: Arc::clone(&telemetry),
        };
        let app = http::router(pages, config.debug_access)
            .layer(middleware::from_fn_with_state(door, door::enter));
        let front = Front::new(app, config.origins, Arc::clone(&lines), telemetry);
        Ok(Self {
            listener,
            address,
            acceptor,
            front,
            io,
            chat,
            writer,
            lines,
            closing,
            drain_deadline: config.drain_deadline,
        })
    }

    /// Prints who is connected and in which room, whenever the process gets SIGUSR1.
    fn print_state_on_signal(&self) -> io::Result<()> {
        let mut asked = signal(SignalKind::user_defined1())?;
        let users = Arc::clone(&self.chat.users);
        tokio::spawn(async move {
            while asked.recv().await.is_some() {
                let users = Arc::clone(&users);
                tokio::task::spawn_blocking(move || http::log_state(&users));
            }
        });
        Ok(())
    }
}

fn open_journal(
    path: Option<&Path>,
    store: &dyn MessageStore,
) -> Result<Option<Journal>, JournalError> {
    let origin = store.origin();
    let Some(path) = path else {
        if origin.is_some() {
            tracing::info!(
                "no --journal: if this process is killed while the store does not answer, messages that were told as \
                 failed may stay stored"
            );
        }
        return Ok(None);
    };
    let journal = Journal::open(path, origin)?;
    if journal.unsettled() > 0 {
        tracing::warn!(
            "settling {} messages that an earlier process told as failed and may have stored",
            journal.unsettled()
        );
    }
    Ok(Some(journal))
}

/// Waits until `deadline`, and for `at_most`; says whether that was enough.
async fn within(deadline: Instant, at_most: Duration, work: impl Future) -> bool {
    let left = deadline
        .saturating_duration_since(Instant::now())
        .min(at_most);
    tokio::time::timeout(left, work).await.is_ok()
}

fn in_background(work: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(work))
}

/// Resolves at Ctrl-C or SIGTERM.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
