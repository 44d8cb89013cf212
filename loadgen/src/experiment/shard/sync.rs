//! How a shard's clock stands to that of shard 1: asked over TCP, many times; the shortest round trip says the most.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{ShardOptions, WallClock};
use crate::{experiment::RunError, model::nanos, result::ClockOffset};

/// How often is asked: of a few dozen round trips one is hardly disturbed by anything.
const QUESTIONS: usize = 64;
/// How long shard 1 may take to be there: processes of one run are started by hand, or by a scheduler.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long after a refused attempt the next one is made.
const AGAIN: Duration = Duration::from_millis(250);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// No question and no answer is longer, in bytes.
const LINE: u64 = 200;
/// The answer to who drives another plan.
const ANOTHER: &str = "another plan";

/// What the first shard tells, and the others have been told. It ends with this value.
pub(super) struct Timekeeper {
    telling: Option<JoinHandle<()>>,
    clock: ClockOffset,
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        if let Some(telling) = &self.telling {
            telling.abort();
        }
    }
}

impl Timekeeper {
    /// Tells the time from now on, or asks for it, as the number of the shard says; `None` where nobody does.
    ///
    /// # Errors
    /// [`RunError::Sync`]: nobody can be told, or nobody tells.
    pub(super) async fn start(shard: &ShardOptions, plan: &str) -> Result<Option<Self>, RunError> {
        let Some(address) = &shard.sync else {
            return Ok(None);
        };
        let sync = match shard.shard.number() {
            1 => {
                let listener = TcpListener::bind(address).await;
                let listener = listener.map_err(|error| {
                    RunError::Sync(format!("shard 1 tells its time at {address}: {error}"))
                })?;
                Self {
                    telling: Some(tokio::spawn(tell(listener, plan.to_owned(), shard.clock))),
                    clock: ClockOffset { ahead: 0, bound: 0 },
                }
            }
            _ => Self {
                telling: None,
                clock: ask(address, plan, shard.clock).await?,
            },
        };
        Ok(Some(sync))
    }

    /// How the own clock stands to that of shard 1.
    pub(super) fn clock(&self) -> ClockOffset {
        self.clock
    }
}

/// Answers whoever drives the same plan with the time of day.
async fn tell(listener: TcpListener, plan: String, clock: WallClock) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // As when all files are in use: the next one may get through.
            sleep(AGAIN).await;
            continue;
        };
        let plan = plan.clone();
        tokio::spawn(async move {
            // Whoever asks no more has been told enough.
            let _ = timeout(PATIENCE, answer(stream, &plan, clock)).await;
        });
    }
}

async fn answer(mut stream: TcpStream, plan: &str, clock: WallClock) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reading, mut writing) = stream.split();
    let mut lines = BufReader::new(reading.take(LINE * QUESTIONS as u64)).lines();
    while let Some(line) = lines.next_line().await? {
        let told = match line == plan {
            true => format!("{}\n", clock.now()),
            false => format!("{ANOTHER}\n"),
        };
        writing.write_all(told.as_bytes()).await?;
    }
    Ok(())
}

/// Asks shard 1 until it is there, and then as often as it takes.
async fn ask(address: &str, plan: &str, clock: WallClock) -> Result<ClockOffset, RunError> {
    let deadline = Instant::now() + PATIENCE;
    let stream = loop {
        match timeout(ANSWER, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => break stream,
            other if Instant::now() >= deadline => {
                let why = other.map_or_else(
                    |_| "no answer".to_owned(),
                    |one| match one {
                        Ok(_) => "too late".to_owned(),
                        Err(error) => error.to_string(),
                    },
                );
                let patience = PATIENCE.as_secs();
                return Err(RunError::Sync(format!(
                    "shard 1 is not at {address}, where it should tell its time, after {patience} s: {why}"
                )));
            }
            _ => sleep(AGAIN).await,
        }
    };
    let asked = questions(stream, plan, clock).await;
    asked.map_err(|why| {
        RunError::Sync(format!(
            "shard 1 at {address} does not tell its time: {why}"
        ))
    })
}

async fn questions(
    mut stream: TcpStream,
    plan: &str,
    clock: WallClock,
) -> Result<ClockOffset, String> {
    let told = |error: std::io::Error| error.to_string();
    stream.set_nodelay(true).map_err(told)?;
    let question = format!("{plan}\n");
    let (reading, mut writing) = stream.split();
    let mut lines = BufReader::new(reading.take(LINE * QUESTIONS as u64)).lines();
    let mut best: Option<ClockOffset> = None;
    for _ in 0..QUESTIONS {
        let (asked, own) = (Instant::now(), clock.now());
        writing.write_all(question.as_bytes()).await.map_err(told)?;
        let line = timeout(ANSWER, lines.next_line()).await;
        let took = nanos(asked.elapsed());
        let line = line
            .map_err(|_| "no answer".to_owned())?
            .map_err(told)?
            .ok_or("the connection ended")?;
        if line == ANOTHER {
            return Err("it drives another plan: give all shards the same scenario, --set, --seed, and program".to_owned());
        }
        let theirs: u64 = line.parse().map_err(|_| format!("{line:?} is no time"))?;
        let offset = offset(own, theirs, took);
        if best.is_none_or(|best| offset.bound < best.bound) {
            best = Some(offset);
        }
    }
    best.ok_or_else(|| "nothing was asked".to_owned())
}

/// From one question, asked then by the own clock, its answer, and how long that took: the other clock was read somewhere in
/// between.
fn offset(own: u64, theirs: u64, took: u64) -> ClockOffset {
    let between = i128::from(own) + i128::from(took / 2);
    let ahead = between - i128::from(theirs);
    ClockOffset {
        ahead: i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX }),
        bound: took / 2 + 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Shard;

    proptest! {
        #[test]
        fn the_truth_is_within_the_bound(
            ahead in -9_000_000_000_000_i64..9_000_000_000_000, there in 0_u64..90_000_000, back in 0_u64..90_000_000,
        ) {
            let own = 1_795_651_200_000_000_000_u64;
            let theirs = (own + there).saturating_add_signed(-ahead);
            let offset = offset(own, theirs, there + back);
            prop_assert!(offset.ahead.abs_diff(ahead) <= offset.bound, "{offset:?}");
        }
    }

    fn options(number: u16, address: &str, shift: i64) -> ShardOptions {
        ShardOptions {
            shard: Shard::new(number, 2).unwrap(),
            start_at: 0,
            sync: Some(address.to_owned()),
            clock: WallClock { shift },
            settings: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_clock_that_is_hours_ahead_is_known_to_be() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let telling = tokio::spawn(tell(listener, "p".to_owned(), WallClock::default()));
        for shift in [0, 7_200_000_000_000, -2_000_000_000, 137_000_000] {
            let sync = Timekeeper::start(&options(2, &address, shift), "p")
                .await
                .unwrap()
                .unwrap();
            let ClockOffset { ahead, bound } = sync.clock();
            assert!(ahead.abs_diff(shift) <= bound, "{shift}: {ahead} ±{bound}");
        }
        let error = Timekeeper::start(&options(2, &address, 0), "q")
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("another plan"), "{error}");
        telling.abort();
    }

    #[tokio::test]
    async fn the_first_shard_tells_at_its_address_or_says_why_not() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = Timekeeper::start(&options(1, &address, 0), "p")
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with("shard 1 tells its time at 127.0.0.1:"),
            "{error}"
        );
        drop(taken);
        let first = Timekeeper::start(&options(1, &address, 0), "p")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(first.clock(), ClockOffset { ahead: 0, bound: 0 });
        let second = Timekeeper::start(&options(2, &address, 0), "p")
            .await
            .unwrap()
            .unwrap();
        assert!(second.clock().bound > 0);
    }
}
