//! A connection to a target, with TLS or without.

use rustls::ClientConnection;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// A connection to a target: without TLS on the left, with TLS on the right.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The TCP connection, and what TLS knows of it, for whoever reads and writes it by hand.
pub fn into_parts(stream: Stream) -> (TcpStream, Option<ClientConnection>) {
    match stream {
        Either::Left(tcp) => (tcp, None),
        Either::Right(tls) => {
            let (tcp, tls) = tls.into_inner();
            (tcp, Some(tls))
        }
    }
}
