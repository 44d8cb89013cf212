//! The runs of one scenario, one for each delivery mode: store, server, measuring, audit, verdict.

use std::{sync::Arc, time::Duration};

use super::{
    Event, Interrupt, Options, RunError, SERVER_PATIENCE, Watcher,
    floor::{Floors, Part},
    measure::{self, Measurement, Where},
};
use crate::{
    drive::{client::Driver, worker::hash},
    judge::{
        checks::{self, Evidence, Promises},
        verdict::{self, Measured},
    },
    model::{
        body::RunId,
        vocabulary::{Delivery, Vocabulary},
    },
    observed::{Stored, ledger::Ledger, presence::Presence},
    plan::Plan,
    result,
    result::Run,
    rig::{
        Audit, Present, RunningServer, RunningStore, durability, lists_messages, present, probe,
        server_times,
    },
    scenario::{Scenario, Token},
};

/// How long the server may take to notice that everybody has gone.
const LEAVING: Duration = Duration::from_secs(5);

/// What all runs of one scenario share.
pub(super) struct Session<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) options: &'a Options,
    pub(super) plan: &'a Arc<Plan>,
    pub(super) driver: Driver,
    pub(super) interrupt: &'a Interrupt,
    pub(super) watcher: &'a mut dyn Watcher,
    pub(super) run_id: &'a RunId,
    pub(super) floor: Option<Floors>,
    /// Resident bytes before the first connection of all: later ones find memory that earlier ones have left.
    pub(super) resident_before: Option<u64>,
}

/// Runs so far, and why the target died, if it did.
pub(super) type Runs = (Vec<Run>, Option<String>);

impl Session<'_> {
    /// Against a server that somebody else started: its delivery mode and its store are its own.
    pub(super) async fn measure_running(&mut self, url: &str) -> Result<Runs, RunError> {
        probe(url).await?;
        let delivery = self.scenario.delivery.last().copied().unwrap_or_default();
        let place = Place {
            url,
            delivery,
            store: "the target's own".to_owned(),
            audit: self.target_audit(url).await,
            run_id: self.run_id.clone(),
        };
        let (run, died) = self.measure(&place, None).await?;
        Ok((vec![run], died))
    }

    /// A running target's messages are looked up where the user says, or on its own page if it has one.
    async fn target_audit(&self, url: &str) -> Option<Audit> {
        match &self.options.audit {
            Some((uri, database)) => Some(Audit::mongo(uri, database)),
            None => lists_messages(url).await.then(|| Audit::memory(url)),
        }
    }

    /// Against servers of our own, one for each delivery mode, on one store.
    pub(super) async fn measure_own(&mut self) -> Result<Runs, RunError> {
        let watcher = &mut *self.watcher;
        watcher.event(Event::Stage("store"));
        let mut notice = |text| watcher.event(Event::Notice(text));
        let store = tokio::select! {
            store = RunningStore::start(&self.options.store, &self.options.mongo_image, &mut notice) => store?,
            () = self.interrupt.nth(1) => return Err(RunError::Interrupted),
        };
        let measured = self.measure_modes(&store).await;
        let stopped = store.stop().await;
        let runs = measured?;
        stopped?;
        Ok(runs)
    }

    async fn measure_modes(&mut self, store: &RunningStore) -> Result<Runs, RunError> {
        let mut runs = Vec::new();
        for (index, &delivery) in self.scenario.delivery.iter().enumerate() {
            // Each mode's messages are told apart in a store that both share.
            let run_id = match index {
                0 => self.run_id.clone(),
                _ => RunId::new(rand::random()),
            };
            let (run, died) = self.measure_mode(store, delivery, run_id).await?;
            let complete = run.complete;
            runs.push(run);
            if died.is_some() || !complete {
                return Ok((runs, died));
            }
        }
        Ok((runs, None))
    }

    async fn measure_mode(
        &mut self,
        store: &RunningStore,
        delivery: Delivery,
        run_id: RunId,
    ) -> Result<(Run, Option<String>), RunError> {
        self.watcher.event(Event::Stage("server"));
        let arguments = self.server_arguments(store, delivery);
        let mut server = RunningServer::start(&arguments, SERVER_PATIENCE).await?;
        let url = server.url().to_owned();
        let place = Place {
            url: &url,
            delivery,
            store: self.describe(store),
            audit: Some(store.audit(&url)),
            run_id,
        };
        let measured = self.measure(&place, Some(&mut server)).await;
        let stopped = server.stop(SERVER_PATIENCE).await;
        let (run, died) = measured?;
        if died.is_none() {
            let exit = stopped?;
            if !exit.is_clean() {
                self.watcher.event(Event::Notice(format!(
                    "the server did not end in order: {exit}"
                )));
            }
        }
        Ok((run, died))
    }

    fn server_arguments(&self, store: &RunningStore, delivery: Delivery) -> Vec<String> {
        let mut arguments = ["--host", "127.0.0.1", "--port", "0"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(["--dialect", self.scenario.dialect.name()].map(str::to_owned));
        if let Token::Signed(secret) = &self.scenario.connections.token {
            arguments.extend(["--jwt-secret", secret].map(str::to_owned));
        }
        arguments.extend(["--delivery", delivery.name()].map(str::to_owned));
        arguments.extend(store.server_args());
        if store.is_simulation() {
            arguments.extend([
                "--save-time".to_owned(),
                self.scenario.save_time.to_string(),
            ]);
            arguments.extend([
                "--read-time".to_owned(),
                self.scenario.read_time.to_string(),
            ]);
        }
        arguments
    }

    fn describe(&self, store: &RunningStore) -> String {
        if store.is_simulation() {
            format!(
                "in-memory simulation (save {}, read {})",
                self.scenario.save_time, self.scenario.read_time
            )
        } else {
            store.description().to_owned()
        }
    }

    /// Connects, sends, drains, audits and judges: one run against one server.
    async fn measure(
        &mut self,
        place: &Place<'_>,
        server: Option<&mut RunningServer>,
    ) -> Result<(Run, Option<String>), RunError> {
        self.watcher.event(Event::Notice(format!(
            "{}: {} delivery, store: {}",
            self.scenario.name,
            place.delivery.name(),
            place.store
        )));
        let durability = durability(place.url).await;
        let floor_before = self.floor_before().await?;
        let before = present(place.url).await;
        let ledger = Arc::new(Ledger::new(self.plan.sends.len(), self.plan.slots));
        let mut measurement = measure::run(
            Where {
                scenario: self.scenario,
                vocabulary: self.vocabulary(),
                promises: self.promises(place),
                plan: self.plan,
                ledger: &ledger,
                run: &place.run_id,
                url: place.url,
                driver: self.driver,
                workers: self.options.workers,
                cpus: &self.options.cpus,
                machine_check: self.options.machine_check,
                subject: self.scenario.delivery.last() == Some(&place.delivery),
            },
            server,
            self.interrupt,
            self.watcher,
        )
        .await?;
        let resident_before = measurement.generator.resident_before;
        measurement.generator.resident_before =
            *self.resident_before.get_or_insert(resident_before);
        let died = measurement.target_died.clone();
        // Of a server that ran before, the times of other messages than ours would be among them.
        if self.options.target.is_none()
            && let Some(times) = server_times(place.url).await
        {
            measurement.adopt(&times);
        }
        let left = match died {
            // Who is left of a server that others use too, nobody can say.
            None if before.is_some_and(Present::is_none) => wait_until_left(place.url).await,
            None => None,
            Some(_) => None,
        };
        let floor_after = match measurement.incomplete() {
            None => self.floor_after().await,
            Some(_) => None,
        };
        let floor = floor_before.into_iter().chain(floor_after).collect();
        let around = Around {
            durability,
            left,
            stored: self.audit(place, died.is_some()).await,
            floor,
        };
        Ok((self.judge(place, &ledger, measurement, around), died))
    }

    /// The names that are spoken, by this client.
    fn vocabulary(&self) -> Vocabulary {
        let vocabulary = self.scenario.vocabulary();
        Vocabulary {
            acknowledges_messages: vocabulary.acknowledges_messages && self.driver.asks_for_acks(),
            ..vocabulary
        }
    }

    fn promises(&self, place: &Place<'_>) -> Promises {
        Promises::of(&self.vocabulary(), place.delivery)
    }

    /// Looks up every stored message of the run. A store that died with its server can't be asked.
    async fn audit(&mut self, place: &Place<'_>, died: bool) -> Option<Stored> {
        let audit = place.audit.as_ref()?;
        self.watcher.event(Event::Stage("audit"));
        let mut stored = Stored::new(self.plan.sends.len());
        let visited = audit
            .visit(&place.run_id.body_prefix(), &mut |document| {
                if let Some(message) = crate::model::body::message_of(&place.run_id, &document.body)
                {
                    stored.add(message, hash(&hexadecimal(&document.id)));
                }
            })
            .await;
        match visited {
            Ok(()) => Some(stored),
            Err(error) => {
                if !died {
                    self.watcher.event(Event::Notice(format!(
                        "the store could not be looked up: {error}"
                    )));
                }
                None
            }
        }
    }

    fn judge(
        &self,
        place: &Place<'_>,
        ledger: &Ledger,
        mut measurement: Measurement,
        around: Around,
    ) -> Run {
        let Around {
            durability,
            left,
            stored,
            floor,
        } = around;
        measurement.record_slowest(self.plan, ledger);
        let account = checks::account(&Evidence {
            plan: self.plan,
            ledger,
            promises: self.promises(place),
            presence: &Presence::new(self.plan, &measurement.log),
            strays: &measurement.strays,
            broken: (measurement.closed, &measurement.broken),
            stored: stored.as_ref(),
            left: left.map(|left| [left.total_users, left.total_rooms, left.total_sockets]),
        });
        let incomplete = measurement.incomplete();
        // Of a run that was cut off, what is missing is not lost: it was never waited for.
        let account = if incomplete.is_some() {
            account.of_a_cut_run()
        } else {
            account
        };
        let judgement = verdict::judge(&Measured {
            recorded: &measurement.recorded,
            account: &account,
            incomplete: incomplete.as_deref(),
            aborted: measurement.aborted.as_deref(),
            thresholds: &self.scenario.thresholds,
            phases: &verdict::phases(self.scenario, self.plan),
            machine: &measurement.machine,
            floor: &floor
                .iter()
                .flat_map(|part| part.seconds())
                .collect::<Vec<_>>(),
            worker_cpu: &measurement.generator.worker_cpu,
            audit_failed: place.audit.is_some() && stored.is_none(),
        });
        let recorded = &measurement.recorded;
        Run {
            delivery: place.delivery,
            dialect: self.scenario.dialect,
            target: place.url.to_owned(),
            store: place.store.clone(),
            durability,
            complete: incomplete.is_none(),
            incomplete_because: incomplete,
            judgement,
            phases: result::phases(recorded, self.plan, &account),
            sizes: result::sizes(recorded),
            floor: self.floor_result(&floor, recorded),
            totals: account.totals,
            findings: account.findings,
            audited: stored.is_some(),
            metrics: result::metrics(recorded),
            windows: result::windows(recorded, &measurement.machine, measurement.hiccups.as_ref()),
            unread: recorded.unread,
            grey: account.grey,
            impossible_samples: recorded.clamped + recorded.negative,
            generator: measurement.generator,
            server: measurement.server,
        }
    }
}

/// Waits until the server knows nobody any more, or says who is left.
async fn wait_until_left(url: &str) -> Option<Present> {
    let deadline = tokio::time::Instant::now() + LEAVING;
    loop {
        let left = present(url).await?;
        if left.is_none() || tokio::time::Instant::now() > deadline {
            return Some(left);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What was found out around a run, before and after it.
struct Around {
    durability: Option<String>,
    left: Option<Present>,
    stored: Option<Stored>,
    floor: Vec<Arc<Part>>,
}

/// One server to be measured.
struct Place<'a> {
    url: &'a str,
    delivery: Delivery,
    store: String,
    audit: Option<Audit>,
    run_id: RunId,
}

fn hexadecimal(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
