//! Why a target could not be reached, or did not answer as a web server does.

use std::{io, time::Duration};

use printable::escaped;

use super::tls::is_of_dates;

/// Why there is no connection, or no answer over it.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No connection for another reason.
    #[error("{0}")]
    Unreachable(String),
    /// A connection, but no TLS over it.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The connection broke before there was an answer.
    #[error("no HTTP answer: {}", escaped(.0))]
    Broken(String),
    /// What came over the connection was not HTTP.
    #[error("no HTTP answer: {}", escaped(.0))]
    NotHttp(String),
    /// An answer that is no text, or in an encoding that was not asked for.
    #[error("{}", escaped(.0))]
    NoText(String),
    /// An answer that is longer than is read here.
    #[error("{}", escaped(.0))]
    TooLong(String),
    /// An answer in HTTP that is no WebSocket.
    #[error("{}", escaped(.0))]
    NoWebSocket(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl DialError {
    /// What went wrong in the TLS handshake, and what may help.
    pub(super) fn tls(error: &io::Error) -> Self {
        let text = error.to_string();
        let refused = error.get_ref().and_then(|error| error.downcast_ref());
        let dated =
            matches!(refused, Some(rustls::Error::InvalidCertificate(why)) if is_of_dates(why));
        let hint = if dated {
            "; it needs another certificate, or this machine's clock is wrong; --insecure trusts whoever answers"
        } else if text.contains("invalid peer certificate") {
            "; name whom to trust with --ca FILE, or trust whoever answers with --insecure"
        } else if text.contains("corrupt message") {
            "; it may be a server without TLS, at http://"
        } else if text.contains("CertificateRequired") || text.contains("HandshakeFailure") {
            "; it may want a certificate: --cert FILE --key FILE"
        } else {
            ""
        };
        Self::Tls(format!("{text}{hint}"))
    }
}
