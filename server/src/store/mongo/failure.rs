//! What an error of the driver says about the messages of a batch.

use std::time::Duration;

use mongodb::error::{Error, ErrorKind, IndexedWriteError};

use super::super::{InsertError, StoreError};

/// Two documents with the same value in a unique index.
pub(super) const DUPLICATE_KEY: i32 = 11_000;

/// Error codes by which a server refuses a document for what it is: another attempt would end the
/// same way. Document validation failed; object too large; key too large to index.
const REFUSED: [i32; 3] = [121, 10_334, 17_280];

/// Authorisation failures and authentication failures: the command was not executed.
const UNAUTHORIZED: [i32; 2] = [13, 18];

/// What an error that is about the whole command says about each of its messages.
///
/// The driver's errors don't tell a command that was never sent from one whose answer got lost: an
/// I/O error may be either, and a pool that is cleared because a heartbeat timed out interrupts
/// commands that are on their way. A server that answers with an error may have executed part of
/// the command. So only what happens before anything is sent, or instead of executing it, is
/// certain; all else is unknown.
pub(super) fn of_batch(error: &Error) -> InsertError {
    match &*error.kind {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Authentication { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::IncompatibleServer { .. } => InsertError::Unavailable(in_words(error)),
        ErrorKind::Command(command) if UNAUTHORIZED.contains(&command.code) => {
            InsertError::Unavailable(in_words(error))
        }
        ErrorKind::InvalidArgument { .. } | ErrorKind::Bson(_) => {
            InsertError::Rejected(in_words(error))
        }
        _ => InsertError::Unknown(in_words(error)),
    }
}

/// What an error that is about one document says about it; not for [`DUPLICATE_KEY`].
pub(super) fn of_document(error: &IndexedWriteError) -> InsertError {
    let in_words = format!("{} (code {})", error.message, error.code);
    if REFUSED.contains(&error.code) {
        InsertError::Rejected(in_words)
    } else {
        InsertError::Unavailable(in_words)
    }
}

/// An error of a command that inserts nothing.
pub(super) fn of_store(error: &Error) -> StoreError {
    StoreError(in_words(error))
}

/// The answer to a command that inserts nothing, if it comes in time: a server that is frozen
/// accepts commands and does not answer.
pub(super) async fn answer_within<T>(
    limit: Duration,
    command: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, command).await {
        Ok(answer) => answer.map_err(|error| of_store(&error)),
        Err(_) => Err(StoreError(format!("no answer within {limit:?}"))),
    }
}

/// One line; the driver's own text of some kinds is a dump of its structures.
fn in_words(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => format!("{} (code {})", command.message, command.code),
        ErrorKind::Io(error) => format!("connection: {error}"),
        kind => kind.to_string(),
    }
}
