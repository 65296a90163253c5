//! TLS: with a certificate of the keeper's, or one that is made at the first start.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{crypto, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::server::archive::settings::ArchiveSettings;

/// What accepts TLS connections; `None`: it is not asked for.
pub(super) fn acceptor(settings: &ArchiveSettings) -> Result<Option<TlsAcceptor>, String> {
    let (cert, key) = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => (cert.clone(), key.clone()),
        _ if settings.tls_self_signed => self_signed(settings)?,
        _ => return Ok(None),
    };
    let shown = cert.display();
    let chain =
        CertificateDer::pem_file_iter(&cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| format!("tlsCert {shown}: {error}"))?;
    let Some(first) = chain.first() else {
        return Err(format!("tlsCert {shown}: there is no certificate in it"));
    };
    let sum: Vec<String> = Sha256::digest(first)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    log::info!("certificate {shown}: SHA-256 {}", sum.join(":"));
    let secret = PrivateKeyDer::from_pem_file(&key);
    let secret = secret.map_err(|error| format!("tlsKey {}: {error}", key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        });
    let mut config = config.map_err(|error| format!("tlsCert {shown}: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// The certificate that was made at an earlier start, or a new one.
fn self_signed(settings: &ArchiveSettings) -> Result<(PathBuf, PathBuf), String> {
    let home = settings.home();
    let (cert, key) = (home.join("tls-cert.pem"), home.join("tls-key.pem"));
    if cert.exists() && key.exists() {
        return Ok((cert, key));
    }
    let mut names = vec![
        "localhost".to_owned(),
        settings.host_name(),
        settings.listen.ip().to_string(),
    ];
    let public = settings
        .public
        .as_deref()
        .and_then(|url| url.split("://").nth(1));
    names.extend(
        public
            .and_then(|host| host.split(':').next())
            .map(str::to_owned),
    );
    let made = rcgen::generate_simple_self_signed(names);
    let made = made.map_err(|error| format!("a certificate cannot be made: {error}"))?;
    write(&key, &made.signing_key.serialize_pem(), 0o600)?;
    write(&cert, &made.cert.pem(), 0o644)?;
    Ok((cert, key))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    let mut file = options
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
