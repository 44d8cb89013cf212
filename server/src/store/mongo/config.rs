//! How the MongoDB store is set up.

use std::{fmt, str::FromStr, time::Duration};

use mongodb::options::{Acknowledgment, WriteConcern};

/// How the MongoDB store is set up. The write concern of the URI is not used:
/// [`MongoConfig::write_concern`] is, so that it can be stated. Nor are its read concern and read
/// preference: what is stored is asked of the primary.
#[derive(Clone, PartialEq, Eq)]
pub struct MongoConfig {
    /// `mongodb://…` or `mongodb+srv://…`; may hold a password, so it is neither printed nor
    /// logged.
    pub uri: String,
    /// The database; without one the URI's, and without that `chat`.
    pub database: Option<String>,
    /// When a write is confirmed.
    pub write_concern: WriteConcernSetting,
    /// Connections at most, to each server of the deployment; at least 4.
    pub pool_size: u32,
    /// How long to look for a server, and to connect to it, before saying that it is down. Several
    /// times shorter than the writer's deadline, so that there is more than one try. A
    /// `serverSelectionTimeoutMS` or `connectTimeoutMS` in the URI comes first.
    pub connect_timeout: Duration,
    /// How long the database may take for one answer. A write that has not reached its write
    /// concern by then is unknown.
    pub answer_timeout: Duration,
    /// Whether to move, before the start, messages that an earlier version stored under another
    /// name; if not, they are only told of.
    pub migrate: bool,
}

impl MongoConfig {
    /// The defaults for the database at this URI: `w: majority`, journaled.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: None,
            write_concern: WriteConcernSetting::default(),
            pool_size: 10,
            connect_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(5),
            migrate: false,
        }
    }

    pub(super) fn driver_write_concern(&self) -> WriteConcern {
        let w = match self.write_concern.acknowledged_by {
            AcknowledgedBy::Majority => Acknowledgment::Majority,
            AcknowledgedBy::Nodes(nodes) => Acknowledgment::Nodes(nodes),
        };
        WriteConcern::builder()
            .w(w)
            .journal(self.write_concern.journaled)
            .w_timeout(self.answer_timeout)
            .build()
    }
}

impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoConfig")
            .field("database", &self.database)
            .field("write_concern", &self.write_concern)
            .field("pool_size", &self.pool_size)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

/// How many servers must have a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcknowledgedBy {
    /// Most of the replica set; the one server, where there is one.
    Majority,
    /// So many; at least one, for a write that nobody acknowledges can't be confirmed.
    Nodes(u32),
}

/// When a write counts as confirmed. In text `majority+journal` (the default), `majority`, `1`,
/// `2+journal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteConcernSetting {
    /// How many servers must have it.
    pub acknowledged_by: AcknowledgedBy,
    /// Whether it must be in their journals on disk.
    pub journaled: bool,
}

impl Default for WriteConcernSetting {
    fn default() -> Self {
        Self {
            acknowledged_by: AcknowledgedBy::Majority,
            journaled: true,
        }
    }
}

/// As MongoDB writes it, for `/health` and reports: `w: majority, j: true`.
impl fmt::Display for WriteConcernSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.acknowledged_by {
            AcknowledgedBy::Majority => write!(f, "w: majority")?,
            AcknowledgedBy::Nodes(nodes) => write!(f, "w: {nodes}")?,
        }
        write!(f, ", j: {}", self.journaled)
    }
}

impl FromStr for WriteConcernSetting {
    type Err = WriteConcernError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (nodes, journaled) = match text.split_once('+') {
            Some((nodes, "journal")) => (nodes, true),
            Some(_) => return Err(WriteConcernError(text.to_owned())),
            None => (text, false),
        };
        let acknowledged_by = match nodes.parse() {
            _ if nodes == "majority" => AcknowledgedBy::Majority,
            Ok(nodes @ 1..=50) => AcknowledgedBy::Nodes(nodes),
            _ => return Err(WriteConcernError(text.to_owned())),
        };
        Ok(Self {
            acknowledged_by,
            journaled,
        })
    }
}

/// A text that is no [`WriteConcernSetting`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no write concern: expected `majority` or a number of servers from 1 to 50, then `+journal` or nothing, \
     as in majority+journal"
)]
pub struct WriteConcernError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_concerns_are_read_and_stated() {
        let stated = |text: &str| {
            text.parse::<WriteConcernSetting>()
                .map(|setting| setting.to_string())
        };
        assert_eq!(stated("majority+journal").unwrap(), "w: majority, j: true");
        assert_eq!(stated("majority").unwrap(), "w: majority, j: false");
        assert_eq!(stated("1").unwrap(), "w: 1, j: false");
        assert_eq!(stated("2+journal").unwrap(), "w: 2, j: true");
        for wrong in [
            "",
            "0",
            "51",
            "-1",
            "majority+",
            "majority+j",
            "all",
            "1+journal+journal",
        ] {
            let error = stated(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{wrong}` is no write concern")),
                "{error}"
            );
        }
        assert_eq!(
            WriteConcernSetting::default().to_string(),
            "w: majority, j: true"
        );
    }

    #[test]
    fn a_password_is_not_printed() {
        let config = MongoConfig::new("mongodb://chat:secret@127.0.0.1");
        assert!(!format!("{config:?}").contains("secret"));
    }
}
