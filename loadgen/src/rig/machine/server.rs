//! Which processes of this machine are the server that is measured.

use std::{
    collections::HashSet,
    fs,
    net::{IpAddr, ToSocketAddrs, UdpSocket},
};

use url::Url;

use super::PROXY;
use crate::rig::Processes;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// What of a server is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// These processes.
    Here(Vec<Processes>),
    /// Some process, and nobody knows which: nobody is known to be a stranger.
    Unknown,
    /// Nothing: what happens to the generator is never the server's doing.
    Elsewhere,
}

impl Server {
    /// The processes that were started as the server, or else those that listen where it is.
    pub fn of(processes: Vec<Processes>, address: &str) -> Self {
        if !processes.is_empty() {
            return Server::Here(processes);
        }
        let Ok(url) = Url::parse(address) else {
            return Server::Unknown;
        };
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Ok(mut addresses) = (host, port).to_socket_addrs() else {
            return Server::Unknown;
        };
        if !addresses.any(|address| is_here(address.ip())) {
            return Server::Elsewhere;
        }
        let listening = listening(port);
        match listening.is_empty() || listening.iter().any(|&process| is_proxy(process)) {
            true => Server::Unknown,
            false => Server::Here(listening.into_iter().map(Processes::One).collect()),
        }
    }
}

/// Only an address of this machine can be bound.
fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn is_proxy(process: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm"));
    name.is_ok_and(|name| name.trim() == PROXY)
}

/// The processes that have a socket which listens on a port, as far as this user may see them.
fn listening(port: u16) -> Vec<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let sockets: HashSet<String> = tables
        .into_iter()
        .flatten()
        .flat_map(|table| sockets(&table, port))
        .collect();
    let processes = fs::read_dir("/proc").into_iter().flatten();
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process: &u32| {
            let files = fs::read_dir(format!("/proc/{process}/fd"));
            let mut files = files.into_iter().flatten().flatten();
            files.any(|file| {
                let target = fs::read_link(file.path());
                target.is_ok_and(|target| sockets.contains(&*target.to_string_lossy()))
            })
        })
        .collect()
}

/// What listens on a port in a table of the kernel's, as its file descriptors are named: `socket:[<inode>]`.
fn sockets(table: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&port) && *state == LISTENS).then(|| format!("socket:[{inode}]"))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_server_on_this_machine_is_known_by_its_socket() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = Processes::One(std::process::id());
        for host in ["127.0.0.1", "localhost"] {
            let server = Server::of(Vec::new(), &format!("http://{host}:{port}"));
            // What other tests start holds the socket, too, until it is another program.
            let is_known = matches!(&server, Server::Here(all) if all.contains(&own));
            assert!(is_known, "{host}: {server:?}");
        }
        // Held, so that nobody else can be given its port meanwhile, and never listening.
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let silent = held.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(
            Server::of(Vec::new(), &format!("http://{silent}")),
            Server::Unknown
        );
        let several = vec![Processes::One(7), Processes::Group(8)];
        assert_eq!(
            Server::of(several.clone(), "http://127.0.0.1:1"),
            Server::Here(several)
        );
    }

    #[test]
    fn an_address_of_another_machine_is_elsewhere() {
        // For documentation (RFC 5737): nobody has it.
        let server = Server::of(Vec::new(), "http://192.0.2.1:3000");
        assert_eq!(server, Server::Elsewhere);
        assert_eq!(Server::of(Vec::new(), "no address"), Server::Unknown);
    }

    #[test]
    fn only_sockets_that_listen_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n\
             1: 0100007F:0BB8 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n\
             2: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n";
        assert_eq!(sockets(table, 3_000), ["socket:[4711]"]);
        assert_eq!(sockets("", 3_000), [""; 0]);
    }
}
