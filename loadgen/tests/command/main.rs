//! The `loadgen` program as its users run it: output, report, exit code, and what it does with bad input and bad targets.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

mod ab;
mod anywhere;
mod bad_input;
mod bad_store;
mod bad_target;
mod broken_parts;
mod bucket;
mod clients;
mod disturbed;
mod faults;
mod floor;
mod kubernetes;
mod ladder;
mod live;
mod manual;
mod output;
mod peers;
mod place;
mod preview;
mod provenance;
mod repeat;
mod scenario;
mod search;
mod several;
mod shards;
mod target_command;
mod verify;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// A guard against hanging, not a statement about speed.
const PATIENCE: Duration = Duration::from_secs(300);

/// A small one-to-one chat of two seconds on a fast simulated database.
const SMALL: &str = r#"version = 1
name = "small"
question = "Does it work at all?"
seed = 7
drain = "10s"

[server]
save_time = "1ms-5ms"
read_time = "1ms"

[population]
users = 10
rooms = 5

[[phases]]
name = "warm-up"
duration = "500ms"
rate = "100/s"
measured = false

[[phases]]
name = "steady"
duration = "2s"
rate = "200/s"

[thresholds]
"lost" = "== 0"
"#;

/// A folder for a scenario and its report.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn scenario(&self, text: &str) -> PathBuf {
        let path = self.path("scenario.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// `loadgen run <scenario> --out <folder> <flags>`, not started yet.
    fn command(&self, scenario: &Path, flags: &[&str]) -> Command {
        let mut command = loadgen();
        command
            .arg("run")
            .arg(scenario)
            .arg("--out")
            .arg(self.path("out"))
            .args(flags)
            // A few seconds in each test that does not ask for it.
            .args((!flags.contains(&"--floor")).then_some("--no-floor"))
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, scenario: &Path, flags: &[&str]) -> Ended {
        finish(self.command(scenario, flags))
    }

    fn report(&self, name: &str) -> Value {
        let path = self.path("out").join(format!("{name}.json"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap()
    }
}

/// The program, in an environment that names no store, no secret and no port.
fn loadgen() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    for variable in [
        "MONGODB_URI",
        "MONGOD",
        "REDIS_URL",
        "REDIS_IMAGE",
        "BUS_URL",
        "NODE_ID",
        "JWT_SECRET_KEY",
        "PORT",
        "RUST_LOG",
    ] {
        command.env_remove(variable);
    }
    command
}

/// How a program ended and what it said.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Its standard output in one line, as if there were room for it.
    fn said(&self) -> String {
        let words = self.stdout.split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    }
}

fn finish(mut command: Command) -> Ended {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ended(command.spawn().unwrap())
}

fn ended(child: Child) -> Ended {
    let pid = child.id();
    let began = Instant::now();
    let watchdog = std::thread::spawn(move || {
        while began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
            if !Path::new(&format!("/proc/{pid}/stat")).exists() {
                return;
            }
        }
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    });
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    watchdog.join().unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// The process that another has started as `<program> <command> …`.
fn child_of(parent: u32, command: &str) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .collect::<Vec<_>>()
        .join(" ");
    let mut children = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok());
    children.find(|child: &u32| {
        let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let mut words = line.split(|&byte| byte == 0);
        words.nth(1) == Some(command.as_bytes())
    })
}

/// Whether a process of this command line is running.
fn is_running(part: &str) -> bool {
    fs::read_dir("/proc").unwrap().any(|entry| {
        fs::read(entry.unwrap().path().join("cmdline")).is_ok_and(|line| {
            String::from_utf8_lossy(&line)
                .replace('\0', " ")
                .contains(part)
        })
    })
}
