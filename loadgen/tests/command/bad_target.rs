//! Targets that are down, are something else, refuse, or die in mid-run: one clear line, exit 5, nothing left running.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::{Bench, Ended, SMALL, ended, is_running, loadgen};

fn run_against(url: &str) -> Ended {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let ended = bench.run(&scenario, &["--target", url]);
    assert_eq!(ended.code, Some(5), "{}{}", ended.stdout, ended.stderr);
    ended
}

fn only_error(ended: &Ended) -> &str {
    let errors: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .collect();
    assert_eq!(errors.len(), 1, "{}", ended.stderr);
    errors[0]
}

/// A server of ours that is ended with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = loadgen()
            .args(["serve", "--port", "0", "--store", "memory"])
            .args(flags)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self { child, url }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nothing_listens() {
    // Held to the end, so that nobody else can be given it meanwhile, and never listening.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let silent = held.local_addr().unwrap().as_socket().unwrap();
    let ended = run_against(&format!("http://{silent}"));
    assert!(
        only_error(&ended).contains("nothing listens"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_web_server_is_no_socket_io_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nNope!");
        }
    });
    let ended = run_against(&url);
    let error = only_error(&ended);
    assert!(
        error.contains("404") && error.contains("Socket.IO"),
        "{error}"
    );
}

#[test]
fn a_target_that_refuses_the_token_says_so_in_its_own_words() {
    let server = Server::start(&[], &[("JWT_SECRET_KEY", "a-secret-of-the-test")]);
    let ended = run_against(&server.url);
    assert!(
        only_error(&ended).contains("Invalid auth token provided"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_running_target_is_measured_and_left_running() {
    let server = Server::start(&["--save-time", "1ms"], &[]);
    let bench = Bench::new();
    let ended = bench.run(&bench.scenario(SMALL), &["--target", &server.url]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let report = bench.report("small");
    // The simulated store lists its messages, so that they can be looked up even there.
    assert_eq!(report["runs"][0]["audited"], true);
    assert_eq!(report["runs"][0]["target"], server.url.as_str());
    std::net::TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
}

/// Starts a longer run with a server of its own and waits until messages are under way.
fn start_long(bench: &Bench) -> (Child, u32) {
    let scenario = bench.scenario(&SMALL.replace("\"2s\"", "\"60s\""));
    let child = bench
        .command(&scenario, &["--store", "memory"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let server = wait_for_server(child.id());
    thread::sleep(Duration::from_millis(2500));
    (child, server)
}

/// The server process that a run has started.
pub fn wait_for_server(parent: u32) -> u32 {
    for _ in 0..200 {
        let output = Command::new("pgrep")
            .args(["-P", &parent.to_string(), "-f", "serve --host"])
            .output()
            .unwrap();
        if let Ok(pid) = String::from_utf8(output.stdout).unwrap().trim().parse() {
            return pid;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no server process appeared");
}

fn signal(pid: u32, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_server_that_dies_in_mid_run_leaves_an_incomplete_report() {
    let bench = Bench::new();
    let (child, server) = start_long(&bench);
    signal(server, "-KILL");
    let ended = ended(child);
    assert_eq!(ended.code, Some(5), "{}{}", ended.stdout, ended.stderr);
    assert!(
        only_error(&ended)
            .contains(" s after the schedule began, the server died: killed by signal 9"),
        "{}",
        ended.stderr
    );
    let report = bench.report("small");
    let run = &report["runs"][0];
    assert_eq!(run["complete"], false);
    assert!(run["totals"]["delivered"].as_u64().unwrap() > 0);
    assert_eq!(run["totals"]["lost"], 0);
    assert!(ended.stdout.contains("INCOMPLETE"), "{}", ended.stdout);
}

#[test]
fn an_interrupted_run_keeps_what_was_measured_and_stops_its_server() {
    let bench = Bench::new();
    let (child, server) = start_long(&bench);
    signal(child.id(), "-INT");
    let ended = ended(child);
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    let report = bench.report("small");
    assert_eq!(report["verdict"], "INCONCLUSIVE");
    assert_eq!(report["runs"][0]["complete"], false);
    assert!(!std::path::Path::new(&format!("/proc/{server}/exe")).exists());
}

#[test]
fn a_killed_run_leaves_no_server_behind() {
    let bench = Bench::new();
    let (mut child, server) = start_long(&bench);
    signal(child.id(), "-KILL");
    child.wait().unwrap();
    for _ in 0..200 {
        if !std::path::Path::new(&format!("/proc/{server}/exe")).exists() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!(
        "the server is still running: {}",
        is_running("serve --host")
    );
}

#[test]
fn too_many_users_for_the_open_files_are_refused_before_anything_is_started() {
    let bench = Bench::new();
    let scenario = bench.scenario(&SMALL.replace("users = 10", "users = 900000"));
    let ended = bench.run(&scenario, &["--store", "memory"]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(only_error(&ended).contains("ulimit -n"), "{}", ended.stderr);
}
