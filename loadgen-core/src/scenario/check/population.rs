//! Checks of who is there: enough people for every room and channel, and somebody who talks.

use super::Checker;
use crate::scenario::{
    ChannelGroup, ChannelSize, Located, Population, Share,
    file::{FileChannels, FilePopulation},
    written::{Members, Placed, ZipfMembers},
};

impl Checker<'_> {
    pub(super) fn population(&self, file: FilePopulation) -> Result<Population, Located> {
        let users = file.users.value;
        if users < 2 {
            return Err(self.wrong(
                &file.users.span,
                "at least 2 users: a delivery needs a sender and a recipient",
            ));
        }
        let rooms = file.rooms.as_ref().map_or(0, |rooms| rooms.value);
        let pairs = u64::from(users) * u64::from(users - 1) / 2;
        if let Some(rooms) = &file.rooms
            && u64::from(rooms.value) > pairs
        {
            return Err(self.wrong(
                &rooms.span,
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
                &file.users.span,
                "nobody can talk: add `rooms = 1` or more, or `channels = [{ count = 1, members = 10 }]`",
            ));
        }
        let connect_rate = match file.connect_rate {
            Some(rate) if rate.value.0 == 0.0 => {
                return Err(self.wrong(&rate.span, "nobody would ever connect: more than \"0/s\""));
            }
            rate => rate.map(|rate| rate.value),
        };
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
            connect_rate,
        })
    }

    /// A share of silent users that leaves somebody to talk.
    pub(super) fn silent(&self, silent: &Option<Placed<Share>>) -> Result<Option<f64>, Located> {
        match silent {
            Some(silent) if silent.value.0 >= 1.0 => Err(self.wrong(
                &silent.span,
                "nobody would be left to send: less than \"100%\", or a phase of \"0/s\"",
            )),
            silent => Ok(silent.as_ref().map(|silent| silent.value.0)),
        }
    }

    fn channel_group(&self, group: FileChannels, users: u32) -> Result<ChannelGroup, Located> {
        let fits = |members: u32| (2..=users).contains(&members);
        let wrong = |message: String| Err(self.wrong(&group.members.span, message));
        let allowed = format!("a channel has 2 to {users} members (`users`)");
        let members = match group.members.value {
            Members::Fixed(members) if fits(members) => ChannelSize::Fixed(members),
            Members::Range(least, most) if least > most => {
                return wrong(format!("an empty range: {most} is less than {least}"));
            }
            Members::Range(least, most) if fits(least) && fits(most) => {
                ChannelSize::Range { least, most }
            }
            Members::Zipf(ZipfMembers { most, least, .. }) if least > most => {
                return wrong(format!("the least, {least}, is more than the most, {most}"));
            }
            Members::Zipf(ZipfMembers { zipf, .. }) if !(0.0..=10.0).contains(&zipf) => {
                return wrong("`zipf` is an exponent from 0 to 10".to_owned());
            }
            Members::Zipf(ZipfMembers { most, least, zipf }) if fits(least) && fits(most) => {
                ChannelSize::Zipf {
                    least,
                    most,
                    exponent: zipf,
                }
            }
            _ => return wrong(allowed),
        };
        Ok(ChannelGroup {
            count: group.count,
            members,
        })
    }
}
