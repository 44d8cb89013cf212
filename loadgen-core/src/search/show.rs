//! What a search has found, for people: on a terminal, as Markdown, as JSON, and as a page with the curves.

use askama::Template;
use comfy_table::Table;

use super::{
    BELOW, Bottleneck, Found, Hold, LIMITS, Rules, SystemFound,
    found::{LimitFound, rate},
};
use crate::{
    model::{
        Nanos, json,
        numbers::{duration, limit, share},
    },
    report::{
        RenderError,
        chart::{Curve, Figure, Ink, latencies, numbers},
        markdown::escaped,
        table::{align_numbers, plain_table},
    },
};

/// A form of what a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchFormat {
    /// Tables.
    Terminal,
    /// For a comment on a pull request.
    Markdown,
    /// All numbers.
    Json,
    /// A page with the curves.
    Html,
}

impl SearchFormat {
    /// Those that are left as files.
    pub const FILES: [Self; 3] = [Self::Json, Self::Html, Self::Markdown];

    /// How the names of its files end, without the dot before it.
    pub const fn extension(self) -> &'static str {
        match self {
            SearchFormat::Terminal => "search.txt",
            SearchFormat::Markdown => "search.md",
            SearchFormat::Json => "search.json",
            SearchFormat::Html => "search.html",
        }
    }

    /// What was found in this format.
    ///
    /// # Errors
    /// [`RenderError`] when a page can't be made.
    pub fn render(self, found: &Found) -> Result<String, RenderError> {
        Ok(match self {
            SearchFormat::Terminal => terminal(found)?,
            SearchFormat::Markdown => markdown(found)?,
            SearchFormat::Json => json::indented(found)? + "\n",
            SearchFormat::Html => page(found)?,
        })
    }
}

/// One line on a hold, while the search goes on.
pub fn line(system: &str, hold: &Hold) -> String {
    format!(
        "{system}: {} at {}: {} ({})",
        hold.purpose.name(),
        rate(hold.rate),
        hold.outcome.name(),
        hold.because
    )
}

const HOLDS: [&str; 8] = [
    "hold",
    "rate",
    "outcome",
    "p50",
    "p99",
    "within 5 ms",
    "server CPU",
    "generator CPU",
];

fn cells(hold: &Hold) -> [String; 8] {
    let time = |time: Option<Nanos>| time.map_or_else(|| "too few".to_owned(), duration);
    let cpu = |cpu: Option<f64>| cpu.map_or_else(|| "unknown".to_owned(), milliseconds);
    let within = hold.limits.iter().find(|at| at.limit == LIMITS[2]);
    [
        hold.purpose.name().to_owned(),
        rate(hold.rate),
        hold.outcome.name().to_owned(),
        time(hold.p50),
        time(hold.p99),
        within
            .and_then(|at| at.within)
            .map_or_else(|| "unknown".to_owned(), share),
        cpu(hold.server_cpu),
        cpu(hold.generator_cpu),
    ]
}

/// CPU time of a message, of seconds.
fn milliseconds(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}

const ENDS: [&str; 3] = ["99 % within", "last success", "first failure"];

fn ends(found: &LimitFound) -> [String; 3] {
    let success = match found.contradicted {
        true => "contradicted".to_owned(),
        false => found.last_success.map_or_else(|| "none".to_owned(), rate),
    };
    [
        limit(found.limit),
        success,
        found.first_failure.map_or_else(|| "none".to_owned(), rate),
    ]
}

/// Before a mean over limits some of which may end far above their last success.
pub(super) fn at_least<'l>(mut limits: impl Iterator<Item = &'l LimitFound>) -> &'static str {
    match limits.any(LimitFound::is_open) {
        true => "at least ",
        false => "",
    }
}

/// The mean over the limits, and over which.
fn mean(system: &SystemFound) -> String {
    let known = system
        .limits
        .iter()
        .filter(|one| one.last_success.is_some());
    let names: Vec<String> = known.clone().map(|one| limit(one.limit)).collect();
    let bound = at_least(known);
    system.geometric_mean.map_or_else(
        || "no limit has a last success".to_owned(),
        |mean| {
            let mean = rate(mean);
            format!("{bound}{mean} (geometric mean over {})", names.join(", "))
        },
    )
}

/// What was used up at the first failure, and what that rests on.
fn used_up(system: &SystemFound, rules: Rules) -> String {
    let Some(bottleneck) = system.bottleneck else {
        return "unknown: nothing failed".to_owned();
    };
    let failed = system.used_up_in(rules);
    let told = failed.map_or_else(Vec::new, told);
    let told = match told.is_empty() {
        true => String::new(),
        false => format!(" ({})", told.join("; ")),
    };
    let why = failed.map_or("", |hold| hold.because.as_str());
    match bottleneck {
        Bottleneck::Unknown => format!("{}: {why}{told}", bottleneck.name()),
        _ => format!("{}{told}", bottleneck.name()),
    }
}

/// What a statement on a failed hold rests on: its busiest threads, and what a relay took at the same rate.
fn told(hold: &Hold) -> Vec<String> {
    let threads = hold.threads.iter().take(3).map(ToString::to_string);
    let floor = hold.floor.iter().filter_map(|floor| {
        let p99 = duration(floor.p99?);
        Some(format!("a bare relay at this rate: p99 {p99}"))
    });
    threads.chain(floor).collect()
}

fn how(found: &Found) -> String {
    let settings = &found.settings;
    format!(
        "from {} ({}'s own rate) up to {} at most; holds of {:.0} s measured, the first looks {:.0} s; confirmed {:.0} % below",
        rate(settings.scenario_rate),
        found.scenario.name,
        rate(settings.up_to),
        settings.full,
        settings.short,
        100.0 * BELOW
    )
}

/// A system as it is shown everywhere.
struct Shown<'a> {
    found: &'a SystemFound,
    mean: String,
    used_up: String,
    ends: Table,
    holds: Table,
    end_rows: Vec<[String; 3]>,
    rows: Vec<[String; 8]>,
}

fn shown(found: &Found) -> Vec<Shown<'_>> {
    let systems = found.systems.iter();
    systems
        .map(|system| {
            let end_rows: Vec<_> = system.limits.iter().map(ends).collect();
            let rows: Vec<_> = system.holds.iter().map(cells).collect();
            Shown {
                found: system,
                mean: mean(system),
                used_up: used_up(system, Rules::of(found.search_version)),
                ends: table(&ENDS, &end_rows, 1),
                holds: table(&HOLDS, &rows, 3),
                end_rows,
                rows,
            }
        })
        .collect()
}

fn table<const N: usize>(header: &[&str; N], rows: &[[String; N]], first_number: usize) -> Table {
    let mut table = plain_table();
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    align_numbers(&mut table, first_number);
    table
}

#[derive(Template)]
#[template(path = "search.txt")]
struct Text<'a> {
    found: &'a Found,
    how: String,
    systems: Vec<Shown<'a>>,
}

fn terminal(found: &Found) -> Result<String, askama::Error> {
    let text = Text {
        found,
        how: how(found),
        systems: shown(found),
    };
    Ok(text.render()?.trim_end().to_owned() + "\n")
}

#[derive(Template)]
#[template(path = "search.md")]
struct Summary<'a> {
    found: &'a Found,
    how: String,
    systems: Vec<Shown<'a>>,
    /// Of each system its name and its sentence.
    names: Vec<[String; 2]>,
    ends: [&'static str; 3],
    header: [&'static str; 8],
}

fn markdown(found: &Found) -> Result<String, askama::Error> {
    let mut systems = shown(found);
    for system in &mut systems {
        system.mean = escaped(&system.mean);
        system.used_up = escaped(&system.used_up);
    }
    let names = found.systems.iter();
    let names = names.map(|one| [escaped(&one.system), escaped(&one.sentence)]);
    let summary = Summary {
        found,
        names: names.collect(),
        how: escaped(&how(found)),
        systems,
        ends: ENDS,
        header: HOLDS,
    };
    Ok(summary.render()?.trim_end().to_owned() + "\n")
}

#[derive(Template)]
#[template(path = "search.html")]
struct Page<'a> {
    found: &'a Found,
    how: String,
    systems: Vec<Shown<'a>>,
    figures: Vec<Figure>,
    ends: [&'static str; 3],
    header: [&'static str; 8],
}

fn page(found: &Found) -> Result<String, askama::Error> {
    let page = Page {
        found,
        how: how(found),
        systems: shown(found),
        figures: figures(found),
        ends: ENDS,
        header: HOLDS,
    };
    page.render()
}

/// The colours of systems, in their order.
const INKS: [Ink; 4] = [Ink::Subject, Ink::Baseline, Ink::Fourth, Ink::Floor];

/// A number of a hold: what it is called, how wide its line is, in units, and which it is.
type Drawn = (&'static str, u32, fn(&Hold) -> Option<f64>);

/// One curve for each system and number, of the holds that count and that sent something.
fn curves(found: &Found, numbers: &[Drawn]) -> Vec<Curve> {
    let systems = found.systems.iter().zip(INKS.into_iter().cycle());
    let all = systems.flat_map(|(system, ink)| {
        let several = found.systems.len() > 1;
        numbers.iter().map(move |&(name, width, number)| {
            let counted = system.holds.iter().filter(|hold| hold.purpose.counts());
            let points = counted.filter_map(|hold| Some((hold.rate, number(hold)?)));
            let mut points: Vec<_> = points.collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Curve {
                name: match several {
                    true => format!("{}: {name}", system.system),
                    false => name.to_owned(),
                },
                ink: match (several, width) {
                    // Of one system, its lines are told apart by their colours.
                    (false, 2) => Ink::Baseline,
                    (false, 3) => Ink::Fourth,
                    _ => ink,
                },
                width,
                points,
            }
        })
    });
    all.filter(|curve| !curve.points.is_empty()).collect()
}

fn figures(found: &Found) -> Vec<Figure> {
    let times = curves(
        found,
        &[
            ("p99", 5, |hold| hold.p99.map(|time| time as f64)),
            ("p50", 2, |hold| hold.p50.map(|time| time as f64)),
        ],
    );
    let within = curves(
        found,
        &[("within 5 ms", 5, |hold| {
            let at = hold.limits.iter().find(|at| at.limit == LIMITS[2]);
            at.and_then(|at| at.within).map(|within| 100.0 * within)
        })],
    );
    let cpu = curves(
        found,
        &[
            ("server", 5, |hold| hold.server_cpu.map(|cpu| cpu * 1e3)),
            ("generator", 2, |hold| {
                hold.generator_cpu.map(|cpu| cpu * 1e3)
            }),
            ("store", 3, |hold| hold.store_cpu.map(|cpu| cpu * 1e3)),
        ],
    );
    let mut figures = Vec::new();
    if !times.is_empty() {
        figures.push(latencies(
            "Delivery latency over the rate",
            "A dot for each hold that counts. Charged from the intended send.",
            &times,
            &LIMITS,
        ));
    }
    if !within.is_empty() {
        let words = (
            "Within 5 ms",
            "The share of the deliveries, lost ones counted as over it.",
            "share",
        );
        figures.push(numbers(words, &within, |percent| format!("{percent:.0} %")));
    }
    if !cpu.is_empty() {
        let words = (
            "CPU for each message",
            "Of all messages of a hold, its warm-up included.",
            "CPU time",
        );
        figures.push(numbers(words, &cpu, |time| format!("{time:.2} ms")));
    }
    figures
}
