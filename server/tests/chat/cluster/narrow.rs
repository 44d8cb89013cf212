//! A way to the Redis that lets no answer through which is larger than so much.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use server::{
    bus::{Bus as _, Position, Stream, redis::RedisBus},
    config::Secret,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::redis::Redis;

const STREAMS: u8 = 4;
const ENTRIES: usize = 600;
const ENTRY: usize = 1 << 10;
/// Of what there is in all, less than half.
const WIDTH: usize = ENTRIES * STREAMS as usize * ENTRY / 2;

/// The other end of a way to this Redis on which each answer gets so many bytes and then stands still.
async fn narrow(redis: &Redis, width: usize) -> SocketAddr {
    let to = redis.url().trim_start_matches("redis://").to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(carry(client, server, width));
        }
    });
    address
}

async fn carry(client: TcpStream, server: TcpStream, width: usize) {
    let (mut asks, mut hears) = client.into_split();
    let (mut answers, mut asked) = server.into_split();
    let left = Arc::new(AtomicUsize::new(width));
    let whole = Arc::clone(&left);
    let asking = async move {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = asks.read(&mut bytes).await {
            whole.store(width, Relaxed);
            if asked.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    let answering = async move {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = answers.read(&mut bytes).await {
            let before = left.load(Relaxed);
            if before < count {
                return std::future::pending().await;
            }
            left.store(before - count, Relaxed);
            if hears.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}

#[tokio::test]
async fn what_never_comes_in_one_answer_comes_in_portions_and_in_order() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let direct = RedisBus::new(&Secret(redis.url()), "chat").unwrap();
    let life = direct.life().await.unwrap();
    let all = ENTRIES * usize::from(STREAMS);
    let entries: Vec<_> = (0..all)
        .map(|number| {
            // Some of them in one moment, and not the same of each stream.
            let stream = Stream::Partition((number * number % 7 % usize::from(STREAMS)) as u8);
            (stream, Bytes::from(format!("{number:0ENTRY$}")))
        })
        .collect();
    for some in entries.chunks(100) {
        direct.append(&life, some).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let url = format!("redis://{}", narrow(&redis, WIDTH).await);
    let bus = RedisBus::new(&Secret(url), "chat").unwrap();
    let mut from: Vec<_> = (0..STREAMS)
        .map(|stream| (Stream::Partition(stream), Position::default()))
        .collect();
    let (mut last, mut given_up) = (0, 0);
    while last < all {
        let Ok(entries) = bus.read(&life, &from, Duration::from_millis(1)).await else {
            given_up += 1;
            assert!(given_up < 4, "it asks for the same again and again");
            continue;
        };
        let mut numbers: Vec<usize> = Vec::new();
        for entry in entries {
            numbers.push(std::str::from_utf8(&entry.bytes).unwrap().parse().unwrap());
            let place = from.iter_mut().find(|(of, _)| *of == entry.stream);
            place.unwrap().1 = entry.position;
        }
        numbers.sort_unstable();
        let next: Vec<_> = (last..last + numbers.len()).collect();
        assert_eq!(numbers, next, "something is missing before others");
        last += numbers.len();
    }
    assert!(given_up > 0, "the way is not narrow");
}
