//! One connection through the proxy: two sockets, a pump each way, and how it ends.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::AsFd,
    rc::Rc,
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};
use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
};

use super::{
    Speech, Weather,
    commands::Commands,
    effect::{Effect, Imposed, Way},
    pump::Pump,
};

/// What all connections of a proxy share.
pub(super) struct Lives {
    pub(super) upstream: SocketAddr,
    pub(super) speech: Speech,
    pub(super) seed: u64,
    pub(super) weather: watch::Receiver<Weather>,
}

/// One that was accepted, or will be.
pub(super) struct Connection {
    upstream: SocketAddr,
    weather: watch::Receiver<Weather>,
    /// The newest effect that was there before it: an older cut is none of it.
    newest: Option<u64>,
    /// Of what MongoDB's client and server say to each other, where that is what they speak.
    commands: Option<RefCell<Commands>>,
    rng: RefCell<StdRng>,
    /// The effects that have touched it, by their ids.
    touched: RefCell<Vec<u64>>,
    /// The effects that have taken something out of it, so that what is left makes no sense.
    torn: RefCell<Vec<u64>>,
    /// Given back when both its sockets are closed.
    _there: Rc<()>,
}

impl Connection {
    pub(super) fn new(nth: u64, lives: &Lives, there: Rc<()>) -> Self {
        let newest = lives.weather.borrow().last().map(|one| one.id);
        Self {
            upstream: lives.upstream,
            weather: lives.weather.clone(),
            newest,
            commands: match lives.speech {
                Speech::Bytes => None,
                Speech::MongoDb => Some(RefCell::default()),
            },
            rng: RefCell::new(StdRng::seed_from_u64(
                lives.seed ^ nth.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            )),
            touched: RefCell::default(),
            torn: RefCell::default(),
            _there: there,
        }
    }

    /// Passes on what comes, until it ends. Only what both sides have ended is closed in good order: in whatever state it is
    /// cut or dropped, who has connected and who was reached are reset.
    pub(super) async fn serve(self, client: TcpStream) {
        // Nobody is reached through a dead line.
        if self.is_silent() {
            tokio::select! {
                () = self.swallow(&client) => {}
                () = self.cut() => {}
            }
            return;
        }
        let upstream = tokio::select! {
            biased;
            // What was about to be reached is gone, and both who connected and who is behind are told so.
            () = self.cut() => return,
            upstream = self.reach(&client) => upstream,
        };
        let upstream = match upstream {
            Ok(upstream) => upstream,
            Err(error) => {
                tracing::debug!(%error, "the proxy reaches nobody");
                return;
            }
        };
        let pumps = async {
            let up = Pump::new(&self, Way::Up, &client, &upstream).run();
            let down = Pump::new(&self, Way::Down, &upstream, &client).run();
            tokio::try_join!(up, down)
        };
        let ended = tokio::select! {
            biased;
            () = self.cut() => false,
            ended = pumps => ended.is_ok(),
        };
        if ended {
            ends(&client);
            ends(&upstream);
        }
    }

    pub(super) fn weather(&self) -> watch::Receiver<Weather> {
        self.weather.clone()
    }

    pub(super) fn rng(&self) -> &RefCell<StdRng> {
        &self.rng
    }

    pub(super) fn commands(&self) -> Option<&RefCell<Commands>> {
        self.commands.as_ref()
    }

    /// An effect has touched it: the first time, it counts.
    pub(super) fn touch(&self, effect: &Imposed) {
        if note(&self.touched, effect.id) {
            effect.tally.connection();
        }
    }

    /// An effect has taken something out of it.
    pub(super) fn tear(&self, effect: &Imposed) {
        note(&self.torn, effect.id);
        self.touch(effect);
    }

    fn is_silent(&self) -> bool {
        let weather = self.weather.borrow();
        weather.iter().any(|one| one.effect == Effect::HalfOpen)
    }

    /// From the client's own address, where that is one of several on the loopback interface.
    async fn reach(&self, client: &TcpStream) -> io::Result<TcpStream> {
        let source = client.peer_addr()?.ip();
        let socket = match self.upstream {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Before it connects: the kernel may have a connection of which nobody here has heard yet.
        breaks(&socket);
        let is_other = source.is_loopback() && source != IpAddr::V4(Ipv4Addr::LOCALHOST);
        if is_other && self.upstream.is_ipv4() && self.upstream.ip().is_loopback() {
            socket.bind((source, 0).into())?;
        }
        let upstream = socket.connect(self.upstream).await?;
        // Who sends small pieces without delay finds them passed on so.
        upstream.set_nodelay(true)?;
        client.set_nodelay(true)?;
        Ok(upstream)
    }

    /// Resolves when it has to be reset: it was cut, or what tore it is over.
    async fn cut(&self) {
        let mut weather = self.weather.clone();
        loop {
            let cut = {
                let now = weather.borrow_and_update();
                let newest = self.newest;
                let cut = now.iter().find(|one| {
                    matches!(one.effect, Effect::Cut { .. }) && newest.is_none_or(|id| one.id > id)
                });
                if let Some(cut) = cut {
                    self.touch(cut);
                }
                let torn = self.torn.borrow();
                cut.is_some() || torn.iter().any(|id| now.iter().all(|one| one.id != *id))
            };
            if cut {
                return;
            }
            if weather.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Reads what comes for nobody, until the line is no longer dead.
    async fn swallow(&self, client: &TcpStream) {
        let mut weather = self.weather.clone();
        loop {
            let dead = {
                let now = weather.borrow_and_update();
                let dead = now.iter().find(|one| one.effect == Effect::HalfOpen);
                dead.cloned()
            };
            let Some(dead) = dead else { return };
            self.tear(&dead);
            tokio::select! {
                changed = weather.changed() => if changed.is_err() {
                    return;
                },
                bytes = drain(client) => if let Ok(bytes @ 1..) = bytes {
                    dead.tally.piece(bytes as u64, Duration::ZERO);
                },
            }
        }
    }
}

/// Notes an id; says whether it was not there.
fn note(ids: &RefCell<Vec<u64>>, id: u64) -> bool {
    let mut ids = ids.borrow_mut();
    let first = !ids.contains(&id);
    if first {
        ids.push(id);
    }
    first
}

/// What there is to be read; at its end, nothing ever.
async fn drain(client: &TcpStream) -> io::Result<usize> {
    loop {
        client.readable().await?;
        match client.try_read(&mut [0; 4096]) {
            Ok(0) => return std::future::pending().await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return std::future::pending().await,
            read => return read,
        }
    }
}

/// From now on its close is a reset, and throws away what waits to be sent; a drop closes it too.
pub(super) fn breaks<S: AsFd>(socket: &S) {
    if let Err(error) = SockRef::from(socket).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a connection is closed and not reset");
    }
}

/// From now on its close is an end in good order, and what waits is still sent.
fn ends<S: AsFd>(socket: &S) {
    if let Err(error) = SockRef::from(socket).set_linger(None) {
        tracing::debug!(%error, "a connection is reset and not closed");
    }
}
