//! What is to be run: the scenarios with the flags of the command line, and where each is measured.

use std::{collections::BTreeSet, path::Path};

use super::flags::Args;
use crate::{
    command::{exit_code::Exit, named, obeyed::Said, output},
    dial::{PORT, Target, TargetMistake},
    experiment::SystemChoice,
    model::Delivery,
    rig::{self, StoreChoice},
    scenario::{Scenario, ScenarioError},
};

/// What is to be run.
pub(super) struct Asked {
    /// Each scenario and where it is measured; `None`: what is started here.
    pub scenarios: Vec<(Scenario, Option<Target>)>,
    /// The command that starts the target.
    pub target_command: Option<String>,
}

/// What the command line and the scenario files ask for. All files are checked before the first is run: a mistake in the
/// last one is not found an hour later.
///
/// # Errors
/// After each mistake was told.
pub(super) fn asked(run: &Args) -> Result<Asked, Exit> {
    if let Some(twice) = Delivery::repeated(&run.delivery).map(Delivery::name) {
        let error = format!("--delivery names {twice} twice: name each once");
        return Err(output::wrong(error));
    }
    if let Some(twice) = repeated(&run.load.label) {
        let error = format!("--label names {twice} twice: give each key one value");
        return Err(output::wrong(error));
    }
    for uri in databases(run) {
        rig::check_uri(uri).map_err(output::wrong)?;
    }
    let foreign = foreign(run).map_err(output::wrong)?;
    can_be_obeyed(run).map_err(output::wrong)?;
    let mut scenarios = Vec::new();
    let mut exit = Exit::Pass;
    for path in &run.scenarios {
        match read(path, run, &foreign) {
            Ok(scenario) => scenarios.push(scenario),
            Err(Mistake::Scenario(error)) => exit = exit.worse(output::all_wrong(&error)),
            Err(mistake) => exit = exit.worse(output::wrong(mistake)),
        }
    }
    match exit {
        Exit::Pass => Ok(Asked {
            scenarios,
            target_command: foreign.command,
        }),
        exit => Err(exit),
    }
}

/// Whether what is measured can obey all that is said of it.
fn can_be_obeyed(run: &Args) -> Result<(), String> {
    let foreign = match (&run.command, &run.place.target) {
        (Some(command), _) => Some(("--command", SystemChoice::Command(command.clone()))),
        (None, Some(url)) => Some(("--target", SystemChoice::Url(url.clone()))),
        (None, None) => None,
    };
    let (flag, system) = foreign.unwrap_or_else(|| ("--system", run.system.clone()));
    let said = Said {
        systems: vec![(flag, system.into())],
        delivery: &run.delivery,
        store: &run.store,
        mongo_image: &run.mongo_image,
        load: &run.load,
    };
    said.can_be_obeyed()
}

/// The connection strings that are typed.
fn databases(run: &Args) -> impl Iterator<Item = &str> {
    let store = match &run.store {
        StoreChoice::Uri(uri) => Some(uri.as_str()),
        _ => None,
    };
    let audit = run.audit.as_ref().map(|(uri, _)| uri.as_str());
    store.into_iter().chain(audit)
}

/// A key that has two values.
fn repeated(labels: &[(String, String)]) -> Option<&str> {
    let mut known = BTreeSet::new();
    let mut keys = labels.iter().map(|(key, _)| key.as_str());
    keys.find(|key| !known.insert(*key))
}

/// A mistake in what is to be run.
#[derive(Debug, thiserror::Error)]
enum Mistake {
    #[error("--system {0}: {1}")]
    System(SystemChoice, String),
    #[error("{0}")]
    Flag(String),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Target(#[from] TargetMistake),
}

/// A scenario with the flags of the command line, and where it is to be measured.
fn read(path: &Path, run: &Args, foreign: &Foreign) -> Result<(Scenario, Option<Target>), Mistake> {
    let mut scenario = named::scenario(path, &run.load.set)?;
    if !run.delivery.is_empty() {
        scenario.delivery.clone_from(&run.delivery);
    }
    scenario.nodes = run.nodes.unwrap_or(scenario.nodes);
    scenario.bus_mode = run.bus_mode.unwrap_or(scenario.bus_mode);
    run.load.ask(&mut scenario).map_err(Mistake::Flag)?;
    let url = foreign.url.as_deref();
    let target = run.place.target(url, &scenario.connections)?;
    let target = target.map(|target| match &foreign.port {
        Some(port) => target.at_any_port(port),
        None => target,
    });
    // What our own server can't be asked is told where it is started.
    if matches!(run.system, SystemChoice::Peer(_)) {
        let asked = run.system.can_be_asked(&scenario);
        asked.map_err(|why| Mistake::System(run.system.clone(), why))?;
    }
    Ok((scenario, target))
}

/// A server that somebody else wrote.
struct Foreign {
    /// Where it is; `None`: what is started here is none.
    url: Option<String>,
    /// The command that starts it, where one does.
    command: Option<String>,
    /// The port that was picked for it, where its URL names none.
    port: Option<String>,
}

/// Where the server is that is measured, and the command that starts it, where one does.
fn foreign(run: &Args) -> Result<Foreign, String> {
    let Some(command) = &run.command else {
        let about = [
            ("--audit", run.audit.is_some()),
            ("--target-version", run.target_version.is_some()),
        ];
        return match (
            &run.place.target,
            about.into_iter().find(|(_, given)| *given),
        ) {
            (None, Some((flag, _))) => Err(format!(
                "{flag} says something of a target: name it with --target or --command"
            )),
            (target, _) => Ok(Foreign {
                url: target.clone(),
                command: None,
                port: None,
            }),
        };
    };
    let url = match &run.place.target {
        Some(url) => url.clone(),
        None if command.contains(PORT) => format!("http://127.0.0.1:{PORT}"),
        None => {
            return Err(format!(
                "--command: say where it is to listen with {PORT}, as in 'PORT={PORT} node server.js', or where it does with --target"
            ));
        }
    };
    // Nobody else is given it by the system for some time.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .map_err(|error| format!("no free port: {error}"))?
        .port()
        .to_string();
    Ok(Foreign {
        url: Some(url.replace(PORT, &port)),
        command: Some(command.replace(PORT, &port)),
        port: url.contains(PORT).then_some(port),
    })
}
