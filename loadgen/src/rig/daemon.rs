//! The Docker daemon: whether it answers, and how one of its containers is killed, frozen, started again and removed.

use std::time::{Duration, Instant};

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

use super::{error::TargetError, leftover::Absence};

/// How long a Docker daemon may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a busy Docker daemon may take to create a container, once it was asked.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How often a container is asked for that may still come, or is being removed.
const REMOVAL_PAUSE: Duration = Duration::from_millis(200);

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
pub(super) async fn remove_container(name: &str, absence: Absence) -> Result<(), String> {
    let docker = client().await.map_err(|error| error.to_string())?;
    let begin = Instant::now();
    loop {
        // `v`: its anonymous volumes too, which hold the database of the official image.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
        let Err(error) = docker.remove_container(name, Some(options.build())).await else {
            return Ok(());
        };
        let may_come = absence == Absence::MayCome && begin.elapsed() < ARRIVAL;
        match status_of(&error) {
            Some(404) if !may_come => return Ok(()),
            // 409: it is being removed.
            Some(404 | 409) => tokio::time::sleep(REMOVAL_PAUSE).await,
            _ => return Err(in_words(error)),
        }
    }
}

fn status_of(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
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
