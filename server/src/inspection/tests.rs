//! Frames in pieces of any size: what passes is unchanged, and what is answered comes between two frames.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const BAD_ID: &str = "4299999999999999999999[\"joinRoom\",{\"roomId\":\"r\"}]";

/// A frame, masked as those of a client if there is a mask.
fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(masked | length as u8),
        length @ 126..65_536 => {
            frame.push(masked | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(masked | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let key = mask.unwrap_or_default();
    frame.extend(mask.into_iter().flatten());
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    frame
}

fn text(payload: &str) -> Vec<u8> {
    frame(1, payload.as_bytes(), Some([1, 2, 3, 4]))
}

fn telemetry() -> Arc<Telemetry> {
    Arc::new(Telemetry::new().unwrap())
}

fn take(bytes: &[u8], cuts: &[usize]) -> (BytesMut, BytesMut) {
    let mut incoming = Incoming::default();
    let (mut passed, mut answers) = (BytesMut::new(), BytesMut::new());
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
        incoming.take(piece, &mut passed, &mut answers);
        rest = after;
    }
    assert!(incoming.is_between_frames());
    (passed, answers)
}

fn any_frame() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let begins = prop_oneof![
        3 => Just(("42[\"e\",{}]", true)),
        1 => Just(("2", true)),
        1 => Just(("", true)),
        2 => Just((BAD_ID, false)),
    ];
    let length = prop_oneof![3 => 0_usize..200, 1 => 65_000_usize..66_000];
    (begins, length, any::<Option<[u8; 4]>>(), 0_u8..11).prop_map(
        |((begins, passes), length, mask, opcode)| {
            let opcode = if passes { opcode } else { 1 };
            let mut payload = begins.as_bytes().to_vec();
            payload.extend(std::iter::repeat_n(b'x', length));
            let mask = if passes { mask } else { mask.or(Some([9; 4])) };
            (frame(opcode, &payload, mask), passes)
        },
    )
}

proptest! {
    #[test]
    fn frames_pass_unchanged_however_they_are_cut(
        frames in proptest::collection::vec(any_frame(), 0..8),
        cuts in proptest::collection::vec(1_usize..4000, 1..40),
    ) {
        let sent: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.clone()).collect();
        let wanted: Vec<u8> = frames
            .iter()
            .filter(|(_, passes)| *passes)
            .flat_map(|(frame, _)| frame.clone())
            .collect();
        let (passed, answers) = take(&sent, &cuts);
        prop_assert_eq!(&passed[..], &wanted[..]);
        let answered = frames.iter().filter(|(_, passes)| !passes).count();
        let found = answers.windows(8).filter(|part| *part == b"43999999").count();
        prop_assert_eq!(found, answered);
    }

    #[test]
    fn the_end_of_a_frame_is_where_the_next_begins(
        lengths in proptest::collection::vec(prop_oneof![0_usize..300, 65_500_usize..65_600], 1..6),
        cut in 0_usize..70_000,
    ) {
        let frames: Vec<_> = lengths.iter().map(|n| frame(1, &vec![b'x'; *n], None)).collect();
        let all = frames.concat();
        let cut = cut.min(all.len());
        let mut outgoing = Outgoing::default();
        outgoing.written(&all[..cut]);
        let (mut end, mut ends) = (0, vec![0]);
        for frame in &frames {
            end += frame.len();
            ends.push(end);
        }
        prop_assert_eq!(outgoing.is_between_frames(), ends.contains(&cut));
        let next = ends.iter().find(|end| **end > cut).map_or(0, |end| end - cut);
        prop_assert_eq!(outgoing.rest_of_frame(&all[cut..]), next);
    }
}

/// An inspected connection that has had its first ping, and the client's end of it.
async fn connection() -> (Inspected<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(100_000);
    let mut inspected = Inspected::new(near, telemetry());
    inspected.write_all(&PING).await.unwrap();
    let mut pong = [0; 7];
    inspected.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, PONG);
    (inspected, far)
}

#[tokio::test]
async fn the_first_ping_is_kept_back_and_answered_and_no_other() {
    let (near, mut far) = duplex(1000);
    let mut library = Inspected::new(near, telemetry());
    let open = frame(1, b"0{}", None);
    let all = [&open[..], &PING, &open].concat();
    library.write_all(&all).await.unwrap();
    library.write_all(&PING).await.unwrap();
    let mut got = vec![0; open.len() * 2 + PING.len()];
    far.read_exact(&mut got).await.unwrap();
    assert_eq!(got, [&open[..], &open, &PING].concat());
    far.write_all(&text("42[]")).await.unwrap();
    let mut read = vec![0; PONG.len() + text("42[]").len()];
    library.read_exact(&mut read).await.unwrap();
    assert_eq!(read, [&PONG[..], &text("42[]")].concat());
}

#[tokio::test]
async fn an_answer_waits_for_the_end_of_the_librarys_frame() {
    let (mut library, mut client) = connection().await;
    let big = frame(1, &[b'x'; 300], None);
    library.write_all(&big[..100]).await.unwrap();
    client.write_all(&text(BAD_ID)).await.unwrap();
    client.write_all(&text("3")).await.unwrap();
    let mut next = vec![0; text("3").len()];
    library.read_exact(&mut next).await.unwrap();
    assert_eq!(next, text("3"), "the bad one is left out");
    let after = frame(1, b"2", None);
    library.write_all(&big[100..]).await.unwrap();
    library.write_all(&after).await.unwrap();
    let mut got = vec![0; big.len()];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(got, big);
    let mut head = [0; 4];
    client.read_exact(&mut head).await.unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    client.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"4399999999999999999999[{\"success\":false"));
    let mut got = vec![0; after.len()];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(got, after);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_not_read_either() {
    let (near, mut client) = duplex(1000);
    let mut library = Inspected::new(near, telemetry());
    library.early_ping = EarlyPing::Over;
    let sent = async {
        for _ in 0..2000 {
            client.write_all(&text(BAD_ID)).await.unwrap();
        }
        client
    };
    let mut nothing = [0; 1];
    let stuck = tokio::time::timeout(std::time::Duration::from_millis(200), async {
        tokio::join!(sent, library.read(&mut nothing)).0
    });
    assert!(stuck.await.is_err());
    assert!(
        library.answers.len() < ANSWERS + 4 * READ,
        "{}",
        library.answers.len()
    );
    // A client that reads gets on.
    let (near, client) = duplex(1000);
    let mut library = Inspected::new(near, telemetry());
    library.early_ping = EarlyPing::Over;
    let (mut reads, mut writes) = tokio::io::split(client);
    let sent = async {
        for _ in 0..2000 {
            writes.write_all(&text(BAD_ID)).await.unwrap();
        }
        writes.write_all(&text("3")).await.unwrap();
    };
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut reads, &mut tokio::io::sink()).await });
    let mut last = vec![0; text("3").len()];
    let ((), read) = tokio::join!(sent, library.read_exact(&mut last));
    read.unwrap();
    reading.abort();
    assert_eq!(last, text("3"));
}

#[tokio::test]
async fn an_upgrade_that_is_not_finished_is_abandoned() {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    for (frames, abandoned) in [
        (vec![], true),
        (vec!["2probe"], true),
        (vec!["2probe", "5"], false),
    ] {
        let told = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&told);
        let (near, mut far) = duplex(1000);
        let abandon = Box::new(move || tell.store(true, SeqCst));
        let mut upgrade = Inspected::of_upgrade(near, telemetry(), abandon);
        for packet in &frames {
            far.write_all(&text(packet)).await.unwrap();
            let mut read = vec![0; text(packet).len()];
            upgrade.read_exact(&mut read).await.unwrap();
        }
        drop(upgrade);
        assert_eq!(told.load(SeqCst), abandoned, "{frames:?}");
    }
}
