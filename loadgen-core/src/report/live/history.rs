//! A run over its seconds while it goes on, in a number of columns that no length of it makes larger.

use std::{ops::Range, sync::Arc};

use crate::{
    judge::Snapshot,
    model::{Nanos, histogram, numbers::count},
    observed::{MachineSecond, Samples},
    report::chart::{
        self, Figure, Ink, Lane, Line, MOST_COLUMNS, Panel, Series, Span, heat, panels, spectrum,
    },
};

/// Charts are drawn anew after so many seconds at the latest.
const SOON: u64 = 5;

/// What has been seen of each second, those of a column together.
#[derive(Default)]
pub(super) struct History {
    /// How many seconds a column stands for, as a power of two.
    doubled: u32,
    columns: Vec<Column>,
    /// What there was in all when the last second ended.
    before: Totals,
    /// How many seconds of the machine are in the columns.
    machine: usize,
    /// The faults that have begun.
    faults: Vec<Span>,
}

/// Seconds beside each other.
#[derive(Default)]
struct Column {
    /// How many of them have passed.
    passed: usize,
    /// Messages sent, and first deliveries to others.
    sent: f64,
    delivered: f64,
    /// The most that was missing at the end of a second.
    lost: u64,
    /// The latencies of its deliveries, as results have them, and as they are drawn.
    latencies: String,
    drawn: Option<chart::Column>,
    /// Seconds in which the machine was watched, with the sum of what it did, and those that were disturbed.
    watched: usize,
    busy: f64,
    foreign: f64,
    stolen: f64,
    disturbed: usize,
}

/// What there was in all at a moment.
#[derive(Default, Clone)]
struct Totals {
    second: usize,
    sent: u64,
    delivered: u64,
    deliveries: Option<Arc<Samples>>,
}

impl History {
    /// Adds what came since the last second that has ended. Deliveries count in the second in which they are shown.
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        if snapshot.total.is_none() {
            return;
        }
        let now = Totals {
            second: snapshot.elapsed.as_secs() as usize,
            sent: snapshot.messages.sent,
            delivered: snapshot.delivered,
            deliveries: snapshot.deliveries.clone(),
        };
        if now.second > self.before.second {
            self.end_seconds(&now, snapshot.lost.unwrap_or(0));
            self.before = now;
        }
        self.watch(&snapshot.machine);
        let faults = snapshot.faults.iter();
        let faults = faults.filter_map(|one| Span::of(&one.name, one.start, one.end));
        self.faults = faults.collect();
    }

    fn end_seconds(&mut self, now: &Totals, lost: u64) {
        let seconds = self.before.second..now.second;
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds.len() as f64;
        let sent = each(now.sent, self.before.sent);
        let delivered = each(now.delivered, self.before.delivered);
        for second in seconds.clone() {
            let column = self.column(second);
            column.passed += 1;
            column.sent += sent;
            column.delivered += delivered;
            column.lost = column.lost.max(lost);
        }
        if let Some(latencies) = &now.deliveries {
            let latencies = match &self.before.deliveries {
                Some(before) => latencies.since(before).histogram,
                None => latencies.histogram.clone(),
            };
            let seconds = self.place(now.second - 1);
            self.column(seconds.start)
                .add(seconds, &histogram::encode(&latencies));
        }
    }

    /// Adds the seconds of the machine that are new.
    fn watch(&mut self, machine: &[MachineSecond]) {
        for (second, seen) in machine.iter().enumerate().skip(self.machine) {
            let column = self.column(second);
            column.watched += 1;
            column.busy += seen.busy;
            column.foreign += seen.foreign;
            column.stolen += seen.stolen;
            column.disturbed += usize::from(seen.disturbed);
        }
        self.machine = self.machine.max(machine.len());
    }

    /// How many seconds a column stands for.
    fn width(&self) -> usize {
        1 << self.doubled
    }

    /// The seconds of the column that a second is in.
    fn place(&self, second: usize) -> Range<usize> {
        let first = second / self.width() * self.width();
        first..first + self.width()
    }

    /// The column of a second; there are never more than can be told apart.
    fn column(&mut self, second: usize) -> &mut Column {
        while second / self.width() >= MOST_COLUMNS as usize {
            self.double();
        }
        let place = second / self.width();
        if self.columns.len() <= place {
            self.columns.resize_with(place + 1, Column::default);
        }
        &mut self.columns[place]
    }

    /// Makes one column of each two.
    fn double(&mut self) {
        self.doubled += 1;
        let mut columns = std::mem::take(&mut self.columns).into_iter();
        let mut first = 0;
        while let Some(mut column) = columns.next() {
            let seconds = first..first + self.width();
            if let Some(next) = columns.next() {
                column.merge(next, seconds);
            } else if let Some(drawn) = &mut column.drawn {
                drawn.stretch(seconds);
            }
            self.columns.push(column);
            first += self.width();
        }
    }

    /// The charts of what there is, or none before the first second has ended.
    pub(super) fn figures(&self, limit: Nanos, deliveries: Option<&Series>) -> Vec<Figure> {
        let mut figures = Vec::new();
        figures.extend(deliveries.map(|series| spectrum(std::slice::from_ref(series), limit)));
        let drawn: Vec<chart::Column> = self
            .columns
            .iter()
            .filter_map(|one| one.drawn.clone())
            .collect();
        if !drawn.is_empty() {
            let seconds = self.columns.iter().map(|column| column.disturbed).sum();
            let faults = self.faults.iter().cloned().map(Lane::Fault);
            let disturbed = Lane::Disturbed(seconds, self.disturbed());
            let lanes: Vec<Lane> = faults.chain([disturbed]).collect();
            figures.push(heat(&drawn, "receipt", &lanes, limit));
        }
        if self.columns.iter().any(|column| column.passed > 0) {
            let span = (0, self.columns.len() * self.width());
            let note = "By the second in which it happened; where a column stands for several, for each of them on average.";
            figures.push(panels(
                "Load over time",
                note,
                &self.panels(),
                span,
                &self.disturbed(),
                &self.faults,
            ));
        }
        figures
    }

    /// The columns in which others had the machine.
    fn disturbed(&self) -> Vec<Range<usize>> {
        let columns = self.columns.iter().enumerate();
        let disturbed = columns.filter(|(_, column)| column.disturbed > 0);
        disturbed
            .map(|(place, _)| self.place(place * self.width()))
            .collect()
    }

    fn panels(&self) -> Vec<Panel> {
        let each = |number: fn(&Column) -> f64| {
            self.line(|column| (column.passed > 0).then(|| number(column) / column.passed as f64))
        };
        let rate = |title: &str, lines| Panel {
            title: title.to_owned(),
            show: |rate| format!("{}/s", count(rate as u64)),
            at_least: 1.0,
            lines,
        };
        let mut deliveries = vec![line(
            "deliveries to others",
            Ink::Subject,
            4,
            each(|column| column.delivered),
        )];
        if self.columns.iter().any(|column| column.lost > 0) {
            let lost = self.line(|column| (column.passed > 0).then_some(column.lost as f64));
            deliveries.push(line("deliveries missing", Ink::Limit, 4, lost));
        }
        let sent = each(|column| column.sent);
        let mut shown = vec![
            rate(
                "messages each second",
                vec![line("messages sent", Ink::AsSent, 4, sent)],
            ),
            rate("deliveries each second", deliveries),
        ];
        if self.columns.iter().any(|column| column.watched > 0) {
            let percent = |share: fn(&Column) -> f64| {
                self.line(|column| {
                    (column.watched > 0).then(|| 100.0 * share(column) / column.watched as f64)
                })
            };
            shown.push(Panel {
                title: "the machine’s CPU, of all its cores".to_owned(),
                show: |percent| format!("{percent:.0} %"),
                at_least: 100.0,
                lines: vec![
                    line(
                        "CPU used by anybody",
                        Ink::Text,
                        3,
                        percent(|column| column.busy),
                    ),
                    line(
                        "CPU used by strangers",
                        Ink::Baseline,
                        3,
                        percent(|column| column.foreign),
                    ),
                    line(
                        "CPU stolen by the hypervisor",
                        Ink::Limit,
                        4,
                        percent(|column| column.stolen),
                    ),
                ],
            });
        }
        shown
    }

    /// A number of each column, at the middle of its seconds.
    fn line(&self, number: impl Fn(&Column) -> Option<f64>) -> Vec<(usize, f64)> {
        let columns = self.columns.iter().enumerate();
        columns
            .filter_map(|(place, column)| {
                let middle = place * self.width() + (self.width() - 1) / 2;
                Some((middle, number(column)?))
            })
            .collect()
    }

    /// For how many seconds the charts say nearly the same.
    pub(super) fn lasts(&self) -> u64 {
        (self.width() as u64).min(SOON)
    }

    /// Seconds that the machine was watched in, and those of them that were disturbed.
    pub(super) fn watched(&self) -> (usize, usize) {
        let columns = self.columns.iter();
        columns.fold((0, 0), |(watched, disturbed), column| {
            (watched + column.watched, disturbed + column.disturbed)
        })
    }
}

fn line(name: &str, ink: Ink, width: u32, points: Vec<(usize, f64)>) -> Line {
    Line {
        name: name.to_owned(),
        ink,
        width,
        points,
    }
}

impl Column {
    /// Adds latencies; the column is that of these seconds.
    fn add(&mut self, seconds: Range<usize>, latencies: &str) {
        // What this program has encoded it can read.
        if let Ok(sum) = histogram::merged([self.latencies.as_str(), latencies]) {
            self.latencies = histogram::encode(&sum);
            self.drawn = Some(chart::Column::of(seconds, &sum));
        }
    }

    /// Adds the seconds right behind it.
    fn merge(&mut self, next: Column, seconds: Range<usize>) {
        self.passed += next.passed;
        self.sent += next.sent;
        self.delivered += next.delivered;
        self.lost = self.lost.max(next.lost);
        self.watched += next.watched;
        self.busy += next.busy;
        self.foreign += next.foreign;
        self.stolen += next.stolen;
        self.disturbed += next.disturbed;
        if self.drawn.is_some() || next.drawn.is_some() {
            self.add(seconds, &next.latencies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::live::tests::Steady;

    fn of(seconds: u64) -> History {
        let mut history = History::default();
        let mut run = Steady::default();
        for second in 0..=seconds {
            history.take(&run.at(second));
        }
        history
    }

    #[test]
    fn however_long_a_run_is_it_has_no_more_columns_than_can_be_told_apart() {
        for (seconds, width) in [(1, 1), (150, 1), (151, 2), (301, 4), (601, 8)] {
            let history = of(seconds);
            let columns = history.columns.len();
            assert_eq!(history.width(), width, "{seconds}");
            assert!(
                columns <= 150 && columns * width >= seconds as usize,
                "{columns}"
            );
            // Nothing is lost by it.
            let sum = |number: fn(&Column) -> f64| history.columns.iter().map(number).sum::<f64>();
            assert_eq!(sum(|column| column.sent).round(), 10.0 * seconds as f64);
            assert_eq!(sum(|column| column.passed as f64), seconds as f64);
            let latencies = history
                .columns
                .iter()
                .map(|column| column.latencies.as_str());
            assert_eq!(histogram::merged(latencies).unwrap().len(), 20 * seconds);
        }
    }

    #[test]
    fn the_text_of_the_charts_is_bounded_too() {
        let bytes = |history: &History| -> usize {
            let figures = history.figures(5_000_000, None);
            let texts = figures
                .iter()
                .map(|figure| figure.wide.len() + figure.narrow.len());
            texts.sum()
        };
        let (short, long) = (bytes(&of(140)), bytes(&of(590)));
        assert!(short > 10_000 && long < 2 * short, "{short} {long}");
    }

    #[test]
    fn a_column_that_was_disturbed_is_marked_in_all_charts() {
        let history = of(300);
        assert_eq!(history.width(), 2);
        assert_eq!(history.watched(), (300, 4));
        assert_eq!(history.disturbed(), [4..6, 102..104, 198..200, 296..298]);
        let figures = history.figures(5_000_000, None);
        assert!(
            figures[0]
                .wide
                .contains("seconds in which others had the machine: 4")
        );
        for told in ["seconds 4 to 5: messages sent 10/s", ", disturbed"] {
            assert!(figures[1].wide.contains(told), "{told}");
        }
    }

    #[test]
    fn a_pause_of_whoever_looks_is_spread_over_its_seconds() {
        let mut history = History::default();
        let mut run = Steady::default();
        history.take(&run.at(1));
        history.take(&run.at(5));
        let sent: Vec<f64> = history.columns.iter().map(|column| column.sent).collect();
        assert_eq!(sent, [10.0; 5]);
    }
}
