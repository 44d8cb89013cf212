//! The journal's file: its lines, its lock, and how it stays small.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsString,
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use bson::oid::ObjectId;

use super::super::Origin;
use crate::message::Kind;

/// The file is written anew when it is larger than this and than four times what is still to be settled.
const COMPACT_FROM: u64 = 256 * 1024;

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file, its lock or its folder.
    #[error("the journal {path} can't be {what}: {source}", path = .path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another server has it.
    #[error("the journal {path} is in use by another server; give each its own", path = .0.display())]
    InUse(PathBuf),
    /// It belongs to another database.
    #[error(
        "the journal {path} has {count} messages to settle in {there}, and this server's store is {here}: start with \
         that store, or name another journal; if it is the same database under another address, change the address \
         in the file",
        path = .path.display()
    )]
    OtherStore {
        /// The journal.
        path: PathBuf,
        /// Messages that this store can't settle.
        count: usize,
        /// Where they are.
        there: String,
        /// Where this server stores.
        here: String,
    },
    /// The store keeps nothing beyond the process.
    #[error(
        "a journal is for a store that outlasts the server: leave --journal out, or give --store mongodb://…"
    )]
    NothingLasts,
}

/// A message that was told as failed while nobody knew whether it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Unknown {
    pub(in super::super) id: ObjectId,
    pub(in super::super) kind: Kind,
    pub(in super::super) origin: Origin,
}

/// One line: `unknown room 507f1f77bcf86cd799439011 <session> <place>` or `settled 507f1f77bcf86cd799439011`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Unknown(Unknown),
    Settled(ObjectId),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(Unknown { id, kind, origin }) => writeln!(
                f,
                "unknown {} {id} {} {}",
                kind.noun(),
                origin.session,
                origin.place
            ),
            Self::Settled(id) => writeln!(f, "settled {id}"),
        }
    }
}

/// A line that was torn, or is not ours.
struct Unreadable;

impl FromStr for Line {
    type Err = Unreadable;

    fn from_str(line: &str) -> Result<Self, Unreadable> {
        let id = |hex: &str| ObjectId::parse_str(hex).map_err(|_| Unreadable);
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["unknown", kind, hex, session, place] if is_name(session) && !place.is_empty() => {
                let kinds = [Kind::Room, Kind::Channel];
                Ok(Self::Unknown(Unknown {
                    id: id(hex)?,
                    kind: kinds
                        .into_iter()
                        .find(|known| known.noun() == kind)
                        .ok_or(Unreadable)?,
                    origin: Origin {
                        session: session.to_owned(),
                        place: place.to_owned(),
                    },
                }))
            }
            ["settled", hex] => Ok(Self::Settled(id(hex)?)),
            _ => Err(Unreadable),
        }
    }
}

/// A session is asked for by a regular expression, so it may hold nothing that means something there.
fn is_name(session: &str) -> bool {
    !session.is_empty()
        && session
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The file, open and locked.
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
    /// Held for as long as the journal is: the file itself is replaced now and then, and its lock would go with it.
    _lock: File,
    /// Bytes of whole lines. What is behind them was torn off by a write that failed.
    length: u64,
    /// Whether there may be something behind them.
    is_torn: bool,
    /// Whether the folder may still name another file on the disk than this one.
    is_folder_owed: bool,
    /// Everything that is not settled, whether a line says so or could not be written.
    live: HashMap<ObjectId, Unknown>,
    /// Lines that could not be written: they go first next time.
    owed: String,
}

impl JournalFile {
    /// Opens, locks and reads the journal of a store, and makes it where there is none.
    pub(super) fn open(path: &Path, here: &Origin) -> Result<Self, JournalError> {
        let failed = |what| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, what, source }
        };
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(path, ".lock"))
            .map_err(failed("locked"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed("locked")(error)),
        }
        let text = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed("read")(error)),
        };
        let (live, unreadable) = read(&text);
        if unreadable > 0 {
            tracing::warn!(
                "passed over {unreadable} lines of the journal {} that are torn or not its own",
                path.display()
            );
        }
        let elsewhere: Vec<&Unknown> = live
            .values()
            .filter(|unknown| unknown.origin.place != here.place)
            .collect();
        if let Some(first) = elsewhere.first() {
            return Err(JournalError::OtherStore {
                path: path.to_owned(),
                count: elsewhere.len(),
                there: first.origin.place.clone(),
                here: here.place.clone(),
            });
        }
        let file = append(path).map_err(failed("opened"))?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            _lock: lock,
            length: text.len() as u64,
            is_torn: false,
            is_folder_owed: true,
            live,
            owed: String::new(),
        };
        // Written anew only where there is something to leave out, so that a disk that is full stops nobody.
        if text.len() as u64 != journal.live_bytes() {
            journal.compact().map_err(failed("written"))?;
        } else {
            journal.sync_folder().map_err(failed("written"))?;
        }
        Ok(journal)
    }

    /// Everything that is to be settled.
    pub(super) fn live(&self) -> impl Iterator<Item = &Unknown> {
        self.live.values()
    }

    /// Writes these down, on the disk when it returns.
    ///
    /// What can't be written is written with the next that can.
    pub(super) fn record(&mut self, unknown: impl IntoIterator<Item = Unknown>) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.owed);
        for unknown in unknown {
            lines.push_str(&Line::Unknown(unknown.clone()).to_string());
            self.live.insert(unknown.id, unknown);
        }
        if let Err(error) = self.write(&lines).and_then(|()| self.file.sync_data()) {
            self.owed = lines;
            return Err(error);
        }
        self.sync_folder()
    }

    /// Notes that these are settled. Not forced to the disk: settling again does no harm.
    pub(super) fn settle(&mut self, ids: impl IntoIterator<Item = ObjectId>) -> io::Result<()> {
        let settled: BTreeSet<ObjectId> = ids
            .into_iter()
            .filter(|id| self.live.remove(id).is_some())
            .collect();
        if settled.is_empty() {
            return Ok(());
        }
        if self.live.is_empty() {
            self.owed.clear();
            self.length = 0;
            self.is_torn = true;
            return self.tear_off();
        }
        if self.length > COMPACT_FROM.max(4 * self.live_bytes()) {
            return self.compact();
        }
        let mut lines = std::mem::take(&mut self.owed);
        lines.extend(settled.into_iter().map(|id| Line::Settled(id).to_string()));
        let written = self.write(&lines);
        if written.is_err() {
            self.owed = lines;
        }
        written
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        self.tear_off()?;
        self.is_torn = true;
        self.file.write_all(lines.as_bytes())?;
        self.is_torn = false;
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Takes away what an earlier write left half done: the next line would be one with it.
    fn tear_off(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.length)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Writes what is to be settled into a new file and puts it in the place of the old one. It stays open for what comes
    /// next: opening it again could fail, and what was written then would go into the old one, which has no name any more.
    fn compact(&mut self) -> io::Result<()> {
        let lines: String = self.live.values().map(line).collect();
        let new_path = beside(&self.path, ".new");
        let mut new = append(&new_path)?;
        // An earlier try may have left something there.
        new.set_len(0)?;
        new.write_all(lines.as_bytes())?;
        new.sync_data()?;
        std::fs::rename(&new_path, &self.path)?;
        self.file = new;
        self.length = lines.len() as u64;
        self.is_torn = false;
        self.is_folder_owed = true;
        self.owed.clear();
        self.sync_folder()
    }

    fn live_bytes(&self) -> u64 {
        self.live
            .values()
            .map(|unknown| line(unknown).len() as u64)
            .sum()
    }

    /// Makes the file's name as durable as what is in it, unless it is.
    fn sync_folder(&mut self) -> io::Result<()> {
        if !self.is_folder_owed {
            return Ok(());
        }
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()?;
        self.is_folder_owed = false;
        Ok(())
    }
}

fn line(unknown: &Unknown) -> String {
    Line::Unknown(unknown.clone()).to_string()
}

/// What is unknown and not settled, and how many lines can't be read. A last line without its end is one of them: it was
/// torn in the writing, and what it is about was never told.
fn read(text: &[u8]) -> (HashMap<ObjectId, Unknown>, usize) {
    let mut live = HashMap::new();
    let mut unreadable = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let whole = line.strip_suffix(b"\n");
        let whole = whole.and_then(|line| std::str::from_utf8(line).ok());
        match whole.map(Line::from_str) {
            Some(Ok(Line::Unknown(unknown))) => _ = live.insert(unknown.id, unknown),
            Some(Ok(Line::Settled(id))) => _ = live.remove(&id),
            Some(Err(Unreadable)) | None => unreadable += 1,
        }
    }
    (live, unreadable)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
