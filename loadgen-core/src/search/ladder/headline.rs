//! What a ladder comes to, for whoever reads one sentence and looks at one picture: made of what is recorded alone.

use super::{
    AT, Carried, Ladder, OWN, carried,
    carried::{MEMORY, at},
    is_own,
    show::{CONTRADICTED, latencies_of, limit_ends, machine},
    site::{PICTURE, place},
};
use crate::{
    judge::Verdict,
    model::numbers::{count, limit},
    report::{chart, markdown::escaped},
    search::{Found, LIMITS, LimitFound, PROMISED, SystemFound},
};

/// The bare relay, which is no rival: it keeps no promise but to pass messages on.
const RELAY: &str = "relay";
/// What of a core still is one: the kernel counts in ticks.
const ONE_CORE: f64 = 1.05;

/// What a ladder comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// The first scenario in a sentence, the server of this project against each of the others.
    pub sentence: String,
    /// What all ladders of this kind came to, where there are others: one search alone looks more certain than it is. Empty
    /// where there are none.
    pub range: String,
    /// Where another system carries more, or that none does.
    pub lost: String,
    /// Which searches are inconclusive or invalid: their rates are what is known, and not where a limit ends for certain. Empty
    /// where none is.
    pub undecided: String,
    /// The machine, the stores and the day.
    pub measured: String,
    /// Where the JSON lies in a site.
    pub json: String,
    /// A row for each system, in Markdown.
    pub table: String,
    /// The curves of the first scenario, as an SVG by itself; `None` where nothing was measured.
    pub picture: Option<String>,
}

/// What a ladder comes to by itself; `None` where the server of this project is not on it.
pub fn headline(ladder: &Ladder) -> Option<Headline> {
    let first = ladder.searches.first()?;
    let systems = carried(first);
    let own = systems.iter().find(|one| is_own(&one.found.system))?;
    let others = systems.iter();
    let others = others.filter(|one| one.found.system != own.found.system);
    Some(Headline {
        sentence: sentence(first, own, others),
        range: String::new(),
        lost: lost(ladder),
        undecided: undecided(ladder),
        measured: measured(ladder, own),
        json: place(ladder, "json"),
        table: table(ladder),
        picture: picture(first),
    })
}

impl Headline {
    /// All that is said in words.
    pub fn sentences(self) -> Vec<String> {
        let mut all = vec![self.sentence, self.range, self.lost, self.undecided];
        all.retain(|one| !one.is_empty());
        all
    }

    /// As a part of a page in Markdown from which the site lies in that folder.
    pub fn markdown(&self, site: &str) -> String {
        let Self {
            sentence,
            range,
            lost,
            undecided,
            measured,
            json,
            table,
            ..
        } = self;
        let more = |text: &str| match text {
            "" => String::new(),
            some => format!(" {some}"),
        };
        // Whoever reads the large numbers alone reads how much they vary.
        let sentence = sentence.to_owned() + &more(range);
        let doubt = more(undecided);
        let contradicted = match table.contains(CONTRADICTED) {
            true => more(
                "*Contradicted*: a lower rate missed the limit and a higher one kept it, each in two holds, so that no rate is told.",
            ),
            false => String::new(),
        };
        let image = match self.picture {
            Some(_) => format!("![{sentence}]({site}/{PICTURE})\n\n"),
            None => String::new(),
        };
        format!(
            "{image}**{sentence}**\n\n{table}\n{lost}{doubt}{contradicted} Measured on {}: [all numbers]({site}/{json}).\n",
            escaped(measured)
        )
    }
}

/// Where and when, and what this server saved into.
fn measured(ladder: &Ladder, own: &Carried<'_>) -> String {
    let day = ladder.started.split('T').next().unwrap_or_default();
    format!("{}, {}, {day}", machine(ladder), own.found.store)
}

/// A system's name in a sentence, with the store that it alone has.
fn words(system: &str) -> String {
    let (name, store) = match system.split_once(AT) {
        Some((name, store)) => (name, Some(store)),
        None => (system, None),
    };
    let name = match name {
        OWN => "this server",
        RELAY => "the bare relay",
        "peer:node" => "plain Node.js",
        "peer:node-persist-first" => "Node.js that saves first",
        "peer:python" => "python-socketio",
        "peer:socketioxide" => "plain socketioxide",
        // A URL, a command or a path, which may hold an @ of its own.
        _ => return system.to_owned(),
    };
    match store {
        None => name.to_owned(),
        Some("memory") => format!("{name} with a simulated store"),
        Some("docker") => format!("{name} with MongoDB in Docker"),
        Some("mongod") => format!("{name} with a mongod"),
        Some(store) => format!("{name} with the store {store}"),
    }
}

fn whole(rate: f64) -> String {
    count(rate.round() as u64)
}

/// A last success that no failure bounds is at least that.
fn sentence<'a>(
    first: &Found,
    own: &Carried<'_>,
    others: impl Iterator<Item = &'a Carried<'a>>,
) -> String {
    let promised = limit(PROMISED);
    let ends = own.promised.and_then(|one| Some((one, one.last_success?)));
    let name = &first.scenario.name;
    let own_name = words(&own.found.system);
    let Some((end, kept)) = ends else {
        return format!("In {name}, no rate is known at which {own_name} keeps {promised}.");
    };
    let cores = match own.cores {
        Some(one) if one <= ONE_CORE => " on one core".to_owned(),
        Some(cores) => format!(" on {cores:.1} cores"),
        None => String::new(),
    };
    let (mut beside, mut unknown, mut contradicted) = (Vec::new(), Vec::new(), Vec::new());
    for other in others {
        match (other.promised, beside_it(end, other)) {
            (Some(promised), _) if promised.contradicted => {
                contradicted.push(words(&other.found.system));
            }
            (_, Some(told)) => beside.push(told),
            (_, None) => unknown.push(words(&other.found.system)),
        }
    }
    let beside = listed(&beside).map_or_else(String::new, |all| format!(": {all}"));
    let mut unknown = listed(&unknown).map_or_else(String::new, |all| {
        format!("; no rate is known at which {all} would keep that")
    });
    if let Some(all) = listed(&contradicted) {
        unknown += &format!("; what was seen of {all} contradicts itself");
    }
    format!(
        "In {name}, {own_name} carries {}{} messages a second, 99 % of the deliveries within {promised}{cores}{beside}{unknown}.",
        if end.is_open() { "at least " } else { "" },
        whole(kept)
    )
}

/// What a ladder and those before it came to that asked the same on such a machine: the lowest and the highest. A share of
/// the deliveries that hardly changes over the rates ends at another rate each time.
pub(super) fn range<'l>(ladder: &'l Ladder, others: impl Iterator<Item = &'l Ladder>) -> String {
    let alike = others.filter(|other| other.started != ladder.started);
    let alike = alike.filter(|other| are_alike(ladder, other));
    let all: Vec<&Ladder> = std::iter::once(ladder).chain(alike).collect();
    if all.len() < 2 {
        return String::new();
    }
    let first_own = |ladder: &Ladder| at(own_in(ladder.searches.first()?)?, PROMISED)?.last_success;
    let of = |system: &str| {
        let kept = |ladder: &&Ladder| last_success(ladder, system);
        let Some(rates) = ends(all.iter().filter_map(kept), whole) else {
            return format!("no rate for {}", words(system));
        };
        let times = |ladder: &&Ladder| Some(first_own(ladder)? / kept(ladder)?);
        let times = ends(all.iter().filter_map(times), |times| format!("{times:.1}"));
        let times = times.filter(|_| is_rival(system));
        let times = times.map(|times| format!("{times} times"));
        let asked = all.iter().filter(|one| one.systems().contains(&system));
        let without = asked.filter(|one| kept(one).is_none()).count();
        let without = (without > 0).then(|| format!("no rate in {without} of them"));
        let open = all.iter().filter(|one| is_undecided(one, system)).count();
        let open = (open > 0).then(|| format!("undecided in {open} of them"));
        let told: Vec<String> = times.into_iter().chain(without).chain(open).collect();
        let told = match told.is_empty() {
            true => String::new(),
            false => format!(" ({})", told.join("; ")),
        };
        format!("{rates} for {}{told}", words(system))
    };
    let found: Vec<String> = ladder.systems().into_iter().map(of).collect();
    listed(&found).map_or_else(String::new, |found| {
        format!(
            "The {} published ladders of such a machine found {found}.",
            count(all.len() as u64)
        )
    })
}

/// Whether the numbers of two ladders may stand beside each other.
fn are_alike(one: &Ladder, other: &Ladder) -> bool {
    let asked = |ladder: &Ladder| Some(ladder.searches.first()?.scenario.clone());
    let store = |ladder: &Ladder| {
        let own = own_in(ladder.searches.first()?)?;
        Some((own.system.clone(), own.store.clone()))
    };
    let (Some(scenario), Some(of)) = (asked(one), store(one)) else {
        return false;
    };
    store(other) == Some(of)
        && asked(other).is_some_and(|other| scenario.name == other.name && scenario.asks_as(&other))
        && machine(one) == machine(other)
        && one.labels == other.labels
}

/// The server of this project, against which others stand: of several stores the one that is named first.
fn own_in(found: &Found) -> Option<&SystemFound> {
    found.systems.iter().find(|one| is_own(&one.system))
}

/// Whether it is somebody else's, and more than what passes messages on.
fn is_rival(system: &str) -> bool {
    !is_own(system) && system != RELAY
}

/// Whether the first scenario's search has not found where the limits of a system end.
fn is_undecided(ladder: &Ladder, system: &str) -> bool {
    let first = ladder.searches.first();
    let mut systems = first.into_iter().flat_map(|found| &found.systems);
    let undecided = [Verdict::Inconclusive, Verdict::Invalid];
    systems.any(|one| one.system == system && undecided.contains(&one.verdict))
}

/// In the first scenario, for what is promised.
fn last_success(ladder: &Ladder, system: &str) -> Option<f64> {
    let mut systems = ladder.searches.first()?.systems.iter();
    at(systems.find(|one| one.system == system)?, PROMISED)?.last_success
}

/// The lowest and the highest of numbers, as they are written; one where both read alike.
fn ends(numbers: impl Iterator<Item = f64>, written: impl Fn(f64) -> String) -> Option<String> {
    let mut all: Vec<f64> = numbers.collect();
    all.sort_by(f64::total_cmp);
    let (low, high) = (written(*all.first()?), written(*all.last()?));
    Some(match low == high {
        true => low,
        false => format!("{low} to {high}"),
    })
}

/// As a list in a sentence.
pub(super) fn listed(all: &[String]) -> Option<String> {
    match all {
        [] => None,
        [one] => Some(one.clone()),
        [most @ .., last] => Some(format!("{} and {last}", most.join(", "))),
    }
}

/// Where this server ends beside where another does; `None` where no rate is known that the other keeps.
fn beside_it(own: LimitFound, other: &Carried<'_>) -> Option<String> {
    let promised = other.promised?;
    let (ours, theirs) = (own.last_success?, promised.last_success?);
    let name = words(&other.found.system);
    let of = |bound, rounded| {
        let share = share(ours / theirs, rounded);
        format!("{bound}{share} {name} ({})", whole(theirs))
    };
    // A bound is rounded to where it holds. Of two ends that nobody found there is none: a first failure is no bound where
    // the search did not end, since a higher rate may have kept the limit.
    Some(match (own.is_open(), promised.is_open()) {
        (false, false) => of("", f64::round),
        (true, false) => of("at least ", f64::floor),
        (false, true) => of("at most ", f64::ceil),
        (true, true) => format!("beside {name}, which carries at least {}", whole(theirs)),
    })
}

/// `3.1 times`, or `31 % of`.
fn share(ratio: f64, rounded: fn(f64) -> f64) -> String {
    match ratio {
        less if less < 0.995 => format!("{:.0} % of", rounded(less * 100.0)),
        times => format!("{:.1} times", rounded(times * 10.0) / 10.0),
    }
}

/// In which scenario, at which limit, another system's last success is the higher one, and where nobody knows.
fn lost(ladder: &Ladder) -> String {
    let (mut lost, mut unknown) = (Vec::new(), Vec::new());
    let mut compared = false;
    for found in &ladder.searches {
        let Some(own) = own_in(found) else {
            continue;
        };
        let rivals = found.systems.iter();
        for rival in rivals.filter(|one| is_rival(&one.system)) {
            let within = |wanted: Stand| {
                let stands = |each: &u64| Stand::of(at(rival, *each), at(own, *each)) == wanted;
                let limits = LIMITS.into_iter().filter(stands).map(limit);
                let limits: Vec<String> = limits.collect();
                (!limits.is_empty()).then(|| limits.join(", "))
            };
            compared |= LIMITS.into_iter().any(|each| {
                let both = [at(rival, each), at(own, each)];
                both.into_iter()
                    .flatten()
                    .any(|one| one.last_success.is_some())
            });
            let (name, rival) = (&found.scenario.name, words(&rival.system));
            lost.extend(
                within(Stand::More)
                    .map(|limits| format!("in {name} {rival} carries more within {limits}")),
            );
            unknown.extend(
                within(Stand::Unknown).map(|limits| {
                    format!("whether {rival} carries more in {name} within {limits}")
                }),
            );
        }
    }
    if !compared {
        return "No rival is known to keep any of the limits, and this server neither.".to_owned();
    }
    let scope = "in any of the scenarios, within 1, 2, 5, 10 or 25 ms";
    let mut said = match (lost.is_empty(), unknown.is_empty()) {
        (true, true) => format!("No rival carries more {scope}."),
        (true, false) => format!("No rival is known to carry more {scope}."),
        (false, _) => format!("Lost comparisons: {}.", lost.join("; ")),
    };
    if !unknown.is_empty() {
        said += &format!(" It is not known {}.", unknown.join("; "));
    }
    said
}

/// What is known of a rival at a limit beside this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Its last success is the higher one, and this server is known to end below it.
    More,
    /// It failed at a rate that this server keeps, or neither keeps any.
    NotMore,
    /// One of them was not asked for as much, or what was seen contradicts itself.
    Unknown,
}

impl Stand {
    fn of(theirs: Option<LimitFound>, ours: Option<LimitFound>) -> Self {
        let kept = |one: Option<LimitFound>| one.and_then(|one| one.last_success);
        let contradicts = |one: Option<LimitFound>| one.is_some_and(|one| one.contradicted);
        let failed = theirs.and_then(|one| one.first_failure);
        // Where the end of this server was not found, only what it failed at is known to be beyond it.
        let is_beyond = |theirs: f64| {
            ours.is_some_and(|ours| {
                let failed = ours.first_failure.is_some_and(|failed| failed <= theirs);
                failed || ours.last_success.is_some() && !ours.is_open()
            })
        };
        match (kept(theirs), kept(ours)) {
            (Some(theirs), Some(ours)) if theirs > ours => match is_beyond(theirs) {
                true => Stand::More,
                false => Stand::Unknown,
            },
            (Some(theirs), None) if !contradicts(ours) && is_beyond(theirs) => Stand::More,
            (None, None) => Stand::NotMore,
            (_, Some(ours)) if failed.is_some_and(|rate| rate <= ours) => Stand::NotMore,
            _ => Stand::Unknown,
        }
    }
}

/// Whose search in which scenario has not found where a limit ends: an invalid one says nothing of that, as where the
/// generator was the first to have no time to spare.
fn undecided(ladder: &Ladder) -> String {
    let ended = |verdict: Verdict| {
        let of = |found: &Found| {
            let systems = found.systems.iter();
            let open = systems.filter(|one| one.verdict == verdict);
            let open: Vec<String> = open.map(|one| words(&one.system)).collect();
            let open = listed(&open)?;
            Some(format!("in {} of {open}", found.scenario.name))
        };
        let all: Vec<String> = ladder.searches.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| {
            format!(
                "Searches that ended {}: {}.",
                verdict.name(),
                all.join("; ")
            )
        })
    };
    let both = [Verdict::Inconclusive, Verdict::Invalid].into_iter();
    both.filter_map(ended).collect::<Vec<_>>().join(" ")
}

/// A row for each system: where 5 ms end in each scenario, and what the first of them cost.
fn table(ladder: &Ladder) -> String {
    let names = ladder.searches.iter();
    let names: Vec<String> = names.map(|found| escaped(&found.scenario.name)).collect();
    let promised = limit(PROMISED);
    let mut rows = format!(
        "| last success / first failure within {promised} | {} | CPU per message | {MEMORY} |\n|---|{}--:|--:|\n",
        names.join(" | "),
        "--:|".repeat(names.len())
    );
    for system in ladder.systems() {
        let of = |found| {
            carried(found)
                .into_iter()
                .find(|one| one.found.system == system)
        };
        let all: Vec<Option<Carried<'_>>> = ladder.searches.iter().map(of).collect();
        let ends = all.iter().map(|one| {
            let promised = one.and_then(|one| one.promised);
            promised.map_or_else(|| "not asked".to_owned(), |one| limit_ends(&one))
        });
        let ends: Vec<String> = ends.collect();
        let first = all.first().copied().flatten();
        let told = |of: fn(&Carried<'_>) -> String| {
            let told = first.as_ref().map(of);
            told.unwrap_or_else(|| "not asked".to_owned())
        };
        rows += &format!(
            "| {} | {} | {} | {} |\n",
            escaped(system),
            ends.join(" | "),
            told(|one| one.cpu_for_each()),
            told(|one| one.memory_for_each()),
        );
    }
    rows
}

fn picture(found: &Found) -> Option<String> {
    let (rivals, numbers) = latencies_of(found, |hold| hold.p99);
    let heading = format!(
        "{}: 99th percentile of the delivery latency over the rate",
        found.scenario.name
    );
    chart::picture(&heading, "p99", &rivals, numbers)
}
