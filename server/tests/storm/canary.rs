//! Two well-behaved clients who talk to each other all the time, and notice whatever a stranger does to them.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    sync::Barrier,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, Packet},
    ledger::Ledger,
};

/// Where they talk. No stranger knows it.
pub const ROOM: &str = "the canaries' own";
const NAMES: [&str; 2] = ["canary-a", "canary-b"];
/// How often each says something.
const EVERY: Duration = Duration::from_millis(10);
/// How long the last messages may take to be complete.
const COMPLETE_WITHIN: Duration = Duration::from_secs(20);

pub struct Canaries {
    tasks: Vec<JoinHandle<Ledger>>,
    quiet: CancellationToken,
}

/// How it went for both.
pub struct Told {
    pub messages: usize,
    took: Vec<Duration>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| {
            let last = self.took.len().saturating_sub(1);
            self.took
                .get((last as f64 * share) as usize)
                .copied()
                .unwrap_or_default()
        };
        write!(
            f,
            "{} messages, each once, in order, confirmed and acknowledged; delivered in {:.1?} (median), {:.1?} \
             (99 of 100), {:.1?} (at most)",
            self.messages,
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }
}

impl Canaries {
    /// Both log in and begin to talk.
    pub async fn fly(address: SocketAddr) -> Self {
        let quiet = CancellationToken::new();
        // How much each has said: what the other must have heard in the end.
        let said: Arc<[AtomicUsize; 2]> = Arc::default();
        let both_quiet = Arc::new(Barrier::new(NAMES.len()));
        let mut clients = Vec::new();
        for name in NAMES {
            clients.push(Client::in_rooms(address, name, &[ROOM]).await);
        }
        let tasks = clients
            .into_iter()
            .enumerate()
            .map(|(me, client)| {
                let (said, both_quiet) = (Arc::clone(&said), Arc::clone(&both_quiet));
                tokio::spawn(talk(client, me, said, quiet.clone(), both_quiet))
            })
            .collect();
        Self { tasks, quiet }
    }

    /// Whether one of them has given up.
    pub fn harmed(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }

    /// Both say no more, wait for what is missing, and log out.
    pub async fn land(self) -> Told {
        self.quiet.cancel();
        let mut told = Told {
            messages: 0,
            took: Vec::new(),
        };
        for task in self.tasks {
            let ledger = task.await.expect("a canary was harmed");
            told.messages += ledger.sent();
            told.took.extend(ledger.took);
        }
        told.took.sort_unstable();
        told
    }
}

/// One canary's life. Panics at the first thing that is not as promised.
async fn talk(
    mut client: Client,
    me: usize,
    said: Arc<[AtomicUsize; 2]>,
    quiet: CancellationToken,
    both_quiet: Arc<Barrier>,
) -> Ledger {
    let (name, other) = (NAMES[me], 1 - me);
    let mut ledger = Ledger::default();
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !quiet.is_cancelled() {
        tokio::select! {
            () = quiet.cancelled() => {}
            _ = tick.tick() => {
                let body = ledger.sends(name);
                said[me].store(ledger.sent(), Ordering::SeqCst);
                let _call = client
                    .ask("roomMessage", json!({ "roomId": ROOM, "senderId": name, "body": body }))
                    .await;
            }
            packet = client.next() => account(&mut ledger, name, packet),
        }
    }
    // From here on the other says no more either: its number is final.
    let both = timeout(COMPLETE_WITHIN, both_quiet.wait()).await;
    assert!(both.is_ok(), "{name}: the other has gone");
    let heard = (NAMES[other], said[other].load(Ordering::SeqCst));
    let complete = async {
        while ledger.missing(name, heard).is_some() {
            let packet = client.next().await;
            account(&mut ledger, name, packet);
        }
    };
    let in_time = timeout(COMPLETE_WITHIN, complete).await.is_ok();
    assert!(in_time, "{name}: {:?}", ledger.missing(name, heard));
    let rest = client.settled().await;
    assert!(rest.is_empty(), "{name}: not for it: {rest:?}");
    client.logout().await;
    ledger
}

fn account(ledger: &mut Ledger, name: &str, packet: Packet) {
    let accounted = match packet {
        Packet::Event(event, data) => ledger.event(name, &event, &data),
        Packet::Ack(call, data) => ledger.acknowledged(call, &data),
        gone @ (Packet::Disconnect | Packet::Closed) => Err(format!("cut off: {gone:?}")),
    };
    if let Err(error) = accounted {
        panic!("{name}: {error}");
    }
}
