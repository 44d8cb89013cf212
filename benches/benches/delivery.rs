//! What a message costs between its receipt and its recipients' connections: reading, encoding, fan-out.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use server::{
    delivery::temporary_id,
    message::Kind,
    protocol::{
        inbound::Payload,
        outbound::{self, Phase},
    },
    socket_manager::User,
};

#[path = "support/room.rs"]
mod room;
use room::{PAYLOAD, Room, encoded, message};

const MEMBERS: [usize; 3] = [2, 50, 1_000];
fn building(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    group.bench_function("read_payload", |bencher| {
        bencher.iter(|| {
            let payload: Payload = serde_json::from_str(black_box(PAYLOAD)).expect("valid");
            black_box(payload.message(Kind::Room, 65_536).expect("valid"))
        });
    });
    group.bench_function("temporary_id", |bencher| {
        bencher.iter(|| black_box(temporary_id(black_box(1_760_000_000_000))));
    });
    let (message, sender) = (message(), User::unnamed("507f1f77bcf86cd799439012"));
    group.bench_function("encode_optimistic", |bencher| {
        bencher.iter(|| {
            let phase = Phase::Optimistic {
                temp_id: "temp_1760000000000_k3x9a1b2c",
            };
            black_box(outbound::message(black_box(&message), &sender, phase).expect("valid"))
        });
    });
    group.finish();
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan_out");
    let encoded = encoded();
    for members in MEMBERS {
        let mut room = Room::of(members);
        group.throughput(Throughput::Elements(members as u64));
        group.bench_function(BenchmarkId::from_parameter(members), |bencher| {
            bencher.iter_custom(|messages| room.deliver(messages, &encoded));
        });
    }
    group.finish();
}

criterion_group!(benches, building, fan_out);
criterion_main!(benches);
