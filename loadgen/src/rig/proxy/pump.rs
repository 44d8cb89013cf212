//! One way through a connection: reads, holds up or swallows as the effects say, and writes in the same order.

use std::{collections::VecDeque, io, net::Shutdown, sync::Arc, time::Duration};

use rand::RngExt;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Weather,
    connection::Connection,
    effect::{Effect, Imposed, Way, time_for},
};

/// Read at once at most.
const PIECE: usize = 16 * 1024;
/// Bytes that may wait in one direction of a connection; then nothing is read until they are fewer. A line of 8 MiB a
/// second and an eighth of a second holds as many.
const HELD: usize = 1024 * 1024;
/// A slow reader reads so often, so that it reads little at once.
const SIPS: u64 = 20;
/// A packet is not lost more often than so many times in a row: TCP itself would give up soon.
const LOSSES: i32 = 6;

/// What was read and is not written yet.
struct Held {
    due: Instant,
    bytes: Vec<u8>,
    /// So many of them are written.
    written: usize,
}

/// One way through a connection.
pub(super) struct Pump<'a> {
    connection: &'a Connection,
    way: Way,
    from: &'a TcpStream,
    to: &'a TcpStream,
    weather: watch::Receiver<Weather>,
    now: Weather,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Nothing is read before.
    rests_until: Option<Instant>,
    /// Nothing more comes.
    at_end: bool,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        way: Way,
        from: &'a TcpStream,
        to: &'a TcpStream,
    ) -> Self {
        let mut weather = connection.weather();
        let now = Arc::clone(&weather.borrow_and_update());
        Self {
            connection,
            way,
            from,
            to,
            weather,
            now,
            held: VecDeque::new(),
            held_bytes: 0,
            rests_until: None,
            at_end: false,
        }
    }

    /// Passes on until the end, and that too.
    ///
    /// # Errors
    /// One side is broken, or the proxy is gone, and so the other is to be.
    pub(super) async fn run(mut self) -> io::Result<()> {
        loop {
            if self.at_end && self.held.is_empty() {
                if self.dead().is_none() {
                    return SockRef::from(self.to).shutdown(Shutdown::Write);
                }
                // An end is swallowed too.
                self.swallowed(0);
            }
            let due = self.held.front().map(|held| held.due);
            let reads = !self.at_end && self.held_bytes < HELD;
            tokio::select! {
                biased;
                changed = self.weather.changed() => {
                    if changed.is_err() {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    self.change();
                }
                writable = writable(self.to, due), if due.is_some() => {
                    writable?;
                    self.write()?;
                }
                readable = readable(self.from, self.rests_until), if reads => {
                    readable?;
                    self.rests_until = None;
                    self.read()?;
                }
            }
        }
    }

    fn dead(&self) -> Option<&Arc<Imposed>> {
        self.now.iter().find(|one| one.effect == Effect::HalfOpen)
    }

    /// What waits is planned anew when something was lifted: a line that is free again keeps nothing.
    fn change(&mut self) {
        let next = Arc::clone(&self.weather.borrow_and_update());
        let stays = |one: &Arc<Imposed>| next.iter().any(|other| other.id == one.id);
        let lifted = !self.now.iter().all(stays);
        self.now = next;
        self.rests_until = self.rests_until.filter(|_| !lifted);
        // On a narrow line it has its place already.
        let is_narrow = |one: &Arc<Imposed>| matches!(one.effect, Effect::Bandwidth(_));
        if !lifted || self.now.iter().any(is_narrow) {
            return;
        }
        let now = Instant::now();
        let mut before = now;
        for nth in 0..self.held.len() {
            let planned = self.due(self.held[nth].bytes.len(), now, false);
            before = self.held[nth].due.min(planned).max(before);
            self.held[nth].due = before;
        }
    }

    /// Reads a piece, and writes it at once where nothing holds it up.
    fn read(&mut self) -> io::Result<()> {
        let mut piece = [0; PIECE];
        let most = self.sip().map_or(PIECE, |(_, most)| most);
        let count = match self.from.try_read(&mut piece[..most]) {
            Ok(0) => {
                self.at_end = true;
                return Ok(());
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let bytes = &piece[..count];
        self.rest(count, most);
        if self.dead().is_some() {
            self.swallowed(count);
            return Ok(());
        }
        self.look_at(bytes)?;
        let now = Instant::now();
        let due = self.due(count, now, true);
        let due = self.held.back().map_or(due, |last| last.due.max(due));
        let mut written = 0;
        if self.held.is_empty() && due <= now {
            written = match self.to.try_write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
        }
        if written < count {
            self.held_bytes += count - written;
            self.held.push_back(Held {
                due,
                bytes: bytes[written..].to_vec(),
                written: 0,
            });
        }
        Ok(())
    }

    /// Writes what is due.
    fn write(&mut self) -> io::Result<()> {
        let now = Instant::now();
        while let Some(held) = self.held.front_mut() {
            if held.due > now {
                return Ok(());
            }
            match self.to.try_write(&held.bytes[held.written..]) {
                Ok(written) => {
                    held.written += written;
                    self.held_bytes -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if held.written == held.bytes.len() {
                self.held.pop_front();
            }
        }
        Ok(())
    }

    /// When so many bytes that come now are passed on, which counts as done by the effects or not.
    fn due(&self, size: usize, now: Instant, counts: bool) -> Instant {
        let mut due = now;
        for one in self.now.iter() {
            let before = due;
            match one.effect {
                Effect::Latency(delay) => {
                    due += delay.sample(&mut *self.connection.rng().borrow_mut())
                }
                Effect::Bandwidth(rate) => {
                    due = due.max(one.through(self.way, size as u64, rate, now))
                }
                Effect::Loss { share, pause } => due += self.lost(share, pause),
                Effect::Cut { .. }
                | Effect::HalfOpen
                | Effect::SlowReader(_)
                | Effect::ReplyLost { .. } => {}
            }
            if counts && due > before {
                self.connection.touch(one);
                one.tally.piece(size as u64, due - before);
            }
        }
        due
    }

    /// How long it takes until what may be lost has come through.
    fn lost(&self, share: f64, pause: Duration) -> Duration {
        let mut rng = self.connection.rng().borrow_mut();
        let losses = (0..LOSSES).take_while(|_| rng.random_bool(share.clamp(0.0, 1.0)));
        losses
            .map(|nth| pause * 2_u32.pow(nth.cast_unsigned()))
            .sum()
    }

    /// The effect by which little is read at once, and how much; of what goes to who has connected.
    fn sip(&self) -> Option<(&Arc<Imposed>, usize)> {
        if self.way == Way::Up {
            return None;
        }
        let rate = |one: &Imposed| match one.effect {
            Effect::SlowReader(rate) => Some(rate),
            _ => None,
        };
        let slow = self.now.iter().filter_map(|one| Some((one, rate(one)?)));
        let (one, rate) = slow.min_by_key(|(_, rate)| *rate)?;
        let most = usize::try_from(rate / SIPS).unwrap_or(PIECE);
        Some((one, most.clamp(1, PIECE)))
    }

    /// A slow reader rests after each sip. If it took all that it could, more was left to wait.
    fn rest(&mut self, count: usize, most: usize) {
        let Some((one, _)) = self.sip() else { return };
        let (one, Effect::SlowReader(rate)) = (Arc::clone(one), one.effect) else {
            return;
        };
        let rests = time_for(count as u64, rate);
        self.rests_until = Some(Instant::now() + rests);
        if count == most {
            self.connection.touch(&one);
            one.tally.piece(count as u64, rests);
        }
    }

    /// Follows what MongoDB's client and server say to each other.
    ///
    /// # Errors
    /// The connection is to be reset instead of the reply that comes.
    fn look_at(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(commands) = self.connection.commands() else {
            return Ok(());
        };
        let mut commands = commands.borrow_mut();
        if self.way == Way::Up {
            commands.sent(bytes);
            return Ok(());
        }
        let replies = commands.came(bytes);
        if replies == 0 {
            return Ok(());
        }
        for one in self.now.iter() {
            if let Effect::ReplyLost { share } = one.effect
                && self
                    .connection
                    .rng()
                    .borrow_mut()
                    .random_bool(share.clamp(0.0, 1.0))
            {
                self.connection.touch(one);
                one.tally.piece(bytes.len() as u64, Duration::ZERO);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(())
    }

    fn swallowed(&self, count: usize) {
        let Some(dead) = self.dead() else { return };
        self.connection.tear(dead);
        if count > 0 {
            dead.tally.piece(count as u64, Duration::ZERO);
        }
    }
}

/// Resolves then, or at once if that has passed; the runtime's timer is a millisecond coarse.
async fn at(due: Option<Instant>) {
    if let Some(due) = due
        && due > Instant::now()
    {
        sleep_until(due).await;
    }
}

async fn writable(to: &TcpStream, due: Option<Instant>) -> io::Result<()> {
    at(due).await;
    to.writable().await
}

async fn readable(from: &TcpStream, rests_until: Option<Instant>) -> io::Result<()> {
    at(rests_until).await;
    from.readable().await
}
