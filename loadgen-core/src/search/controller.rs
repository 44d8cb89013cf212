//! Which rate is held next: a state machine that is told how holds went, and knows no clock but the time that these took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Outcome, Rules,
    evidence::{Bounds, Evidence, Side},
};
use crate::judge::Verdict;

/// How far below the best rate it is confirmed, as a share of it.
pub const BELOW: f64 = 0.05;
/// How far up or down the search steps while it has only one end.
const STEP: f64 = 2.0;
/// How far above all failures the search looks once, whether the limit is kept there again.
const BEYOND: f64 = 2.0;
/// A failure so far above the first one is as good as having looked beyond it.
const LOOKED: f64 = 1.2;
/// Holds in a row to drain after a failure, each at half the rate of the one before; after so many it is not overcome.
const DRAINS: usize = 12;

/// What a search goes by. Rates are messages per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The first rate that counts.
    pub start: f64,
    /// No higher rate is asked for.
    pub most: f64,
    /// Where not even this rate is kept, none is.
    pub least: f64,
    /// The search ends when the first rate that is not kept is above the last success by at most this share of it.
    pub precision: f64,
    /// How long a hold of full length takes.
    pub full: Duration,
    /// How long a short one takes.
    pub short: Duration,
    /// How long the whole search may take.
    pub budget: Duration,
    /// By which rules.
    pub rules: Rules,
}

/// What a hold is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To warm the server up; counts for nothing.
    Settle,
    /// To find a rate that is kept and one that is not.
    Bracket,
    /// To halve what lies between them.
    Bisect,
    /// To see the best rate kept again, a bit below it.
    Confirm,
    /// To see whether a limit that was missed is kept at a higher rate.
    Beyond,
    /// To have done at last what piled up; counts for nothing.
    Drain,
}

impl Purpose {
    /// Whether such a hold says something of the limit.
    pub fn counts(self) -> bool {
        !matches!(self, Purpose::Settle | Purpose::Drain)
    }

    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Settle => "settle",
            Purpose::Bracket => "bracket",
            Purpose::Bisect => "bisect",
            Purpose::Confirm => "confirm",
            Purpose::Beyond => "beyond",
            Purpose::Drain => "drain",
        }
    }
}

/// How long a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    /// As long as the scenario.
    Full,
    /// As short as a first look may be.
    Short,
}

/// A hold that is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ask {
    /// Messages per second.
    pub rate: f64,
    /// How long.
    pub length: Length,
    /// What for.
    pub purpose: Purpose,
}

/// A hold and how it went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// What was asked.
    pub ask: Ask,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took, with all that belongs to it.
    pub took: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This hold.
    Hold(Ask),
    /// Nothing: this is the answer.
    Done(Answer),
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The limit ends between two rates, and the lower one is confirmed.
    Found,
    /// The highest rate that may be asked for keeps the limit.
    AtMost,
    /// Not even the lowest rate keeps the limit.
    NothingKept,
    /// The limit ends between two rates, and what was to confirm the lower one decided nothing, however often it was asked.
    NotConfirmed,
    /// A rate missed the limit and a higher one kept it, each in two holds or in the one of three that decided.
    NonMonotonic,
    /// After a failure the server kept no rate any more, however low.
    NotDrained,
    /// There was no time left to say more.
    OutOfBudget,
    /// The user stopped it.
    Interrupted,
    /// The server died.
    Died,
}

/// What a search has found. Rates are messages per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Why it ended.
    pub ended: Ended,
    /// Between which rates the limit ends.
    pub bounds: Bounds,
    /// The rate of the hold that confirmed the last success; `None`: none did.
    pub confirmed: Option<f64>,
    /// The rate that was to confirm it, and what was seen there, where that decides nothing and another hold would not either.
    pub in_vain: Option<(f64, Outcome)>,
    /// By which rules it was searched.
    pub rules: Rules,
}

impl Answer {
    /// What it says of the server.
    pub fn verdict(&self) -> Verdict {
        match self.ended {
            Ended::NonMonotonic
            | Ended::NotDrained
            | Ended::OutOfBudget
            | Ended::Interrupted
            | Ended::Died => Verdict::Inconclusive,
            Ended::AtMost => Verdict::Pass,
            Ended::NotConfirmed => match self.in_vain {
                Some((_, Outcome::GeneratorBound | Outcome::Disturbed)) => Verdict::Invalid,
                _ => Verdict::Inconclusive,
            },
            Ended::NothingKept => match self.bounds.not_kept {
                Some((_, Outcome::GeneratorBound | Outcome::Disturbed)) => Verdict::Invalid,
                // That higher rates missed the limit says nothing of the lowest one.
                Some((_, Outcome::Undecided)) => Verdict::Inconclusive,
                _ => Verdict::Fail,
            },
            Ended::Found => match self.bounds.not_kept {
                Some((_, Outcome::GeneratorBound | Outcome::Disturbed)) => Verdict::Invalid,
                Some((_, Outcome::Undecided)) if self.bounds.first_failure.is_none() => {
                    Verdict::Inconclusive
                }
                _ => Verdict::Pass,
            },
        }
    }
}

/// The search.
#[derive(Debug, Clone)]
pub struct Controller {
    settings: Settings,
    holds: Vec<Held>,
    evidence: Evidence,
}

impl Controller {
    /// Nothing held yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            evidence: Evidence::new(settings.rules),
            settings,
            holds: Vec::new(),
        }
    }

    /// All holds so far.
    pub fn holds(&self) -> &[Held] {
        &self.holds
    }

    /// How a hold went that [`Controller::next`] asked for, and how long it took.
    pub fn tell(&mut self, ask: Ask, outcome: Outcome, took: Duration) {
        if ask.purpose.counts() {
            self.evidence.add(ask.rate, outcome);
        }
        self.holds.push(Held { ask, outcome, took });
    }

    /// What is to be done now. The same until another hold is told.
    pub fn next(&self) -> Next {
        let ask = match self.wanted() {
            Ok(ask) => ask,
            Err(ended) => return Next::Done(self.answer(ended)),
        };
        // What comes after a hold that fails must still be possible: to drain, and to confirm what is known.
        let reserve = match ask.purpose {
            Purpose::Confirm | Purpose::Beyond => Duration::ZERO,
            Purpose::Drain => self.takes(Length::Full),
            _ => self.takes(Length::Full) + self.takes(Length::Short),
        };
        if self.fits(self.takes(ask.length) + reserve) {
            return Next::Hold(ask);
        }
        if ask.purpose == Purpose::Beyond {
            return Next::Done(self.answer(self.found()));
        }
        let is_drained = ask.purpose != Purpose::Drain || self.settings.rules < Rules::SeenTwice;
        match self.confirmation() {
            // What piled up before would be held against this rate.
            Some(confirm) if is_drained && self.fits(self.takes(Length::Full)) => {
                Next::Hold(confirm)
            }
            // Only the failure was to be seen once more.
            None if self.has_ends() => Next::Done(self.answer(self.found())),
            _ => Next::Done(self.answer(Ended::OutOfBudget)),
        }
    }

    /// Whether a rate that is kept and one that is not are as near to each other as is asked.
    fn has_ends(&self) -> bool {
        let bounds = self.evidence.bounds();
        let ends = bounds.last_success.zip(bounds.not_kept);
        bounds.contradiction.is_none()
            && ends.is_some_and(|(kept, (not_kept, _))| self.is_near(kept, not_kept))
    }

    fn is_near(&self, kept: f64, not_kept: f64) -> bool {
        not_kept <= kept * (1.0 + self.settings.precision)
    }

    /// What would be done if there was time for everything.
    fn wanted(&self) -> Result<Ask, Ended> {
        if let Some(drain) = self.drain() {
            return drain;
        }
        let Settings {
            start, most, least, ..
        } = self.settings;
        let Some(first) = self.holds.first() else {
            return Ok(short(start / STEP, Purpose::Settle));
        };
        if let Some(rate) = self.evidence.open() {
            return Ok(self.again(rate));
        }
        let bounds = self.evidence.bounds();
        if let Some(contradiction) = bounds.contradiction {
            let doubted = self.evidence.doubted(contradiction);
            return doubted.map_or(Err(Ended::NonMonotonic), |rate| {
                Ok(full(rate, Purpose::Bisect))
            });
        }
        let highest = self.evidence.highest().unwrap_or_default();
        match (bounds.last_success, bounds.not_kept) {
            // Whoever fails while warming up fails there again, or was only cold.
            (None, None) if first.outcome.is_failure() => {
                Ok(short(first.ask.rate.max(least), Purpose::Bracket))
            }
            (None, None) => Ok(short(start.min(most), Purpose::Bracket)),
            // Fewer messages would decide even less.
            (None, Some((_, Outcome::Undecided))) if bounds.first_failure.is_none() => {
                match highest < most {
                    true => Ok(short((highest * STEP).min(most), Purpose::Bracket)),
                    false => Err(Ended::NothingKept),
                }
            }
            (None, Some((rate, outcome))) if rate <= least => match self.unsure(rate, outcome) {
                Some(again) => Ok(again),
                None => self.beyond(rate, Ended::NothingKept),
            },
            (None, Some((rate, _))) => Ok(short((rate / STEP).max(least), Purpose::Bracket)),
            (Some(kept), None) if kept < most => {
                Ok(short((kept * STEP).min(most), Purpose::Bracket))
            }
            (Some(kept), Some((not_kept, outcome))) if !self.is_near(kept, not_kept) => {
                let halfway = full((kept * not_kept).sqrt(), Purpose::Bisect);
                Ok(self.doubted_early(not_kept, outcome).unwrap_or(halfway))
            }
            (Some(_), not_kept) => {
                let unsure = not_kept.and_then(|(rate, outcome)| self.unsure(rate, outcome));
                match (unsure.or_else(|| self.confirmation()), not_kept) {
                    (Some(ask), _) => Ok(ask),
                    (None, _) if self.in_vain().is_some() => Err(Ended::NotConfirmed),
                    (None, Some((rate, _))) => self.beyond(rate, Ended::Found),
                    (None, None) => Err(Ended::AtMost),
                }
            }
        }
    }

    /// Half the rate of a hold in which something piled up, until nothing is missed any more. What was only slow has left
    /// nothing behind, and what the generator could not send did not pile up.
    fn drain(&self) -> Option<Result<Ask, Ended>> {
        let needs_it = |last: &&Held| match last.ask.purpose {
            // Nothing follows that would need it.
            Purpose::Beyond => false,
            Purpose::Drain => last.outcome.is_failure(),
            _ => last.outcome == Outcome::BacklogGrew,
        };
        let last = self.holds.last().filter(needs_it)?;
        let drains = self.holds.iter().rev();
        let drains = drains.take_while(|held| held.ask.purpose == Purpose::Drain);
        let rate = (last.ask.rate / STEP).max(self.settings.least);
        Some(match drains.count() < DRAINS {
            true => Ok(short(rate, Purpose::Drain)),
            false => Err(match self.evidence.bounds().last_success {
                Some(_) => Ended::NotDrained,
                None => Ended::NothingKept,
            }),
        })
    }

    /// The last hold at a rate once more; longer, where it was too short to decide.
    fn again(&self, rate: f64) -> Ask {
        let mut before = self.holds.iter().rev();
        let before = before.find(|held| held.ask.purpose.counts() && held.ask.rate == rate);
        before.map_or_else(
            || full(rate, Purpose::Bisect),
            |held| match held.outcome {
                Outcome::Undecided => full(rate, held.ask.purpose),
                _ => held.ask,
            },
        )
    }

    /// The failure at which a search would end, once more where it was seen only once: a machine has bad seconds that nothing
    /// betrays, and an end is confirmed from both sides.
    fn unsure(&self, rate: f64, outcome: Outcome) -> Option<Ask> {
        let is_unsure = outcome.is_failure() && !self.evidence.has_failed_enough(rate);
        is_unsure.then(|| full(rate, Purpose::Bisect))
    }

    /// The failure that bounds what is still to be halved, once more where the last full hold, below it, was kept: had a bad
    /// second made it, all holds below it would be kept, and be lost.
    fn doubted_early(&self, rate: f64, outcome: Outcome) -> Option<Ask> {
        let last = self.holds.last()?;
        let is_kept = last.outcome == Outcome::Kept && last.ask.length == Length::Full;
        let is_doubted = self.settings.rules >= Rules::DoubtedEarly
            && is_kept
            // What piles up is no matter of some bad seconds.
            && outcome == Outcome::Missed;
        is_doubted.then(|| self.unsure(rate, outcome))?
    }

    /// A look above all failures, where the search went down from its first rate or held nothing well above its first
    /// failure; or else the end.
    fn beyond(&self, not_kept: f64, ended: Ended) -> Result<Ask, Ended> {
        let failed = self.evidence.side(not_kept) == Some(Side::Missed);
        let highest = self.evidence.highest().unwrap_or(not_kept);
        let mut counted = self.holds.iter().filter(|held| held.ask.purpose.counts());
        let went_down = counted
            .next()
            .is_some_and(|first| first.ask.rate == highest);
        let looked = counted.any(|held| held.ask.purpose == Purpose::Beyond)
            || highest >= not_kept * LOOKED && !went_down;
        let rate = highest.max(self.settings.start) * BEYOND;
        match failed && !looked && rate <= self.settings.most {
            true => Ok(short(rate, Purpose::Beyond)),
            false => Err(ended),
        }
    }

    /// How a search ends that does not look beyond.
    fn found(&self) -> Ended {
        match self.evidence.bounds().last_success {
            Some(_) if self.in_vain().is_some() => Ended::NotConfirmed,
            Some(_) => Ended::Found,
            None => Ended::NothingKept,
        }
    }

    /// The hold that would confirm the last success; `None` where there is none, it is confirmed, or it can't be.
    fn confirmation(&self) -> Option<Ask> {
        let kept = self.evidence.bounds().last_success?;
        let is_open = self.confirmed(kept).is_none() && self.in_vain().is_none();
        is_open.then(|| full(confirming(kept), Purpose::Confirm))
    }

    /// The rate that was to confirm the last success, and what stands for the holds there, where another would say no more.
    /// Before these rules it was asked until there was no time left, or one was kept.
    fn in_vain(&self) -> Option<(f64, Outcome)> {
        let rate = confirming(self.evidence.bounds().last_success?);
        let is_over = matches!(
            self.evidence.side(rate)?,
            Side::Exhausted | Side::Unreachable
        );
        let outcome = self.evidence.not_kept_at(rate)?;
        (is_over && self.settings.rules >= Rules::ChargedRightly).then_some((rate, outcome))
    }

    /// The rate at which a rate was confirmed.
    fn confirmed(&self, kept: f64) -> Option<f64> {
        let rate = confirming(kept);
        let confirms = |held: &Held| held.ask.purpose == Purpose::Confirm && held.ask.rate == rate;
        let held = self.holds.iter().any(confirms);
        (held && self.evidence.side(rate) == Some(Side::Kept)).then_some(rate)
    }

    /// What is known if the search ends now, for that reason.
    pub fn answer(&self, ended: Ended) -> Answer {
        let bounds = self.evidence.bounds();
        Answer {
            ended,
            confirmed: bounds.last_success.and_then(|kept| self.confirmed(kept)),
            in_vain: self.in_vain(),
            bounds,
            rules: self.settings.rules,
        }
    }

    /// Whether there is so much time left.
    fn fits(&self, takes: Duration) -> bool {
        let spent: Duration = self.holds.iter().map(|held| held.took).sum();
        spent + takes <= self.settings.budget
    }

    /// How long such a hold takes, with what the slowest so far took beside.
    fn takes(&self, length: Length) -> Duration {
        let beside = self.holds.iter().map(|held| {
            let length = self.length(held.ask.length);
            held.took.saturating_sub(length)
        });
        self.length(length) + beside.max().unwrap_or_default()
    }

    pub(super) fn length(&self, length: Length) -> Duration {
        match length {
            Length::Full => self.settings.full,
            Length::Short => self.settings.short,
        }
    }
}

/// Where a rate is confirmed.
fn confirming(kept: f64) -> f64 {
    kept * (1.0 - BELOW)
}

fn short(rate: f64, purpose: Purpose) -> Ask {
    Ask {
        rate,
        length: Length::Short,
        purpose,
    }
}

fn full(rate: f64, purpose: Purpose) -> Ask {
    Ask {
        rate,
        length: Length::Full,
        purpose,
    }
}
