//! Whom a TLS connection trusts, and who it says it is itself.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use super::TargetMistake;

/// Whom to trust, and who one is: the flags `--ca`, `--insecure`, `--cert` and `--key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Certificates that sign a server's, in PEM, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Whoever answers is trusted.
    pub insecure: bool,
    /// A certificate and its key, in PEM, to show to the server.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Trust {
    /// The first flag that was given.
    pub(super) fn named(&self) -> Option<&'static str> {
        match self {
            Self { ca: Some(_), .. } => Some("--ca"),
            Self { insecure: true, .. } => Some("--insecure"),
            Self {
                identity: Some(_), ..
            } => Some("--cert"),
            _ => None,
        }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// Which of them can't be read, and what it should hold.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, TargetMistake> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TargetMistake::Other(format!("TLS can't be had: {error}")))?;
        let builder = match (&self.ca, self.insecure) {
            (_, true) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            (Some(ca), false) => {
                let named = certificates("--ca", ca)?;
                let roots = Arc::new(roots_of(ca, &named)?);
                let signed = WebPkiServerVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| unreadable("--ca", ca, "a certificate", &error))?;
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Named { named, signed }))
            }
            (None, false) => builder.with_root_certificates(system_roots()?),
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = certificates("--cert", cert)?;
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unreadable("--key", key, "a private key", &error))?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|error| {
                        TargetMistake::Other(format!(
                            "--cert {} and --key {} don't go together: {error}",
                            cert.display(),
                            key.display()
                        ))
                    })?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TargetMistake> {
    let what = "a certificate";
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unreadable(flag, path, what, &error))?
        .collect();
    match certificates {
        Ok(none) if none.is_empty() => Err(unreadable(flag, path, what, &"there is none in it")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(flag, path, what, &error)),
    }
}

fn unreadable(flag: &str, path: &Path, what: &str, error: &dyn std::fmt::Display) -> TargetMistake {
    TargetMistake::Other(format!(
        "{flag} {}: {error}; expected {what} in PEM (-----BEGIN …)",
        path.display()
    ))
}

fn roots_of(ca: &Path, named: &[CertificateDer<'static>]) -> Result<RootCertStore, TargetMistake> {
    let mut roots = RootCertStore::empty();
    for certificate in named {
        roots
            .add(certificate.clone())
            .map_err(|error| unreadable("--ca", ca, "a certificate", &error))?;
    }
    Ok(roots)
}

/// What the system trusts.
fn system_roots() -> Result<RootCertStore, TargetMistake> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One that can't be read is not trusted; there are others.
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        true => Err(TargetMistake::Other(
            "this machine has no root certificates (Debian: ca-certificates): name whom to trust with --ca FILE, or trust whoever answers with --insecure"
                .to_owned(),
        )),
        false => Ok(roots),
    }
}

/// Trusts what the certificates of `--ca` have signed, and these themselves as long as they are valid: one that a server has
/// signed for itself names the server, and the library takes it for no signer's.
#[derive(Debug)]
struct Named {
    named: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let signed = self
            .signed
            .verify_server_cert(certificate, between, name, stapled, now);
        let dated = matches!(&signed, Err(Error::InvalidCertificate(why)) if is_of_dates(why));
        if dated || !self.named.iter().any(|named| named == certificate) {
            return signed;
        }
        // Who signed it, and whether it may sign, makes no difference. Its dates were looked at before these.
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

/// Whether a certificate is refused since it is not valid now.
pub(super) const fn is_of_dates(why: &CertificateError) -> bool {
    matches!(
        why,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

/// Trusts whoever answers, as `--insecure` says.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
