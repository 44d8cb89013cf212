//! Parts of a run merge into what one whole would have seen, in whatever order.

use std::time::Duration;

use hdrhistogram::Histogram;
use proptest::{collection::vec, prelude::*, sample::select};

use super::record::tests::{part, through};
use super::{
    presence::Step,
    recorder::{DeliverySample, Layout, SIZES},
    strays::{Stray, StrayKind},
    usage::Moment,
    *,
};
use crate::plan::Share;

const USERS: u32 = 6;
const MESSAGES: u32 = 30;
const SECOND: u64 = 1_000_000_000;

/// Something that one user's thread sees. Message `m` goes from user `m` to the next one, modulo their number.
#[derive(Debug, Clone)]
enum Sight {
    Sent(u32, u64),
    Delivered(u32, u64, u64),
    Confirmed(u32, u64),
    Repeated(u32, u32),
    Stray(u32, StrayKind, u64, String),
    Refused(u32, String),
    Moved(u32, Step, u64),
    Broken(u32, u64),
    Stored(u32, u64, Vec<Differs>),
    Cpu(u32, f64),
    Second(u32, usize, f64, bool),
    Hiccup(u32, u64, u64),
    Server(u32, u64, u64),
    Over(u32, Ended),
    Left(u32, [u64; 3]),
    Unanswered(u32),
}

fn sight() -> impl Strategy<Value = Sight> {
    use Sight::*;
    let (message, user) = (0..MESSAGES, 0..USERS);
    let at = 0..20 * SECOND;
    let kinds = [StrayKind::Unexpected, StrayKind::CrossDelivered];
    let steps = [
        Step::Joining(0),
        Step::Joined(0),
        Step::Leaving(0),
        Step::Gone,
    ];
    let ends = [
        Ended::Interrupted,
        Ended::Aborted("a".into()),
        Ended::Died("d".into()),
    ];
    prop_oneof![
        (message.clone(), at.clone()).prop_map(|(m, at)| Sent(m, at)),
        (message.clone(), at.clone(), 0..9_000_000_u64).prop_map(|(m, at, l)| Delivered(m, at, l)),
        (message.clone(), any::<u64>()).prop_map(|(m, id)| Confirmed(m, id)),
        (message.clone(), 1_u32..90).prop_map(|(m, copies)| Repeated(m, copies)),
        (user.clone(), select(kinds.to_vec()), at.clone(), "[a-c]")
            .prop_map(|(u, kind, at, what)| Stray(u, kind, at, what)),
        (user.clone(), "[a-c]{0,2}").prop_map(|(u, words)| Refused(u, words)),
        (user.clone(), select(steps.to_vec()), at.clone()).prop_map(|(u, s, at)| Moved(u, s, at)),
        (user.clone(), at.clone()).prop_map(|(u, at)| Broken(u, at)),
        (message, 1_u64..4, vec(select(Differs::ALL.to_vec()), 0..3))
            .prop_map(|(m, id, differs)| Stored(m, id, differs)),
        (user.clone(), 0..1_000_u32).prop_map(|(u, cpu)| Cpu(u, f64::from(cpu) / 1e3)),
        // With as many digits as JSON keeps of any number.
        (user.clone(), 0_usize..9, 0..1_000_u32, any::<bool>()).prop_map(
            |(u, second, busy, disturbed)| Second(u, second, f64::from(busy) / 1e3, disturbed)
        ),
        (user.clone(), at.clone(), 0..SECOND).prop_map(|(u, due, long)| Hiccup(u, due, long)),
        (user.clone(), at, 0..9_u64).prop_map(|(u, cpu, queue)| Server(u, cpu, queue)),
        (user.clone(), select(ends.to_vec())).prop_map(|(u, ended)| Over(u, ended)),
        (user.clone(), any::<[u64; 3]>()).prop_map(|(u, left)| Left(u, left)),
        user.prop_map(Unanswered),
    ]
}

impl Sight {
    /// Who sees it.
    fn user(&self) -> u32 {
        use Sight::*;
        match *self {
            Sent(message, _) | Stored(message, ..) => message % USERS,
            Delivered(message, ..) | Confirmed(message, _) | Repeated(message, _) => {
                (message + 1) % USERS
            }
            Stray(user, ..)
            | Refused(user, _)
            | Moved(user, ..)
            | Broken(user, _)
            | Cpu(user, _) => user,
            Second(user, ..) | Hiccup(user, ..) | Server(user, ..) | Over(user, _) => user,
            Left(user, _) | Unanswered(user) => user,
        }
    }
}

/// What a part sees of these.
fn seen<'a>(sights: impl Iterator<Item = &'a Sight>) -> Observed {
    let layout = Arc::new(Layout::new(&[], &[]));
    let mut recorder = Recorder::new(Arc::clone(&layout));
    recorder.begin(0);
    let ledger = Arc::new(Ledger::new(MESSAGES as usize, 2 * MESSAGES as usize));
    let mut all = Observed::of(Recorded::empty(layout), Arc::clone(&ledger));
    for sight in sights {
        match sight.clone() {
            Sight::Sent(message, at) => {
                ledger.sent(message, at);
                recorder.record_send(at, Some(at));
                recorder.record(Metric::SendLateness, at, at + 5);
            }
            Sight::Delivered(message, intended, latency) => {
                ledger.delivered(2 * message as usize + 1, 7, false);
                ledger.sign_after(message, latency);
                ledger.latency(message, latency);
                recorder.record_delivery(DeliverySample {
                    intended,
                    received: intended + latency,
                    phase: 0,
                    members: 2 + message as usize,
                });
            }
            Sight::Confirmed(message, id) => {
                ledger.confirmed(2 * message as usize + 1, Some(id));
            }
            Sight::Repeated(message, copies) => {
                for _ in 0..copies {
                    ledger.delivered(2 * message as usize + 1, 7, false);
                    ledger.confirmed(2 * message as usize + 1, Some(7));
                }
            }
            Sight::Stray(user, kind, at, what) => all.strays.add(Stray {
                at,
                user,
                kind,
                what,
            }),
            Sight::Refused(_, words) => all.refusals.add(&words),
            Sight::Moved(user, step, at) => all.presence.push(Entry { user, at, step }),
            Sight::Broken(user, at) => all.broken.add(Broken {
                at,
                user,
                why: Closed::Transport("reset".into()),
            }),
            Sight::Stored(message, id, differs) => {
                let mut stored = Stored::new(MESSAGES as usize);
                stored.add(message, id);
                for what in differs {
                    stored.differs(message, id, what);
                }
                all.stored.merge(Lookup::Found(stored));
            }
            Sight::Unanswered(_) => {
                all.stored.merge(Lookup::Failed);
                all.left_unanswered = true;
            }
            Sight::Cpu(user, cpu) => {
                let share = Share::WHOLE
                    .split(USERS as usize)
                    .nth(user as usize)
                    .unwrap();
                all.threads.entry(share.thread()).or_default().push(cpu);
            }
            Sight::Second(_, second, busy, disturbed) => {
                let mut machine = vec![MachineSecond::default(); second];
                machine.push(MachineSecond {
                    busy,
                    disturbed,
                    ..MachineSecond::default()
                });
                by_place(&mut all.machine, machine, MachineSecond::merge);
            }
            Sight::Hiccup(_, due, oversleep) => {
                let hiccups = all.hiccups.get_or_insert_default();
                hiccups.add(Duration::from_nanos(due), oversleep, oversleep / 2);
            }
            Sight::Server(_, cpu, queue) => {
                let cpu = Duration::from_nanos(cpu);
                let took = ProcessUse {
                    cpu,
                    resident: queue,
                    moments: vec![Moment {
                        at: cpu,
                        cpu,
                        resident: queue,
                        queue: (queue > 3).then_some(queue),
                    }],
                };
                all.generator.process.merge(took.clone());
                merge_some(&mut all.server, Some(took), ProcessUse::merge);
            }
            Sight::Over(_, ended) => all.ended = all.ended.take().max(Some(ended)),
            Sight::Left(_, left) => {
                let mine = all.left.get_or_insert([0; 3]);
                *mine = std::array::from_fn(|place| mine[place].max(left[place]));
            }
        }
    }
    all.presence.sort_by_key(|entry| entry.user);
    all.recorded = recorder.finish();
    all
}

/// What each of some parts sees.
fn parts(sights: &[Sight], count: usize) -> Vec<Observed> {
    Share::WHOLE
        .split(count)
        .map(|share| seen(sights.iter().filter(|sight| share.has(sight.user()))))
        .collect()
}

fn counts(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let recorded = histogram.iter_recorded();
    recorded
        .map(|value| (value.value_iterated_to(), value.count_at_value()))
        .collect()
}

/// All of it, in a form that is equal where it is.
fn told(all: &Observed) -> String {
    let metrics = Metric::ALL.map(|metric| {
        let samples = all.recorded.samples(metric);
        let windows = all.recorded.windows(metric).iter();
        let windows: Vec<_> = windows
            .map(|window| (window.n, window.over.clone(), counts(&window.histogram())))
            .collect();
        (counts(&samples.histogram), samples.within.clone(), windows)
    });
    let sizes = all.recorded.sizes();
    let sizes: Vec<_> = sizes
        .filter_map(|(class, samples)| Some((class, counts(&samples?.histogram))))
        .collect();
    assert!(sizes.len() <= SIZES.len());
    let messages: Vec<_> = (0..MESSAGES)
        .map(|message| {
            let slots = [0, 1].map(|place| all.ledger.slot(2 * message as usize + place));
            let times = (
                all.ledger.sent_at(message),
                all.ledger.first_sign(message),
                all.ledger.slowest(message),
            );
            let stored = all.stored.found();
            let stored = stored.map(|stored| {
                let ids = stored.ids(message);
                let told = ids.map(|id| (id, stored.differences(message, id).collect::<Vec<_>>()));
                told.collect::<Vec<_>>()
            });
            (slots, times, stored)
        })
        .collect();
    let hiccups = all.hiccups.as_ref();
    format!(
        "{metrics:?} {sizes:?} {:?} {:?} {messages:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        all.recorded.sends,
        (
            all.recorded.clamped,
            all.recorded.negative,
            all.recorded.unread
        ),
        (&all.strays, &all.refusals),
        all.presence,
        all.broken,
        all.threads,
        all.machine,
        hiccups.map(|hiccups| (counts(&hiccups.all), hiccups.longest.clone())),
        all.generator,
        all.server,
        all.ended,
        all.left,
        (all.stored == Lookup::Failed, all.left_unanswered),
    )
}

/// Of the messages that sights speak of: each goes from a user to the next, and so six users in a ring are one group.
fn plan() -> Plan {
    let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 6, rooms = 3 }\n\
         [[phases]]\nname = \"p\"\nduration = \"30s\"\nrate = \"1/s\"\narrivals = \"uniform\"\n";
    let scenario = crate::scenario::Scenario::parse(std::path::Path::new("t.toml"), text).unwrap();
    let plan = Plan::new(&scenario).unwrap();
    assert_eq!(
        (plan.sends.len(), plan.slots),
        (MESSAGES as usize, 2 * MESSAGES as usize)
    );
    plan
}

fn merged(mut first: Observed, second: Observed) -> Observed {
    first.merge(second);
    first
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_parts_makes_no_difference(sights in vec(sight(), 0..60)) {
        let [a, b] = <[Observed; 2]>::try_from(parts(&sights, 2)).unwrap();
        let one = told(&merged(a, b));
        let [a, b] = <[Observed; 2]>::try_from(parts(&sights, 2)).unwrap();
        prop_assert_eq!(one, told(&merged(b, a)));
    }

    #[test]
    fn which_parts_come_together_first_makes_no_difference(sights in vec(sight(), 0..60)) {
        let [a, b, c] = <[Observed; 3]>::try_from(parts(&sights, 3)).unwrap();
        let one = told(&merged(merged(a, b), c));
        let [a, b, c] = <[Observed; 3]>::try_from(parts(&sights, 3)).unwrap();
        prop_assert_eq!(one, told(&merged(a, merged(b, c))));
    }

    #[test]
    fn what_was_written_is_read_as_it_was(sights in vec(sight(), 0..60)) {
        let (plan, seen) = (plan(), seen(sights.iter()));
        let again = through(&seen, &plan, &part(&plan, "1/1")).unwrap();
        prop_assert_eq!(told(&seen), told(&again));
        // What it says stays what it is when it is merged.
        let layout = Arc::clone(seen.recorded.layout());
        let nothing = Observed::of(Recorded::empty(layout), Arc::new(Ledger::new(30, 60)));
        prop_assert_eq!(told(&seen), told(&merged(nothing, again)));
    }

    #[test]
    fn parts_together_are_the_whole(sights in vec(sight(), 0..60), count in 1_usize..5) {
        let together = parts(&sights, count).into_iter().reduce(merged).unwrap();
        prop_assert_eq!(told(&seen(sights.iter())), told(&together));
    }
}

#[test]
fn a_part_that_saw_nothing_changes_nothing() {
    let sights = [
        Sight::Delivered(3, 9, 1_000),
        Sight::Over(1, Ended::Interrupted),
    ];
    let alone = told(&seen(sights.iter()));
    assert_eq!(alone, told(&merged(seen(sights.iter()), seen([].iter()))));
    assert_eq!(alone, told(&merged(seen([].iter()), seen(sights.iter()))));
}
