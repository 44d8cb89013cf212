//! A static site of results, made from their JSON alone: a page for each, and an index with a card and a trend of each scenario.

mod claim;
mod faults;
mod run;
mod series;

use std::{cmp::Reverse, path::PathBuf};

use askama::Template;

use self::{
    claim::{Claim, claims},
    series::{Series, Told},
};
use super::{RenderError, html};
use crate::{
    judge::Verdict,
    result::{Document, Report},
};

/// A file of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// From the root of the site.
    pub path: PathBuf,
    /// The whole content of the file.
    pub text: String,
}

/// A page of the site that holds several systems against each other, as the index names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The page, from the root of the site.
    pub page: String,
    /// When it was measured: the day.
    pub day: String,
    /// The verdict on the server of this project, or on all.
    pub verdict: Verdict,
    /// Of each system its verdict and its name.
    pub standings: Vec<[String; 2]>,
    /// The systems and the scenarios, in words.
    pub title: String,
    /// What it comes to, in sentences.
    pub sentences: Vec<String>,
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    comparisons: &'a [Comparison],
    claims: Vec<Claim>,
    /// Whether there is a page of what faults cost.
    breaks: bool,
    scenarios: Vec<Section>,
}

/// A scenario's part of the index.
struct Section {
    name: String,
    question: String,
    series: Vec<Told>,
}

/// Where a reader of a published page may go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// The run before, of the same scenario under the same circumstances: its page and when it was.
    pub previous: Option<(String, String)>,
    /// The run after.
    pub next: Option<(String, String)>,
}

/// The folder beside those of a site that `run` writes to unless it is told otherwise: what is in it is no part of the site.
pub const LATEST: &str = "latest";

/// The recorded result, where it is kept: this and nothing else has to be.
pub fn kept(document: &Document) -> SiteFile {
    SiteFile {
        path: format!("{}.json", place(document.report())).into(),
        text: document.recorded().to_owned(),
    }
}

/// All files of the site of these results: their JSON, a page for each, one of what faults cost where some had any, and the index,
/// which names the comparisons as well.
///
/// # Errors
/// [`RenderError`] when a page can't be made.
pub fn site(
    documents: &[Document],
    comparisons: &[Comparison],
) -> Result<Vec<SiteFile>, RenderError> {
    let reports: Vec<&Report> = documents.iter().map(Document::report).collect();
    let apart = series::apart(&reports);
    let mut files = Vec::new();
    for document in documents {
        let report = document.report();
        let mut ways = apart.iter().filter_map(|series| series.way(report));
        let way = ways.next().unwrap_or_default();
        files.push(kept(document));
        files.push(SiteFile {
            path: format!("{}.html", place(report)).into(),
            text: html::render(document, Some(&way))?,
        });
    }
    if let Some(text) = faults::page(&apart)? {
        files.push(SiteFile {
            path: faults::PATH.into(),
            text,
        });
    }
    files.push(index(&reports, comparisons)?);
    Ok(files)
}

/// The index of these results. What was measured under other circumstances has a card, a trend and a claim of its own.
///
/// # Errors
/// [`RenderError`] when a histogram can't be read.
pub fn index(reports: &[&Report], comparisons: &[Comparison]) -> Result<SiteFile, RenderError> {
    let mut apart = series::apart(reports);
    // Of a scenario the server of this program comes first, and others are held against it; of a server, what is newest.
    apart.sort_by_key(|series| {
        let started = series.latest().map(|report| report.started.clone());
        (series.scenario, !series.is_own(), Reverse(started))
    });
    let latest: Vec<&Report> = apart.iter().filter_map(Series::latest).collect();
    let mut scenarios: Vec<Section> = Vec::new();
    for of_scenario in apart.chunk_by(|one, other| one.scenario == other.scenario) {
        let newest = of_scenario.iter().filter_map(Series::latest);
        let newest = newest.max_by_key(|report| &report.started);
        let told = of_scenario.iter().map(|series| series.told(of_scenario));
        scenarios.push(Section {
            name: newest.map_or_else(String::new, |report| report.scenario.name.clone()),
            question: newest.map_or_else(String::new, |report| report.scenario.question.clone()),
            series: told.collect::<Result<_, _>>()?,
        });
    }
    let index = Index {
        comparisons,
        claims: claims(&latest)?,
        breaks: !faults::broken(&apart).is_empty(),
        scenarios,
    };
    Ok(SiteFile {
        path: "index.html".into(),
        text: index.render()?,
    })
}

/// Where a result lies in the site, without its ending: the same result always in the same place.
fn place(report: &Report) -> String {
    format!("{}/{}", folder(&report.scenario.name), file(report))
}

/// The folder of a scenario, whatever it is called in a result.
fn folder(scenario: &str) -> String {
    match plain(scenario) {
        // Without a name a path would begin at the root, and in that folder nobody would look for it.
        name if name.is_empty() || name == LATEST => format!("{name}-"),
        name => name,
    }
}

/// The name of a result's files in the folder of its scenario, without their endings.
fn file(report: &Report) -> String {
    let started: String = report
        .started
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    format!("{started}-{}", plain(&report.run_id))
}

fn plain(text: &str) -> String {
    text.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scenario_has_a_folder_of_its_own_within_the_site() {
        for (scenario, told) in [
            ("one-to-one", "one-to-one"),
            ("../../x", "------x"),
            ("/etc", "-etc"),
            ("", "-"),
            (LATEST, "latest-"),
        ] {
            assert_eq!(folder(scenario), told);
        }
    }
}
