//! The same question at other rates, and for a longer or shorter time.

use std::time::Duration;

use super::{Burst, Load, Open, Phase, Rate, Scenario, Span, Spike, expected};

/// Why a scenario can't be asked at other rates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// A closed phase has no rate.
    #[error(
        "phase {0:?} is closed (`think_time`): its users send when they are answered, at no rate that could be scaled; give it a `rate`"
    )]
    Closed(String),
    /// Nothing is sent in a measured phase.
    #[error("no measured phase sends anything: there is no rate to scale")]
    Silent,
}

impl Scenario {
    /// Messages per second in the measured phases, on average.
    ///
    /// # Errors
    /// [`ScaleError`] where there is no such rate.
    pub fn measured_rate(&self) -> Result<f64, ScaleError> {
        let mut messages = 0.0;
        for phase in &self.phases {
            match &phase.load {
                Load::Closed { .. } => return Err(ScaleError::Closed(phase.name.clone())),
                Load::Open(open) if phase.measured => messages += expected(open, phase.duration),
                Load::Open(_) => {}
            }
        }
        match messages > 0.0 {
            true => Ok(messages / self.measured_time().as_secs_f64()),
            false => Err(ScaleError::Silent),
        }
    }

    /// How long the measured phases are together.
    pub fn measured_time(&self) -> Duration {
        let measured = self.phases.iter().filter(|phase| phase.measured);
        measured.map(|phase| phase.duration).sum()
    }

    /// With all rates of messages `rates` times as high, warm-ups included, and all phases `length` times as long. Bursts come
    /// so much more often and are as large as before; comings and goings stay as they are. Of factors that are no numbers above
    /// zero nothing comes that can be planned.
    #[must_use]
    pub fn scaled(&self, rates: f64, length: f64) -> Self {
        Self {
            phases: self
                .phases
                .iter()
                .map(|phase| scaled(phase, rates, length))
                .collect(),
            ..self.clone()
        }
    }
}

fn scaled(phase: &Phase, rates: f64, length: f64) -> Phase {
    Phase {
        duration: times(phase.duration, length),
        load: match &phase.load {
            Load::Open(open) => Load::Open(Open {
                rate: open.rate * rates,
                ramp_to: open.ramp_to * rates,
                spike: open.spike.map(|spike| Spike {
                    rate: Rate(spike.rate.0 * rates),
                    after: Span(times(spike.after.0, length)),
                    lasts: Span(times(spike.lasts.0, length)),
                }),
                burst: open.burst.map(|burst| Burst {
                    every: Span(seconds(burst.every.0.as_secs_f64() / rates)),
                    ..burst
                }),
                ..*open
            }),
            closed => closed.clone(),
        },
        ..phase.clone()
    }
}

fn times(time: Duration, factor: f64) -> Duration {
    seconds(time.as_secs_f64() * factor)
}

/// A time that may be longer than any: no plan is made of that.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::Plan;

    fn scenario(phases: &str) -> Scenario {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 20, rooms = 10 }}\n{phases}"
        );
        Scenario::parse(Path::new("t.toml"), &text).unwrap()
    }

    const OPEN: &str = "[[phases]]\nname = \"warm-up\"\nduration = \"10s\"\nrate = \"10/s\"\nramp_to = \"100/s\"\nmeasured = false\n\
                        [[phases]]\nname = \"steady\"\nduration = \"20s\"\nrate = \"100/s\"\narrivals = \"uniform\"\n\
                        spike = { rate = \"300/s\", after = \"5s\", lasts = \"5s\" }\n\
                        [[phases]]\nname = \"bursts\"\nduration = \"10s\"\nburst = { messages = 50, every = \"1s\" }\n";

    #[test]
    fn all_rates_are_scaled_by_one_factor() {
        let scenario = scenario(OPEN);
        // 15 s at 100, 5 s at 300, 10 bursts of 50, in 30 s.
        let rate = scenario.measured_rate().unwrap();
        assert!((rate - 3_500.0 / 30.0).abs() < 1e-9, "{rate}");
        for (rates, length) in [(1.0, 1.0), (2.5, 1.0), (1.0, 0.5), (4.0, 0.25), (0.5, 3.0)] {
            let scaled = scenario.scaled(rates, length);
            let now = scaled.measured_rate().unwrap();
            assert!((now / rate - rates).abs() < 0.01, "{rates} {length}: {now}");
            let time = scaled.duration().as_secs_f64();
            assert!((time / 40.0 - length).abs() < 1e-6, "{time}");
            // It can be planned, and has the messages that it should.
            let sends = Plan::new(&scaled).unwrap().sends.len() as f64;
            let due = (3_500.0 + 550.0) * rates * length;
            assert!((sends / due - 1.0).abs() < 0.1, "{sends} of {due}");
        }
    }

    #[test]
    fn what_no_factor_makes_a_scenario_of_is_no_panic() {
        let scenario = scenario(OPEN);
        for factor in [0.0, -1.0, 1e300, 1e-300, f64::INFINITY, f64::NAN] {
            for (rates, length) in [(factor, 1.0), (1.0, factor)] {
                let _ = scenario.scaled(rates, length).duration();
            }
        }
        for (rates, length) in [(1e12, 1.0), (f64::INFINITY, 1.0), (1.0, 1e30)] {
            let planned = Plan::new(&scenario.scaled(rates, length));
            assert!(planned.is_err(), "{rates} {length}");
        }
    }

    proptest! {
        /// Results of before are planned again, to the last nanosecond.
        #[test]
        fn times_are_as_the_library_multiplies_them(nanos in 0..u64::MAX / 8, factor in 1e-3..2.0f64) {
            let time = Duration::from_nanos(nanos);
            prop_assert_eq!(times(time, factor), time.mul_f64(factor));
            prop_assert_eq!(seconds(time.as_secs_f64() / factor), time.div_f64(factor));
        }
    }

    #[test]
    fn what_has_no_rate_is_refused_in_one_sentence() {
        let closed = "[[phases]]\nname = \"talk\"\nduration = \"10s\"\nthink_time = \"1s\"\n";
        let error = scenario(closed).measured_rate().unwrap_err().to_string();
        assert!(
            error.contains("\"talk\"") && error.contains("`rate`"),
            "{error}"
        );
        let silent = "[[phases]]\nname = \"pause\"\nduration = \"10s\"\n";
        assert_eq!(scenario(silent).measured_rate(), Err(ScaleError::Silent));
    }
}
