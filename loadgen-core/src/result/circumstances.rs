//! What a result was measured on and with: numbers of other targets, stores, machines or labels are kept apart.

use std::fmt;

use super::Report;
use crate::model::numbers::bytes;

/// Of the last run of a result, the one that is judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Circumstances {
    /// The server that this program started, or the URL of another; with `{port}` in the place of a port that was picked for one
    /// run.
    pub target: String,
    /// The store, and how durable a confirmed message is in it.
    pub store: String,
    /// Processor, cores, memory, and what it is a guest of.
    pub machine: String,
    /// What the user says of it: `key=value`, by key.
    pub labels: Vec<String>,
}

impl Circumstances {
    /// Those of a result.
    pub fn of(report: &Report) -> Self {
        let run = report.runs.last();
        let store = run.map(|run| match &run.durability {
            Some(durability) => format!("{} ({durability})", run.store),
            None => run.store.clone(),
        });
        let labels = report.labels.iter();
        Self {
            target: match run {
                Some(run) if !run.own => run.target.clone(),
                _ => "the server of loadgen itself".to_owned(),
            },
            store: store.unwrap_or_default(),
            machine: machine(report),
            labels: labels
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
        }
    }
}

impl fmt::Display for Circumstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}; {}", self.target, self.store, self.machine)?;
        for label in &self.labels {
            write!(f, "; {label}")?;
        }
        Ok(())
    }
}

fn machine(report: &Report) -> String {
    let here = &report.environment;
    let cores = match here.cores {
        1 => "1 core".to_owned(),
        cores => format!("{cores} cores"),
    };
    let processor = here.cpu.as_deref().unwrap_or("an unknown processor");
    let mut machine = format!("{cores} of {processor}");
    if let Some(memory) = here.memory {
        machine += &format!(", {}", bytes(memory));
    }
    if let Some(host) = &here.virtualisation {
        machine += &format!(", a guest of {host}");
    }
    machine
}
