//! Checks of thresholds: on numbers that the run, the phase and the measured server will have.

use std::ops::Range as ByteRange;

use super::Checker;
use crate::{
    model::{Count, Kind, Metric, Vocabulary},
    scenario::{
        Fault, Located, Phase, Subject, Threshold,
        alike::alike,
        file::Thresholds,
        parse_condition, parse_subject_at,
        written::{Condition, Placed},
    },
};

/// Not known by phase: they belong to connections, to the process, or to the server as a whole.
pub(in crate::scenario) const WHOLE_RUN: [Metric; 6] = [
    Metric::Connect,
    Metric::Join,
    Metric::ReceiveWait,
    Metric::Hiccup,
    Metric::ServerEmit,
    Metric::ServerSave,
];

/// Asked of the server after the run, worked out from the whole ledger, or kept by a thread apart.
pub(in crate::scenario) const AT_THE_END: [Metric; 4] = [
    Metric::ServerEmit,
    Metric::ServerSave,
    Metric::DeliverySlowest,
    Metric::Hiccup,
];

impl Checker<'_> {
    /// Those that are right.
    pub(super) fn thresholds(
        &self,
        file: Thresholds,
        vocabulary: &Vocabulary,
        faults: Option<&[Fault]>,
    ) -> Vec<Threshold> {
        let mut placed = file.0;
        placed.sort_by_key(|(key, _)| key.span.start);
        let checked = placed.iter().filter_map(|(key, condition)| {
            let threshold = self.threshold(key, condition, vocabulary, faults);
            self.note(threshold)
        });
        checked.collect()
    }

    /// Thresholds of one phase.
    pub(super) fn phase_thresholds(
        &self,
        file: Thresholds,
        measured: bool,
        vocabulary: &Vocabulary,
    ) -> Vec<Threshold> {
        let mut right = Vec::new();
        for (key, condition) in file.0 {
            let fits = self.fits_a_phase(&key, &condition, measured);
            if self.note(fits).is_some() {
                right.push((key, condition));
            }
        }
        self.thresholds(Thresholds(right), vocabulary, None)
    }

    fn fits_a_phase(
        &self,
        key: &Placed<String>,
        condition: &Placed<Condition>,
        measured: bool,
    ) -> Result<(), Located> {
        let unmeasured =
            "nothing of this phase is measured (`measured = false`): no threshold can judge it";
        self.demand(measured, &key.span, unmeasured)?;
        let (subject, fault) = self.subject_at(key)?;
        let of_the_run = "a fault is the whole run's: put this into [thresholds]";
        self.demand(fault.is_none(), &key.span, of_the_run)?;
        if let (Subject::Count(_), Some(after)) = (subject, condition.value.abort_after()) {
            return Err(self.wrong(
                &after.span,
                format!(
                    "{} of one phase is known at the end only: it can't end the run early",
                    key.value
                ),
            ));
        }
        match subject.metric() {
            Some(metric) if WHOLE_RUN.contains(&metric) => {
                let metric = metric.definition().key;
                Err(self.wrong(
                    &key.span,
                    format!("{metric} is known for the whole run only: put this into [thresholds]"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Which of the thresholds' numbers answers the question.
    pub(super) fn asks(
        &self,
        asks: &Placed<String>,
        whole: &[Threshold],
        phases: &[Phase],
    ) -> Result<String, Located> {
        let (subject, fault) = self.subject_at(asks)?;
        let by_phase = phases.iter().flat_map(|phase| &phase.thresholds);
        let mut named: Vec<String> = Vec::new();
        for threshold in whole.iter().chain(by_phase) {
            if threshold.subject == subject && threshold.fault.as_deref() == fault {
                return Ok(threshold.left());
            }
            let name = threshold.left();
            if !named.contains(&name) {
                named.push(name);
            }
        }
        let there_are = match &named[..] {
            [] => "there is none".to_owned(),
            named => format!("there are {}", named.join(", ")),
        };
        let message = format!(
            "no threshold is on {}, so that it has no limit to be held against; {there_are}",
            asks.value.trim()
        );
        Err(self.wrong(&asks.span, message))
    }

    fn threshold(
        &self,
        key: &Placed<String>,
        condition: &Placed<Condition>,
        vocabulary: &Vocabulary,
        faults: Option<&[Fault]>,
    ) -> Result<Threshold, Located> {
        let (subject, fault) = self.subject_at(key)?;
        self.has_samples(subject, &key.span, vocabulary)?;
        let (text, span) = match &condition.value {
            Condition::Plain(text) => (text, &condition.span),
            Condition::Aborting(table) => (&table.condition.value, &table.condition.span),
        };
        let mut threshold =
            parse_condition(subject, text).map_err(|message| self.wrong(span, message))?;
        threshold.fault = fault.map(str::to_owned);
        let decides = threshold.can_decide();
        decides.map_err(|message| self.wrong(span, message))?;
        if let Some(faults) = faults {
            self.fits_faults(key, &threshold, faults)?;
        }
        if let Some(after) = condition.value.abort_after() {
            let in_time = match subject {
                Subject::Count(count) => count != Count::Lost,
                other => other
                    .metric()
                    .is_none_or(|metric| !AT_THE_END.contains(&metric)),
            };
            let key = &key.value;
            let late = format!("{key} is known at the end only: it can't end the run early");
            self.demand(in_time, &after.span, late)?;
            let inside = "with [[faults]] no threshold can end the run early: it would be judged inside of them too";
            self.demand(!self.has_faults, &after.span, inside)?;
            threshold.abort_after = Some(after.value.0);
        }
        Ok(threshold)
    }

    fn subject_at<'k>(
        &self,
        key: &'k Placed<String>,
    ) -> Result<(Subject, Option<&'k str>), Located> {
        parse_subject_at(&key.value).map_err(|message| self.wrong(&key.span, message))
    }

    /// What is judged inside of a fault, or after it, needs that fault, and samples that are known by second.
    fn fits_faults(
        &self,
        key: &Placed<String>,
        threshold: &Threshold,
        faults: &[Fault],
    ) -> Result<(), Located> {
        let Some(name) = &threshold.fault else {
            return Ok(());
        };
        if !faults.iter().any(|fault| fault.name == *name) {
            let names = || faults.iter().map(|fault| &*fault.name);
            let hint = match alike(name, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if faults.is_empty() => "there is none in [[faults]]".to_owned(),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(self.wrong(&key.span, format!("no fault is called {name:?}; {hint}")));
        }
        let by_second = match threshold.subject.metric() {
            Some(Metric::Connect | Metric::Join) => true,
            Some(metric) => !WHOLE_RUN.contains(&metric),
            None => false,
        };
        let what = format!(
            "{} is known for the whole run only: leave @{name} out",
            threshold.subject
        );
        self.demand(by_second, &key.span, what)
    }

    /// A condition on what this server never says would hold, or be inconclusive, forever.
    fn has_samples(
        &self,
        subject: Subject,
        span: &ByteRange<usize>,
        vocabulary: &Vocabulary,
    ) -> Result<(), Located> {
        let named = |name: fn(&crate::model::Names) -> bool| {
            name(&vocabulary.room) || name(&vocabulary.channel)
        };
        let missing = match subject {
            Subject::Count(Count::Failed) if !named(|names| names.failed.is_some()) => {
                "[server.events] has no `failed`"
            }
            Subject::Count(_) => return Ok(()),
            _ => match subject.metric() {
                Some(Metric::Confirm | Metric::ConfirmAfterDelivery)
                    if !named(|names| names.confirmed.is_some()) =>
                {
                    "[server.events] has no `confirmed`"
                }
                Some(Metric::Ack) if !vocabulary.acknowledges_messages => {
                    "`acknowledges_messages = false` in [server.events]"
                }
                Some(Metric::Echo) if !vocabulary.echoes => "`echoes = false` in [server.events]",
                Some(Metric::Join) if !joins(vocabulary) => {
                    "nothing answers a join in [server.events]: `acknowledges_joins = false` or no `join`, and no `joined`"
                }
                _ => return Ok(()),
            },
        };
        Err(self.wrong(span, format!("there will be no such number: {missing}")))
    }
}

/// Whether joins are answered, in any kind of conversation.
fn joins(vocabulary: &Vocabulary) -> bool {
    [Kind::Room, Kind::Channel]
        .into_iter()
        .any(|kind| vocabulary.answers_joins(kind))
}
