//! A MongoDB of its own for a test: in Docker, or as a process, and a way to crash and to freeze
//! it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bson::{Bson, Document, doc};
use mongodb::Client;
use tempfile::TempDir;
use testcontainers::{
    ContainerAsync, GenericImage, ImageExt as _,
    core::{ContainerPort, WaitFor},
    runners::AsyncRunner as _,
};

#[path = "passed_over.rs"]
pub mod passed_over;

/// The official image, where it lies here and nobody names another.
const IMAGE: &str = "mongo:8.0";
const READY: &str = "Waiting for connections";
const PORT: ContainerPort = ContainerPort::Tcp(27_017);
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server, gone when dropped.
pub struct MongoDb {
    port: u16,
    backing: Backing,
}

enum Backing {
    Container(Box<ContainerAsync<GenericImage>>),
    Process {
        child: Child,
        mongod: PathBuf,
        data: TempDir,
    },
}

impl MongoDb {
    /// Starts one: the image of `MONGO_IMAGE` in Docker, or the official one if it lies here, else the
    /// binary of `MONGOD`, else `mongod` on the PATH. Says that there is none, and with
    /// `REQUIRE_MONGO=1` fails the test.
    pub async fn start() -> Option<Self> {
        let port = free_port();
        if let Some(image) = image() {
            match start_container(&image, port).await {
                Ok(container) => {
                    return Some(Self {
                        port,
                        backing: Backing::Container(Box::new(container)),
                    });
                }
                Err(error) => eprintln!("MongoDB in Docker, image {image}: {error}"),
            }
        }
        if let Some(mongod) = find_mongod() {
            let data = TempDir::new().unwrap();
            let child = start_process(&mongod, data.path(), port);
            return Some(Self {
                port,
                backing: Backing::Process {
                    child,
                    mongod,
                    data,
                },
            });
        }
        let absent = "no MongoDB: `docker pull mongo:8.0`, or set MONGO_IMAGE (another image) or MONGOD (a binary), or put mongod on the PATH";
        assert!(
            !env::var("REQUIRE_MONGO").is_ok_and(|value| value == "1"),
            "{absent}"
        );
        passed_over::passed_over(absent);
        None
    }

    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/test", self.port)
    }

    /// A client beside the store under test, patient enough to wait for a restart.
    pub async fn client(&self) -> Client {
        Client::with_uri_str(self.uri()).await.unwrap()
    }

    /// Makes commands fail as `failCommand` describes it, e.g. `doc! { "failCommands": ["insert"],
    /// "errorCode": 96 }`. The mode is `"off"`, `"alwaysOn"`, or `doc! { "times": 3 }`.
    pub async fn fail_command(&self, mode: impl Into<Bson>, data: Document) {
        let command =
            doc! { "configureFailPoint": "failCommand", "mode": mode.into(), "data": data };
        self.client()
            .await
            .database("admin")
            .run_command(command)
            .await
            .unwrap();
    }

    /// SIGKILL, and after the pause the same data again on the same port. Returns once it answers.
    pub async fn crash_and_restart(&mut self, pause: Duration) {
        self.signal("KILL");
        if let Backing::Process { child, .. } = &mut self.backing {
            child.wait().unwrap();
        }
        tokio::time::sleep(pause).await;
        match &mut self.backing {
            Backing::Container(container) => docker(&["start", container.id()]),
            Backing::Process {
                child,
                mongod,
                data,
            } => *child = start_process(mongod, data.path(), self.port),
        }
        self.client()
            .await
            .database("admin")
            .run_command(doc! { "ping": 1 })
            .await
            .unwrap();
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        match &self.backing {
            Backing::Container(container) => docker(&["kill", "--signal", name, container.id()]),
            Backing::Process { child, .. } => {
                run(Command::new("kill").args(["-s", name, &child.id().to_string()]));
            }
        }
    }
}

impl Drop for MongoDb {
    fn drop(&mut self) {
        // A container removes itself.
        if let Backing::Process { child, .. } = &mut self.backing {
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}

/// The image to start; none where Docker has none of those that come into question.
fn image() -> Option<String> {
    if let Ok(image) = env::var("MONGO_IMAGE") {
        return Some(image).filter(|image| !image.is_empty());
    }
    let found = Command::new("docker")
        .args(["image", "inspect", IMAGE])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found
        .is_ok_and(|status| status.success())
        .then(|| IMAGE.to_owned())
}

async fn start_container(image: &str, port: u16) -> Result<ContainerAsync<GenericImage>, String> {
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    };
    GenericImage::new(name, tag)
        .with_wait_for(WaitFor::message_on_stdout(READY))
        // A mapped port of our choice, because a random one changes with a restart.
        .with_mapped_port(port, PORT)
        // Starts with `mongod`, which an image with an entrypoint takes as well as one without.
        .with_cmd([
            "mongod",
            "--bind_ip_all",
            "--setParameter",
            "enableTestCommands=1",
        ])
        .with_startup_timeout(START_LIMIT)
        .start()
        .await
        .map_err(|error| error.to_string())
}

fn find_mongod() -> Option<PathBuf> {
    if let Some(mongod) = env::var_os("MONGOD") {
        return Some(PathBuf::from(mongod));
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join("mongod"))
        .find(|mongod| mongod.is_file())
}

fn start_process(mongod: &Path, data: &Path, port: u16) -> Child {
    let mut child = Command::new(mongod)
        .args([
            "--bind_ip",
            "127.0.0.1",
            "--setParameter",
            "enableTestCommands=1",
            "--nounixsocket",
        ])
        .arg("--dbpath")
        .arg(data)
        .args(["--port", &port.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", mongod.display()));
    let mut log = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let ready = log.by_ref().any(|line| line.contains(READY));
    assert!(ready, "{} ended before it was ready", mongod.display());
    // It writes on, and must not block on a full pipe.
    std::thread::spawn(move || log.for_each(drop));
    child
}

/// A port below those that the kernel gives to outgoing connections: one of these could take it before MongoDB does, or
/// while MongoDB is being restarted. Docker binds it on all addresses.
fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

fn docker(arguments: &[&str]) {
    run(Command::new("docker").args(arguments));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
