//! The event map as TOML writes it: another server's own names, what is sent to it, and where in what it sends things
//! stand.

use schemars::JsonSchema;
use serde::Deserialize;

use super::written::Placed;

/// The events of a server that speaks none of the dialects.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEvents {
    /// The events of rooms of two.
    pub room: Option<Placed<FileNames>>,
    /// The events of channels.
    pub channel: Option<Placed<FileNames>>,
    /// Where in a payload things are.
    #[serde(default)]
    pub fields: FileFields,
    /// Whether a join and a leave are acknowledged; if not, they count as done a second after they were sent.
    #[serde(default = "yes")]
    pub acknowledges_joins: bool,
    /// Whether a message is acknowledged to its sender.
    #[serde(default = "yes")]
    pub acknowledges_messages: bool,
    /// How an acknowledgement says that something is done; default "success".
    pub answers: Option<Placed<FileAnswers>>,
    /// The older way to say `answers`: true for "success", false for "any".
    pub answers_success: Option<Placed<bool>>,
    /// Whether the sender gets a copy of its own message, by `received` or by `sent`.
    #[serde(default = "yes")]
    pub echoes: bool,
}

fn yes() -> bool {
    true
}

/// How an acknowledgement says that something is done.
#[derive(Deserialize, Clone, Copy, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FileAnswers {
    /// By `true` in the field `success`, or where else `fields.success` says.
    Success,
    /// As Node's callbacks: the first argument is an error, and nothing where there is none.
    ErrorFirst,
    /// By coming at all, whatever it says.
    Any,
}

/// The events of one kind of conversation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileNames {
    /// Client to server: join. Without it the server puts its users into their conversations by itself.
    #[schemars(length(min = 1))]
    pub join: Option<Placed<String>>,
    /// What is sent to join: JSON with {conversation}, {id}, {index} and {token}; default: an object of `id_field`.
    pub join_payload: Option<Placed<String>>,
    /// Server to client: the user has joined, where an event says so and no acknowledgement does.
    #[schemars(length(min = 1))]
    pub joined: Option<Placed<String>>,
    /// Client to server: leave. Without it nobody can leave.
    #[schemars(length(min = 1))]
    pub leave: Option<Placed<String>>,
    /// What is sent to leave; default: as `join_payload`.
    pub leave_payload: Option<Placed<String>>,
    /// Client to server: send a message.
    #[schemars(length(min = 1))]
    pub send: Placed<String>,
    /// What is sent as a message: JSON with {conversation}, {body}, {message}, {id} and {index}; default: an object of
    /// `id_field`, `sender` and `sent_body`.
    pub send_payload: Option<Placed<String>>,
    /// Server to client: the message is here.
    #[schemars(length(min = 1))]
    pub received: Placed<String>,
    /// Server to the sender, where it gets another event than the others.
    #[schemars(length(min = 1))]
    pub sent: Option<Placed<String>>,
    /// Server to client: the message is stored. Without it nobody is told.
    #[schemars(length(min = 1))]
    pub confirmed: Option<Placed<String>>,
    /// Server to client: the message could not be stored. Without it nobody is told.
    #[schemars(length(min = 1))]
    pub failed: Option<Placed<String>>,
    /// The field of a payload that holds the conversation's id, in what is sent and in what comes; not needed where
    /// payloads and paths say it otherwise.
    pub id_field: Option<Placed<String>>,
    /// Where in the events of this kind things are, where it is not as [server.events.fields] says.
    pub fields: Option<FileEventPaths>,
}

/// Where in a payload things are: a path of fields with dots, behind the argument's number where it is not the first.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileFields {
    /// The message's id, in what the server sends; default "_id"; may be missing there; empty: nowhere.
    pub id: Option<Placed<String>>,
    /// The text, in what the server sends; default "body".
    pub body: Option<Placed<String>>,
    /// The temporary id, in a confirmation or a failure; default "tempId"; empty: nowhere.
    pub temp_id: Option<Placed<String>>,
    /// The conversation's id, in what the server sends; default: `id_field`; empty: nowhere, and not compared.
    pub conversation: Option<Placed<String>>,
    /// The sender's id, in what the server sends; default: nowhere, and not compared.
    pub from: Option<Placed<String>>,
    /// The text, in what clients send: a field, no path. By default the last field of the path `body`.
    pub sent_body: Option<Placed<String>>,
    /// The sender, in what clients send: a field, no path; default "senderId"; empty: not sent.
    pub sender: Option<Placed<String>>,
    /// In an acknowledgement, what is `true` where it is done; default "success".
    pub success: Option<Placed<String>>,
    /// Other paths in the event `received`.
    pub received: Option<FilePaths>,
    /// Other paths in the event `sent`; default: as in `received`.
    pub sent: Option<FilePaths>,
    /// Other paths in the event `confirmed`.
    pub confirmed: Option<FilePaths>,
    /// Other paths in the event `failed`.
    pub failed: Option<FilePaths>,
    /// Other paths in the event `joined`, where `conversation` alone is looked for.
    pub joined: Option<FilePaths>,
    /// Paths in the acknowledgement of a message, where `id` alone is looked for: the message's final id.
    pub acknowledged: Option<Placed<FilePaths>>,
}

/// Paths event by event.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileEventPaths {
    /// In the event `received`.
    pub received: Option<FilePaths>,
    /// In the event `sent`; default: as in `received`.
    pub sent: Option<FilePaths>,
    /// In the event `confirmed`.
    pub confirmed: Option<FilePaths>,
    /// In the event `failed`.
    pub failed: Option<FilePaths>,
    /// In the event `joined`, where `conversation` alone is looked for.
    pub joined: Option<FilePaths>,
    /// In the acknowledgement of a message, where `id` alone is looked for: the message's final id.
    pub acknowledged: Option<Placed<FilePaths>>,
}

/// Where in one event things are.
#[derive(Deserialize, Clone, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FilePaths {
    /// The message's id; empty: nowhere.
    pub id: Option<Placed<String>>,
    /// The text.
    pub body: Option<Placed<String>>,
    /// The temporary id; empty: nowhere.
    pub temp_id: Option<Placed<String>>,
    /// The conversation's id; empty: nowhere, and not compared.
    pub conversation: Option<Placed<String>>,
    /// The sender's id; empty: nowhere, and not compared.
    pub from: Option<Placed<String>>,
}

impl FilePaths {
    /// These, and where one is not written, the other's.
    pub fn or(self, other: &Self) -> Self {
        let or = |own: Option<Placed<String>>, other: &Option<Placed<String>>| {
            own.or_else(|| other.clone())
        };
        Self {
            id: or(self.id, &other.id),
            body: or(self.body, &other.body),
            temp_id: or(self.temp_id, &other.temp_id),
            conversation: or(self.conversation, &other.conversation),
            from: or(self.from, &other.from),
        }
    }
}
