//! How a shard's clock stands to that of shard 1: asked over TCP, many times; the shortest round trip says the most.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    ShardOptions,
    appointment::{Steady, Timepiece},
};
use crate::{experiment::RunError, model::nanos, result::ClockOffset};

/// How often is asked: of a few dozen round trips one is hardly disturbed by anything.
const QUESTIONS: usize = 64;
/// How long shard 1 may take to be there, at least: processes of one run are started by hand, or by a scheduler.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long after a refused attempt the next one is made.
const AGAIN: Duration = Duration::from_millis(250);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// So long before the start clocks are compared once more: so near that they hardly move until then, and over before it.
const BEFORE: Duration = Duration::from_secs(2);
/// Of so much time a clock goes wrong by one part at most: half a thousandth is as much as the kernel lets anybody slew it.
const DRIFT: u64 = 2_000;
/// No question and no answer is longer, in bytes.
const LINE: u64 = 200;
/// Connections that wait to be accepted: all shards may come at once.
const BACKLOG: i32 = 1_024;
/// The answer to who drives another plan, or begins at another moment.
const ANOTHER: &str = "another plan";

/// What the first shard tells, and the others have been told. It ends with this value.
pub(super) struct Timekeeper {
    time: Steady,
    role: Role,
}

enum Role {
    /// Shard 1 tells.
    Tells(JoinHandle<()>),
    /// Another asked at a time of its own clock, was told so, and asks once more just before the start.
    Asked {
        at: u64,
        told: ClockOffset,
        again: JoinHandle<ClockOffset>,
    },
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        match &self.role {
            Role::Tells(telling) => telling.abort(),
            Role::Asked { again, .. } => again.abort(),
        }
    }
}

impl Timekeeper {
    /// Tells the time from now on, or asks for it, as the number of the shard says; `None` where nobody does. The plan is its
    /// digest.
    ///
    /// # Errors
    /// [`RunError::Sync`]: nobody can be told, or nobody tells.
    pub(super) async fn start(shard: &ShardOptions, plan: &str) -> Result<Option<Self>, RunError> {
        let Some(address) = &shard.sync else {
            return Ok(None);
        };
        let time = Steady::of(shard.clock);
        let run = format!("{plan} {}", shard.start_at);
        let role = match shard.shard.number() {
            1 => {
                let listener = listen(address).map_err(|error| {
                    RunError::Sync(format!("shard 1 tells its time at {address}: {error}"))
                })?;
                Role::Tells(tokio::spawn(tell(listener, run, time)))
            }
            _ => {
                let told = ask(address, &run, time, patience(shard.start_at, time.now())).await?;
                let due = shard.start_at.saturating_add_signed(told.ahead);
                Role::Asked {
                    at: time.now(),
                    told,
                    again: tokio::spawn(ask_again(address.clone(), run, time, due)),
                }
            }
        };
        Ok(Some(Self { time, role }))
    }

    /// How the own clock stands to that of shard 1, as far as that is known before the start.
    pub(super) fn told(&self) -> ClockOffset {
        match self.role {
            Role::Tells(_) => ClockOffset { ahead: 0, bound: 0 },
            Role::Asked { told, .. } => told,
        }
    }

    /// The clock that was compared.
    pub(super) fn timepiece(&self) -> Timepiece {
        Timepiece::Compared(self.time, self.told())
    }

    /// How it stood when the schedule began, at this time of it: by what was told first, and no better known than it has moved
    /// until it was told again. Where nobody answered again, it may have gone wrong as far as a clock can.
    pub(super) async fn stood(&mut self, began: Option<u64>) -> ClockOffset {
        let Role::Asked { at, told, again } = &mut self.role else {
            return self.told();
        };
        let answer = match again.is_finished() {
            true => again.await.ok(),
            false => None,
        };
        let since = began.unwrap_or_else(|| self.time.now()).saturating_sub(*at);
        match answer {
            Some(again) => moved(*told, again),
            None => ClockOffset {
                bound: told.bound.saturating_add(since / DRIFT),
                ..*told
            },
        }
    }
}

/// What holds of all times between two comparisons, of a clock that moved one way from the one to the other.
fn moved(first: ClockOffset, again: ClockOffset) -> ClockOffset {
    let moved = first.ahead.abs_diff(again.ahead);
    ClockOffset {
        ahead: first.ahead,
        bound: first.bound.max(moved.saturating_add(again.bound)),
    }
}

/// How long shard 1 is waited for, now: until the start at least, as far as an own clock that may be wrong can tell.
fn patience(start_at: u64, now: u64) -> Duration {
    PATIENCE.max(Duration::from_nanos(start_at.saturating_sub(now)))
}

/// Listens at the port of an address, on all addresses of this host: the name that others dial it by may not be known yet, or mean
/// nothing but loopback here.
fn listen(address: &str) -> io::Result<TcpListener> {
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("that has no port"))?;
    match listen_on(Domain::IPV6, Ipv6Addr::UNSPECIFIED.into(), port) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            // Where there is no IPv6.
            listen_on(Domain::IPV4, Ipv4Addr::UNSPECIFIED.into(), port)
        }
        listening => listening,
    }
}

fn listen_on(domain: Domain, any: IpAddr, port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if domain == Domain::IPV6 {
        // IPv4, too, whatever is usual on this host.
        socket.set_only_v6(false)?;
    }
    // One that ended just now may have had the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(any, port).into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Answers whoever drives the same plan from the same moment on with the time of day.
async fn tell(listener: TcpListener, run: String, time: Steady) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // As when all files are in use: the next one may get through.
            sleep(AGAIN).await;
            continue;
        };
        let run = run.clone();
        tokio::spawn(async move {
            // Whoever asks no more has been told enough.
            let _ = timeout(PATIENCE, answer(stream, &run, time)).await;
        });
    }
}

async fn answer(mut stream: TcpStream, run: &str, time: Steady) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reading, mut writing) = stream.split();
    let mut lines = BufReader::new(reading.take(LINE * QUESTIONS as u64)).lines();
    while let Some(line) = lines.next_line().await? {
        let told = match line == run {
            true => format!("{}\n", time.now()),
            false => format!("{ANOTHER}\n"),
        };
        writing.write_all(told.as_bytes()).await?;
    }
    Ok(())
}

/// Asks shard 1 until it is there, for so long, and then as often as it takes.
async fn ask(
    address: &str,
    run: &str,
    time: Steady,
    patience: Duration,
) -> Result<ClockOffset, RunError> {
    let began = Instant::now();
    let stream = loop {
        match connect(address).await {
            Ok(stream) => break stream,
            Err(why) if began.elapsed() >= patience => {
                let patience = patience.as_secs();
                return Err(RunError::Sync(format!(
                    "shard 1 is not at {address}, where it should tell its time, after {patience} s: {why}"
                )));
            }
            Err(_) => sleep(AGAIN).await,
        }
    };
    let asked = questions(stream, run, time).await;
    asked.map_err(|why| {
        RunError::Sync(format!(
            "shard 1 at {address} does not tell its time: {why}"
        ))
    })
}

/// Asks once more, just before the own clock says this time, and until there is an answer.
async fn ask_again(address: String, run: String, time: Steady, due: u64) -> ClockOffset {
    let left = Duration::from_nanos(due.saturating_sub(time.now()));
    sleep(left.saturating_sub(BEFORE)).await;
    loop {
        if let Ok(stream) = connect(&address).await
            && let Ok(told) = questions(stream, &run, time).await
        {
            return told;
        }
        sleep(AGAIN).await;
    }
}

async fn connect(address: &str) -> Result<TcpStream, String> {
    let connected = timeout(ANSWER, TcpStream::connect(address)).await;
    let connected = connected.map_err(|_| "no answer".to_owned())?;
    connected.map_err(|error| error.to_string())
}

async fn questions(mut stream: TcpStream, run: &str, time: Steady) -> Result<ClockOffset, String> {
    let told = |error: io::Error| error.to_string();
    stream.set_nodelay(true).map_err(told)?;
    let question = format!("{run}\n");
    let (reading, mut writing) = stream.split();
    let mut lines = BufReader::new(reading.take(LINE * QUESTIONS as u64)).lines();
    let mut best: Option<ClockOffset> = None;
    for _ in 0..QUESTIONS {
        let (asked, own) = (Instant::now(), time.now());
        writing.write_all(question.as_bytes()).await.map_err(told)?;
        let line = timeout(ANSWER, lines.next_line()).await;
        let took = nanos(asked.elapsed());
        let line = line
            .map_err(|_| "no answer".to_owned())?
            .map_err(told)?
            .ok_or("the connection ended")?;
        if line == ANOTHER {
            return Err("it drives another plan, or begins at another moment: give all shards the same scenario, --set, --seed, --start-at, and program".to_owned());
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
mod tests;
