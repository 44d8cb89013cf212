//! The Docker daemon: whether it answers, and how a container is removed from it.

use std::time::Duration;

use testcontainers::{
    bollard::{Docker, errors::Error, query_parameters::RemoveContainerOptionsBuilder},
    core::client::docker_client_instance,
};
use tokio::time::timeout;

use super::error::TargetError;

/// How long a Docker daemon may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Docker may still be creating a container whose creation we broke off, so "there is none" is asked again.
const ABSENT_RETRIES: u32 = 3;
const ABSENT_PAUSE: Duration = Duration::from_millis(400);

/// A client of the Docker daemon that `DOCKER_HOST` names, or of the local one, which answers.
pub(super) async fn client() -> Result<Docker, TargetError> {
    let absent = |reason: String| TargetError::DockerAbsent { reason };
    let docker = docker_client_instance()
        .await
        .map_err(|error| absent(error.to_string()))?;
    match timeout(PATIENCE, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(absent(error.to_string())),
        Err(_) => Err(absent(format!("no answer within {PATIENCE:?}"))),
    }
}

/// Removes a container with its anonymous volumes; that there is none is no error.
pub(super) async fn remove_container(name: &str) -> Result<(), String> {
    let docker = client().await.map_err(|error| error.to_string())?;
    for _ in 0..ABSENT_RETRIES {
        // `v`: its anonymous volumes too, which hold the database of the official image.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
        match docker.remove_container(name, Some(options.build())).await {
            Ok(()) => return Ok(()),
            // 404: there is none. 409: it is being removed.
            Err(Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => {
                tokio::time::sleep(ABSENT_PAUSE).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
