//! Watches a run from outside the workers: shows it, and notices what ends it before its time.

mod view;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

pub(super) use self::view::View;
use self::view::{counts, phase_at};
use super::{
    Interrupt, RunError,
    awaited::{Awaited, come},
    conductor::Conductor,
    mistake::Agreed,
    monitors::Monitors,
    shard::Duty,
    watch::{Event, Snapshot, Watcher},
};
use crate::{
    drive::{
        crew::Crew,
        worker::{Command, JoinError, Milestone, SETTLING},
    },
    judge::verdict::live::Live,
    model::{Nanos, nanos},
    observed::{Ended, MachineSecond},
    rig::{Death, System, machine::Server},
};

/// From "everybody is there" to the first intended send: time for all workers to hear of it.
const RUN_UP: Duration = Duration::from_millis(200);
/// How often progress is shown, and the drain looked at.
const TICK: Duration = Duration::from_millis(250);

/// From the first message on, a mistake in the event map shows within this time, if it shows at all.
const EARLY: Duration = Duration::from_secs(3);
/// How long what workers have heard takes to be shown.
const SHOWN: Duration = Duration::from_millis(600);

/// How a stage ended: at its end, or by what ends the run.
pub(super) type Stage = Result<(), Ended>;

/// Watches a run from outside the workers: shows it, and notices when the target dies, the user stops it, or a
/// threshold ends it.
pub(super) struct Lookout<'a> {
    pub(super) address: &'a str,
    pub(super) system: &'a mut dyn System,
    /// What breaks meanwhile.
    pub(super) conductor: Conductor,
    pub(super) interrupt: &'a Interrupt,
    pub(super) watcher: &'a mut dyn Watcher,
    pub(super) awaited: Awaited,
    /// Which part of the plan is driven, and when it begins; `None`: all of it, as soon as everybody is there.
    pub(super) duty: Option<&'a Duty>,
    pub(super) machine_check: bool,
    pub(super) live: Live,
    /// What was agreed with a server that somebody else wrote; `None`: nothing can be mistaken.
    pub(super) agreed: Option<Agreed>,
    /// When the first message was seen to be sent.
    pub(super) first_sent: Option<Instant>,
    /// What is wrong with what was agreed.
    pub(super) mistaken: Option<String>,
    /// Whether joins take effect without a word, so that they are given some time.
    pub(super) settles: bool,
    /// What of the server is on this machine.
    pub(super) server: Server,
    /// When the schedule began.
    pub(super) began: Option<Instant>,
    /// What watches the machine during the schedule.
    pub(super) monitors: Monitors,
    /// What the machine did while users connected.
    pub(super) connecting: Vec<MachineSecond>,
    /// What it has done since, as of the last look.
    pub(super) machine: Arc<Vec<MachineSecond>>,
    pub(super) view: View,
}

impl Lookout<'_> {
    pub(super) async fn connect(&mut self, crew: &mut Crew) -> Result<Stage, RunError> {
        self.watcher.event(Event::Stage("connect"));
        let monitors = Monitors::start(Instant::now(), &self.server, self.machine_check);
        let mut ready = 0;
        while ready < crew.size() {
            tokio::select! {
                milestone = crew.milestone() => match milestone {
                    Some(Milestone::Ready) => ready += 1,
                    Some(Milestone::CannotConnect { user, error }) => {
                        return match self.death(Duration::from_millis(500)).await {
                            Some(death) => Ok(Err(self.died(death))),
                            None => Err(RunError::Connect { user, url: self.address.to_owned(), error }),
                        };
                    }
                    Some(Milestone::CannotJoin { user, error }) => {
                        return match self.death(Duration::from_millis(500)).await {
                            Some(death) => Ok(Err(self.died(death))),
                            None => Err(self.not_joined(user, error)),
                        };
                    }
                    Some(Milestone::Sent) => {}
                    None => return Ok(Err(Ended::Died("all workers ended".into()))),
                },
                death = self.system.died() => return Ok(Err(self.died(death))),
                () = self.interrupt.nth(1) => return Err(RunError::Interrupted),
                () = tokio::time::sleep(TICK) => {
                    let elapsed = nanos(crew.elapsed());
                    let snapshot = self.view.snapshot(crew, "connecting".into(), elapsed, None);
                    self.watcher.event(Event::Progress(&snapshot));
                }
            }
        }
        self.connecting = monitors.finish();
        if self.settles {
            tokio::select! {
                death = self.system.died() => return Ok(Err(self.died(death))),
                () = self.interrupt.nth(1) => return Err(RunError::Interrupted),
                () = tokio::time::sleep(SETTLING) => {}
            }
        }
        Ok(Ok(()))
    }

    /// A join that nobody answers may be the scenario's mistake, where the scenario has a map of its own.
    fn not_joined(&self, user: u32, error: JoinError) -> RunError {
        let has_map = self
            .agreed
            .as_ref()
            .is_some_and(|agreed| agreed.dialect.is_none());
        let url = self.address.to_owned();
        let mistaken = has_map && error.may_be_the_map();
        let error = RunError::Join { user, url, error };
        match mistaken {
            true => RunError::Mistaken(error.to_string()),
            false => error,
        }
    }

    pub(super) async fn schedule(&mut self, crew: &mut Crew) -> Stage {
        let start = match self.duty {
            None => crew.clock.now() + nanos(RUN_UP),
            Some(duty) => self.appointed(duty, crew).await?,
        };
        self.watcher.event(Event::Stage("schedule"));
        let began = crew.clock.instant(start);
        self.began = Some(began);
        self.conductor.begin(began);
        self.monitors = Monitors::start(began, &self.server, self.machine_check);
        crew.tell(Command::Start(start)).await;
        let mut sent = 0;
        self.view = View::default();
        while sent < crew.size() || !self.conductor.is_over() {
            tokio::select! {
                milestone = crew.milestone() => match milestone {
                    Some(Milestone::Sent) => sent += 1,
                    Some(_) => {}
                    None => return Err(Ended::Died("all workers ended".into())),
                },
                death = self.system.died() => return Err(self.died(death)),
                () = self.interrupt.nth(1) => return Err(Ended::Interrupted),
                () = self.conductor.due() => {
                    let taken = self.conductor.step(self.system).await;
                    taken.map_err(|death| self.died(death))?;
                }
                () = tokio::time::sleep(TICK) => {
                    if let Some(gone) = self.everybody_gone(crew) {
                        let death = self.death(TICK).await.unwrap_or(gone);
                        return Err(self.died(death));
                    }
                    if let Some(why) = self.mistake(crew, EARLY) {
                        return Err(Ended::Aborted(why));
                    }
                    let elapsed = crew.clock.now().saturating_sub(start);
                    if let Some(missed) = self.missed(crew, elapsed) {
                        return Err(Ended::Aborted(missed));
                    }
                    self.show(crew, elapsed);
                }
            }
        }
        Ok(())
    }

    /// Mends what is still broken when the schedule has ended, however it did.
    pub(super) async fn mend(&mut self) -> Stage {
        let mended = self.conductor.mend(self.system).await;
        mended.map_err(|death| self.died(death))
    }

    /// Waits for the moment at which all shards begin: when it is, on the run's clock, or as soon as can be where it is past.
    async fn appointed(&mut self, duty: &Duty, crew: &Crew) -> Result<Nanos, Ended> {
        self.watcher.event(Event::Stage("start"));
        let mut view = View::default();
        let start = loop {
            let now = crew.clock.now();
            let (soonest, enough) = (now + nanos(RUN_UP), now + nanos(RUN_UP) / 4);
            let left = match duty.appointment.due(&crew.clock) {
                Ok(due) if due > soonest => Duration::from_nanos(due - soonest),
                Ok(due) if due > enough => break due,
                past => {
                    let late = past.map_or_else(|ago| soonest - now + ago, |due| soonest - due);
                    self.watcher.event(Event::Notice(format!(
                        "warning: this shard was not there in time for --start-at: it begins {} ms late, and `loadgen merge` will not call that one run",
                        late / 1_000_000
                    )));
                    break soonest;
                }
            };
            tokio::select! {
                death = self.system.died() => return Err(self.died(death)),
                () = self.interrupt.nth(1) => return Err(Ended::Interrupted),
                () = tokio::time::sleep(left.min(TICK)) => {
                    if let Some(gone) = self.everybody_gone(crew) {
                        let death = self.death(TICK).await.unwrap_or(gone);
                        return Err(self.died(death));
                    }
                    let elapsed = nanos(crew.elapsed());
                    let snapshot = view.snapshot(crew, "waiting for the start".into(), elapsed, None);
                    self.watcher.event(Event::Progress(&snapshot));
                }
            }
        };
        duty.appointment.keep(start, &crew.clock);
        Ok(start)
    }

    /// Shows where the schedule is, so long after its start.
    fn show(&mut self, crew: &Crew, elapsed: Nanos) {
        let passed = Duration::from_nanos(elapsed).as_secs() as usize;
        if self.machine.len() < passed {
            self.machine = Arc::new(self.monitors.so_far());
        }
        let phase = phase_at(&crew.plan, elapsed);
        let snapshot = self
            .view
            .snapshot(crew, phase, elapsed, Some(crew.plan.end()));
        let snapshot = self.judged(snapshot, crew);
        self.watcher.event(Event::Progress(&snapshot));
    }

    /// The same as long as something is still to come, now and then.
    fn show_drain(&mut self, crew: &Crew, shown: &mut Instant) {
        if let Some(began) = self.began
            && shown.elapsed() >= TICK
        {
            *shown = Instant::now();
            self.show(crew, nanos(began.elapsed()));
        }
    }

    /// What is wrong with what was agreed, if that shows so long after the first message.
    fn mistake(&mut self, crew: &Crew, after: Duration) -> Option<String> {
        let agreed = self.agreed.as_ref()?;
        let sent = crew.progress.sent.load(Relaxed);
        if sent == 0 {
            return None;
        }
        let first = *self.first_sent.get_or_insert_with(Instant::now);
        if first.elapsed() < after {
            return None;
        }
        let ended = crew.progress.ended.load(Relaxed);
        self.mistaken = agreed.mistake(&crew.heard(), sent, ended);
        self.mistaken.clone()
    }

    /// The threshold that ends the run now, if one does: looked at once for each second of the schedule.
    fn missed(&mut self, crew: &Crew, elapsed: Nanos) -> Option<String> {
        if !self.live.is_due(elapsed) {
            return None;
        }
        self.machine = Arc::new(self.monitors.so_far());
        let (counts, faults) = (counts(crew), self.conductor.seen());
        let live = &mut self.live;
        live.look(elapsed, &crew.live(), &counts, &self.machine, &faults)
    }

    /// With what the limits say to what came so far.
    fn judged(&self, snapshot: Snapshot, crew: &Crew) -> Snapshot {
        let (shown, counts) = (crew.live(), counts(crew));
        Snapshot {
            late: self.live.late(&shown),
            so_far: self.live.so_far(&shown, &counts, snapshot.lost),
            limits: self.live.limits(&shown, &counts, snapshot.lost),
            machine: Arc::clone(&self.machine),
            faults: self.conductor.seen(),
            ..snapshot
        }
    }

    /// Waits until everything that is due has come, or the scenario's patience ends.
    pub(super) async fn drain(&mut self, crew: &Crew, patience: Duration) -> Stage {
        self.watcher.event(Event::Stage("drain"));
        let deadline = tokio::time::Instant::now() + patience;
        let (mut seen, mut since) = (come(&crew.progress), tokio::time::Instant::now());
        let mut shown = Instant::now();
        while !self.awaited.is_there(&crew.progress, since)
            && tokio::time::Instant::now() < deadline
        {
            let now = come(&crew.progress);
            if now != seen {
                (seen, since) = (now, tokio::time::Instant::now());
            }
            tokio::select! {
                death = self.system.died() => return Err(self.died(death)),
                () = self.interrupt.nth(1) => return Err(Ended::Interrupted),
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    if let Some(gone) = self.everybody_gone(crew) {
                        let death = self.death(TICK).await.unwrap_or(gone);
                        return Err(self.died(death));
                    }
                    if let Some(why) = self.mistake(crew, EARLY) {
                        return Err(Ended::Aborted(why));
                    }
                    self.show_drain(crew, &mut shown);
                }
            }
        }
        if self.agreed.is_some() && !self.awaited.is_there(&crew.progress, since) {
            // A run that is shorter than that has its first messages too.
            tokio::time::sleep(SHOWN).await;
            if let Some(why) = self.mistake(crew, Duration::ZERO) {
                return Err(Ended::Aborted(why));
            }
            self.wonder(crew);
        }
        // What is doubled comes behind what was awaited.
        tokio::time::sleep(RUN_UP).await;
        Ok(())
    }

    /// Nothing came back at all: whoever is to blame, there is one more thing to look at.
    fn wonder(&mut self, crew: &Crew) {
        let Some(agreed) = &self.agreed else {
            return;
        };
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let nothing_came = count(&crew.progress.delivered) + count(&crew.progress.acked) == 0;
        if count(&crew.progress.sent) == 0 || !nothing_came {
            return;
        }
        let kinds = crew.plan.conversations.iter().map(|one| one.kind);
        let names = kinds.map(|kind| agreed.vocabulary.names(kind).send.as_str());
        let names: BTreeSet<&str> = names.collect();
        let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
        self.watcher.event(Event::Notice(format!(
            "warning: nothing that the server sent was about a message of this run; does it know {}, and what is sent with it?",
            names.join(" and ")
        )));
    }

    /// If nobody is connected any more.
    fn everybody_gone(&self, crew: &Crew) -> Option<Death> {
        // They come back when it is over.
        if self.conductor.is_on() || crew.progress.excuse.covers(None, crew.clock.now()) {
            return None;
        }
        let closed = crew.progress.closed.load(Relaxed);
        let left = crew.progress.connected.load(Relaxed);
        (closed > 0 && left == 0).then(|| Death {
            what: format!("all {closed} connections to {} have ended", self.address),
            at: Instant::now(),
        })
    }

    /// Why the server process died, if it does within that time: its connections break before it is gone.
    async fn death(&mut self, within: Duration) -> Option<Death> {
        tokio::time::timeout(within, self.system.died()).await.ok()
    }

    fn died(&self, death: Death) -> Ended {
        died(death, self.began)
    }
}

/// What ended a run whose schedule began then: what died and when.
pub(super) fn died(death: Death, began: Option<Instant>) -> Ended {
    let Death { what, at } = death;
    Ended::Died(match began {
        Some(began) => {
            let after = at.saturating_duration_since(began).as_secs_f64();
            format!("{after:.1} s after the schedule began, {what}")
        }
        None => format!("before the schedule began, {what}"),
    })
}
