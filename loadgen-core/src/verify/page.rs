//! Pages: the result inside of each, and the page that is made of it again, byte for byte.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;

use super::{Verification, ladder, result};
use crate::{
    report::{Choice, Format, RenderError, publish},
    result::{Document, ParseError},
    search::ladder::{self as ladders, Ladder, LadderError, of_index},
};

/// Before the result that a page holds.
const EMBEDDED: &str = ".json.gz\" href=\"data:application/gzip;base64,";
/// A result that unpacks to more is none.
const MOST_BYTES: u64 = 1 << 30;
/// Of a line, so many characters are shown.
const SHOWN: usize = 160;

/// Why a page can't be verified.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It has no result in it, and none lies beside it.
    #[error("this is no page of `loadgen` with its result in it, and no result lies beside it")]
    NoResult,
    /// What is in it is no result.
    #[error(transparent)]
    Result(#[from] ParseError),
    /// What is in it is no ladder.
    #[error(transparent)]
    Ladder(#[from] LadderError),
    /// It can't be made again.
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// Works out again what a page says: its result, or the one that lies beside it where it is too large for the page, and the
/// page itself.
///
/// # Errors
/// [`PageError`] where there is no result of it.
pub fn page(html: &str, beside: Option<&str>) -> Result<Verification, PageError> {
    let text = embedded(html).or_else(|| beside.map(str::to_owned));
    let text = text.ok_or(PageError::NoResult)?;
    let mut found = result(&text)?;
    if let Some(beside) = beside.filter(|beside| *beside != text) {
        lines("the result beside the page", beside, &text, &mut found);
    }
    let document = Document::parse(text)?;
    let again = Format::Html.render(&document, Choice::default())?;
    // A published page leads to its neighbours besides.
    lines("the page", &without_way(html), &again, &mut found);
    Ok(found)
}

/// The result inside of a page.
fn embedded(html: &str) -> Option<String> {
    let (_, rest) = html.split_once(EMBEDDED)?;
    let (data, _) = rest.split_once('"')?;
    let packed = STANDARD.decode(data).ok()?;
    let mut text = String::new();
    let mut decoder = GzDecoder::new(packed.as_slice()).take(MOST_BYTES);
    decoder.read_to_string(&mut text).ok()?;
    Some(text)
}

fn without_way(html: &str) -> String {
    let way = html.split_once("\n<nav class=\"small\">");
    let Some((before, rest)) = way.filter(|(before, _)| before.ends_with("<main>")) else {
        return html.to_owned();
    };
    match rest.split_once("</nav>") {
        Some((_, after)) => format!("{before}{after}"),
        None => html.to_owned(),
    }
}

/// Works out again what a site says, from the results in it: each of them, and every page. `files`: all results and pages of the
/// site, by their paths in it; without any page, results that are kept to be published.
///
/// # Errors
/// [`PageError`] where a result can't be read, or a page can't be made again.
pub fn site(
    files: &BTreeMap<PathBuf, String>,
) -> Result<BTreeMap<PathBuf, Verification>, PageError> {
    let is = |path: &Path, extension: &str| path.extension().is_some_and(|one| one == extension);
    let mut found: BTreeMap<PathBuf, Verification> = BTreeMap::new();
    let mut documents = Vec::new();
    let mut recorded = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| is(path, "json")) {
        if Ladder::is_meant(text) {
            recorded.push((Ladder::parse(path, text)?, text));
            found.insert(path.clone(), ladder(text).map_err(ParseError::NotAResult)?);
        } else {
            found.insert(path.clone(), result(text)?);
            documents.push(Document::parse(text.clone())?);
        }
    }
    let comparisons: Vec<_> = recorded.iter().map(|(one, _)| of_index(one)).collect();
    let mut pages = publish::site(&documents, &comparisons)?;
    for (one, text) in &recorded {
        pages.extend(ladders::files(one, text)?);
    }
    // Where results are only kept, there are no pages.
    let kept = !files.keys().any(|path| is(path, "html"));
    for again in pages
        .into_iter()
        .filter(|page| !kept || !is(&page.path, "html"))
    {
        let one = found.entry(again.path.clone()).or_default();
        // A result in the place that its content gives it.
        match files.get(&again.path) {
            None => one.wrong("the file", "nothing", "a page of a result in this site"),
            Some(_) if is(&again.path, "json") => {}
            Some(said) => lines("the page", said, &again.text, one),
        }
    }
    for (path, _) in files.iter().filter(|(path, _)| is(path, "html")) {
        found.entry(path.clone()).or_insert_with(|| {
            let mut one = Verification::default();
            one.wrong(
                "the page",
                "a page",
                "nothing: no result in this site is its",
            );
            one
        });
    }
    Ok(found)
}

/// The first line that differs.
fn lines(what: &str, said: &str, again: &str, found: &mut Verification) {
    if said == again {
        found.follow += 1;
        return;
    }
    let (mut ours, mut theirs) = (said.lines(), again.lines());
    for number in 1.. {
        let (said, again) = (ours.next(), theirs.next());
        if said == again && said.is_some() {
            continue;
        }
        let at = first_difference(said.unwrap_or_default(), again.unwrap_or_default());
        found.wrong(
            format!("{what}, line {number}"),
            excerpt(said, at),
            excerpt(again, at),
        );
        return;
    }
}

fn first_difference(one: &str, other: &str) -> usize {
    let both = one.chars().zip(other.chars());
    both.take_while(|(one, other)| one == other).count()
}

/// What stands around the place where two lines differ.
fn excerpt(line: Option<&str>, at: usize) -> String {
    let Some(line) = line else {
        return "nothing".to_owned();
    };
    let from = at.saturating_sub(SHOWN / 4);
    let shown: String = line.chars().skip(from).take(SHOWN).collect();
    let before = if from > 0 { "…" } else { "" };
    format!("{before}{shown}")
}
