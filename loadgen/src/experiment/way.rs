//! The way from the clients to the server: straight, or through a proxy where the network between them is to be bad.

use std::{io, sync::Arc};

use tokio::task::spawn_blocking;

use crate::{
    dial::Endpoint,
    model::nanos,
    observed::ProxyCost,
    plan::Plan,
    rig::proxy::{Cost, Proxy, Speech},
    scenario::{Between, Damage, Scenario},
};

/// The way that clients go. What is asked of the server beside them goes straight.
pub(super) struct Way {
    endpoint: Endpoint,
    proxies: Vec<Arc<Proxy>>,
    cost: Option<ProxyCost>,
}

impl Way {
    /// To a server, as the faults of the plan need it: with a proxy before each of several.
    ///
    /// # Errors
    /// When the machine has no port or no thread for a proxy.
    pub(super) async fn to(
        endpoint: &Endpoint,
        scenario: &Scenario,
        plan: &Plan,
    ) -> io::Result<Self> {
        if !is_crooked(plan) {
            return Ok(Self {
                endpoint: endpoint.clone(),
                proxies: Vec::new(),
                cost: None,
            });
        }
        let cost = spawn_blocking(Cost::measure).await;
        let cost = cost.map_err(io::Error::other)??;
        let mut proxies = Vec::new();
        for (server, nth) in endpoint.servers().into_iter().zip(0..) {
            let seed = scenario.seed.wrapping_add(nth);
            proxies.push(Arc::new(Proxy::start(server, Speech::Bytes, seed)?));
        }
        Ok(Self {
            endpoint: endpoint.through(proxies.iter().map(|proxy| proxy.address()).collect()),
            proxies,
            cost: Some(ProxyCost {
                direct: nanos(cost.direct),
                through: nanos(cost.through),
            }),
        })
    }

    /// Where clients connect.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What that costs while it only passes on.
    pub(super) fn cost(&self) -> Option<ProxyCost> {
        self.cost
    }

    /// What they pass through.
    pub(super) fn proxies(&self) -> &[Arc<Proxy>] {
        &self.proxies
    }
}

/// Whether clients go through a proxy.
fn is_crooked(plan: &Plan) -> bool {
    let mut damage = plan.faults.iter().map(|fault| fault.damage);
    damage.any(|damage| matches!(damage, Damage::Network(Between::Clients, _)))
}

/// How many files each user has open in this process: its socket, and the two ends in the proxy.
pub(super) fn files_of_a_user(plan: &Plan) -> u64 {
    match is_crooked(plan) {
        true => 3,
        false => 1,
    }
}
