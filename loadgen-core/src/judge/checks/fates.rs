//! What became of each message of a run with faults, and whether that broke a promise.

use serde::{Deserialize, Serialize};

use super::{Evidence, Example, answers::Answers};
use crate::{
    model::{Nanos, named::named},
    observed::{WINDOW, presence::END_OWED},
    plan::{Plan, Send},
    scenario::Damage,
};

/// Of each fate that is no good, so many cases are kept.
const FIRST: usize = 10;
/// A user whom a fault threw off is back by then, as a rule: what it was to send until then could not be sent.
const AWAY: Nanos = 15_000_000_000;

/// What was sent so shortly before a fault may still have been on its way to the store.
const UNDER_WAY: Nanos = 1_000_000_000;

// From the best to the worst, but for those that were never sent.
named! {
    /// What became of a message.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    #[derive(schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Fate;
    /// The same in words, behind a number.
    pub title: &'static str;

    /// Somebody was told that it is stored, and no fault lay between its sending and that.
    Confirmed => "confirmed",
    /// It was sent before the end of a fault, and somebody was told only afterwards that it is stored.
    ConfirmedLater => "confirmed after the heal",
    /// Somebody was told that it could not be stored, and nobody that it is.
    Failed => "failed",
    /// Nobody was told, and it is in the store.
    UnknownStored => "unknown, then stored",
    /// Nobody was told, and it is not in the store.
    UnknownGone => "unknown, then gone",
    /// Nobody was told, and nobody could look.
    Unknown => "unknown",
    /// It did not come to somebody who was there all the time, or it was confirmed and is not stored.
    Lost => "lost",
    /// Its sender had no connection to send it by.
    NotSent => "not sent",
}

impl Fate {
    /// Whether all went well with it.
    pub const fn is_good(self) -> bool {
        matches!(self, Fate::Confirmed | Fate::ConfirmedLater)
    }
}

/// How many messages met a fate, and the first of them where it is no good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Met {
    /// Which fate.
    pub fate: Fate,
    /// How many messages met it.
    pub count: u64,
    /// Of these, with how many a promise was broken. The others a fault excuses.
    pub broken: u64,
    /// How many of them were due in each second of the schedule; what follows has none.
    pub seconds: Vec<u64>,
    /// The first few of a fate that is no good, those with a broken promise first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<Example>,
}

/// All fates of a run so far, in the order of [`Fate::ALL`].
#[derive(Debug, Clone)]
pub(super) struct Fates(Vec<Met>);

impl Fates {
    pub(super) fn new() -> Self {
        let all = Fate::ALL.into_iter();
        Self(
            all.map(|fate| Met {
                fate,
                count: 0,
                broken: 0,
                seconds: Vec::new(),
                first: Vec::new(),
            })
            .collect(),
        )
    }

    /// A message that was due then, and whether a promise was broken with it.
    pub(super) fn add(
        &mut self,
        fate: Fate,
        due: Nanos,
        broken: bool,
        example: impl FnOnce() -> Example,
    ) {
        let Some(met) = self.0.iter_mut().find(|met| met.fate == fate) else {
            return;
        };
        met.count += 1;
        met.broken += u64::from(broken);
        let second = (due / WINDOW) as usize;
        if met.seconds.len() <= second {
            met.seconds.resize(second + 1, 0);
        }
        met.seconds[second] += 1;
        if fate.is_good() {
            return;
        }
        // Messages come in their order: excused ones make room for those that are not.
        if met.first.len() == FIRST && broken && met.broken <= FIRST as u64 {
            met.first.pop();
        }
        if met.first.len() < FIRST {
            let place = match broken {
                true => (met.broken as usize).saturating_sub(1).min(met.first.len()),
                false => met.first.len(),
            };
            met.first.insert(place, example());
        }
    }

    pub(super) fn into_met(self) -> Vec<Met> {
        self.0
    }
}

/// What became of a message that was sent.
pub(super) fn of_sent(
    evidence: &Evidence<'_>,
    message: u32,
    send: &Send,
    told: &Answers,
    lost: bool,
    stored: Option<bool>,
) -> Fate {
    let promises = evidence.promises(send);
    let confirmed = told.is_told_stored(promises);
    let says = promises.ends || promises.ack_confirms || confirmed;
    match (confirmed, stored) {
        _ if lost => Fate::Lost,
        (true, Some(false)) => Fate::Lost,
        (true, _) if was_healed_meanwhile(evidence, message, send) => Fate::ConfirmedLater,
        (true, _) => Fate::Confirmed,
        (false, _) if told.is_failed() => Fate::Failed,
        (false, Some(true)) => Fate::UnknownStored,
        (false, Some(false)) => Fate::UnknownGone,
        // Of a server that tells nobody, what came is all that there is to know.
        (false, None) if !says => Fate::Confirmed,
        (false, None) => Fate::Unknown,
    }
}

/// Whether a fault ended between the time that a message was due and its first confirmation.
fn was_healed_meanwhile(evidence: &Evidence<'_>, message: u32, send: &Send) -> bool {
    let Some(after) = evidence.ledger().first_confirmed(message) else {
        return false;
    };
    let due = evidence.due.at(message, send);
    let confirmed = due + after;
    let mut faults = evidence.observed.faults.iter();
    faults.any(|fault| {
        let started = fault.start.is_some_and(|start| start <= confirmed);
        let end = fault.end;
        let ended = end.is_some_and(|end| (due..confirmed).contains(&end));
        started && ended
    })
}

/// Whether a fault explains that a message that was due then failed, and was told as failed: one that was on its way when the
/// fault began, too.
pub(super) fn is_by_fault(evidence: &Evidence<'_>, sender: u32, due: Nanos) -> bool {
    let both = evidence.plan.faults.iter().zip(&evidence.observed.faults);
    let mut able = both.filter(|(planned, _)| {
        planned.damage.keeps_from_saving() && concerns(evidence.plan, planned.damage, sender)
    });
    able.any(|(_, seen)| {
        let until = seen.end.map_or(Nanos::MAX, |end| end.saturating_add(AWAY));
        let begun = seen.start.is_some_and(|start| start <= due + UNDER_WAY);
        begun && due <= until
    })
}

/// Whether a fault may be one of the server that a user was on: of one of several servers, it is of that one's users. A user
/// whose own server breaks at some time may be on any.
fn concerns(plan: &Plan, damage: Damage, user: u32) -> bool {
    let home = Some(plan.nodes.of_user(user) + 1);
    damage.node().is_none() || plan.faults.iter().any(|fault| fault.damage.node() == home)
}

/// Whether the server that had taken a message, one of several, was killed before all that it owed for it was told for
/// certain: what it had not handed on is gone with it, also for members on the other servers.
pub(super) fn died_with_its_server(
    evidence: &Evidence<'_>,
    message: u32,
    send: &Send,
    sent: Nanos,
) -> bool {
    let due = evidence.due.at(message, send);
    let both = evidence.plan.faults.iter().zip(&evidence.observed.faults);
    let mut kills = both.filter(|(planned, _)| planned.damage.kills_a_node());
    let was_on = kills.any(|(_, seen)| {
        let soon = seen.start.is_some_and(|start| start <= due + END_OWED);
        soon && due <= seen.end.unwrap_or(Nanos::MAX)
    });
    // Who lost no connection then was on another server.
    was_on && !evidence.presence.owes_ack(send.sender, sent)
}

/// Whether a fault explains that a message's sender had no connection: one of an open phase, since of a closed one it was not due.
pub(super) fn is_away(evidence: &Evidence<'_>, send: &Send) -> bool {
    let both = evidence.plan.faults.iter().zip(&evidence.observed.faults);
    both.filter(|(planned, _)| planned.damage.takes_clients_away())
        .any(|(_, seen)| {
            let until = seen.end.map_or(Nanos::MAX, |end| end.saturating_add(AWAY));
            seen.start.is_some_and(|start| start <= send.at) && send.at <= until
        })
}
