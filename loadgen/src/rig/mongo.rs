//! What the harness itself asks of a MongoDB, whoever started it: does it answer, which version, drop a database.

use std::time::{Duration, Instant};

use bson::doc;
use mongodb::{
    Client,
    options::{ClientOptions, ConnectionString, ReadPreference, SelectionCriteria},
};

use super::error::TargetError;

/// How long a MongoDB may take to be found at its address.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long one that starts may take until it can be written to.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts to find that out.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether a text can be the connection string of a MongoDB, be it there or not.
///
/// # Errors
/// [`TargetError::MongoUri`] says what is wrong with it.
pub fn check_uri(uri: &str) -> Result<(), TargetError> {
    let parsed = ConnectionString::parse(uri);
    parsed.map(drop).map_err(|error| no_uri(uri, &error))
}

fn no_uri(uri: &str, error: &mongodb::error::Error) -> TargetError {
    TargetError::MongoUri {
        uri: redacted(uri),
        reason: in_one_line(error),
    }
}

/// A client for few requests, and the database that the connection string names, if it names one.
pub(super) async fn client(
    uri: &str,
    patience: Duration,
) -> Result<(Client, Option<String>), TargetError> {
    let wrong = |error: mongodb::error::Error| no_uri(uri, &error);
    let mut options = ClientOptions::parse(uri).await.map_err(wrong)?;
    options.app_name = Some("loadgen".to_owned());
    options.server_selection_timeout = Some(patience);
    options.connect_timeout = Some(patience);
    // What the primary has acknowledged is looked up on the primary, whatever the string says about reads.
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    let database = options.default_database.clone();
    Ok((Client::with_options(options).map_err(wrong)?, database))
}

/// The version of a MongoDB, which shows that it answers.
pub(super) async fn version(client: &Client, uri: &str) -> Result<String, TargetError> {
    let unreachable = |reason: String| TargetError::MongoUnreachable {
        uri: redacted(uri),
        reason,
    };
    let admin = client.database("admin");
    // `buildInfo` is answered without a login, so a wrong password would only be found in mid-run.
    let asked = async |question| {
        let answer = admin.run_command(question).await;
        answer.map_err(|error| unreachable(in_one_line(&error)))
    };
    asked(doc! { "listDatabases": 1, "nameOnly": true, "authorizedDatabases": true }).await?;
    let info = asked(doc! { "buildInfo": 1 }).await?;
    let version = info
        .get_str("version")
        .map_err(|_| unreachable("it does not tell its version".to_owned()))?;
    Ok(version.to_owned())
}

/// Whether somebody answers.
async fn answers(client: &Client, uri: &str) -> Result<(), TargetError> {
    let answer = client
        .database("admin")
        .run_command(doc! { "ping": 1 })
        .await;
    answer
        .map(drop)
        .map_err(|error| TargetError::MongoUnreachable {
            uri: redacted(uri),
            reason: in_one_line(&error),
        })
}

/// The id of the process that answers, on its machine.
pub(super) async fn process(client: &Client, uri: &str) -> Result<u32, TargetError> {
    let unreachable = |reason: String| TargetError::MongoUnreachable {
        uri: redacted(uri),
        reason,
    };
    let admin = client.database("admin");
    let status = admin.run_command(doc! { "serverStatus": 1 }).await;
    let status = status.map_err(|error| unreachable(in_one_line(&error)))?;
    let process = status.get_i64("pid");
    let process = process.or_else(|_| status.get_i32("pid").map(i64::from));
    let process = process.ok().and_then(|pid| u32::try_from(pid).ok());
    process.ok_or_else(|| unreachable("it does not tell its process".to_owned()))
}

/// Waits until one that starts answers as one that can be written to.
pub(super) async fn until_it_answers(uri: &str) -> Result<(), TargetError> {
    let deadline = Instant::now() + START_PATIENCE;
    let (client, _) = client(uri, PATIENCE).await?;
    loop {
        match answers(&client, uri).await {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
            Ok(()) => return Ok(()),
        }
    }
}

/// Drops a database; dropping none is no error.
pub(super) async fn drop_database(uri: &str, name: &str) -> Result<(), String> {
    let client = client(uri, PATIENCE).await;
    let (client, _) = client.map_err(|error| error.to_string())?;
    let dropped = client.database(name).drop().await;
    dropped.map_err(|error| in_one_line(&error))
}

/// A name for a database or a container that nobody else uses, and that shows whose it is.
pub(super) fn fresh_name() -> String {
    let (process, random) = (std::process::id(), rand::random::<u32>());
    format!("loadgen_{process}_{random:08x}")
}

/// A connection string that can be shown: no credentials, and none of the options, which may hold secrets too.
pub(super) fn redacted(uri: &str) -> String {
    let uri = uri.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else {
        return "…".to_owned();
    };
    match rest.rsplit_once('@') {
        Some((_, hosts)) => format!("{scheme}://***@{hosts}"),
        None => format!("{scheme}://{rest}"),
    }
}

/// The driver's message without its line breaks and the backtrace of its topology.
pub(super) fn in_one_line(error: &mongodb::error::Error) -> String {
    let text = error.kind.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(
            redacted("mongodb://localhost:27017"),
            "mongodb://localhost:27017"
        );
        assert_eq!(
            redacted("mongodb://user:p@ss/word@a:1,b:2/chat?tlsCertificateKeyFilePassword=x"),
            "mongodb://***@a:1,b:2/chat"
        );
        assert_eq!(
            redacted("mongodb+srv://user:secret@cluster.example/"),
            "mongodb+srv://***@cluster.example/"
        );
        assert_eq!(redacted("user:secret@host"), "…");
    }

    #[test]
    fn fresh_names_differ_and_are_legal() {
        let (one, two) = (fresh_name(), fresh_name());
        assert_ne!(one, two);
        assert!(
            one.len() < 64
                && one
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{one}"
        );
    }

    #[tokio::test]
    async fn what_is_no_connection_string_is_said_without_its_password() {
        let error = client("mongodb://user:secret@host:port", PATIENCE)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("mongodb://***@host:port is no MongoDB connection string ("),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}
