//! The proxy over real sockets: what passes while it is idle, and what each effect does and counts.

mod alone;

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::*;
use crate::model::Delay;

/// Against hanging only.
const GUARD: Duration = Duration::from_secs(30);
/// Long enough that what would come has come.
const SOON: Duration = Duration::from_millis(150);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A proxy, and who is behind it.
struct Bench {
    proxy: Proxy,
    behind: TcpListener,
}

impl Bench {
    async fn new(speech: Speech) -> Self {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(behind.local_addr().unwrap(), speech, 1).unwrap();
        Self { proxy, behind }
    }

    /// Both ends of a connection.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.address()).await.unwrap();
        let (server, _) = timeout(GUARD, self.behind.accept()).await.unwrap().unwrap();
        (client, server)
    }

    /// The same as soon as the door is open again.
    async fn connect_again(&self) -> (TcpStream, TcpStream) {
        let began = Instant::now();
        let client = loop {
            match TcpStream::connect(self.proxy.address()).await {
                Ok(client) => break client,
                Err(error) => assert!(began.elapsed() < GUARD, "{error}"),
            }
            sleep(ms(5)).await;
        };
        let (server, _) = timeout(GUARD, self.behind.accept()).await.unwrap().unwrap();
        (client, server)
    }
}

async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let read = timeout(GUARD, stream.read_exact(&mut bytes)).await;
    read.expect("nothing came").unwrap();
    bytes
}

/// How a connection ended: with what was read before its end.
async fn end(stream: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    let read = timeout(GUARD, stream.read_to_end(&mut bytes)).await;
    read.expect("no end")
        .map(|_| bytes)
        .map_err(|error| error.kind())
}

/// Nothing comes, and no end.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(SOON, stream.read(&mut [0; 100])).await.is_err()
}

#[tokio::test]
async fn idle_it_passes_all_on_both_ways_with_its_ends() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    let sent: Vec<u8> = (0..5_000_000_u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let answer: Vec<u8> = sent.iter().rev().copied().collect();
    let (there, back) = tokio::join!(
        async {
            client.write_all(&sent).await.unwrap();
            // An end in one direction is not one in the other.
            client.shutdown().await.unwrap();
            end(&mut client).await.unwrap()
        },
        async {
            let there = end(&mut server).await.unwrap();
            server.write_all(&answer).await.unwrap();
            drop(server);
            there
        }
    );
    assert!(there == answer && back == sent);
}

#[tokio::test]
async fn a_reset_is_passed_on_as_one_and_who_is_not_there_is_one() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, server) = bench.connect().await;
    SockRef::from(&server)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(server);
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    let Bench { proxy, behind } = bench;
    drop(behind);
    // So soon, as a rule, that whoever connects is told of it by that.
    let ended = match TcpStream::connect(proxy.address()).await {
        Ok(mut client) => end(&mut client).await,
        Err(error) => Err(error.kind()),
    };
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn latency_is_each_ways_in_order_and_over_when_it_is_lifted() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    let delay = Delay::Uniform {
        least: ms(40),
        most: ms(80),
    };
    let hold = bench.proxy.impose(Effect::Latency(delay));
    let began = Instant::now();
    for letter in 0..50_u8 {
        client.write_all(&[letter]).await.unwrap();
        sleep(ms(1)).await;
    }
    let came = read(&mut server, 50).await;
    assert_eq!(came, (0..50).collect::<Vec<u8>>());
    server.write_all(&[1]).await.unwrap();
    read(&mut client, 1).await;
    assert!(began.elapsed() >= ms(80), "{:?}", began.elapsed());
    let toll = bench.proxy.lift(&hold);
    assert_eq!((toll.bytes, toll.connections), (51, 1));
    let mean = toll.held_up / u32::try_from(toll.pieces).unwrap();
    assert!((ms(40)..=ms(80)).contains(&mean), "{mean:?}");
    client.write_all(b"after").await.unwrap();
    read(&mut server, 5).await;
    assert_eq!(hold.toll(), toll);
}

#[tokio::test]
async fn what_waits_for_an_effect_goes_when_it_is_lifted() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    let hold = bench
        .proxy
        .impose(Effect::Latency(Delay::Constant(Duration::from_secs(3_600))));
    client.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut server).await);
    bench.proxy.lift(&hold);
    assert_eq!(read(&mut server, 4).await, b"late");
}

#[tokio::test]
async fn several_effects_at_once_add_up_and_are_lifted_one_by_one() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    let latency = bench.proxy.impose(Effect::Latency(Delay::Constant(ms(60))));
    let loss = bench.proxy.impose(Effect::Loss {
        share: 1.0,
        pause: ms(5),
    });
    let began = Instant::now();
    client.write_all(b"1").await.unwrap();
    read(&mut server, 1).await;
    // Lost as often as can be: 5 + 10 + … + 160 ms.
    assert!(began.elapsed() >= ms(60 + 315), "{:?}", began.elapsed());
    let stalled = bench.proxy.lift(&loss);
    assert_eq!((stalled.pieces, stalled.held_up), (1, ms(315)));
    let began = Instant::now();
    client.write_all(b"2").await.unwrap();
    read(&mut server, 1).await;
    assert!(began.elapsed() >= ms(60));
    assert_eq!(bench.proxy.lift(&latency).pieces, 2);
}

#[tokio::test]
async fn a_narrow_line_takes_its_time_and_is_shared() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut one, mut behind_one) = bench.connect().await;
    let (mut other, mut behind_other) = bench.connect().await;
    let hold = bench.proxy.impose(Effect::Bandwidth(100_000));
    let began = Instant::now();
    one.write_all(&[1; 20_000]).await.unwrap();
    other.write_all(&[2; 20_000]).await.unwrap();
    tokio::join!(
        read(&mut behind_one, 20_000),
        read(&mut behind_other, 20_000)
    );
    assert!(began.elapsed() >= ms(390), "{:?}", began.elapsed());
    let toll = bench.proxy.lift(&hold);
    assert_eq!((toll.bytes, toll.connections), (40_000, 2));
}

#[tokio::test]
async fn a_cut_resets_both_ends_and_may_refuse_until_it_is_lifted() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    let hold = bench.proxy.impose(Effect::Cut { refuse: true });
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end(&mut server).await, Err(ErrorKind::ConnectionReset));
    let refused = TcpStream::connect(bench.proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let toll = bench.proxy.lift(&hold);
    assert_eq!((toll.connections, toll.bytes), (1, 0));
    // The same port again.
    let (mut client, mut server) = bench.connect_again().await;
    // One that refuses nobody spares those who come after it.
    let hold = bench.proxy.impose(Effect::Cut { refuse: false });
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end(&mut server).await, Err(ErrorKind::ConnectionReset));
    let (mut client, mut server) = bench.connect().await;
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut server, 5).await, b"hello");
    assert_eq!(bench.proxy.lift(&hold).connections, 1);
}

/// As one that lasts no time at all.
#[tokio::test]
async fn a_cut_that_is_lifted_at_once_has_reset_everybody_and_counted_them() {
    let bench = Bench::new(Speech::Bytes).await;
    for refuse in [false, true] {
        let mut all = Vec::new();
        for _ in 0..100 {
            all.push(bench.connect_again().await);
        }
        let hold = bench.proxy.impose(Effect::Cut { refuse });
        assert_eq!(bench.proxy.lift(&hold).connections, 100);
        let (mut client, mut server) = bench.connect_again().await;
        for (client, server) in &mut all {
            assert_eq!(end(client).await, Err(ErrorKind::ConnectionReset));
            assert_eq!(end(server).await, Err(ErrorKind::ConnectionReset));
        }
        client.write_all(b"after").await.unwrap();
        assert_eq!(read(&mut server, 5).await, b"after");
    }
}

#[tokio::test]
async fn a_half_open_connection_is_silent_and_what_lost_something_is_reset_afterwards() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    let (mut ended, mut behind_ended) = bench.connect().await;
    let (mut quiet, mut behind_quiet) = bench.connect().await;
    let hold = bench.proxy.impose(Effect::HalfOpen);
    sleep(ms(20)).await;
    client.write_all(b"nobody hears").await.unwrap();
    server.write_all(b"nor here").await.unwrap();
    ended.shutdown().await.unwrap();
    assert!(is_silent(&mut client).await && is_silent(&mut server).await);
    assert!(
        is_silent(&mut behind_ended).await,
        "an end is swallowed too"
    );
    // Who connects meanwhile finds somebody who says nothing, and nobody is reached.
    let mut late = TcpStream::connect(bench.proxy.address()).await.unwrap();
    late.write_all(b"hello?").await.unwrap();
    assert!(is_silent(&mut late).await);
    let toll = bench.proxy.lift(&hold);
    assert_eq!((toll.bytes, toll.connections), (26, 3));
    for torn in [
        &mut client,
        &mut server,
        &mut ended,
        &mut behind_ended,
        &mut late,
    ] {
        assert_eq!(end(torn).await, Err(ErrorKind::ConnectionReset));
    }
    quiet.write_all(b"still here").await.unwrap();
    assert_eq!(read(&mut behind_quiet, 10).await, b"still here");
}

#[tokio::test]
async fn a_slow_reader_lets_what_is_sent_to_it_pile_up_at_the_sender() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    let hold = bench.proxy.impose(Effect::SlowReader(20_000));
    sleep(ms(20)).await;
    // What it sends itself is not slow.
    client.write_all(&[1; 50_000]).await.unwrap();
    read(&mut server, 50_000).await;
    // More than all sockets between them take.
    let piles_up = timeout(SOON, server.write_all(&vec![2; 64_000_000])).await;
    assert!(piles_up.is_err(), "somebody took 64 MB");
    let toll = hold.toll();
    assert!(toll.bit() && toll.bytes < 50_000, "{toll}");
    bench.proxy.lift(&hold);
    read(&mut client, 100_000).await;
}

#[tokio::test]
async fn what_waits_is_bounded_and_then_nothing_is_read() {
    let bench = Bench::new(Speech::Bytes).await;
    let (client, server) = bench.connect().await;
    let _hold = bench
        .proxy
        .impose(Effect::Latency(Delay::Constant(Duration::from_secs(3_600))));
    sleep(ms(20)).await;
    let mut taken = 0_usize;
    while let Ok(Ok(())) = timeout(SOON, client.writable()).await {
        taken += client.try_write(&[0; 65_536]).unwrap_or(0);
        assert!(taken < 64_000_000, "somebody took 64 MB");
    }
    drop(server);
}

#[tokio::test]
async fn a_lost_reply_is_a_reset_after_the_command_went_through() {
    let bench = Bench::new(Speech::MongoDb).await;
    let hold = bench.proxy.impose(Effect::ReplyLost { share: 1.0 });
    let (mut client, mut server) = bench.connect().await;
    let message = |id: u8, answers: u8, name: &[u8]| {
        let mut bytes = vec![0; 26];
        bytes[4] = id;
        bytes[8] = answers;
        bytes[12..14].copy_from_slice(&2013_u16.to_le_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[0; 20]);
        bytes[0] = u8::try_from(bytes.len()).unwrap();
        bytes
    };
    let ping = message(1, 0, b"ping\0");
    client.write_all(&ping).await.unwrap();
    read(&mut server, ping.len()).await;
    server.write_all(&message(7, 1, b"")).await.unwrap();
    read(&mut client, 46).await;
    let insert = message(2, 0, b"insert\0");
    client.write_all(&insert).await.unwrap();
    assert_eq!(read(&mut server, insert.len()).await, insert);
    server.write_all(&message(8, 2, b"")).await.unwrap();
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    let toll = bench.proxy.lift(&hold);
    assert_eq!((toll.pieces, toll.connections), (1, 1));
}

#[tokio::test]
async fn a_cut_resets_also_who_connected_through_a_dead_line() {
    let bench = Bench::new(Speech::Bytes).await;
    let dead = bench.proxy.impose(Effect::HalfOpen);
    let mut client = TcpStream::connect(bench.proxy.address()).await.unwrap();
    client.write_all(b"hello?").await.unwrap();
    let began = Instant::now();
    while dead.toll().connections == 0 {
        assert!(began.elapsed() < GUARD, "nobody swallows it");
        sleep(ms(5)).await;
    }
    let cut = bench.proxy.impose(Effect::Cut { refuse: false });
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(bench.proxy.lift(&cut).connections, 1);
}

/// However busy the machine is: what is imposed is there when `impose` returns, at the door too.
#[tokio::test]
async fn what_is_imposed_is_there_at_once() {
    let bench = Bench::new(Speech::Bytes).await;
    for _ in 0..200 {
        let hold = bench.proxy.impose(Effect::Cut { refuse: true });
        let refused = TcpStream::connect(bench.proxy.address()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        bench.proxy.lift(&hold);
    }
    let (mut client, mut server) = bench.connect_again().await;
    for letter in 0..100_u8 {
        let hold = bench.proxy.impose(Effect::Latency(Delay::Constant(ms(1))));
        client.write_all(&[letter]).await.unwrap();
        read(&mut server, 1).await;
        assert_eq!(bench.proxy.lift(&hold).pieces, 1, "{letter}");
    }
    // The end of one that has lost something is no end, whenever that shows.
    for _ in 0..50 {
        let (mut client, mut server) = bench.connect().await;
        let hold = bench.proxy.impose(Effect::HalfOpen);
        client.shutdown().await.unwrap();
        let began = Instant::now();
        while hold.toll().connections == 0 {
            assert!(began.elapsed() < GUARD, "nobody swallows it");
            sleep(ms(1)).await;
        }
        bench.proxy.lift(&hold);
        assert_eq!(end(&mut server).await, Err(ErrorKind::ConnectionReset));
        assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    }
}

#[tokio::test]
async fn dropping_it_resets_all_of_its_connections() {
    let bench = Bench::new(Speech::Bytes).await;
    let (mut client, mut server) = bench.connect().await;
    drop(bench.proxy);
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end(&mut server).await, Err(ErrorKind::ConnectionReset));
}

#[test]
fn its_cost_is_measured_in_one_run() {
    // Which of the two is longer is the machine's business: they are some microseconds apart.
    let cost = Cost::measure().unwrap();
    assert!(cost.direct.min(cost.through) > Duration::ZERO, "{cost:?}");
    let ratio = cost.through.as_secs_f64() / cost.direct.as_secs_f64();
    eprintln!("an idle proxy: {cost:?}, a round trip takes {ratio:.2} times as long");
}
