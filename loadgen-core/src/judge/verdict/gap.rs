//! Why what several processes recorded is not one run: then nothing that is said of it is of the whole.

use std::fmt;

use super::{Judgement, Reason, Verdict};

/// What keeps the shards of a run from being one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// Shards are not there.
    Missing {
        /// Their numbers, ascending.
        shards: Vec<u16>,
        /// How many there should be.
        of: u16,
    },
    /// A shard is there more than once.
    Twice {
        /// Its number.
        shard: u16,
        /// How many there should be.
        of: u16,
        /// Under which names it was given.
        names: Vec<String>,
    },
    /// A shard did not go to its end, though others did.
    CutShort {
        /// Its number.
        shard: u16,
        /// How many there should be.
        of: u16,
        /// Why.
        why: String,
    },
    /// What a shard recorded breaks off in the middle.
    Torn {
        /// Under which name it was given.
        name: String,
        /// Where it breaks off.
        why: String,
    },
    /// They did not begin at one moment.
    Apart {
        /// The number of the one that began first.
        first: u16,
        /// The number of the one that began last.
        last: u16,
        /// How long after it, microseconds.
        micros: u64,
        /// How much may be, microseconds.
        most: u64,
    },
    /// They were told different starts, so that their messages are not of one run.
    Foreign {
        /// The number of the first one.
        first: u16,
        /// The number of the first one whose messages are of another run.
        shard: u16,
    },
    /// The clocks of some were compared, and that of this one was not.
    Uncompared {
        /// The number of the first such.
        shard: u16,
        /// How far apart they may begin, microseconds.
        most: u64,
    },
    /// Whether they began at one moment can't be told.
    Unsure {
        /// The number of the one whose clock is known least.
        shard: u16,
        /// How well it is known, microseconds.
        micros: u64,
        /// How much may be, microseconds.
        most: u64,
    },
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::Missing { shards, of } => {
                let numbers: Vec<String> = shards.iter().map(u16::to_string).collect();
                let numbers = numbers.join(", ");
                match shards.len() {
                    1 => write!(f, "shard {numbers} of {of} is missing: what it did")?,
                    _ => write!(f, "shards {numbers} of {of} are missing: what they did")?,
                }
                write!(
                    f,
                    " to the server, and the server to its users, nobody knows"
                )
            }
            Gap::Twice { shard, of, names } => write!(
                f,
                "shard {shard} of {of} is there {} times ({}): which of them took part nobody can tell",
                names.len(),
                names.join(", ")
            ),
            Gap::CutShort { shard, of, why } => write!(
                f,
                "shard {shard} of {of} was cut short and others were not: {why}"
            ),
            Gap::Torn { name, why } => write!(f, "{name} breaks off in the middle: {why}"),
            Gap::Apart {
                first,
                last,
                micros,
                most,
            } => write!(
                f,
                "shard {last} began {:.1} ms after shard {first}, and {:.0} ms may be: the server was never under the whole load as planned",
                millis(*micros),
                millis(*most)
            ),
            Gap::Foreign { first, shard } => write!(
                f,
                "shard {shard} was told another start than shard {first}, so that their messages are of two runs: one that the server gave to a user of the other would count for nothing"
            ),
            Gap::Uncompared { shard, most } => write!(
                f,
                "the clock of shard {shard} was not compared with that of shard 1, and others were: whether it began within {:.0} ms of the others can't be told",
                millis(*most)
            ),
            Gap::Unsure {
                shard,
                micros,
                most,
            } => write!(
                f,
                "the clock of shard {shard} is known to ±{:.1} ms only: whether it began within {:.0} ms of the others can't be told",
                millis(*micros),
                millis(*most)
            ),
        }
    }
}

impl Judgement {
    /// The same of a run that was not whole: nothing can make it say more than that. What else was found is said behind it.
    #[must_use]
    pub fn with_gaps(mut self, gaps: Vec<Gap>) -> Self {
        if gaps.is_empty() {
            return self;
        }
        // Why it would have passed is no reason for this.
        if self.verdict == Verdict::Pass {
            self.reasons.clear();
        }
        self.verdict = Verdict::Invalid;
        self.reasons
            .splice(0..0, gaps.into_iter().map(Reason::NotWhole));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(verdict: Verdict) -> Judgement {
        Judgement {
            verdict,
            reasons: vec![Reason::NotLookedUp],
            thresholds: Vec::new(),
            saturated: None,
        }
    }

    #[test]
    fn a_run_that_is_not_whole_is_invalid_whatever_else_it_is() {
        let gap = Gap::Missing {
            shards: vec![2, 4],
            of: 4,
        };
        for (verdict, reasons) in [
            (Verdict::Pass, 1),
            (Verdict::Fail, 2),
            (Verdict::Invalid, 2),
        ] {
            let judged = judgement(verdict).with_gaps(vec![gap.clone()]);
            assert_eq!(
                (judged.verdict, judged.reasons.len()),
                (Verdict::Invalid, reasons)
            );
            assert_eq!(judged.reasons[0], Reason::NotWhole(gap.clone()));
            assert_eq!(judgement(verdict).with_gaps(Vec::new()), judgement(verdict));
        }
        assert_eq!(
            gap.to_string(),
            "shards 2, 4 of 4 are missing: what they did to the server, and the server to its users, nobody knows"
        );
    }
}
