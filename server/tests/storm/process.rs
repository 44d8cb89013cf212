//! The server as a process: what it takes of the machine, what it says of itself, and how it ends.

use std::{
    fmt, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::wire::Wire;

/// Resident memory that may stay: what the allocator keeps of its peak, and the messages, which the store keeps.
const MEMORY_STAYS: u64 = 96 << 20;
/// Resident memory in the storm: the bound of what waits to be sent, and some slack.
const MEMORY_AT_MOST: u64 = 512 << 20;
/// Descriptors that may stay: of the look itself.
const FILES_STAY: usize = 2;
/// How long the process may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// Lines of the log that a failure shows.
const LAST_LINES: usize = 20;
/// How often a process is looked at that is on its way.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a process holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    pub resident: u64,
    pub files: usize,
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB and {} files", self.resident >> 20, self.files)
    }
}

pub struct ServerProcess {
    pub address: SocketAddr,
    /// The most that was seen.
    pub peak: Footprint,
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

impl ServerProcess {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_server"))
            .args(["--port", "0", "--store", "memory", "--log", "info"])
            .args(["--save-time", "1ms-5ms", "--read-time", "1ms"])
            .args(["--ping-interval", "2s", "--ping-timeout", "2s"])
            .args(["--tcp-user-timeout", "4s", "--events-per-second", "500"])
            .env_remove("JWT_SECRET_KEY")
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut first).unwrap();
        let address = first
            .trim()
            .strip_prefix("listening on http://")
            .unwrap_or_else(|| panic!("the server's first line: {first}"));
        Self {
            address: address.parse().unwrap(),
            peak: Footprint::default(),
            child,
            log,
            _folder: folder,
        }
    }

    /// What it holds now.
    pub fn footprint(&self) -> Footprint {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
            .map_or(0, |kib| kib.parse::<u64>().unwrap() * 1024);
        let files = fs::read_dir(process.join("fd")).map_or(0, Iterator::count);
        Footprint { resident, files }
    }

    /// Looks whether it still runs, and within its bounds.
    pub fn watch(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the server has ended: {status}\n{}", self.last_words());
        }
        let now = self.footprint();
        self.peak.resident = self.peak.resident.max(now.resident);
        self.peak.files = self.peak.files.max(now.files);
        assert!(
            now.resident <= MEMORY_AT_MOST,
            "the server holds {now}; {} MiB are allowed",
            MEMORY_AT_MOST >> 20
        );
    }

    /// Waits until nobody is there any more and everything has been given back.
    pub async fn settle(&mut self, before: Footprint, within: Duration) {
        let begin = Instant::now();
        loop {
            self.watch();
            let page = self.get("/debug/sockets").await;
            let stats = &page["stats"];
            let now = self.footprint();
            let nobody = ["totalUsers", "totalRooms", "totalSockets"]
                .iter()
                .all(|count| stats[count] == 0);
            if nobody
                && now.files <= before.files + FILES_STAY
                && now.resident <= before.resident + MEMORY_STAYS
            {
                return;
            }
            assert!(
                begin.elapsed() < within,
                "{within:?} after everybody has gone: {stats}, {now}; before: {before}\n{}",
                self.last_words()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Tells it to stop: it must end in order, and have had nothing to complain about.
    pub async fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = self.ended().await;
        assert!(status.success(), "{status}\n{}", self.last_words());
        for word in ["panicked", "ERROR"] {
            let said: Vec<_> = self
                .log()
                .lines()
                .filter(|line| line.contains(word))
                .take(LAST_LINES)
                .map(str::to_owned)
                .collect();
            assert!(said.is_empty(), "the log says:\n{}", said.join("\n"));
        }
    }

    async fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < ENDS_WITHIN, "the server does not end");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn get(&self, path: &str) -> Value {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut wire = Wire::connect(self.address).await.unwrap();
        let (status, body) = wire.exchange(&request).await.unwrap();
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).unwrap()
    }

    /// The end of what it has said.
    fn last_words(&self) -> String {
        let log = self.log();
        let skipped = log.lines().count().saturating_sub(LAST_LINES);
        log.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
