//! Certificates of servers, good ones and others.

use rcgen::{
    date_time_ymd, BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};

use super::common::made::Folder;

/// Files of a certificate and its key.
pub struct Files {
    pub certificate: String,
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub enum Valid {
    Now,
    Until2020,
    From2090,
}

fn params(name: &str, valid: Valid) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let (from, until) = match valid {
        Valid::Now => (2020, 2099),
        Valid::Until2020 => (2010, 2020),
        Valid::From2090 => (2090, 2099),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn files(folder: &Folder, certificate: &str, key: &KeyPair) -> Files {
    Files {
        certificate: folder.file("cert.pem", certificate.as_bytes()),
        key: folder.file("key.pem", key.serialize_pem().as_bytes()),
    }
}

/// Who signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = params("an authority of the tests", Valid::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate.
    pub fn file(&self, folder: &Folder) -> String {
        folder.file("ca.pem", self.0.pem().as_bytes())
    }

    /// A server's, signed.
    pub fn sign(&self, folder: &Folder, name: &str, valid: Valid) -> Files {
        let key = KeyPair::generate().unwrap();
        let signed = params(name, valid).signed_by(&key, &self.0).unwrap();
        files(folder, &signed.pem(), &key)
    }
}

/// A server's that is signed by itself; `as_authority`: as `openssl req -x509` makes it.
pub fn self_signed(folder: &Folder, name: &str, as_authority: bool, valid: Valid) -> Files {
    let mut params = params(name, valid);
    if as_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let signed = params.self_signed(&key).unwrap();
    files(folder, &signed.pem(), &key)
}
