//! An arm: one system that one plan is measured against, told apart from the others by its name.

use std::{collections::HashSet, path::Path, sync::Arc};

use super::{Options, RunError, SystemChoice, systems::free_port};
use crate::{
    dial::{Target, Trust},
    drive::token::Tokens,
    judge::{Promises, Purpose, Turn},
    model::{Delivery, Dialect, Metric, RunId, Vocabulary},
    observed::PROMISE,
    plan::Plan,
    result,
    rig::{Chat, Commanded, OwnServer, Peer, Running, RunningStore, SeveralServers, System},
    scenario::{Documents, Range, Scenario, Span, Token},
};

/// One system and what it is measured with.
pub(super) struct Arm<'a> {
    /// No two arms of a run have the same.
    pub(super) name: String,
    pub(super) system: Box<dyn System + 'a>,
    /// What is asked of it.
    pub(super) scenario: Arc<Scenario>,
    pub(super) plan: Arc<Plan>,
    pub(super) delivery: Delivery,
    pub(super) part: Part,
    /// Somebody else wrote the server, so that what is said of its events may be mistaken.
    pub(super) is_foreign: bool,
    /// Tells its messages from those of other arms in a store that all share.
    pub(super) run_id: RunId,
}

/// What an arm is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// To say what the machine and the generator take.
    Floor,
    /// To be compared with.
    Baseline,
    /// To be judged: a threshold may end it.
    Subject,
}

impl Arm<'_> {
    /// The names that are spoken, by a client that asks for acknowledgements or does not.
    pub(super) fn vocabulary(&self, asks_for_acks: bool) -> Vocabulary {
        let vocabulary = self.scenario.vocabulary();
        Vocabulary {
            acknowledges_messages: vocabulary.acknowledges_messages && asks_for_acks,
            // A relay knows no ids.
            whole_contract: vocabulary.whole_contract && self.part != Part::Floor,
            ..vocabulary
        }
    }

    /// Whether its delivery mode is known: of a server of our own, and where the scenario names another than the default.
    pub(super) fn has_known_delivery(&self) -> bool {
        self.system.has_known_delivery() || self.delivery != Delivery::default()
    }

    /// When it delivers, as far as that is known.
    pub(super) fn mode(&self) -> &'static str {
        result::mode(self.delivery, self.has_known_delivery())
    }

    /// What whoever shows the run is told of it.
    pub(super) fn turn(&self) -> Turn {
        let scenario = &self.scenario;
        let mut limits = scenario.thresholds.iter().filter_map(|threshold| {
            let of_deliveries = threshold.subject.metric() == Some(Metric::Delivery);
            threshold.limit().filter(|_| of_deliveries)
        });
        Turn {
            scenario: scenario.name.clone(),
            question: scenario.question.clone(),
            mode: self.mode().to_owned(),
            mode_key: result::mode_key(self.delivery, self.has_known_delivery()),
            store: self.system.store(),
            purpose: match self.part {
                Part::Floor => Purpose::Floor,
                Part::Baseline => Purpose::Baseline,
                Part::Subject => Purpose::Subject,
            },
            limit: limits.next().unwrap_or(PROMISE),
        }
    }

    /// What the system owes to such a client.
    pub(super) fn promises(&self, asks_for_acks: bool) -> Promises {
        Promises::of(&self.vocabulary(asks_for_acks), self.delivery)
    }
}

/// The arms that a system has: of a server of our own one for each delivery mode of the scenario. `store` is there for those
/// that save into one of this program's.
///
/// # Errors
/// [`RunError`] when it can't be started in any way: a URL that is none, a peer that is not installed.
pub(super) fn of<'a>(
    system: &SystemChoice,
    scenario: &Arc<Scenario>,
    plan: &Arc<Plan>,
    options: &Options,
    store: Option<&'a RunningStore>,
    run_id: &RunId,
) -> Result<Vec<Arm<'a>>, RunError> {
    several(scenario, system.meets_others())?;
    if let Some((url, command, port)) = system.foreign()? {
        let target = Target::new(&url, &scenario.connections, None, &Trust::default());
        let target = target.map_err(|mistake| RunError::Asked(mistake.to_string()))?;
        let target = match port {
            Some(port) => target.at_any_port(&port.to_string()),
            None => target,
        };
        let options = Options {
            target_command: command,
            ..options.clone()
        };
        return Ok(running(scenario, plan, &target, &options, run_id));
    }
    match (system, store) {
        (SystemChoice::Own(program), Some(store)) => {
            Ok(own(program.as_deref(), scenario, plan, store, run_id))
        }
        (SystemChoice::Peer(peer), Some(store)) => {
            let folder = options.peers.as_deref();
            peer_on(*peer, folder, scenario, plan, store, run_id).map(|arm| vec![arm])
        }
        (SystemChoice::Relay, _) => Ok(vec![relay(scenario, plan, run_id)]),
        // Who asks for a store gets one before.
        _ => Err(RunError::Interrupted),
    }
}

/// The bare relay, asked like any other. It confirms nothing.
fn relay<'a>(scenario: &Scenario, plan: &Arc<Plan>, run_id: &RunId) -> Arm<'a> {
    let scenario = Scenario {
        dialect: Dialect::Readme,
        ..scenario.clone()
    };
    Arm {
        name: SystemChoice::Relay.to_string(),
        system: Box::new(OwnServer::relay()),
        scenario: Arc::new(scenario),
        plan: Arc::clone(plan),
        delivery: Delivery::PersistFirst,
        part: Part::Floor,
        is_foreign: false,
        run_id: run_id.clone(),
    }
}

/// A chat that others would have written, started on a store of ours and told its delivery mode.
fn peer_on<'a>(
    peer: Peer,
    folder: Option<&Path>,
    scenario: &Arc<Scenario>,
    plan: &Arc<Plan>,
    store: &'a RunningStore,
    run_id: &RunId,
) -> Result<Arm<'a>, RunError> {
    let command = peer.command(folder)?;
    let description = describe(scenario, store);
    let mut servers = Vec::new();
    for _ in 0..plan.nodes.count() {
        let server = commanded(peer, &command, &description, scenario, plan, store)?;
        servers.push(server);
    }
    let system: Box<dyn System + 'a> = match (plan.nodes.count(), servers.pop()) {
        (1, Some(alone)) => Box::new(alone),
        (_, last) => {
            servers.extend(last);
            let chat = Chat {
                nodes: plan.nodes,
                users: plan.users.len(),
                mode: None,
            };
            let connections = &scenario.connections;
            Box::new(SeveralServers::foreign(
                servers,
                store,
                description,
                connections,
                chat,
            ))
        }
    };
    Ok(Arm {
        name: SystemChoice::Peer(peer).to_string(),
        system,
        scenario: Arc::clone(scenario),
        plan: Arc::clone(plan),
        delivery: peer.delivery(),
        part: Part::Subject,
        is_foreign: true,
        run_id: run_id.clone(),
    })
}

/// Such a chat at a port of its own.
fn commanded<'a>(
    peer: Peer,
    command: &str,
    description: &str,
    scenario: &Scenario,
    plan: &Arc<Plan>,
    store: &'a RunningStore,
) -> Result<Commanded<'a>, RunError> {
    let port = free_port()?;
    let connections = &scenario.connections;
    let target = Target::started_here(&format!("http://127.0.0.1:{port}"), connections);
    let target = target.map_err(|mistake| RunError::Asked(mistake.to_string()))?;
    let asker = Tokens::new(connections).caller(plan, 0, &target, Arc::default());
    let database = store.database();
    let audit = database.map(|(uri, name)| (uri.to_owned(), name.to_owned()));
    let (_, name) = database.unwrap_or_default();
    let uri = store.uri_of_server().unwrap_or_default();
    let milliseconds = |range: Range<Span>| {
        let [low, high] = [range.low, range.high].map(|span| span.0.as_secs_f64() * 1e3);
        format!("{low}-{high}")
    };
    let variables = vec![
        ("PORT", port.to_string()),
        ("DELIVERY", peer.delivery().name().to_owned()),
        // Empty and not left out: this program may have been told of another.
        ("MONGODB_URI", uri),
        ("MONGODB_DATABASE", name.to_owned()),
        ("REDIS_URL", String::new()),
        ("SAVE_TIME", milliseconds(scenario.save_time)),
        ("READ_TIME", milliseconds(scenario.read_time)),
    ];
    let documents = Documents::default();
    let running = Running::new(target, asker, connections.transport, audit, documents);
    let running = running.told(description.to_owned());
    Ok(Commanded::new(command, running).told(variables).on(store))
}

/// One arm, a server that somebody else wrote: its delivery mode is its own.
pub(super) fn running<'a>(
    scenario: &Arc<Scenario>,
    plan: &Arc<Plan>,
    target: &Target,
    options: &Options,
    run_id: &RunId,
) -> Vec<Arm<'a>> {
    let connections = &scenario.connections;
    // Where a server or what stands before it lets users in alone, the first of them asks.
    let asker = Tokens::new(connections).caller(plan, 0, target, Arc::default());
    let audit = options.audit.clone();
    let documents = scenario.documents.clone();
    let running = Running::new(
        target.clone(),
        asker,
        connections.transport,
        audit,
        documents,
    );
    vec![Arm {
        name: target.name().to_owned(),
        system: match &options.target_command {
            Some(command) => Box::new(Commanded::new(command, running)),
            None => Box::new(running),
        },
        scenario: Arc::clone(scenario),
        plan: Arc::clone(plan),
        delivery: scenario.delivery.last().copied().unwrap_or_default(),
        part: Part::Subject,
        is_foreign: true,
        run_id: run_id.clone(),
    }]
}

/// An arm for each delivery mode of the scenario, each a server of our own on one store, or another build of it; the last is
/// judged.
fn own<'a>(
    program: Option<&Path>,
    scenario: &Arc<Scenario>,
    plan: &Arc<Plan>,
    store: &'a RunningStore,
    run_id: &RunId,
) -> Vec<Arm<'a>> {
    let description = describe(scenario, store);
    let modes = scenario.delivery.iter().enumerate();
    modes
        .map(|(index, &delivery)| Arm {
            name: delivery.name().to_owned(),
            system: one_or_several(
                program,
                arguments(scenario, delivery, store),
                store,
                description.clone(),
                scenario,
                plan,
            ),
            scenario: Arc::clone(scenario),
            plan: Arc::clone(plan),
            delivery,
            part: match index + 1 == scenario.delivery.len() {
                true => Part::Subject,
                false => Part::Baseline,
            },
            is_foreign: false,
            run_id: match index {
                0 => run_id.clone(),
                _ => RunId::new(rand::random()),
            },
        })
        .collect()
}

/// A server of our own, or as many as the scenario wants as one chat.
fn one_or_several<'a>(
    program: Option<&Path>,
    arguments: Vec<String>,
    store: &'a RunningStore,
    description: String,
    scenario: &Scenario,
    plan: &Plan,
) -> Box<dyn System + 'a> {
    let connections = &scenario.connections;
    if plan.nodes.count() == 1 {
        let own = OwnServer::new(program, arguments, store, description, connections);
        return Box::new(own);
    }
    Box::new(SeveralServers::own(
        program,
        arguments,
        store,
        description,
        connections,
        Chat {
            nodes: plan.nodes,
            users: plan.users.len(),
            mode: Some(scenario.bus_mode),
        },
    ))
}

/// Whether as many servers can be had as a scenario wants, and its faults with them.
///
/// # Errors
/// [`RunError::Asked`] says why not.
pub(super) fn several(scenario: &Scenario, can_be: bool) -> Result<(), RunError> {
    if scenario.nodes > 1 && !can_be {
        let why = "`nodes` are servers that this program starts, its own or those of a peer like peer:node: leave --target, --command or another --system out, or `nodes`";
        return Err(RunError::Asked(why.to_owned()));
    }
    // The file was checked; the command line may ask for more servers, or fewer.
    for fault in &scenario.faults {
        let fits = fault.damage.fits(scenario.nodes);
        let (path, name) = (scenario.path.display(), &fault.name);
        fits.map_err(|unfit| RunError::Asked(format!("{path}: the fault {name:?}: {unfit}")))?;
    }
    Ok(())
}

/// What `serve` is told.
fn arguments(scenario: &Scenario, delivery: Delivery, store: &RunningStore) -> Vec<String> {
    let mut arguments = vec!["--host", "127.0.0.1", "--port", "0"];
    arguments.extend(["--dialect", scenario.dialect.name()]);
    if let Token::Signed(secret) = &scenario.connections.token {
        arguments.extend(["--jwt-secret", secret]);
    }
    arguments.extend(["--delivery", delivery.name()]);
    let times = (
        scenario.save_time.to_string(),
        scenario.read_time.to_string(),
    );
    if store.is_simulation() {
        arguments.extend(["--save-time", &times.0, "--read-time", &times.1]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

fn describe(scenario: &Scenario, store: &RunningStore) -> String {
    if store.is_simulation() {
        format!(
            "in-memory simulation (save {}, read {})",
            scenario.save_time, scenario.read_time
        )
    } else {
        store.description().to_owned()
    }
}

/// Results name their arms, so that no two may be called the same.
pub(super) fn distinct(arms: &[Arm<'_>]) -> Result<(), RunError> {
    let mut names = HashSet::new();
    match arms.iter().find(|arm| !names.insert(&arm.name)) {
        None => Ok(()),
        Some(twice) => Err(RunError::NamedTwice(twice.name.clone())),
    }
}
