//! Which charts a page has, and from which numbers of the result each is drawn.

use std::ops::Range;

use crate::{
    judge::Fate,
    model::{
        HistogramError, Metric, Nanos, histogram,
        numbers::{count, limit as shown},
    },
    observed::PROMISE,
    report::{
        answer::answer,
        chart::{
            Column, Figure, Ink, Lane, Layer, Line, Panel, Row, Series, heat, panels, ranges,
            spectrum, stack, together,
        },
        faults,
        statements::{members, sampled},
    },
    result::{
        MetricResult, Report, Run, WindowResult,
        usage::{During, per_second},
    },
};

/// The colours of baselines, the latest first.
const BASELINES: [Ink; 2] = [Ink::Baseline, Ink::Fourth];

/// All charts for which the result has numbers.
pub(super) fn all(report: &Report) -> Result<Vec<Figure>, HistogramError> {
    let Some((subject, baselines)) = report.runs.split_last() else {
        return Ok(Vec::new());
    };
    let line = line_of(report)?;
    let figures = [
        delivery_spectrum(subject, baselines, line)?,
        before_and_after(subject, baselines, line.1),
        slow_seconds(subject, line.1)?,
        fates(subject),
        load(subject),
        stages(subject, line.1),
        phases(subject, line.1),
        sizes(subject, line.1),
        health(subject, line.1),
        processes(subject),
    ];
    Ok(figures.into_iter().flatten().collect())
}

/// The limit that the charts of deliveries draw: that of the answer where it is on deliveries, else the promise.
fn line_of(report: &Report) -> Result<(Metric, Nanos), HistogramError> {
    let answer = answer(report)?;
    let of = answer.and_then(|answer| answer.held.line());
    let of =
        of.filter(|(metric, _, _)| matches!(metric, Metric::Delivery | Metric::DeliverySlowest));
    Ok(
        of.map_or((Metric::Delivery, PROMISE), |(metric, _, limit)| {
            (metric, limit)
        }),
    )
}

fn delivery_spectrum(
    subject: &Run,
    baselines: &[Run],
    (asked, limit): (Metric, Nanos),
) -> Result<Option<Figure>, HistogramError> {
    let mut series = Vec::new();
    let mut add = |name: Option<String>, result: &MetricResult, ink| {
        series.push(Series {
            name,
            metric: result.metric,
            ink,
            histogram: histogram::decode(&result.histogram)?,
        });
        Ok::<(), HistogramError>(())
    };
    let Some(delivery) = sampled(subject, Metric::Delivery) else {
        return Ok(None);
    };
    add(None, delivery, Ink::Subject)?;
    if asked == Metric::DeliverySlowest
        && let Some(slowest) = sampled(subject, asked)
    {
        add(None, slowest, Ink::Fourth)?;
    }
    if let Some(as_sent) = sampled(subject, Metric::DeliveryAsSent) {
        add(None, as_sent, Ink::AsSent)?;
    }
    if let Some(floor) = &subject.floor
        && floor.delivery.n > 0
    {
        let name = "the floor: the same over a bare relay".to_owned();
        add(Some(name), &floor.delivery, Ink::Floor)?;
    }
    for (baseline, ink) in baselines.iter().rev().zip(BASELINES) {
        if let Some(delivery) = sampled(baseline, Metric::Delivery) {
            let name = format!("baseline: {}", baseline.delivery.name());
            add(Some(name), delivery, ink)?;
        }
    }
    Ok(Some(spectrum(&series, limit)))
}

fn before_and_after(subject: &Run, baselines: &[Run], limit: Nanos) -> Option<Figure> {
    if baselines.is_empty() {
        return None;
    }
    let mut rows = Vec::new();
    for metric in [Metric::Delivery, Metric::Ack] {
        let baselines = baselines.iter().zip(BASELINES);
        for (run, ink) in baselines.chain([(subject, Ink::Subject)]) {
            if let Some(result) = sampled(run, metric) {
                let title = metric.definition().title;
                rows.push(row(
                    format!("{title}, {}", run.delivery.name()),
                    ink,
                    result,
                ));
            }
        }
    }
    let note = format!(
        "What the delivery mode changes, and what it does not. {}",
        bar(limit)
    );
    ranges("Before against after", &note, &rows, limit)
}

/// How a row of latencies is read.
fn bar(limit: Nanos) -> String {
    format!(
        "The dot is the median, the thick bar reaches to p99, the thin line from the fastest to the slowest sample; the red line is the limit of {}.",
        shown(limit)
    )
}

fn row(name: String, ink: Ink, result: &MetricResult) -> Row<'_> {
    Row { name, ink, result }
}

fn of_metrics<'a>(run: &'a Run, metrics: &[Metric], ink: Ink) -> Vec<Row<'a>> {
    let metrics = metrics.iter();
    metrics
        .filter_map(|&metric| {
            let result = sampled(run, metric)?;
            Some(row(metric.definition().title.to_owned(), ink, result))
        })
        .collect()
}

/// Where the clock of each row starts and ends.
fn clock_points(rows: &[Row<'_>]) -> Vec<(String, String)> {
    rows.iter()
        .map(|row| (row.name.clone(), row.result.measures.clone()))
        .collect()
}

fn slow_seconds(run: &Run, limit: Nanos) -> Result<Option<Figure>, HistogramError> {
    let Some((first, last)) = span(run).filter(|_| sampled_by_second(run)) else {
        return Ok(None);
    };
    let together = together((last - first) as f64);
    let columns: Vec<Column> = run
        .windows
        .chunk_by(|a, b| a.second / together == b.second / together)
        .map(|windows| {
            let latencies = windows.iter().map(|window| window.histogram.as_str());
            let (first, last) = (windows[0].second, windows[windows.len() - 1].second);
            Ok(Column::of(first..last + 1, &histogram::merged(latencies)?))
        })
        .collect::<Result<_, HistogramError>>()?;
    let mut lanes: Vec<Lane> = faults::spans(run).into_iter().map(Lane::Fault).collect();
    if run.windows.iter().any(|window| window.machine.is_some()) {
        let disturbed = disturbed(run);
        lanes.push(Lane::Disturbed(disturbed.len(), disturbed));
    }
    let largest = |value: fn(&WindowResult) -> Option<u64>| -> Vec<(usize, u64)> {
        let windows = run.windows.iter();
        windows
            .filter_map(|window| Some((window.second, value(window)?)))
            .collect()
    };
    for (metric, values) in [
        (Metric::Hiccup, largest(|window| window.hiccup_max)),
        (Metric::SendLateness, largest(|window| window.lateness_max)),
    ] {
        if !values.is_empty() {
            lanes.push(Lane::Largest(metric, values));
        }
    }
    Ok(Some(heat(&columns, "intended send", &lanes, limit)))
}

/// Whether the result has the latencies of each second, as those of version 1 have not.
fn sampled_by_second(run: &Run) -> bool {
    let mut windows = run.windows.iter();
    windows.any(|window| window.deliveries > 0 && !window.histogram.is_empty())
}

/// Each second in which others had the machine.
fn disturbed(run: &Run) -> Vec<Range<usize>> {
    let windows = run.windows.iter();
    windows
        .filter(|window| window.machine.is_some_and(|machine| machine.disturbed))
        .map(|window| window.second..window.second + 1)
        .collect()
}

/// From the first second to before the last; `None` without seconds.
fn span(run: &Run) -> Option<(usize, usize)> {
    Some((run.windows.first()?.second, run.windows.last()?.second + 1))
}

fn line(name: &str, ink: Ink, width: u32, points: Vec<(usize, f64)>) -> Line {
    Line {
        name: name.to_owned(),
        ink,
        width,
        points,
    }
}

fn by_second(run: &Run, value: impl Fn(&WindowResult) -> Option<f64>) -> Vec<(usize, f64)> {
    let windows = run.windows.iter();
    windows
        .filter_map(|window| Some((window.second, value(window)?)))
        .collect()
}

/// What became of the messages of each second, where something broke.
fn fates(run: &Run) -> Option<Figure> {
    let met = run.fates.iter().filter(|met| met.count > 0);
    let layers: Vec<Layer> = met
        .map(|met| {
            let (ink, hatch) = match met.fate {
                Fate::Confirmed => (Ink::AsSent, None),
                Fate::ConfirmedLater => (Ink::Subject, Some(12)),
                Fate::Failed => (Ink::Baseline, Some(8)),
                Fate::UnknownStored => (Ink::Fourth, Some(10)),
                Fate::UnknownGone => (Ink::Text, Some(10)),
                Fate::Unknown => (Ink::Muted, Some(6)),
                Fate::Lost => (Ink::Limit, None),
                Fate::NotSent => (Ink::Floor, Some(4)),
            };
            Layer {
                name: met.fate.title().to_owned(),
                ink,
                hatch,
                seconds: met.seconds.clone(),
            }
        })
        .collect();
    let last = layers.iter().map(|layer| layer.seconds.len()).max()?;
    let note = "Each message by the second that it was meant to be sent in, warm-ups too. After the heal is what was sent before a fault’s end and confirmed after it; unknown is what nobody was told the end of.";
    Some(stack(
        "What became of the messages",
        note,
        &layers,
        (0, last),
        &faults::spans(run),
    ))
}

fn load(run: &Run) -> Option<Figure> {
    let span = span(run)?;
    let rate = |title: &str, lines| Panel {
        title: title.to_owned(),
        show: |rate| format!("{}/s", count(rate as u64)),
        at_least: 1.0,
        lines,
    };
    let mut shown = Vec::new();
    // Results of version 1 don't say how many messages a second had.
    if run.windows.iter().any(|window| window.scheduled > 0) {
        let scheduled = by_second(run, |window| Some(window.scheduled as f64));
        let sent = by_second(run, |window| Some(window.sent as f64));
        let lines = vec![
            line("messages scheduled", Ink::Floor, 8, scheduled),
            line("messages sent", Ink::AsSent, 4, sent),
        ];
        shown.push(rate("messages each second", lines));
    }
    let delivered = by_second(run, |window| Some(window.deliveries as f64));
    let mut lines = vec![line("deliveries to others", Ink::Subject, 4, delivered)];
    if run.windows.iter().any(|window| window.lost > Some(0)) {
        let lost = by_second(run, |window| window.lost.map(|lost| lost as f64));
        lines.push(line("deliveries lost", Ink::Limit, 4, lost));
    }
    shown.push(rate("deliveries each second", lines));
    if run.windows.iter().any(|window| window.machine.is_some()) {
        let percent = |share: fn(&crate::observed::MachineSecond) -> f64| {
            by_second(run, |window| Some(100.0 * share(&window.machine?)))
        };
        shown.push(Panel {
            title: "the machine’s CPU, of all its cores".to_owned(),
            show: |percent| format!("{percent:.0} %"),
            at_least: 100.0,
            lines: vec![
                line("CPU used by anybody", Ink::Text, 3, percent(|m| m.busy)),
                line(
                    "CPU used by strangers",
                    Ink::Baseline,
                    3,
                    percent(|m| m.foreign),
                ),
                line(
                    "CPU stolen by the hypervisor",
                    Ink::Limit,
                    4,
                    percent(|m| m.stolen),
                ),
            ],
        });
    }
    let note = "By second of the intended send. What was scheduled and not sent shows as a gap between the lines.";
    Some(panels(
        "Load over time",
        note,
        &shown,
        span,
        &disturbed(run),
        &faults::spans(run),
    ))
}

fn stages(run: &Run, limit: Nanos) -> Option<Figure> {
    let rows = of_metrics(
        run,
        &[
            Metric::ServerEmit,
            Metric::Delivery,
            Metric::DeliverySlowest,
            Metric::Echo,
            Metric::ServerSave,
            Metric::Confirm,
            Metric::ConfirmAfterDelivery,
        ],
        Ink::Subject,
    );
    let figure = ranges("The stages of a message", &bar(limit), &rows, limit)?;
    Some(figure.with_points(clock_points(&rows)))
}

fn phases(run: &Run, limit: Nanos) -> Option<Figure> {
    // One phase alone is the whole run again.
    if run.phases.len() < 2 {
        return None;
    }
    let phases = run.phases.iter();
    let rows: Vec<Row<'_>> = phases
        .map(|phase| row(phase.name.clone(), Ink::Subject, &phase.delivery))
        .collect();
    let note = format!(
        "The deliveries of each measured phase by itself. {}",
        bar(limit)
    );
    ranges("Phase by phase", &note, &rows, limit)
}

fn sizes(run: &Run, limit: Nanos) -> Option<Figure> {
    let sizes = run.sizes.iter();
    let rows: Vec<Row<'_>> = sizes
        .map(|size| row(members(size), Ink::Subject, &size.delivery))
        .collect();
    let definition = Metric::Delivery.definition();
    let note = format!(
        "{}, {} → {}, by the size of the conversation. {}",
        definition.title,
        definition.from,
        definition.to,
        bar(limit)
    );
    ranges("Fan-out", &note, &rows, limit)
}

fn health(run: &Run, limit: Nanos) -> Option<Figure> {
    let mut rows = of_metrics(
        run,
        &[Metric::SendLateness, Metric::Hiccup, Metric::ReceiveWait],
        Ink::AsSent,
    );
    if let Some(floor) = &run.floor {
        let name = "delivery over a bare relay (the floor)".to_owned();
        rows.push(row(name, Ink::Floor, &floor.delivery));
    }
    let note = format!(
        "What the generator and the machine add by themselves. {}",
        bar(limit)
    );
    let figure = ranges("The generator’s own health", &note, &rows, limit)?;
    Some(figure.with_points(clock_points(&rows)))
}

/// A generator is full when one of its threads is.
fn busiest_worker(run: &Run, seconds: std::ops::Range<usize>) -> Vec<(usize, f64)> {
    seconds
        .filter_map(|second| {
            let workers = run.generator.worker_cpu.iter();
            let used = workers.filter_map(|worker| worker.get(second).copied());
            Some((second, 100.0 * used.reduce(f64::max)?))
        })
        .collect()
}

fn processes(run: &Run) -> Option<Figure> {
    let (first, last) = span(run)?;
    let generator = &run.generator.usage;
    let server = run.server.as_ref().map(|server| &server.usage);
    let points = |usage: &[crate::result::UsageSecond], value: fn(During) -> Option<f64>| {
        (first..last)
            .filter_map(|second| Some((second, value(per_second(usage, second)?)?)))
            .collect::<Vec<_>>()
    };
    let lines = |value: fn(During) -> Option<f64>| {
        let mut lines = vec![line("generator", Ink::AsSent, 4, points(generator, value))];
        lines.extend(server.map(|usage| line("server", Ink::Subject, 4, points(usage, value))));
        lines.retain(|line| !line.points.is_empty());
        lines
    };
    let mut cpu = lines(|during| Some(100.0 * during.cpu_seconds));
    let workers = busiest_worker(run, first..last);
    if !workers.is_empty() {
        let name = "the generator’s busiest worker thread";
        cpu.push(line(name, Ink::Fourth, 3, workers));
    }
    let mut shown = vec![
        Panel {
            title: "CPU, of one core".to_owned(),
            show: |percent| format!("{percent:.0} %"),
            at_least: 10.0,
            lines: cpu,
        },
        Panel {
            title: "resident memory".to_owned(),
            show: |mebibytes| format!("{mebibytes:.0} MiB"),
            at_least: 10.0,
            lines: lines(|during| Some(during.resident as f64 / f64::from(1 << 20))),
        },
        Panel {
            title: "messages waiting for the store".to_owned(),
            show: |messages| count(messages as u64),
            at_least: 10.0,
            lines: lines(|during| during.queue.map(|queue| queue as f64)),
        },
    ];
    shown.retain(|panel| !panel.lines.is_empty());
    if shown.is_empty() {
        return None;
    }
    let note = "The server has one thread unless it was told otherwise, so that 100 % of one core is all that it can use. Memory and what waits are the most within each second.";
    Some(panels(
        "Server and generator over time",
        note,
        &shown,
        (first, last),
        &disturbed(run),
        &faults::spans(run),
    ))
}
