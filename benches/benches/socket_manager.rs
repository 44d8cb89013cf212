//! What the state in memory costs, by how many users are in it.

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use server::{
    message::{Conversation, Kind},
    socket_manager::{SocketId, SocketManager, User},
};

const USERS: [u64; 3] = [10, 1_000, 100_000];

/// The user to work on: somebody in the middle.
fn somebody(users: u64) -> String {
    format!("user{}", users / 2)
}

fn pair(n: u64) -> Conversation {
    Conversation {
        kind: Kind::Room,
        id: format!("room{n}"),
    }
}

fn everybody() -> Conversation {
    Conversation {
        kind: Kind::Channel,
        id: "everybody".to_owned(),
    }
}

/// Users in rooms of two and, up to a thousand of them, in one channel.
fn filled(users: u64) -> SocketManager<u64> {
    let mut manager = SocketManager::new(1000);
    for n in 0..users {
        let id = format!("user{n}");
        manager.add_user(SocketId(n), Arc::new(User::unnamed(id.as_str())), n);
        manager
            .join_room(&id, &pair(n / 2))
            .expect("a new user may join");
        if n < 1000 {
            manager
                .join_room(&id, &everybody())
                .expect("a new user may join");
        }
    }
    manager
}

fn operations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("socket_manager");
    for users in USERS {
        let mut manager = filled(users);
        let id = somebody(users);
        let room = pair(users / 4);
        let newcomer = Arc::new(User::unnamed("newcomer"));

        group.bench_function(BenchmarkId::new("add_remove_user", users), |bencher| {
            bencher.iter(|| {
                manager.add_user(SocketId(u64::MAX), Arc::clone(&newcomer), 0);
                black_box(manager.remove_user(SocketId(u64::MAX)))
            });
        });
        group.bench_function(BenchmarkId::new("join_leave_room", users), |bencher| {
            let other = pair(users);
            bencher.iter(|| {
                black_box(manager.join_room(&id, &other).is_ok());
                black_box(manager.leave_room(&id, &other))
            });
        });
        group.bench_function(BenchmarkId::new("is_user_in_room", users), |bencher| {
            bencher.iter(|| black_box(manager.is_user_in_room(&id, &room)));
        });
        group.bench_function(BenchmarkId::new("users_in_room", users), |bencher| {
            bencher.iter(|| black_box(manager.users_in_room(&room)));
        });
        group.bench_function(
            BenchmarkId::new("users_in_changed_channel", users),
            |bencher| {
                bencher.iter(|| {
                    manager.leave_room(&id, &everybody());
                    black_box(manager.join_room(&id, &everybody()).is_ok());
                    black_box(manager.users_in_room(&everybody()))
                });
            },
        );
        group.bench_function(BenchmarkId::new("second_login", users), |bencher| {
            let mut next = users;
            bencher.iter_batched(
                || Arc::new(User::unnamed(id.as_str())),
                |user| {
                    next += 1;
                    let superseded = manager.add_user(SocketId(next), user, next);
                    if let Some(superseded) = &superseded {
                        manager.remove_user(superseded.socket_id);
                    }
                    black_box(superseded)
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("stats", users), |bencher| {
            bencher.iter(|| black_box(manager.stats()));
        });
    }
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
