//! Several servers in one process, joined by a bus in memory: what several processes are where there is a Redis.

use std::{
    future::Future,
    io::{self, Write as _},
};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{Error, Saving, Server, Stopped};
use crate::{
    bus::memory::MemoryBus,
    config::{Args, BusChoice, ClusterConfig, Config, StoreConfig},
};

/// Runs a server at each of the ports until `stop` resolves, then drains all. The first lines on stdout are their
/// addresses.
pub(super) async fn serve(args: Args, stop: impl Future<Output = ()>) -> Result<Stopped, Error> {
    let (ports, mode) = (args.twin_ports.clone(), args.bus_mode);
    let config = Config::from(args);
    let bus = MemoryBus::default();
    // A database is one for all; so is its simulation.
    let simulated = match &config.store {
        StoreConfig::Memory(memory) => Some(Saving::simulated(memory.clone(), config.store_faults)),
        StoreConfig::MongoDb(_) => None,
    };
    let all = CancellationToken::new();
    let mut running = Vec::new();
    for (number, port) in (1..).zip(ports) {
        let mut config = config.clone();
        config.address.set_port(port);
        config.cluster = Some(ClusterConfig {
            bus: BusChoice::Memory(bus.clone()),
            node_id: format!("node{number}"),
            mode,
        });
        let server = match &simulated {
            Some(saving) => Server::bind_to(config, saving.clone()).await?,
            None => Server::bind(config).await?,
        };
        writeln!(io::stdout(), "listening on http://{}", server.local_addr())?;
        running.push(server.run(all.clone().cancelled_owned()));
    }
    let stopping = async {
        stop.await;
        all.cancel();
    };
    let (stopped, ()) = tokio::join!(join_all(running), stopping);
    let worst = stopped.into_iter().min_by_key(|one| one.clean);
    worst.ok_or_else(|| io::Error::other("no port is named").into())
}
