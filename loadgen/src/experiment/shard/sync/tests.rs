//! How clocks are compared, and how well they are known by that.

use std::net::TcpListener as Held;

use proptest::prelude::*;

use super::{super::WallClock, *};
use crate::plan::Shard;

proptest! {
    #[test]
    fn the_truth_is_within_the_bound(
        ahead in -9_000_000_000_000_i64..9_000_000_000_000, there in 0_u64..90_000_000, back in 0_u64..90_000_000,
    ) {
        let own = 1_795_651_200_000_000_000_u64;
        let theirs = (own + there).saturating_add_signed(-ahead);
        let offset = offset(own, theirs, there + back);
        prop_assert!(offset.ahead.abs_diff(ahead) <= offset.bound, "{offset:?}");
    }

    #[test]
    fn while_a_clock_moves_the_truth_is_within_the_bound(
        truths in [-90_000_000_i64..90_000_000, -90_000_000_i64..90_000_000],
        errors in [-40_000_000_i64..40_000_000, -40_000_000_i64..40_000_000],
        spare in [0_u64..9_000, 0_u64..9_000],
        passed in 0_i64..=100,
    ) {
        let [first, again] = [0, 1].map(|nth| ClockOffset {
            ahead: truths[nth] + errors[nth],
            bound: errors[nth].unsigned_abs() + spare[nth],
        });
        let truth = truths[0] + (truths[1] - truths[0]) * passed / 100;
        let between = moved(first, again);
        prop_assert!(between.ahead.abs_diff(truth) <= between.bound, "{between:?}");
    }
}

/// A clock that is off by so much, told as shard 1 does: to so many who ask, one after the other.
fn teller(shifts: &'static [i64]) -> String {
    let held = Held::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    held.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(held).unwrap();
    tokio::spawn(async move {
        for &shift in shifts {
            let (stream, _) = listener.accept().await.unwrap();
            let time = Steady::of(WallClock { shift });
            answer(stream, "p 0", time).await.unwrap();
        }
    });
    address
}

async fn asked_again(sync: &Timekeeper) {
    let Role::Asked { again, .. } = &sync.role else {
        panic!("shard 1 asks nobody");
    };
    while !again.is_finished() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_a_clock_has_moved_by_until_the_start_is_not_known() {
    let address = teller(&[0, -40_000_000]);
    let mut sync = second(&address).await;
    let told = sync.told();
    asked_again(&sync).await;
    let stood = sync.stood(Some(0)).await;
    assert_eq!(stood.ahead, told.ahead);
    assert!(stood.bound + told.bound >= 40_000_000, "{stood:?}");
}

#[tokio::test]
async fn a_clock_that_could_not_be_compared_again_is_known_the_less_the_longer_that_is() {
    let address = teller(&[0]);
    let mut sync = second(&address).await;
    let hour = 3_600_000_000_000;
    let began = sync.time.now() + hour;
    let stood = sync.stood(Some(began)).await;
    assert!(stood.bound >= hour / DRIFT, "{stood:?}");
}

#[test]
fn shard_1_is_waited_for_until_the_start_and_a_while_at_least() {
    let seconds = Duration::from_secs;
    assert_eq!(patience(0, 7_000_000_000), PATIENCE);
    assert_eq!(patience(9_000_000_000, 7_000_000_000), PATIENCE);
    assert_eq!(patience(900_000_000_000, 0), seconds(900));
}

/// Shard 2, of shard 1 there.
async fn second(address: &str) -> Timekeeper {
    let sync = Timekeeper::start(&options(2, address, 0), "p").await;
    sync.unwrap().unwrap()
}

/// A port that nobody has just now.
fn free() -> u16 {
    let held = Held::bind("127.0.0.1:0").unwrap();
    held.local_addr().unwrap().port()
}

#[tokio::test]
async fn shard_1_is_found_by_whatever_name_its_host_has() {
    // It is not known on this host, or not yet.
    let port = free();
    let address = format!("shard-1.invalid:{port}");
    let first = Timekeeper::start(&options(1, &address, 0), "p").await;
    let first = first.unwrap().unwrap();
    assert_eq!(first.told(), ClockOffset { ahead: 0, bound: 0 });
    let mut hosts = vec!["127.0.0.1", "127.0.1.1"];
    if Held::bind("[::1]:0").is_ok() {
        hosts.push("[::1]");
    }
    for host in hosts {
        assert!(second(&format!("{host}:{port}")).await.told().bound > 0);
    }
}

#[tokio::test]
async fn who_begins_at_another_moment_is_told_so() {
    let address = format!("127.0.0.1:{}", free());
    let first = Timekeeper::start(&options(1, &address, 0), "p").await;
    let _first = first.unwrap().unwrap();
    let later = ShardOptions {
        start_at: 1,
        ..options(2, &address, 0)
    };
    let error = Timekeeper::start(&later, "p").await.err().unwrap();
    assert!(
        error.to_string().contains("begins at another moment"),
        "{error}"
    );
}

fn options(number: u16, address: &str, shift: i64) -> ShardOptions {
    ShardOptions {
        shard: Shard::new(number, 2).unwrap(),
        start_at: 0,
        sync: Some(address.to_owned()),
        clock: WallClock { shift },
        settings: Vec::new(),
    }
}

#[tokio::test]
async fn a_clock_that_is_hours_ahead_is_known_to_be() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let time = Steady::of(WallClock::default());
    let telling = tokio::spawn(tell(listener, "p 0".to_owned(), time));
    for shift in [0, 7_200_000_000_000, -2_000_000_000, 137_000_000] {
        let sync = Timekeeper::start(&options(2, &address, shift), "p")
            .await
            .unwrap()
            .unwrap();
        let ClockOffset { ahead, bound } = sync.told();
        assert!(ahead.abs_diff(shift) <= bound, "{shift}: {ahead} ±{bound}");
    }
    let error = Timekeeper::start(&options(2, &address, 0), "q")
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("another plan"), "{error}");
    telling.abort();
}

#[tokio::test]
async fn the_first_shard_tells_at_its_address_or_says_why_not() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = Timekeeper::start(&options(1, &address, 0), "p")
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with("shard 1 tells its time at 127.0.0.1:"),
        "{error}"
    );
    drop(taken);
    let first = Timekeeper::start(&options(1, &address, 0), "p")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.told(), ClockOffset { ahead: 0, bound: 0 });
    let second = Timekeeper::start(&options(2, &address, 0), "p")
        .await
        .unwrap()
        .unwrap();
    assert!(second.told().bound > 0);
}
