//! The formats of a result: what they are called, how their files end, and who makes them.

use clap::ValueEnum;

use super::{
    benchmark, csv, histogram_log, html, junit, markdown, openmetrics, table::Width, terminal,
};
use crate::{
    model::{HistogramError, Metric},
    result::Document,
};

/// A form in which a result can be had. Each is made from the JSON alone, so it can be had again at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Format {
    /// The tables that `run` prints.
    Terminal,
    /// The recorded result itself, as `run` wrote it.
    Json,
    /// A page: figures, tables and the evidence in one file.
    Html,
    /// For the summary of a job or a comment on a pull request.
    Markdown,
    /// JUnit XML: every limit and every check is a test case.
    Junit,
    /// HdrHistogram log, V2: every metric under its tag.
    Hlog,
    /// HdrHistogram percentiles of one metric, for the official plotter.
    Hgrm,
    /// OpenMetrics text, for Prometheus.
    Openmetrics,
    /// Prometheus' older text, for its pushgateway and the node exporter's textfile collector.
    Prometheus,
    /// JSON for github-action-benchmark, `customSmallerIsBetter`.
    Benchmark,
    /// A line for each second.
    Csv,
}

/// Why a format could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The result has a histogram that can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// The histogram log can't be made.
    #[error(transparent)]
    Log(#[from] histogram_log::LogError),
    /// A template failed.
    #[error("a page could not be made: {0}")]
    Template(#[from] askama::Error),
    /// CSV could not be made.
    #[error("CSV could not be made: {0}")]
    Csv(#[from] ::csv::Error),
    /// JSON could not be made.
    #[error("JSON could not be made: {0}")]
    Json(#[from] serde_json::Error),
}

/// What can be chosen beside the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The metric of formats that hold only one.
    pub metric: Metric,
    /// Whether a terminal shows the text.
    pub colour: bool,
    /// How wide a terminal's text may be.
    pub width: Width,
    /// Whether a terminal's text has all metrics, and not only those that limits name.
    pub all: bool,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            metric: Metric::Delivery,
            colour: false,
            width: None,
            all: false,
        }
    }
}

impl Format {
    /// How the names of its files end, without the dot before it.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Terminal => "txt",
            Format::Json => "json",
            Format::Html => "html",
            Format::Markdown => "md",
            Format::Junit => "junit.xml",
            Format::Hlog => "hlog",
            Format::Hgrm => "hgrm",
            Format::Openmetrics => "om.txt",
            Format::Prometheus => "prom",
            Format::Benchmark => "benchmark.json",
            Format::Csv => "csv",
        }
    }

    /// The result in this format.
    ///
    /// # Errors
    /// [`RenderError`] when the result holds what can't be shown.
    pub fn render(self, document: &Document, choice: Choice) -> Result<String, RenderError> {
        let report = document.report();
        Ok(match self {
            Format::Terminal => terminal::render(report, choice)?,
            Format::Json => document.text().to_owned(),
            Format::Html => html::render(document, None)?,
            Format::Markdown => markdown::render(report)?,
            Format::Junit => junit::render(report)?,
            Format::Hlog => histogram_log::log(report)?,
            Format::Hgrm => histogram_log::hgrm(report, choice.metric)?,
            Format::Openmetrics => openmetrics::render(report)?,
            Format::Prometheus => openmetrics::prometheus(report)?,
            Format::Benchmark => benchmark::render(report)?,
            Format::Csv => csv::render(report)?,
        })
    }
}
