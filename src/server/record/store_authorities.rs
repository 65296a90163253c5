//! The file of `--store-ca`: the authorities that may issue a store's certificate.

use std::fmt::Display;

use ureq::tls::{parse_pem, PemItem, RootCerts};

/// The certificates in a file.
pub(super) fn read_authorities(file: &str) -> Result<RootCerts, String> {
    let problem = |words: &dyn Display| format!("--store-ca {file}: {words}");
    let text = std::fs::read(file).map_err(|error| problem(&error))?;
    let mut certificates = vec![];
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| problem(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        let words = "has no certificate in PEM format (-----BEGIN CERTIFICATE-----)";
        return Err(problem(&words));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
