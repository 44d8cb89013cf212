//! A result of a run that was played through instead of measured: two delivery modes, each with floors, a phase with limits of
//! its own, a lost delivery, a disturbed second.

use std::{path::Path, sync::Arc};

use loadgen_core::{
    judge::{self, Promises},
    model::{Delivery, Metric, Nanos},
    observed::{
        DeliverySample, Hiccups, Layout, Ledger, Lookup, MachineSecond, Moment, Observed,
        ProcessUse, Recorder, Stored,
    },
    plan::{Plan, Share, WARM_UP},
    result::{self, About, Document, Environment, Report, Run},
    scenario::Scenario,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The scenario: rooms and a channel, a warm-up, two measured phases.
const SCENARIO: &str = r#"version = 1
name = "played"
question = "Does what is said follow from what was seen?"

[variables]
rate = "60/s"

[server]
delivery = ["persist-first", "optimistic"]

[population]
users = 24
rooms = 8
channels = [{ count = 1, members = 6 }]

[[phases]]
name = "warm-up"
duration = "2s"
rate = "${rate}"
measured = false

[[phases]]
name = "steady"
duration = "8s"
rate = "${rate}"

[[phases]]
name = "rush"
duration = "6s"
rate = "120/s"
thresholds = { "delivery.p95" = "< 8ms", "failed" = "== 0" }

[thresholds]
"delivery.within_5ms" = ">= 90%"
"delivery_slowest.p95" = "< 9ms"
"ack.p99" = "< 60ms"
"confirm.mean" = "< 100ms"
"lost" = "<= 5"
"#;

/// How long after the clock's beginning the schedule begins.
const BEGAN: Nanos = 3_000_000_000;
const SECOND: Nanos = 1_000_000_000;

/// The whole result, as it is written.
pub fn text() -> String {
    let scenario = Scenario::parse(Path::new("played.toml"), SCENARIO).unwrap();
    let plan = Plan::new(&scenario).unwrap();
    let runs = scenario.delivery.iter().zip(0..);
    let runs: Vec<Run> = runs
        .map(|(delivery, nth)| run(&scenario, &plan, *delivery, nth))
        .collect();
    let judgement = runs.last().unwrap().judgement.clone();
    let report = Report {
        version: result::VERSION,
        verdict: judgement.verdict,
        reasons: judgement.reasons,
        scenario: result::of_scenario(&scenario, &plan),
        command: ["loadgen", "run", "played.toml"].map(str::to_owned).into(),
        labels: [("build".to_owned(), "nightly".to_owned())].into(),
        run_id: "4f01ee2a".to_owned(),
        started: "2026-03-01T12:00:00.000Z".to_owned(),
        ended: "2026-03-01T12:00:52.000Z".to_owned(),
        environment: environment(),
        runs,
        shards: Vec::new(),
        seal: String::new(),
    };
    Document::of(&report).unwrap().text().to_owned()
}

fn environment() -> Environment {
    Environment {
        loadgen: "0.1.0".to_owned(),
        commit: Some("1a2b3c4d5e6f".to_owned()),
        lockfile: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        cpu: Some("Example".to_owned()),
        cores: 2,
        kernel: Some("6.1.0".to_owned()),
        virtualisation: None,
        memory: Some(25_276_502_016),
        open_files: Some(20_000),
        load: Some(0.47),
    }
}

fn run(scenario: &Scenario, plan: &Plan, delivery: Delivery, nth: u64) -> Run {
    let seconds = plan.busiest(3).unwrap();
    let replay = plan.replay(&seconds, WARM_UP).unwrap();
    let of_phases = scenario.phases.iter().flat_map(|phase| &phase.thresholds);
    let limits: Vec<_> = scenario
        .thresholds
        .iter()
        .chain(of_phases)
        .cloned()
        .collect();
    let floor_layout = Arc::new(Layout::new(&limits, &floor_phases(scenario)));
    let floors = [10, 20].map(|seed| {
        let mut floor = Played::new(&replay, &floor_layout, 40 * nth + seed, 0.15);
        floor.go(&replay, false);
        floor.observed(&replay)
    });
    let mut played = Played::new(plan, &Arc::new(Layout::of(scenario)), nth, 1.0);
    played.go(plan, true);
    let mut observed = played.observed(plan);
    observed.stored = Lookup::Found(played_store(plan, &observed));
    let promises = Promises::of(&scenario.vocabulary(), delivery);
    let account = judge::account(plan, promises, &observed);
    observed.record_slowest(plan, |message| account.missing.has(message));
    let beside: Vec<&Observed> = floors.iter().collect();
    let judgement = judge::judge(scenario, plan, &observed, &account, &beside);
    let floor = result::floor(&replay, &beside, &observed, &seconds);
    let about = About {
        scenario,
        plan,
        delivery,
        delivery_known: true,
        promises,
        target: "http://127.0.0.1:1",
        own: true,
        target_version: None,
        store: "in-memory simulation".to_owned(),
        client: "native",
    };
    let run = result::run(about, observed, account, judgement);
    Run { floor, ..run }
}

/// What is seen of a server that loses nothing, so slow, and whose store keeps up.
pub fn seen(scenario: &Scenario, plan: &Plan, seed: u64, slow: f64) -> Observed {
    let mut played = Played::new(plan, &Arc::new(Layout::of(scenario)), seed, slow);
    played.go(plan, false);
    let mut observed = played.observed(plan);
    let server = observed.server.iter_mut();
    for moment in server.flat_map(|used| &mut used.moments) {
        moment.queue = Some(0);
    }
    observed.stored = Lookup::Found(played_store(plan, &observed));
    observed
}

/// A floor's two, of which the second is measured.
fn floor_phases(scenario: &Scenario) -> Vec<loadgen_core::scenario::Phase> {
    let phase = |measured| loadgen_core::scenario::Phase {
        measured,
        thresholds: Vec::new(),
        ..scenario.phases[1].clone()
    };
    vec![phase(false), phase(true)]
}

/// Every message is in the store under the id that everybody was told.
fn played_store(plan: &Plan, observed: &Observed) -> Stored {
    let mut stored = Stored::new(plan.sends.len());
    for message in 0..plan.sends.len() as u32 {
        if observed.ledger.sent_at(message).is_some() {
            stored.add(message, id(message));
        }
    }
    stored
}

fn id(message: u32) -> u64 {
    u64::from(message) + 1
}

/// A run that is being played.
struct Played {
    recorder: Recorder,
    ledger: Arc<Ledger>,
    rng: ChaCha8Rng,
    /// How slow the server is.
    slow: f64,
}

impl Played {
    fn new(plan: &Plan, layout: &Arc<Layout>, seed: u64, slow: f64) -> Self {
        let mut recorder = Recorder::new(Arc::clone(layout));
        recorder.begin(BEGAN);
        Self {
            recorder,
            ledger: Arc::new(Ledger::new(plan.sends.len(), plan.slots)),
            rng: ChaCha8Rng::seed_from_u64(seed),
            slow,
        }
    }

    fn latency(&mut self) -> Nanos {
        let luck: f64 = self.rng.random();
        (self.slow * (200_000.0 + 300_000.0 / (1.02 - luck))) as Nanos
    }

    fn go(&mut self, plan: &Plan, faults: bool) {
        for user in 0..plan.users.len() as u64 {
            let start = 1_000_000 * user;
            self.recorder
                .record(Metric::Connect, start, start + 700_000);
        }
        let mut arrivals = vec![0; plan.users.len()];
        for (message, send) in (0..).zip(&plan.sends) {
            let measured = plan.phase_of(send).measured;
            let due = BEGAN + send.at;
            if faults && message == 400 {
                if measured {
                    self.recorder.record_send(due, None);
                }
                continue;
            }
            let sent = due + self.latency() / 20;
            self.ledger.sent(message, sent);
            if measured {
                self.recorder.record_send(due, Some(sent));
                let late = Metric::SendLateness;
                self.recorder.record_in(send.phase, late, due, sent);
            }
            let members = &plan.conversation_of(send).members;
            for (position, &member) in members.iter().enumerate() {
                let came = sent + self.latency();
                let slot = send.slot as usize + position;
                let lost = faults && message % 501 == 500 && member != send.sender && position < 2;
                if lost {
                    continue;
                }
                arrivals[member as usize] += 1;
                let again = faults && message == 700 && position == 0;
                for _ in 0..=u32::from(again) {
                    self.ledger
                        .delivered(slot, arrivals[member as usize], false);
                }
                self.ledger.sign_after(message, came - due);
                self.ledger.confirmed(slot, Some(id(message)));
                if member == send.sender {
                    self.own(slot, send.phase, due, measured);
                } else if measured {
                    self.ledger.latency(message, came - due);
                    self.recorder.record_delivery(DeliverySample {
                        intended: due,
                        received: came,
                        phase: send.phase,
                        members: members.len(),
                    });
                    let as_sent = Metric::DeliveryAsSent;
                    self.recorder.record_in(send.phase, as_sent, sent, came);
                }
            }
        }
    }

    /// What a sender sees of its own message.
    fn own(&mut self, slot: usize, phase: u16, due: Nanos, measured: bool) {
        self.ledger.acked(slot, true);
        if measured {
            for metric in [Metric::Echo, Metric::Ack, Metric::Confirm] {
                let took = self.latency();
                self.recorder.record_in(phase, metric, due, due + took);
            }
        }
    }

    fn observed(self, plan: &Plan) -> Observed {
        let seconds = (plan.end() / SECOND) as usize + 1;
        let mut observed = Observed::of(self.recorder.finish(), self.ledger);
        observed.machine = (0..seconds)
            .map(|second| MachineSecond {
                busy: 0.4,
                stolen: if second == 9 { 0.2 } else { 0.01 },
                ..MachineSecond::default()
            })
            .map(MachineSecond::weighed)
            .collect();
        observed.connecting = vec![MachineSecond::default().weighed()];
        observed.hiccups = Some(Hiccups {
            longest: vec![70_000; seconds],
            ..Hiccups::default()
        });
        for (share, nth) in Share::WHOLE.split(2).zip(0..) {
            let used = (0..seconds).map(|second| 0.2 + 0.01 * f64::from(nth + second as u32 % 7));
            observed.threads.insert(share.thread(), used.collect());
        }
        let moments = (0..seconds as u64).map(|second| Moment {
            at: std::time::Duration::from_millis(1_000 * second),
            cpu: std::time::Duration::from_millis(130 * second),
            resident: 40_000_000 + second,
            queue: Some(second),
        });
        let used = ProcessUse {
            cpu: std::time::Duration::from_millis(2_345),
            resident: 41_000_000,
            moments: moments.collect(),
        };
        observed.generator.process = used.clone();
        observed.generator.resident_before = 30_000_000;
        observed.generator.resident_connected = 31_000_000;
        observed.server = Some(used);
        observed.durability = Some("none: gone when the process ends".to_owned());
        observed.version = Some("0.1.0 (1a2b3c4d5e6f)".to_owned());
        observed.left = Some([0, 0, 0]);
        observed
    }
}
