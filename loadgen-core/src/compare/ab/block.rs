//! One side, measured once in a cycle: its numbers, what it broke, and whether the machine let it be measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Side,
    compared::{self, Compared},
    trial::Numbers,
};
use crate::{
    judge::{Reason, Verdict, statistic::Time},
    model::{Count, HistogramError, histogram},
    report::seconds,
    result::Run,
    scenario::{Subject, parse_subject},
};

/// One side, measured once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// Who was measured.
    pub side: Side,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// It is the second try: the first was disturbed, or could not be begun.
    pub repeated: bool,
    /// Why it does not count, where it does not: it was disturbed, has too few samples, or lost too many deliveries.
    pub doubt: Option<String>,
    /// Whether it is doubted for what it lacks alone, samples or deliveries that came: no machine disturbed it. `false` in results
    /// of before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacking: bool,
    /// Promises that were broken in it, in words.
    pub broken: Vec<String>,
    /// What is compared, by key: nanoseconds.
    pub numbers: Numbers,
    /// Seconds that were measured.
    pub seconds: usize,
    /// Of these, disturbed and left out of the deliveries.
    pub disturbed: usize,
    /// Messages that were sent, warm-up included.
    pub sent: u64,
    /// Deliveries of undisturbed seconds that never came; `None` in results of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Deliveries of undisturbed seconds: HdrHistogram V2, compressed, base64; nanoseconds.
    pub delivery: String,
}

impl Block {
    /// Of a run that was measured.
    ///
    /// # Errors
    /// [`HistogramError`] when a histogram can't be read.
    pub fn of(
        side: Side,
        run: &Run,
        compared: &[Compared],
        started: String,
    ) -> Result<Self, HistogramError> {
        let mut numbers = Numbers::new();
        let mut lacks = Lacks::default();
        for one in compared {
            let key = one.number.to_string();
            match one.of(run)? {
                Time::Known(value) => {
                    numbers.insert(key, value);
                }
                Time::Never => lacks.never.push(key),
                Time::TooFew(_) => lacks.too_few.push(key),
            }
        }
        let (disturbance, lacks) = (disturbance(run), lacks.told(side));
        Ok(Self {
            side,
            started,
            repeated: false,
            lacking: disturbance.is_none() && lacks.is_some(),
            doubt: disturbance.or(lacks),
            broken: broken(run),
            numbers,
            seconds: run.windows.len(),
            disturbed: seconds::disturbed(run),
            sent: run.totals.sent,
            lost: Some(compared::lost(run)),
            delivery: histogram::encode(&compared::deliveries(run)?),
        })
    }
}

/// Why its numbers say nothing of the server: the evidence is the machine's and the generator's, never a latency.
fn disturbance(run: &Run) -> Option<String> {
    let (disturbed, seconds) = (seconds::disturbed(run), run.windows.len());
    if 2 * disturbed > seconds {
        let causes = run
            .windows
            .iter()
            .filter_map(|second| second.machine?.cause);
        let cause = causes.max().map(|cause| format!(" ({cause})"));
        return Some(format!(
            "{disturbed} of {seconds} seconds were disturbed{}",
            cause.unwrap_or_default()
        ));
    }
    let reasons = run.judgement.reasons.iter();
    let impossible =
        |reason: &&Reason| matches!(reason, Reason::ClockWrong(_) | Reason::TooLong(_));
    // No time is judged in a block, so that no reason says it.
    let saturated = run.judgement.saturated.iter();
    let excused = |reason: &&Reason| matches!(reason, Reason::Saturated { charged: false, .. });
    let mut of_the_generator = reasons.filter(impossible).chain(saturated.filter(excused));
    of_the_generator.next().map(Reason::to_string)
}

/// The numbers that a block does not have.
#[derive(Default)]
struct Lacks {
    too_few: Vec<String>,
    /// Times of deliveries that never came.
    never: Vec<String>,
}

impl Lacks {
    /// Why the block does not count, if so. The relay is only looked at: what it lacks makes no cycle doubtful.
    fn told(&self, side: Side) -> Option<String> {
        let of = |what: &str, numbers: &[String]| {
            (!numbers.is_empty()).then(|| format!("{what} {}", numbers.join(", ")))
        };
        let too_few = of("too few samples for", &self.too_few);
        let never = of("never, since so many deliveries were lost:", &self.never);
        let told: Vec<String> = never.into_iter().chain(too_few).collect();
        (side != Side::Relay && !told.is_empty()).then(|| told.join("; "))
    }
}

/// What is wrong however busy the machine is: the account's findings, and counts over their limits, but for what was dropped:
/// what was not sent, the generator did not send. Of a run that is INVALID nothing is: it was not the server's doing.
pub(in crate::compare) fn broken(run: &Run) -> Vec<String> {
    if run.judgement.verdict == Verdict::Invalid {
        return Vec::new();
    }
    let findings = run.findings.iter();
    let findings = findings.map(|finding| finding.check.counted(finding.count));
    let limits = run.judgement.thresholds.iter().filter(|judged| {
        let key = judged
            .threshold
            .split_whitespace()
            .next()
            .unwrap_or_default();
        let is_the_servers =
            matches!(parse_subject(key), Ok(Subject::Count(count)) if count != Count::Dropped);
        judged.verdict == Verdict::Fail && is_the_servers
    });
    let limits = limits.map(|judged| format!("{}: {}", judged.threshold, judged.measured));
    findings.chain(limits).collect()
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc, time::Duration};

    use super::*;
    use crate::{
        judge::{Account, Check, Finding, Promises, Totals, judge},
        model::Delivery,
        observed::{DeliverySample, Layout, Ledger, Observed, Recorder},
        plan::{Plan, Share},
        result::{self, About},
        scenario::{self, Scenario},
    };

    const SCENARIO: &str = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 20, rooms = 10 }\n\
        [[phases]]\nname = \"steady\"\nduration = \"20s\"\nrate = \"200/s\"\n\
        [thresholds]\n\"delivery.p99\" = \"< 5ms\"\n\"lost\" = \"== 0\"\n";

    /// A block in which a worker used so much of a core and all was delivered but what was found wrong.
    fn block(used: f64, wrong: &[Check]) -> Block {
        block_of(used, wrong, Totals::default(), SCENARIO)
    }

    /// The same with more of these counts, of another scenario.
    fn block_of(used: f64, wrong: &[Check], more: Totals, scenario: &str) -> Block {
        let scenario = Scenario::parse(Path::new("t.toml"), scenario).unwrap();
        let short = scenario.block(&scenario::Block {
            phase: None,
            warm_up: Duration::ZERO,
            length: Duration::from_secs(8),
        });
        let short = short.unwrap();
        let plan = Plan::new(&short).unwrap();
        let mut recorder = Recorder::new(Arc::new(Layout::of(&short)));
        recorder.begin(0);
        for send in &plan.sends {
            recorder.record_send(send.at, Some(send.at));
            recorder.record_delivery(DeliverySample {
                intended: send.at,
                received: send.at + 300_000,
                phase: 0,
                members: 2,
            });
        }
        let mut observed = Observed::of(recorder.finish(), Arc::new(Ledger::new(0, 0)));
        observed.threads = Share::WHOLE
            .split(1)
            .map(|share| (share.thread(), vec![used; 8]))
            .collect();
        let sent = plan.sends.len() as u64;
        let finding = |check: &Check| Finding {
            check: *check,
            count: 4,
            examples: Vec::new(),
        };
        let account = Account {
            totals: Totals {
                scheduled: sent + more.dropped,
                sent,
                ..more
            },
            findings: wrong.iter().map(finding).collect(),
            ..Account::default()
        };
        let judgement = judge(&short, &plan, &observed, &account, &[]);
        let about = About {
            scenario: &short,
            plan: &plan,
            delivery: Delivery::Optimistic,
            delivery_known: true,
            promises: Promises::of(&short.vocabulary(), Delivery::Optimistic),
            target: "",
            own: true,
            target_version: None,
            store: String::new(),
            client: "native",
        };
        let run = result::run(about, observed, account, judgement);
        let compared: Compared = "delivery.p50".parse().unwrap();
        Block::of(Side::Change, &run, &[compared], String::new()).unwrap()
    }

    #[test]
    fn a_block_whose_generator_had_no_time_to_spare_is_doubted() {
        let doubt = block(0.95, &[]).doubt.unwrap_or_default();
        assert!(doubt.starts_with("the generator was saturated"), "{doubt}");
        assert_eq!(block(0.4, &[]).doubt, None);
    }

    #[test]
    fn what_a_saturated_generator_lost_with_its_connections_breaks_no_promise() {
        let thrown_out = [Check::Lost, Check::ConnectionLost];
        assert_eq!(block(0.95, &thrown_out).broken, [""; 0]);
        assert_eq!(block(0.4, &thrown_out).broken.len(), 2);
        // What was doubled is so however busy the generator is.
        let doubled = block(0.95, &[Check::Duplicated]);
        assert!(doubled.doubt.is_some() && doubled.broken.len() == 1);
    }

    #[test]
    fn what_the_generator_did_not_send_is_no_promise_of_the_server() {
        let scenario = format!("{SCENARIO}\"dropped\" = \"== 0\"\n\"failed\" = \"== 0\"\n");
        let broken = |totals| block_of(0.4, &[], totals, &scenario).broken;
        let dropped = Totals {
            dropped: 3,
            ..Totals::default()
        };
        assert_eq!(broken(dropped.clone()), [""; 0]);
        let failed = Totals {
            failed: 2,
            ..dropped
        };
        assert_eq!(broken(failed), ["failed == 0: 2"]);
    }
}
