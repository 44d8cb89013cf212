//! One side, measured once in a cycle: its numbers, what it broke, and whether the machine let it be measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Side,
    compared::{self, Compared},
    trial::Numbers,
};
use crate::{
    judge::{Reason, Verdict},
    model::{HistogramError, histogram},
    report::statements,
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
    /// It is the second try: the first was disturbed.
    pub repeated: bool,
    /// Why it does not count, where it does not: it was disturbed, or has too few samples.
    pub doubt: Option<String>,
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
        for one in compared {
            if let Some(value) = one.of(run)? {
                numbers.insert(one.number.to_string(), value);
            }
        }
        let missing = compared.iter().map(|one| one.number.to_string());
        let missing = missing.filter(|key| !numbers.contains_key(key)).collect();
        Ok(Self {
            side,
            started,
            repeated: false,
            doubt: disturbance(run).or_else(|| lacking(side, missing)),
            broken: broken(run),
            numbers,
            seconds: run.windows.len(),
            disturbed: statements::disturbed(run),
            sent: run.totals.sent,
            lost: Some(compared::lost(run)),
            delivery: histogram::encode(&compared::deliveries(run)?),
        })
    }
}

/// Why its numbers say nothing of the server: the evidence is the machine's and the generator's, never a latency.
fn disturbance(run: &Run) -> Option<String> {
    let (disturbed, seconds) = (statements::disturbed(run), run.windows.len());
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
    let mut of_the_generator = reasons.filter(|reason| {
        matches!(
            reason,
            Reason::ClockWrong(_) | Reason::TooLong(_) | Reason::Saturated { charged: false, .. }
        )
    });
    of_the_generator.next().map(Reason::to_string)
}

/// The relay is only looked at: what it lacks makes no cycle doubtful.
fn lacking(side: Side, missing: Vec<String>) -> Option<String> {
    (side != Side::Relay && !missing.is_empty())
        .then(|| format!("too few samples for {}", missing.join(", ")))
}

/// What is wrong however busy the machine is: the account's findings, and counts over their limits.
pub(in crate::compare) fn broken(run: &Run) -> Vec<String> {
    let findings = run.findings.iter();
    let findings = findings.map(|finding| finding.check.counted(finding.count));
    let limits = run.judgement.thresholds.iter().filter(|judged| {
        let key = judged
            .threshold
            .split_whitespace()
            .next()
            .unwrap_or_default();
        judged.verdict == Verdict::Fail && matches!(parse_subject(key), Ok(Subject::Count(_)))
    });
    let limits = limits.map(|judged| format!("{}: {}", judged.threshold, judged.measured));
    findings.chain(limits).collect()
}
