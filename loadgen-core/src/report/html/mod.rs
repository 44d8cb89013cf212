//! The result as one page: self-contained, without scripts and without network.

mod figures;
mod rows;
mod tiles;

use std::io::Write as _;

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};

use self::{
    rows::{Finding, Limit},
    tiles::{Step, Tile},
};
use super::{
    RenderError,
    answer::headline,
    chart::Figure,
    faults::{self, Became, Broke, Row},
    histogram_log,
    latencies::{Latency, latencies},
    publish::Way,
    setting::setting,
    statements,
};
use crate::{
    judge::Reason,
    model::numbers::{bytes, limit},
    observed::PROMISE,
    result::{Document, Model, PERCENTILES, Report},
};

/// A page that is larger is none to send around: what is embedded has to fit.
const MOST_BYTES: usize = 490_000;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    /// The neighbours of a published page.
    way: Option<&'a Way>,
    verdict: &'static str,
    name: &'a str,
    question: &'a str,
    headline: Vec<String>,
    further: &'a [Reason],
    setting: Vec<String>,
    tiles: Vec<Tile>,
    account: Vec<Step>,
    left_out: Option<String>,
    load: String,
    model: &'static str,
    limits: Vec<Limit>,
    broken: Vec<Limit>,
    kept: Vec<&'static str>,
    findings: Vec<Finding>,
    broke: Vec<Broke>,
    parts: Vec<Row>,
    became: Vec<Became>,
    figures: Vec<Figure>,
    accounts: Vec<(String, String)>,
    several: bool,
    percentiles: [f64; 5],
    promise: String,
    latencies: Vec<Latency>,
    generator: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, String)>,
    method: &'static str,
    downloads: Vec<Download>,
    version: &'a str,
    run_id: &'a str,
}

/// A file inside of the page.
struct Download {
    file: String,
    what: &'static str,
    size: String,
    /// Gzip in base64; `None`: it does not fit.
    data: Option<String>,
}

/// The whole page.
///
/// # Errors
/// When a histogram of the result can't be read.
pub(super) fn render(document: &Document, way: Option<&Way>) -> Result<String, RenderError> {
    let report = document.report();
    let mut page = page(report)?;
    page.way = way;
    let bare = page.render()?.len();
    page.downloads = downloads(document, MOST_BYTES.saturating_sub(bare))?;
    Ok(page.render()?)
}

fn page(report: &Report) -> Result<Page<'_>, RenderError> {
    let subject = report.runs.last();
    let limits = subject.map_or_else(Vec::new, rows::limits);
    let (broken, kept) = subject.map_or_else(Default::default, rows::promises);
    Ok(Page {
        way: None,
        verdict: report.verdict.name(),
        name: &report.scenario.name,
        question: &report.scenario.question,
        headline: headline(report)?,
        further: rows::further(report),
        setting: setting(report),
        tiles: tiles::tiles(report)?,
        account: subject.map_or_else(Vec::new, |run| tiles::account(report, run)),
        left_out: subject.and_then(rows::left_out),
        load: statements::load(report),
        model: model(report.scenario.model),
        limits,
        broken,
        kept,
        findings: rows::findings(report),
        broke: subject.map_or_else(Vec::new, faults::broke),
        parts: subject.map_or_else(Vec::new, faults::rows),
        became: subject.map_or_else(Vec::new, faults::became),
        figures: figures::all(report)?,
        accounts: rows::accounts(report),
        several: report.runs.len() > 1,
        percentiles: PERCENTILES,
        promise: limit(PROMISE),
        latencies: latencies(report),
        generator: subject.map_or_else(Vec::new, rows::generator),
        environment: statements::environment(report),
        method: method(report.scenario.model),
        downloads: Vec::new(),
        version: &report.environment.loadgen,
        run_id: &report.run_id,
    })
}

fn model(model: Model) -> &'static str {
    match model {
        Model::Open => "Open model: messages are sent when they are due, whatever the server does.",
        Model::Closed => {
            "Closed model: a user sends again only after the last answer, so these are service times."
        }
        Model::Mixed => "Phases of an open and of a closed model.",
    }
}

fn method(model: Model) -> &'static str {
    match model {
        Model::Open => "Messages are sent at their times, whether the server keeps up or not.",
        Model::Closed => {
            "In this scenario a user’s next message waits for the answer to the last one: a slow server is asked less, and the numbers are service times."
        }
        Model::Mixed => {
            "In some phases messages are sent at their times; in others a user’s next message waits for the answer to the last one, and the numbers are service times."
        }
    }
}

/// The result and its histogram log, as far as they fit.
fn downloads(document: &Document, mut room: usize) -> Result<Vec<Download>, RenderError> {
    let report = document.report();
    let log = histogram_log::log(report)?;
    let name = &report.scenario.name;
    let mut embed = |text: &str, ending: &str, what| {
        let data = STANDARD.encode(gzip(text.as_bytes()));
        let fits = data.len() <= room;
        if fits {
            room -= data.len();
        }
        Download {
            file: format!("{name}.{ending}.gz"),
            what,
            size: bytes(text.len() as u64),
            data: fits.then_some(data),
        }
    };
    Ok(vec![
        embed(document.text(), "json", "the whole result, JSON"),
        embed(&log, "hlog", "all samples, HdrHistogram log"),
    ])
}

/// Without a date, so that the same text gives the same bytes.
fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a vector can't fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}
