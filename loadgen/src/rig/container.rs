//! Containers, through testcontainers: their images, their ports, and how they end.

use std::{path::Path, time::Duration};

use testcontainers::{
    ContainerAsync, GenericImage, ImageExt, TestcontainersError,
    bollard::{
        self, Docker,
        models::{HostConfig, PortBinding},
    },
    core::{IntoContainerPort, WaitFor, error::WaitContainerError, logs::WaitLogError},
    runners::AsyncRunner,
};
use tokio::{net::TcpStream, time::timeout};

use super::{daemon, error::TargetError, held::Held, leftover::Leftover, mongo};

/// How long an image may take to come from its registry.
const PULL_PATIENCE: Duration = Duration::from_secs(60);

/// How long a container may take from its start to the line that says that it is ready.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A container of this run. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Container {
    name: String,
    held: Held,
}

/// A container that was just started, as long as its ports are asked for.
pub(super) struct Running(ContainerAsync<GenericImage>);

/// Makes sure that the image is on this machine, by pulling it if need be.
pub(super) async fn have_image(
    docker: &Docker,
    image: &str,
    notice: &mut dyn FnMut(String),
) -> Result<(), TargetError> {
    match docker.inspect_image(image).await {
        Ok(_) => return Ok(()),
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => {}
        Err(error) => {
            let reason = error.to_string();
            return Err(TargetError::DockerAbsent { reason });
        }
    }
    let patience = PULL_PATIENCE.as_secs();
    notice(format!(
        "pulling the image {image}, for at most {patience} s"
    ));
    let missing = |reason: String| TargetError::ImageMissing {
        image: image.to_owned(),
        reason,
    };
    match timeout(PULL_PATIENCE, generic(image).pull_image()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(missing(error.to_string())),
        Err(_) => Err(missing(format!("not here within {patience} s"))),
    }
}

/// Starts a container of an image that is on this machine, and waits until its log has the line that says that it is ready.
/// Without a command it runs the image's own.
///
/// # Errors
/// [`TargetError::ContainerFailed`].
pub(super) async fn start(
    image: &str,
    ready: &str,
    network: Network,
    command: Option<&[String]>,
) -> Result<(Container, Running), TargetError> {
    let name = mongo::fresh_name();
    // By its name and before it exists, because its id is known only when it has started.
    let mut held = Held::new(Leftover::Container { name: name.clone() });
    let exposed = network
        .ports
        .iter()
        .fold(generic(image), |image, (port, _)| {
            image.with_exposed_port(port.tcp())
        });
    let mut request = exposed
        .with_wait_for(WaitFor::message_on_stdout(ready))
        .with_container_name(name.clone())
        .with_startup_timeout(START_PATIENCE)
        .with_host_config_modifier(move |host| network.apply(host));
    if let Some(command) = command {
        request = request.with_cmd(command.iter().cloned());
    }
    let started = request.start().await;
    let started = started.map_err(|error| TargetError::ContainerFailed {
        image: image.to_owned(),
        reason: reason_of(&error),
    })?;
    held.has_come();
    Ok((Container { name, held }, Running(started)))
}

impl Container {
    /// Its name, which no other has.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Kills it (SIGKILL); in words, how it ended.
    pub(super) async fn kill(&self) -> Result<String, TargetError> {
        let exit = daemon::kill(&self.name).await;
        let exit = exit.map_err(|reason| self.unbroken("killed", reason))?;
        Ok(format!("exit status {exit}"))
    }

    /// Starts it again, with its data.
    pub(super) async fn start_again(&self) -> Result<(), TargetError> {
        let started = daemon::start_again(&self.name).await;
        started.map_err(|reason| self.unbroken("started again", reason))
    }

    /// Lets it stand still, or go on.
    pub(super) async fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        let done = daemon::stand_still(&self.name, still).await;
        done.map_err(|reason| self.unbroken("frozen or thawed", reason))
    }

    /// Whether it stands still.
    pub(super) async fn stands_still(&self) -> Result<bool, TargetError> {
        let still = daemon::stands_still(&self.name).await;
        still.map_err(|reason| self.unbroken("looked at", reason))
    }

    fn unbroken(&self, action: &'static str, reason: String) -> TargetError {
        TargetError::Store {
            store: format!("the container {}", self.name),
            action,
            reason,
        }
    }

    /// Removes it.
    pub(super) async fn stop(self) -> Result<(), TargetError> {
        self.held.remove().await
    }
}

impl Running {
    /// `host:port` from here, of a port that it listens at.
    pub(super) async fn address(&self, port: u16) -> Result<String, String> {
        let port = self.0.get_host_port_ipv4(port.tcp()).await;
        let port = port.map_err(|error| error.to_string())?;
        // The loopback address wherever it leads there: load stays on it. In a container with its own dockerd,
        // testcontainers would name the bridge's address.
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(format!("127.0.0.1:{port}"));
        }
        let host = self.0.get_host().await;
        let host = host.map_err(|error| error.to_string())?;
        Ok(format!("{host}:{port}"))
    }

    /// Asks it no more. Its own drop needs a runtime to block in, and panics without one; removing the container is the
    /// [`Container`]'s.
    pub(super) fn let_go(self) {
        std::mem::forget(self.0);
    }
}

/// How a container is reached.
pub(super) struct Network {
    /// The container whose network it shares.
    pub(super) within: Option<String>,
    /// Ports of the container, and whether they are published as the same.
    pub(super) ports: Vec<(u16, bool)>,
    /// On the loopback interface alone.
    pub(super) loopback: bool,
}

impl Network {
    fn apply(&self, host: &mut HostConfig) {
        host.publish_all_ports = Some(false);
        host.network_mode = self.within.clone().or(host.network_mode.take());
        let bindings = self.ports.iter().map(|(port, same)| {
            let binding = PortBinding {
                // testcontainers publishes on every interface: a database without a password, open to the network.
                host_ip: self.loopback.then(|| "127.0.0.1".to_owned()),
                host_port: Some(if *same {
                    port.to_string()
                } else {
                    String::new()
                }),
            };
            (format!("{port}/tcp"), Some(vec![binding]))
        });
        host.port_bindings = Some(bindings.collect());
    }
}

/// Whether a port that the daemon publishes on 127.0.0.1 is certainly reachable from here: not with a daemon on
/// another machine, and not from inside a container that was given the host's socket.
pub(super) fn daemon_shares_loopback() -> bool {
    let remote = std::env::var("DOCKER_HOST")
        .is_ok_and(|host| !host.is_empty() && !host.starts_with("unix:"));
    !remote && !Path::new("/.dockerenv").exists()
}

/// `name[:tag]`, where the name may begin with `host:port/`.
fn generic(image: &str) -> GenericImage {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => GenericImage::new(name, tag),
        _ => GenericImage::new(image, "latest"),
    }
}

/// What testcontainers reports, with the end of the container's log instead of all of it.
fn reason_of(error: &TestcontainersError) -> String {
    match error {
        TestcontainersError::WaitContainer(WaitContainerError::WaitLog(
            WaitLogError::EndOfStream(lines),
        )) => {
            let log: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied()).collect();
            format!(
                "it ended; its last lines: {}",
                super::mongod::telling_lines(&String::from_utf8_lossy(&log))
            )
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use testcontainers::Image;

    use super::*;

    #[test]
    fn an_image_is_split_at_its_tag_and_not_at_a_port() {
        for (image, name, tag) in [
            ("mongo:8", "mongo", "8"),
            ("mongo", "mongo", "latest"),
            (
                "registry.example:5000/mongo",
                "registry.example:5000/mongo",
                "latest",
            ),
            (
                "registry.example:5000/mongo:8.0",
                "registry.example:5000/mongo",
                "8.0",
            ),
        ] {
            let generic = generic(image);
            assert_eq!((generic.name(), generic.tag()), (name, tag), "{image}");
        }
    }
}
