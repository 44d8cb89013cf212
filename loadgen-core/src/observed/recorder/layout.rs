//! What a recorder keeps apart, known before the run: the limits, the phases, the sizes, and what is watched meanwhile.

use crate::{
    model::{Metric, Nanos},
    observed::PROMISE,
    scenario::{Phase, Scenario, Threshold},
};

/// The durations whose "share within" is counted exactly: the promise, and those that thresholds name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits(Vec<Nanos>);

impl Limits {
    /// The promise and the limits of these thresholds.
    pub fn of<'a>(thresholds: impl IntoIterator<Item = &'a Threshold>) -> Self {
        let mut limits = vec![PROMISE];
        for threshold in thresholds {
            if let Some(limit) = threshold.limit()
                && !limits.contains(&limit)
            {
                limits.push(limit);
            }
        }
        Self(limits)
    }

    /// The place of a limit, where it is counted.
    pub fn place(&self, limit: Nanos) -> Option<usize> {
        self.0.iter().position(|&known| known == limit)
    }

    /// All of them, the promise first.
    pub fn all(&self) -> &[Nanos] {
        &self.0
    }
}

/// Told by second of a run with faults.
const PARTED: [Metric; 5] = [
    Metric::Delivery,
    Metric::Confirm,
    Metric::Ack,
    Metric::DeliverySameNode,
    Metric::DeliveryCrossNode,
];

/// What a recorder keeps apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    limits: Limits,
    windowed: Metrics,
    phases: Vec<Metrics>,
    watched: Vec<Watched>,
}

/// Samples that others look at while the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Index of a phase, or all of them.
    pub phase: Option<u16>,
    /// Which samples.
    pub metric: Metric,
}

impl Layout {
    /// What the report and the thresholds of a scenario need: windows of deliveries, of lateness and of every metric
    /// that a threshold names; of each measured phase the deliveries and what its own thresholds name.
    pub fn of(scenario: &Scenario) -> Self {
        let mut layout = Self::new(&scenario.thresholds, &scenario.phases);
        if !scenario.faults.is_empty() {
            // What became of each of them in and after a fault is told whether a threshold asks or not.
            let told = |metric: &Metric| scenario.nodes > 1 || !metric.needs_several_servers();
            for metric in PARTED.into_iter().filter(told) {
                layout.windowed[metric.index()] = true;
            }
        }
        layout
    }

    /// The same, of a scenario's parts.
    pub fn new(thresholds: &[Threshold], phases: &[Phase]) -> Self {
        let of_phases = phases.iter().flat_map(|phase| &phase.thresholds);
        let all = || thresholds.iter().chain(of_phases.clone());
        let kept_of_phase = |phase: &Phase| match phase.measured {
            true => with_named(&[Metric::Delivery], phase.thresholds.iter()),
            false => Metrics::default(),
        };
        Self {
            limits: Limits::of(all()),
            // The verdict on the generator itself rests on the second.
            windowed: with_named(&[Metric::Delivery, Metric::SendLateness], all()),
            phases: phases.iter().map(kept_of_phase).collect(),
            watched: watched(thresholds, phases),
        }
    }

    /// The limits that are counted exactly.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What others look at while the run goes on; all deliveries come first.
    pub fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// Whether a metric has windows.
    pub fn has_windows(&self, metric: Metric) -> bool {
        self.windowed[metric.index()]
    }

    /// Whether the samples of a metric are kept for that phase by itself.
    pub fn keeps(&self, phase: u16, metric: Metric) -> bool {
        let kept = self.phases.get(usize::from(phase));
        kept.is_some_and(|kept| kept[metric.index()])
    }
}

/// These metrics, and those that thresholds name.
fn with_named<'a>(these: &[Metric], all: impl Iterator<Item = &'a Threshold>) -> Metrics {
    let named = all.filter_map(|threshold| threshold.subject.metric());
    let mut metrics = Metrics::default();
    for metric in named.chain(these.iter().copied()) {
        metrics[metric.index()] = true;
    }
    metrics
}

pub fn watched(thresholds: &[Threshold], phases: &[Phase]) -> Vec<Watched> {
    let all = thresholds.iter().map(|threshold| (None, threshold));
    let of_phases = phases.iter().enumerate().flat_map(|(index, phase)| {
        let index = u16::try_from(index).ok();
        phase.thresholds.iter().map(move |one| (index, one))
    });
    let mut watched = vec![Watched {
        phase: None,
        metric: Metric::Delivery,
    }];
    for (phase, threshold) in all.chain(of_phases) {
        if threshold.abort_after.is_some()
            && let Some(metric) = threshold.subject.metric()
            && !watched.contains(&Watched { phase, metric })
        {
            watched.push(Watched { phase, metric });
        }
    }
    watched
}

/// By metric, whether it is one of them.
type Metrics = [bool; Metric::ALL.len()];

/// Conversations of about one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeClass {
    /// Members at least.
    pub least: u32,
    /// Members at most.
    pub most: u32,
}

/// The classes by which deliveries are told apart, smallest first. A conversation of one has no deliveries to others.
pub const SIZES: [SizeClass; 5] = [
    SizeClass { least: 2, most: 2 },
    SizeClass { least: 3, most: 10 },
    SizeClass {
        least: 11,
        most: 100,
    },
    SizeClass {
        least: 101,
        most: 1_000,
    },
    SizeClass {
        least: 1_001,
        most: u32::MAX,
    },
];

impl SizeClass {
    /// The place in [`SIZES`] of a conversation with so many members.
    pub fn place(members: usize) -> usize {
        SIZES
            .iter()
            .position(|class| members <= class.most as usize)
            .unwrap_or(SIZES.len() - 1)
    }
}
