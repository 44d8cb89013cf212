//! What a run shows of the share of samples that miss a limit: of itself, by its messages, and of the long run, by its
//! seconds.

use statrs::function::beta::checked_beta_reg;

use super::resample::{Resampling, at};

/// Of each end of a 95 % interval.
const TAIL: f64 = 0.025;
/// So many deviations to either side leave that over at each end of a normal distribution.
const DEVIATIONS: f64 = 1.959_963_984_540_054;
/// Of more misses, and of more samples that don't miss, the exact interval is the normal one to a thousandth of its width, and no
/// longer worked out: its continued fraction is cut off before it has converged.
const MANY: f64 = 1e6;
/// Seconds that pass at least: a single one would seem certain of anything.
pub const FEWEST_SECONDS: usize = 5;
/// From so many seconds on, how they vary counts for PASS, even where they don't yet show what is rare.
const SECONDS_THAT_VARY: f64 = 60.0;
/// A run without a bad second leaves a share of three in its seconds possible (95 %, the rule of three).
const RULE_OF_THREE: f64 = 3.0;

/// One second of a run, as far as a limit goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Samples that missed the limit.
    pub missed: u64,
    /// All samples.
    pub n: u64,
}

/// From here to there, as fractions of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The share of samples that miss a limit, and what it is known to be with 95 %.
#[derive(Debug, Clone, PartialEq)]
pub struct Misses {
    /// Of all samples.
    pub share: f64,
    /// Samples that stand for themselves: those of one message are one.
    pub messages: f64,
    /// Seconds that hold samples.
    pub seconds: usize,
    /// What this run's messages met: other messages at these moments would have met the same (binomial).
    pub run: Range,
    /// What runs like this one would have shown, as its seconds vary.
    pub seen: Range,
    /// What the server may do in the long run: as its seconds vary, and with bad seconds so rare that none was seen.
    pub long: Range,
}

/// What [`Misses`] say of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The limit was kept for certain.
    Kept,
    /// The limit was missed for certain.
    Missed,
    /// Neither.
    Open(Doubt),
}

/// Why nothing is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Fewer than [`FEWEST_SECONDS`].
    FewSeconds,
    /// The run's messages leave open on which side they are.
    Messages,
    /// The run kept the limit, and its seconds vary too much to say more.
    Seconds,
}

/// A share of samples that may miss a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// As a fraction of one.
    pub share: f64,
    /// Exactly this share is too much already.
    pub below: bool,
}

impl Allowed {
    /// Whether so many misses are allowed.
    pub fn allows(self, share: f64) -> bool {
        share < self.share || !self.below && share <= self.share
    }

    /// Seconds without which a run doesn't show bad seconds that alone would be too many.
    pub fn seconds_to_see(self) -> f64 {
        RULE_OF_THREE / self.share
    }
}

impl Misses {
    /// Of a run's seconds. The samples of one message, `fan_out` of them, share its fate.
    pub fn of(seconds: &[Second], fan_out: f64) -> Self {
        let seconds: Vec<Second> = seconds.iter().copied().filter(|one| one.n > 0).collect();
        let n: u64 = seconds.iter().map(|second| second.n).sum();
        let missed: u64 = seconds.iter().map(|second| second.missed).sum();
        let share = missed as f64 / n.max(1) as f64;
        let messages = n as f64 / fan_out.max(1.0);
        let run = binomial(share * messages, messages);
        let (seen, long) = by_seconds(&seconds, missed);
        let widened = |range: Range| Range {
            low: range.low.min(run.low),
            high: range.high.max(run.high),
        };
        Self {
            share,
            messages,
            seconds: seconds.len(),
            run,
            seen: widened(seen),
            long: widened(long),
        }
    }

    /// The rule (`docs/MEASUREMENT.md`, "The limit and its intervals").
    pub fn decide(&self, allowed: Allowed) -> Decision {
        // Nothing may miss: no number of samples shows that, and one miss refutes it.
        if allowed.share <= 0.0 {
            return match self.share > 0.0 {
                true => Decision::Missed,
                false => Decision::Kept,
            };
        }
        if !allowed.allows(self.run.low) || !allowed.allows(self.long.low) {
            return Decision::Missed;
        }
        if !allowed.allows(self.run.high) {
            return Decision::Open(Doubt::Messages);
        }
        if self.seconds < FEWEST_SECONDS {
            return Decision::Open(Doubt::FewSeconds);
        }
        let varying = allowed.seconds_to_see().min(SECONDS_THAT_VARY);
        if self.seconds as f64 >= varying && !allowed.allows(self.seen.high) {
            return Decision::Open(Doubt::Seconds);
        }
        Decision::Kept
    }
}

/// The exact interval of a share (Clopper and Pearson 1934), also between whole numbers; of very many, that of Wilson.
fn binomial(missed: f64, n: f64) -> Range {
    if missed > MANY && n - missed > MANY {
        return normal(missed, n);
    }
    let quantile = |a: f64, b: f64, of: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        // Each halving gives a binary digit.
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            match checked_beta_reg(a, b, middle) {
                Ok(below) if below < of => low = middle,
                _ => high = middle,
            }
        }
        (low + high) / 2.0
    };
    Range {
        low: match missed > 0.0 {
            true => quantile(missed, n - missed + 1.0, TAIL),
            false => 0.0,
        },
        high: match missed < n {
            true => quantile(missed + 1.0, n - missed, 1.0 - TAIL),
            false => 1.0,
        },
    }
}

/// The interval of a share by the normal distribution (Wilson 1927).
fn normal(missed: f64, n: f64) -> Range {
    let share = missed / n;
    let square = DEVIATIONS * DEVIATIONS;
    let scale = 1.0 + square / n;
    let centre = (share + square / (2.0 * n)) / scale;
    let variance = share * (1.0 - share) / n + square / (4.0 * n * n);
    let off = DEVIATIONS * variance.sqrt() / scale;
    Range {
        low: centre - off,
        high: centre + off,
    }
}

/// By resampling blocks of seconds, in several lengths: the widest of all. Without, and with what was never seen.
fn by_seconds(seconds: &[Second], missed: u64) -> (Range, Range) {
    // A second wholly bad that comes in this share of all was not seen once, in one run of forty.
    let unseen = |luck: f64| 1.0 - luck.powf(1.0 / seconds.len().max(1) as f64);
    let nothing = Range {
        low: 0.0,
        high: 0.0,
    };
    if missed == 0 {
        let high = unseen(TAIL);
        return (nothing, Range { high, ..nothing });
    }
    let widest = |a: Range, b: Range| Range {
        low: a.low.min(b.low),
        high: a.high.max(b.high),
    };
    Resampling::lengths(seconds.len())
        .map(|mut resampling| {
            let blocks = resampling.blocks(seconds, |block| {
                let sum = |of: fn(&Second) -> u64| block.iter().map(of).sum::<u64>() as f64;
                (sum(|second| second.missed), sum(|second| second.n))
            });
            let block = blocks.iter().map(|block| block.1).sum::<f64>() / blocks.len() as f64;
            let (mut seen, mut least, mut most) = (Vec::new(), Vec::new(), Vec::new());
            resampling.draw(|draw| {
                let weighted = draw.weights().iter().zip(&blocks);
                let (missed, n) = weighted.fold((0.0, 0.0), |sum, (weight, block)| {
                    (sum.0 + weight * block.0, sum.1 + weight * block.1)
                });
                let rare = unseen(draw.luck());
                seen.push(missed / n);
                // A good block was not seen either.
                least.push(missed / (n + draw.weight() * block));
                most.push(missed / n * (1.0 - rare) + rare);
            });
            let ends = |low: &mut [f64], high: &mut [f64]| Range {
                low: at(low, TAIL),
                high: at(high, 1.0 - TAIL),
            };
            let long = ends(&mut least, &mut most);
            let high = at(&mut seen, 1.0 - TAIL);
            let low = at(&mut seen, TAIL);
            (Range { low, high }, long)
        })
        .reduce(|a, b| (widest(a.0, b.0), widest(a.1, b.1)))
        .unwrap_or((nothing, nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed = Allowed {
        share: 0.01,
        below: false,
    };

    fn near(range: Range, low: f64, high: f64) -> bool {
        (range.low - low).abs() < 1e-4 && (range.high - high).abs() < 1e-4
    }

    /// To a hundredth of half its width.
    fn is(range: Range, low: f64, high: f64) -> bool {
        let hair = (high - low) / 200.0;
        (range.low - low).abs() < hair && (range.high - high).abs() < hair
    }

    fn seconds(missed: &[u64]) -> Vec<Second> {
        let of = missed.iter();
        of.map(|&missed| Second { missed, n: 100 }).collect()
    }

    #[test]
    fn rule_08_the_binomial_interval_is_the_one_of_the_tables() {
        assert!(near(binomial(0.0, 100.0), 0.0, 0.0362));
        assert!(near(binomial(10.0, 100.0), 0.0490, 0.1762));
        assert!(near(binomial(100.0, 100.0), 0.9638, 1.0));
        // Where a normal approximation is as good.
        assert!(is(binomial(1e5, 1e7), 0.009_938_4, 0.010_061_9));
    }

    #[test]
    fn rule_08_the_binomial_interval_of_very_many_is_the_normal_one() {
        assert!(is(binomial(2.5e7, 5e7), 0.499_861_4, 0.500_138_6));
        assert!(is(binomial(4e6, 1e9), 0.003_996_09, 0.004_003_91));
        // Where the one takes over from the other, they agree.
        let (exact, normal) = (binomial(MANY, 3e6), normal(MANY, 3e6));
        assert!(exact != normal && is(exact, normal.low, normal.high));
    }

    #[test]
    fn rule_08_what_was_never_seen_is_bounded_by_the_rule_of_three() {
        let misses = Misses::of(&seconds(&[0; 300]), 1.0);
        assert!(near(misses.long, 0.0, 0.0122), "{misses:?}");
        assert!(near(misses.seen, 0.0, 0.0001), "{misses:?}");
        assert_eq!(misses.decide(ALLOWED), Decision::Kept);
    }

    #[test]
    fn rule_08_one_bad_second_among_many_widens_the_long_run_and_not_the_run() {
        let mut missed = [0; 100];
        missed[40] = 60;
        let misses = Misses::of(&seconds(&missed), 1.0);
        assert!(misses.run.high < 0.008, "{misses:?}");
        assert!(
            misses.seen.high > 0.015 && misses.long.high > 0.03,
            "{misses:?}"
        );
        assert!(misses.long.low < 0.001, "{misses:?}");
        assert_eq!(misses.decide(ALLOWED), Decision::Open(Doubt::Seconds));
    }

    #[test]
    fn rule_14_where_nothing_may_miss_one_miss_decides() {
        let allowed = Allowed {
            share: 0.0,
            below: false,
        };
        let decide = |missed: &[u64]| Misses::of(&seconds(missed), 1.0).decide(allowed);
        assert_eq!(decide(&[0; 20]), Decision::Kept);
        let mut missed = [0; 20];
        missed[3] = 1;
        assert_eq!(decide(&missed), Decision::Missed);
    }

    #[test]
    fn rule_14_what_must_be_less_than_half_is_missed_by_all() {
        let allowed = Allowed {
            share: 0.5,
            below: true,
        };
        let decide = |missed: u64| Misses::of(&seconds(&[missed; 20]), 1.0).decide(allowed);
        assert_eq!(decide(30), Decision::Kept);
        assert_eq!(decide(50), Decision::Open(Doubt::Messages));
        assert_eq!(decide(70), Decision::Missed);
    }
}
