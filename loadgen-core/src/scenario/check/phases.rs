//! Checks of what happens: loads that can be planned, and people who can do what they are to do.

use std::{collections::HashSet, ops::Range as ByteRange, time::Duration};

use super::Checker;
use crate::{
    model::{Kind, Names, Vocabulary},
    scenario::{
        Burst, Churn, Load, Located, MOST_ACTIONS, MOST_MESSAGES, Often, Open, Phase, Population,
        Span, Spike, file::FilePhase, written::Placed,
    },
};

/// What all phases so far come to.
#[derive(Default)]
struct SoFar {
    names: HashSet<String>,
    lasts: Duration,
    messages: f64,
    actions: f64,
}

impl Checker<'_> {
    pub(super) fn phases(
        &self,
        phases: Placed<Vec<FilePhase>>,
        population: &Population,
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Phase>, Located> {
        let span = phases.span;
        let phases = phases.value;
        let measured = phases.iter().any(|phase| phase.measured);
        let nothing = "nothing would be measured: at least one phase without `measured = false`";
        self.demand(measured, &span, nothing)?;
        let too_many = format!("at most {} phases", u16::MAX);
        self.demand(phases.len() <= usize::from(u16::MAX), &span, too_many)?;
        let somebody_leaves = phases.iter().any(|phase| {
            phase
                .leaves
                .as_ref()
                .is_some_and(|often| !often.value.is_never())
        });
        let mut so_far = SoFar::default();
        let checked = phases.into_iter().filter_map(|phase| {
            let can_happen = self.can_happen(&phase, population, vocabulary, somebody_leaves);
            self.note(can_happen);
            let phase = self.phase(phase, population, vocabulary, &mut so_far);
            self.note(phase)
        });
        Ok(checked.collect())
    }

    fn phase(
        &self,
        file: FilePhase,
        population: &Population,
        vocabulary: &Vocabulary,
        so_far: &mut SoFar,
    ) -> Result<Phase, Located> {
        self.phase_name(&file.name, so_far)?;
        let duration = self.lasting(&file.duration, so_far)?;
        if let Some(Placed { value, span }) = &file.skew {
            let exponent = (0.0..=10.0).contains(value);
            self.demand(exponent, span, "`skew` is an exponent from 0 to 10")?;
        }
        let load = self.load(&file, duration, vocabulary)?;
        so_far.messages += load.messages(duration, population.users);
        self.demand(
            so_far.messages <= MOST_MESSAGES,
            of_load(&file).unwrap_or(&file.duration.span),
            format!(
                "{:.0} messages by the end of this phase; at most {MOST_MESSAGES:.0} fit a run",
                so_far.messages
            ),
        )?;
        let churn = self.churn(&file, population.users, duration, so_far)?;
        Ok(Phase {
            name: file.name.value,
            duration,
            load,
            skew: file.skew.map_or(0.0, |skew| skew.value),
            silent: self.silent(&file.silent)?,
            churn,
            measured: file.measured,
            thresholds: self.phase_thresholds(file.thresholds, file.measured, vocabulary),
        })
    }

    /// A name by which this phase alone is told.
    fn phase_name(&self, name: &Placed<String>, so_far: &mut SoFar) -> Result<(), Located> {
        let Placed { value, span } = name;
        let nameless = "a phase has a name: reports tell it by that";
        self.demand(!value.trim().is_empty(), span, nameless)?;
        let first = so_far.names.insert(value.clone());
        let twice = format!("two phases are called {value:?}: name each once");
        self.demand(first, span, twice)
    }

    /// How long a phase lasts: together with those before it no longer than a run can.
    fn lasting(&self, written: &Placed<Span>, so_far: &mut SoFar) -> Result<Duration, Located> {
        let Placed { value, span } = written;
        let lasting = "a phase lasts longer than 0s";
        self.demand(!value.0.is_zero(), span, lasting)?;
        so_far.lasts = so_far.lasts.saturating_add(value.0);
        let too_long = "all phases together last at most 365d: with this one they are longer";
        self.demand(so_far.lasts <= Span::LONGEST.0, span, too_long)?;
        Ok(value.0)
    }

    fn load(
        &self,
        file: &FilePhase,
        duration: Duration,
        vocabulary: &Vocabulary,
    ) -> Result<Load, Located> {
        let Some(think_time) = &file.think_time else {
            return self.open(file, duration).map(Load::Open);
        };
        let open_key = [
            ("rate", file.rate.as_ref().map(|key| &key.span)),
            ("ramp_to", file.ramp_to.as_ref().map(|key| &key.span)),
            ("steps", file.steps.as_ref().map(|key| &key.span)),
            ("spike", file.spike.as_ref().map(|key| &key.span)),
            ("burst", file.burst.as_ref().map(|key| &key.span)),
            ("arrivals", file.arrivals.as_ref().map(|key| &key.span)),
            // Each user talks in its own conversations, one as often as another.
            ("skew", file.skew.as_ref().map(|key| &key.span)),
        ]
        .into_iter()
        .find_map(|(key, span)| Some((key, span?)));
        if let Some((key, span)) = open_key {
            return Err(self.wrong(
                span,
                format!(
                    "`{key}` belongs to an open load, and `think_time` makes this phase a closed one: leave one of the two out"
                ),
            ));
        }
        self.demand(
            !think_time.value.low.0.is_zero(),
            &think_time.span,
            "people think longer than 0s: else there is no end to what they could send",
        )?;
        self.demand(
            vocabulary.acknowledges_messages,
            &think_time.span,
            "a closed load waits for acknowledgements, and this server gives none (`acknowledges_messages = false`)",
        )?;
        Ok(Load::Closed {
            think_time: think_time.value,
        })
    }

    fn open(&self, file: &FilePhase, duration: Duration) -> Result<Open, Located> {
        let rate = file.rate.as_ref().map_or(0.0, |rate| rate.value.0);
        if let Some(Placed { value, span }) = &file.steps {
            let nowhere = "`steps` lead somewhere: say where with `ramp_to`";
            self.demand(file.ramp_to.is_some(), span, nowhere)?;
            let so_many = "2 to 10000 steps, the first at `rate`, the last at `ramp_to`";
            self.demand((2..=10_000).contains(value), span, so_many)?;
        }
        Ok(Open {
            rate,
            ramp_to: file.ramp_to.as_ref().map_or(rate, |rate| rate.value.0),
            steps: file.steps.as_ref().map(|steps| steps.value),
            spike: self.spike(file, duration)?,
            burst: self.burst(file)?,
            arrivals: file
                .arrivals
                .as_ref()
                .map_or_else(Default::default, |arrivals| arrivals.value),
        })
    }

    fn spike(&self, file: &FilePhase, duration: Duration) -> Result<Option<Spike>, Located> {
        let Some(Placed { value: spike, span }) = &file.spike else {
            return Ok(None);
        };
        let Spike { after, lasts, .. } = spike;
        self.demand(!lasts.0.is_zero(), span, "a spike lasts longer than 0s")?;
        let end = after.0.checked_add(lasts.0);
        self.demand(
            end.is_some_and(|end| end <= duration),
            span,
            format!(
                "the spike is not over when the phase is: {after} + {lasts} is more than {}",
                file.duration.value
            ),
        )?;
        Ok(Some(*spike))
    }

    fn burst(&self, file: &FilePhase) -> Result<Option<Burst>, Located> {
        let Some(Placed { value: burst, span }) = &file.burst else {
            return Ok(None);
        };
        let is_one = burst.messages > 0 && !burst.every.0.is_zero();
        let none = "a burst has a message or more, and comes every 1ns or more";
        self.demand(is_one, span, none)?;
        Ok(Some(*burst))
    }

    fn churn(
        &self,
        file: &FilePhase,
        users: u32,
        duration: Duration,
        so_far: &mut SoFar,
    ) -> Result<Churn, Located> {
        let mut rate = |often: &Option<Placed<Often>>| {
            let Some(Placed { value, span }) = often else {
                return Ok(0.0);
            };
            let rate = value.per_second(users, duration);
            so_far.actions += rate * duration.as_secs_f64();
            let fits = so_far.actions <= MOST_ACTIONS;
            let too_many = format!(
                "{:.0} comings and goings by the end of this phase; at most {MOST_ACTIONS:.0} fit a run",
                so_far.actions
            );
            self.demand(fits, span, too_many)?;
            Ok(rate)
        };
        Ok(Churn {
            joins: rate(&file.joins)?,
            leaves: rate(&file.leaves)?,
            rejoins: rate(&file.rejoins)?,
            reconnects: rate(&file.reconnects)?,
            cuts: rate(&file.cuts)?,
            connects: rate(&file.connects)?,
            stalls: rate(&file.stalls)?,
        })
    }

    /// Who comes or goes must be able to.
    fn can_happen(
        &self,
        phase: &FilePhase,
        population: &Population,
        vocabulary: &Vocabulary,
        somebody_leaves: bool,
    ) -> Result<(), Located> {
        let wanted = |often: &Option<Placed<Often>>| -> Option<ByteRange<usize>> {
            often
                .as_ref()
                .filter(|often| !often.value.is_never())
                .map(|often| often.span.clone())
        };
        if let Some(span) = wanted(&phase.connects) {
            self.demand(
                population.connected < 1.0,
                &span,
                "everybody is connected already: leave somebody to come with `connected = \"50%\"` in [population]",
            )?;
        }
        if let Some(span) = wanted(&phase.joins) {
            self.demand(
                population.joined < 1.0 || somebody_leaves,
                &span,
                "everything is joined already: leave something with `joined = \"50%\"` in [population], or by `leaves`",
            )?;
        }
        let needs = [
            ("leaves", &phase.leaves, "leave"),
            ("rejoins", &phase.rejoins, "leave"),
            ("rejoins", &phase.rejoins, "join"),
            ("joins", &phase.joins, "join"),
        ];
        for (key, rate, event) in needs {
            let kind = match event {
                "join" => without(population, vocabulary, |names| names.join.is_some()),
                _ => without(population, vocabulary, |names| names.leave.is_some()),
            };
            if let (Some(span), Some(kind)) = (wanted(rate), kind) {
                let none =
                    format!("`{key}` need an event: [server.events.{kind}] has no `{event}`");
                return Err(self.wrong(&span, none));
            }
        }
        Ok(())
    }

    /// Whoever is to join later must be able to.
    pub(super) fn can_join_later(
        &self,
        joined: Option<&ByteRange<usize>>,
        population: &Population,
        vocabulary: &Vocabulary,
    ) -> Result<(), Located> {
        let kind = without(population, vocabulary, |names| names.join.is_some());
        match (joined, kind) {
            (Some(span), Some(kind)) if population.joined < 1.0 => Err(self.wrong(
                span,
                format!(
                    "[server.events.{kind}] has no `join`, and a server that joins its users itself joins all: leave `joined` out"
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Where a phase says how much is sent.
fn of_load(file: &FilePhase) -> Option<&ByteRange<usize>> {
    [
        file.think_time.as_ref().map(|think| &think.span),
        file.rate.as_ref().map(|rate| &rate.span),
        file.burst.as_ref().map(|burst| &burst.span),
        file.ramp_to.as_ref().map(|rate| &rate.span),
        file.spike.as_ref().map(|spike| &spike.span),
    ]
    .into_iter()
    .flatten()
    .next()
}

/// A kind of conversation in the population whose names lack what they should have.
fn without(
    population: &Population,
    vocabulary: &Vocabulary,
    has_it: impl Fn(&Names) -> bool,
) -> Option<&'static str> {
    [("room", Kind::Room), ("channel", Kind::Channel)]
        .into_iter()
        .find_map(|(name, kind)| {
            let lacks = population.has(kind) && !has_it(vocabulary.names(kind));
            lacks.then_some(name)
        })
}
