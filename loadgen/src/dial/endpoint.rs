//! A target whose name is resolved: all of its addresses are tried, and the one that answered first from then on.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    net::{self, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Caller, DialError, Stream, Target};
use crate::plan::Nodes;

/// Connections to one server from one source address.
const USERS_OF_ONE_ADDRESS: u32 = 10_000;
/// So many source addresses there are beside the first, 127.0.0.2 to 127.0.0.254; whoever is beyond these has the last.
const MORE_SOURCES: u8 = 253;
/// How long a name may take to be resolved.
const NAME_PATIENCE: Duration = Duration::from_secs(5);
/// How long an address may take to answer before the next one is tried.
const NEXT_PATIENCE: Duration = Duration::from_secs(2);
/// How long the last address, and a TLS handshake, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a server is, resolved once for all who connect.
#[derive(Debug, Clone)]
pub struct Endpoint(Arc<Resolved>);

#[derive(Debug)]
struct Resolved {
    target: Target,
    /// Who asks of it what is not of any user.
    asker: Caller,
    addresses: Vec<SocketAddr>,
    /// The address that answered last.
    good: AtomicUsize,
    /// Which address is a user's own, where each is a server of several.
    nodes: Nodes,
    /// By user, the address that it connected to last; of one server nothing.
    last: Box<[AtomicU16]>,
}

impl Endpoint {
    /// Resolves the name of a target; `asker` asks of it what is not of any user: whether it is there, how it is.
    ///
    /// # Errors
    /// [`DialError::Unreachable`]: there is no such name, or nobody says within 5 s.
    pub async fn resolve(target: Target, asker: Caller) -> Result<Self, DialError> {
        let looked_up = net::lookup_host((target.host.as_str(), target.port));
        let found = timeout(NAME_PATIENCE, looked_up)
            .await
            .unwrap_or_else(|_| {
                Err(io::Error::other(format!(
                    "not resolved within {NAME_PATIENCE:?}"
                )))
            })
            .map_err(|error| DialError::Unreachable(format!("{}: {error}", target.host)))?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.is_empty() {
            let what = format!("{} has no address", target.host);
            return Err(DialError::Unreachable(what));
        }
        Ok(Self(Arc::new(Resolved {
            target,
            asker,
            addresses,
            good: AtomicUsize::new(0),
            nodes: Nodes::ONE,
            last: Box::default(),
        })))
    }

    /// The same target, which is reached at other addresses: those of the proxies before it, one for each of several servers.
    #[must_use]
    pub fn through(&self, proxies: Vec<SocketAddr>) -> Self {
        let users = self.0.last.len();
        self.among(proxies, self.0.nodes, users)
    }

    /// Where its servers are: one address each, or of one server the one that answered last.
    pub fn servers(&self) -> Vec<SocketAddr> {
        match self.0.nodes.count() {
            1 => vec![self.address()],
            _ => self.0.addresses.clone(),
        }
    }

    /// The same target as several servers for so many users, one at each address: each user connects to its own. Where nobody
    /// is there it connects to another one, as what balances the load before them would have it, and stays with that. What is
    /// not of any user is asked of the first that is there.
    #[must_use]
    pub fn among(&self, servers: Vec<SocketAddr>, nodes: Nodes, users: usize) -> Self {
        let resolved = &self.0;
        let users = 0..users as u32;
        Self(Arc::new(Resolved {
            target: resolved.target.clone(),
            asker: resolved.asker.clone(),
            addresses: servers,
            good: AtomicUsize::new(0),
            nodes,
            last: users
                .map(|user| AtomicU16::new(nodes.of_user(user)))
                .collect(),
        }))
    }

    /// The address that answered last, or is tried first.
    pub fn address(&self) -> SocketAddr {
        let good = self.0.good.load(Relaxed);
        self.0.addresses[good]
    }

    /// What the user says of it.
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// Who asks of it what is not of any user.
    pub fn asker(&self) -> &Caller {
        &self.0.asker
    }

    /// What is shown of it: no credentials.
    pub fn shown(&self) -> &str {
        self.0.target.shown()
    }

    /// Which of several servers a user connected to last, or will first.
    pub fn server_of(&self, user: u32) -> u16 {
        let last = self.0.last.get(user as usize);
        last.map_or_else(|| self.0.nodes.of_user(user), |server| server.load(Relaxed))
    }

    /// Connects a user, with TLS where the target has it.
    ///
    /// # Errors
    /// [`DialError`]: no address answers, or no TLS with the one that does.
    pub async fn connect(&self, user: u32) -> Result<Stream, DialError> {
        let was = self.server_of(user);
        let (nodes, good) = (self.0.nodes, self.0.good.load(Relaxed));
        let in_turn = |turn: usize| match (nodes.count(), turn) {
            (1, _) => (good + turn) % self.0.addresses.len(),
            (_, 0) => usize::from(was),
            _ => usize::from(nodes.elsewhere(user, was, turn as u16 - 1)),
        };
        let (tcp, index) = self.connect_tcp(user, in_turn).await?;
        match self.0.last.get(user as usize) {
            Some(last) => last.store(index as u16, Relaxed),
            None => self.0.good.store(index, Relaxed),
        }
        self.with_tls(tcp).await
    }

    /// Connects for what is not of any user: to the address that answered last, or of several servers the first that is there.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub async fn connect_to_any(&self) -> Result<Stream, DialError> {
        let good = match self.0.nodes.count() {
            1 => self.0.good.load(Relaxed),
            _ => 0,
        };
        let in_turn = |turn: usize| (good + turn) % self.0.addresses.len();
        let (tcp, index) = self.connect_tcp(self.0.asker.user, in_turn).await?;
        if self.0.nodes.count() == 1 {
            self.0.good.store(index, Relaxed);
        }
        self.with_tls(tcp).await
    }

    async fn with_tls(&self, tcp: TcpStream) -> Result<Stream, DialError> {
        // Nagle's algorithm holds small frames back until the last one is acknowledged.
        tcp.set_nodelay(true)
            .map_err(|error| DialError::Unreachable(error.to_string()))?;
        let Some((config, name)) = &self.0.target.tls else {
            return Ok(Stream::Left(tcp));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        match timeout(PATIENCE, connector.connect(name.clone(), tcp)).await {
            Ok(Ok(tls)) => Ok(Stream::Right(Box::new(tls))),
            Ok(Err(error)) => Err(DialError::tls(&error)),
            Err(_) => Err(DialError::Tls(format!("no handshake within {PATIENCE:?}"))),
        }
    }

    /// To the first address that answers, in that order; and its place.
    async fn connect_tcp(
        &self,
        user: u32,
        in_turn: impl Fn(usize) -> usize,
    ) -> Result<(TcpStream, usize), DialError> {
        let addresses = &self.0.addresses;
        let mut failed: Option<DialError> = None;
        for turn in 0..addresses.len() {
            let index = in_turn(turn);
            let patience = match turn + 1 == addresses.len() {
                true => PATIENCE,
                false => NEXT_PATIENCE,
            };
            let address = addresses[index];
            let error = match timeout(patience, connect(address, user)).await {
                Ok(Ok(tcp)) => return Ok((tcp, index)),
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    DialError::Refused
                }
                Ok(Err(error)) => DialError::Unreachable(format!("{address}: {error}")),
                Err(_) => {
                    DialError::Unreachable(format!("{address}: no answer within {patience:?}"))
                }
            };
            // That nothing listens at one address says less than what is wrong with another.
            if !matches!((&failed, &error), (Some(_), DialError::Refused)) {
                failed = Some(error);
            }
        }
        Err(failed.unwrap_or(DialError::Refused))
    }
}

/// From one of several source addresses where the server is on this machine: each has some 28,000 ports for one server,
/// and those of earlier runs are not free again at once.
async fn connect(address: SocketAddr, user: u32) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let IpAddr::V4(Ipv4Addr::LOCALHOST) = address.ip() {
        let source = u8::try_from(user / USERS_OF_ONE_ADDRESS).unwrap_or(MORE_SOURCES);
        let source = source.min(MORE_SOURCES);
        if source > 0 {
            socket.bind((Ipv4Addr::new(127, 0, 0, 1 + source), 0).into())?;
        }
    }
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn however_many_users_there_are_each_has_a_source_address() {
        let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (user, last) in [
            (0, 1),
            (10_000, 2),
            (2_540_000, 254),
            (2_550_000, 254),
            (2_560_000, 254),
            (u32::MAX, 254),
        ] {
            let stream = connect(address, user).await.unwrap();
            let IpAddr::V4(from) = stream.local_addr().unwrap().ip() else {
                panic!("{stream:?}");
            };
            assert_eq!(from.octets(), [127, 0, 0, last], "{user}");
        }
    }
}
