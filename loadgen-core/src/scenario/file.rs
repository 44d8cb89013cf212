//! The scenario file as TOML writes it: every key with its type and its default, and what editors are told of it.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess},
};

use super::{
    Arrivals, Behaviour, Burst, ChannelSize, IdType, Spike, Transport,
    check::{MOST_ROOMS, MOST_USERS},
    event_map::FileEvents,
    fault::{Between, Distribution, FaultKind},
    rules,
    units::{Bandwidth, Often, Range, Rate, Share, Span},
    written::{Channels, Condition, Json, Placed, Rooms, Sizes},
};
use crate::model::{BusMode, Delivery, Dialect};

/// A load scenario for `loadgen`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Scenario of loadgen")]
pub(super) struct File {
    /// The version of the file format: 1.
    #[schemars(extend("const" = 1))]
    #[expect(
        dead_code,
        reason = "checked file by file, before they are merged; it is here to be required and described"
    )]
    pub version: u32,
    /// A short name of letters, digits, - and _, at most 100 of them; result files are named after it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,100}$|\$\{"))]
    pub name: Placed<String>,
    /// The question that a run of this file answers, in one sentence.
    pub question: String,
    /// The limit whose number answers the question: the left side of one of the thresholds, as "delivery_slowest.p95".
    /// Default: the first threshold on a time or a share.
    #[serde(default)]
    #[schemars(schema_with = "rules::subject")]
    pub asks: Option<Placed<String>>,
    /// The seed of everything that is drawn at random: the same seed gives the same plan.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How long to wait for what is still under way after the last send.
    #[serde(default = "default_drain")]
    pub drain: Span,
    /// Files whose keys are defaults for this one, relative to it. Later ones win over earlier ones, this file over all.
    #[expect(
        dead_code,
        reason = "read before this is; it is here to be known and described"
    )]
    pub include: Option<Vec<String>>,
    /// Names with default values, used as `"${name}"` and set with `--set name=value`.
    #[expect(
        dead_code,
        reason = "read before this is; it is here to be known and described"
    )]
    #[schemars(extend("additionalProperties" = { "type": ["string", "integer", "number", "boolean"], "not": { "type": "string", "pattern": r"\$\{" } }))]
    pub variables: Option<BTreeMap<String, Scalar>>,
    /// What the measured server speaks, and how the one that this program starts behaves.
    #[serde(default)]
    pub server: FileServer,
    /// Who is there and where they talk.
    pub population: Placed<FilePopulation>,
    /// How users connect, and who they say they are.
    #[serde(default)]
    pub connections: FileConnections,
    /// What is said.
    #[serde(default)]
    pub messages: FileMessages,
    /// How long people are away, and how long they don't read.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// What happens, stretch by stretch.
    #[schemars(extend("minItems" = 1))]
    pub phases: Placed<Vec<FilePhase>>,
    /// What breaks in mid-run, and when.
    #[serde(default)]
    pub faults: Vec<FileFault>,
    /// The conditions of the verdict, beside the correctness checks, which always hold.
    #[serde(default)]
    #[schemars(schema_with = "rules::thresholds")]
    pub thresholds: Thresholds,
}

fn default_seed() -> u64 {
    1
}

/// Longer than the server's own save deadline (10 s), so that a late Failed is still seen.
fn default_drain() -> Span {
    Span(Duration::from_secs(15))
}

/// A text, a number, true or false.
#[derive(Deserialize)]
pub(super) struct Scalar(de::IgnoredAny);

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "number", "boolean"] })
    }
}

/// What the measured server speaks, and how the one that this program starts behaves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = rules::excludes("events", &["dialect"])))]
pub(super) struct FileServer {
    /// The names of events: those of the documentation (`readme`, the default) or of the running service (`reference`).
    pub dialect: Option<Placed<Dialect>>,
    /// The events of another server, instead of a dialect.
    pub events: Option<Placed<FileEvents>>,
    /// The delivery modes to run one after another; limits judge the last, earlier ones are its baselines.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true))]
    pub delivery: Option<Placed<Vec<Delivery>>>,
    /// Whether all members of a conversation see its messages in one order; default true. Where several processes deliver, it
    /// may be promised for each sender alone.
    #[serde(default = "yes")]
    pub one_order: bool,
    /// How many servers are started as one chat; default 1. Users are spread over them by the seed.
    #[schemars(range(min = 1, max = 16))]
    pub nodes: Option<Placed<u16>>,
    /// Which order these promise: "local-first" (the default), each sender's, or "ordered", one order per conversation.
    pub bus_mode: Option<Placed<BusMode>>,
    /// How another server keeps its messages in its MongoDB, where `--audit` looks them up.
    #[serde(default)]
    pub store: FileStore,
    /// How long the simulated database takes to save; default "50ms-200ms".
    pub save_time: Option<Range<Span>>,
    /// How long the simulated database takes to read; default "20ms-50ms".
    pub read_time: Option<Range<Span>>,
}

impl Default for FileServer {
    fn default() -> Self {
        Self {
            dialect: None,
            events: None,
            delivery: None,
            one_order: yes(),
            nodes: None,
            bus_mode: None,
            store: FileStore::default(),
            save_time: None,
            read_time: None,
        }
    }
}

/// How another server keeps its messages in its MongoDB.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileStore {
    /// The collections that hold messages; default: `message2` and `messages`.
    pub collections: Option<Placed<Vec<String>>>,
    /// The field, or the path of fields, of the text; default "body".
    pub body: Option<Placed<String>>,
    /// The field, or the path of fields, of the id that clients are told; default "_id".
    pub id: Option<Placed<String>>,
    /// What that id is; default "object-id".
    pub id_type: Option<IdType>,
    /// The field, or the path of fields, of the sender's id; default "senderId", and none beside `[server.events]`.
    pub sender: Option<Placed<String>>,
    /// The same of the conversation's id; default "roomId" and "channelId", and none beside `[server.events]`.
    pub conversation: Option<Placed<String>>,
}

/// Who is there and where they talk.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePopulation {
    /// How many users; may be left out where a file says who there is: all that it has.
    #[schemars(range(min = 2, max = MOST_USERS))]
    pub users: Option<Placed<u32>>,
    /// How many rooms of two, or the file of those that there are. More than half the users put users into several of them.
    pub rooms: Option<Placed<Rooms>>,
    /// Groups of channels, or the file of those that there are.
    pub channels: Option<Placed<Channels>>,
    /// The share of users who never send, as in "90%"; default "0%".
    #[schemars(extend("not" = rules::all_of_them()))]
    pub silent: Option<Placed<Share>>,
    /// The share of users who are connected before the first phase; default "100%". The others come by `connects`.
    pub connected: Option<Placed<Share>>,
    /// The share of memberships that are joined when their users connect; default "100%". The others by `joins`.
    pub joined: Option<Placed<Share>>,
    /// New connections a second before the first phase; default: as fast as they are accepted.
    #[schemars(extend("not" = rules::not_zero()))]
    pub connect_rate: Option<Placed<Rate>>,
}

/// Channels whose sizes follow one rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileChannels {
    /// How many channels.
    #[schemars(range(max = MOST_ROOMS))]
    pub count: u32,
    /// Members of each: a number, a range, or Zipf's law.
    pub members: Placed<ChannelSize>,
    /// Whether no user is in two channels of this group.
    #[serde(default)]
    pub disjoint: bool,
}

/// How users connect, and who they say they are.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileConnections {
    /// The transport: "websocket" (the default), "polling", or "upgraded" from polling to a WebSocket.
    #[serde(default)]
    pub transport: Transport,
    /// Where a user's token comes from; default: the user's id.
    pub token: Option<Placed<FileToken>>,
    /// Where on its host the server listens; default "/socket.io/".
    #[schemars(regex(pattern = r"^/([^/?#\s\x00-\x1f][^?#\s\x00-\x1f]*)?$|\$\{"))]
    pub path: Option<Placed<String>>,
    /// What is added to the query of each request, by name.
    #[serde(default)]
    #[schemars(schema_with = "rules::query")]
    pub query: BTreeMap<String, Placed<FileText>>,
    /// What is added to the headers of each request, by name.
    #[serde(default)]
    #[schemars(schema_with = "rules::headers")]
    pub headers: BTreeMap<String, Placed<FileText>>,
    /// What users say in the Socket.IO CONNECT: a table of any shape; default { token = "{token}" }.
    pub auth: Option<Placed<FileAuth>>,
}

/// A text; a number or a switch is taken as its text.
pub(super) struct FileText(pub String);

impl<'de> Deserialize<'de> for FileText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)?.0 {
            serde_json::Value::String(text) => Ok(Self(text)),
            scalar @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => {
                Ok(Self(scalar.to_string()))
            }
            _ => Err(de::Error::custom(
                "expected a text, a number, true or false",
            )),
        }
    }
}

impl JsonSchema for FileText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FileText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Scalar::json_schema(generator)
    }
}

/// A JSON object of any shape.
pub(super) struct FileAuth(pub serde_json::Value);

impl<'de> Deserialize<'de> for FileAuth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json(value) = Json::deserialize(deserializer)?;
        match value.is_object() {
            true => Ok(Self(value)),
            false => Err(de::Error::custom(
                "expected a table, as in { token = \"{token}\" }: Socket.IO takes an object",
            )),
        }
    }
}

impl JsonSchema for FileAuth {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FileAuth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// Where a user's token comes from: a template, a secret or a file of users, or one of the two for the users of a file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 2, "not" = { "required": ["template", "secret"] }))]
pub(super) struct FileToken {
    /// A text in which {id} stands for the user's id, {index} for its number and a column of the users' file for what it says.
    pub template: Option<Placed<String>>,
    /// A file of users that the server knows, CSV of `id,token` (of `id` beside `template` or `secret`) and, below a header row, of further columns; relative to this file.
    pub file: Option<Placed<String>>,
    /// The secret that signs JSON Web Tokens (HS256) with the user's id in the claim `id`.
    #[schemars(length(min = 1))]
    pub secret: Option<Placed<String>>,
}

/// What is said.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = rules::excludes("file", &["size", "text"])))]
pub(super) struct FileMessages {
    /// Bytes of a body; default "120B".
    pub size: Option<Placed<Sizes>>,
    /// The text: of characters of one to four bytes ("mixed", the default) or of one ("ascii").
    pub text: Option<Placed<Text>>,
    /// A file of bodies, one a line, taken in turn; relative to this file.
    pub file: Option<Placed<String>>,
}

/// The text of bodies.
#[derive(Deserialize, Clone, Copy, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Text {
    /// Characters of one to four bytes, quotes and a backslash.
    Mixed,
    /// Letters, digits, blanks and plain punctuation.
    Ascii,
}

fn yes() -> bool {
    true
}

/// A stretch of time with one kind of load.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "dependencies" = {
        "steps": ["ramp_to"],
        "think_time": { "not": rules::excludes("think_time", &["rate", "ramp_to", "steps", "spike", "burst", "arrivals", "skew"]) },
    },
    "not" = {
        "required": ["measured", "thresholds"],
        "properties": { "measured": { "const": false }, "thresholds": { "minProperties": 1 } },
    },
))]
pub(super) struct FilePhase {
    /// Its name in reports, which no other phase has.
    #[schemars(regex(pattern = r"\S"))]
    pub name: Placed<String>,
    /// How long it lasts, all phases together at most 365d.
    #[schemars(extend("not" = rules::not_zero()))]
    pub duration: Placed<Span>,
    /// false for a warm-up: its messages are accounted for, its latencies are not recorded.
    #[serde(default = "yes")]
    pub measured: bool,
    /// The Zipf exponent with which conversations are chosen (open model): 0, the default, chooses all alike.
    #[schemars(range(min = 0, max = 10))]
    pub skew: Option<Placed<f64>>,
    /// The share of users who don't send in this phase, instead of the population's.
    #[schemars(extend("not" = rules::all_of_them()))]
    pub silent: Option<Placed<Share>>,
    /// Messages a second (open model); default "0/s", a pause.
    pub rate: Option<Placed<Rate>>,
    /// Messages a second at the phase's end: the rate changes linearly, or in `steps`.
    pub ramp_to: Option<Placed<Rate>>,
    /// In so many equal steps to `ramp_to`, the first at `rate`.
    #[schemars(range(min = 2, max = 10_000))]
    pub steps: Option<Placed<u32>>,
    /// Another rate for a part of the phase.
    pub spike: Option<Placed<Spike>>,
    /// Messages at once, again and again, on top of the rate.
    pub burst: Option<Placed<Burst>>,
    /// How sends are spaced: "poisson" (the default) or "uniform".
    pub arrivals: Option<Placed<Arrivals>>,
    /// Closed model instead: each user thinks so long, sends, waits for the acknowledgement, thinks again.
    #[schemars(extend("not" = rules::from_zero()))]
    pub think_time: Option<Placed<Range<Span>>>,
    /// How often a membership that is not joined is joined.
    pub joins: Option<Placed<Often>>,
    /// How often a joined membership is left.
    pub leaves: Option<Placed<Often>>,
    /// How often a joined membership is left and, after `away`, joined again.
    pub rejoins: Option<Placed<Often>>,
    /// How often a user says goodbye and, after `away`, connects again.
    pub reconnects: Option<Placed<Often>>,
    /// How often a TCP connection is cut without a goodbye; the user connects again after `away`.
    pub cuts: Option<Placed<Often>>,
    /// How often a user who was not connected yet connects.
    pub connects: Option<Placed<Often>>,
    /// How often a user stops reading for `stall`.
    pub stalls: Option<Placed<Often>>,
    /// Conditions on this phase alone.
    #[serde(default)]
    #[schemars(schema_with = "rules::phase_thresholds")]
    pub thresholds: Thresholds,
}

/// Something that breaks in mid-run and is mended again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileFault {
    /// Its name, of letters, digits, - and _: thresholds name it behind an @, as in "delivery.p99@outage".
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$|\$\{"))]
    pub name: Placed<String>,
    /// When it begins, from the start of the first phase.
    pub at: Placed<Span>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: Placed<Span>,
    /// What breaks.
    pub kind: Placed<FaultKind>,
    /// How much longer a save takes (store-slow), or what is sent is on its way (network-latency).
    pub time: Option<Placed<Span>>,
    /// How far delays are drawn around `time` (network-latency); default "0s".
    pub jitter: Option<Placed<Span>>,
    /// How delays are drawn (network-latency): "uniform" (the default), "normal" or "exponential".
    pub distribution: Option<Placed<Distribution>>,
    /// Of what it breaks: of the saves (store-…; default "100%"), of what is sent (network-loss) or of the clients (clients-…).
    pub share: Option<Placed<Share>>,
    /// MongoDB's number of the error (store-failing, default 91, and store-write-concern, default 64).
    pub code: Option<Placed<u32>>,
    /// Bytes that pass in a second (network-bandwidth, network-slow-reader).
    pub bandwidth: Option<Placed<Bandwidth>>,
    /// How long it takes until what was lost is sent again (network-loss); default "200ms".
    #[schemars(extend("not" = rules::not_zero()))]
    pub stall: Option<Placed<Span>>,
    /// Whether new connections are refused meanwhile (network-cut); default true.
    pub refuse: Option<Placed<bool>>,
    /// Between the "clients" and the server (the default), or the server and its "store" (network-…).
    pub between: Option<Placed<Between>>,
    /// Which of several servers, by its number from 1 (server-…): needed where `nodes` is more than 1.
    pub node: Option<Placed<u16>>,
}

/// Conditions on numbers of the result, as in `"delivery.p99" = "< 5ms"`.
#[derive(Default)]
pub(super) struct Thresholds(pub Vec<(Placed<String>, Placed<Condition>)>);

impl<'de> Deserialize<'de> for Thresholds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> de::Visitor<'de> for Table {
            type Value = Thresholds;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("conditions, as in { \"delivery.p99\" = \"< 5ms\" }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Thresholds, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = table.next_entry()? {
                    all.push(entry);
                }
                Ok(Thresholds(all))
            }
        }
        deserializer.deserialize_map(Table)
    }
}
