//! Checks of who is there: enough people for every room and channel, and somebody who talks.

use std::ops::Range as ByteRange;

use super::{Checker, connections::Listing, conversations::Roll};
use crate::{
    model::Kind,
    scenario::{
        ChannelGroup, ChannelSize, Existing, KnownUser, Located, Population, Rate, Share, Span,
        Zipf,
        file::{FileChannels, FilePopulation},
        written::{Channels, Placed, Rooms},
    },
};

/// A plan holds all users at once; so many fit a machine's memory, and no run comes near.
pub(in crate::scenario) const MOST_USERS: u32 = 10_000_000;
/// So many memberships likewise.
const MOST_MEMBERSHIPS: u64 = 100_000_000;
/// With two members each.
pub(in crate::scenario) const MOST_ROOMS: u32 = (MOST_MEMBERSHIPS / 2) as u32;

impl Checker<'_> {
    /// Who is there and where they talk; and the users by name, where files say who there is.
    pub(super) fn population(
        &mut self,
        file: Placed<FilePopulation>,
        listing: Option<Listing>,
    ) -> Result<(Population, Vec<KnownUser>), Located> {
        let Placed { value: file, span } = file;
        let roll = self.roll(&file, listing)?;
        let (existing, roll) = self.existing_ones(&file, roll)?;
        let users = match &file.users {
            Some(users) => users.clone(),
            // Nobody is named where all are drawn.
            None if roll.users.is_empty() => {
                let what = "missing field `users`: how many there are, or files that say who (`token = { file = … }`, `rooms = { file = … }`)";
                return Err(self.wrong(&span, what));
            }
            None => Placed {
                value: roll.users.len() as u32,
                span: span.clone(),
            },
        };
        if !roll.users.is_empty() && roll.users.len() != users.value as usize {
            return Err(self.wrong(
                &users.span,
                format!(
                    "the files of rooms and channels name {} users, and `users` says {}: leave `users` out",
                    roll.users.len(),
                    users.value
                ),
            ));
        }
        let too_few = "at least 2 users: a delivery needs a sender and a recipient";
        self.demand(users.value >= 2, &users.span, too_few)?;
        let too_many = format!("at most {MOST_USERS} users fit a run");
        self.demand(users.value <= MOST_USERS, &users.span, too_many)?;
        let rooms = self.drawn_rooms(&file, users.value)?;
        let mut memberships = u64::from(rooms) * 2;
        let channels = match file.channels.map(|channels| channels.value) {
            None | Some(Channels::Listed(_)) => Vec::new(),
            Some(Channels::Drawn(groups)) => groups
                .into_iter()
                .map(|group| self.channel_group(group, users.value, &mut memberships))
                .collect::<Result<_, _>>()?,
        };
        let share = |share: &Option<Placed<Share>>, default: f64| {
            share.as_ref().map_or(default, |share| share.value.0)
        };
        let population = Population {
            users: users.value,
            existing,
            rooms,
            channels,
            silent: self.silent(&file.silent)?.unwrap_or(0.0),
            connected: share(&file.connected, 1.0),
            joined: share(&file.joined, 1.0),
            connect_rate: file.connect_rate.as_ref().map(|rate| rate.value),
        };
        self.all_connect(&population, &file.connect_rate)?;
        self.demand(
            population.has(Kind::Room) || population.has(Kind::Channel),
            &users.span,
            "nobody can talk: add `rooms = 1` or more, or `channels = [{ count = 1, members = 10 }]`",
        )?;
        Ok((population, roll.users))
    }

    /// Everybody who is there from the start comes before a run can be long enough.
    fn all_connect(
        &self,
        population: &Population,
        rate: &Option<Placed<Rate>>,
    ) -> Result<(), Located> {
        let Some(Placed { value, span }) = rate else {
            return Ok(());
        };
        let never = "nobody would ever connect: more than \"0/s\"";
        self.demand(value.0 != 0.0, span, never)?;
        let last = population.connecting().unwrap_or_default();
        let days = last.as_secs_f64() / 86_400.0;
        let late = format!(
            "the last user would connect after {days:.0} days: raise it, so that all are there within 365d"
        );
        self.demand(last <= Span::LONGEST.0, span, late)
    }

    /// Who can be a member of what a file says: of the users' file as many as the population has.
    fn roll(&self, file: &FilePopulation, listing: Option<Listing>) -> Result<Roll, Located> {
        let Some(mut listing) = listing else {
            return Ok(Roll::of(None));
        };
        let there = listing.users.len();
        if let Some(users) = &file.users {
            self.demand(
                there >= users.value as usize,
                &listing.span,
                format!(
                    "the file has {there} users, and the population {}",
                    users.value
                ),
            )?;
            listing.users.truncate(users.value as usize);
        }
        self.demand(there > 0, &listing.span, "the file has no user")?;
        Ok(Roll::of(Some(listing.users)))
    }

    /// Rooms and channels that are there already, and who is named with them.
    fn existing_ones(
        &mut self,
        file: &FilePopulation,
        mut roll: Roll,
    ) -> Result<(Vec<Existing>, Roll), Located> {
        let mut existing = Vec::new();
        if let Some(Rooms::Listed(listed)) = file.rooms.as_ref().map(|rooms| &rooms.value) {
            existing.extend(self.existing(Kind::Room, listed, &mut roll)?);
        }
        let channels = file.channels.as_ref();
        if let Some(Channels::Listed(listed)) = channels.map(|channels| &channels.value) {
            existing.extend(self.existing(Kind::Channel, listed, &mut roll)?);
        }
        Ok((existing, roll))
    }

    fn drawn_rooms(&self, file: &FilePopulation, users: u32) -> Result<u32, Located> {
        let Some(Placed {
            value: Rooms::Drawn(rooms),
            span,
        }) = &file.rooms
        else {
            return Ok(0);
        };
        let pairs = u64::from(users) * u64::from(users - 1) / 2;
        let too_many = format!("{users} users make at most {pairs} different rooms of two");
        self.demand(u64::from(*rooms) <= pairs, span, too_many)?;
        self.memberships_fit(u64::from(*rooms) * 2, span)?;
        Ok(*rooms)
    }

    fn memberships_fit(&self, memberships: u64, span: &ByteRange<usize>) -> Result<(), Located> {
        let too_many =
            format!("at most {MOST_MEMBERSHIPS} memberships fit a run: with these there are more");
        self.demand(memberships <= MOST_MEMBERSHIPS, span, too_many)
    }

    /// A share of silent users that leaves somebody to talk.
    pub(super) fn silent(&self, silent: &Option<Placed<Share>>) -> Result<Option<f64>, Located> {
        let Some(Placed { value, span }) = silent else {
            return Ok(None);
        };
        let everybody = "nobody would be left to send: less than \"100%\", or a phase of \"0/s\"";
        self.demand(value.0 < 1.0, span, everybody)?;
        Ok(Some(value.0))
    }

    /// A group of channels that fits, added to all memberships before it.
    fn channel_group(
        &self,
        group: FileChannels,
        users: u32,
        memberships: &mut u64,
    ) -> Result<ChannelGroup, Located> {
        let fits = |members: u32| (2..=users).contains(&members);
        let span = &group.members.span;
        let wrong = |message: String| Err(self.wrong(span, message));
        let allowed = format!("a channel has 2 to {users} members (`users`)");
        match group.members.value {
            ChannelSize::Range(least, most) if least > most => {
                wrong(format!("an empty range: {most} is less than {least}"))
            }
            ChannelSize::Zipf(Zipf { most, least, .. }) if least > most => {
                wrong(format!("the least, {least}, is more than the most, {most}"))
            }
            ChannelSize::Zipf(Zipf { zipf, .. }) if !(0.0..=10.0).contains(&zipf) => {
                wrong("`zipf` is an exponent from 0 to 10".to_owned())
            }
            ChannelSize::Fixed(members) if !fits(members) => wrong(allowed),
            ChannelSize::Range(least, most) | ChannelSize::Zipf(Zipf { least, most, .. })
                if !(fits(least) && fits(most)) =>
            {
                wrong(allowed)
            }
            members => {
                let group = ChannelGroup {
                    count: group.count,
                    members,
                    disjoint: group.disjoint,
                };
                // Each has two or more: of far too many, the sizes need not be looked at one by one.
                let least = u64::from(group.count) * 2;
                self.memberships_fit(memberships.saturating_add(least), span)?;
                let most = most_members(&group);
                *memberships = memberships.saturating_add(most);
                self.memberships_fit(*memberships, span)?;
                match group.disjoint && most > u64::from(users) {
                    true => wrong(format!(
                        "{} channels that share no member have up to {most} members, and there are {users} users",
                        group.count
                    )),
                    false => Ok(group),
                }
            }
        }
    }
}

/// All memberships of a group together, where each channel is as large as it can be.
fn most_members(group: &ChannelGroup) -> u64 {
    let largest = match group.members {
        ChannelSize::Fixed(members) | ChannelSize::Range(_, members) => members,
        ChannelSize::Zipf(zipf) => {
            return (1..=group.count)
                .map(|rank| u64::from(zipf.members(rank)))
                .sum();
        }
    };
    u64::from(group.count) * u64::from(largest)
}
