//! A plan in words, before anything is connected: who is there, what will happen, how long it takes, what it needs.

use std::time::Duration;

use crate::{
    judge::{implied, verdict},
    model::{
        BodyText, Kind, Metric, Nanos, histogram,
        numbers::{count, counted},
    },
    observed::Ledger,
    plan::{Deed, Part, Place, Plan},
    report::table::{Width, align_right, paragraph, plain_table, sentences, wrap},
    scenario::{
        Load, Open, Phase, Scenario, Share, Sizes, Span, Spike, Threshold, Token, Transport,
    },
};

/// What a connection takes in the generator, buffers included; measured with 1,000 users.
const CONNECTION_BYTES: usize = 6 << 10;

/// The plan of a scenario as text that wide, for `loadgen check`.
pub fn render(scenario: &Scenario, plan: &Plan, part: Option<&Part>, width: Width) -> String {
    let Scenario { name, question, .. } = scenario;
    let question = paragraph(question, true, width);
    let head = format!("{}: {name}\n{question}\n\n", scenario.path.display());
    let lines = [
        ("model", model(scenario).to_owned()),
        ("server", server(scenario)),
        ("users", users(scenario)),
        ("conversations", conversations(plan)),
        ("each user is in", memberships(plan)),
        ("messages", messages(scenario, plan)),
        ("comings, goings", actions(plan)),
        ("faults", faults(plan)),
        (
            "shard",
            part.map_or_else(String::new, |part| shard(plan, part)),
        ),
        ("duration", duration(scenario)),
        ("memory", memory(plan)),
        ("variables", variables(scenario)),
        ("limits", limits(scenario)),
    ];
    let warnings = verdict::unjudgeable(scenario, plan).into_iter();
    let lines: Vec<(&str, String)> = lines
        .into_iter()
        .filter(|(_, line)| !line.is_empty())
        .chain(warnings.map(|sentence| ("warning", sentence)))
        .collect();
    let lines = sentences(&lines, true, width);
    let phases = phases(scenario, plan, width);
    format!("{head}{lines}\n\n{phases}\n")
}

/// Open, closed or both, and what that means for the numbers.
fn model(scenario: &Scenario) -> &'static str {
    let closed = |phase: &Phase| matches!(phase.load, Load::Closed { .. });
    if scenario.phases.iter().all(closed) {
        "closed: users wait for the server before they go on, so that latencies are service times"
    } else if scenario.phases.iter().any(closed) {
        "mixed: open phases, and closed ones, whose latencies are service times"
    } else {
        "open: messages are sent at their planned times, whatever the server does"
    }
}

fn server(scenario: &Scenario) -> String {
    if scenario.events.is_some() {
        return "its own events, and its own delivery".to_owned();
    }
    let modes: Vec<&str> = scenario.delivery.iter().map(|mode| mode.name()).collect();
    format!(
        "dialect {}; delivery {}",
        scenario.dialect.name(),
        modes.join(", then ")
    )
}

fn users(scenario: &Scenario) -> String {
    let population = &scenario.population;
    let users = count(u64::from(population.users));
    let parts: String = [
        (
            population.connected,
            1.0,
            "connected before the first phase",
        ),
        (population.joined, 1.0, "of their conversations joined"),
        (population.silent, 0.0, "silent"),
    ]
    .into_iter()
    .filter(|(share, usual, _)| share != usual)
    .map(|(share, _, what)| format!(", {} {what}", Share(share)))
    .collect();
    let connections = &scenario.connections;
    let transport = match connections.transport {
        Transport::Websocket => "over WebSocket",
        Transport::Polling => "over polling",
        Transport::Upgraded => "over polling upgraded to WebSocket",
    };
    let token = match &connections.token {
        Token::UserId => "",
        Token::Template(_) => ", tokens from a template",
        Token::Listed => ", tokens from a file",
        Token::Signed(_) => ", tokens signed with a secret",
    };
    format!("{users}{parts}; {transport}{token}")
}

/// Rooms of two, and channels with their sizes.
fn conversations(plan: &Plan) -> String {
    let channels = plan.conversations.iter();
    let channels = channels.filter(|conversation| conversation.kind == Kind::Channel);
    let mut sizes: Vec<usize> = channels.map(|channel| channel.members.len()).collect();
    sizes.sort_unstable();
    let rooms = plan.conversations.len() - sizes.len();
    let mut parts = Vec::new();
    if rooms > 0 {
        parts.push(format!("{} of two", counted(rooms as u64, "room")));
    }
    if let (Some(least), Some(most)) = (sizes.first(), sizes.last()) {
        let channels = counted(sizes.len() as u64, "channel");
        parts.push(match least == most {
            true => format!("{channels} of {}", count(*least as u64)),
            false => format!(
                "{channels} of {} to {}, half of them of {} or less",
                count(*least as u64),
                count(*most as u64),
                count(sizes[(sizes.len() - 1) / 2] as u64)
            ),
        });
    }
    parts.join(", ")
}

fn memberships(plan: &Plan) -> String {
    let memberships: Vec<usize> = plan.places.iter().map(Vec::len).collect();
    let (Some(least), Some(most)) = (memberships.iter().min(), memberships.iter().max()) else {
        return String::new();
    };
    if least == most {
        return counted(*most as u64, "conversation");
    }
    let mean = memberships.iter().sum::<usize>() as f64 / memberships.len() as f64;
    let nowhere = memberships.iter().filter(|&&n| n == 0).count();
    let nowhere = match nowhere {
        0 => String::new(),
        n => format!("; {} in none", counted(n as u64, "user")),
    };
    format!("{least} to {most} conversations, {mean:.1} on average{nowhere}")
}

fn messages(scenario: &Scenario, plan: &Plan) -> String {
    let bodies = match (&scenario.messages.text, &scenario.messages.size) {
        (BodyText::Lines(lines), _) => format!("{} of a file", counted(lines.len() as u64, "line")),
        (_, Sizes::Range(size)) => size.to_string(),
        (_, Sizes::LogNormal { median, p99 }) => {
            format!("half of them up to {median}, 99 % up to {p99}")
        }
        (_, Sizes::Weighted(sizes)) => {
            let total: f64 = sizes.iter().map(|(_, weight)| weight).sum();
            let sizes: Vec<String> = sizes
                .iter()
                .map(|(size, weight)| format!("{size} ({:.0} %)", weight / total * 100.0))
                .collect();
            sizes.join(", ")
        }
    };
    let closed = plan.phases.iter().any(|phase| phase.closed);
    format!(
        "{}{} ({bodies}), {}{} deliveries to others",
        if closed { "up to " } else { "" },
        count(plan.sends.len() as u64),
        // Who is away when a message comes is owed none; the run knows how many these are.
        if plan.is_certain() { "" } else { "up to " },
        count(plan.expected_deliveries()),
    )
}

/// What people do beside sending, over all phases.
fn actions(plan: &Plan) -> String {
    let name = |deed: Deed| match deed {
        Deed::Connect => "connect",
        Deed::Disconnect => "goodbye",
        Deed::Cut => "cut",
        Deed::Join(_) => "join",
        Deed::Leave(_) => "leave",
        Deed::StopReading => "stall",
        // The end of a stall that is counted already.
        Deed::Resume => "",
    };
    let mut parts = Vec::new();
    for kind in ["connect", "goodbye", "cut", "join", "leave", "stall"] {
        let done = plan.actions.iter();
        match done.filter(|action| name(action.deed) == kind).count() {
            0 => {}
            number => parts.push(counted(number as u64, kind)),
        }
    }
    parts.join(", ")
}

/// What breaks, and when.
fn faults(plan: &Plan) -> String {
    let seconds = |nanos: Nanos| Span(Duration::from_nanos(nanos)).to_string();
    let faults = plan.faults.iter().map(|fault| {
        let lasts = seconds(fault.end - fault.start);
        let (name, from, what) = (&fault.name, seconds(fault.start), fault.damage);
        format!("{name} ({what}) from {from} for {lasts}")
    });
    faults.collect::<Vec<_>>().join(", ")
}

/// What one of several processes has to do.
fn shard(plan: &Plan, part: &Part) -> String {
    let own = |user: u32| part.place(user).is_some();
    let sends = || plan.sends.iter().filter(|send| own(send.sender));
    let slots: usize = sends()
        .map(|send| plan.conversation_of(send).members.len())
        .sum();
    let messages = sends().count();
    let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    let deliveries = (slots - messages) as u64;
    format!(
        "{}: {} ({:.0} %), {} ({:.0} %), {} deliveries to others",
        part.shard(),
        counted(part.users().len() as u64, "user"),
        share(part.users().len(), plan.users.len()),
        counted(messages as u64, "message"),
        share(messages, plan.sends.len()),
        count(deliveries),
    )
}

fn duration(scenario: &Scenario) -> String {
    let (all, drain) = (Span(scenario.duration()), Span(scenario.drain));
    let one = match scenario.population.connecting() {
        None => format!("{all}, and up to {drain} of drain"),
        Some(last) => {
            // To the second: how long the last one takes nobody knows.
            let connecting = Span(Duration::from_secs(last.as_secs() + 1));
            format!("about {connecting} of connecting, then {all}, and up to {drain} of drain")
        }
    };
    match scenario.delivery.len() {
        1 => one,
        modes => format!("{one}, {modes} times"),
    }
}

/// What the generator keeps, all of it from the beginning.
fn memory(plan: &Plan) -> String {
    let ledger = Ledger::bytes(plan.sends.len(), plan.slots);
    let members: usize = plan.conversations.iter().map(|c| c.members.len()).sum();
    let id = size_of::<String>() + 24;
    let plan_bytes = size_of_val(&plan.sends[..])
        + size_of_val(&plan.actions[..])
        + (plan.users.len() + plan.conversations.len()) * (id + size_of::<Vec<u32>>())
        + members * (size_of::<u32>() + size_of::<Place>());
    let connections = plan.users.len() * CONNECTION_BYTES;
    let workers = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
    // One set for each worker and one for their sum.
    let histograms =
        (workers + 1) * Metric::ALL.len() * histogram::empty().distinct_values() * size_of::<u64>();
    let total = ledger + plan_bytes + connections + histograms;
    format!(
        "about {} (ledger {}, plan {}, connections {}, histograms {})",
        bytes(total),
        bytes(ledger),
        bytes(plan_bytes),
        bytes(connections),
        bytes(histograms)
    )
}

fn variables(scenario: &Scenario) -> String {
    let variables = scenario.variables.iter();
    let variables = variables.map(|(name, value)| format!("{name} = {value}"));
    variables.collect::<Vec<_>>().join(", ")
}

/// All that a run is judged by.
fn limits(scenario: &Scenario) -> String {
    let limit = |threshold: &Threshold| match threshold.abort_after.map(Span) {
        None => threshold.to_string(),
        Some(after) => format!("{threshold} (missed, it ends the run after {after})"),
    };
    let of_phases = scenario.phases.iter().flat_map(|phase| {
        let thresholds = phase.thresholds.iter();
        thresholds.map(move |threshold| format!("{} in {}", limit(threshold), phase.name))
    });
    let implied = implied(scenario).into_iter();
    let implied = implied.chain(["no finding of any check".to_owned()]);
    let implied = implied.map(|limit| format!("{limit} (implied)"));
    let all = scenario.thresholds.iter().map(limit);
    let all: Vec<String> = all.chain(of_phases).chain(implied).collect();
    all.join(", ")
}

/// A row for each phase.
fn phases(scenario: &Scenario, plan: &Plan, width: Width) -> String {
    let mut table = plain_table();
    // A blank stands before each line.
    wrap(&mut table, width.map(|width| width - 1));
    table.set_header(["phase", "from", "for", "load", "messages", "deliveries", ""]);
    align_right(&mut table, [1, 2, 4, 5]);
    let mut planned = vec![(0, 0); scenario.phases.len()];
    for send in &plan.sends {
        if let Some((messages, deliveries)) = planned.get_mut(usize::from(send.phase)) {
            *messages += 1;
            *deliveries += plan.conversation_of(send).members.len() as u64 - 1;
        }
    }
    let mut from = Duration::ZERO;
    for (phase, (messages, deliveries)) in scenario.phases.iter().zip(planned) {
        table.add_row([
            phase.name.clone(),
            Span(from).to_string(),
            Span(phase.duration).to_string(),
            happening(phase),
            count(messages),
            count(deliveries),
            if phase.measured { "" } else { "not measured" }.to_owned(),
        ]);
        from += phase.duration;
    }
    table
        .lines()
        .map(|line| format!(" {}\n", line.trim_end()))
        .collect()
}

/// The load of a phase and what else happens in it.
fn happening(phase: &Phase) -> String {
    let mut parts = vec![match &phase.load {
        Load::Open(open) => open_load(open),
        Load::Closed { think_time } => format!("closed, think time {think_time}"),
    }];
    if phase.skew > 0.0 {
        parts.push(format!("skew {}", phase.skew));
    }
    if let Some(silent) = phase.silent {
        parts.push(format!("{} silent", Share(silent)));
    }
    let churn = &phase.churn;
    for (name, each) in [
        ("joins", churn.joins),
        ("leaves", churn.leaves),
        ("rejoins", churn.rejoins),
        ("reconnects", churn.reconnects),
        ("cuts", churn.cuts),
        ("connects", churn.connects),
        ("stalls", churn.stalls),
    ] {
        if each > 0.0 {
            parts.push(format!("{} {name}", rate(each)));
        }
    }
    parts.join(", ")
}

fn open_load(open: &Open) -> String {
    let mut parts = Vec::new();
    if open.ramp_to != open.rate {
        let steps = open.steps.map(|steps| format!(" in {steps} steps"));
        let (from, to) = (rate(open.rate), rate(open.ramp_to));
        parts.push(format!("{from} to {to}{}", steps.unwrap_or_default()));
    } else if open.rate > 0.0 {
        parts.push(rate(open.rate));
    }
    if let Some(spike) = open.spike {
        let Spike { after, lasts, .. } = spike;
        parts.push(format!("{} after {after} for {lasts}", rate(spike.rate.0)));
    }
    if let Some(burst) = open.burst {
        parts.push(format!("{} at once every {}", burst.messages, burst.every));
    }
    match parts.is_empty() {
        true => "pause".to_owned(),
        false => parts.join(", "),
    }
}

fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 1.0 {
        return format!("{}/min", rounded(per_second * 60.0));
    }
    format!("{}/s", rounded(per_second))
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn bytes(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
