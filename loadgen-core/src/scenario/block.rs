//! A block: the load of one phase for a short time, after a warm-up. What is compared is measured in blocks.

use std::time::Duration;

use super::{Load, Open, Phase, Scenario, Span, Spike, Subject, expected};

/// Which part of a scenario a block is made of, and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The phase whose load it has; `None`: the busiest of the measured open ones.
    pub phase: Option<String>,
    /// Load before it that is not measured.
    pub warm_up: Duration,
    /// What is measured.
    pub length: Duration,
}

impl Scenario {
    /// The scenario of a block: everybody and everything of this one, in the last of its delivery modes. Its limits on times are
    /// left out, since it is compared with another; what is counted is judged.
    ///
    /// # Errors
    /// There is no such phase: which there are.
    pub fn block(&self, block: &Block) -> Result<Scenario, String> {
        let of = self.phase_of(block.phase.as_deref())?;
        let measured = Phase {
            duration: block.length,
            load: shortened(&of.load, of.duration, block.length),
            measured: true,
            thresholds: Vec::new(),
            ..of.clone()
        };
        let warm_up = Phase {
            name: "warm-up".to_owned(),
            duration: block.warm_up,
            load: steady(&of.load, of.duration),
            measured: false,
            ..measured.clone()
        };
        let phases = [warm_up, measured];
        let counts = self.thresholds.iter();
        let counts = counts.filter(|one| matches!(one.subject, Subject::Count(_)));
        Ok(Scenario {
            delivery: self.delivery.last().copied().into_iter().collect(),
            phases: phases
                .into_iter()
                .filter(|phase| !phase.duration.is_zero())
                .collect(),
            thresholds: counts.cloned().collect(),
            asks: None,
            ..self.clone()
        })
    }

    /// The phase of that name, or the busiest.
    fn phase_of(&self, name: Option<&str>) -> Result<&Phase, String> {
        let rate = |phase: &Phase| match &phase.load {
            Load::Open(open) => expected(open, phase.duration) / phase.duration.as_secs_f64(),
            // Only where there is no other.
            Load::Closed { .. } => -1.0,
        };
        let busiest = |best: &'_ Phase, next: &'_ Phase| rate(next) > rate(best);
        let found = match name {
            Some(name) => self.phases.iter().find(|phase| phase.name == name),
            None => {
                let measured = self.phases.iter().filter(|phase| phase.measured);
                measured.reduce(|best, next| if busiest(best, next) { next } else { best })
            }
        };
        found.ok_or_else(|| {
            let names = self.phases.iter().map(|phase| phase.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            match name {
                Some(name) => format!("there is no phase {name:?}; there are {names}"),
                None => format!("no phase is measured: name one of {names}"),
            }
        })
    }
}

/// The same load in another time: what comes at a time of its own comes in proportion.
fn shortened(load: &Load, from: Duration, to: Duration) -> Load {
    let Load::Open(open) = load else {
        return load.clone();
    };
    let factor = to.as_secs_f64() / from.as_secs_f64();
    let span = |span: Span| {
        let time = Duration::try_from_secs_f64(span.0.as_secs_f64() * factor);
        Span(time.unwrap_or(Duration::MAX))
    };
    Load::Open(Open {
        spike: open.spike.map(|spike| Spike {
            after: span(spike.after),
            lasts: span(spike.lasts),
            ..spike
        }),
        ..*open
    })
}

/// As much load, at one rate.
fn steady(load: &Load, duration: Duration) -> Load {
    let Load::Open(open) = load else {
        return load.clone();
    };
    let rate = expected(open, duration) / duration.as_secs_f64();
    Load::Open(Open {
        rate,
        ramp_to: rate,
        arrivals: open.arrivals,
        ..Open::default()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{model::Delivery, plan::Plan};

    fn scenario(phases: &str) -> Scenario {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\n[server]\ndelivery = [\"persist-first\", \"optimistic\"]\n[population]\nusers = 40\nrooms = 20\n{phases}\n[thresholds]\n\"delivery.p99\" = \"< 5ms\"\n\"lost\" = \"== 0\"\n"
        );
        Scenario::parse(Path::new("t.toml"), &text).unwrap()
    }

    fn block(phase: Option<&str>) -> Block {
        Block {
            phase: phase.map(str::to_owned),
            warm_up: Duration::from_secs(2),
            length: Duration::from_secs(8),
        }
    }

    const PHASES: &str = "[[phases]]\nname = \"loud\"\nduration = \"3s\"\nrate = \"900/s\"\nmeasured = false\n[[phases]]\nname = \"quiet\"\nduration = \"30s\"\nrate = \"10/s\"\n[[phases]]\nname = \"rising\"\nduration = \"30s\"\nrate = \"100/s\"\nramp_to = \"200/s\"\nspike = { rate = \"500/s\", after = \"15s\", lasts = \"3s\" }\n";

    #[test]
    fn a_block_has_the_load_of_the_busiest_measured_phase_after_a_warm_up() {
        let short = scenario(PHASES).block(&block(None)).unwrap();
        let names: Vec<&str> = short
            .phases
            .iter()
            .map(|phase| phase.name.as_str())
            .collect();
        assert_eq!(names, ["warm-up", "rising"]);
        assert!(!short.phases[0].measured && short.phases[1].measured);
        assert_eq!(short.duration(), Duration::from_secs(10));
        let Load::Open(open) = &short.phases[1].load else {
            panic!("open")
        };
        assert_eq!((open.rate, open.ramp_to), (100.0, 200.0));
        let spike = open.spike.unwrap();
        assert_eq!(spike.after.0, Duration::from_secs(4));
        assert_eq!(spike.lasts.0, Duration::from_millis(800));
        // The same messages a second, in the mean, before and in it.
        let plan = Plan::new(&short).unwrap();
        let sends =
            |phase: u16| plan.sends.iter().filter(|send| send.phase == phase).count() as f64;
        assert!(
            (sends(0) / 2.0 / (sends(1) / 8.0) - 1.0).abs() < 0.15,
            "{} {}",
            sends(0),
            sends(1)
        );
    }

    #[test]
    fn a_block_is_judged_by_its_counts_alone_in_the_last_delivery_mode() {
        let short = scenario(PHASES).block(&block(Some("quiet"))).unwrap();
        assert_eq!(short.phases[1].name, "quiet");
        let thresholds: Vec<String> = short.thresholds.iter().map(ToString::to_string).collect();
        assert_eq!(thresholds, ["lost == 0"]);
        assert_eq!(short.delivery, [Delivery::Optimistic]);
        let cold = Block {
            warm_up: Duration::ZERO,
            ..block(None)
        };
        assert_eq!(scenario(PHASES).block(&cold).unwrap().phases.len(), 1);
    }

    #[test]
    fn a_phase_that_is_not_there_is_named_with_those_that_are() {
        let error = scenario(PHASES).block(&block(Some("steady"))).unwrap_err();
        assert!(error.contains("loud, quiet, rising"), "{error}");
    }
}
