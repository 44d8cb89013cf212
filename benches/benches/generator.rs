//! What the load generator itself costs: planning, reading a frame, recording, noting in the ledger, judging.

use std::{hint::black_box, path::Path, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadgen::{
    drive::client::native,
    judge::{Promises, checks},
    model::{Delivery, Metric},
    observed::{DeliverySample, Layout, Ledger, Observed, Recorded, Recorder},
    plan::Plan,
    scenario::Scenario,
};

const MESSAGES: u64 = 1_000_000;
/// Members of each channel of the judged ledger: ten deliveries to others for each message.
const MEMBERS: u32 = 11;

/// A million messages in 100 seconds, in rooms of two or in channels.
fn scenario(population: &str) -> Scenario {
    let text = format!(
        r#"version = 1
name = "bench"
question = "What does it cost?"
seed = 1
population = {population}

[[phases]]
name = "steady"
duration = "100s"
rate = "{}/s"
arrivals = "uniform"

[thresholds]
"delivery.within_5ms" = ">= 99%"
"#,
        MESSAGES / 100
    );
    Scenario::parse(Path::new("bench.toml"), &text).expect("a scenario for the bench")
}

fn rooms() -> Scenario {
    scenario("{ users = 1000, rooms = 500 }")
}

fn channels() -> Scenario {
    scenario(&format!(
        "{{ users = 1000, channels = [{{ count = 200, members = {MEMBERS} }}] }}"
    ))
}

fn plan(criterion: &mut Criterion) {
    let scenario = rooms();
    let mut group = criterion.benchmark_group("generator/plan");
    group
        .throughput(Throughput::Elements(MESSAGES))
        .sample_size(10);
    group.bench_function("1M messages", |bencher| {
        bencher.iter(|| Plan::new(black_box(&scenario)).expect("a plan"));
    });
    group.finish();
}

/// A delivery as the server sends it: an unmasked WebSocket frame with an event.
fn frame() -> Vec<u8> {
    let packet = format!(
        r#"42["roomMessageRecieved",{{"_id":"temp_1760000000000_k3x9a1b2c","body":"{}","image":null,"imageKey":null,"status":"unread","roomId":"507f1f77bcf86cd799439011","senderId":{{"_id":"507f1f77bcf86cd799439012","username":"u","email":"","avatar":null}},"createdAt":"2025-10-09T03:49:24.000Z","updatedAt":"2025-10-09T03:49:24.000Z","isOptimistic":true}}]"#,
        "x".repeat(120)
    );
    let length = u16::try_from(packet.len()).expect("a short packet");
    let mut frame = vec![0x81, 126];
    frame.extend(length.to_be_bytes());
    frame.extend(packet.into_bytes());
    frame
}

fn parse(criterion: &mut Criterion) {
    let frame = frame();
    let mut group = criterion.benchmark_group("generator/parse");
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("event frame", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            native::read_events(black_box(&frame), |name, payload| {
                bytes += name.len() + payload.len();
            })
            .expect("a frame of the protocol");
            assert!(bytes > 0, "no event was read");
            bytes
        });
    });
    group.finish();
}

/// As many samples as a worker has in some seconds of a full load.
const SAMPLES: u64 = 100_000;

fn record(criterion: &mut Criterion) {
    let layout = Arc::new(Layout::of(&rooms()));
    let mut group = criterion.benchmark_group("generator/record");
    group
        .throughput(Throughput::Elements(SAMPLES))
        .sample_size(20);
    let recorder = || {
        let mut recorder = Recorder::new(Arc::clone(&layout));
        recorder.begin(0);
        recorder
    };
    // Ten seconds, latencies from 100 µs to 1 ms.
    let times = || (0..SAMPLES).map(|index| (index * 100_000, 100_000 + index * 37 % 900_000));
    group.bench_function("delivery", |bencher| {
        bencher.iter_batched_ref(
            recorder,
            |recorder| {
                for (intended, latency) in times() {
                    recorder.record_delivery(DeliverySample {
                        intended,
                        received: intended + latency,
                        phase: 0,
                        members: 2,
                    });
                }
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.bench_function("other metric", |bencher| {
        bencher.iter_batched_ref(
            recorder,
            |recorder| {
                for (start, latency) in times() {
                    recorder.record_in(0, Metric::Ack, start, start + latency);
                }
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// One delivery and its end, as a worker notes them.
fn ledger(criterion: &mut Criterion) {
    let slots = 2 * SAMPLES as usize;
    let mut group = criterion.benchmark_group("generator/ledger");
    group.throughput(Throughput::Elements(SAMPLES));
    group.bench_function("delivery and end", |bencher| {
        bencher.iter_batched_ref(
            || Ledger::new(SAMPLES as usize, slots),
            |ledger| {
                for message in 0..SAMPLES as u32 {
                    let slot = 2 * message as usize + 1;
                    ledger.delivered(slot, message, false);
                    ledger.latency(message, 300_000);
                    ledger.sign_after(message, 300_000);
                    ledger.confirmed(slot, Some(u64::from(message) + 1));
                }
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// A ledger in which everything came, in order.
fn filled(plan: &Plan) -> Ledger {
    let ledger = Ledger::new(plan.sends.len(), plan.slots);
    let mut arrivals = vec![0; plan.users.len()];
    for (message, send) in (0..).zip(&plan.sends) {
        ledger.sent(message, send.at);
        ledger.sign_after(message, 300_000);
        for (position, &member) in plan.conversation_of(send).members.iter().enumerate() {
            let slot = send.slot as usize + position;
            arrivals[member as usize] += 1;
            ledger.delivered(slot, arrivals[member as usize], false);
            ledger.confirmed(slot, Some(u64::from(message) + 1));
            if member == send.sender {
                ledger.acked(slot, true);
            }
        }
    }
    ledger
}

fn account(criterion: &mut Criterion) {
    let scenario = channels();
    let plan = Plan::new(&scenario).expect("a plan");
    let ledger = filled(&plan);
    let recorded = Recorded::empty(Arc::new(Layout::of(&scenario)));
    let observed = Observed::of(recorded, Arc::new(ledger));
    let promises = Promises::of(&scenario.vocabulary(), Delivery::Optimistic);
    let judged = checks::account(&plan, promises, &observed);
    assert_eq!(judged.findings, [], "a bench of findings");
    let mut group = criterion.benchmark_group("generator/account");
    group
        .throughput(Throughput::Elements(judged.totals.delivered))
        .sample_size(10)
        .measurement_time(Duration::from_secs(20));
    group.bench_function("10M deliveries", |bencher| {
        bencher.iter(|| checks::account(&plan, promises, black_box(&observed)));
    });
    group.finish();
}

criterion_group!(benches, plan, parse, record, ledger, account);
criterion_main!(benches);
