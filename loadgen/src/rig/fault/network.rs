//! A bad network, by a proxy that was put there for it: between the clients and the server, or the server and its store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Fault, FaultError};
use crate::{
    model::Delay,
    rig::{
        proxy::{Effect, Hold, Proxy, Toll},
        system::System,
    },
    scenario::{Distribution, NetworkDamage},
};

pub(super) struct Network {
    place: Place,
    effect: Effect,
    /// One for each of the proxies, once it is bad.
    holds: Vec<Hold>,
}

/// Where the proxies are.
enum Place {
    /// Before the server, or each of several, where they run already.
    Server(Vec<Arc<Proxy>>),
    /// Before the store that was started for the run.
    Store,
}

impl Network {
    /// Between the clients and the server, or several; the proxies are there once these run.
    pub(super) fn before_the_server(damage: NetworkDamage, clients: Vec<Arc<Proxy>>) -> Self {
        Self {
            place: Place::Server(clients),
            ..Self::before_the_store(damage)
        }
    }

    /// Between the server and its store.
    pub(super) fn before_the_store(damage: NetworkDamage) -> Self {
        Self {
            place: Place::Store,
            effect: effect(damage),
            holds: Vec::new(),
        }
    }

    /// Commands of the server that are executed and whose replies are lost, with a probability.
    pub(super) fn losing_replies(share: f64) -> Self {
        Self {
            place: Place::Store,
            effect: Effect::ReplyLost { share },
            holds: Vec::new(),
        }
    }

    fn proxies<'s>(&'s self, system: &'s dyn System) -> Vec<&'s Proxy> {
        match &self.place {
            Place::Server(proxies) => proxies.iter().map(Arc::as_ref).collect(),
            Place::Store => {
                let proxy = system.own_store().and_then(|store| store.proxy());
                proxy.into_iter().collect()
            }
        }
    }
}

#[async_trait(?Send)]
impl Fault for Network {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let proxies = self.proxies(system).into_iter();
        self.holds = proxies.map(|proxy| proxy.impose(self.effect)).collect();
        match self.holds.is_empty() {
            true => Err(FaultError::NothingThere),
            false => Ok(()),
        }
    }

    async fn prove(&mut self, _: &mut dyn System) -> Result<Option<String>, FaultError> {
        let toll: Toll = self.holds.iter().map(Hold::toll).sum();
        let done = match self.effect {
            Effect::Cut { .. } => "reset",
            Effect::HalfOpen => "swallowed",
            Effect::ReplyLost { .. } => "replies lost",
            Effect::Latency(_)
            | Effect::Bandwidth(_)
            | Effect::Loss { .. }
            | Effect::SlowReader(_) => "held up",
        };
        Ok(toll.bit().then(|| format!("{done} by the proxy: {toll}")))
    }

    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        for (hold, proxy) in self.holds.iter().zip(self.proxies(system)) {
            proxy.lift(hold);
        }
        Ok(())
    }
}

fn effect(damage: NetworkDamage) -> Effect {
    match damage {
        NetworkDamage::Latency {
            time,
            jitter,
            distribution,
        } => Effect::Latency(delay(time, jitter, distribution)),
        NetworkDamage::Bandwidth(rate) => Effect::Bandwidth(rate),
        NetworkDamage::Loss { share, stall } => Effect::Loss {
            share,
            pause: stall,
        },
        NetworkDamage::Cut { refuse } => Effect::Cut { refuse },
        NetworkDamage::HalfOpen => Effect::HalfOpen,
        NetworkDamage::SlowReader(rate) => Effect::SlowReader(rate),
    }
}

fn delay(time: Duration, jitter: Duration, distribution: Distribution) -> Delay {
    match distribution {
        _ if jitter.is_zero() => Delay::Constant(time),
        Distribution::Uniform => Delay::Uniform {
            least: time.saturating_sub(jitter),
            most: time + jitter,
        },
        Distribution::Normal => Delay::Normal {
            mean: time,
            deviation: jitter,
        },
        Distribution::Exponential => Delay::Exponential {
            least: time,
            mean: jitter,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_drawn_as_the_scenario_says() {
        let ms = Duration::from_millis;
        for (jitter, distribution, expected) in [
            (ms(0), Distribution::Normal, Delay::Constant(ms(20))),
            (
                ms(5),
                Distribution::Uniform,
                Delay::Uniform {
                    least: ms(15),
                    most: ms(25),
                },
            ),
            // It can't come before it was sent.
            (
                ms(30),
                Distribution::Uniform,
                Delay::Uniform {
                    least: ms(0),
                    most: ms(50),
                },
            ),
            (
                ms(5),
                Distribution::Normal,
                Delay::Normal {
                    mean: ms(20),
                    deviation: ms(5),
                },
            ),
            (
                ms(5),
                Distribution::Exponential,
                Delay::Exponential {
                    least: ms(20),
                    mean: ms(5),
                },
            ),
        ] {
            assert_eq!(delay(ms(20), jitter, distribution), expected);
        }
    }
}
