//! Checks of who is there: enough people for every room and channel, and somebody who talks.

use super::Checker;
use crate::scenario::{
    ChannelGroup, ChannelSize, Located, Population, Share, Zipf,
    file::{FileChannels, FilePopulation},
    written::Placed,
};

impl Checker<'_> {
    pub(super) fn population(&self, file: FilePopulation) -> Result<Population, Located> {
        let users = file.users.value;
        let too_few = "at least 2 users: a delivery needs a sender and a recipient";
        self.demand(users >= 2, &file.users.span, too_few)?;
        let rooms = file.rooms.as_ref().map_or(0, |rooms| rooms.value);
        let pairs = u64::from(users) * u64::from(users - 1) / 2;
        if let Some(Placed { value, span }) = &file.rooms {
            let too_many = format!("{users} users make at most {pairs} different rooms of two");
            self.demand(u64::from(*value) <= pairs, span, too_many)?;
        }
        let channels = file
            .channels
            .into_iter()
            .map(|group| self.channel_group(group, users))
            .collect::<Result<Vec<_>, _>>()?;
        self.demand(
            rooms > 0 || channels.iter().any(|group| group.count > 0),
            &file.users.span,
            "nobody can talk: add `rooms = 1` or more, or `channels = [{ count = 1, members = 10 }]`",
        )?;
        if let Some(Placed { value, span }) = &file.connect_rate {
            let never = "nobody would ever connect: more than \"0/s\"";
            self.demand(value.0 != 0.0, span, never)?;
        }
        let share = |share: &Option<Placed<Share>>, default: f64| {
            share.as_ref().map_or(default, |share| share.value.0)
        };
        Ok(Population {
            users,
            rooms,
            channels,
            silent: self.silent(&file.silent)?.unwrap_or(0.0),
            connected: share(&file.connected, 1.0),
            joined: share(&file.joined, 1.0),
            connect_rate: file.connect_rate.map(|rate| rate.value),
        })
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

    fn channel_group(&self, group: FileChannels, users: u32) -> Result<ChannelGroup, Located> {
        let fits = |members: u32| (2..=users).contains(&members);
        let wrong = |message: String| Err(self.wrong(&group.members.span, message));
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
                let most = most_members(&group);
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
