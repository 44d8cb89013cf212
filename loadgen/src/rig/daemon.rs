//! The Docker daemon: whether it answers, and how one of its containers is killed, frozen, started again and removed.

use std::time::Duration;

use testcontainers::{
    bollard::{
        Docker,
        errors::Error,
        models::ContainerState,
        query_parameters::{InspectContainerOptions, RemoveContainerOptionsBuilder},
    },
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

/// How long a killed container may take to be gone, as Docker sees it.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Kills what runs in a container (SIGKILL) and says its exit code. The container stays, with what is in it.
pub(super) async fn kill(name: &str) -> Result<i64, String> {
    let docker = client().await.map_err(|error| error.to_string())?;
    docker.kill_container(name, None).await.map_err(in_words)?;
    let ended = async {
        loop {
            let state = state(&docker, name).await?;
            if state.running != Some(true) {
                return Ok(state.exit_code.unwrap_or_default());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| Err(format!("it still runs {END_PATIENCE:?} after its kill"));
    timeout(END_PATIENCE, ended).await.unwrap_or_else(late)
}

/// Starts what was in a container again.
pub(super) async fn start_again(name: &str) -> Result<(), String> {
    let docker = client().await.map_err(|error| error.to_string())?;
    docker.start_container(name, None).await.map_err(in_words)
}

/// Lets everything in a container stand still, or go on.
pub(super) async fn stand_still(name: &str, still: bool) -> Result<(), String> {
    let docker = client().await.map_err(|error| error.to_string())?;
    let done = match still {
        true => docker.pause_container(name).await,
        false => docker.unpause_container(name).await,
    };
    done.map_err(in_words)
}

/// Whether everything in a container stands still, as Docker says.
pub(super) async fn stands_still(name: &str) -> Result<bool, String> {
    let docker = client().await.map_err(|error| error.to_string())?;
    Ok(state(&docker, name).await?.paused == Some(true))
}

async fn state(docker: &Docker, name: &str) -> Result<ContainerState, String> {
    let looked_at = docker.inspect_container(name, None::<InspectContainerOptions>);
    let looked_at = looked_at.await.map_err(in_words)?;
    Ok(looked_at.state.unwrap_or_default())
}

fn in_words(error: Error) -> String {
    error.to_string()
}
