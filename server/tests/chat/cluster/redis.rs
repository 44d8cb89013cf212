//! A Redis of its own for a test, and a way to kill it, to let it stand still, and to start it again.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::mongo::mongodb_support::passed_over::passed_over;

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running Redis, gone when dropped. It keeps nothing on disk, so a new life of it has forgotten everything.
pub struct Redis {
    port: u16,
    data: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// Starts `redis-server` from the PATH. Says that there is none, and with `REQUIRE_REDIS=1` fails the test.
    pub fn start() -> Option<Self> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            let why = "there is no redis-server on the PATH";
            assert!(env::var_os("REQUIRE_REDIS").is_none(), "{why}");
            passed_over(why);
            return None;
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut redis = Self {
            port: free.local_addr().unwrap().port(),
            data: TempDir::new().unwrap(),
            child: None,
        };
        drop(free);
        redis.start_again();
        Some(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.port.to_string()])
            .arg("--dir")
            .arg(self.data.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let until = Instant::now() + START_LIMIT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "redis-server does not listen");
            sleep(Duration::from_millis(10));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn stand_still(&self, still: bool) {
        let pid = Pid::from_child(self.child.as_ref().unwrap());
        let signal = if still { Signal::STOP } else { Signal::CONT };
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
