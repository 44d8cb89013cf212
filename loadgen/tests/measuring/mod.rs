//! A child process that stands for a load generator: it starts a store and a server, and ends as it is told.
//!
//! It is the test program itself, started again for the test `role`, which does nothing unless it is told a role.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test program uses a part of it, and clippy does not know it for tests"
)]

#[path = "../../../server/tests/support/passed_over.rs"]
mod passed_over;

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use loadgen::rig::{RunningServer, RunningStore, StoreChoice, guard};
use testcontainers::{
    bollard::query_parameters::ListContainersOptionsBuilder, core::client::docker_client_instance,
};

/// Only a guard against hanging.
const PATIENCE: Duration = Duration::from_secs(90);

const ROLE: &str = "TARGET_TEST_ROLE";

/// The role of a load generator that is killed.
pub const WAIT: &str = "wait to be killed";

/// The whole of the test `role` that every file with this module has.
pub fn play() {
    match env::var(ROLE).as_deref() {
        Ok("guard") => guard::serve().unwrap(),
        Ok(then) => measure(then),
        Err(_) => {}
    }
}

/// Stands for a load generator: starts a store and a server as it does, says so, and ends as it is told.
fn measure(then: &str) {
    // Only where nothing else could clean up, so that drop is seen to do it alone.
    if then == WAIT {
        guard::arm(child("guard")).unwrap();
    }
    let choice: StoreChoice = env::var("CHOICE").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let image = image();
    let mut notice = |notice| println!("notice: {notice}");
    let start = RunningStore::start(&choice, &image, &mut notice);
    if let Some(patience) = then.strip_prefix("give up after ") {
        let patience = Duration::from_millis(patience.parse().unwrap());
        let store = runtime.block_on(async { tokio::time::timeout(patience, start).await });
        drop(runtime);
        return println!(
            "\nerror: {}",
            if store.is_err() {
                "given up"
            } else {
                "too late"
            }
        );
    }
    let store = runtime.block_on(start);
    let store = match store {
        Ok(store) => store,
        Err(error) => return println!("\nerror: {error}"),
    };
    let script = "echo listening on http://127.0.0.1:1; exec sleep 1000";
    let server = ["-c".to_owned(), script.to_owned()];
    let server = runtime
        .block_on(RunningServer::start_program(
            Path::new("/bin/sh"),
            &server,
            PATIENCE,
        ))
        .unwrap();
    println!("\nstore: {}", store.description());
    println!("args: {}", store.server_args().join(" "));
    println!("server: {}", server.pid());
    println!("ready");
    match then {
        "stop" => runtime.block_on(async {
            server.stop(PATIENCE).await.unwrap();
            store.stop().await.unwrap();
        }),
        WAIT => std::thread::sleep(PATIENCE),
        "panic" => runtime.block_on(async {
            let _both = (server, store);
            panic!("as told");
        }),
        "drop outside" => {
            drop(runtime);
            drop((server, store));
        }
        other => panic!("no role {other:?}"),
    }
}

pub fn child(role: &str) -> Command {
    // Whatever runs in the background of a script ignores SIGINT, and what it starts inherits that.
    let mut command = Command::new("/usr/bin/env");
    command
        .arg("--default-signal=INT")
        .arg(env::current_exe().unwrap())
        .args(["--exact", "role", "--nocapture"])
        .env(ROLE, role);
    command
}

pub fn image() -> String {
    env::var("MONGO_IMAGE").unwrap_or_else(|_| "mongo:8".to_owned())
}

/// A child that measures, with a folder for temporary files of its own.
pub struct Measuring {
    pub process: Child,
    stdout: BufReader<ChildStdout>,
    temporary: tempfile::TempDir,
    pub store: String,
    pub args: String,
    server: u32,
    pub notices: Vec<String>,
    pub error: Option<String>,
}

impl Measuring {
    pub fn start(then: &str, choice: &str, change: impl FnOnce(&mut Command)) -> Measuring {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = child(then);
        command
            .env("CHOICE", choice)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .process_group(0);
        command.env_remove("MONGODB_URI");
        if then == "panic" {
            // Its message is expected and would only alarm those who read the tests' output.
            command.stderr(Stdio::null());
        }
        change(&mut command);
        let mut process = command.spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (store, args, notices) = (String::new(), String::new(), Vec::new());
        let mut measuring = Measuring {
            process,
            stdout,
            temporary,
            store,
            args,
            server: 0,
            notices,
            error: None,
        };
        measuring.read();
        measuring
    }

    pub fn read(&mut self) {
        for line in self.stdout.by_ref().lines() {
            let line = line.unwrap();
            match line.split_once(": ") {
                Some(("notice", notice)) => self.notices.push(notice.to_owned()),
                Some(("error", error)) => return self.error = Some(error.to_owned()),
                Some(("store", store)) => self.store = store.to_owned(),
                Some(("args", args)) => self.args = args.to_owned(),
                Some(("server", pid)) => self.server = pid.parse().unwrap(),
                _ if line == "ready" => return,
                _ => {}
            }
        }
        panic!("the child ended before it was ready");
    }

    pub fn port(&self) -> u16 {
        let (_, port) = self
            .args
            .split_whitespace()
            .nth(1)
            .unwrap()
            .rsplit_once(':')
            .unwrap();
        port.parse().unwrap()
    }

    pub fn end(&mut self) -> ExitStatus {
        // Read to the end, or it may be stuck on a full pipe.
        for line in self.stdout.by_ref().lines() {
            line.unwrap();
        }
        self.process.wait().unwrap()
    }

    pub fn nothing_is_left_on_this_machine(&self) {
        eventually("the server is gone", || {
            !Path::new(&format!("/proc/{}", self.server)).exists()
        });
        eventually("nothing listens any more", || {
            TcpStream::connect(("127.0.0.1", self.port())).is_err()
        });
        eventually("the temporary folder is empty", || {
            std::fs::read_dir(self.temporary.path())
                .unwrap()
                .next()
                .is_none()
        });
    }
}

pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a test that needs `what` can run; says so if not. Where CI provides it, its absence is a failure.
pub fn there_is(what: &str, found: Result<(), String>, required: bool) -> bool {
    match found {
        Ok(()) => true,
        Err(reason) if required => panic!("{what} is required here, but {reason}"),
        Err(reason) => {
            passed_over::passed_over(&format!("no {what}: {reason}"));
            false
        }
    }
}

pub fn docker_is_there() -> bool {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found = runtime.block_on(async {
        let docker = docker_client_instance()
            .await
            .map_err(|error| error.to_string())?;
        docker
            .inspect_image(&image())
            .await
            .map_err(|error| error.to_string())?;
        Ok(())
    });
    there_is(
        "MongoDB in Docker",
        found,
        env::var("REQUIRE_MONGO").as_deref() == Ok("1"),
    )
}

pub fn mongod_is_there() -> bool {
    let named = env::var_os("MONGOD").is_some();
    let on_path = Command::new("mongod")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    let found = if named || on_path {
        Ok(())
    } else {
        Err("there is none on the PATH".to_owned())
    };
    there_is("mongod", found, named)
}

/// The names of the containers, running or not, that the process `pid` made.
pub async fn containers_of(pid: u32) -> Vec<String> {
    let all = ListContainersOptionsBuilder::new().all(true).build();
    let docker = docker_client_instance().await.unwrap();
    let containers = docker.list_containers(Some(all)).await.unwrap();
    let prefix = format!("/loadgen_{pid}_");
    let names = containers
        .into_iter()
        .flat_map(|one| one.names.unwrap_or_default());
    names.filter(|name| name.starts_with(&prefix)).collect()
}
