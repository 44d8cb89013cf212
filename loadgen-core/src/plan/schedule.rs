//! The walk through time: who sends what where, who comes and goes, drawn so that everybody who acts is there.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Action, Deed, Plan, PlanError, PlannedPhase, Send, Stream,
    draws::{self, BodySizes, Popularity},
    population::portion,
};
use crate::{
    model::{BodyText, Nanos, body, nanos},
    plan::arrivals,
    scenario::{ClientDamage, Damage, Load, Phase, Range, Scenario, Span},
};

/// Somebody who connects is given so long to be connected and to have joined before the plan counts on it: in a storm
/// of connects that takes its time, and a message that nobody can send is dropped.
const CONNECTING: Nanos = 3_000_000_000;
/// The same for somebody who is connected and joins, or reads again.
const SETTLING: Nanos = 1_000_000_000;
/// Draws of somebody who can act before all are gone through.
const DRAWS: usize = 64;

/// Walks through all phases of a plan that says who is where before the first; gives what is sent and what else is done.
pub(super) fn walk(
    scenario: &Scenario,
    start: &Plan,
    rng: impl Fn(Stream) -> ChaCha8Rng,
) -> Result<(Vec<Send>, Vec<Action>), PlanError> {
    let mut walk = Walk::new(scenario, start, &rng);
    for (index, (phase, planned)) in scenario.phases.iter().zip(&start.phases).enumerate() {
        walk.phase(index as u16, phase, planned)?;
    }
    Ok(walk.finish())
}

/// What is due at a moment of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A fault of clients begins: the one of that index.
    Strike(u16),
    Connect,
    Join,
    Leave,
    Rejoin,
    Reconnect,
    Cut,
    Stall,
    Send,
}

/// Somebody's return, on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Return {
    at: Nanos,
    user: u32,
    what: Coming,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    Back,
    ToReading,
    /// From a silence without a close: to a new connection.
    FromSilence,
    Into(u32),
}

/// A user as the plan knows it.
#[derive(Clone)]
struct Person {
    online: bool,
    reading: bool,
    /// When it can be counted on again.
    settled: Nanos,
    /// By place: joined, and since when for sure.
    joined: Vec<(bool, Nanos)>,
}

impl Person {
    /// Whether it can be counted on.
    fn is_there(&self, now: Nanos) -> bool {
        self.online && self.reading && self.settled <= now
    }

    /// Whether it has for sure joined a place, or not joined it.
    fn has(&self, joined: bool, place: usize, now: Nanos) -> bool {
        let (is, since) = self.joined[place];
        is == joined && since <= now
    }
}

struct Walk<'a> {
    scenario: &'a Scenario,
    start: &'a Plan,
    people: Vec<Person>,
    /// Each user's rank: in a phase with a share of silent ones, those of the first ranks don't send.
    quietness: Vec<u32>,
    /// Users who were not connected yet, the next one last.
    to_come: Vec<u32>,
    /// Conversations in the order of their popularity.
    popularity: Vec<u32>,
    returns: BinaryHeap<Reverse<Return>>,
    arrivals: ChaCha8Rng,
    churn: ChaCha8Rng,
    choices: ChaCha8Rng,
    sizes: ChaCha8Rng,
    faults: ChaCha8Rng,
    body_sizes: BodySizes,
    sends: Vec<Send>,
    actions: Vec<Action>,
}

impl<'a> Walk<'a> {
    fn new(scenario: &'a Scenario, start: &'a Plan, rng: &impl Fn(Stream) -> ChaCha8Rng) -> Self {
        let users = start.places.len();
        let people = start
            .places
            .iter()
            .zip(&start.connected)
            .map(|(places, &online)| Person {
                online,
                reading: true,
                settled: 0,
                joined: places.iter().map(|place| (place.joined, 0)).collect(),
            })
            .collect();
        let mut people_rng = rng(Stream::People);
        let mut quietness: Vec<u32> = (0..users as u32).collect();
        quietness.shuffle(&mut people_rng);
        let mut to_come: Vec<u32> = (0..users as u32)
            .filter(|&user| !start.connected[user as usize])
            .collect();
        to_come.shuffle(&mut people_rng);
        let mut popularity: Vec<u32> = (0..start.conversations.len() as u32).collect();
        popularity.shuffle(&mut people_rng);
        Self {
            scenario,
            start,
            people,
            quietness,
            to_come,
            popularity,
            returns: BinaryHeap::new(),
            arrivals: rng(Stream::Arrivals),
            churn: rng(Stream::Churn),
            choices: rng(Stream::Choices),
            sizes: rng(Stream::Sizes),
            faults: rng(Stream::Faults),
            body_sizes: BodySizes::new(&scenario.messages.size),
            sends: Vec::new(),
            actions: Vec::new(),
        }
    }

    fn phase(
        &mut self,
        index: u16,
        phase: &Phase,
        planned: &PlannedPhase,
    ) -> Result<(), PlanError> {
        let mut due = self.churn_of(phase);
        due.extend(self.strikes(planned));
        if let Load::Open(open) = &phase.load {
            let times = arrivals::times(open, phase.duration, &mut self.arrivals);
            due.extend(times.into_iter().map(|at| (at, Due::Send)));
        }
        due.sort_unstable();
        let silent = phase.silent.unwrap_or(self.scenario.population.silent);
        let talk = Talk {
            phase: index,
            silent: portion(silent, self.people.len()),
            popularity: Popularity::new(phase.skew, self.popularity.len()),
        };
        if let Load::Closed { think_time } = &phase.load {
            self.converse(&talk, *think_time, planned);
        }
        for (at, due) in due {
            let at = planned.start + at;
            self.welcome(at);
            match due {
                Due::Send => self.send(&talk, at).ok_or_else(|| PlanError::NobodySends {
                    phase: phase.name.clone(),
                    seconds: at as f64 / 1e9,
                })?,
                other => self.churn(other, at),
            }
        }
        // In a pause nothing else is due, and people come back all the same.
        self.welcome(planned.end);
        Ok(())
    }

    /// When somebody comes or goes in a phase. One kind after the other from one stream: a phase without any of it
    /// draws nothing.
    fn churn_of(&mut self, phase: &Phase) -> Vec<(Nanos, Due)> {
        let churn = &phase.churn;
        [
            (churn.connects, Due::Connect),
            (churn.joins, Due::Join),
            (churn.leaves, Due::Leave),
            (churn.rejoins, Due::Rejoin),
            (churn.reconnects, Due::Reconnect),
            (churn.cuts, Due::Cut),
            (churn.stalls, Due::Stall),
        ]
        .into_iter()
        .filter(|(rate, _)| *rate > 0.0)
        .flat_map(|(rate, due)| {
            let times = arrivals::constant(rate, phase.duration, &mut self.churn);
            times.into_iter().map(move |at| (at, due))
        })
        .collect()
    }

    /// Faults of clients that begin in a phase.
    fn strikes(&self, planned: &PlannedPhase) -> Vec<(Nanos, Due)> {
        let faults = (0..).zip(&self.start.faults);
        faults
            .filter(|(_, fault)| matches!(fault.damage, Damage::Clients(..)))
            .filter(|(_, fault)| (planned.start..planned.end).contains(&fault.start))
            .map(|(index, fault)| (fault.start - planned.start, Due::Strike(index)))
            .collect()
    }

    /// A share of those who are there is hit by a fault.
    fn strike(&mut self, index: u16, at: Nanos) {
        let fault = &self.start.faults[usize::from(index)];
        let Damage::Clients(damage, share) = fault.damage else {
            return;
        };
        let people = (0..).zip(&self.people);
        let there = people.filter(|(_, person)| person.online && person.reading);
        let mut there: Vec<u32> = there.map(|(user, _)| user).collect();
        there.shuffle(&mut self.faults);
        let hit = portion(share, there.len()).max(1) as usize;
        for user in there.into_iter().take(hit) {
            let person = &mut self.people[user as usize];
            let deed = match damage {
                ClientDamage::Disconnect => {
                    person.online = false;
                    let away = self.start.backoff(user).delay();
                    self.come_later(at + away, user, Coming::Back);
                    Deed::Cut
                }
                ClientDamage::Silent => {
                    person.reading = false;
                    self.come_later(fault.end, user, Coming::FromSilence);
                    Deed::StopReading
                }
                ClientDamage::StopReading => {
                    person.reading = false;
                    self.come_later(fault.end, user, Coming::ToReading);
                    Deed::StopReading
                }
            };
            self.actions.push(Action {
                at,
                user,
                deed,
                fault: Some(index),
            });
        }
    }

    /// Everybody whose return is due by now is there again.
    fn welcome(&mut self, now: Nanos) {
        while let Some(Reverse(next)) = self.returns.peek().copied()
            && next.at <= now
        {
            self.returns.pop();
            self.come(next.at, next.user, next.what);
        }
    }

    fn come(&mut self, at: Nanos, user: u32, what: Coming) {
        let person = &mut self.people[user as usize];
        let deed = match what {
            Coming::Back => {
                person.online = true;
                person.settled = at + CONNECTING;
                Deed::Connect
            }
            Coming::FromSilence => {
                person.reading = true;
                person.online = false;
                let away = self.start.backoff(user).delay();
                self.come_later(at + away, user, Coming::Back);
                Deed::Cut
            }
            Coming::ToReading => {
                person.reading = true;
                person.settled = at + SETTLING;
                Deed::Resume
            }
            Coming::Into(place) => {
                person.joined[place as usize] = (true, at + SETTLING);
                Deed::Join(place)
            }
        };
        self.act(at, user, deed);
    }

    fn act(&mut self, at: Nanos, user: u32, deed: Deed) {
        self.actions.push(Action {
            at,
            user,
            deed,
            fault: None,
        });
    }

    /// Does what is due, if there is anybody who can.
    fn churn(&mut self, due: Due, at: Nanos) {
        match due {
            Due::Connect => {
                if let Some(user) = self.to_come.pop() {
                    self.come(at, user, Coming::Back);
                }
            }
            Due::Join => {
                let stranger = |person: &Person, place| person.has(false, place, at);
                if let Some((user, place)) = self.anybody(at, stranger) {
                    self.come(at, user, Coming::Into(place));
                }
            }
            Due::Leave | Due::Rejoin => {
                let member = |person: &Person, place| person.has(true, place, at);
                if let Some((user, place)) = self.anybody(at, member) {
                    self.act(at, user, Deed::Leave(place));
                    let comes = due == Due::Rejoin;
                    let back = self.draw(self.scenario.behaviour.away, at);
                    // Who is on the way back is not to be joined by somebody else's turn.
                    let until = if comes { back } else { at } + SETTLING;
                    self.people[user as usize].joined[place as usize] = (false, until);
                    if comes {
                        self.come_later(back, user, Coming::Into(place));
                    }
                }
            }
            Due::Reconnect | Due::Cut => {
                if let Some((user, _)) = self.anybody(at, |_, _| true) {
                    let cut = due == Due::Cut;
                    self.act(at, user, if cut { Deed::Cut } else { Deed::Disconnect });
                    self.people[user as usize].online = false;
                    let back = self.draw(self.scenario.behaviour.away, at);
                    self.come_later(back, user, Coming::Back);
                }
            }
            Due::Stall => {
                if let Some((user, _)) = self.anybody(at, |_, _| true) {
                    self.act(at, user, Deed::StopReading);
                    self.people[user as usize].reading = false;
                    let again = self.draw(self.scenario.behaviour.stall, at);
                    self.come_later(again, user, Coming::ToReading);
                }
            }
            Due::Strike(fault) => self.strike(fault, at),
            Due::Send => {}
        }
    }

    fn come_later(&mut self, at: Nanos, user: u32, what: Coming) {
        self.returns.push(Reverse(Return { at, user, what }));
    }

    fn draw(&mut self, time: Range<Span>, from: Nanos) -> Nanos {
        from + draws::time(time, &mut self.churn)
    }

    /// Somebody who is there, with one of its places, that fits.
    fn anybody(&mut self, now: Nanos, fits: impl Fn(&Person, usize) -> bool) -> Option<(u32, u32)> {
        for _ in 0..DRAWS {
            let user = self.churn.random_range(0..self.people.len());
            let person = &self.people[user];
            if person.joined.is_empty() {
                continue;
            }
            let place = self.churn.random_range(0..person.joined.len());
            if person.is_there(now) && fits(person, place) {
                return Some((user as u32, place as u32));
            }
        }
        self.people.iter().enumerate().find_map(|(user, person)| {
            let place = (0..person.joined.len())
                .find(|&place| person.is_there(now) && fits(person, place))?;
            Some((user as u32, place as u32))
        })
    }

    /// Plans one message of an open phase; `None`: nobody can send.
    fn send(&mut self, talk: &Talk, at: Nanos) -> Option<()> {
        let drawn = (0..DRAWS).find_map(|_| {
            let rank = talk.popularity.draw(&mut self.choices);
            let conversation = self.popularity[rank] as usize;
            let members = &self.start.conversations[conversation].members;
            let position = self.choices.random_range(0..members.len());
            self.can_send(talk, at, conversation, position)
                .then_some((conversation, position))
        });
        let (conversation, position) = match drawn {
            Some(drawn) => drawn,
            None => self.first_who_can_send(talk, at)?,
        };
        let sender = self.start.conversations[conversation].members[position];
        self.plan(talk.phase, at, sender, conversation);
        Some(())
    }

    fn can_send(&self, talk: &Talk, at: Nanos, conversation: usize, position: usize) -> bool {
        let user = self.start.conversations[conversation].members[position] as usize;
        let person = &self.people[user];
        let place = self.start.place(user as u32, conversation as u32);
        self.quietness[user] >= talk.silent
            && person.is_there(at)
            && place.is_some_and(|place| person.has(true, place, at))
    }

    /// By popularity, from a conversation drawn at random.
    fn first_who_can_send(&mut self, talk: &Talk, at: Nanos) -> Option<(usize, usize)> {
        let from = talk.popularity.draw(&mut self.choices);
        let (before, after) = self.popularity.split_at(from);
        after.iter().chain(before).find_map(|&conversation| {
            let conversation = conversation as usize;
            let members = self.start.conversations[conversation].members.len();
            let position =
                (0..members).find(|&position| self.can_send(talk, at, conversation, position))?;
            Some((conversation, position))
        })
    }

    /// Plans the most that each user can say in a closed phase: as if every acknowledgement came at once.
    fn converse(&mut self, talk: &Talk, think_time: Range<Span>, planned: &PlannedPhase) {
        self.welcome(planned.start);
        for user in 0..self.people.len() {
            let person = &self.people[user];
            if self.quietness[user] < talk.silent || !person.online || !person.reading {
                continue;
            }
            let places = person.joined.iter().zip(&self.start.places[user]);
            let places = places.filter(|((joined, _), _)| *joined);
            let places: Vec<u32> = places.map(|(_, place)| place.conversation).collect();
            if places.is_empty() {
                continue;
            }
            // The first thought began before the phase, so that not all speak at once.
            let first = nanos(think_time.high.0).max(1);
            let mut at = planned.start + self.choices.random_range(0..first);
            while at < planned.end {
                let conversation = places[self.choices.random_range(0..places.len())];
                self.plan(talk.phase, at, user as u32, conversation as usize);
                at += draws::time(think_time, &mut self.choices).max(1);
            }
        }
    }

    fn plan(&mut self, phase: u16, at: Nanos, sender: u32, conversation: usize) {
        let bytes = self.body_sizes.draw(&mut self.sizes);
        self.sends.push(Send {
            at,
            sender,
            conversation: conversation as u32,
            bytes,
            slot: 0,
            phase,
        });
    }

    fn finish(mut self) -> (Vec<Send>, Vec<Action>) {
        // Who is away when the schedule ends stays away. Who does not read then reads again, or it would look as if
        // what waits for it were lost.
        for Reverse(Return { user, what, .. }) in std::mem::take(&mut self.returns) {
            if what == Coming::ToReading {
                self.act(self.start.end(), user, Deed::Resume);
            }
        }
        // Closed phases are planned user by user. Stable: what is due at one moment stays in the order of planning.
        self.sends.sort_by_key(|send| send.at);
        self.actions.sort_by_key(|action| action.at);
        if let BodyText::Lines(lines) = &self.scenario.messages.text {
            for (message, send) in self.sends.iter_mut().enumerate() {
                send.bytes = body::line_bytes(lines, message as u32);
            }
        }
        (self.sends, self.actions)
    }
}

/// Who talks in a phase, and where.
struct Talk {
    phase: u16,
    /// So many of the quietest say nothing.
    silent: u32,
    popularity: Popularity,
}
