//! The scenario file as TOML writes it, and the checks that turn it into a [`Scenario`].

use std::{collections::BTreeMap, ops::Range as ByteRange, path::Path, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Arrivals, Behaviour, BodyText, ChannelGroup, ChannelSize, Churn, Connections, Delivery,
    Dialect, Load, Located, Messages, Open, Phase, Population, Scenario, Sizes, Threshold, hash,
    parse_condition, parse_subject,
    units::{Range, Rate, Size, Span},
};
use crate::body;

/// The version of the file format that this program reads.
const VERSION: u32 = 1;
/// Message numbers have 32 bits; so many fit, and no run of one machine comes near.
const MOST_MESSAGES: f64 = 1e9;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    name: Spanned<String>,
    question: String,
    #[serde(default = "default_seed")]
    seed: u64,
    #[serde(default)]
    server: Server,
    population: FilePopulation,
    #[serde(default)]
    messages: FileMessages,
    phases: Spanned<Vec<FilePhase>>,
    #[serde(default = "default_drain")]
    drain: Span,
    #[serde(default)]
    thresholds: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Server {
    #[serde(default)]
    dialect: Dialect,
    delivery: Option<Spanned<Vec<Delivery>>>,
    save_time: Option<Range<Span>>,
    read_time: Option<Range<Span>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePopulation {
    users: Spanned<u32>,
    #[serde(default)]
    rooms: Option<Spanned<u32>>,
    #[serde(default)]
    channels: Vec<FileChannels>,
    connect_rate: Option<Spanned<Rate>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileChannels {
    count: u32,
    members: Spanned<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileMessages {
    size: Option<Spanned<Range<Size>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePhase {
    name: String,
    duration: Spanned<Span>,
    rate: Spanned<Rate>,
    ramp_to: Option<Rate>,
    #[serde(default)]
    arrivals: Arrivals,
    #[serde(default = "measured")]
    measured: bool,
}

fn default_seed() -> u64 {
    1
}

/// Longer than the server's own save deadline (10 s), so that a late Failed is still seen.
fn default_drain() -> Span {
    Span(Duration::from_secs(15))
}

fn measured() -> bool {
    true
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Scenario, Located> {
    let checker = Checker {
        file: path.display().to_string(),
        text,
    };
    let file: File = toml::from_str(text)
        .map_err(|error| checker.wrong(error.span().unwrap_or(0..0), error.message().to_owned()))?;
    if *file.version.get_ref() != VERSION {
        return Err(checker.wrong(
            file.version.span(),
            format!("this program reads scenario files of version {VERSION}"),
        ));
    }
    Ok(Scenario {
        path: path.to_owned(),
        hash: hash(text),
        name: checker.name(file.name)?,
        question: file.question,
        seed: file.seed,
        dialect: file.server.dialect,
        events: None,
        variables: BTreeMap::new(),
        delivery: checker.delivery(file.server.delivery)?,
        save_time: file.server.save_time.unwrap_or(milliseconds(50, 200)),
        read_time: file.server.read_time.unwrap_or(milliseconds(20, 50)),
        population: checker.population(file.population)?,
        connections: Connections::default(),
        messages: Messages {
            size: Sizes::Range(checker.message_size(file.messages.size)?),
            text: BodyText::default(),
        },
        behaviour: Behaviour {
            away: seconds(1, 3),
            stall: seconds(5, 10),
        },
        phases: checker.phases(file.phases)?,
        drain: file.drain.0,
        thresholds: checker.thresholds(file.thresholds)?,
    })
}

fn milliseconds(low: u64, high: u64) -> Range<Span> {
    Range {
        low: Span(Duration::from_millis(low)),
        high: Span(Duration::from_millis(high)),
    }
}

fn seconds(low: u64, high: u64) -> Range<Span> {
    milliseconds(low * 1_000, high * 1_000)
}

/// Knows where a value stands, so that every mistake can be shown in place.
struct Checker<'a> {
    file: String,
    text: &'a str,
}

impl Checker<'_> {
    fn wrong(&self, span: ByteRange<usize>, message: impl Into<String>) -> Located {
        Located::at(&self.file, self.text, span, message)
    }

    fn name(&self, name: Spanned<String>) -> Result<String, Located> {
        let valid = !name.get_ref().is_empty()
            && name
                .get_ref()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if valid {
            Ok(name.into_inner())
        } else {
            Err(self.wrong(
                name.span(),
                "a name has letters, digits, - and _ only: result files are named after it",
            ))
        }
    }

    fn delivery(&self, delivery: Option<Spanned<Vec<Delivery>>>) -> Result<Vec<Delivery>, Located> {
        match delivery {
            None => Ok(vec![Delivery::Optimistic]),
            Some(modes) if modes.get_ref().is_empty() => Err(self.wrong(
                modes.span(),
                "name at least one delivery: \"optimistic\" or \"persist-first\"",
            )),
            Some(modes) => Ok(modes.into_inner()),
        }
    }

    fn population(&self, file: FilePopulation) -> Result<Population, Located> {
        let users = *file.users.get_ref();
        if users < 2 {
            return Err(self.wrong(
                file.users.span(),
                "at least 2 users: a delivery needs a sender and a recipient",
            ));
        }
        let rooms = file.rooms.as_ref().map_or(0, |rooms| *rooms.get_ref());
        let pairs = u64::from(users) * u64::from(users - 1) / 2;
        if let Some(rooms) = &file.rooms
            && u64::from(*rooms.get_ref()) > pairs
        {
            return Err(self.wrong(
                rooms.span(),
                format!("{users} users make at most {pairs} different rooms of two"),
            ));
        }
        let channels = file
            .channels
            .into_iter()
            .map(|group| self.channel_group(group, users))
            .collect::<Result<Vec<_>, _>>()?;
        if rooms == 0 && channels.iter().all(|group| group.count == 0) {
            return Err(self.wrong(
                file.users.span(),
                "nobody can talk: add `rooms = 1` or more, or `channels = [{ count = 1, members = 10 }]`",
            ));
        }
        let connect_rate = match file.connect_rate {
            Some(rate) if rate.get_ref().0 == 0.0 => {
                return Err(self.wrong(rate.span(), "nobody would ever connect: more than \"0/s\""));
            }
            rate => rate.map(Spanned::into_inner),
        };
        Ok(Population {
            users,
            rooms,
            channels,
            silent: 0.0,
            connected: 1.0,
            joined: 1.0,
            connect_rate,
        })
    }

    fn channel_group(&self, group: FileChannels, users: u32) -> Result<ChannelGroup, Located> {
        let members = *group.members.get_ref();
        if !(2..=users).contains(&members) {
            return Err(self.wrong(
                group.members.span(),
                format!("a channel has 2 to {users} members (`users`)"),
            ));
        }
        Ok(ChannelGroup {
            count: group.count,
            members: ChannelSize::Fixed(members),
        })
    }

    fn message_size(&self, size: Option<Spanned<Range<Size>>>) -> Result<Range<Size>, Located> {
        let Some(size) = size else {
            return Ok(Range {
                low: Size(120),
                high: Size(120),
            });
        };
        let (least, most) = (body::LEAST_BYTES, body::MOST_BYTES);
        if (size.get_ref().low.0 as usize) < least || size.get_ref().high.0 as usize > most {
            return Err(self.wrong(
                size.span(),
                format!(
                    "a body has {least}B to {most}B: its first {least} bytes say which message it is"
                ),
            ));
        }
        Ok(size.into_inner())
    }

    fn phases(&self, phases: Spanned<Vec<FilePhase>>) -> Result<Vec<Phase>, Located> {
        let span = phases.span();
        let phases = phases.into_inner();
        if !phases.iter().any(|phase| phase.measured) {
            return Err(self.wrong(
                span,
                "nothing would be measured: at least one phase without `measured = false`",
            ));
        }
        let mut messages = 0.0;
        phases
            .into_iter()
            .map(|phase| {
                let duration = phase.duration.get_ref().0;
                if duration.is_zero() {
                    return Err(self.wrong(phase.duration.span(), "a phase lasts longer than 0s"));
                }
                let rate = phase.rate.get_ref().0;
                let ramp_to = phase.ramp_to.map_or(rate, |rate| rate.0);
                messages += (rate + ramp_to) / 2.0 * duration.as_secs_f64();
                if messages > MOST_MESSAGES {
                    return Err(self.wrong(
                        phase.rate.span(),
                        format!(
                            "{messages:.0} messages by the end of this phase; at most {MOST_MESSAGES:.0} fit a run"
                        ),
                    ));
                }
                Ok(Phase {
                    name: phase.name,
                    duration,
                    load: Load::Open(Open {
                        rate,
                        ramp_to,
                        arrivals: phase.arrivals,
                        ..Open::default()
                    }),
                    skew: 0.0,
                    silent: None,
                    churn: Churn::default(),
                    measured: phase.measured,
                    thresholds: Vec::new(),
                })
            })
            .collect()
    }

    fn thresholds(
        &self,
        file: BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> Result<Vec<Threshold>, Located> {
        let mut thresholds = file
            .into_iter()
            .map(|(key, condition)| {
                let subject = parse_subject(key.get_ref())
                    .map_err(|message| self.wrong(key.span(), message))?;
                let threshold = parse_condition(subject, condition.get_ref())
                    .map_err(|message| self.wrong(condition.span(), message))?;
                Ok((key.span().start, threshold))
            })
            .collect::<Result<Vec<_>, Located>>()?;
        thresholds.sort_by_key(|(place, _)| *place);
        Ok(thresholds
            .into_iter()
            .map(|(_, threshold)| threshold)
            .collect())
    }
}
