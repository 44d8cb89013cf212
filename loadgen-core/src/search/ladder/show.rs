//! A ladder for people: on a terminal, as Markdown, as JSON, as a page with the curves over each other, and as one picture.

use askama::Template;

use super::{
    Carried, Ladder, carried,
    carried::{MEMORY, at},
    headline,
    headline::listed,
};
use crate::{
    model::{
        Nanos, json,
        numbers::{bytes, limit},
    },
    report::{
        RenderError,
        chart::{Figure, Numbers, Rival, rivals},
        markdown::escaped,
        table::{align_numbers, plain_table},
    },
    search::{
        Found, Hold, LIMITS, LimitFound, PROMISED, SystemFound,
        found::{geometric_mean, rate},
        show::at_least,
    },
};

/// What is above this is drawn at the upper edge: it says no more than that the system is used up.
const DRAWN_UP_TO: Nanos = 100_000_000;

/// A form of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LadderFormat {
    /// Tables.
    Terminal,
    /// For a comment on a pull request.
    Markdown,
    /// All numbers.
    Json,
    /// A page with the curves.
    Html,
}

impl LadderFormat {
    /// Those that are left as files.
    pub const FILES: [Self; 3] = [Self::Json, Self::Html, Self::Markdown];

    /// How the names of its files end, without the dot before it.
    pub const fn extension(self) -> &'static str {
        match self {
            LadderFormat::Terminal => "ladder.txt",
            LadderFormat::Markdown => "ladder.md",
            LadderFormat::Json => "ladder.json",
            LadderFormat::Html => "ladder.html",
        }
    }

    /// The ladder in this format.
    ///
    /// # Errors
    /// [`RenderError`] when a page can't be made.
    pub fn render(self, ladder: &Ladder) -> Result<String, RenderError> {
        Ok(match self {
            LadderFormat::Terminal => terminal(ladder)?,
            LadderFormat::Markdown => markdown(ladder)?,
            LadderFormat::Json => json::indented(ladder)? + "\n",
            LadderFormat::Html => page(ladder)?,
        })
    }
}

/// Of a limit that has no end to tell.
pub(super) const CONTRADICTED: &str = "contradicted";

/// Where a limit ends, in two rates.
pub(super) fn limit_ends(found: &LimitFound) -> String {
    if found.contradicted {
        return CONTRADICTED.to_owned();
    }
    if found.last_success.is_none() && found.first_failure.is_none() {
        return "undecided".to_owned();
    }
    let or_none = |end: Option<f64>| end.map_or_else(|| "none".to_owned(), rate);
    format!(
        "{} / {}",
        or_none(found.last_success),
        or_none(found.first_failure)
    )
}

/// The limits for which a last success is known of every system.
fn shared_limits(found: &Found) -> Vec<Nanos> {
    let kept = |limit: &Nanos| {
        let mut systems = found.systems.iter();
        systems.all(|one| at(one, *limit).is_some_and(|one| one.last_success.is_some()))
    };
    LIMITS.into_iter().filter(kept).collect()
}

/// A table: what its columns are, and its rows.
struct Columns {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// Where each limit ends for each system, and the mean of the last successes: over the limits that all of them keep at some
    /// rate, since means over others could not be compared.
    fn ends(found: &Found) -> Self {
        let shared = shared_limits(found);
        let names: Vec<String> = shared.iter().map(|each| limit(*each)).collect();
        let mean = match &*names {
            [] => "geometric mean: no limit is kept by all".to_owned(),
            _ => format!("geometric mean over {}", names.join(", ")),
        };
        let limits = LIMITS
            .iter()
            .map(|each| format!("99 % within {}", limit(*each)));
        let header = ["system".to_owned()].into_iter().chain(limits);
        let rows = found.systems.iter().map(|system| {
            let ends = system.limits.iter().map(limit_ends);
            let limits = system.limits.iter();
            let limits = limits.filter(|one| shared.contains(&one.limit));
            let bound = at_least(limits.clone());
            let mean = geometric_mean(limits);
            let mean = mean.map_or_else(
                || "none".to_owned(),
                |mean| format!("{bound}{}", rate(mean)),
            );
            let row = [system.system.clone()].into_iter().chain(ends);
            row.chain([mean]).collect()
        });
        Self {
            header: header.chain([mean]).collect(),
            rows: rows.collect(),
        }
    }

    /// What each system takes, and what was used up first.
    fn costs(found: &Found) -> Self {
        let header = [
            "system",
            "CPU per message",
            "cores",
            MEMORY,
            "used up first",
        ];
        Self {
            header: header.map(str::to_owned).to_vec(),
            rows: carried(found).iter().map(costs).collect(),
        }
    }

    fn terminal(&self) -> String {
        let mut table = plain_table();
        table.set_header(&self.header);
        for row in &self.rows {
            table.add_row(row);
        }
        align_numbers(&mut table, 1);
        table.to_string()
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        let numbers = "--:|".repeat(self.header.len() - 1);
        format!("{}|---|{numbers}\n{rows}", line(&self.header))
    }
}

fn costs(one: &Carried<'_>) -> Vec<String> {
    let system = one.found;
    let used_up = system.bottleneck.map_or_else(
        || "nothing that was found".to_owned(),
        |used_up| used_up.name().to_owned(),
    );
    vec![
        system.system.clone(),
        one.cpu_for_each(),
        one.cores
            .map_or_else(|| "unknown".to_owned(), |cores| format!("{cores:.2}")),
        one.memory_for_each(),
        used_up,
    ]
}

/// What a system is, in one line.
fn about(system: &SystemFound) -> String {
    let version = system.version.as_deref().unwrap_or("its version unknown");
    format!(
        "{} delivery, store: {}, {version}",
        system.delivery, system.store
    )
}

/// What a number of a hold is drawn by, of the holds that count and that sent something; of several at one rate the last.
fn drawn(found: &Found, number: impl Fn(&Hold) -> Option<f64>) -> Vec<Rival> {
    let systems = found.systems.iter().map(|system| {
        let counted = system.holds.iter().filter(|hold| hold.purpose.counts());
        let mut points: Vec<(f64, f64)> = Vec::new();
        for hold in counted.filter(|hold| hold.rate > 0.0) {
            let Some(number) = number(hold) else { continue };
            points.retain(|(rate, _)| *rate != hold.rate);
            points.push((hold.rate, number));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut limits = system.limits.iter();
        let promised = limits.find(|one| one.limit == PROMISED);
        let kept = match promised.map(|one| (one.last_success, one.first_failure)) {
            _ if promised.is_some_and(|one| one.contradicted) => "contradicted".to_owned(),
            Some((Some(kept), _)) => format!("up to {}", rate(kept)),
            Some((None, Some(_))) => "never".to_owned(),
            None | Some((None, None)) => "undecided".to_owned(),
        };
        Rival {
            name: format!("{}: {kept}", system.system),
            points,
        }
    });
    systems.collect()
}

/// Times over the rate, and how they are drawn.
pub(super) fn latencies_of(
    found: &Found,
    time: impl Fn(&Hold) -> Option<Nanos>,
) -> (Vec<Rival>, Numbers) {
    let rivals = drawn(found, |hold| time(hold).map(|time| time as f64));
    (rivals, Numbers::Latencies(PROMISED, DRAWN_UP_TO))
}

fn figures(found: &Found) -> Vec<Figure> {
    let note = "A mark for each rate that was held; the last success for 5 ms behind each name. What is above 100 ms lies at the upper edge.";
    let (p99, as_time) = latencies_of(found, |hold| hold.p99);
    let (p50, _) = latencies_of(found, |hold| hold.p50);
    let within = drawn(found, |hold| {
        let mut limits = hold.limits.iter();
        let at = limits.find(|at| at.limit == PROMISED);
        at.and_then(|at| at.within).map(|within| within * 100.0)
    });
    let cpu = drawn(found, |hold| hold.server_cpu.map(|cpu| cpu * 1e3));
    let percent = Numbers::Plain(|share| format!("{share:.0} %"));
    let milliseconds = Numbers::Plain(|time| format!("{time:.2} ms"));
    let all = [
        rivals(
            ("Delivery latency, 99th percentile", note, "p99"),
            &p99,
            as_time,
        ),
        rivals(("Delivery latency, median", note, "p50"), &p50, as_time),
        rivals(
            (
                "Within 5 ms",
                "The share of the deliveries, lost ones counted as over it.",
                "share",
            ),
            &within,
            percent,
        ),
        rivals(
            (
                "CPU of the server for each message",
                "Of all messages of a hold, its warm-up included.",
                "CPU time",
            ),
            &cpu,
            milliseconds,
        ),
    ];
    all.into_iter().flatten().collect()
}

/// The machine that server, store and generator shared.
pub(super) fn machine(ladder: &Ladder) -> String {
    let here = &ladder.environment;
    let cores = match here.cores {
        1 => "1 core".to_owned(),
        cores => format!("{cores} cores"),
    };
    let memory = here
        .memory
        .map_or_else(String::new, |all| format!(", {}", bytes(all)));
    let guest = here.virtualisation.as_ref();
    let guest = guest.map_or_else(String::new, |host| format!(", a guest of {host}"));
    let cpu = here.cpu.as_deref().unwrap_or("an unknown processor");
    format!("{cores} of {cpu}{memory}{guest}")
}

/// How it was measured, in a sentence.
fn how(ladder: &Ladder) -> String {
    let here = &ladder.environment;
    format!(
        "{}, kernel {}; loadgen {} ({}); {} to {}; {}",
        machine(ladder),
        here.kernel.as_deref().unwrap_or("unknown"),
        here.loadgen,
        here.commit.as_deref().unwrap_or("an unknown commit"),
        ladder.started,
        ladder.ended,
        ladder.command.join(" ")
    )
}

/// What the two numbers of a limit are.
const ENDS: &str = "The last rate that kept the limit / the first that missed it for certain, in messages a second.";

/// A scenario as it is shown everywhere.
struct Shown<'a> {
    found: &'a Found,
    /// Of each system its verdict, its name, its sentence and what it is.
    systems: Vec<[String; 4]>,
    /// Where the limits end, and what that cost.
    tables: [Columns; 2],
    figures: Vec<Figure>,
}

fn shown(ladder: &Ladder) -> Vec<Shown<'_>> {
    let each = |found: &'_ Found| {
        let systems = found.systems.iter();
        let told = systems.map(|one| {
            let words = [one.verdict.name(), &one.system, &one.sentence, &about(one)];
            words.map(str::to_owned)
        });
        told.collect()
    };
    let searches = ladder.searches.iter();
    searches
        .map(|found| Shown {
            found,
            systems: each(found),
            tables: [Columns::ends(found), Columns::costs(found)],
            figures: figures(found),
        })
        .collect()
}

/// Of each system its verdict and its name.
pub(super) fn standings(ladder: &Ladder) -> Vec<[String; 2]> {
    let all = ladder.standings().into_iter();
    all.map(|(system, verdict)| [verdict.name().to_owned(), system.to_owned()])
        .collect()
}

/// The sentences before everything else: first of all what a ladder lacks that broke off.
fn sentences(ladder: &Ladder) -> Vec<String> {
    let headline = headline(ladder);
    let told = headline.map_or_else(Vec::new, |headline| headline.sentences());
    lacks(ladder).into_iter().chain(told).collect()
}

fn lacks(ladder: &Ladder) -> Option<String> {
    let missing = ladder.missing();
    let were = if missing.len() == 1 { "was" } else { "were" };
    Some(format!(
        "It broke off: of {} scenarios, {} {were} not searched.",
        ladder.asked.len(),
        listed(missing)?
    ))
}

#[derive(Template)]
#[template(path = "ladder.txt")]
struct Text<'a> {
    standings: Vec<[String; 2]>,
    sentences: Vec<String>,
    searches: Vec<Shown<'a>>,
    ends: &'static str,
    how: String,
}

fn terminal(ladder: &Ladder) -> Result<String, askama::Error> {
    let text = Text {
        standings: standings(ladder),
        sentences: sentences(ladder),
        searches: shown(ladder),
        ends: ENDS,
        how: how(ladder),
    };
    Ok(text.render()?.trim_end().to_owned() + "\n")
}

#[derive(Template)]
#[template(path = "ladder.md")]
struct Summary<'a> {
    standings: Vec<[String; 2]>,
    sentences: Vec<String>,
    searches: Vec<Shown<'a>>,
    ends: &'static str,
    how: String,
}

fn markdown(ladder: &Ladder) -> Result<String, askama::Error> {
    let mut standings = standings(ladder);
    for [_, system] in &mut standings {
        *system = escaped(system);
    }
    let mut searches = shown(ladder);
    for told in searches.iter_mut().flat_map(|search| &mut search.systems) {
        *told = told.each_ref().map(|word| escaped(word));
    }
    let summary = Summary {
        standings,
        sentences: sentences(ladder).iter().map(|one| escaped(one)).collect(),
        searches,
        ends: ENDS,
        how: escaped(&how(ladder)),
    };
    Ok(summary.render()?.trim_end().to_owned() + "\n")
}

#[derive(Template)]
#[template(path = "ladder.html")]
struct Page<'a> {
    ladder: &'a Ladder,
    standings: Vec<[String; 2]>,
    sentences: Vec<String>,
    searches: Vec<Shown<'a>>,
    ends: &'static str,
    how: String,
}

fn page(ladder: &Ladder) -> Result<String, askama::Error> {
    let page = Page {
        ladder,
        standings: standings(ladder),
        sentences: sentences(ladder),
        searches: shown(ladder),
        ends: ENDS,
        how: how(ladder),
    };
    page.render()
}
