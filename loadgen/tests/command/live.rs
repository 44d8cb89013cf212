//! The live view: a page that goes on with the run, its events, and its numbers for Prometheus.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
};

use super::{Bench, PATIENCE, SMALL, ended};

/// Starts a run with a live view: the program, and where its view is.
fn started(bench: &Bench, flags: &[&str]) -> (Child, String) {
    let scenario = bench.scenario(&SMALL.replace("\"2s\"", "\"12s\""));
    let mut command = bench.command(&scenario, flags);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever reads no more must not be in the way of who writes.
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    let url = line
        .trim()
        .strip_prefix("live: http://")
        .unwrap_or_else(|| panic!("{line}"));
    (child, url.trim_end_matches('/').to_owned())
}

/// Asks for a page.
fn asked(address: &str, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    connection
}

/// The head and the body of an answer.
fn answer(address: &str, path: &str) -> (String, String) {
    let mut text = String::new();
    asked(address, path).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// The names of events with their data, as they come. Chunks of HTTP are among the lines and none of them is `name: …`.
fn events(address: &str) -> mpsc::Receiver<(String, String)> {
    let connection = BufReader::new(asked(address, "/events"));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (mut name, mut data) = (String::new(), String::new());
        for line in connection.lines().map_while(Result::ok) {
            if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                data += text;
                data.push('\n');
            } else if line.is_empty() && !name.is_empty() {
                let event = (std::mem::take(&mut name), std::mem::take(&mut data));
                if tell.send(event).is_err() {
                    return;
                }
            }
        }
    });
    told
}

/// Samples by name and labels, and the types of their names, as the text format 0.0.4 wants them.
fn parsed(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{line}"
            );
        } else if line.strip_prefix("# HELP ").is_none() {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .into_iter()
                .fold(name, |name, suffix| {
                    name.strip_suffix(suffix).unwrap_or(name)
                });
            assert!(types.contains_key(family), "{line} has no type before it");
            assert!(
                samples
                    .insert(sample.to_owned(), value.parse().unwrap())
                    .is_none(),
                "{line}"
            );
        }
    }
    (samples, types)
}

/// What must never fall: counters, and all of histograms.
fn counted(
    (samples, types): &(BTreeMap<String, f64>, BTreeMap<String, String>),
) -> impl Iterator<Item = (&String, f64)> {
    samples.iter().filter_map(|(sample, value)| {
        let name = sample.split('{').next().unwrap();
        let counts = types.iter().any(|(family, kind)| {
            (kind == "counter" && name == family)
                || (kind == "histogram" && name.starts_with(family.as_str()))
        });
        counts.then_some((sample, *value))
    })
}

#[test]
fn the_page_goes_on_with_the_run_and_ends_with_its_verdict() {
    let bench = Bench::new();
    let (child, address) = started(
        &bench,
        &["--store", "memory", "--live", "--label", "build=x"],
    );
    // Somebody who asks and never reads is in nobody's way.
    let asleep = asked(&address, "/events");
    let told = events(&address);
    let (mut states, mut charts, mut metrics) = (0, 0, Vec::new());
    let mut last = String::new();
    loop {
        let (name, data) = told.recv_timeout(PATIENCE).unwrap();
        match name.as_str() {
            "state" => {
                states += 1;
                last = data;
                if states <= 4 {
                    metrics.push(parsed(&answer(&address, "/metrics").1));
                }
                if states == 3 {
                    let (head, page) = answer(&address, "/");
                    assert!(head.contains("content-type: text/html"), "{head}");
                    assert!(page.contains("<title>live: small</title>"), "{page}");
                }
            }
            "charts" => charts += usize::from(data.contains("<svg")),
            "end" => break,
            other => panic!("{other}"),
        }
    }
    drop(asleep);
    let ended = ended_quietly(child);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(states > 4 && charts > 2, "{states} {charts}");
    assert!(last.contains("<strong>PASS</strong>"), "{last}");
    let sent = "loadgen_messages_total{scenario=\"small\",delivery=\"optimistic\",label_build=\"x\",state=\"sent\"}";
    for pair in metrics.windows(2) {
        for (sample, before) in counted(&pair[0]) {
            let now = pair[1].0.get(sample).copied();
            assert!(now >= Some(before), "{sample}: {before}, then {now:?}");
        }
    }
    assert!(metrics[3].0[sent] > 0.0, "{:?}", metrics[3]);
}

fn ended_quietly(mut child: Child) -> super::Ended {
    // Its words are read already.
    child.stderr = None;
    ended(child)
}

#[test]
fn an_address_that_is_taken_is_told_before_the_run() {
    let bench = Bench::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let scenario = bench.scenario(SMALL);
    let ended = bench.run(&scenario, &["--store", "memory", "--live", &address]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .starts_with(&format!("error: the live view can't be had at {address}: ")),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
}

#[test]
fn what_is_no_address_is_a_wrong_command_line() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    for wrong in [
        &["--live=nonsense"][..],
        &["--live", "9000"],
        &["--live", "127.0.0.1:99999"],
    ] {
        let ended = bench.run(&scenario, wrong);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("expected host:port"),
            "{}",
            ended.stderr
        );
    }
}
