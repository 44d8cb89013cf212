//! How a server keeps its messages in its database: where the audit looks for them, and what it compares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a server keeps its messages in its MongoDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// The collections that hold messages; `None`: those of the system, of which a run may use one only.
    pub collections: Option<Vec<String>>,
    /// Where the text is: a field, or a path of fields with dots.
    pub body: String,
    /// Where the id is that clients are told: a field, or a path of fields with dots.
    pub id: String,
    /// What such an id is.
    pub id_type: IdType,
    /// Where the id of the user is who sent it: a field, or a path of fields with dots; `None`: where the system's contract
    /// has it, and nowhere that is known under an event map.
    pub sender: Option<String>,
    /// Where the id of its conversation is, likewise.
    pub conversation: Option<String>,
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            collections: None,
            body: "body".into(),
            id: "_id".into(),
            id_type: IdType::ObjectId,
            sender: None,
            conversation: None,
        }
    }
}

/// What the id of a stored message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdType {
    /// An ObjectId; clients are told its 24 hexadecimal digits.
    ObjectId,
    /// A text.
    Text,
    /// A whole number; clients are told its decimal digits.
    Number,
    /// A UUID; clients are told it with hyphens.
    Uuid,
}

impl IdType {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            IdType::ObjectId => "object-id",
            IdType::Text => "text",
            IdType::Number => "number",
            IdType::Uuid => "uuid",
        }
    }
}
