//! Why a verdict is what it is: each reason with its numbers, and the one sentence that says it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    judge::{Check, Finding, Gap, Judged},
    model::numbers::{count, counted},
    observed::Cause,
};

/// A reason, weightier or not by its verdict. A result records its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Reason {
    /// Receipts before their send: so many.
    ClockWrong(u64),
    /// Samples that are longer than can be kept: so many.
    TooLong(u64),
    /// Something outside disturbed so many of all seconds that a missed limit can't be judged.
    Disturbed {
        /// While users connected, and not of the schedule.
        connecting: bool,
        /// Seconds that were disturbed.
        disturbed: usize,
        /// Seconds with deliveries, or those of connecting.
        all: usize,
        /// By what, and in how many of them, as far as that is known.
        causes: Vec<(Cause, usize)>,
    },
    /// A worker thread had no time to spare.
    Saturated {
        /// Seconds in which it used its core up.
        seconds: usize,
        /// Seconds that were measured.
        of: usize,
        /// A relay did well under the same load, so that it is no excuse.
        charged: bool,
    },
    /// A fault of the scenario was not there, or had no effect, so that nothing was found out about it.
    Void {
        /// The fault's name.
        fault: String,
        /// Why.
        why: String,
    },
    /// A promise was broken so often.
    Broken(Check, u64),
    /// A threshold ended the run: which, and why.
    Aborted(String),
    /// The run did not go to its end, and why.
    Incomplete(String),
    /// The store was not looked up.
    NotLookedUp,
    /// When everybody had gone, the server no longer said who is on it.
    LeftUnanswered,
    /// Messages that were due could not be sent.
    NotSent {
        /// How many.
        dropped: u64,
        /// Of so many.
        scheduled: u64,
    },
    /// More came over connections than this program reads, so that it does not know what else came.
    BeyondLimit {
        /// How many connections.
        connections: u64,
        /// What was said of the first one.
        first: String,
    },
    /// A threshold, and what was measured.
    Measured {
        /// As in `delivery.within_5ms >= 99%`.
        threshold: String,
        /// In words.
        measured: String,
    },
    /// What several processes recorded is not one run.
    NotWhole(Gap),
    /// As a recorded result says it.
    Recorded(String),
}

/// Of a core, as much of a worker's time as leaves it none to spare.
pub(super) const SATURATED: f64 = 0.9;

/// What follows a sentence about the machine.
const NOT_THE_SERVER: &str = ": these numbers say nothing about the server";
/// What stands before a sentence about parts that are no whole.
const NOT_WHOLE: &str = "not one whole run: ";
/// What stands before a sentence about a fault that was none.
const VOID: &str = "nothing was found out about the fault ";

impl Reason {
    /// Whether it is about parts that are no whole, in a recorded result, too.
    pub fn is_of_parts(&self) -> bool {
        self.to_string().starts_with(NOT_WHOLE)
    }

    /// Whether it is about a fault that was not there, or had no effect, in a recorded result, too.
    pub fn is_void(&self) -> bool {
        self.to_string().starts_with(VOID)
    }

    /// The sentence without what a reader of numbers that the machine decided knows already.
    pub fn told_of_the_machine(&self) -> String {
        let text = self.to_string();
        match text.split_once(NOT_THE_SERVER) {
            Some((told, _)) => told.to_owned(),
            None => text,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::ClockWrong(receipts) => {
                let whose = if *receipts == 1 { "its" } else { "their" };
                let receipts = counted(*receipts, "receipt");
                write!(
                    f,
                    "{receipts} before {whose} send: the generator's clock is wrong"
                )
            }
            Reason::TooLong(samples) => {
                let are = if *samples == 1 { "is" } else { "are" };
                let samples = counted(*samples, "sample");
                write!(f, "{samples} {are} longer than can be kept")
            }
            Reason::Disturbed {
                connecting,
                disturbed,
                all,
                causes,
            } => {
                let what = if *connecting {
                    "seconds of connecting"
                } else {
                    "seconds"
                };
                write!(f, "{disturbed} of {all} {what} were disturbed")?;
                for (nth, (cause, seconds)) in causes.iter().enumerate() {
                    let before = if nth == 0 { " (" } else { ", " };
                    write!(f, "{before}in {seconds} {cause}")?;
                }
                let end = if causes.is_empty() { "" } else { ")" };
                write!(
                    f,
                    "{end}{NOT_THE_SERVER}; run it where nothing else runs, or judge every second with --no-machine-check"
                )
            }
            Reason::Saturated {
                seconds,
                of,
                charged,
            } => {
                let percent = SATURATED * 100.0;
                let busy = format!(
                    "a worker thread used {percent:.0} % of a core or more in {seconds} of {of} seconds"
                );
                match charged {
                    true => write!(
                        f,
                        "{busy}, which the same load over a bare relay did not need: it stays charged"
                    ),
                    false => write!(
                        f,
                        "the generator was saturated: {busy}; send fewer messages, or give it more workers (--workers) and cores"
                    ),
                }
            }
            Reason::Void { fault, why } => {
                write!(f, "{VOID}{fault:?}: {why}")
            }
            Reason::Broken(check, cases) => write!(f, "{}: {}", check.title(), count(*cases)),
            Reason::Incomplete(why) => write!(f, "the run did not go to its end: {why}"),
            Reason::NotLookedUp => {
                f.write_str("confirmed messages could not be looked up in the store")
            }
            Reason::LeftUnanswered => {
                f.write_str("who is left on the server is not known: it no longer says so")
            }
            Reason::NotSent { dropped, scheduled } => {
                write!(
                    f,
                    "{} of {} scheduled messages could not be sent",
                    count(*dropped),
                    count(*scheduled)
                )
            }
            Reason::BeyondLimit { connections, first } => {
                let connections = counted(*connections, "connection");
                write!(f, "{connections} went unheard: {first}")
            }
            Reason::Measured {
                threshold,
                measured,
            } => write!(f, "{threshold}: {measured}"),
            Reason::NotWhole(gap) => write!(f, "{NOT_WHOLE}{gap}"),
            Reason::Aborted(text) | Reason::Recorded(text) => f.write_str(text),
        }
    }
}

impl From<&Judged> for Reason {
    fn from(judged: &Judged) -> Self {
        Reason::Measured {
            threshold: judged.threshold.clone(),
            measured: judged.measured.clone(),
        }
    }
}

impl From<&Finding> for Reason {
    fn from(finding: &Finding) -> Self {
        Reason::Broken(finding.check, finding.count)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.to_string()
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Reason::Recorded(text)
    }
}

impl schemars::JsonSchema for Reason {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        String::inline_schema()
    }
}
