//! How users connect, and the tokens that say who they are.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Pattern, Template};

/// How users connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    /// Over which transport of Engine.IO.
    pub transport: Transport,
    /// Where their tokens come from.
    pub token: Token,
    /// The users, where files say who there is: as many as the population has. Empty: they are drawn.
    pub known: Arc<[KnownUser]>,
    /// Where on its host the server listens; `None`: at `/socket.io/`.
    pub path: Option<Template>,
    /// What is added to the query of each request.
    pub query: Vec<(String, Template)>,
    /// What is added to the headers of each request.
    pub headers: Vec<(String, Template)>,
    /// What users say in the Socket.IO CONNECT, an object; `None`: `{ "token": … }`.
    pub auth: Option<Pattern>,
}

impl Connections {
    /// Whether what is sent with them may be a secret: a token that is written down, a header, a query, a login.
    pub fn may_hold_secrets(&self) -> bool {
        matches!(self.token, Token::Template(_) | Token::Signed(_))
            || !self.query.is_empty()
            || !self.headers.is_empty()
            || self.auth.is_some()
    }
}

/// A transport of Engine.IO.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A WebSocket from the first byte on.
    #[default]
    Websocket,
    /// HTTP long polling.
    Polling,
    /// Begun with polling, upgraded to a WebSocket: what browsers do.
    Upgraded,
}

impl Transport {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Websocket, Self::Polling, Self::Upgraded];

    /// Its name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Websocket => "websocket",
            Transport::Polling => "polling",
            Transport::Upgraded => "upgraded",
        }
    }
}

/// Where the token of a user comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Token {
    /// The user's id, as a server without a secret takes it.
    #[default]
    UserId,
    /// A text in which `{id}` stands for the user's id and `{index}` for its number.
    Template(Template),
    /// As the users' file has it: [`KnownUser::token`].
    Listed,
    /// A JSON Web Token, HS256, with the user's id in the claim `id`, signed with this secret.
    Signed(String),
}

/// A user that the server knows already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownUser {
    /// The id under which the server knows the user.
    pub id: String,
    /// What the user shows when it logs in, where the file says so; else empty.
    pub token: String,
    /// What the file says of the user beside that, by column.
    pub columns: BTreeMap<String, String>,
}
