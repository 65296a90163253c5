//! The options of the archive.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use crate::cli::command::{command, CommandSpec};
use crate::config::{number, one_of};
use crate::server::archive::bucket::Bucket;
use crate::server::archive::database::DatabasePlace;
use crate::server::archive::oidc_settings::OidcSettings;
use crate::server::archive::peer::options::{peer_url, PeerSettings};
use crate::server::archive::tenants::{TenantRule, Tenants};
use crate::server::database_url::DatabaseUrl;
use crate::server::options::{all, one, ServerOptions};

pub(in crate::server) const ARCHIVE: CommandSpec = command! {
    "callrec-server", "archive", "[rebuild|check|retain|user|token]...",
    "finds, plays, keeps and deletes recordings: a page, and an API for programs";
    [
        ("c", "config", "FILE",
            "a file of 'key = value' lines; the keys are the long options without dashes"),
        ("", "dir", "DIR",
            "the folder of a recording server; may be repeated, the first one keeps the catalogue [/var/lib/callrec]"),
        ("", "store", "s3://BUCKET/PREFIX",
            "a bucket with recordings; where and as whom is in the environment, as for the recorder; may be repeated"),
        ("", "storeCa", "FILE",
            "the authority that issues the certificates of buckets in a network of one's own, PEM"),
        ("", "listen", "ADDR:PORT",
            "where the page and the API are served [127.0.0.1:8090]"),
        ("", "database", "sqlite:FILE or URL",
            "the catalogue; postgres://USER:PASSWORD@HOST/DB for several archives [DIR/.archive/catalogue.db]"),
        ("", "public", "URL",
            "the address that people use, if a proxy is in front"),
        ("", "tlsCert", "FILE",
            "serve TLS with this certificate and what it is issued by, PEM"),
        ("", "tlsKey", "FILE",
            "its private key, PEM"),
        ("", "tlsSelfSigned", "0|1",
            "1: serve TLS with a certificate that is made at the first start [0]"),
        ("", "plainHttp", "0|1",
            "1: listen on other addresses than loopback without TLS, because a proxy does it [0]"),
        ("", "trustedProxy", "CIDR",
            "proxies whose X-Forwarded-User, -Groups and -For are believed; may be repeated"),
        ("", "oidcIssuer", "URL",
            "people may sign in with this issuer of OpenID Connect; needs the feature oidc"),
        ("", "oidcClientId", "ID",
            "what the issuer calls the archive"),
        ("", "oidcClientSecretFile", "FILE",
            "the client's secret, which only the owner of the file may read [a public client]"),
        ("", "oidcUserClaim", "NAME",
            "the claim that says who somebody is [preferred_username]"),
        ("", "oidcGroupsClaim", "NAME",
            "the claim with his groups: callrec-admin, callrec-agent@acme and so on [groups]"),
        ("", "oidcCa", "FILE",
            "the authority that issues the certificate of an issuer in a network of one's own, PEM"),
        ("", "retainDays", "DAYS",
            "recordings are deleted after so many days; 0: never [0]"),
        ("", "retainBytes", "BYTES",
            "the oldest recordings are deleted while there are more; 0: no limit [0]"),
        ("", "retainEvery", "SECONDS",
            "the time between two rounds of deletion [3600]"),
        ("", "minFreeMib", "MIB",
            "an alarm is raised when less disk space is free [1024]"),
        ("", "auditDays", "DAYS",
            "finished files of the audit log are deleted after so many days; 0: never [0]"),
        ("", "tenant", "NAME GLOB,...",
            "the devices of a tenant, in the order of the lines; may be repeated [all are of 'default']"),
        ("", "sessionHours", "HOURS",
            "people log in again after so many hours [12]"),
        ("", "language", "auto|en|zh",
            "the language of the page [auto]"),
        ("", "metrics", "ADDR:PORT",
            "serve /metrics (Prometheus) and /healthz over HTTP"),
        ("", "hostName", "NAME",
            "the name of this host in the audit log, and to its peers [the computer's]"),
        ("", "peer", "https://HOST:PORT",
            "the archive of another recording host: the calls that it records are listed and heard here; may be repeated"),
        ("", "peerKeyFile", "FILE",
            "the key that peers share, 32 bytes at least, in a file that others cannot read"),
        ("", "peerCa", "FILE",
            "the authority that issues the certificates of peers, or a peer's own certificate, PEM [the public ones]"),
        ("", "runningOnly", "0|1",
            "1: serve the calls that this host records to its peers, and nothing else [0]"),
    ];
    "\
Without a word it serves the page and the API until SIGTERM. The first administrator is made by a link in the log.

'rebuild' makes the catalogue again from the recordings and the records beside them. 'check' compares the journal of
starts with what is there, and checks the audit log; --sums reads all audio, --json prints JSON. 'retain --yes' lets a
stopped round of deletion through.

'user add|passwd|disable|list NAME' reads a password from standard input, 'token new|list|revoke NAME' prints the token
alone. For both: --role admin|supervisor|agent, --devices GLOB,..., --tenant NAME; --days DAYS for a token [365]. All work
beside a running server.";
    [
        "callrec-server archive --dir recordings",
        "callrec-server archive check --dir recordings",
        "callrec-server archive token new report --role supervisor --dir recordings",
    ]
};

/// The options' values.
#[derive(Clone, Debug)]
pub(in crate::server) struct ArchiveSettings {
    dirs: Vec<PathBuf>,
    stores: Vec<String>,
    store_ca: Option<String>,
    pub(super) listen: SocketAddr,
    database: Option<DatabasePlace>,
    pub(super) public: Option<String>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_self_signed: bool,
    pub(super) plain_http: bool,
    pub(super) trusted_proxy: Vec<IpNet>,
    pub(super) oidc: OidcSettings,
    pub(super) retain_days: u64,
    pub(super) retain_bytes: u64,
    pub(super) retain_every: u64,
    pub(super) min_free_mib: u64,
    pub(super) audit_days: u64,
    pub(super) tenants: Tenants,
    pub(super) session_hours: u64,
    pub(super) language: &'static str,
    pub(super) metrics: Option<SocketAddr>,
    host_name: Option<String>,
    pub(super) peers: PeerSettings,
}

impl Default for ArchiveSettings {
    fn default() -> Self {
        Self {
            dirs: vec![],
            stores: vec![],
            store_ca: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            database: None,
            public: None,
            tls_cert: None,
            tls_key: None,
            tls_self_signed: false,
            plain_http: false,
            trusted_proxy: vec![],
            oidc: OidcSettings::default(),
            retain_days: 0,
            retain_bytes: 0,
            retain_every: 3600,
            min_free_mib: 1024,
            audit_days: 0,
            tenants: Tenants::default(),
            session_hours: 12,
            language: "auto",
            metrics: None,
            host_name: None,
            peers: PeerSettings::default(),
        }
    }
}

const DEFAULT_DIR: &str = "/var/lib/callrec";
/// A century: longer than any recording is kept.
const MAX_DAYS: u32 = 36_500;

impl ServerOptions for ArchiveSettings {
    const REPEATABLE: &'static [&'static str] = &["dir", "store", "trustedProxy", "tenant", "peer"];

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "dir" => self.dirs.push(value.into()),
            "store" => self.stores.push(store_url(value)?),
            "storeCa" => self.store_ca = Some(value.to_owned()),
            "listen" => self.listen = address(value)?,
            "database" => self.database = Some(DatabasePlace::parse(value)?),
            "public" => self.public = Some(public_url(value)?),
            "tlsCert" => self.tls_cert = Some(value.into()),
            "tlsKey" => self.tls_key = Some(value.into()),
            "tlsSelfSigned" => self.tls_self_signed = one_of(value, &[("0", false), ("1", true)])?,
            "plainHttp" => self.plain_http = one_of(value, &[("0", false), ("1", true)])?,
            "trustedProxy" => self.trusted_proxy.push(network(value)?),
            "retainDays" => self.retain_days = number(value, 0, MAX_DAYS)?,
            "retainBytes" => self.retain_bytes = bytes(value)?,
            "retainEvery" => self.retain_every = number(value, 1, 86_400)?,
            "minFreeMib" => self.min_free_mib = number(value, 0, 1 << 30)?,
            "auditDays" => self.audit_days = number(value, 0, MAX_DAYS)?,
            "tenant" => self.tenants.add(TenantRule::parse(value)?),
            "sessionHours" => self.session_hours = number(value, 1, 8760)?,
            "language" => {
                self.language = one_of(value, &[("auto", "auto"), ("en", "en"), ("zh", "zh")])?
            }
            "metrics" => self.metrics = Some(address(value)?),
            "hostName" => self.host_name = Some(host_name(value)?),
            "peer" => self.peers.urls.push(peer_url(value)?),
            "peerKeyFile" => self.peers.key_file = Some(value.into()),
            "peerCa" => self.peers.ca = Some(value.into()),
            "runningOnly" => self.peers.running_only = one_of(value, &[("0", false), ("1", true)])?,
            _ => return self.oidc.set(key, value),
        }
        Ok(())
    }

    fn pairs(&self) -> Vec<(&'static str, Vec<String>)> {
        let before = vec![
            ("dir", all(self.dirs().iter().map(|dir| dir.display()))),
            ("store", all(&self.stores)),
            ("storeCa", all(&self.store_ca)),
            ("listen", one(self.listen)),
            ("database", one(self.database())),
            ("public", all(&self.public)),
            (
                "tlsCert",
                all(self.tls_cert.iter().map(|file| file.display())),
            ),
            (
                "tlsKey",
                all(self.tls_key.iter().map(|file| file.display())),
            ),
            ("tlsSelfSigned", one(u8::from(self.tls_self_signed))),
            ("plainHttp", one(u8::from(self.plain_http))),
            ("trustedProxy", all(&self.trusted_proxy)),
        ];
        let after = vec![
            ("retainDays", one(self.retain_days)),
            ("retainBytes", one(self.retain_bytes)),
            ("retainEvery", one(self.retain_every)),
            ("minFreeMib", one(self.min_free_mib)),
            ("auditDays", one(self.audit_days)),
            ("tenant", self.tenants.lines()),
            ("sessionHours", one(self.session_hours)),
            ("language", one(self.language)),
            ("metrics", all(self.metrics)),
            ("hostName", one(self.host_name())),
            ("peer", all(&self.peers.urls)),
            (
                "peerKeyFile",
                all(self.peers.key_file.iter().map(|file| file.display())),
            ),
            (
                "peerCa",
                all(self.peers.ca.iter().map(|file| file.display())),
            ),
            ("runningOnly", one(u8::from(self.peers.running_only))),
        ];
        [before, self.oidc.pairs(), after].concat()
    }
}

impl ArchiveSettings {
    /// The folders of recordings.
    pub(super) fn dirs(&self) -> Vec<PathBuf> {
        if self.dirs.is_empty() {
            vec![DEFAULT_DIR.into()]
        } else {
            self.dirs.clone()
        }
    }

    /// The buckets of recordings.
    pub(super) fn buckets(&self) -> Result<Vec<Arc<Bucket>>, String> {
        let open = |url: &String| Bucket::open(url, self.store_ca.as_deref()).map(Arc::new);
        self.stores.iter().map(open).collect()
    }

    /// Their URLs.
    pub(super) fn stores(&self) -> &[String] {
        &self.stores
    }

    /// Where the archive keeps what is its own.
    pub(super) fn home(&self) -> PathBuf {
        let first = self.dirs.first().map_or(Path::new(DEFAULT_DIR), |dir| dir);
        first.join(".archive")
    }

    /// Where the catalogue is.
    pub(super) fn database(&self) -> DatabasePlace {
        let chosen = self.database.clone();
        chosen.unwrap_or_else(|| DatabasePlace::File(self.home().join("catalogue.db")))
    }

    /// The database that several archives share, if it is one.
    pub(super) fn shared(&self) -> Option<&DatabaseUrl> {
        match &self.database {
            Some(DatabasePlace::Shared(url)) => Some(url),
            _ => None,
        }
    }

    /// This host's name in the audit log.
    pub(super) fn host_name(&self) -> String {
        let of_computer = || {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            host_name(name.trim()).unwrap_or_else(|_| "host".into())
        };
        self.host_name.clone().unwrap_or_else(of_computer)
    }

    /// It serves TLS itself.
    pub(super) fn has_tls(&self) -> bool {
        self.tls_self_signed || self.tls_cert.is_some()
    }

    /// What the options do not allow together.
    pub(in crate::server) fn check(&self) -> Result<(), String> {
        self.buckets()?;
        self.oidc.check(self.public.as_deref())?;
        self.peers.check(self.plain_http)?;
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("tlsCert and tlsKey belong together: one of them is missing".into());
        }
        if self.tls_cert.is_some() && self.tls_self_signed {
            return Err("either tlsCert and tlsKey, or tlsSelfSigned = 1".into());
        }
        if !self.listen.ip().is_loopback() && !self.plain_http && !self.has_tls() {
            return Err(format!(
                "--listen {}: is not loopback, and passwords would travel in the clear; set tlsCert and tlsKey, \
                 tlsSelfSigned = 1, or, with a proxy that does TLS in front, plainHttp = 1",
                self.listen
            ));
        }
        Ok(())
    }
}

fn store_url(value: &str) -> Result<String, String> {
    let name = value
        .strip_prefix("s3://")
        .map(|rest| rest.split('/').next());
    match name.flatten() {
        Some(name) if !name.is_empty() => Ok(value.trim_end_matches('/').to_owned()),
        _ => Err(format!("must be s3://BUCKET/PREFIX, not '{value}'")),
    }
}

fn address(value: &str) -> Result<SocketAddr, String> {
    let value = value
        .strip_prefix("localhost:")
        .map_or(value.to_owned(), |port| format!("127.0.0.1:{port}"));
    let wrong = |_| format!("must be ADDR:PORT, not '{value}'");
    value.parse().map_err(wrong)
}

fn network(value: &str) -> Result<IpNet, String> {
    let address = value.parse::<std::net::IpAddr>().map(IpNet::from);
    let network = value.parse::<IpNet>().ok().or(address.ok());
    network.ok_or_else(|| format!("must be a network such as 10.0.0.0/8, not '{value}'"))
}

fn bytes(value: &str) -> Result<u64, String> {
    let wrong = |_| format!("must be a number of bytes, not '{value}'");
    value.parse().map_err(wrong)
}

fn public_url(value: &str) -> Result<String, String> {
    let rest = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"));
    match rest.map(|rest| rest.trim_end_matches('/')) {
        Some(host) if !host.is_empty() && !host.contains(['/', ' ', '@']) => {
            Ok(value.trim_end_matches('/').to_owned())
        }
        _ => Err(format!(
            "must be a URL without a path, such as https://calls.example.org, not '{value}'"
        )),
    }
}

fn host_name(value: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if value.is_empty() || value.starts_with('.') || !value.chars().all(is_plain) {
        return Err(format!(
            "must have letters, digits, '-', '_' and '.' only, not '{value}'"
        ));
    }
    Ok(value.to_owned())
}
