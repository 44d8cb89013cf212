//! Gates of `ab` on blocks of one and the same server: recorded ones, and such whose noise is of a known kind.

use loadgen_core::{
    compare::ab::{CYCLES, Compared, Numbers, Trial},
    judge::Verdict,
};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StudentT};

/// Runs of one server: how busy the machine was, and the runs' numbers; times in nanoseconds.
const RUNS: &str = include_str!("../comparisons/runs.csv");
/// Where the median and p99 of deliveries stand in a line.
const PLACES: [usize; 2] = [1, 4];
const KEYS: [&str; 2] = ["delivery.p50", "delivery.p99"];

/// How blocks of one server vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// As recorded where the run had the processors before everything else, from any of them on in their order.
    Quiet,
    /// As recorded beside more builds and tests than the machine could take.
    Busy,
    /// Each cycle somewhere else in what was recorded, quiet or busy.
    Mixed,
    /// Each block remembers the one before; some are far out (Student's t of 3).
    HeavyTails,
    /// The same, on a machine that gets slower and slower, or faster.
    Drift,
}

impl Noise {
    pub const ALL: [Noise; 5] = [
        Noise::Quiet,
        Noise::Busy,
        Noise::Mixed,
        Noise::HeavyTails,
        Noise::Drift,
    ];

    /// In the rows of a table.
    pub fn name(self) -> &'static str {
        match self {
            Noise::Quiet => "recorded, quiet machine",
            Noise::Busy => "recorded, busy machine",
            Noise::Mixed => "recorded, each cycle on either",
            Noise::HeavyTails => "heavy tails, each block like the one before",
            Noise::Drift => "the same, drifting",
        }
    }

    /// The logarithms of both numbers in three blocks of each cycle.
    fn blocks(self, rng: &mut ChaCha8Rng) -> Vec<[f64; 2]> {
        let blocks = 3 * CYCLES;
        match self {
            Noise::Quiet | Noise::Busy => {
                let runs = recorded(if self == Noise::Quiet {
                    "quiet,"
                } else {
                    "busy,"
                });
                let first = rng.random_range(0..runs.len());
                (0..blocks)
                    .map(|place| runs[(first + place) % runs.len()])
                    .collect()
            }
            Noise::Mixed => {
                let mut runs = recorded("quiet,");
                runs.extend(recorded("busy,"));
                let mut cycle = || {
                    let first = rng.random_range(0..runs.len() - 2);
                    [runs[first], runs[first + 1], runs[first + 2]]
                };
                (0..CYCLES).flat_map(|_| cycle()).collect()
            }
            Noise::HeavyTails => wandering(blocks, 0.0, rng),
            Noise::Drift => {
                let a_block: f64 = StandardNormal.sample(rng);
                wandering(blocks, 0.02 * a_block, rng)
            }
        }
    }
}

fn recorded(kind: &str) -> Vec<[f64; 2]> {
    let lines = RUNS.lines().filter(|line| line.starts_with(kind));
    let of = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        PLACES.map(|place| cells[place].parse::<f64>().expect("a number").ln())
    };
    lines.map(of).collect()
}

/// Around 1 ms and 3 ms; p99 varies more than the median, and partly with it.
fn wandering(blocks: usize, drift: f64, rng: &mut ChaCha8Rng) -> Vec<[f64; 2]> {
    let tails = StudentT::new(3.0).expect("degrees of freedom");
    // To a standard deviation of one.
    let far = |rng: &mut ChaCha8Rng| tails.sample(rng) / 3f64.sqrt();
    let mut state = [0.0; 2];
    (0..blocks)
        .map(|place| {
            let common = far(rng);
            for (state, spread) in state.iter_mut().zip([0.08, 0.2]) {
                *state = 0.4 * *state + spread * (0.6 * common + 0.8 * far(rng));
            }
            let moved = drift * place as f64;
            [
                1e6_f64.ln() + state[0] + moved,
                3e6_f64.ln() + state[1] + moved,
            ]
        })
        .collect()
}

/// What became of so many gates.
#[derive(Debug, Default)]
pub struct Tally {
    #[allow(dead_code, reason = "the bench shows it")]
    pub gates: u64,
    pub failed: u64,
    pub passed: u64,
    /// Cycles of each.
    lengths: Vec<usize>,
}

impl Tally {
    /// Of gates on a change that takes so many times as long.
    pub fn of(noise: Noise, times: f64, gates: u64) -> Self {
        let mut tally = Self {
            gates,
            ..Self::default()
        };
        for seed in 0..gates {
            let (verdict, cycles) = gate(noise, times, seed);
            tally.failed += u64::from(verdict == Verdict::Fail);
            tally.passed += u64::from(verdict == Verdict::Pass);
            tally.lengths.push(cycles);
        }
        tally.lengths.sort_unstable();
        tally
    }

    /// In the median of all gates.
    #[allow(dead_code, reason = "the bench shows it")]
    pub fn cycles(&self) -> usize {
        self.lengths[self.lengths.len() / 2]
    }
}

/// The verdict, and after how many cycles.
fn gate(noise: Noise, times: f64, seed: u64) -> (Verdict, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let blocks = noise.blocks(&mut rng);
    let compared: Vec<Compared> = KEYS
        .iter()
        .map(|key| key.parse().expect("a number"))
        .collect();
    let mut trial = Trial::new(compared, CYCLES);
    for cycle in blocks.chunks(3) {
        let mut order = [0, 1, 2];
        order.shuffle(&mut rng);
        let numbers = |block: usize, times: f64| -> Numbers {
            let of = |(key, value): (&&str, &f64)| ((*key).to_owned(), value.exp() * times);
            KEYS.iter().zip(&cycle[block]).map(of).collect()
        };
        trial.add(numbers(order[0], 1.0), numbers(order[1], times), None);
        if let Some(verdict) = trial.verdict() {
            return (verdict, trial.cycles());
        }
    }
    (Verdict::Inconclusive, trial.cycles())
}
