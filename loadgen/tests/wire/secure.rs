//! TLS: whom a user trusts, what it shows, and that it hears over it what it hears without.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use loadgen::{dial::Trust, observed::Closed};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    peer::{BINARY, CLOSE, Peer},
    user::Way,
};

/// Somebody who signs certificates, and the files that name it and what it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for a name, with its key, both also as files of that name.
    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
        (certificate, key)
    }

    /// A server for `localhost`; `wants`: it is shown a certificate that was signed here.
    async fn serve(&self, wants: bool) -> String {
        let (certificate, key) = self.sign("localhost");
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        serve(&certificate, &key, wants.then_some(roots)).await
    }
}

/// A server that says what it was told, in pieces of many sizes; `roots`: who signs the certificates that it wants.
async fn serve(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    roots: Option<RootCertStore>,
) -> String {
    let script = |stream: TlsStream<TcpStream>| talk(Peer::new(Box::new(stream)));
    serve_by(certificate, key, roots, script).await
}

/// A server that serves each connection by a script.
async fn serve_by<F, S>(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    roots: Option<RootCertStore>,
    script: F,
) -> String
where
    F: Fn(TlsStream<TcpStream>) -> S + Clone + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match roots {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder.with_single_cert(vec![certificate.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, script) = (acceptor.clone(), script.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    script(stream).await;
                }
            });
        }
    });
    format!("https://localhost:{port}")
}

async fn talk(mut peer: Peer) {
    peer.greet().await;
    for bytes in [1, 1_000, 20_000, 300_000, 5 << 20] {
        peer.text(&format!("42[\"said\",\"{}\"]", "x".repeat(bytes)))
            .await;
    }
    peer.text("451-[\"pic\"]").await;
    peer.frame(BINARY, &[1; 70_000]).await;
    peer.text("2").await;
    assert_eq!(peer.next_text().await, "3");
    peer.frame(CLOSE, &[]).await;
    peer.drain().await;
}

#[tokio::test]
async fn the_same_is_heard_over_tls() {
    let authority = Authority::new();
    let url = authority.serve(false).await;
    let trusted = Trust {
        ca: Some(authority.file("ca.pem")),
        ..Trust::default()
    };
    let anybody = Trust {
        insecure: true,
        ..Trust::default()
    };
    for (url, trust) in [
        (url.clone(), trusted),
        (url.replace("https", "wss"), anybody),
    ] {
        let way = Way {
            trust,
            ..Way::to(&url)
        };
        let seen = way.until_closed(|_| {}).await;
        let lengths: Vec<usize> = seen
            .events
            .iter()
            .map(|(_, payload)| payload.len())
            .collect();
        assert_eq!(
            lengths,
            [3, 1_002, 20_002, 300_002, (5 << 20) + 2, 0],
            "{:?}",
            seen.closed
        );
    }
}

/// A stream whose shutdown is the goodbye of TLS and something behind it, and no end of the TCP connection.
struct Ends(TlsStream<TcpStream>, &'static [u8]);

impl AsyncRead for Ends {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Ends {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let behind = self.1;
        let (tcp, tls) = self.0.get_mut();
        ready!(tcp.poll_write_ready(cx))?;
        tls.send_close_notify();
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes)?;
        }
        bytes.extend_from_slice(behind);
        assert_eq!(tcp.try_write(&bytes)?, bytes.len());
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn the_goodbye_of_tls_ends_a_connection_whatever_comes_behind_it() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    // Nothing, a little, and more than TLS takes at once.
    for behind in [&b""[..], b"anything", &[7; 20_000]] {
        let script = move |stream: TlsStream<TcpStream>| async move {
            let mut peer = Peer::new(Box::new(Ends(stream, behind)));
            peer.greet().await;
            peer.text("42[\"said\"]").await;
            peer.wire.shutdown().await.unwrap();
            peer.drain().await;
        };
        let way = Way {
            trust: Trust {
                ca: Some(authority.file("ca.pem")),
                ..Trust::default()
            },
            ..Way::to(&serve_by(&certificate, &key, None, script).await)
        };
        let seen = way.until_closed(|_| {}).await;
        assert_eq!(seen.events, [("said".to_owned(), String::new())]);
        let ended = Closed::Transport("by the other side".into());
        assert_eq!(seen.closed, Some(ended));
    }
}

#[tokio::test]
async fn a_server_that_vouches_for_itself_is_trusted_where_it_is_named() {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa] {
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.pem");
        std::fs::write(&file, own.pem()).unwrap();
        let url = serve(&own, &key, None).await;
        let trust = Trust {
            ca: Some(file),
            ..Trust::default()
        };
        let way = Way {
            trust,
            ..Way::to(&url)
        };
        assert_eq!(way.until_closed(|_| {}).await.events.len(), 6);
        let other = Way {
            url: url.replace("localhost", "127.0.0.1"),
            ..way
        };
        assert!(other.refused().await.contains("not valid for name"));
    }
}

/// A certificate of the server's own, valid between two years.
fn dated(from: i32, to: i32, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params.is_ca = is_ca;
    params
}

#[tokio::test]
async fn a_certificate_is_not_trusted_before_or_after_its_time_however_it_is_named() {
    let authority = Authority::new();
    let is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (from, to, what) in [
        (2001, 2002, "expired"),
        (3001, 3002, "not valid yet"),
        (2001, 3002, ""),
    ] {
        let key = KeyPair::generate().unwrap();
        let own = [IsCa::NoCa, is_ca].map(|is_ca| {
            let own = dated(from, to, is_ca).self_signed(&key).unwrap();
            let pem = own.pem();
            (own, pem)
        });
        let signed = dated(from, to, IsCa::NoCa);
        let signed = signed.signed_by(&key, &authority.issuer).unwrap();
        // Named itself, and by who signed it.
        let (itself, signer) = (signed.pem(), authority.issuer.pem());
        let signed = [(signed.clone(), itself), (signed, signer)];
        for (certificate, named) in own.into_iter().chain(signed) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("named.pem");
            std::fs::write(&file, named).unwrap();
            let way = Way {
                trust: Trust {
                    ca: Some(file),
                    ..Trust::default()
                },
                ..Way::to(&serve(&certificate, &key, None).await)
            };
            if what.is_empty() {
                assert_eq!(way.until_closed(|_| {}).await.events.len(), 6);
                continue;
            }
            let refused = way.refused().await;
            assert!(
                refused.contains(what) && refused.contains("another certificate"),
                "{refused}"
            );
        }
    }
}

#[tokio::test]
async fn whom_nobody_vouches_for_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let url = authority.serve(false).await;
    let way = Way {
        trust: Trust {
            ca: Some(other.file("ca.pem")),
            ..Trust::default()
        },
        ..Way::to(&url)
    };
    let refused = way.refused().await;
    assert!(
        refused.contains("--ca FILE") && refused.contains("--insecure"),
        "{refused}"
    );
    // The certificate is another host's.
    let way = Way {
        trust: Trust {
            ca: Some(authority.file("ca.pem")),
            ..Trust::default()
        },
        ..Way::to(&url.replace("localhost", "127.0.0.1"))
    };
    assert!(way.refused().await.contains("certificate"));
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_shown_one() {
    let authority = Authority::new();
    let url = authority.serve(true).await;
    authority.sign("client");
    let mut way = Way {
        trust: Trust {
            ca: Some(authority.file("ca.pem")),
            ..Trust::default()
        },
        ..Way::to(&url)
    };
    assert!(way.refused().await.contains("CertificateRequired"));
    way.trust.identity = Some((authority.file("client.pem"), authority.file("client.key")));
    assert_eq!(way.until_closed(|_| {}).await.events.len(), 6);
}

#[tokio::test]
async fn tls_where_there_is_none_is_said() {
    let url = crate::peer::serve(|mut peer: Peer| async move {
        peer.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let way = Way {
        trust: Trust {
            insecure: true,
            ..Trust::default()
        },
        ..Way::to(&url.replace("http:", "https:"))
    };
    let refused = way.refused().await;
    assert!(refused.contains("server without TLS"), "{refused}");
}
