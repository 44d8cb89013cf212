//! Values that a file can write in more than one way, and values that remember where they were written.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Range as ByteRange};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};
use toml::Spanned;

use super::{
    check::MOST_ROOMS,
    file::FileChannels,
    population::{ChannelSize, Zipf},
    units::{Range, Size, Span},
};

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    /// The value that is written there.
    pub value: T,
    /// Its place among the bytes of all files.
    pub span: ByteRange<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            span: spanned.span(),
            value: spanned.into_inner(),
        })
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A value of several forms; those that it does not have are refused with [`Forms::EXPECTED`].
///
/// Tables and lists are read straight from the file: serde-untagged would forget where in them a mistake stands.
trait Forms<'de>: Sized {
    /// What the forms are, for an error.
    const EXPECTED: &'static str;

    fn number(number: u64) -> Result<Self, Cow<'static, str>> {
        Err(format!("{number}: expected {}", Self::EXPECTED).into())
    }

    fn signed(number: i64) -> Result<Self, Cow<'static, str>> {
        match u64::try_from(number) {
            Ok(number) => Self::number(number),
            Err(_) => Err(format!("{number}: expected {}", Self::EXPECTED).into()),
        }
    }

    fn float(number: f64) -> Result<Self, Cow<'static, str>> {
        Err(format!("{number}: expected {}", Self::EXPECTED).into())
    }

    fn flag(flag: bool) -> Result<Self, Cow<'static, str>> {
        Err(format!("{flag}: expected {}", Self::EXPECTED).into())
    }

    fn text(text: &str) -> Result<Self, Cow<'static, str>>;

    fn table<A: MapAccess<'de>>(table: A) -> Result<Self, A::Error>;

    fn list<A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(de::Error::custom(format_args!(
            "expected {}",
            Self::EXPECTED
        )))
    }
}

struct FormsVisitor<T>(PhantomData<T>);

impl<'de, T: Forms<'de>> de::Visitor<'de> for FormsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        T::number(number).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        T::signed(number).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        T::float(number).map_err(E::custom)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<T, E> {
        T::flag(flag).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::text(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::table(table)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
}

macro_rules! deserialize_forms {
    ($($type:ty),* $(,)?) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FormsVisitor(PhantomData))
            }
        }
    )*};
}

deserialize_forms!(ChannelSize, Rooms, Channels, Sizes, Condition, Json);

/// A value as JSON has it.
pub(super) struct Json(pub serde_json::Value);

impl<'de> Forms<'de> for Json {
    const EXPECTED: &'static str = "a text, a number, true or false, a list or a table";

    fn number(number: u64) -> Result<Self, Cow<'static, str>> {
        Ok(Self(number.into()))
    }

    fn signed(number: i64) -> Result<Self, Cow<'static, str>> {
        Ok(Self(number.into()))
    }

    fn float(number: f64) -> Result<Self, Cow<'static, str>> {
        // serde_json makes `null` of it, which is what nobody wrote.
        let number = serde_json::Number::from_f64(number)
            .ok_or_else(|| format!("{number}: JSON has no such number, write it as a text"))?;
        Ok(Self(number.into()))
    }

    fn flag(flag: bool) -> Result<Self, Cow<'static, str>> {
        Ok(Self(flag.into()))
    }

    fn text(text: &str) -> Result<Self, Cow<'static, str>> {
        Ok(Self(text.into()))
    }

    fn table<A: MapAccess<'de>>(mut table: A) -> Result<Self, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((key, Json(value))) = table.next_entry::<String, Json>()? {
            object.insert(key, value);
        }
        Ok(Self(object.into()))
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut values = Vec::new();
        while let Some(Json(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Self(values.into()))
    }
}

impl<'de> Forms<'de> for ChannelSize {
    const EXPECTED: &'static str =
        "a number of members: 50, \"10-200\", or { most = 500, least = 5, zipf = 1.1 }";

    fn number(number: u64) -> Result<Self, Cow<'static, str>> {
        u32::try_from(number)
            .map(ChannelSize::Fixed)
            .map_err(|_| format!("{number} members are too many").into())
    }

    fn text(text: &str) -> Result<Self, Cow<'static, str>> {
        let number = |text: &str| text.trim().replace('_', "").parse().ok();
        text.split_once('-')
            .and_then(|(least, most)| Some(ChannelSize::Range(number(least)?, number(most)?)))
            .ok_or_else(|| format!("{text:?}: expected {}", <Self as Forms>::EXPECTED).into())
    }

    fn table<A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        Zipf::deserialize(MapAccessDeserializer::new(table)).map(ChannelSize::Zipf)
    }
}

/// Rooms of two: how many are drawn, or the file of those that there are.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Rooms {
    Drawn(#[schemars(range(max = MOST_ROOMS))] u32),
    Listed(Listed),
}

/// Channels: groups of those that are drawn, or the file of those that there are.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Channels {
    Drawn(Vec<FileChannels>),
    Listed(Listed),
}

/// Conversations that the server has already.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// CSV: a conversation's id and its users, one or more in a line; relative to this file.
    pub file: Placed<String>,
}

impl<'de> Forms<'de> for Rooms {
    const EXPECTED: &'static str =
        "a number of rooms, or { file = \"rooms.csv\" }: a room's id and its two users in a line";

    fn number(number: u64) -> Result<Self, Cow<'static, str>> {
        u32::try_from(number)
            .map(Rooms::Drawn)
            .map_err(|_| format!("{number} rooms are too many").into())
    }

    fn text(text: &str) -> Result<Self, Cow<'static, str>> {
        Err(format!("{text:?}: expected {}", Self::EXPECTED).into())
    }

    fn table<A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        Listed::deserialize(MapAccessDeserializer::new(table)).map(Rooms::Listed)
    }
}

impl<'de> Forms<'de> for Channels {
    const EXPECTED: &'static str = "groups of channels, as in [{ count = 1, members = 10 }], or { file = \"channels.csv\" }: a channel's id and a user in a line";

    fn text(text: &str) -> Result<Self, Cow<'static, str>> {
        Err(format!("{text:?}: expected {}", Self::EXPECTED).into())
    }

    fn table<A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        Listed::deserialize(MapAccessDeserializer::new(table)).map(Channels::Listed)
    }

    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Channels::Drawn)
    }
}

/// Sizes of bodies: `"120B"`, `"40B-2KiB"`, `{ median = "120B", p99 = "2KiB" }`, or ranges with weights.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Sizes {
    Range(Range<Size>),
    LogNormal(LogNormalSizes),
    /// Ranges of sizes, each taken as often as its weight says.
    Weighted(#[schemars(length(min = 1))] Vec<WeightedSize>),
}

/// Log-normal, as the lengths of what people write are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogNormalSizes {
    /// Half of the bodies are shorter.
    pub median: Placed<Size>,
    /// One body in a hundred is longer.
    pub p99: Placed<Size>,
}

/// A size or a range of sizes, and how often it is taken.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightedSize {
    /// A size, or a range from which it is drawn evenly.
    pub size: Placed<Range<Size>>,
    /// How often, in relation to the other weights, which need no common sum.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub weight: Placed<f64>,
}

impl<'de> Forms<'de> for Sizes {
    const EXPECTED: &'static str = "text with a unit, as in \"120B\" or \"40B-2KiB\", or { median = \"120B\", p99 = \"2KiB\" }, or [{ size = \"40B\", weight = 7 }, …]";

    fn text(text: &str) -> Result<Self, Cow<'static, str>> {
        Ok(Sizes::Range(text.parse()?))
    }

    fn table<A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        LogNormalSizes::deserialize(MapAccessDeserializer::new(table)).map(Sizes::LogNormal)
    }

    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Sizes::Weighted)
    }
}

/// The right side of a threshold: `"< 5ms"`, or `{ condition = "< 5ms", abort_after = "10s" }`.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    Plain(String),
    Aborting(AbortingCondition),
}

/// A condition that ends the run when it is missed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AbortingCondition {
    /// The condition, as in `"< 5ms"`, `">= 99%"` or `"== 0"`.
    pub condition: Placed<String>,
    /// So long after the first measured message, a missed condition ends the run.
    pub abort_after: Option<Placed<Span>>,
}

impl Condition {
    /// When a miss ends the run, if it does.
    pub(super) fn abort_after(&self) -> Option<&Placed<Span>> {
        match self {
            Condition::Plain(_) => None,
            Condition::Aborting(table) => table.abort_after.as_ref(),
        }
    }
}

impl<'de> Forms<'de> for Condition {
    const EXPECTED: &'static str =
        "a condition, as in \"< 5ms\", or { condition = \"< 5ms\", abort_after = \"10s\" }";

    fn text(text: &str) -> Result<Self, Cow<'static, str>> {
        Ok(Condition::Plain(text.to_owned()))
    }

    fn table<A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        AbortingCondition::deserialize(MapAccessDeserializer::new(table)).map(Condition::Aborting)
    }
}
