//! The bus inside one process: for several servers in one process, and for tests, which can break it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{
    Beat, Bus, BusError, Claim, Claimed, Entry, KEPT_ENTRIES, Life, Login, NodeName, Position,
    Stream,
};
use crate::message::Conversation;

/// How often a reader looks again whether the bus has been broken while it waits.
const LOOK: Duration = Duration::from_millis(20);

/// A bus in memory. Its clones are the same bus.
#[derive(Debug, Clone, Default)]
pub struct MemoryBus(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

/// What becomes of a node's word that it lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Beats {
    /// It is answered.
    #[default]
    Answered,
    /// It is lost.
    Lost,
    /// It counts, and its answer is lost.
    Unanswered,
}

#[derive(Debug, Default)]
struct State {
    life: u64,
    away: bool,
    beats: Beats,
    tires_beyond: Option<usize>,
    holds_counts: bool,
    counted: usize,
    last: u64,
    streams: HashMap<Stream, VecDeque<(Position, Bytes)>>,
    nodes: HashMap<NodeName, (Instant, Bytes)>,
    logins: HashMap<Arc<str>, Login>,
    counts: HashMap<Arc<Conversation>, HashMap<NodeName, usize>>,
}

impl MemoryBus {
    /// Lets it not answer, or answer again.
    pub fn stall(&self, away: bool) {
        self.0.state.lock().away = away;
    }

    /// From now on what asks for more than so much at once has no answer in time, and nothing of it is done.
    pub fn tire_beyond(&self, at_once: usize) {
        self.0.state.lock().tires_beyond = Some(at_once);
    }

    /// What becomes of each beat from now on.
    pub fn let_beats(&self, beats: Beats) {
        self.0.state.lock().beats = beats;
    }

    /// The lease of every node runs out.
    pub fn end_leases(&self) {
        self.0.state.lock().nodes.clear();
    }

    /// Lets those wait who say how many users there are, or go on.
    pub fn hold_counts(&self, hold: bool) {
        self.0.state.lock().holds_counts = hold;
    }

    fn holds_counts(&self) -> bool {
        self.0.state.lock().holds_counts
    }

    /// How many exchanges have said how many users there are.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.0.state.lock().counted
    }

    /// Lets it forget everything and live on, as a Redis does that was killed.
    pub fn restart(&self) {
        let mut state = self.0.state.lock();
        *state = State {
            life: state.life + 1,
            // Positions are times: they go on.
            last: state.last,
            ..State::default()
        };
    }

    fn state(&self) -> Result<parking_lot::MutexGuard<'_, State>, BusError> {
        self.state_for(1)
    }

    /// The state, for an exchange that asks for so much.
    fn state_for(&self, asked: usize) -> Result<parking_lot::MutexGuard<'_, State>, BusError> {
        let state = self.0.state.lock();
        if state.away || state.tires_beyond.is_some_and(|at_once| asked > at_once) {
            return Err(BusError::Unreachable("it is told not to".to_owned()));
        }
        Ok(state)
    }
}

impl State {
    fn life(&self) -> Life {
        Life(self.life.to_string().into())
    }

    fn same_life(&self, life: &Life) -> Result<(), BusError> {
        match self.life() {
            now if now == *life => Ok(()),
            now => Err(BusError::Reborn(now)),
        }
    }

    fn append(&mut self, stream: Stream, bytes: Bytes) {
        self.last += 1;
        let entries = self.streams.entry(stream).or_default();
        entries.push_back((Position(self.last, 0), bytes));
        if entries.len() > KEPT_ENTRIES {
            entries.pop_front();
        }
    }

    fn lives(&self, node: &NodeName) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|(until, _)| *until > Instant::now())
    }

    fn claim(&mut self, claim: &Claim) -> Claimed {
        let mut login = claim.login.clone();
        let mut replaced = None;
        if let Some(now) = self.logins.get(&claim.user).cloned() {
            if (&now.node, now.socket) == (&login.node, login.socket) {
                return Claimed::Won { replaced };
            }
            // A node knows its own logins: what it says last is the newest of them.
            let is_here = now.node == login.node;
            let elsewhere = !is_here && self.lives(&now.node);
            if elsewhere && !claim.fresh && (now.stamp, now.socket) > (login.stamp, login.socket) {
                return Claimed::Lost { to: now };
            }
            // One that is said again stays as old as it is: if the other node lives after all, it says so, and wins.
            if claim.fresh || is_here {
                login.stamp = login.stamp.max(now.stamp + 1);
            }
            if elsewhere {
                let [before, after] = &claim.notice;
                let notice = [before, now.socket.to_string().as_bytes(), after].concat();
                self.append(Stream::Inbox(now.node.clone()), notice.into());
                replaced = Some(now);
            }
        }
        self.logins.insert(Arc::clone(&claim.user), login);
        Claimed::Won { replaced }
    }

    fn after(&self, from: &[(Stream, Position)]) -> Vec<Entry> {
        let mut read = Vec::new();
        for (stream, from) in from {
            let Some(entries) = self.streams.get(stream) else {
                continue;
            };
            let first = entries.partition_point(|(position, _)| position <= from);
            for (position, bytes) in entries.range(first..) {
                read.push(Entry {
                    stream: stream.clone(),
                    position: *position,
                    bytes: bytes.clone(),
                });
            }
        }
        read
    }
}

#[async_trait]
impl Bus for MemoryBus {
    fn describe(&self) -> String {
        "in this process".to_owned()
    }

    async fn life(&self) -> Result<Life, BusError> {
        Ok(self.state()?.life())
    }

    async fn append(&self, life: &Life, entries: &[(Stream, Bytes)]) -> Result<(), BusError> {
        let mut state = self.state_for(entries.len())?;
        state.same_life(life)?;
        for (stream, bytes) in entries {
            state.append(stream.clone(), bytes.clone());
        }
        drop(state);
        self.0.news.notify_waiters();
        Ok(())
    }

    async fn ends(&self, streams: &[Stream]) -> Result<Vec<Position>, BusError> {
        let state = self.state()?;
        let end = |stream| Some(state.streams.get(stream)?.back()?.0);
        Ok(streams
            .iter()
            .map(|stream| end(stream).unwrap_or_default())
            .collect())
    }

    async fn read(
        &self,
        life: &Life,
        from: &[(Stream, Position)],
        wait: Duration,
    ) -> Result<Vec<Entry>, BusError> {
        let until = Instant::now() + wait;
        loop {
            let news = self.0.news.notified();
            {
                let state = self.state()?;
                state.same_life(life)?;
                let entries = state.after(from);
                if !entries.is_empty() || Instant::now() >= until {
                    return Ok(entries);
                }
            }
            let look = (Instant::now() + LOOK).min(until);
            let _looks_again_anyway = tokio::time::timeout_at(look, news).await;
        }
    }

    async fn beat(&self, node: &NodeName, says: Bytes, lease: Duration) -> Result<Beat, BusError> {
        let mut state = self.state()?;
        let lost = BusError::Unreachable("a beat is lost".to_owned());
        if state.beats == Beats::Lost {
            return Err(lost);
        }
        let lapsed = !state.lives(node);
        let now = Instant::now();
        state.nodes.insert(node.clone(), (now + lease, says));
        state.nodes.retain(|_, (until, _)| *until > now);
        if state.beats == Beats::Unanswered {
            return Err(lost);
        }
        let nodes = state.nodes.iter();
        Ok(Beat {
            lapsed,
            nodes: nodes
                .map(|(node, (_, says))| (node.clone(), says.clone()))
                .collect(),
        })
    }

    async fn part(&self, node: &NodeName) -> Result<(), BusError> {
        let mut state = self.state()?;
        state.nodes.remove(node);
        state.streams.remove(&Stream::Inbox(node.clone()));
        Ok(())
    }

    async fn claim(&self, claims: &[Claim]) -> Result<Vec<Claimed>, BusError> {
        let mut state = self.state_for(claims.len())?;
        let claimed = claims.iter().map(|claim| state.claim(claim)).collect();
        drop(state);
        self.0.news.notify_waiters();
        Ok(claimed)
    }

    async fn release(&self, logins: &[(Arc<str>, Login)]) -> Result<(), BusError> {
        let mut state = self.state_for(logins.len())?;
        for (user, login) in logins {
            let is_it = |now: &Login| (&now.node, now.socket) == (&login.node, login.socket);
            if state.logins.get(user).is_some_and(is_it) {
                state.logins.remove(user);
            }
        }
        Ok(())
    }

    async fn count(
        &self,
        node: &NodeName,
        counts: &[(Arc<Conversation>, usize)],
    ) -> Result<Vec<usize>, BusError> {
        while self.holds_counts() {
            tokio::time::sleep(LOOK).await;
        }
        let mut state = self.state_for(counts.len())?;
        state.counted += 1;
        let mut others = Vec::with_capacity(counts.len());
        for (conversation, count) in counts {
            let mut nodes = state.counts.remove(conversation).unwrap_or_default();
            nodes.insert(node.clone(), *count);
            nodes.retain(|of, count| *count > 0 && (of == node || state.lives(of)));
            others.push(
                nodes
                    .iter()
                    .filter(|(of, _)| *of != node)
                    .map(|(_, count)| count)
                    .sum(),
            );
            if !nodes.is_empty() {
                state.counts.insert(Arc::clone(conversation), nodes);
            }
        }
        Ok(others)
    }
}
