//! Errors in a scenario, told with file, line, column and the line itself.

use std::{fmt, ops::Range, path::PathBuf};

/// Why a scenario can't be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The scenario file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither a file nor a shipped scenario is called so.
    #[error("{}: {message}", path.display())]
    NotThere {
        /// What was asked for.
        path: PathBuf,
        /// What there is, and what may have been meant.
        message: String,
    },
    /// Something in the file, or in a file that belongs to it, is wrong.
    #[error("{0}")]
    Wrong(#[from] Mistakes),
    /// A variable can't be set as the command line wants it.
    #[error("--set {setting}: {message} ({})", path.display())]
    Setting {
        /// The file whose variable it would be.
        path: PathBuf,
        /// `name=value` as it was typed.
        setting: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl From<Located> for ScenarioError {
    fn from(mistake: Located) -> Self {
        Self::Wrong(Mistakes(vec![mistake]))
    }
}

impl ScenarioError {
    /// Each mistake by itself, as it is told.
    pub fn each(&self) -> Vec<String> {
        match self {
            Self::Wrong(mistakes) => mistakes.0.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}

/// All that is wrong in a scenario, at least one mistake, in the order of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Located>);

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&each.join("\n"))
    }
}

/// A mistake at a place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file's name, as it was given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
    /// The line of the file.
    pub excerpt: String,
    /// How many characters of the line the mistake covers, at least 1.
    pub width: usize,
    /// What one must know beside the place: the values of variables, and where they come from.
    pub notes: Vec<String>,
}

impl Located {
    /// Finds the place of a byte range in a file's text.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let excerpt = text[line_start..].lines().next().unwrap_or_default();
        let line_end = line_start + excerpt.len();
        // Of a line's end, `\r\n` included, nothing is shown: what is wrong there is wrong behind the last character.
        let start = start.min(line_end);
        let end = text.floor_char_boundary(span.end.clamp(start, line_end));
        Self {
            file: file.to_owned(),
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            message: message.into(),
            excerpt: excerpt.to_owned(),
            width: text[start..end].chars().count().max(1),
            notes: Vec::new(),
        }
    }
}

impl std::error::Error for Located {}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, line, column, ..
        } = self;
        let gutter = line.to_string().len();
        writeln!(f, "{file}:{line}:{column}: {}", self.message)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{line} | {}", self.excerpt)?;
        let before = self.excerpt.chars().chain(std::iter::repeat(' '));
        // A tab stays one, so that the mark stands below its text wherever tabs stop.
        let before = before.map(|c| if c == '\t' { '\t' } else { ' ' });
        let before: String = before.take(column - 1).collect();
        write!(f, "{:gutter$} | {before}{}", "", "^".repeat(self.width))?;
        for note in &self.notes {
            write!(f, "\n{:gutter$} = {note}", "")?;
        }
        Ok(())
    }
}
