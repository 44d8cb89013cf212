//! A fuzzer of connections: strangers who break every rule against a real server process, beside two canaries.
//!
//! `FUZZ_SECONDS` says how long they do, `FUZZ_SEED` which acts they play (a random one otherwise; it is printed), and
//! `FUZZ_ACTS=relogin,deaf` leaves out the others. Each act draws from the seed and its own number alone, so that a seed
//! plays the same acts again; how they fall together in time is the machine's business.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    env,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    acts::{Act, stage::Stage},
    canary::Canaries,
    process::ServerProcess,
};

mod acts;
mod canary;
#[path = "../chat/client.rs"]
#[allow(
    dead_code,
    reason = "the canaries need less of it than the tests of the chat"
)]
mod client;
mod ledger;
mod process;
mod wire;

/// Strangers at a time.
const STRANGERS: usize = 12;
/// Acts in a run at most, however long it is.
const MAX_ACTS: u64 = 200_000;
/// How long a run without `FUZZ_SECONDS` takes: with all other tests.
const SECONDS: u64 = 4;
/// How often server and canaries are looked at.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// How long the server may take to be as it was before: its own deadlines are half a minute at most.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// A number of the environment.
fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let number = text.parse().ok();
    assert!(number.is_some(), "{name}={text} is no number");
    number
}

/// The acts that are played: all, or those that `FUZZ_ACTS` names.
fn chosen() -> Vec<Act> {
    let Ok(names) = env::var("FUZZ_ACTS") else {
        return Act::ALL.to_vec();
    };
    let find = |name: &str| {
        let found = Act::ALL.into_iter().find(|act| act.name() == name);
        found.unwrap_or_else(|| {
            panic!(
                "FUZZ_ACTS: no act {name}; there are {}",
                Act::ALL.map(Act::name).join(", ")
            )
        })
    };
    names.split(',').map(find).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_connections_harms_nobody() {
    let seed = number("FUZZ_SEED").unwrap_or_else(rand::random::<u64>);
    let length = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(SECONDS));
    eprintln!(
        "seed {seed}: FUZZ_SEED={seed} FUZZ_SECONDS={} cargo test -p server --test storm -- --nocapture",
        length.as_secs()
    );
    let mut server = ServerProcess::start().await;
    let before = server.footprint();
    let canaries = Canaries::fly(server.address).await;
    let stage = Arc::new(Stage::new(server.address, seed, chosen(), MAX_ACTS));

    let played = play(&stage, &mut server, &canaries, length).await;
    for (act, count) in &played {
        eprintln!("  {count:>6} × {act}");
    }
    // The strangers who were still there go, all at once and without a word.
    drop(stage);
    let told = canaries.land().await;
    eprintln!("  the canaries: {told}");
    server.settle(before, SETTLED_WITHIN).await;
    eprintln!(
        "  the server: {before} before, {} at most, {} after",
        server.peak,
        server.footprint()
    );
    server.stop().await;
    assert!(
        played.values().sum::<u64>() > 0 && told.messages > 0,
        "nothing has been tried"
    );
}

/// Lets the strangers play until the time is over or something is broken; says how often each act was played.
async fn play(
    stage: &Arc<Stage>,
    server: &mut ServerProcess,
    canaries: &Canaries,
    length: Duration,
) -> BTreeMap<&'static str, u64> {
    let end = Instant::now() + length;
    let mut strangers = JoinSet::new();
    for _ in 0..STRANGERS {
        let stage = Arc::clone(stage);
        strangers.spawn(async move {
            let mut played = BTreeMap::<_, u64>::new();
            while Instant::now() < end
                && !stage.is_over()
                && let Some(act) = stage.play_next().await
            {
                *played.entry(act.name()).or_default() += 1;
            }
            played
        });
    }
    let mut all = BTreeMap::<_, u64>::new();
    while !strangers.is_empty() {
        tokio::select! {
            Some(played) = strangers.join_next() => {
                for (act, count) in played.unwrap() {
                    *all.entry(act).or_default() += count;
                }
            }
            () = tokio::time::sleep(WATCH_EVERY) => {
                server.watch();
                if canaries.harmed() {
                    stage.end();
                }
            }
        }
    }
    all
}
