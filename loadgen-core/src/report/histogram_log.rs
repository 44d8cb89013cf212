//! The histograms for other people's tools: a log of intervals (V2, a tag for each metric), and `.hgrm`.

use std::{
    io,
    time::{Duration, UNIX_EPOCH},
};

use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag},
    },
};

use crate::{
    model::{HistogramError, Metric, histogram},
    result::{MetricResult, Report, Run},
};

/// Nanoseconds of the unit in which both formats show values to people.
const MILLISECOND: f64 = 1e6;
/// Lines of `.hgrm` for each halving of the distance to 100 %, as the official tools have it.
const TICKS_PER_HALVING: u32 = 5;

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The result has a histogram that can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// The writer refused it.
    #[error("the histogram log could not be written: {0}")]
    Write(String),
    /// There is nothing to write.
    #[error("this result has no samples of {0:?}")]
    NoSamples(&'static str),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        LogError::Write(error.to_string())
    }
}

impl<E: std::fmt::Debug> From<IntervalLogWriterError<E>> for LogError {
    fn from(error: IntervalLogWriterError<E>) -> Self {
        LogError::Write(format!("{error:?}"))
    }
}

/// The log: every metric with samples, in nanoseconds. Deliveries by second where the result has them so, all others in
/// one interval. The tag is the metric's key, behind the delivery mode where that is a baseline's.
pub(super) fn log(report: &Report) -> Result<String, LogError> {
    let started = humantime::parse_rfc3339(&report.started).unwrap_or(UNIX_EPOCH);
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment(&format!(
            "loadgen {}, scenario {}, seed {}; values in nanoseconds",
            report.environment.loadgen,
            one_line(&report.scenario.name),
            report.scenario.seed
        ))
        .with_start_time(started)
        .with_max_value_divisor(MILLISECOND);
    let mut writer = builder.begin_log_with(&mut bytes, &mut serializer)?;
    for (index, run) in report.runs.iter().enumerate() {
        let baseline = index + 1 < report.runs.len();
        for result in run.metrics.iter().filter(|result| result.n > 0) {
            let tag = tag(run, result.metric, baseline);
            for (start, length, histogram) in intervals(run, result)? {
                writer.write_histogram(&histogram, start, length, Tag::new(&tag))?;
            }
        }
    }
    drop(writer);
    String::from_utf8(bytes).map_err(|error| LogError::Write(error.to_string()))
}

fn tag(run: &Run, metric: Metric, baseline: bool) -> String {
    let key = metric.definition().key;
    if baseline {
        format!("{}.{key}", run.delivery.name())
    } else {
        key.to_owned()
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

type Interval = (Duration, Duration, Histogram<u64>);

fn intervals(run: &Run, result: &MetricResult) -> Result<Vec<Interval>, HistogramError> {
    let whole = histogram::decode(&result.histogram)?;
    let first = run.windows.first().map_or(0, |window| window.second);
    let last = run.windows.last().map_or(0, |window| window.second + 1);
    let seconds = |seconds: usize| Duration::from_secs(seconds as u64);
    if result.metric == Metric::Delivery {
        let by_second = run.windows.iter().map(|window| {
            let histogram = histogram::decode(&window.histogram)?;
            Ok((seconds(window.second), seconds(1), histogram))
        });
        let by_second: Vec<Interval> = by_second.collect::<Result<_, HistogramError>>()?;
        // Only if they are all of it: an older result has no histograms of seconds.
        let lengths = by_second.iter().map(|(_, _, histogram)| histogram.len());
        if lengths.sum::<u64>() == whole.len() {
            return Ok(by_second);
        }
    }
    Ok(vec![(seconds(first), seconds(last - first), whole)])
}

/// The distribution of one metric of the subject in four columns, in milliseconds: what the official plotter reads.
pub(super) fn hgrm(report: &Report, metric: Metric) -> Result<String, LogError> {
    let mut results = report.runs.last().into_iter().flat_map(|run| &run.metrics);
    let result = results.find(|result| result.metric == metric && result.n > 0);
    let result = result.ok_or(LogError::NoSamples(metric.definition().key))?;
    let histogram = histogram::decode(&result.histogram)?;
    let head = "       Value     Percentile TotalCount 1/(1-Percentile)";
    let mut lines = vec![head.to_owned(), String::new()];
    let mut total = 0;
    for value in histogram.iter_quantiles(TICKS_PER_HALVING) {
        let milliseconds = value.value_iterated_to() as f64 / MILLISECOND;
        let quantile = value.quantile_iterated_to();
        total += value.count_since_last_iteration();
        let line = format!("{milliseconds:12.6} {quantile:2.12} {total:10}");
        lines.push(match quantile < 1.0 {
            true => format!("{line} {:14.2}", 1.0 / (1.0 - quantile)),
            false => line,
        });
    }
    let milliseconds = |nanos: f64| nanos / MILLISECOND;
    let mean = milliseconds(histogram.mean());
    let deviation = milliseconds(histogram.stdev());
    let max = milliseconds(histogram.max() as f64);
    let (n, buckets) = (histogram.len(), histogram.buckets());
    // How finely a histogram of so many digits divides each power of two.
    let finely = (2 * 10_u64.pow(histogram.sigfig().into())).next_power_of_two();
    lines.extend([
        format!("#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]"),
        format!("#[Max     = {max:12.6}, Total count    = {n:12}]"),
        format!("#[Buckets = {buckets:12}, SubBuckets     = {finely:12}]"),
        String::new(),
    ]);
    Ok(lines.join("\n"))
}
