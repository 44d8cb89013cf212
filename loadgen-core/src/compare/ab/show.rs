//! The change against its base for people and machines: on a terminal, as Markdown, JSON, JUnit XML, and as a page.

use askama::Template;
use comfy_table::Table;

use super::{
    AbResult, Cycle, Effect, Side, SystemInfo,
    conclusion::{interval, margin, percent, said},
};
use crate::{
    judge::Verdict,
    model::{json, numbers::duration},
    report::{
        RenderError,
        chart::{Figure, Pair, Together, pairs},
        junit::{Case, Suite, legal, seconds, with_whole, wrong},
        markdown::escaped,
        table::{align_numbers, plain_table},
    },
};

/// A form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbFormat {
    /// A table and the reasons.
    Terminal,
    /// Everything.
    Json,
    /// A page with a plot of the pairs of each number.
    Html,
    /// For a comment on a pull request.
    Markdown,
    /// JUnit XML: every number is a test case.
    Junit,
}

impl AbFormat {
    /// Those that are files.
    pub const FILES: [AbFormat; 4] = [
        AbFormat::Json,
        AbFormat::Html,
        AbFormat::Markdown,
        AbFormat::Junit,
    ];

    /// How the name of its file ends.
    pub const fn extension(self) -> &'static str {
        match self {
            AbFormat::Terminal => "ab.txt",
            AbFormat::Json => "ab.json",
            AbFormat::Html => "ab.html",
            AbFormat::Markdown => "ab.md",
            AbFormat::Junit => "ab.junit.xml",
        }
    }

    /// The result in it.
    ///
    /// # Errors
    /// [`RenderError`] when a page can't be made.
    pub fn render(self, result: &AbResult) -> Result<String, RenderError> {
        Ok(match self {
            AbFormat::Terminal => text(result)?,
            AbFormat::Json => json::indented(result)? + "\n",
            AbFormat::Html => page(result).render()?,
            AbFormat::Markdown => summary(result).render()? + "\n",
            AbFormat::Junit => suite(result).render()? + "\n",
        })
    }
}

/// One cycle in a line: by how much each number is larger with the change, and so far.
pub fn cycle_line(cycle: &Cycle, effects: &[Effect]) -> String {
    let number = cycle.number;
    if let Some(why) = &cycle.left_out {
        return format!("cycle {number}: left out, {why}");
    }
    let of = |effect: &Effect| {
        let here = cycle
            .ratio(&effect.key)
            .map_or_else(|| "?".to_owned(), percent);
        let all = effect.ratio.map_or_else(|| "?".to_owned(), percent);
        match (effect.low, effect.high) {
            (Some(low), Some(high)) => format!(
                "{} {here}, all {all} ({} to {})",
                effect.key,
                percent(low),
                percent(high)
            ),
            _ => format!("{} {here}, all {all}", effect.key),
        }
    };
    let numbers: Vec<String> = effects.iter().map(of).collect();
    format!("cycle {number}: {}", numbers.join("; "))
}

const HEADER: [&str; 8] = [
    "number",
    "base",
    "change",
    "relay",
    "slower by",
    "95 % interval",
    "margin",
    "verdict",
];

fn cells(effect: &Effect) -> [String; 8] {
    let time = |nanos: Option<f64>| {
        nanos.map_or_else(|| "-".to_owned(), |nanos| duration(nanos.round() as u64))
    };
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), percent);
    [
        effect.key.clone(),
        time(effect.base),
        time(effect.change),
        time(effect.relay),
        end(effect.ratio),
        match (effect.low, effect.high) {
            (None, None) => "too few cycles".to_owned(),
            (low, high) => format!("{} to {}", end(low), end(high)),
        },
        margin(effect),
        effect.verdict.name().to_owned(),
    ]
}

/// How many cycles there were, and of what.
fn measured(result: &AbResult) -> String {
    let left_out = result
        .cycles
        .iter()
        .filter(|one| one.left_out.is_some())
        .count();
    let counted = result.cycles.len() - left_out;
    let repeated = result.cycles.iter().flat_map(|one| &one.blocks);
    let repeated = repeated.filter(|block| block.repeated).count();
    let settings = &result.settings;
    let mut words = format!(
        "{counted} {} of at most {} count, each of base, change and relay in an order that was drawn; blocks of {} s of the load of phase {} after {} s of warm-up",
        if counted == 1 { "cycle" } else { "cycles" },
        settings.cycles,
        settings.block,
        settings.phase,
        settings.warm_up
    );
    if left_out + repeated > 0 {
        words += &format!("; {left_out} left out, {repeated} blocks repeated");
    }
    words
}

fn system(info: &SystemInfo) -> String {
    let SystemInfo {
        system,
        version,
        store,
        delivery,
    } = info;
    let version = version
        .as_ref()
        .map_or_else(String::new, |version| format!(", {version}"));
    format!("{system}{version}, {delivery} delivery, store: {store}")
}

#[derive(Template)]
#[template(path = "ab.txt")]
struct Text<'a> {
    result: &'a AbResult,
    verdict: &'static str,
    base: String,
    change: String,
    measured: String,
    table: Table,
}

fn text(result: &AbResult) -> Result<String, askama::Error> {
    let mut table = plain_table();
    table.set_header(HEADER);
    for effect in &result.effects {
        table.add_row(cells(effect));
    }
    align_numbers(&mut table, 1);
    let text = Text {
        result,
        verdict: result.verdict.name(),
        base: system(&result.base),
        change: system(&result.change),
        measured: measured(result),
        table,
    };
    Ok(text.render()? + "\n")
}

#[derive(Template)]
#[template(path = "ab.md")]
struct Summary {
    verdict: &'static str,
    scenario: String,
    reasons: Vec<String>,
    base: String,
    change: String,
    measured: String,
    header: [&'static str; 8],
    rows: Vec<[String; 8]>,
}

fn summary(result: &AbResult) -> Summary {
    Summary {
        verdict: result.verdict.name(),
        scenario: escaped(&result.scenario.name),
        reasons: result.reasons.iter().map(|one| escaped(one)).collect(),
        base: escaped(&system(&result.base)),
        change: escaped(&system(&result.change)),
        measured: escaped(&measured(result)),
        header: HEADER,
        rows: result
            .effects
            .iter()
            .map(|effect| cells(effect).map(|cell| escaped(&cell)))
            .collect(),
    }
}

#[derive(Template)]
#[template(path = "ab.html")]
struct Page<'a> {
    result: &'a AbResult,
    verdict: &'static str,
    base: String,
    change: String,
    measured: String,
    machine: String,
    header: [&'static str; 8],
    rows: Vec<[String; 8]>,
    figures: Vec<Figure>,
    /// Of every cycle: its number, its order, the ratios, and why it was left out.
    cycles: Vec<Vec<String>>,
}

fn page(result: &AbResult) -> Page<'_> {
    Page {
        result,
        verdict: result.verdict.name(),
        base: system(&result.base),
        change: system(&result.change),
        measured: measured(result),
        machine: machine(result),
        header: HEADER,
        rows: result.effects.iter().map(cells).collect(),
        figures: result
            .effects
            .iter()
            .map(|effect| figure(result, effect))
            .collect(),
        cycles: result
            .cycles
            .iter()
            .map(|cycle| row(cycle, &result.effects))
            .collect(),
    }
}

fn machine(result: &AbResult) -> String {
    let environment = &result.environment;
    let cpu = environment.cpu.as_deref().unwrap_or("an unknown processor");
    let commit = environment.commit.as_deref().unwrap_or("unknown commit");
    format!(
        "{cpu}, {} cores; loadgen {} ({commit}); from {} to {}",
        environment.cores, environment.loadgen, result.started, result.ended
    )
}

fn row(cycle: &Cycle, effects: &[Effect]) -> Vec<String> {
    let order: Vec<&str> = cycle.blocks.iter().map(|block| block.side.name()).collect();
    let ratio = |effect: &Effect| {
        let ratio = cycle.ratio(&effect.key);
        ratio.map_or_else(|| "-".to_owned(), percent)
    };
    let remark = match &cycle.left_out {
        Some(why) => format!("left out: {why}"),
        None => {
            let disturbed: usize = cycle.blocks.iter().map(|block| block.disturbed).sum();
            let is_broken = cycle.blocks.iter().any(|block| !block.broken.is_empty());
            let ended = is_broken && cycle.blocks.len() < Side::ALL.len();
            match (ended, disturbed) {
                (true, _) => "it ended with the promise that the change broke".to_owned(),
                (false, 0) => String::new(),
                (false, 1) => "1 second was disturbed".to_owned(),
                (false, _) => format!("{disturbed} seconds were disturbed"),
            }
        }
    };
    [cycle.number.to_string(), order.join(", ")]
        .into_iter()
        .chain(effects.iter().map(ratio))
        .chain([remark])
        .collect()
}

fn figure(result: &AbResult, effect: &Effect) -> Figure {
    let shown = result.cycles.iter().map(|cycle| Pair {
        name: cycle.number.to_string(),
        ratio: cycle.ratio(&effect.key),
        counts: cycle.left_out.is_none(),
    });
    let shown: Vec<Pair> = shown.collect();
    let together = Together {
        ratio: effect.ratio,
        interval: effect.low.zip(effect.high),
        margin: 1.0 + effect.margin_here,
    };
    let title = match effect.ratio {
        Some(ratio) => format!("{}: {} {}", effect.key, percent(ratio), interval(effect)),
        None => effect.key.clone(),
    };
    pairs(&title, &shown, &together)
}

fn suite(result: &AbResult) -> Suite {
    let name = legal(&format!("{} ab", result.scenario.name));
    let case = |name: &str, outcome| Case {
        class: legal(&format!("{}.ab", result.scenario.name)),
        name: legal(name),
        outcome,
    };
    let broken: Vec<String> = result
        .cycles
        .iter()
        .filter_map(|cycle| {
            let broken = &cycle.of(Side::Change)?.broken;
            (!broken.is_empty()).then(|| format!("cycle {}: {}", cycle.number, broken.join(", ")))
        })
        .collect();
    let promises = match broken.is_empty() {
        true => None,
        false => wrong(Verdict::Fail, "check", &broken[0], broken.join("\n")),
    };
    let whole = wrong(
        result.verdict,
        "verdict",
        &first(result),
        result.reasons.join("\n"),
    );
    let mut cases = vec![case("the change keeps its promises", promises)];
    cases.extend(result.effects.iter().map(|effect| {
        let message = said(effect);
        case(
            &format!("{} is not slower by {}", effect.key, margin(effect)),
            wrong(effect.verdict, "limit", &message, String::new()),
        )
    }));
    Suite {
        timestamp: result.started.chars().take(19).collect(),
        seconds: seconds(&result.started, &result.ended),
        file: legal(&result.scenario.file),
        properties: vec![
            ("base".to_owned(), legal(&system(&result.base))),
            ("change".to_owned(), legal(&system(&result.change))),
            ("measured".to_owned(), legal(&measured(result))),
        ],
        cases: with_whole(cases, case("the change as a whole", whole)),
        sentence: legal(&format!("{}: {}", result.verdict.name(), first(result))),
        name,
    }
}

fn first(result: &AbResult) -> String {
    result.reasons.first().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
