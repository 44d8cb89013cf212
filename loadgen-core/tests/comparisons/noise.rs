//! Runs that were recorded, shared out between two sides again and again: how often chance alone passes for a difference, and
//! how often a difference is seen.

use loadgen_core::compare::sets::{Design, Sets, Values};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// A run in each line: how busy the machine was, and the run's numbers; times in nanoseconds.
const RUNS: &str = include_str!("runs.csv");

/// The numbers of one run, in the order of [`RUNS`].
type Run = Vec<f64>;

/// What the machine did beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Little: the run had the processors before everything else.
    Quiet,
    /// Builds and tests of others, more than the machine could take.
    Busy,
    /// Each run on either.
    Mixed,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Quiet, Kind::Busy, Kind::Mixed];

    /// In the rows of a table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Quiet => "quiet machine",
            Kind::Busy => "busy machine",
            Kind::Mixed => "each run on either",
        }
    }

    /// The recorded runs in the order of time; of both kinds, any of the two after the other until there are no more.
    pub fn runs(self) -> Vec<Run> {
        let of = |name: &str| -> Vec<Run> {
            let lines = RUNS.lines().filter_map(|line| line.strip_prefix(name));
            let number = |cell: &str| cell.parse().expect("a number");
            lines
                .map(|line| line.split(',').map(number).collect())
                .collect()
        };
        match self {
            Kind::Quiet => of("quiet,"),
            Kind::Busy => of("busy,"),
            Kind::Mixed => {
                let (mut quiet, mut busy) = (of("quiet,").into_iter(), of("busy,").into_iter());
                let mut rng = ChaCha8Rng::seed_from_u64(0);
                let mut next = || {
                    if rng.random_bool(0.5) {
                        quiet.next()
                    } else {
                        busy.next()
                    }
                };
                std::iter::from_fn(&mut next).collect()
            }
        }
    }
}

/// How the runs of both sides were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Any of those recorded, on any side.
    Random,
    /// Neighbours, in turn: of each two, either is the base.
    InTurn,
    /// Neighbours: all of one side before all of the other.
    OneAfterTheOther,
}

impl Order {
    pub const ALL: [Order; 3] = [Order::Random, Order::InTurn, Order::OneAfterTheOther];

    /// In the rows of a table.
    pub fn name(self) -> &'static str {
        match self {
            Order::Random => "any runs",
            Order::InTurn => "in turn",
            Order::OneAfterTheOther => "one side after the other",
        }
    }

    /// So many runs of each side, by the places at which they were recorded.
    fn draw(self, recorded: usize, n: usize, rng: &mut ChaCha8Rng) -> (Vec<usize>, Vec<usize>) {
        if self == Order::Random {
            let mut places: Vec<usize> = (0..recorded).collect();
            let (drawn, _) = places.partial_shuffle(rng, 2 * n);
            let (base, change) = drawn.split_at(n);
            return (sorted(base), sorted(change));
        }
        let first = rng.random_range(0..=recorded - 2 * n);
        let mut sides: Vec<bool> = (0..2 * n).map(|place| place >= n).collect();
        if self == Order::InTurn {
            for pair in sides.chunks_mut(2) {
                let swapped = rng.random_bool(0.5);
                pair.copy_from_slice(&[swapped, !swapped]);
            }
        }
        let of = |side| {
            (0..2 * n)
                .filter(|place| sides[*place] == side)
                .map(|place| first + place)
                .collect()
        };
        (of(false), of(true))
    }
}

fn sorted(places: &[usize]) -> Vec<usize> {
    let mut places = places.to_vec();
    places.sort_unstable();
    places
}

/// In which share of comparisons of `n` runs against `n` any number differs for certain, where all times of the change take
/// `factor` times as long; 1: of false alarms.
pub fn alarms(kind: Kind, order: Order, n: usize, factor: f64, comparisons: u64) -> f64 {
    let recorded = kind.runs();
    let alarm = |seed: &u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(*seed);
        let (base, change) = order.draw(recorded.len(), n, &mut rng);
        let sets = Sets::new(Design::of(&base, &change), n, n);
        let numbers: Vec<Values> = (0..recorded[0].len())
            .map(|number| {
                let of = |place: &usize| as_compared(recorded[*place][number]);
                let slower = if is_share(&recorded, number) {
                    0.0
                } else {
                    factor.ln()
                };
                Values {
                    base: base.iter().map(of).collect(),
                    change: change.iter().map(|place| of(place) + slower).collect(),
                }
            })
            .collect();
        sets.certain(&numbers).contains(&true)
    };
    (0..comparisons).filter(alarm).count() as f64 / comparisons as f64
}

/// Times by their ratios, shares by their differences.
fn as_compared(number: f64) -> f64 {
    if number > 1.0 { number.ln() } else { number }
}

fn is_share(recorded: &[Run], number: usize) -> bool {
    recorded.iter().all(|run| run[number] <= 1.0)
}
