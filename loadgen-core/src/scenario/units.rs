//! Values with units, as a scenario file writes them: `"10s"`, `"200/s"`, `"1KiB"`, `"99%"`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A duration with its unit: `"10s"`, `"1m 30s"`, `"250ms"`, `"5us"`; [`Span::LONGEST`] at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// No run is longer, and nobody waits longer: sums of such times stay far below what 64 bits of nanoseconds hold.
    pub const LONGEST: Self = Self(Duration::from_secs(365 * 24 * 60 * 60));
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let too_long = || format!("{text:?} is too long: at most 365d");
        match humantime::parse_duration(text.trim()).map(Span) {
            Ok(span) if span > Self::LONGEST => Err(too_long()),
            Ok(span) => Ok(span),
            Err(humantime::DurationError::NumberOverflow) => Err(too_long()),
            Err(_) => Err(format!(
                "{text:?} is not a duration: write a number and a unit, as in \"10s\", \"1m 30s\" or \"250ms\""
            )),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// How often people come or go: `"1/s"`, or `"10% of users"` in the course of a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Often {
    /// So many a second.
    Rate(Rate),
    /// So many of the users in the whole phase.
    Users(Share),
}

impl Often {
    /// How many a second, of so many users in a phase of that length.
    pub fn per_second(self, users: u32, length: Duration) -> f64 {
        match self {
            Often::Rate(rate) => rate.0,
            Often::Users(share) => share.0 * f64::from(users) / length.as_secs_f64(),
        }
    }

    /// Whether nobody ever does it.
    pub fn is_never(self) -> bool {
        matches!(self, Often::Rate(Rate(often)) | Often::Users(Share(often)) if often == 0.0)
    }
}

impl FromStr for Often {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((percent, of)) = text.split_once('%') else {
            return text.parse().map(Often::Rate);
        };
        match of.split_whitespace().collect::<Vec<_>>()[..] {
            [] | ["of", "users"] => format!("{}%", percent.trim()).parse().map(Often::Users),
            _ => Err(format!(
                "{text:?} is no share of users: write \"10% of users\", or a rate, as in \"1/s\""
            )),
        }
    }
}

/// Events per second: `"200/s"`, `"30/min"`, `"0.5/s"`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a rate: write a number per second, minute or hour, as in \"200/s\", \"30/min\" or \"10/h\""
            )
        };
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match per.trim() {
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let count: f64 = count.trim().replace('_', "").parse().map_err(|_| wrong())?;
        if !count.is_finite() || count < 0.0 {
            return Err(format!("{text:?} is not a rate: it must be zero or more"));
        }
        Ok(Rate(count / seconds))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// A size in bytes: `"120B"`, `"2KiB"`, `"1MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u32);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a size: write a whole number and a unit, as in \"120B\", \"2KiB\" or \"1MiB\""
            )
        };
        let text_trimmed = text.trim();
        let digits = text_trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .ok_or_else(wrong)?;
        let (count, unit) = text_trimmed.split_at(digits);
        let factor: u32 = match unit.trim() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => return Err(wrong()),
        };
        let count: u32 = count.replace('_', "").parse().map_err(|_| wrong())?;
        count.checked_mul(factor).map(Size).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}B"),
        }
    }
}

/// Bytes that pass in a second: `"64KiB/s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bandwidth(pub u64);

impl FromStr for Bandwidth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.trim().strip_suffix("/s").map(str::parse::<Size>);
        match size {
            Some(Ok(Size(bytes))) => Ok(Bandwidth(bytes.into())),
            _ => Err(format!(
                "{text:?} is no bandwidth: write a size a second, as in \"64KiB/s\" or \"1MiB/s\""
            )),
        }
    }
}

/// A share: `"20%"` or `"0.5%"`, kept as a fraction of one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a share: write a percentage from \"0%\" to \"100%\"");
        let percent: f64 = text
            .trim()
            .strip_suffix('%')
            .ok_or_else(wrong)?
            .trim()
            .parse()
            .map_err(|_| wrong())?;
        if (0.0..=100.0).contains(&percent) {
            Ok(Share(percent / 100.0))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

/// A fixed value or a range of them: `"120B"`, `"40B-2KiB"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range<T> {
    /// The smallest value.
    pub low: T,
    /// The largest value, itself included.
    pub high: T,
}

impl<T: Copy> Range<T> {
    /// One value alone.
    pub const fn fixed(value: T) -> Self {
        Self {
            low: value,
            high: value,
        }
    }
}

impl Range<Span> {
    /// From the one time to the other.
    pub const fn milliseconds(low: u64, high: u64) -> Self {
        Self {
            low: Span(Duration::from_millis(low)),
            high: Span(Duration::from_millis(high)),
        }
    }
}

impl<T: FromStr<Err = String> + Copy + PartialOrd + fmt::Display> FromStr for Range<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (low, high) = match text.split_once('-') {
            Some((low, high)) => (low.parse()?, high.parse()?),
            None => return text.parse().map(Range::fixed),
        };
        if high < low {
            return Err(format!(
                "{text:?} is an empty range: {high} is less than {low}"
            ));
        }
        Ok(Range { low, high })
    }
}

impl<T: fmt::Display + PartialEq> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            self.low.fmt(f)
        } else {
            write!(f, "{}-{}", self.low, self.high)
        }
    }
}

/// Deserializes through `FromStr`, and says what to write where a bare number stands.
macro_rules! deserialize_from_text {
    ($($type:ty => $example:literal, $name:literal, $pattern:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("text with a unit, as in ", $example))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Text)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                // A variable can stand anywhere in it; what comes out is known when the file is read.
                json_schema!({
                    "type": "string",
                    "pattern": concat!(r"^\s*(", $pattern, r")\s*$|\$\{"),
                })
            }
        }
    )*};
}

/// One or more numbers with units, of those that humantime reads.
macro_rules! span_pattern {
    () => {
        r"([0-9]+(\.[0-9]+)?\s*(ns|us|µs|ms|s|sec|second|seconds|m|min|minute|minutes|h|hour|hours|d|day|days)\s*)+"
    };
}

macro_rules! size_pattern {
    () => {
        r"[0-9][0-9_]*\s*(B|KiB|MiB)"
    };
}

macro_rules! share_pattern {
    () => {
        r"[0-9]+(\.[0-9]+)?\s*%"
    };
}

/// A duration, as a pattern.
pub(super) const SPAN: &str = span_pattern!();
/// A share, as a pattern.
pub(super) const SHARE: &str = share_pattern!();

deserialize_from_text! {
    Span => "\"10s\"", "Span", span_pattern!();
    Rate => "\"200/s\"", "Rate", r"[0-9][0-9_]*(\.[0-9_]+)?\s*/\s*(s|sec|m|min|h)";
    Often => "\"1/s\" or \"10% of users\"", "Often", r"[0-9][0-9_]*(\.[0-9_]+)?\s*(/\s*(s|sec|m|min|h)|%(\s*of\s+users)?)";
    Size => "\"120B\"", "Size", size_pattern!();
    Bandwidth => "\"64KiB/s\"", "Bandwidth", concat!(size_pattern!(), r"\s*/s");
    Share => "\"20%\"", "Share", share_pattern!();
    Range<Size> => "\"120B\" or \"40B-2KiB\"", "Sizes", concat!(size_pattern!(), r"(\s*-\s*", size_pattern!(), ")?");
    Range<Span> => "\"10s\" or \"1s-5s\"", "Spans", concat!(span_pattern!(), r"(\s*-\s*", span_pattern!(), ")?");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_their_units() {
        assert_eq!("1m 30s".parse(), Ok(Span(Duration::from_secs(90))));
        assert_eq!("30/min".parse(), Ok(Rate(0.5)));
        assert_eq!("2KiB".parse(), Ok(Size(2048)));
        assert_eq!("20%".parse(), Ok(Share(0.2)));
        assert_eq!("64KiB/s".parse(), Ok(Bandwidth(65_536)));
        assert_eq!(
            "40B-2KiB".parse(),
            Ok(Range {
                low: Size(40),
                high: Size(2048)
            })
        );
    }

    #[test]
    fn a_size_is_written_as_it_is_read() {
        for text in ["120B", "2KiB", "1MiB", "1025B", "0B"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_value_without_its_unit_says_what_to_write() {
        for (error, example) in [
            ("10".parse::<Span>().unwrap_err(), "\"10s\""),
            ("200".parse::<Rate>().unwrap_err(), "\"200/s\""),
            ("120".parse::<Size>().unwrap_err(), "\"120B\""),
            ("64KiB".parse::<Bandwidth>().unwrap_err(), "\"64KiB/s\""),
            ("20".parse::<Share>().unwrap_err(), "\"100%\""),
        ] {
            assert!(error.contains(example), "{error}");
        }
    }

    #[test]
    fn nothing_lasts_longer_than_a_year() {
        assert_eq!("365d".parse(), Ok(Span::LONGEST));
        let longer = [
            "366d",
            "600y",
            "18446744073709551615s",
            "99999999999999999999s",
        ];
        for text in longer {
            let error = text.parse::<Span>().unwrap_err();
            assert_eq!(error, format!("{text:?} is too long: at most 365d"));
        }
    }

    #[test]
    fn impossible_numbers_are_refused() {
        assert!("-1/s".parse::<Rate>().is_err());
        assert!("101%".parse::<Share>().is_err());
        assert!("9999MiB".parse::<Size>().is_err());
        assert!("2KiB-40B".parse::<Range<Size>>().is_err());
        assert!("inf/s".parse::<Rate>().is_err());
    }
}
