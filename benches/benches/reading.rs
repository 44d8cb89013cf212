//! What reading an event costs beside the least that any reader must do, in one run and by turns: a ratio that a busy
//! machine leaves as it is.

#![allow(clippy::print_stdout, reason = "a bench shows what it measured")]

use std::{hint::black_box, time::Instant};

use loadgen::drive::client::native;

/// Frames read in one turn.
const FRAMES: u32 = 20_000;
/// Turns of each reader.
const TURNS: usize = 41;

fn main() {
    let usual = frame("roomMessageRecieved");
    let escaped = frame("roomMessage\\u0052ecieved");
    let turn = |read: &dyn Fn(&[u8]) -> usize, frame: &[u8]| {
        let began = Instant::now();
        let bytes: usize = (0..FRAMES).map(|_| read(black_box(frame))).sum();
        assert!(bytes > 0, "nothing was read");
        began.elapsed().as_secs_f64() / f64::from(FRAMES) * 1e9
    };
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        times[0].push(turn(&bare, &usual));
        times[1].push(turn(&native, &usual));
        times[2].push(turn(&native, &escaped));
    }
    let [bare, usual, escaped] = times.map(median);
    println!("bare minimum            {bare:>8.0} ns an event");
    println!(
        "native client           {usual:>8.0} ns, {:.2} of it",
        usual / bare
    );
    println!(
        "native client, unusual  {escaped:>8.0} ns, {:.2} of it",
        escaped / bare
    );
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A delivery as a server sends it, in an unmasked text frame.
fn frame(name: &str) -> Vec<u8> {
    let body = "x".repeat(120);
    let packet = format!(
        r#"42["{name}",{{"_id":"temp_1760000000000_k3x9a1b2c","body":"{body}","roomId":"507f1f77bcf86cd799439011","senderId":{{"_id":"507f1f77bcf86cd799439012","username":"u"}},"createdAt":"2025-10-09T03:49:24.000Z","isOptimistic":true}}]"#
    );
    let mut frame = vec![0x81, 126];
    frame.extend((packet.len() as u16).to_be_bytes());
    frame.extend(packet.into_bytes());
    frame
}

fn native(frame: &[u8]) -> usize {
    let mut bytes = 0;
    let read = native::read_events(frame, |name, payload| bytes += name.len() + payload.len());
    read.map_or(0, |()| bytes)
}

/// The length, UTF-8, and the first quotes: who looks at less does not know where the event's name ends.
fn bare(frame: &[u8]) -> usize {
    let length = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
    let Ok(text) = std::str::from_utf8(&frame[4..4 + length]) else {
        return 0;
    };
    let Some((name, payload)) = text
        .strip_prefix("42[\"")
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|rest| rest.split_once("\","))
    else {
        return 0;
    };
    name.len() + payload.len()
}
