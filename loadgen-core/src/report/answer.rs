//! The answer to a scenario's question, in the metric of the limit that asks it, and the headline that tells it. Made here
//! alone, so that every format says the same.

use super::{
    limits::{Held, Value, limits},
    seconds, statements, versus,
};
use crate::{
    judge::{Verdict, statistic},
    model::{
        Count, HistogramError, Metric, histogram,
        numbers::{count, counted, duration, limit, percentage},
        percentile,
    },
    result::{FloorResult, MetricResult, Model, PartKind, Report, Run},
    scenario::Subject,
};

/// The time of what never came.
const NEVER: &str = "never";

/// What a result says to its scenario's question.
pub(crate) struct Answer<'a> {
    /// The limit that asks.
    pub held: Held<'a>,
    /// The answer, in a sentence.
    pub told: String,
    /// What a reader must not overlook, in a sentence.
    pub warning: Option<String>,
}

/// The answer of a result; `None` where it has no limit and no run.
///
/// # Errors
/// When a histogram can't be read.
pub(crate) fn answer(report: &Report) -> Result<Option<Answer<'_>>, HistogramError> {
    let Some((run, baselines)) = report.runs.split_last() else {
        return Ok(None);
    };
    let Some(held) = asking(report, limits(run)?) else {
        return Ok(None);
    };
    let versus = match baselines.first() {
        Some(baseline) => versus::versus(baseline, run)?,
        None => None,
    };
    let limit = sentence(&clause(report, &held)?);
    let told = match versus {
        Some(versus) => format!("{} {limit}", versus.told()),
        None => limit,
    };
    let warning = match baselines.first() {
        Some(baseline) => versus::also_kept(baseline, &held)?,
        None => None,
    };
    Ok(Some(Answer {
        held,
        told,
        warning,
    }))
}

/// The limit that the scenario names; else the first on a time or a share, of the whole run before one of a phase.
fn asking<'a>(report: &Report, mut limits: Vec<Held<'a>>) -> Option<Held<'a>> {
    let named = report.scenario.asks.as_deref();
    let by_name = |held: &Held<'_>| named == Some(&*held.threshold.left());
    let is_count = |held: &Held<'_>| matches!(held.threshold.subject, Subject::Count(_));
    let rank = |held: &Held<'_>| (!by_name(held), is_count(held), held.phase.is_some());
    let best = limits.iter().map(rank).min()?;
    let place = limits.iter().position(|held| rank(held) == best)?;
    Some(limits.swap_remove(place))
}

/// What a reader with ten seconds reads: the verdict's own reason first where it is no PASS, then the answer.
///
/// # Errors
/// When a histogram can't be read.
pub(crate) fn headline(report: &Report) -> Result<Vec<String>, HistogramError> {
    let why = statements::sentence(report);
    let Some(answer) = answer(report)? else {
        return Ok(vec![why]);
    };
    let told = match answer.warning {
        Some(warning) => format!("{} {warning}", answer.told),
        None => answer.told,
    };
    let is_missed = answer.held.verdict() == Verdict::Fail;
    let broken = report
        .runs
        .last()
        .is_some_and(|run| !run.findings.is_empty());
    Ok(match report.verdict {
        Verdict::Pass => vec![told, why],
        Verdict::Fail if is_missed && !broken => vec![told, why],
        Verdict::Fail => vec![why, told],
        Verdict::Inconclusive => vec![why, format!("So far: {told}")],
        Verdict::Invalid => vec![why, format!("Measured all the same: {told}")],
    })
}

/// With a capital letter and a full stop.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// The number of a limit in words, and what the machine alone accounts for.
fn clause(report: &Report, held: &Held<'_>) -> Result<String, HistogramError> {
    if let Subject::Count(of) = held.threshold.subject {
        return counts(report, held, of);
    }
    let service = service(report);
    // Of a recovery it is said what it is after.
    let recovers = matches!(held.threshold.subject, Subject::Recovery(_));
    let phase = held.phase.filter(|_| !recovers);
    let phase = phase.map(|place| format!(" {}", held.place(place)));
    let phase = phase.unwrap_or_default();
    let measured = measured(report, held)?;
    let floor = match (&held.run.floor, held.phase) {
        (Some(floor), None) => alone(floor, held)?,
        _ => None,
    };
    let more = [floor, beside(report, held)?];
    let more: String = more.iter().flatten().map(|it| format!("; {it}")).collect();
    Ok(format!("{measured}{phase}{service}{more}"))
}

/// What the answer is held against in its own run: the time outside of a fault, a delivery within a server, and beside how long
/// people wait to get in, how long a message takes.
fn beside(report: &Report, held: &Held<'_>) -> Result<Option<String>, HistogramError> {
    let run = held.run;
    Ok(match (held.threshold.subject, held.phase) {
        (Subject::Percentile(metric, p), Some(place)) => place
            .strip_prefix('@')
            .and_then(|fault| outside(run, metric, p, fault)),
        (Subject::Percentile(Metric::DeliveryCrossNode, p), None) => {
            let within = spread(run, Metric::DeliverySameNode, p)?;
            within.map(|within| format!("within a server {within}"))
        }
        (subject, None) => match subject.metric() {
            Some(Metric::Connect | Metric::Join) => took(report, run)?,
            _ => None,
        },
        _ => None,
    })
}

/// The same outside of all faults, or where the parts have no such percentile, the medians of both: those are over all seconds,
/// and so nothing where a limit leaves some out.
fn outside(run: &Run, metric: Metric, p: f64, fault: &str) -> Option<String> {
    if seconds::left_out(run) > 0 {
        return None;
    }
    let of = |kind: PartKind, of: Option<&str>| {
        let mut parts = run.parts.iter();
        parts.find(|one| one.metric == metric && one.part == kind && one.fault.as_deref() == of)
    };
    let outside = of(PartKind::Outside, None)?;
    let same = match p {
        50.0 => Some(outside.p50?),
        99.0 => Some(outside.p99?),
        _ => None,
    };
    if let Some(same) = same {
        return Some(format!("outside of all faults {}", duration(same)));
    }
    let inside = of(PartKind::Inside, Some(fault))?;
    Some(format!(
        "half of them at most {}, and outside of all faults {}",
        duration(inside.p50?),
        duration(outside.p50?)
    ))
}

/// What latencies from the intended time are where sends wait for each other.
fn service(report: &Report) -> &'static str {
    match report.scenario.model {
        Model::Open => "",
        Model::Closed => ", as service times",
        Model::Mixed => ", partly as service times",
    }
}

/// Where nothing but counts is limited, what they say and, since everybody asks, how long deliveries took.
fn counts(report: &Report, held: &Held<'_>, of: Count) -> Result<String, HistogramError> {
    let (told, took) = match held.phase {
        Some(place) => (
            format!("{} {}", in_words(held, of), held.place(place)),
            None,
        ),
        None => (in_words(held, of), took(report, held.run)?),
    };
    // That nothing was lost or doubled is what every PASS says beside it.
    let is_said = report.verdict == Verdict::Pass
        && held.run.totals.expected > 0
        && held.value == Value::Known(0.0)
        && matches!(of, Count::Lost | Count::Duplicated);
    Ok(match took {
        Some(took) if is_said => took,
        Some(took) => format!("{told}; {took}"),
        None => told,
    })
}

/// `no delivery was lost`, `3 messages were told as failed (limit 5)`.
fn in_words(held: &Held<'_>, of: Count) -> String {
    let (what, happened) = match of {
        Count::Lost => ("delivery", "lost"),
        Count::Duplicated => ("delivery", "doubled"),
        Count::Dropped => ("message", "left unsent"),
        Count::Failed => ("message", "told as failed"),
    };
    let bound = held.bound();
    let bound = match (held.value, bound.as_str()) {
        (Value::Known(0.0), "none") => String::new(),
        (_, "none") => ", where none may be".to_owned(),
        (_, bound) => format!(" (limit {bound})"),
    };
    match held.value {
        Value::Known(0.0) => format!("no {what} was {happened}{bound}"),
        Value::Known(1.0) => format!("1 {what} was {happened}{bound}"),
        Value::Known(n) => format!("{} were {happened}{bound}", counted(n as u64, what)),
        Value::Never | Value::TooFew => format!("nobody counted what was {happened}{bound}"),
    }
}

/// How long a delivery took in all, where there are enough.
fn took(report: &Report, run: &Run) -> Result<Option<String>, HistogramError> {
    let event = event(report, Metric::Delivery);
    let took = spread(run, Metric::Delivery, 99.0)?;
    Ok(took.map(|took| format!("{event} {took}{}", service(report))))
}

/// `383 µs (median; p99 1.20 ms)` of all that was due of a metric, where there are enough.
fn spread(run: &Run, metric: Metric, p: f64) -> Result<Option<String>, HistogramError> {
    let Some(due) = statements::due(run, metric) else {
        return Ok(None);
    };
    let samples = histogram::decode(&due.histogram)?;
    let of = |p| {
        let value = percentile::of_due(&samples, due.lost, p).ok()?;
        Some(value.map_or_else(|| NEVER.to_owned(), duration))
    };
    Ok(match (of(50.0), of(p)) {
        (Some(median), Some(high)) if p != 50.0 => Some(format!("{median} (median; p{p} {high})")),
        (Some(median), _) => Some(format!("{median} (median)")),
        (None, _) => None,
    })
}

/// The number of a limit in words.
fn measured(report: &Report, held: &Held<'_>) -> Result<String, HistogramError> {
    let subject = held.threshold.subject;
    let (value, bound) = (held.measured(), held.bound());
    let median = median(held)?;
    Ok(match subject {
        Subject::Percentile(metric, p) => {
            let event = event(report, metric);
            match (median, held.value) {
                (_, Value::TooFew) => {
                    let title = metric.definition().title;
                    format!("too few samples for p{p} of {title} (limit {bound})")
                }
                (Some(_), _) if p == 50.0 => format!("{event} {value} (median; limit {bound})"),
                (Some(median), _) => {
                    format!("{event} {median} (median; p{p} {value}, limit {bound})")
                }
                (None, _) => format!("{event} {value} (p{p}; limit {bound})"),
            }
        }
        Subject::Within(metric, within) => {
            let within = limit(crate::model::nanos(within));
            let what = match metric {
                Metric::Delivery => format!("arrived within {within} of their intended send"),
                _ => format!("came within {within}"),
            };
            let n = of_how_many(held);
            match (held.value, median) {
                (Value::Known(_), Some(median)) if median != NEVER => {
                    format!("{value} of {n} {what} (limit {bound}), half of them within {median}")
                }
                (Value::Known(_), _) => format!("{value} of {n} {what} (limit {bound})"),
                _ => {
                    let are = if held.due() == Some(1) { "is" } else { "are" };
                    format!(
                        "{n} {are} too few to tell how many come within {within} (limit {bound})"
                    )
                }
            }
        }
        Subject::Max(metric) => {
            format!("{} {value} at most (limit {bound})", event(report, metric))
        }
        Subject::Mean(metric) => format!(
            "{} {value} on average (limit {bound})",
            event(report, metric)
        ),
        Subject::Recovery(metric) => {
            let what = match metric {
                Metric::DeliverySameNode => "delivery latency within a server",
                Metric::DeliveryCrossNode => "delivery latency across servers",
                other => other.definition().title,
            };
            let after = held.phase.map(|place| held.place(place));
            let after = after.unwrap_or_else(|| "after the fault".to_owned());
            match held.value {
                Value::Known(_) => {
                    format!("{what} was back as before {value} {after} (limit {bound})")
                }
                Value::Never | Value::TooFew => {
                    format!("{what} was not seen to be back as before {after} (limit {bound})")
                }
            }
        }
        Subject::Count(of) => in_words(held, of),
    })
}

/// `12,048 deliveries in undisturbed seconds`.
fn of_how_many(held: &Held<'_>) -> String {
    let metric = held.threshold.subject.metric().unwrap_or(Metric::Delivery);
    let n = match (metric, held.due()) {
        (Metric::Delivery, Some(n)) => counted(n, "delivery"),
        (Metric::Delivery, None) => "deliveries".to_owned(),
        (other, Some(n)) => format!("{} {}", count(n), other.definition().title),
        (other, None) => other.definition().title.to_owned(),
    };
    let calm = match held.left_out {
        None if seconds::left_out(held.run) > 0 => " in undisturbed seconds",
        Some(left_out) if left_out > 0 => " in undisturbed seconds",
        _ => "",
    };
    format!("{n}{calm}")
}

/// The median of the samples that a limit is on, where there are enough.
fn median(held: &Held<'_>) -> Result<Option<String>, HistogramError> {
    Ok(held.samples()?.and_then(|(samples, lost)| {
        let median = percentile::of_due(&samples, lost, 50.0).ok()?;
        Some(median.map_or_else(|| NEVER.to_owned(), duration))
    }))
}

/// What happens after the time of a metric, up to the number itself.
fn event(report: &Report, metric: Metric) -> String {
    let words = match metric {
        Metric::Delivery => "a delivery took",
        Metric::DeliverySameNode => "a delivery within a server took",
        Metric::DeliveryCrossNode => "a delivery across servers took",
        Metric::DeliverySlowest => return format!("{} had it after", last_of(report)),
        Metric::Echo => "a sender had its own copy after",
        Metric::Ack => "a sender had its acknowledgement after",
        Metric::Confirm => "a message was confirmed after",
        Metric::ConfirmAfterDelivery => "from a delivery to its confirmation it took",
        Metric::Connect => "a user was connected after",
        Metric::Join => "a join was answered after",
        Metric::ServerEmit => "the server had sent a message on after",
        Metric::ServerSave => "the server had saved a message after",
        other => return format!("{}:", other.definition().title),
    };
    words.to_owned()
}

/// Who is the last recipient of a message: one of so many, where all messages have as many.
fn last_of(report: &Report) -> String {
    let scenario = &report.scenario;
    let sizes = report.runs.last().map_or(0, |run| run.sizes.len());
    let each = scenario.deliveries.checked_div(scenario.messages as u64);
    match each {
        Some(each)
            if each > 1 && sizes <= 1 && each * scenario.messages as u64 == scenario.deliveries =>
        {
            format!("the last of {}", count(each))
        }
        _ => "the last recipient of a message".to_owned(),
    }
}

/// What the machine and the generator account for by themselves, by the same load over a bare relay.
fn alone(floor: &FloorResult, held: &Held<'_>) -> Result<Option<String>, HistogramError> {
    let subject = held.threshold.subject;
    let relay = match subject.metric() {
        Some(Metric::Delivery) => Some(&floor.delivery),
        Some(Metric::DeliverySlowest) => floor.slowest.as_ref(),
        _ => None,
    };
    let (Some(relay), Value::Known(value)) = (relay, held.value) else {
        return Ok(None);
    };
    let busiest = match floor.of_run {
        Some([first, end]) if end - first < held.run.windows.len() => " in the busiest seconds",
        _ => "",
    };
    Ok(match subject {
        Subject::Percentile(_, p) => {
            relay_takes(relay, p, value)?.map(|takes| format!("{takes}{busiest}"))
        }
        Subject::Within(..) => relay_late(relay, held).map(|late| format!("{late}{busiest}")),
        _ => None,
    })
}

fn relay_takes(relay: &MetricResult, p: f64, value: f64) -> Result<Option<String>, HistogramError> {
    let samples = histogram::decode(&relay.histogram)?;
    let of = |p| percentile::of(&samples, p).ok();
    Ok(match (of(50.0), of(p)) {
        (_, Some(at)) if at as f64 >= value => Some(format!(
            "the machine alone takes as long (p{p} {})",
            duration(at)
        )),
        (Some(median), _) if p == 50.0 => Some(format!(
            "the machine alone accounts for {}",
            duration(median)
        )),
        (Some(median), Some(at)) => Some(format!(
            "the machine alone accounts for {} (p{p} {})",
            duration(median),
            duration(at)
        )),
        _ => None,
    })
}

fn relay_late(relay: &MetricResult, held: &Held<'_>) -> Option<String> {
    let within = relay.share_within(held.threshold.limit()?)?;
    let enough = relay.due() >= statistic::needed(&held.threshold);
    let told = match within {
        1.0.. => "the machine alone makes none late".to_owned(),
        within => format!("the machine alone makes {} late", percentage(1.0 - within)),
    };
    enough.then_some(told)
}
