//! MongoDB in a container, through testcontainers.

use std::{path::Path, time::Duration};

use testcontainers::{
    ContainerAsync, GenericImage, ImageExt, TestcontainersError,
    bollard::{self, Docker, models::PortBinding},
    core::{IntoContainerPort, WaitFor, error::WaitContainerError, logs::WaitLogError},
    runners::AsyncRunner,
};
use tokio::{net::TcpStream, time::timeout};

use super::{error::TargetError, held::Held, leftover::Leftover, mongo};

/// How long an image may take to come from its registry.
const PULL_PATIENCE: Duration = Duration::from_secs(60);

/// How long a container may take from its start to `Waiting for connections`.
const START_PATIENCE: Duration = Duration::from_secs(60);

const PORT: u16 = 27017;

/// A container with MongoDB in it. Dropping it removes the container.
#[derive(Debug)]
pub(super) struct MongoContainer {
    /// `mongodb://host:port` as seen from here.
    pub(super) uri: String,
    held: Held,
}

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

impl MongoContainer {
    /// Starts a container of an image that is on this machine.
    pub(super) async fn start(image: &str) -> Result<MongoContainer, TargetError> {
        let failed = |reason: String| TargetError::ContainerFailed {
            image: image.to_owned(),
            reason,
        };
        let name = mongo::fresh_name();
        // By its name and before it exists, because its id is known only when it has started.
        let held = Held::new(Leftover::Container { name: name.clone() });
        let local = daemon_shares_loopback();
        let request = generic(image)
            .with_exposed_port(PORT.tcp())
            .with_wait_for(WaitFor::message_on_stdout("Waiting for connections"))
            .with_container_name(name)
            .with_startup_timeout(START_PATIENCE)
            .with_host_config_modifier(move |host| {
                if local {
                    // testcontainers publishes on every interface: a database without a password, open to the network.
                    let loopback = PortBinding {
                        host_ip: Some("127.0.0.1".to_owned()),
                        host_port: Some(String::new()),
                    };
                    host.publish_all_ports = Some(false);
                    host.port_bindings =
                        Some([(format!("{PORT}/tcp"), Some(vec![loopback]))].into());
                }
            });
        let container = request.start().await;
        let container = container.map_err(|error| failed(reason_of(&error)))?;
        let host = host_of(&container).await;
        // Its own drop needs a runtime to block in, and panics without one; removing the container is `held`'s.
        std::mem::forget(container);
        Ok(MongoContainer {
            uri: host.map_err(failed)?,
            held,
        })
    }

    /// Removes the container.
    pub(super) async fn stop(self) -> Result<(), TargetError> {
        self.held.remove().await
    }
}

/// `mongodb://host:port` of a started container.
async fn host_of(container: &ContainerAsync<GenericImage>) -> Result<String, String> {
    let port = container.get_host_port_ipv4(PORT.tcp()).await;
    let port = port.map_err(|error| error.to_string())?;
    // The loopback address wherever it leads there: load stays on it. In a container with its own dockerd,
    // testcontainers would name the bridge's address.
    if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        return Ok(format!("mongodb://127.0.0.1:{port}"));
    }
    let host = container.get_host().await;
    let host = host.map_err(|error| error.to_string())?;
    Ok(format!("mongodb://{host}:{port}"))
}

/// Whether a port that the daemon publishes on 127.0.0.1 is certainly reachable from here: not with a daemon on
/// another machine, and not from inside a container that was given the host's socket.
fn daemon_shares_loopback() -> bool {
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
