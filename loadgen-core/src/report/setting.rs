//! Under what a result was measured, in a few words each: what every reader of a number has to know beside it.

use super::seconds;
use crate::{
    model::numbers::{count, duration},
    observed::ProxyCost,
    result::{Circumstances, Report, Run},
};

/// Where, shared by whom, into which store, of what, when, how disturbed, and what the user says of it.
pub(crate) fn setting(report: &Report) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(run) = report.runs.last() {
        said.push(place(report, run));
        said.push(store(run));
        said.push(target(run));
        said.extend(run.proxy.map(proxy));
    }
    said.extend(shards(report));
    said.push(date(&report.started));
    if let Some(run) = report.runs.last() {
        let (disturbed, all) = (seconds::disturbed(run), run.windows.len());
        said.push(match disturbed {
            0 => format!("none of {} seconds disturbed", count(all as u64)),
            disturbed => format!("{disturbed} of {} seconds disturbed", count(all as u64)),
        });
    }
    said.extend(Circumstances::of(report).labels);
    said
}

/// How many processes drove it, where they were several, and how nearly they began at one moment.
pub(crate) fn shards(report: &Report) -> Option<String> {
    let first = report.shards.first()?;
    let began = || report.shards.iter().filter_map(|shard| shard.began);
    let apart = began().max()? - began().min()?;
    let known = report.shards.iter().map(|shard| shard.clock);
    let bound = known.collect::<Option<Vec<_>>>();
    let bound = bound.and_then(|known| known.iter().map(|clock| clock.bound).max());
    let known = match bound {
        Some(bound) => format!("known to ±{:.2} ms", bound as f64 / 1e6),
        None => "by their own clocks".to_owned(),
    };
    Some(format!(
        "{} of {} shards, begun within {:.1} ms, {known}",
        report.shards.len(),
        first.of,
        apart as f64 / 1e6
    ))
}

/// A time of day to the minute: `2026-03-01 12:00 UTC`.
pub(crate) fn date(moment: &str) -> String {
    let minute: String = moment.chars().take(16).collect();
    format!("{} UTC", minute.replace('T', " "))
}

fn place(report: &Report, run: &Run) -> String {
    let cores = match report.environment.cores {
        1 => "one core".to_owned(),
        cores => format!("{cores} cores"),
    };
    if !run.own && !is_here(&run.target) {
        return format!("over the network, the generator on {cores}");
    }
    let target = if run.own { "server" } else { "target" };
    // A simulated store lives in the server, and where a target's own is nobody knows.
    let sharing = match run.own && run.store.starts_with("MongoDB") {
        true => format!("{target}, generator and database"),
        false => format!("{target} and generator"),
    };
    format!("one machine, loopback, {cores} shared by {sharing}")
}

/// Whether a URL leads to this machine by its loopback.
fn is_here(url: &str) -> bool {
    // What has a name and no URL was started here.
    let Some((_, rest)) = url.split_once("://") else {
        return true;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|here| host.starts_with(here))
}

fn store(run: &Run) -> String {
    match &run.durability {
        Some(durability) => format!("store: {} ({durability})", run.store),
        None => format!("store: {}, its durability unknown", run.store),
    }
}

fn target(run: &Run) -> String {
    let version = run.target_version.as_deref().unwrap_or("unknown");
    match run.own {
        true => format!("server of loadgen itself, version {version}"),
        false => format!("{}, version {version}", run.target),
    }
}

fn proxy(cost: ProxyCost) -> String {
    format!(
        "through a proxy that stands in for the network: idle, it makes a round trip {:.1} times as long ({} instead of {})",
        cost.ratio(),
        duration(cost.through),
        duration(cost.direct)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_costs_is_said_as_a_ratio() {
        let cost = ProxyCost {
            direct: 20_000,
            through: 50_000,
        };
        let said = proxy(cost);
        assert!(said.contains("2.5 times as long"), "{said}");
    }

    #[test]
    fn loopback_is_told_from_the_network() {
        for here in [
            "http://127.0.0.1:5000",
            "ws://localhost/chat",
            "http://[::1]:80",
            "http://u:p@127.0.0.1",
        ] {
            assert!(is_here(here), "{here}");
        }
        for there in [
            "http://10.0.0.1",
            "https://chat.example/127.0.0.1",
            "http://localhost@chat.example",
        ] {
            assert!(!is_here(there), "{there}");
        }
    }

    #[test]
    fn a_date_is_to_the_minute() {
        assert_eq!(date("2026-03-01T12:34:56.789Z"), "2026-03-01 12:34 UTC");
    }
}
