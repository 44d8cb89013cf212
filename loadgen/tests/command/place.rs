//! Where a target is, from the command line: mistakes told before anything runs, secrets never, and no question hangs.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{Bench, SMALL, bad_target::Server, ended};

#[test]
fn a_wrong_place_is_told_before_anything_runs() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let no_file = bench.path("nowhere.pem").display().to_string();
    let no_pem = bench.path("scenario.toml").display().to_string();
    for (flags, what) in [
        (
            &["--target", "localhost:3000"][..],
            "no http:// or https://",
        ),
        (
            &["--target", "ftp://me:secret@h"],
            "neither http:// nor https://",
        ),
        (
            &["--target", "http://me:secret@h:99999"],
            "invalid port number",
        ),
        (
            &["--target", "http://me:secret@h/socket.io/"],
            "--path /socket.io/",
        ),
        (
            &["--target", "http://h", "--path", "socket.io"],
            "--path: the path \"socket.io\"",
        ),
        (
            &["--target", "http://h", "--insecure"],
            "--insecure is of TLS",
        ),
        (&["--target", "https://h", "--ca", &no_file], "nowhere.pem"),
        (&["--target", "https://h", "--ca", &no_pem], "in PEM"),
        (
            &["--target", "https://h", "--ca", "x", "--insecure"],
            "cannot be used with",
        ),
        (&["--target", "https://h", "--cert", "x"], "--key"),
        (&["--path", "/x/"], "--target"),
    ] {
        let ended = bench.run(&scenario, flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(what), "{flags:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
        assert!(!bench.path("out").exists());
    }
}

#[test]
fn a_probe_takes_what_a_run_takes_and_tells_of_every_transport() {
    let bench = Bench::new();
    let probe = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        let ended = command.arg("probe").args(flags).output().unwrap();
        (
            ended.status.code(),
            String::from_utf8(ended.stdout).unwrap() + &String::from_utf8(ended.stderr).unwrap(),
        )
    };
    let no_file = bench.path("nowhere.pem").display().to_string();
    for (flags, what) in [
        (&["https://h", "--ca", &no_file][..], "nowhere.pem"),
        (&["http://h", "--insecure"], "--insecure is of TLS"),
        (&["http://h", "--path", "x"], "--path: the path"),
        (&["https://h", "--cert", "x"], "--key"),
    ] {
        let (code, told) = probe(flags);
        assert_eq!(code, Some(2), "{flags:?}: {told}");
        assert!(told.contains(what), "{flags:?}: {told}");
    }
    let server = Server::start(&["--save-time", "1ms"], &[]);
    let (code, told) = probe(&[&server.url, "--path", "/socket.io/"]);
    assert_eq!(code, Some(0), "{told}");
    for transport in ["websocket", "polling", "upgraded"] {
        let line = format!("\n  {transport:<9}  connects\n");
        assert!(told.contains(&line), "{told}");
    }
    let (code, told) = probe(&[&server.url, "--path", "/elsewhere/"]);
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("is the path right (--path)?"), "{told}");
}

#[test]
fn a_path_of_the_scenario_is_of_a_target() {
    let bench = Bench::new();
    let scenario = bench.scenario(&format!("{SMALL}\n[connections]\npath = \"/x/\"\n"));
    let ended = bench.run(&scenario, &["--store", "memory"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--target"), "{}", ended.stderr);
}

#[test]
fn credentials_are_neither_shown_nor_recorded() {
    let server = Server::start(&["--save-time", "1ms"], &[]);
    let bench = Bench::new();
    let target = server.url.replace("http://", "http://me:sesame@") + "/?key=open";
    let ended = bench.run(&bench.scenario(SMALL), &["--target", &target]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    for secret in ["sesame", "key=open", "bWU6c2VzYW1l"] {
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        assert!(!bench.report("small").to_string().contains(secret));
    }
    assert_eq!(
        bench.report("small")["runs"][0]["target"],
        server.url.as_str()
    );
}

#[test]
fn what_a_server_says_that_nobody_knows_is_counted_in_the_result() {
    let server = Server::start(&["--save-time", "1ms"], &[]);
    let bench = Bench::new();
    // Its confirmations are of no event here.
    let foreign = format!(
        "{SMALL}\n[server.events.room]\njoin = \"joinRoom\"\nsend = \"roomMessage\"\n\
         received = \"roomMessageRecieved\"\nid_field = \"roomId\"\n"
    )
    .replace(
        "[server]\nsave_time = \"1ms-5ms\"\nread_time = \"1ms\"\n",
        "",
    );
    let ended = bench.run(&bench.scenario(&foreign), &["--target", &server.url]);
    let ignored = &bench.report("small")["runs"][0]["ignored"];
    assert!(
        ignored["roomMessageConfirmed"].as_u64().unwrap() > 300,
        "{ignored}"
    );
    assert!(
        ended.stderr.contains("roomMessageConfirmed"),
        "{}",
        ended.stderr
    );
}

/// Answers Engine.IO's requests as another server does, and never answers for any other page.
fn silent_on_other_pages(server: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = server.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut first = [0; 1];
            if stream.peek(&mut first).is_err() {
                continue;
            }
            let mut head = [0; 64];
            let peeked = stream.peek(&mut head).unwrap_or(0);
            if !String::from_utf8_lossy(&head[..peeked]).contains("/socket.io/") {
                held.push(stream);
                continue;
            }
            let mut other = std::net::TcpStream::connect(&server).unwrap();
            let (mut from, mut to) = (stream.try_clone().unwrap(), other.try_clone().unwrap());
            thread::spawn(move || {
                pass(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
            thread::spawn(move || {
                pass(&mut other, &mut stream);
                let _ = stream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    url
}

fn pass(from: &mut impl Read, to: &mut impl Write) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
}

#[test]
fn a_server_that_answers_for_no_other_page_is_measured_all_the_same() {
    let server = Server::start(&["--save-time", "1ms"], &[]);
    let url = silent_on_other_pages(&server.url);
    let bench = Bench::new();
    let ended = bench.run(&bench.scenario(SMALL), &["--target", &url]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(bench.report("small")["runs"][0]["audited"], false);
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_server_that_freezes_leaves_a_report_of_what_was_measured() {
    let server = Server::start(&["--save-time", "1ms"], &[]);
    let bench = Bench::new();
    let scenario = SMALL
        .replace("\"2s\"", "\"6s\"")
        .replace("drain = \"10s\"", "drain = \"1s\"");
    let child = bench
        .command(&bench.scenario(&scenario), &["--target", &server.url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(4));
    signal(server.id(), "-STOP");
    let ended = ended(child);
    signal(server.id(), "-CONT");
    assert!(
        matches!(ended.code, Some(1 | 3 | 4)),
        "{:?} {}",
        ended.code,
        ended.stderr
    );
    let run = &bench.report("small")["runs"][0];
    assert!(
        run["totals"]["delivered"].as_u64().unwrap() > 0,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_question_that_is_never_answered_ends_at_the_first_interrupt() {
    // Takes connections, and answers nobody.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bench = Bench::new();
    let child = bench
        .command(&bench.scenario(SMALL), &["--target", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let _ = stream.read(&mut [0; 64]);
    signal(child.id(), "-INT");
    let ended = ended(child);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
}
