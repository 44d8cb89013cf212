//! One published result on the index: its line in the table of its series, and its dots in the trend.

use hdrhistogram::Histogram;

use super::place;
use crate::{
    model::{
        HistogramError, Metric, Nanos, histogram,
        numbers::{count, duration, percentage},
        percentile,
    },
    report::{
        answer::{Answer, answer},
        chart::{Against, Latency, Mark, Point},
        limits::Value,
        seconds,
        setting::date,
        statements, versus,
    },
    result::{Report, Run},
};

/// A published result's row in the part of its scenario.
pub(super) struct RunLine {
    pub day: String,
    pub version: String,
    pub verdict: &'static str,
    /// The number that answers the question.
    pub answer: String,
    pub p50: String,
    pub p99: String,
    pub within: String,
    pub lost: String,
    pub page: String,
    pub json: String,
}

/// What a trend is drawn of: the percentile of a metric that a limit is on, and that limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    pub metric: Metric,
    pub percentile: f64,
    /// `None` where the limit is not on the run as a whole, which is what is drawn.
    pub limit: Option<Against>,
}

impl Drawn {
    /// A share within a time is a percentile, too; what is neither is drawn as deliveries.
    pub(super) fn of(answer: Option<&Answer<'_>>) -> Self {
        let held = answer.map(|answer| &answer.held);
        let Some((held, (metric, percentile, limit))) =
            held.and_then(|held| Some((held, held.line()?)))
        else {
            return Self {
                metric: Metric::Delivery,
                percentile: 99.0,
                limit: None,
            };
        };
        Self {
            metric,
            percentile,
            limit: held.phase.is_none().then(|| Against::limit(limit)),
        }
    }

    /// Which percentiles: the median, and that of the limit.
    pub(super) fn percentiles(&self) -> Vec<f64> {
        match self.percentile {
            50.0 => vec![50.0],
            other => vec![50.0, other],
        }
    }
}

/// What was measured, as short as a table wants it: of a server of our own the commit, of another its version.
pub(super) fn version(report: &Report) -> &str {
    let known = match report.runs.last() {
        Some(run) if !run.own => run.target_version.as_deref(),
        _ => report.environment.commit.as_deref(),
    };
    known.unwrap_or("unknown")
}

/// The row of a result.
pub(super) fn line(report: &Report) -> Result<RunLine, HistogramError> {
    let place = place(report);
    let mut latencies = [Err(0), Err(0)];
    let (mut within, mut lost) = ("-".to_owned(), "-".to_owned());
    if let Some(run) = report.runs.last() {
        let judged = seconds::judged_latencies(run)?;
        latencies = [50.0, 99.0].map(|p| seconds::judged_percentile(run, &judged, p));
        let counts = seconds::judged(run);
        if counts.due > 0 {
            within = percentage(counts.within as f64 / counts.due as f64);
        }
        lost = count(run.totals.lost);
    }
    let shown = |latency: Result<Option<u64>, u64>| match latency {
        Ok(Some(latency)) => duration(latency),
        Ok(None) => "never".to_owned(),
        Err(_) => "too few".to_owned(),
    };
    let answer = answer(report)?;
    Ok(RunLine {
        day: date(&report.started),
        version: version(report).to_owned(),
        verdict: report.verdict.name(),
        answer: answer.map_or_else(|| "-".to_owned(), |answer| answer.held.measured()),
        p50: shown(latencies[0]),
        p99: shown(latencies[1]),
        within,
        lost,
        page: format!("{place}.html"),
        json: format!("{place}.json"),
    })
}

/// The dots of a result in the trend of its series, after the result before it.
pub(super) fn point(
    report: &Report,
    before: Option<&Report>,
    drawn: &Drawn,
) -> Result<Point, HistogramError> {
    let day: String = report.started.chars().skip(5).take(11).collect();
    let mut point = Point {
        name: day.replace('T', " "),
        title: format!(
            "{}, {}, version {}",
            date(&report.started),
            report.verdict.name(),
            version(report)
        ),
        page: format!("{}.html", place(report)),
        mark: Mark::of(report.verdict),
        asks_anew: before.is_some_and(|before| !before.scenario.asks_as(&report.scenario)),
        latencies: Vec::new(),
    };
    let Some(run) = report.runs.last() else {
        return Ok(point);
    };
    let (samples, lost) = samples(run, drawn.metric)?;
    for p in drawn.percentiles() {
        let interval = |latency: Nanos| {
            let [low, high] = seconds(run, drawn.metric, p)?;
            Some([low.min(latency), high.max(latency)])
        };
        point
            .latencies
            .push(match percentile::of_due(&samples, lost, p) {
                Ok(Some(latency)) => Latency::Known(latency, interval(latency)),
                Ok(None) => Latency::Never,
                Err(_) => Latency::TooFew,
            });
    }
    Ok(point)
}

/// The samples of the seconds that the verdict on them rests on, where these are known, and how many never came.
fn samples(run: &Run, metric: Metric) -> Result<(Histogram<u64>, u64), HistogramError> {
    if metric == Metric::Delivery {
        return Ok((seconds::judged_latencies(run)?, seconds::judged(run).lost));
    }
    match statements::due(run, metric) {
        Some(result) => Ok((histogram::decode(&result.histogram)?, result.lost)),
        None => Ok((histogram::empty(), 0)),
    }
}

/// Where a percentile of deliveries lies by the ranks of its seconds' own.
fn seconds(run: &Run, metric: Metric, p: f64) -> Option<[Nanos; 2]> {
    let of: fn(&crate::result::WindowResult) -> Option<Nanos> = match (metric, p) {
        (Metric::Delivery, 50.0) => |window| window.p50,
        (Metric::Delivery, 99.0) => |window| window.p99,
        _ => return None,
    };
    let mut values: Vec<f64> = seconds::counted(run)
        .filter_map(of)
        .map(|value| value as f64)
        .collect();
    values.sort_by(f64::total_cmp);
    versus::by_rank(&values).map(|ends| ends.map(|end| end as Nanos))
}

/// The number that answers the question, of what has one: the time of what never came is without an end.
pub(super) fn number(answer: &Answer<'_>) -> Option<f64> {
    match answer.held.value {
        Value::Known(number) => Some(number),
        Value::Never => Some(f64::INFINITY),
        Value::TooFew => None,
    }
}
