//! The search for the highest rate, driven: each system is started once, and their holds take turns until all are answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Entrant, Event, Interrupt, Options, RunError, Watcher,
    arm::{self, Arm},
    conductor, environment,
    floor::{self, AsFloor},
    measure::{self, Bench},
    now,
};
use crate::{
    dial::Endpoint,
    drive::Driver,
    judge::{account, share_needed},
    model::RunId,
    observed::{Ended as RunEnded, Observed},
    plan::Plan,
    result,
    rig::RunningStore,
    scenario::{MOST_MESSAGES, Scenario},
    search::{
        About, Ask, Asked, Controller, Ended, Found, Hold, Length, Lengths, Next, Purpose,
        SEARCH_VERSION, SearchSettings, Seen, Settings, SystemFound, asked_of, line, saves_first,
        scenario_of, settings,
    },
};

/// How long a bare relay is measured beside a hold that failed.
const FLOOR: Duration = Duration::from_secs(3);

/// What is searched, and for how long.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// The systems, each told apart by its name.
    pub systems: Vec<Entrant>,
    /// How long the search of each may take.
    pub budget: Duration,
    /// Measured time of a full hold, instead of the scenario's.
    pub hold: Option<Duration>,
    /// The highest rate that is asked for, in messages per second.
    pub up_to: Option<f64>,
}

/// What became of it.
pub struct SearchFinished {
    /// What is recorded.
    pub found: Found,
    /// A system died: this is why.
    pub died: Option<String>,
    /// What was started and is still there, and why: one sentence each.
    pub not_cleaned_up: Vec<String>,
}

/// Searches the highest rate that each of the systems keeps.
///
/// # Errors
/// [`RunError`] when nothing could be measured.
pub async fn search(
    scenario: &Scenario,
    options: &Options,
    asked: &SearchOptions,
    interrupt: &Interrupt,
    watcher: &mut dyn Watcher,
) -> Result<SearchFinished, RunError> {
    conductor::none(scenario)?;
    let started = now();
    let mut search = Search::new(scenario, options, asked, interrupt, watcher)?;
    let environment = environment::read();
    for entrant in &asked.systems {
        entrant.system.is_there(options.peers.as_deref())?;
    }
    let mut stores = Vec::new();
    for entrant in &asked.systems {
        stores.push(match entrant.system.saves_here() {
            true => Some(search.store(entrant).await?),
            false => None,
        });
    }
    let searched = search.run(&stores).await;
    for store in stores.into_iter().flatten() {
        let left = store.stop().await.err().map(|error| error.to_string());
        search.not_cleaned_up.extend(left);
    }
    let (systems, died) = searched?;
    let own_plan = Plan::new(scenario)?;
    Ok(SearchFinished {
        found: Found {
            search_version: SEARCH_VERSION,
            verdict: systems
                .iter()
                .map(|one| one.verdict)
                .max()
                .ok_or(RunError::Interrupted)?,
            scenario: result::of_scenario(scenario, &own_plan),
            command: options.command.clone(),
            labels: options.labels.clone(),
            started,
            ended: now(),
            environment,
            settings: search.recorded(asked),
            systems,
        },
        died,
        not_cleaned_up: search.not_cleaned_up,
    })
}

/// What all holds share.
struct Search<'a> {
    /// With the last of its delivery modes.
    scenario: Scenario,
    /// Messages per second of the scenario itself.
    rate: f64,
    lengths: Lengths,
    settings: Settings,
    asked: &'a SearchOptions,
    options: &'a Options,
    driver: Driver,
    interrupt: &'a Interrupt,
    watcher: &'a mut dyn Watcher,
    not_cleaned_up: Vec<String>,
}

/// A system under search.
struct Contender<'a> {
    arm: Arm<'a>,
    /// As it is judged: without limits on what it never says.
    scenario: Scenario,
    endpoint: Endpoint,
    controller: Controller,
    about: About,
    holds: Vec<Hold>,
    /// Why it is no longer searched, once it is not.
    ended: Option<Ended>,
    died: Option<String>,
}

impl<'a> Search<'a> {
    fn new(
        scenario: &Scenario,
        options: &'a Options,
        asked: &'a SearchOptions,
        interrupt: &'a Interrupt,
        watcher: &'a mut dyn Watcher,
    ) -> Result<Self, RunError> {
        let rate = scenario.measured_rate();
        let rate = rate.map_err(|error| RunError::Asked(error.to_string()))?;
        let scenario = Scenario {
            delivery: scenario.delivery.last().copied().into_iter().collect(),
            ..scenario.clone()
        };
        let lengths = Lengths::of(&scenario, asked.budget, asked.hold);
        let plan = Plan::new(&scenario)?;
        let needed = share_needed(&scenario, &plan);
        let up_to = |up_to| settings(&scenario, rate, needed, lengths, asked.budget, up_to);
        let fits = highest(&scenario, rate, lengths);
        let settings = up_to(asked.up_to).and_then(|settings| match asked.up_to {
            _ if settings.most <= fits => Ok(settings),
            // Nobody said how far, and hours later a hold that can't be planned would take all others along.
            None => up_to(Some(fits)),
            Some(rate) => Err(format!(
                "--up-to {rate}/s: a hold of {:?} has more messages there than the {MOST_MESSAGES:.0} that can be planned; search no further than {fits:.0}/s, or make the holds shorter with --hold",
                lengths.full
            )),
        });
        let driver = Driver::choose(options.client, &scenario, &plan, None)?;
        environment::allow_open_files(scenario.population.users, 1)?;
        Ok(Self {
            settings: settings.map_err(RunError::Asked)?,
            scenario,
            rate,
            lengths,
            asked,
            options,
            driver,
            interrupt,
            watcher,
            not_cleaned_up: Vec::new(),
        })
    }

    fn recorded(&self, asked: &SearchOptions) -> SearchSettings {
        SearchSettings {
            scenario_rate: self.rate,
            up_to: self.settings.most,
            precision: self.settings.precision,
            budget: asked.budget.as_secs_f64(),
            full: self.lengths.full.as_secs_f64(),
            short: self.lengths.short.as_secs_f64(),
        }
    }

    async fn store(&mut self, entrant: &Entrant) -> Result<RunningStore, RunError> {
        let watcher = &mut *self.watcher;
        watcher.event(Event::Stage("store"));
        let mut notice = |text| watcher.event(Event::Notice(text));
        let choice = entrant.store(&self.options.store);
        tokio::select! {
            store = RunningStore::start(choice, &self.options.mongo_image, &mut notice) => Ok(store?),
            () = self.interrupt.nth(1) => Err(RunError::Interrupted),
        }
    }

    /// Starts all systems, lets their holds take turns, and ends them.
    async fn run(
        &mut self,
        stores: &[Option<RunningStore>],
    ) -> Result<(Vec<SystemFound>, Option<String>), RunError> {
        let mut contenders = Vec::new();
        let asked = self.asked;
        for (entrant, store) in asked.systems.iter().zip(stores) {
            contenders.push(self.contender(entrant, store.as_ref()).await?);
        }
        let searched = self.take_turns(&mut contenders).await;
        let mut died = None;
        let mut systems = Vec::new();
        for mut contender in contenders {
            let stopped = contender.arm.system.stop().await;
            match stopped {
                Ok(Some(disorder)) if contender.died.is_none() => {
                    self.watcher.event(Event::Notice(disorder));
                }
                Ok(_) => {}
                Err(error) => self.not_cleaned_up.push(error.to_string()),
            }
            died = died.or(contender.died);
            let ended = contender.ended.unwrap_or(Ended::Interrupted);
            let answer = match contender.controller.next() {
                Next::Done(answer) if answer.ended == ended => answer,
                _ => contender.controller.answer(ended),
            };
            systems.push(SystemFound::of(contender.about, &answer, contender.holds));
        }
        searched?;
        Ok((systems, died))
    }

    /// One hold of each system after the other, so that what changes on the machine meanwhile meets all of them.
    async fn take_turns(&mut self, contenders: &mut [Contender<'_>]) -> Result<(), RunError> {
        while contenders.iter().any(|one| one.ended.is_none()) {
            for contender in contenders.iter_mut().filter(|one| one.ended.is_none()) {
                match due(&contender.controller, self.interrupt.has_come()) {
                    Ok(ask) => self.hold(contender, ask).await?,
                    Err(ended) => contender.ended = Some(ended),
                }
            }
        }
        Ok(())
    }

    /// Holds a rate, and tells how it went.
    async fn hold(&mut self, contender: &mut Contender<'_>, ask: Ask) -> Result<(), RunError> {
        let began = Instant::now();
        let measured = self.measure(contender, ask, began).await;
        let is_first = contender.holds.is_empty();
        let hold = match measured {
            Ok(Some(hold)) => hold,
            Ok(None) => return Ok(()),
            Err(RunError::Interrupted) if !is_first => {
                contender.ended = Some(Ended::Interrupted);
                return Ok(());
            }
            // Whoever let them in before is busy with what was sent since.
            Err(error @ (RunError::Connect { .. } | RunError::Join { .. })) if !is_first => {
                Hold::refused(ask, error.to_string(), began.elapsed().as_secs_f64())
            }
            Err(error) => return Err(error),
        };
        let told = line(&contender.about.system, &hold);
        self.watcher.event(Event::Notice(told));
        // As it is recorded, so that a search goes the same way where it is verified.
        let took = Duration::from_secs_f64(hold.took);
        contender.controller.tell(ask, hold.outcome, took);
        contender.holds.push(hold);
        Ok(())
    }

    /// The scenario at a rate against a system that runs; `None` where that ended before its time.
    async fn measure(
        &mut self,
        contender: &mut Contender<'_>,
        ask: Ask,
        began: Instant,
    ) -> Result<Option<Hold>, RunError> {
        let scenario = scenario_of(&contender.scenario, self.rate, self.lengths, ask);
        let scenario = Arc::new(scenario);
        let arm = &mut contender.arm;
        arm.plan = Arc::new(Plan::new(&scenario)?);
        arm.scenario = scenario;
        // Its messages are told from those of other holds in the same store.
        arm.run_id = RunId::new(rand::random());
        let bench = Bench {
            options: self.options,
            driver: self.driver,
            interrupt: self.interrupt,
            duty: None,
        };
        let measured = measure::observe(arm, &contender.endpoint, &bench, self.watcher).await;
        let mut observed = measured?;
        contender.about.version.clone_from(&observed.version);
        match &observed.ended {
            Some(RunEnded::Interrupted) => {
                contender.ended = Some(Ended::Interrupted);
                return Ok(None);
            }
            Some(RunEnded::Died(why)) => {
                contender.died = Some(format!("{}: {why}", contender.about.system));
                contender.ended = Some(Ended::Died);
                return Ok(None);
            }
            Some(RunEnded::Aborted(_)) | None => {}
        }
        let promises = arm.promises(self.driver.asks_for_acks());
        let account = account(&arm.plan, promises, &observed);
        observed.record_slowest(&arm.plan, |message| account.missing.has(message));
        let (scenario, plan) = (Arc::clone(&arm.scenario), Arc::clone(&arm.plan));
        let asked = Asked {
            ask,
            scenario: &scenario,
            plan: &plan,
            own: &contender.scenario.thresholds,
            saves_first: saves_first(&contender.about.delivery, &contender.about.store),
            rules: self.settings.rules,
        };
        let mut seen = Seen {
            asked: &asked,
            observed: &observed,
            account: &account,
            floor: None,
            took: 0.0,
        };
        let floor = match seen.asks_for_a_floor() {
            true => self.floor(&scenario, &plan).await?,
            false => None,
        };
        seen.floor = floor.as_ref().map(|(plan, seen)| (&**plan, seen));
        seen.took = began.elapsed().as_secs_f64();
        Ok(Some(Hold::of(&seen)))
    }

    /// The busiest seconds of a hold against a bare relay; `None` where there can be none.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] alone.
    async fn floor(
        &mut self,
        scenario: &Scenario,
        plan: &Plan,
    ) -> Result<Option<(Arc<Plan>, Observed)>, RunError> {
        let Ok((mut arm, _)) = floor::arm(scenario, plan, self.driver, FLOOR) else {
            return Ok(None);
        };
        let bench = Bench {
            options: self.options,
            driver: self.driver,
            interrupt: self.interrupt,
            duty: None,
        };
        let measured = measure::measure(&mut arm, &bench, &mut AsFloor(self.watcher)).await;
        match measured {
            Err(RunError::Interrupted) => Err(RunError::Interrupted),
            Err(_) => Ok(None),
            Ok((mut observed, left)) => {
                self.not_cleaned_up.extend(left);
                let usable = floor::usable(&arm.plan, &observed).is_ok();
                if usable {
                    // All came: none is to be left out as lost.
                    observed.record_slowest(&arm.plan, |_| false);
                }
                Ok(usable.then(|| (Arc::clone(&arm.plan), observed)))
            }
        }
    }

    /// A system, started.
    async fn contender<'s>(
        &mut self,
        entrant: &Entrant,
        store: Option<&'s RunningStore>,
    ) -> Result<Contender<'s>, RunError> {
        let scenario = Arc::new(self.scenario.clone());
        let plan = Arc::new(Plan::new(&scenario)?);
        let run_id = RunId::new(rand::random());
        let arms = arm::of(
            &entrant.system,
            &scenario,
            &plan,
            self.options,
            store,
            &run_id,
        )?;
        let mut arm = arms.into_iter().next().ok_or(RunError::Interrupted)?;
        let promises = arm.promises(self.driver.asks_for_acks());
        let (scenario, dropped) = asked_of(&arm.scenario, promises);
        for limit in &dropped {
            let told = format!("{entrant}: {limit} is not asked of it: it never says so");
            self.watcher.event(Event::Notice(told));
        }
        self.watcher.event(Event::Stage("server"));
        let endpoint = tokio::select! {
            started = arm.system.start() => started?,
            () = self.interrupt.nth(1) => return Err(RunError::Interrupted),
        };
        Ok(Contender {
            scenario,
            endpoint,
            controller: Controller::new(self.settings.clone()),
            about: About {
                system: entrant.to_string(),
                version: None,
                store: arm.system.store(),
                delivery: arm.mode().to_owned(),
                dialect: Some(arm.scenario.dialect),
                not_asked: dropped,
            },
            arm,
            holds: Vec::new(),
            ended: None,
            died: None,
        })
    }
}

/// The highest rate at which a full hold can be planned.
fn highest(scenario: &Scenario, rate: f64, lengths: Lengths) -> f64 {
    let own = Ask {
        rate,
        length: Length::Full,
        purpose: Purpose::Bracket,
    };
    let messages = scenario_of(scenario, rate, lengths, own).messages_due();
    // Bursts come in whole numbers, and may be some more.
    0.99 * rate * MOST_MESSAGES / messages
}

/// The next hold of a search, or why there is none: an interrupt ends what is not answered yet, and takes no answer away.
fn due(controller: &Controller, interrupted: bool) -> Result<Ask, Ended> {
    match controller.next() {
        Next::Done(answer) => Err(answer.ended),
        Next::Hold(_) if interrupted => Err(Ended::Interrupted),
        Next::Hold(ask) => Ok(ask),
    }
}

#[cfg(test)]
mod tests;
