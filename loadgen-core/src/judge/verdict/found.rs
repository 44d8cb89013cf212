//! What was found of a limit, as a verdict and in words: the number, this run, the long run, and when it was missed.

use super::{
    Verdict, floor,
    limit::Limit,
    misses::{Decision, Doubt, FEWEST_SECONDS, Misses, Range},
    when::When,
};
use crate::model::numbers;

/// What was found of a limit.
pub(super) struct Found {
    pub(super) misses: Misses,
    pub(super) limit: Limit,
    /// What was measured, and of how many samples.
    pub(super) number: String,
    pub(super) when: When,
}

impl Found {
    /// Why it is the machine's and not the server's, if a floor says so: of what is missed for certain, and of a doubt that
    /// the floor's own misses explain.
    pub(super) fn excuse(&self, floor: &Misses) -> Option<String> {
        let (misses, allowed) = (&self.misses, self.limit.allowed);
        let explained = allowed.allows((misses.share - floor.share).max(0.0));
        let blamed = match misses.decide(allowed) {
            Decision::Missed => true,
            Decision::Open(_) => !allowed.allows(misses.share) && explained,
            Decision::Kept => false,
        };
        let excuse = floor::excuse(misses, floor, allowed);
        excuse.filter(|_| blamed)
    }

    pub(super) fn judged(&self) -> (Verdict, String) {
        let decision = self.misses.decide(self.limit.allowed);
        let number = &self.number;
        let (verdict, said) = match decision {
            Decision::Open(Doubt::FewSeconds) => {
                let seconds = self.misses.seconds;
                let needs = format!("{seconds} seconds, needs {FEWEST_SECONDS} of them to pass");
                return (Verdict::Inconclusive, format!("{number}: {needs}"));
            }
            Decision::Kept => (Verdict::Pass, self.unseen()),
            Decision::Missed => (Verdict::Fail, self.one_run()),
            Decision::Open(doubt) => (Verdict::Inconclusive, Some(self.longer(doubt))),
        };
        let said = said.map_or_else(String::new, |said| format!("; {said}"));
        let when = match verdict {
            Verdict::Fail if self.limit.over_misses => format!(": {}", self.when),
            _ => String::new(),
        };
        (
            verdict,
            format!("{number}{when}; {}{said}", self.intervals()),
        )
    }

    /// `95 % sure: this run 99.64 % to 99.99 % (2,000 messages), the long run 83.14 % to 99.99 % (20 seconds)`.
    fn intervals(&self) -> String {
        let misses = &self.misses;
        format!(
            "95 % sure: this run {} ({}), the long run {} ({})",
            self.range(misses.run),
            numbers::counted(misses.messages as u64, "message"),
            self.range(misses.long),
            numbers::counted(misses.seconds as u64, "second"),
        )
    }

    /// The share within the limit, of a share that misses it.
    pub(super) fn within(&self, missed: Range) -> Range {
        let (one, other) = (
            self.limit.within(missed.low),
            self.limit.within(missed.high),
        );
        Range {
            low: one.min(other),
            high: one.max(other),
        }
    }

    fn range(&self, missed: Range) -> String {
        let Range { low, high } = self.within(missed);
        if high >= 1.0 {
            format!("{} or more", numbers::share(low))
        } else if low <= 0.0 {
            format!("{} or less", numbers::share(high))
        } else {
            format!("{} to {}", numbers::share(low), numbers::share(high))
        }
    }

    /// What so short a run can't have seen, though it alone would be too much.
    fn unseen(&self) -> Option<String> {
        let seconds = self.misses.seconds as f64;
        let needed = self.limit.allowed.seconds_to_see();
        (seconds < needed && needed.is_finite()).then(|| {
            format!(
                "so short a run can't show what comes less often than once in {}, {} can",
                time(seconds / 3.0),
                time(needed),
            )
        })
    }

    /// What a run that missed its limit leaves open.
    fn one_run(&self) -> Option<String> {
        let leaves_open = self.limit.allowed.allows(self.misses.long.low);
        leaves_open.then(|| "how often that comes, one run of this length can't show".into())
    }

    /// What would decide.
    fn longer(&self, doubt: Doubt) -> String {
        let misses = &self.misses;
        let allowed = self.limit.allowed.share;
        let (why, end) = match doubt {
            Doubt::Seconds => ("its seconds vary too much to tell", misses.seen.high),
            _ => ("its messages can't tell", misses.run.high),
        };
        let end = match misses.share > allowed {
            true => misses.run.low,
            false => end,
        };
        // An interval narrows with the root of the time.
        let times = ((end - misses.share) / (allowed - misses.share)).powi(2);
        let seconds = misses.seconds as f64 * times;
        if seconds.is_finite() && times < 100.0 {
            format!("{why}; about {} like this would", time(seconds))
        } else {
            format!("{why}, so near is it to the limit")
        }
    }
}

/// A length of time in the unit that fits, rounded up.
fn time(seconds: f64) -> String {
    match seconds {
        ..=300.0 => format!("{:.0} s", seconds.ceil()),
        ..=7_200.0 => format!("{:.0} min", (seconds / 60.0).ceil()),
        _ => format!("{:.0} h", (seconds / 3_600.0).ceil()),
    }
}
