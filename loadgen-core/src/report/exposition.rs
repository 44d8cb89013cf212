//! What Prometheus and its like read: families of samples, as OpenMetrics and as the text format that is older than it.

use std::fmt::{self, Write as _};

use crate::observed::PROMISE;

/// Upper ends of the buckets, nanoseconds. That of the promise is counted exactly in the run; the others are as exact as
/// a histogram of three digits.
pub(super) const BUCKETS: [u64; 16] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    PROMISE,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// How families are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenMetrics 1.0: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
    OpenMetrics,
    /// The text format 0.0.4, which knows fewer types and no end:
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    Prometheus,
}

/// What the values of a name are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// One of several states is 1, the others are 0.
    StateSet,
    /// What says something by its labels alone.
    Info,
}

/// The values of one name.
#[derive(Debug, Clone)]
pub(super) struct Family {
    /// Without what its kind adds to it: `_total`, `_info`.
    pub name: String,
    pub kind: Kind,
    pub unit: Option<&'static str>,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// What the family's name ends with here, beside what its kind adds.
    pub suffix: &'static str,
    pub labels: Labels,
    pub value: String,
}

/// Names and values by which samples of one name are told apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels(Vec<(String, String)>);

impl Labels {
    pub(super) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// With what the user says of a result, under names that are none of ours.
    pub(super) fn with_given<'a>(
        self,
        given: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        given.into_iter().fold(self, |labels, (key, value)| {
            labels.with(format!("label_{key}"), value)
        })
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = '{';
        for (name, value) in &self.0 {
            write!(f, "{before}{name}=\"{}\"", escaped(value))?;
            before = ',';
        }
        match before {
            '{' => Ok(()),
            _ => f.write_char('}'),
        }
    }
}

impl Family {
    /// Values without a unit.
    pub(super) fn new(
        name: impl Into<String>,
        kind: Kind,
        help: impl Into<String>,
        samples: Vec<Sample>,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            unit: None,
            help: help.into(),
            samples,
        }
    }

    /// Values in a unit, with which its name ends.
    pub(super) fn in_unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    fn write(&self, dialect: Dialect, text: &mut String) -> fmt::Result {
        let added = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram | Kind::StateSet => "",
        };
        let (name, kind) = (&self.name, self.kind.name(dialect));
        match dialect {
            Dialect::OpenMetrics => {
                writeln!(text, "# TYPE {name} {kind}")?;
                if let Some(unit) = self.unit {
                    writeln!(text, "# UNIT {name} {unit}")?;
                }
                writeln!(text, "# HELP {name} {}", escaped(&self.help))?;
            }
            Dialect::Prometheus => {
                writeln!(text, "# HELP {name}{added} {}", in_a_line(&self.help))?;
                writeln!(text, "# TYPE {name}{added} {kind}")?;
            }
        }
        for sample in &self.samples {
            let Sample {
                suffix,
                labels,
                value,
            } = sample;
            writeln!(text, "{name}{added}{suffix}{labels} {value}")?;
        }
        Ok(())
    }
}

impl Kind {
    fn name(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Kind::Counter, _) => "counter",
            (Kind::Histogram, _) => "histogram",
            (Kind::StateSet, Dialect::OpenMetrics) => "stateset",
            (Kind::Info, Dialect::OpenMetrics) => "info",
            (Kind::Gauge, _) | (Kind::StateSet | Kind::Info, Dialect::Prometheus) => "gauge",
        }
    }
}

impl Sample {
    /// A value under the family's own name.
    pub(super) fn new(labels: Labels, value: impl ToString) -> Self {
        Self {
            suffix: "",
            labels,
            value: value.to_string(),
        }
    }
}

/// The samples of a histogram: its buckets, of which each has all that were at most that long, by nanoseconds; the sum of
/// all in seconds, and how many there are.
pub(super) fn buckets(
    labels: &Labels,
    at_most: impl Fn(u64) -> u64,
    sum: f64,
    n: u64,
) -> Vec<Sample> {
    let bucket = |end: String, count: u64| Sample {
        suffix: "_bucket",
        ..Sample::new(labels.clone().with("le", end), count)
    };
    let buckets = BUCKETS.into_iter();
    let ends = buckets.map(|end| bucket((end as f64 / 1e9).to_string(), at_most(end)));
    let whole = |suffix, value: String| Sample {
        suffix,
        ..Sample::new(labels.clone(), value)
    };
    ends.chain([
        bucket("+Inf".to_owned(), n),
        whole("_sum", format!("{sum:.9}")),
        whole("_count", n.to_string()),
    ])
    .collect()
}

/// The whole text.
pub(super) fn text(families: &[Family], dialect: Dialect) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a string can't fail.
        let _ = family.write(dialect, &mut text);
    }
    if dialect == Dialect::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn escaped(text: &str) -> String {
    in_a_line(text).replace('"', "\\\"")
}

fn in_a_line(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let labels = || Labels::default().with("name", "a \"b\"\nc\\d");
        vec![
            Family::new(
                "sent",
                Kind::Counter,
                "Sent \"so far\"",
                vec![Sample::new(labels(), 3)],
            ),
            Family::new(
                "took_seconds",
                Kind::Gauge,
                "Took",
                vec![Sample::new(Labels::default(), 0.5)],
            )
            .in_unit("seconds"),
            Family::new("run", Kind::Info, "Which", vec![Sample::new(labels(), 1)]),
        ]
    }

    #[test]
    fn open_metrics_names_units_and_its_end() {
        assert_eq!(
            text(&families(), Dialect::OpenMetrics),
            r#"# TYPE sent counter
# HELP sent Sent \"so far\"
sent_total{name="a \"b\"\nc\\d"} 3
# TYPE took_seconds gauge
# UNIT took_seconds seconds
# HELP took_seconds Took
took_seconds 0.5
# TYPE run info
# HELP run Which
run_info{name="a \"b\"\nc\\d"} 1
# EOF
"#
        );
    }

    #[test]
    fn the_older_text_knows_fewer_types_and_has_the_whole_name_in_its_head() {
        assert_eq!(
            text(&families(), Dialect::Prometheus),
            r#"# HELP sent_total Sent "so far"
# TYPE sent_total counter
sent_total{name="a \"b\"\nc\\d"} 3
# HELP took_seconds Took
# TYPE took_seconds gauge
took_seconds 0.5
# HELP run_info Which
# TYPE run_info gauge
run_info{name="a \"b\"\nc\\d"} 1
"#
        );
    }
}
