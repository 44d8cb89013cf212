//! The change against its base, block by block in turn, until it is known whether the change is slower.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    Entrant, Event, Interrupt, Options, RunError, Watcher, arm, conductor, enough, environment,
    floor,
    measure::Bench,
    now,
    session::{Measured, Session},
};
use crate::{
    compare::ab::{
        AB_VERSION, AbResult, Block, Compared, Conclusion, Cycle, Ending, FALSE_ALARMS, Settings,
        Side, SystemInfo, Trial, conclude, cycle_line,
    },
    drive::Driver,
    model::RunId,
    plan::Plan,
    result::{self, Run},
    rig::{RunningStore, StoreNeeds},
    scenario::{self, Scenario},
};

/// What is compared, and how.
#[derive(Debug, Clone)]
pub struct AbOptions {
    /// What the change is held against.
    pub base: Entrant,
    /// What is judged.
    pub change: Entrant,
    /// By which numbers.
    pub compared: Vec<Compared>,
    /// The load of a block, and how long it is.
    pub block: scenario::Block,
    /// Cycles at most.
    pub cycles: usize,
    /// The seed of the orders in the cycles.
    pub order_seed: u64,
}

/// What became of it.
pub struct AbFinished {
    /// What is recorded.
    pub result: AbResult,
    /// A system died in mid-run: this is why.
    pub died: Option<String>,
    /// What was started and is still there, and why: one sentence each.
    pub not_cleaned_up: Vec<String>,
}

/// Measures base, change and a bare relay in cycles, each in an order that is drawn, until there is a verdict.
///
/// # Errors
/// [`RunError`] when nothing could be compared.
pub async fn ab(
    scenario: &Scenario,
    options: &Options,
    ab: &AbOptions,
    interrupt: &Interrupt,
    watcher: &mut dyn Watcher,
) -> Result<AbFinished, RunError> {
    conductor::none(scenario)?;
    let short = scenario.block(&ab.block).map_err(RunError::Asked)?;
    let plan = Plan::new(&short).map_err(|error| {
        let (block, warm_up) = (ab.block.length, ab.block.warm_up);
        RunError::Asked(format!(
            "--block {block:?} after --warm-up {warm_up:?}: {error}"
        ))
    })?;
    let driver = Driver::choose(options.client, &short, &plan, options.target.as_ref())?;
    enough::samples(&short, &plan, ab, driver.asks_for_acks()).map_err(RunError::Asked)?;
    for side in [&ab.base, &ab.change] {
        side.system.is_there(options.peers.as_deref())?;
    }
    environment::allow_open_files(short.population.users, 1)?;
    let started = now();
    let mut gate = Gate {
        scenario: Arc::new(short),
        plan: Arc::new(plan),
        options,
        ab,
        driver,
        interrupt,
        watcher: Once {
            watcher,
            told: HashSet::new(),
            place: String::new(),
        },
        trial: Trial::new(ab.compared.clone(), ab.cycles),
        cycles: Vec::new(),
        systems: [&ab.base, &ab.change].map(|side| SystemInfo {
            system: side.to_string(),
            ..SystemInfo::default()
        }),
        died: None,
        not_cleaned_up: Vec::new(),
    };
    let environment = environment::read();
    let ending = gate.run().await?;
    let Conclusion {
        verdict,
        mut reasons,
        unstable,
        effects,
    } = conclude(&gate.trial, &gate.cycles, &ending);
    if let Some(why) = &gate.died {
        reasons.insert(0, why.clone());
    }
    let [base, change] = gate.systems;
    Ok(AbFinished {
        result: AbResult {
            ab_version: AB_VERSION,
            verdict,
            reasons,
            unstable,
            scenario: result::of_scenario(&gate.scenario, &gate.plan),
            command: options.command.clone(),
            labels: options.labels.clone(),
            started,
            ended: now(),
            environment,
            settings: settings(&gate.scenario, ab),
            base,
            change,
            effects,
            cycles: gate.cycles,
        },
        died: gate.died,
        not_cleaned_up: gate.not_cleaned_up,
    })
}

fn settings(short: &Scenario, ab: &AbOptions) -> Settings {
    Settings {
        warm_up: ab.block.warm_up.as_secs_f64(),
        block: ab.block.length.as_secs_f64(),
        phase: short
            .phases
            .last()
            .map_or_else(String::new, |phase| phase.name.clone()),
        cycles: ab.cycles,
        order_seed: ab.order_seed,
        false_alarms: FALSE_ALARMS,
    }
}

/// What is measured so far, and with what.
struct Gate<'a> {
    scenario: Arc<Scenario>,
    plan: Arc<Plan>,
    options: &'a Options,
    ab: &'a AbOptions,
    driver: Driver,
    interrupt: &'a Interrupt,
    watcher: Once<'a>,
    trial: Trial,
    cycles: Vec<Cycle>,
    systems: [SystemInfo; 2],
    died: Option<String>,
    not_cleaned_up: Vec<String>,
}

/// One block was measured, or could not be, or there will be no more.
enum Measurement {
    Block(Block),
    /// Why not: something could not be started, or nobody could connect.
    Failed(String),
    End,
}

impl Gate<'_> {
    /// Cycles until there is a verdict: a machine that disturbs half as many as may count has had its chance.
    async fn run(&mut self) -> Result<Ending, RunError> {
        let mut orders = Side::orders(self.ab.order_seed);
        while self.trial.verdict().is_none() {
            let left_out = self.cycles.len() - self.trial.cycles();
            if 2 * left_out >= self.ab.cycles.max(2) {
                break;
            }
            let Some(order) = orders.next() else { break };
            let Some(cycle) = self.cycle(order).await? else {
                return Ok(Ending::Interrupted);
            };
            if cycle.left_out.is_none() {
                let numbers = |side| cycle.of(side).map(|block| block.numbers.clone());
                if let (Some(base), Some(change)) = (numbers(Side::Base), numbers(Side::Change)) {
                    self.trial.add(base, change, numbers(Side::Relay));
                }
            }
            let line = cycle_line(&cycle, &self.trial.effects());
            self.watcher.watcher.event(Event::Notice(line));
            let broken = cycle
                .of(Side::Change)
                .is_some_and(|block| !block.broken.is_empty());
            self.cycles.push(cycle);
            // That it broke a promise is certain after one cycle.
            if broken {
                break;
            }
        }
        Ok(Ending::Decided)
    }

    /// Each side in this order; `None`: somebody wants no more, or a system died.
    async fn cycle(&mut self, order: [Side; 3]) -> Result<Option<Cycle>, RunError> {
        let number = self.cycles.len() + 1;
        let mut cycle = Cycle {
            number,
            blocks: Vec::new(),
            left_out: None,
        };
        for side in order {
            self.watcher.place = format!("cycle {number}, {}", side.name());
            let Some(block) = self.tried(side).await? else {
                return Ok(None);
            };
            cycle.left_out = block
                .doubt
                .as_ref()
                .map(|why| format!("{}: {why}", side.name()));
            cycle.blocks.push(block);
            if cycle.is_over() {
                break;
            }
        }
        Ok(Some(cycle))
    }

    /// One side, a second time where the first says nothing of the server; `None`: there will be no more.
    async fn tried(&mut self, side: Side) -> Result<Option<Block>, RunError> {
        match self.block(side).await? {
            Measurement::Block(block) if block.doubt.is_none() || !block.broken.is_empty() => {
                return Ok(Some(block));
            }
            Measurement::Block(_) => {}
            Measurement::Failed(why) => {
                let again = format!("{}: it is tried again, since {why}", self.watcher.place);
                self.watcher.event(Event::Notice(again));
            }
            Measurement::End => return Ok(None),
        }
        Ok(match self.block(side).await? {
            Measurement::Block(block) => Some(Block {
                repeated: true,
                ..block
            }),
            Measurement::Failed(why) => {
                self.died = Some(format!("{}: {why}", side.name()));
                None
            }
            Measurement::End => None,
        })
    }

    /// One side, started anew on an empty store, and ended.
    async fn block(&mut self, side: Side) -> Result<Measurement, RunError> {
        let started = now();
        let measured = match side {
            Side::Base => self.system(&self.ab.base).await,
            Side::Change => self.system(&self.ab.change).await,
            Side::Relay => self.relay().await,
        };
        let measured = match measured {
            // What was measured before is there all the same.
            Err(RunError::Interrupted) if !self.cycles.is_empty() => return Ok(Measurement::End),
            // In the first cycle it is a mistake of whoever asks, as a rule; later a bad moment of the machine.
            Err(error) if !self.cycles.is_empty() && !error.is_the_questions() => {
                return Ok(Measurement::Failed(error.to_string()));
            }
            measured => measured?,
        };
        let Some(Measured {
            runs,
            died,
            not_cleaned_up,
        }) = measured
        else {
            return Ok(Measurement::Block(absent(side, started)));
        };
        self.not_cleaned_up.extend(not_cleaned_up);
        let run = runs.into_iter().next().ok_or(RunError::Interrupted)?;
        self.note(side, &run);
        if let Some(why) = died {
            self.died = Some(format!("{}: {why}", side.name()));
            return Ok(Measurement::End);
        }
        if !run.complete {
            return Ok(Measurement::End);
        }
        let mut block = Block::of(side, &run, &self.ab.compared, started)?;
        if side == Side::Relay {
            // It is no chat server: what it does not know it does not owe.
            block.broken.clear();
        }
        Ok(Measurement::Block(block))
    }

    /// What a side says of itself.
    fn note(&mut self, side: Side, run: &Run) {
        let info = match side {
            Side::Base => &mut self.systems[0],
            Side::Change => &mut self.systems[1],
            Side::Relay => return,
        };
        info.version.clone_from(&run.target_version);
        info.store.clone_from(&run.store);
        run.mode().clone_into(&mut info.delivery);
    }

    async fn system(&mut self, entrant: &Entrant) -> Result<Option<Measured>, RunError> {
        let run_id = RunId::new(rand::random());
        let (scenario, plan) = (Arc::clone(&self.scenario), Arc::clone(&self.plan));
        let options = Options {
            store: entrant.store(&self.options.store).clone(),
            ..self.options.clone()
        };
        let choice = &entrant.system;
        let store = self
            .session(&options)
            .store_of(choice, StoreNeeds::default())
            .await?;
        let measured = match arm::of(choice, &scenario, &plan, &options, store.as_ref(), &run_id) {
            Ok(arms) => self.alone(&options, arms.into_iter().next()).await,
            Err(error) => Err(error),
        };
        if let Some(store) = store {
            self.end(store).await;
        }
        measured
    }

    async fn end(&mut self, store: RunningStore) {
        let left = store.stop().await.err().map(|error| error.to_string());
        self.not_cleaned_up.extend(left);
    }

    /// The same load against the relay; `None` where there can be none, which is told once.
    async fn relay(&mut self) -> Result<Option<Measured>, RunError> {
        let (scenario, plan) = (Arc::clone(&self.scenario), Arc::clone(&self.plan));
        let length = self.ab.block.length.max(Duration::from_secs(1));
        match floor::arm(&scenario, &plan, self.driver, length) {
            Ok((arm, _)) => {
                let options = self.options.clone();
                self.alone(&options, Some(arm)).await
            }
            Err(why) => {
                self.watcher
                    .event(Event::Notice(format!("no relay: {why}")));
                Ok(None)
            }
        }
    }

    async fn alone(
        &mut self,
        options: &Options,
        arm: Option<arm::Arm<'_>>,
    ) -> Result<Option<Measured>, RunError> {
        let arm = arm.ok_or(RunError::Interrupted)?;
        self.session(options).alone(arm).await.map(Some)
    }

    fn session<'s>(&'s mut self, options: &'s Options) -> Session<'s> {
        Session {
            bench: Bench {
                options,
                driver: self.driver,
                interrupt: self.interrupt,
                duty: None,
            },
            watcher: &mut self.watcher,
            floor_of: None,
            resident_before: None,
        }
    }
}

/// Where there is no relay.
fn absent(side: Side, started: String) -> Block {
    Block {
        side,
        started,
        repeated: false,
        doubt: None,
        lacking: false,
        broken: Vec::new(),
        numbers: Default::default(),
        seconds: 0,
        disturbed: 0,
        sent: 0,
        lost: Some(0),
        delivery: String::new(),
    }
}

/// Tells what is the same in every block once, and says in which it is.
struct Once<'a> {
    watcher: &'a mut dyn Watcher,
    told: HashSet<String>,
    place: String,
}

impl Watcher for Once<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Stage(stage) => {
                let stage = format!("{}: {stage}", self.place);
                self.watcher.event(Event::Stage(&stage));
            }
            Event::Turn(turn) => self.watcher.event(Event::Turn(turn)),
            Event::Progress(snapshot) => {
                let mut snapshot = snapshot.clone();
                snapshot.phase = format!("{}: {}", self.place, snapshot.phase);
                self.watcher.event(Event::Progress(&snapshot));
            }
            Event::Notice(text) => {
                if self.told.insert(text.clone()) {
                    self.watcher.event(Event::Notice(text));
                }
            }
        }
    }
}
