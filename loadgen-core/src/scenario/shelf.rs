//! Where the files of a scenario are read: on the disk, among those that the program carries, or those that were kept of a run.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{Located, SourceFile, shipped};

/// Files with their texts, by their paths from one folder on.
pub(super) type Carried = &'static [(&'static str, &'static str)];

/// The place that all files of one scenario come from: what one of them names is on the same shelf.
#[derive(Debug, Clone, Default)]
pub(super) enum Shelf {
    #[default]
    Disk,
    Carried(Carried),
    Kept(Arc<[SourceFile]>),
}

/// Why the text of a file can't be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no text, and where.
    #[error(transparent)]
    NoText(#[from] Located),
}

/// What is shown of a line behind a byte that is no text.
const BEHIND: usize = 40;

/// The text of a file's bytes; it is called `told` where it is none.
pub(super) fn text_of(bytes: Vec<u8>, told: &Path) -> Result<String, Located> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        let text = String::from_utf8_lossy(error.as_bytes());
        let message = format!("the byte {byte:#04x} is no UTF-8: save the file as UTF-8");
        let mark = char::REPLACEMENT_CHARACTER;
        let place = at..at + mark.len_utf8();
        let mut located = Located::at(&told.display().to_string(), &text, place, message);
        // It may be anything, as long as a picture, and with all that acts on a terminal.
        let shown = located.excerpt.chars().take(located.column + BEHIND);
        let acts = |c: char| c.is_control() && c != '\t';
        located.excerpt = shown.map(|c| if acts(c) { mark } else { c }).collect();
        located
    })
}

impl Shelf {
    /// The text of a file.
    pub(super) fn text(&self, path: &Path) -> Result<String, Unread> {
        let place = self.place(path);
        let (text, none) = match self {
            Self::Disk => return Ok(text_of(fs::read(path)?, path)?),
            Self::Carried(files) => {
                let file = files.iter().find(|(name, _)| Path::new(name) == place);
                (file.map(|(_, text)| *text), "no such file is shipped")
            }
            Self::Kept(files) => {
                let file = files.iter().find(|file| self.place(&file.path) == place);
                let text = file.map(|file| file.text.as_str());
                (text, "not among the files that were kept")
            }
        };
        let text = text.map(str::to_owned);
        Ok(text.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, none))?)
    }

    /// The same for all ways to write a path, so that a circle is seen.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        match self {
            Self::Disk => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
            Self::Carried(_) => plain(path, false),
            Self::Kept(_) => plain(path, true),
        }
    }

    /// What people are told that a file is: its path, and of what no folder has, how it is asked for.
    pub(super) fn told(&self, path: &Path) -> PathBuf {
        match self {
            Self::Disk | Self::Kept(_) => path.to_owned(),
            Self::Carried(_) => {
                let place = self.place(path);
                let name = place.to_string_lossy();
                format!("{} (shipped)", shipped::name(&name)).into()
            }
        }
    }
}

/// A path without what goes up and down again; `beyond`: it may go up further than where it begins.
fn plain(path: &Path, beyond: bool) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut place, part| {
        match part {
            Component::ParentDir if beyond && place.file_name().is_none() => place.push(part),
            Component::ParentDir => drop(place.pop()),
            Component::CurDir => {}
            part => place.push(part),
        }
        place
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Scenario, *};

    const FILES: Carried = &[
        (
            "chats/main.toml",
            "version = 1\nname = \"main\"\nquestion = \"?\"\ninclude = [\"../parts/_base.toml\"]\n\
             [[phases]]\nname = \"p\"\nduration = \"1s\"\nrate = \"10/s\"\n",
        ),
        (
            "parts/_base.toml",
            "[population]\nusers = 2\nrooms = 1\n[connections]\ntoken = { file = \"users.csv\" }\n",
        ),
        ("parts/users.csv", "ann,t1\nbob\n"),
        ("circle.toml", "include = [\"./parts/../circle.toml\"]\n"),
        ("astray.toml", "include = [\"nowhere.toml\"]\n"),
    ];

    fn error(name: &str) -> String {
        let shelf = Shelf::Carried(FILES);
        let path = Path::new(name);
        let text = shelf.text(path).unwrap();
        let read = Scenario::parse_from(shelf, path, &text, &[]);
        read.unwrap_err().to_string()
    }

    #[test]
    fn what_a_carried_file_names_is_carried_too_and_mistakes_are_shown_there() {
        let told = error("chats/main.toml");
        assert!(
            told.starts_with("parts/users.csv (shipped):2:1: "),
            "{told}"
        );
        let told = error("circle.toml");
        let words = "circle (shipped):1:12: a file can't include itself: circle.toml → circle.toml";
        assert!(told.starts_with(words), "{told}");
        let told = error("astray.toml");
        let words = "astray (shipped):1:12: nowhere (shipped): no such file is shipped";
        assert!(told.starts_with(words), "{told}");
    }
}
