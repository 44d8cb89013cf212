//! Checks of faults: parameters that belong to their kind, times within the run, and none that gets into another's way.

use std::{ops::Range as ByteRange, time::Duration};

use super::Checker;
use crate::scenario::{
    Between, ClientDamage, Damage, Fault, FaultKind, Located, NetworkDamage, ServerDamage, Span,
    StoreDamage, file::FileFault, is_name, written::Placed,
};

/// The server is shutting down: what a server says that is being replaced.
const SHUTTING_DOWN: u32 = 91;
/// The write concern was not reached in time.
const WRITE_CONCERN: u32 = 64;
/// Linux sends again after so long at the least.
const STALL: Duration = Duration::from_millis(200);

impl Checker<'_> {
    /// Those that are right, in the order of the file.
    pub(super) fn faults(&self, files: Vec<FileFault>, run: Duration, nodes: u16) -> Vec<Fault> {
        let mut faults: Vec<(Fault, ByteRange<usize>)> = Vec::new();
        for file in files {
            let span = file.name.span.clone();
            let at = file.at.span.clone();
            let checked = self.fault(file, run, nodes).and_then(|fault| {
                self.fits_beside(&fault, &span, &at, &faults)?;
                Ok(fault)
            });
            faults.extend(self.note(checked).map(|fault| (fault, span)));
        }
        faults.into_iter().map(|(fault, _)| fault).collect()
    }

    fn fault(&self, file: FileFault, run: Duration, nodes: u16) -> Result<Fault, Located> {
        let FileFault {
            name, at, lasts, ..
        } = &file;
        let other =
            "a fault's name has letters, digits, - and _ only: thresholds name it behind an @";
        self.demand(is_name(&name.value), &name.span, other)?;
        let at_once = file.kind.value == FaultKind::NetworkCut;
        self.demand(
            at_once || !lasts.value.0.is_zero(),
            &lasts.span,
            "a fault lasts longer than 0s",
        )?;
        let end = at.value.0.checked_add(lasts.value.0);
        self.demand(
            end.is_some_and(|end| end <= run),
            &lasts.span,
            format!(
                "the fault is not over when the phases are: {} + {} is more than {}; what is broken is mended before the run drains",
                at.value,
                lasts.value,
                Span(run)
            ),
        )?;
        self.parameters_belong(&file)?;
        let damage = self.damage(&file)?;
        let fits = damage.fits(nodes);
        fits.map_err(|unfit| {
            let node = file.node.as_ref().map(|node| &node.span);
            self.wrong(node.unwrap_or(&file.kind.span), unfit.to_string())
        })?;
        Ok(Fault {
            name: name.value.clone(),
            at: at.value.0,
            lasts: lasts.value.0,
            damage,
        })
    }

    /// What a kind has no use for would be believed to have an effect.
    fn parameters_belong(&self, file: &FileFault) -> Result<(), Located> {
        let known = parameters(file.kind.value);
        let stranger = given(file)
            .into_iter()
            .find(|(name, _)| !known.contains(name));
        let Some((name, span)) = stranger else {
            return Ok(());
        };
        let kind = file.kind.value.key();
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        let has = match known.is_empty() {
            true => "which has none".to_owned(),
            false => format!("which has {}", known.join(", ")),
        };
        Err(self.wrong(&span, format!("`{name}` is no parameter of {kind}, {has}")))
    }

    fn damage(&self, file: &FileFault) -> Result<Damage, Located> {
        let all = 1.0;
        Ok(match file.kind.value {
            FaultKind::StoreSlow => Damage::Store(StoreDamage::Slow(self.time(file)?)),
            FaultKind::StoreFailing => Damage::Store(StoreDamage::Failing {
                share: self.share_of(file, all)?,
                code: code(file, SHUTTING_DOWN),
            }),
            FaultKind::StoreWriteConcern => Damage::Store(StoreDamage::WriteConcern {
                share: self.share_of(file, all)?,
                code: code(file, WRITE_CONCERN),
            }),
            FaultKind::StoreDisconnect => {
                Damage::Store(StoreDamage::Disconnect(self.share_of(file, all)?))
            }
            FaultKind::StoreReplyLost => {
                Damage::Store(StoreDamage::ReplyLost(self.share_of(file, all)?))
            }
            FaultKind::StoreFrozen => Damage::Store(StoreDamage::Frozen),
            FaultKind::StoreRestart => Damage::Store(StoreDamage::Restart),
            FaultKind::StoreStepdown => Damage::Store(StoreDamage::Stepdown),
            FaultKind::ServerStop => of_server(file, ServerDamage::Stop),
            FaultKind::ServerKill => of_server(file, ServerDamage::Kill),
            FaultKind::ServerFreeze => of_server(file, ServerDamage::Freeze),
            FaultKind::BusRestart => Damage::Bus,
            FaultKind::ClientsDisconnect => {
                Damage::Clients(ClientDamage::Disconnect, self.needed_share(file)?)
            }
            FaultKind::ClientsSilent => {
                Damage::Clients(ClientDamage::Silent, self.needed_share(file)?)
            }
            FaultKind::ClientsStopReading => {
                Damage::Clients(ClientDamage::StopReading, self.needed_share(file)?)
            }
            FaultKind::NetworkLatency
            | FaultKind::NetworkBandwidth
            | FaultKind::NetworkLoss
            | FaultKind::NetworkCut
            | FaultKind::NetworkHalfOpen
            | FaultKind::NetworkSlowReader => self.network(file)?,
        })
    }

    fn network(&self, file: &FileFault) -> Result<Damage, Located> {
        let between = file.between.as_ref();
        let between = between.map_or(Between::Clients, |between| between.value);
        let damage = match file.kind.value {
            FaultKind::NetworkLatency => {
                let jitter = file.jitter.as_ref().map(|jitter| jitter.value.0);
                let jitter = jitter.filter(|jitter| !jitter.is_zero());
                if let (Some(distribution), None) = (&file.distribution, jitter) {
                    let what = "delays are drawn around `time` by a `jitter`: say how far";
                    return Err(self.wrong(&distribution.span, what));
                }
                NetworkDamage::Latency {
                    time: self.time(file)?,
                    jitter: jitter.unwrap_or_default(),
                    distribution: file
                        .distribution
                        .as_ref()
                        .map_or_else(Default::default, |one| one.value),
                }
            }
            FaultKind::NetworkBandwidth => NetworkDamage::Bandwidth(self.bandwidth(file)?),
            FaultKind::NetworkSlowReader => NetworkDamage::SlowReader(self.bandwidth(file)?),
            FaultKind::NetworkLoss => NetworkDamage::Loss {
                share: self.needed_share(file)?,
                stall: self.stall(file)?,
            },
            FaultKind::NetworkHalfOpen => NetworkDamage::HalfOpen,
            _ => NetworkDamage::Cut {
                refuse: file.refuse.as_ref().is_none_or(|refuse| refuse.value),
            },
        };
        Ok(Damage::Network(between, damage))
    }

    fn time(&self, file: &FileFault) -> Result<Duration, Located> {
        let time = self.needed(file, &file.time, "time", "\"2s\"")?;
        self.demand(
            !time.value.0.is_zero(),
            &time.span,
            "`time` is longer than 0s",
        )?;
        Ok(time.value.0)
    }

    fn stall(&self, file: &FileFault) -> Result<Duration, Located> {
        let Some(stall) = &file.stall else {
            return Ok(STALL);
        };
        let at_once = "`stall` is longer than 0s: what is sent again at once is not late";
        self.demand(!stall.value.0.is_zero(), &stall.span, at_once)?;
        Ok(stall.value.0)
    }

    fn bandwidth(&self, file: &FileFault) -> Result<u64, Located> {
        let bandwidth = self.needed(file, &file.bandwidth, "bandwidth", "\"64KiB/s\"")?;
        let some = "`bandwidth` is more than 0 bytes a second: to let nothing pass, write kind = \"network-half-open\"";
        self.demand(bandwidth.value.0 > 0, &bandwidth.span, some)?;
        Ok(bandwidth.value.0)
    }

    fn needed_share(&self, file: &FileFault) -> Result<f64, Located> {
        self.needed(file, &file.share, "share", "\"50%\"")?;
        self.share_of(file, 1.0)
    }

    fn share_of(&self, file: &FileFault, default: f64) -> Result<f64, Located> {
        let Some(share) = &file.share else {
            return Ok(default);
        };
        let nobody = "`share` is more than 0%";
        self.demand(share.value.0 > 0.0, &share.span, nobody)?;
        Ok(share.value.0)
    }

    fn needed<'f, T>(
        &self,
        file: &FileFault,
        value: &'f Option<Placed<T>>,
        name: &str,
        example: &str,
    ) -> Result<&'f Placed<T>, Located> {
        value.as_ref().ok_or_else(|| {
            let kind = file.kind.value.key();
            self.wrong(
                &file.kind.span,
                format!("{kind} needs `{name}`, as in {name} = {example}"),
            )
        })
    }

    /// Names are told apart, and of two faults of one thing at one time nobody could say which did what.
    fn fits_beside(
        &self,
        fault: &Fault,
        name: &ByteRange<usize>,
        at: &ByteRange<usize>,
        others: &[(Fault, ByteRange<usize>)],
    ) -> Result<(), Located> {
        for (other, _) in others {
            if other.name == fault.name {
                let twice = format!("two faults are called {:?}: name each once", fault.name);
                return Err(self.wrong(name, twice));
            }
            if hides(&fault.damage, &other.damage) || hides(&other.damage, &fault.damage) {
                let hidden = format!(
                    "clients reach each server through a proxy, for {} and {}, and don't see there that one is gone: have them in two scenarios",
                    fault.damage.kind().key(),
                    other.damage.kind().key()
                );
                return Err(self.wrong(name, hidden));
            }
            let overlap = other.at < fault.at + fault.lasts && fault.at < other.at + other.lasts;
            // One that is over at once has no time in which another could be on.
            let at_once = fault.at == other.at;
            if (overlap || at_once) && fault.damage.collides_with(other.damage) {
                return Err(self.wrong(
                    at,
                    format!(
                        "{:?} is not over by then, and both break the same thing: let one end before the other begins",
                        other.name
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Whether by the first, which needs a proxy before each of several servers, nobody could tell that the second took one of them away.
fn hides(network: &Damage, gone: &Damage) -> bool {
    matches!(network, Damage::Network(Between::Clients, _))
        && matches!(
            gone,
            Damage::Node(_, ServerDamage::Stop | ServerDamage::Kill)
        )
}

/// Of the server, or of the one that is named.
fn of_server(file: &FileFault, damage: ServerDamage) -> Damage {
    match &file.node {
        Some(node) => Damage::Node(node.value, damage),
        None => Damage::Server(damage),
    }
}

fn code(file: &FileFault, default: u32) -> u32 {
    file.code.as_ref().map_or(default, |code| code.value)
}

/// What a kind can be given beside its times.
const fn parameters(kind: FaultKind) -> &'static [&'static str] {
    match kind {
        FaultKind::StoreSlow => &["time"],
        FaultKind::StoreFailing | FaultKind::StoreWriteConcern => &["share", "code"],
        FaultKind::StoreDisconnect
        | FaultKind::StoreReplyLost
        | FaultKind::ClientsDisconnect
        | FaultKind::ClientsSilent
        | FaultKind::ClientsStopReading => &["share"],
        FaultKind::StoreFrozen
        | FaultKind::StoreRestart
        | FaultKind::StoreStepdown
        | FaultKind::BusRestart => &[],
        FaultKind::ServerStop | FaultKind::ServerKill | FaultKind::ServerFreeze => &["node"],
        FaultKind::NetworkLatency => &["time", "jitter", "distribution", "between"],
        FaultKind::NetworkBandwidth | FaultKind::NetworkSlowReader => &["bandwidth", "between"],
        FaultKind::NetworkLoss => &["share", "stall", "between"],
        FaultKind::NetworkCut => &["refuse", "between"],
        FaultKind::NetworkHalfOpen => &["between"],
    }
}

/// The parameters that a file gives, each with its place.
fn given(file: &FileFault) -> Vec<(&'static str, ByteRange<usize>)> {
    fn place<T>(value: &Option<Placed<T>>) -> Option<ByteRange<usize>> {
        value.as_ref().map(|value| value.span.clone())
    }
    [
        ("time", place(&file.time)),
        ("jitter", place(&file.jitter)),
        ("distribution", place(&file.distribution)),
        ("share", place(&file.share)),
        ("code", place(&file.code)),
        ("bandwidth", place(&file.bandwidth)),
        ("stall", place(&file.stall)),
        ("refuse", place(&file.refuse)),
        ("between", place(&file.between)),
        ("node", place(&file.node)),
    ]
    .into_iter()
    .filter_map(|(name, span)| Some((name, span?)))
    .collect()
}
