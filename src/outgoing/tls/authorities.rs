//! Whose signatures are believed: the keeper's file, else the system's, else the list of browsers
//! that is built in. Read once, at the start: parsing the system's takes longer than a turn should.

use std::fs;

use log::warn;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::RootCertStore;

/// Where Debian, Alpine, OpenWrt and Buildroot have it.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The system's has 250 KB.
const MAX_BYTES: u64 = 1024 * 1024;

/// Whose signatures are believed.
pub(super) struct Authorities {
    pub(super) roots: RootCertStore,
    /// A server may have one of these itself.
    pub(super) own: Vec<CertificateDer<'static>>,
    /// For the log.
    pub(super) shown: String,
}

/// Reads them. A file of the keeper's that cannot be used is told, and nobody is believed then: the
/// phone has other work besides the cloud.
pub(super) fn read(own: Option<&str>) -> Authorities {
    if let Some(path) = own {
        return read_own(path);
    }
    match certificates(SYSTEM) {
        Ok(found) => store(found, SYSTEM),
        Err(_) => Authorities {
            roots: RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            },
            own: vec![],
            shown: format!("Mozilla, as built in: there is no {SYSTEM}"),
        },
    }
}

fn read_own(path: &str) -> Authorities {
    let found = certificates(path).unwrap_or_else(|problem| {
        warn!("cloud: cloudCa {path}: {problem}: no server with TLS is believed; correct it, and restart");
        vec![]
    });
    let own = found.clone();
    Authorities {
        own,
        ..store(found, path)
    }
}

fn store(found: Vec<CertificateDer<'static>>, shown: &str) -> Authorities {
    let mut roots = RootCertStore::empty();
    let (taken, ignored) = roots.add_parsable_certificates(found);
    if ignored > 0 {
        warn!("cloud: {shown}: {ignored} certificates cannot be read and are left out");
    }
    Authorities {
        roots,
        own: vec![],
        shown: format!("{shown} ({taken})"),
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_| "is no PEM file of certificates".to_owned())?;
    match found.is_empty() {
        true => Err("has no certificate (PEM: -----BEGIN CERTIFICATE-----)".into()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_makes_nobody_believed() {
        let path = std::env::temp_dir().join(format!("callrec-ca-{}.pem", std::process::id()));
        let shown = path.display().to_string();
        for content in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        ] {
            fs::write(&path, content).unwrap();
            let read = read(Some(&shown));
            assert!(
                read.roots.is_empty() && read.own.is_empty(),
                "{}",
                read.shown
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(read(Some(&shown)).roots.is_empty());
    }

    #[test]
    fn without_a_file_there_are_authorities() {
        let read = read(None);
        assert!(
            read.roots.len() > 50 && read.own.is_empty(),
            "{}",
            read.shown
        );
    }
}
