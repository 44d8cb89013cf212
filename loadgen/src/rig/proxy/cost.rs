//! What an idle proxy costs: round trips through one beside round trips without, in one run.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{Proxy, Speech};

/// Round trips of each kind, in turn.
const ROUND_TRIPS: usize = 1_000;
/// So many are made before, so that all is warm.
const WARM_UP: usize = 100;
/// About as long as a chat message in its frame.
const BYTES: usize = 200;

/// What a round trip takes without an idle proxy and through one, half of them at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Without.
    pub direct: Duration,
    /// Through one.
    pub through: Duration,
}

impl Cost {
    /// Measures it on this machine, now, which takes some tenths of a second: to somebody who only echoes.
    ///
    /// # Errors
    /// When there is no socket, no thread, or no proxy to be had.
    pub fn measure() -> io::Result<Cost> {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = echo.local_addr()?;
        let proxy = Proxy::start(address, Speech::Bytes, 0)?;
        let echoing = thread::Builder::new().name("echo".to_owned());
        // Ends with the two connections.
        let echoing = echoing.spawn(move || echo_two(&echo))?;
        let mut lines = [connect(address)?, connect(proxy.address())?];
        let mut times = [Vec::new(), Vec::new()];
        for nth in 0..WARM_UP + ROUND_TRIPS {
            for (line, times) in lines.iter_mut().zip(&mut times) {
                let began = Instant::now();
                round_trip(line)?;
                if nth >= WARM_UP {
                    times.push(began.elapsed());
                }
            }
        }
        drop(lines);
        let ended = echoing.join();
        ended.map_err(|_| io::Error::other("what echoes has panicked"))??;
        let [direct, through] = times.map(|mut times| {
            let middle = times.len() / 2;
            *times.select_nth_unstable(middle).1
        });
        Ok(Cost { direct, through })
    }

    /// What the proxy adds to a round trip, which is two ways.
    #[must_use]
    pub fn added(&self) -> Duration {
        self.through.saturating_sub(self.direct)
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let line = TcpStream::connect(address)?;
    line.set_nodelay(true)?;
    Ok(line)
}

fn round_trip(line: &mut TcpStream) -> io::Result<()> {
    let mut bytes = [7; BYTES];
    line.write_all(&bytes)?;
    line.read_exact(&mut bytes)
}

/// Echoes on two connections, each in a thread of its own, until both have ended.
fn echo_two(listener: &TcpListener) -> io::Result<()> {
    thread::scope(|scope| {
        for _ in 0..2 {
            let (mut line, _) = listener.accept()?;
            line.set_nodelay(true)?;
            scope.spawn(move || {
                let mut bytes = [0; BYTES];
                while line.read_exact(&mut bytes).is_ok() && line.write_all(&bytes).is_ok() {}
            });
        }
        Ok(())
    })
}
