//! TLS for listeners: our certificate, and whose certificates a sender may show. rustls with ring; nothing else.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result, Vfs};
use tokio_rustls::TlsAcceptor;

/// `[input.tls]`: files in PEM form, read when the listener starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Our certificate, and behind it those that lead to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates of authorities: a sender must show a certificate that one of them has signed. Without it every
    /// sender is let in.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// Makes what the settings describe.
pub(crate) fn acceptor(settings: &TlsSettings, vfs: &dyn Vfs) -> Result<TlsAcceptor> {
    acceptor_for(settings, vfs, &[])
}

/// The same, where the sender may choose among protocols.
pub(crate) fn acceptor_for(settings: &TlsSettings, vfs: &dyn Vfs, protocols: &[&[u8]]) -> Result<TlsAcceptor> {
    let chain = certificates(&settings.certificate, vfs)?;
    let key = private_key(&settings.key, vfs)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let bad = |e: &dyn std::fmt::Display| wrong(&settings.certificate, "a certificate that goes with the key", e);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(|e| bad(&e))?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path, vfs)? {
                roots.add(certificate).map_err(|e| wrong(path, "certificates of authorities", &e))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| wrong(path, "certificates of authorities", &e))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| bad(&e))?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path, vfs: &dyn Vfs) -> Result<Vec<u8>> {
    vfs.read(path).map_err(|e| Error::io(path.display(), e).with_hint("the settings of TLS name files in PEM form"))
}

/// The private key of a file.
pub(crate) fn private_key(path: &Path, vfs: &dyn Vfs) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&read(path, vfs)?).map_err(|e| wrong(path, "a private key", &e))
}

/// The certificates of a file; at least one.
pub(crate) fn certificates(path: &Path, vfs: &dyn Vfs) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(path, vfs)?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|e| wrong(path, "a certificate", &e))?;
    if all.is_empty() {
        return Err(wrong(path, "a certificate", &"there is none in it"));
    }
    Ok(all)
}

fn wrong(path: &Path, what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("{} is not {what}: {error}", path.display()))
        .with_hint("the settings of TLS name files in PEM form")
}
