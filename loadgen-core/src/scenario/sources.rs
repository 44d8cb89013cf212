//! The files that a scenario is made of: the one that was named and all that it includes, as one merged table whose
//! every value still knows where it was written.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Located, SourceFile,
    shelf::{Shelf, Unread},
};

/// The version of the file format that this program reads.
pub(super) const VERSION: &str = "1";

/// What some editors write before a text.
const MARK: char = '\u{feff}';

/// A table whose keys and values carry their places, as byte ranges over all files one after another.
pub(super) type Table<'a> = DeTable<'a>;
/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// So many files belong to a scenario at most, each as often as it is included: files that include each other's parts twice
/// and so on would be read without an end.
const MOST_FILES: usize = 1_000;
/// What these take in memory at most, together.
const MOST_BYTES: usize = 256 << 20;

/// These tables are merged key by key; any other value is replaced whole.
const MERGED: [&str; 11] = [
    "variables",
    "server",
    "server.events",
    "server.events.room",
    "server.events.channel",
    "server.events.fields",
    "population",
    "connections",
    "messages",
    "behaviour",
    "thresholds",
];

/// Of these keys of a table only one can be given: an including file that gives one does without the included other.
const ALTERNATIVES: [(&str, &str, &str); 3] = [
    ("server", "dialect", "events"),
    ("messages", "size", "file"),
    ("messages", "text", "file"),
];

/// The text of one file of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioText {
    /// The path of the file, as it was typed or as another file of the scenario names it.
    pub file: String,
    /// All that is in it.
    pub text: String,
}

/// All files of a scenario, the named one first.
#[derive(Debug, Default)]
pub(super) struct Sources {
    shelf: Shelf,
    files: Vec<Source>,
    /// Instead of reading included files: their texts, as a result recorded them.
    recorded: Option<BTreeMap<PathBuf, String>>,
    notes: RefCell<Vec<(Range<usize>, String)>>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    text: String,
    /// The offset of its first byte among all files.
    start: usize,
    /// The text behind so many blanks, so that what is read from it knows its place among all files.
    padded: String,
    /// Indices of the files that it includes.
    includes: Vec<usize>,
}

impl Sources {
    /// The same of texts that were recorded, the named one first: nothing of them is read from files.
    pub(super) fn recorded(texts: &[ScenarioText]) -> Result<Self, Located> {
        let all = texts.iter();
        let all = all.map(|one| (PathBuf::from(&one.file), one.text.clone()));
        let mut sources = Self {
            recorded: Some(all.collect()),
            ..Self::default()
        };
        if let Some(first) = texts.first() {
            let path = Path::new(&first.file);
            sources.add(path, first.text.clone(), &mut Vec::new())?;
        }
        Ok(sources)
    }

    /// Reads a file's text and all that it includes.
    pub(super) fn read(shelf: Shelf, path: &Path, text: &str) -> Result<Self, Located> {
        let mut sources = Self {
            shelf,
            ..Self::default()
        };
        sources.add(path, text.to_owned(), &mut Vec::new())?;
        Ok(sources)
    }

    fn add(
        &mut self,
        path: &Path,
        text: String,
        including: &mut Vec<PathBuf>,
    ) -> Result<usize, Located> {
        let index = self.files.len();
        let last = self.files.last();
        // One more, so that the end of a file is not the beginning of the next.
        let start = last.map_or(0, |last| last.start + last.text.len() + 1);
        // A byte order mark is one at the very beginning alone.
        let (mark, rest) = text.split_at(if text.starts_with(MARK) {
            MARK.len_utf8()
        } else {
            0
        });
        self.files.push(Source {
            path: path.to_owned(),
            padded: format!("{mark}{}{rest}", " ".repeat(start)),
            text,
            start,
            includes: Vec::new(),
        });
        let table = self.parsed(index)?;
        self.check_version(table.get_ref())?;
        let names = self.include_names(table.get_ref())?;
        including.push(self.shelf.place(path));
        let mut named = Vec::new();
        for name in names {
            let place = self.shelf.place(&beside(path, name.get_ref()));
            if named.contains(&place) {
                let twice = format!(
                    "{} is included already: name each file once",
                    name.get_ref()
                );
                return Err(self.wrong(name.span(), twice));
            }
            named.push(place);
            let included = self.include(path, &name, including)?;
            self.files[index].includes.push(included);
        }
        including.pop();
        Ok(index)
    }

    /// One file's own table.
    fn parsed(&self, index: usize) -> Result<Spanned<Table<'_>>, Located> {
        let Source { padded, start, .. } = &self.files[index];
        DeTable::parse(padded)
            .map_err(|error| self.wrong(error.span().unwrap_or(*start..*start), error.message()))
    }

    /// The table of all files, merged: later included files win over earlier ones, the including file over all.
    pub(super) fn merged(&self) -> Result<Spanned<Table<'_>>, Located> {
        self.merged_at(0)
    }

    fn merged_at(&self, index: usize) -> Result<Spanned<Table<'_>>, Located> {
        let table = self.parsed(index)?;
        let span = table.span();
        let mut base = Table::new();
        for &included in &self.files[index].includes {
            base = merge(base, self.merged_at(included)?.into_inner(), "");
        }
        let mut table = merge(base, table.into_inner(), "");
        table.remove("include");
        Ok(Spanned::new(span, table))
    }

    fn check_version(&self, table: &Table<'_>) -> Result<(), Located> {
        let Some(version) = table.get("version") else {
            return Ok(());
        };
        match version.get_ref().as_integer() {
            Some(number) if number.as_str() == VERSION => Ok(()),
            _ => {
                let other = format!("this program reads scenario files of version {VERSION}");
                Err(self.wrong(version.span(), other))
            }
        }
    }

    fn include_names(&self, table: &Table<'_>) -> Result<Vec<Spanned<String>>, Located> {
        let Some(list) = table.get("include") else {
            return Ok(Vec::new());
        };
        let is = "`include` is a list of files: include = [\"base.toml\"]";
        let wrong = |span| self.wrong(span, is);
        let DeValue::Array(files) = list.get_ref() else {
            return Err(wrong(list.span()));
        };
        files
            .iter()
            .map(|file| match file.get_ref() {
                DeValue::String(name) => Ok(Spanned::new(file.span(), name.to_string())),
                _ => Err(wrong(file.span())),
            })
            .collect()
    }

    fn include(
        &mut self,
        from: &Path,
        file: &Spanned<String>,
        including: &mut Vec<PathBuf>,
    ) -> Result<usize, Located> {
        let path = beside(from, file.get_ref());
        let text = match &self.recorded {
            Some(recorded) => recorded
                .get(&path)
                .cloned()
                .ok_or_else(|| io::Error::other("it was not recorded").into()),
            None => self.shelf.text(&path),
        };
        let text = text.map_err(|why| self.unread(&file.span(), &self.shelf.told(&path), why))?;
        let place = self.shelf.place(&path);
        if let Some(first) = including.iter().position(|earlier| *earlier == place) {
            let circle = including[first..].iter().chain([&place]);
            let circle: Vec<String> = circle.map(|path| file_name(path)).collect();
            let circle = format!("a file can't include itself: {}", circle.join(" → "));
            return Err(self.wrong(file.span(), circle));
        }
        self.has_room(file)?;
        self.add(&path, text, including)
    }

    /// One more file fits.
    fn has_room(&self, file: &Spanned<String>) -> Result<(), Located> {
        let bytes: usize = self.files.iter().map(|file| file.padded.len()).sum();
        let too_many = match (self.files.len() < MOST_FILES, bytes < MOST_BYTES) {
            (true, true) => return Ok(()),
            (false, _) => format!(
                "with this one more than {MOST_FILES} files are included, each as often as it is named: include fewer"
            ),
            (_, false) => "the included files are too large together: include fewer".to_owned(),
        };
        Err(self.wrong(file.span(), too_many))
    }

    /// Why a file that is named at a place has no text, told there, or in the file where it is no text.
    pub(super) fn unread(&self, span: &Range<usize>, told: &Path, why: Unread) -> Located {
        match why {
            Unread::NoText(located) => located,
            Unread::Io(error) => self.wrong(span.clone(), format!("{}: {error}", told.display())),
        }
    }

    /// A mistake at a place.
    pub(super) fn wrong(&self, span: Range<usize>, message: impl Into<String>) -> Located {
        let Some(source) = self.source(&span) else {
            return Located::at("", "", 0..0, message);
        };
        let local = span.start - source.start..span.end.max(span.start) - source.start;
        let name = self.shelf.told(&source.path).display().to_string();
        let mut located = Located::at(&name, &source.text, local, message);
        let notes = self.notes.borrow();
        let noted = |noted: &Range<usize>| noted.start <= span.start && span.end <= noted.end;
        let notes = notes.iter().filter(|(place, _)| noted(place));
        located.notes = notes.map(|(_, note)| note.clone()).collect();
        located
    }

    /// Remembers what must be said of any mistake at a place.
    pub(super) fn note(&self, span: Range<usize>, note: String) {
        self.notes.borrow_mut().push((span, note));
    }

    /// A file that is named at a place, relative to the file that names it: what people are told that it is, and what it is.
    pub(super) fn beside(
        &self,
        span: &Range<usize>,
        name: &str,
    ) -> (PathBuf, Result<SourceFile, Unread>) {
        let path = self
            .source(span)
            .map_or_else(|| PathBuf::from(name), |source| beside(&source.path, name));
        let text = self.shelf.text(&path);
        let told = self.shelf.told(&path);
        (told, text.map(|text| SourceFile { path, text }))
    }

    /// `file:line` of a place.
    pub(super) fn line(&self, span: Range<usize>) -> String {
        let located = self.wrong(span, "");
        format!("{}:{}", located.file, located.line)
    }

    /// All files as they were read, the named one first; a secret is not among what they say.
    pub(super) fn kept(&self, secret: Option<&Range<usize>>) -> Vec<SourceFile> {
        let holder = secret.and_then(|secret| Some((self.index(secret)?, secret)));
        let files = self.files.iter().enumerate();
        files
            .map(|(index, source)| {
                let file = SourceFile {
                    path: source.path.clone(),
                    text: source.text.clone(),
                };
                match holder {
                    Some((holder, secret)) if holder == index => {
                        file.without(secret.start - source.start..secret.end - source.start)
                    }
                    _ => file,
                }
            })
            .collect()
    }

    /// Each of the files as it is written, overruled or not.
    pub(super) fn each(&self) -> impl Iterator<Item = Result<Spanned<Table<'_>>, Located>> {
        (0..self.files.len()).map(|index| self.parsed(index))
    }

    /// All files as a result records them, the named one first.
    pub(super) fn to_record(&self) -> Vec<ScenarioText> {
        let files = self.files.iter();
        let text = |source: &Source| ScenarioText {
            file: source.path.display().to_string(),
            text: source.text.clone(),
        };
        files.map(text).collect()
    }

    /// The texts of all files, the named one first.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.text.as_str())
    }

    fn source(&self, span: &Range<usize>) -> Option<&Source> {
        self.files.get(self.index(span)?)
    }

    fn index(&self, span: &Range<usize>) -> Option<usize> {
        let after = self.files.partition_point(|file| file.start <= span.start);
        after.checked_sub(1)
    }
}

fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// `over` wins over `base`; `at` is the path of both.
fn merge<'a>(mut base: Table<'a>, over: Table<'a>, at: &str) -> Table<'a> {
    for (_, given, other) in ALTERNATIVES
        .into_iter()
        .flat_map(|(table, one, other)| [(table, one, other), (table, other, one)])
        .filter(|(table, ..)| *table == at)
    {
        if over.contains_key(given) && !over.contains_key(other) {
            base.remove(other);
        }
    }
    for (key, value) in over {
        let path = match at {
            "" => key.get_ref().to_string(),
            _ => format!("{at}.{}", key.get_ref()),
        };
        let earlier = base.remove(key.get_ref().as_ref()).map(Spanned::into_inner);
        let span = value.span();
        let value = match (earlier, value.into_inner()) {
            (Some(DeValue::Table(earlier)), DeValue::Table(value))
                if MERGED.contains(&path.as_str()) =>
            {
                DeValue::Table(merge(earlier, value, &path))
            }
            (_, value) => value,
        };
        base.insert(key, Spanned::new(span, value));
    }
    base
}

/// What a text at a place is replaced with.
type Replacing<'r, 'a> = dyn FnMut(&str, Range<usize>) -> Result<DeValue<'a>, Located> + 'r;

/// A table with each text in it, however deep, replaced.
pub(super) fn replaced<'a>(
    table: Table<'a>,
    with: &mut Replacing<'_, 'a>,
) -> Result<Table<'a>, Located> {
    let values = table.into_iter();
    let values = values.map(|(key, value)| Ok((key, replaced_value(value, with)?)));
    values.collect()
}

fn replaced_value<'a>(
    value: Value<'a>,
    with: &mut Replacing<'_, 'a>,
) -> Result<Value<'a>, Located> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => with(&text, span.clone())?,
        DeValue::Table(table) => DeValue::Table(replaced(table, with)?),
        DeValue::Array(values) => {
            let values = values.into_iter().map(|value| replaced_value(value, with));
            DeValue::Array(values.collect::<Result<_, _>>()?)
        }
        scalar => scalar,
    };
    Ok(Spanned::new(span, value))
}
