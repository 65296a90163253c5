//! The options of the recording server.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use ipnet::IpNet;

use crate::base::limits::server::{
    MAX_CONNECTIONS, MAX_MEDIA_HOSTS, MAX_SERVER_RECORDINGS, MAX_WORKERS,
};
use crate::cli::command::{command, CommandSpec};
use crate::config::{number, one_of, ports};
use crate::server::options::{all, one, unknown, ServerOptions};

pub(in crate::server) const RECORD: CommandSpec = command! {
    "callrec-server", "record", "",
    "receives recordings from phones and stores them";
    [
        ("c", "config", "FILE",
            "a file of 'key = value' lines; the keys are the long options without dashes"),
        ("", "listen", "ADDR:PORT",
            "the address for control connections, TCP [0.0.0.0:10000]"),
        ("", "rtp-ports", "LO-HI",
            "UDP ports for RTP, one for each recording [20000-29999]"),
        ("", "advertise", "ADDR",
            "the address to which phones send RTP [the one to which they connected]"),
        ("", "dir", "DIR",
            "recordings are stored as DIR/<device>/Record_<time>_<id>.wav [/var/lib/callrec]"),
        ("", "format", "phone|wav",
            "the format of the phones, or RIFF/WAVE [phone]"),
        ("", "pauses", "silence|skip",
            "what becomes of pauses: silence of the same length, or nothing [silence]"),
        ("", "file-limit", "MIB",
            "the size after which a recording continues in another file; 0: no limit [0]"),
        ("", "reserve", "MIB",
            "disk space that stays free: with less, recordings are stopped and refused [100]"),
        ("", "max-minutes", "N",
            "the longest recording; 0: no limit [0]"),
        ("", "max-recordings", "N",
            "recordings at once [4096]"),
        ("", "max-connections", "N",
            "connections at once [8192]"),
        ("", "max-per-address", "N",
            "connections of one address at once [256]"),
        ("", "allow", "CIDR",
            "a network from which phones may connect; may be repeated [all]"),
        ("", "trust", "CIDR",
            "proxies that name the client in a PROXY line (version 1); may be repeated"),
        ("", "media", "HOST:PORT",
            "record nothing, but pass connections to this recording server, which must trust this one; may be repeated"),
        ("", "store", "s3://BUCKET/PREFIX",
            "move finished recordings to this bucket; needs a build with --features s3"),
        ("", "store-ca", "FILE",
            "certificates of the authorities that may issue the store's certificate, PEM [the public ones]"),
        ("", "message-end", "none|lf|crlf|nul",
            "what terminates a message to a phone [none]"),
        ("", "workers", "N",
            "processes that share address and ports; the limits above hold for each of them [1]"),
        ("", "metrics", "ADDR:PORT",
            "serve /metrics (Prometheus) and /healthz over HTTP"),
    ];
    "\
It logs to standard error, one line for each recording when that ends; RUST_LOG=warn logs less, RUST_LOG=debug more. On
SIGTERM it asks the phones to stop, finishes the recordings, and ends.

For --store, the environment variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL name
the account and the service.";
    [
        "callrec-server record --listen 127.0.0.1:10000 --dir recordings --metrics 127.0.0.1:9100",
    ]
};

/// The options' values.
#[derive(Clone, Debug)]
pub(in crate::server) struct RecordSettings {
    pub(super) listen: SocketAddr,
    pub(super) rtp_ports: (u16, u16),
    pub(super) advertise: Option<IpAddr>,
    pub(super) dir: String,
    pub(super) wav: bool,
    pub(super) cut_pauses: bool,
    /// Bytes; 0: no limit.
    pub(super) file_limit: u64,
    /// Bytes.
    pub(super) reserve: u64,
    pub(super) max_minutes: u64,
    pub(super) max_recordings: usize,
    pub(super) max_connections: usize,
    pub(super) max_per_address: u32,
    pub(super) allow: Vec<IpNet>,
    pub(super) trust: Vec<IpNet>,
    pub(super) message_end: &'static str,
    pub(super) media: Vec<SocketAddr>,
    /// Only with the feature `s3`.
    pub(in crate::server) store: Option<String>,
    /// Only with the feature `s3`.
    pub(super) store_ca: Option<String>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) workers: usize,
    /// The process is one of several workers; its standard input is a channel to the parent.
    pub(super) worker: bool,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 10_000)),
            rtp_ports: (20_000, 29_999),
            advertise: None,
            dir: "/var/lib/callrec".into(),
            wav: false,
            cut_pauses: false,
            file_limit: 0,
            reserve: 100 << 20,
            max_minutes: 0,
            max_recordings: 4096,
            max_connections: 8192,
            max_per_address: 256,
            allow: vec![],
            trust: vec![],
            message_end: "",
            media: vec![],
            store: None,
            store_ca: None,
            metrics: None,
            workers: 1,
            worker: false,
        }
    }
}

impl RecordSettings {
    /// Checks options against each other.
    pub(in crate::server) fn check(&self) -> Result<(), String> {
        if !self.worker {
            crate::server::record::rtp_ports::split_range(self.rtp_ports, self.workers)?;
        }
        let Some(_url) = &self.store else {
            if self.store_ca.is_some() {
                return Err("--store-ca needs --store, whose certificate it is for".into());
            }
            return Ok(());
        };
        if !self.media.is_empty() {
            return Err(
                "--store is an option of the media hosts: with --media nothing is recorded here"
                    .into(),
            );
        }
        #[cfg(feature = "s3")]
        super::store::Store::open(_url, self.store_ca.as_deref())?;
        Ok(())
    }

    /// Phones may connect from this address.
    pub(super) fn allows(&self, ip: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&ip))
    }

    /// A proxy at this address may name phones.
    pub(super) fn trusts(&self, ip: IpAddr) -> bool {
        self.trust.iter().any(|network| network.contains(&ip))
    }
}

impl ServerOptions for RecordSettings {
    const REPEATABLE: &'static [&'static str] = &["allow", "trust", "media"];

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "listen" => self.listen = address(value)?,
            "rtp-ports" => self.rtp_ports = ports(value)?,
            "advertise" => {
                let address = value
                    .parse()
                    .map_err(|_| format!("must be an IP address, not '{value}'"))?;
                self.advertise = Some(address);
            }
            "dir" if value.is_empty() => return Err("must name a folder".into()),
            "dir" => self.dir = value.into(),
            "format" => self.wav = one_of(value, &[("phone", false), ("wav", true)])?,
            "pauses" => self.cut_pauses = one_of(value, &[("silence", false), ("skip", true)])?,
            "file-limit" => self.file_limit = u64::from(number::<u32>(value, 0, 4095)?) << 20,
            "reserve" => self.reserve = u64::from(number::<u32>(value, 0, 1 << 30)?) << 20,
            "max-minutes" => self.max_minutes = number(value, 0, 1 << 20)?,
            "max-recordings" => self.max_recordings = count(value, MAX_SERVER_RECORDINGS)?,
            "max-connections" => self.max_connections = count(value, MAX_CONNECTIONS)?,
            "max-per-address" => self.max_per_address = number(value, 1, MAX_CONNECTIONS)?,
            "allow" => self.allow.push(network(value)?),
            "trust" => self.trust.push(network(value)?),
            "media" if self.media.len() == MAX_MEDIA_HOSTS => {
                return Err(format!("may be given at most {MAX_MEDIA_HOSTS} times"));
            }
            "media" => self.media.push(host(value)?),
            "store" | "store-ca" if !cfg!(feature = "s3") => {
                return Err(
                    "is not in this build: make one with 'cargo build --release --features s3'"
                        .into(),
                );
            }
            "store" => self.store = Some(store(value)?),
            "store-ca" if value.is_empty() => return Err("must name a file".into()),
            "store-ca" => self.store_ca = Some(value.into()),
            "message-end" => self.message_end = one_of(value, &MESSAGE_ENDS)?,
            "metrics" => self.metrics = Some(address(value)?),
            "workers" => self.workers = count(value, MAX_WORKERS)?,
            "worker" => self.worker = one_of(value, &[("0", false), ("1", true)])?,
            _ => return unknown(),
        }
        Ok(())
    }

    fn pairs(&self) -> Vec<(&'static str, Vec<String>)> {
        let (low, high) = self.rtp_ports;
        let end = MESSAGE_ENDS
            .iter()
            .find(|(_, end)| *end == self.message_end);
        vec![
            ("listen", one(self.listen)),
            ("rtp-ports", one(format!("{low}-{high}"))),
            ("advertise", all(self.advertise)),
            ("dir", one(&self.dir)),
            ("format", one(if self.wav { "wav" } else { "phone" })),
            (
                "pauses",
                one(if self.cut_pauses { "skip" } else { "silence" }),
            ),
            ("file-limit", one(self.file_limit >> 20)),
            ("reserve", one(self.reserve >> 20)),
            ("max-minutes", one(self.max_minutes)),
            ("max-recordings", one(self.max_recordings)),
            ("max-connections", one(self.max_connections)),
            ("max-per-address", one(self.max_per_address)),
            ("allow", all(&self.allow)),
            ("trust", all(&self.trust)),
            ("media", all(&self.media)),
            ("store", all(&self.store)),
            ("store-ca", all(&self.store_ca)),
            ("message-end", all(end.map(|(name, _)| name))),
            ("workers", one(self.workers)),
            ("metrics", all(self.metrics)),
        ]
    }
}

/// What terminates a message, by its name.
const MESSAGE_ENDS: [(&str, &str); 4] =
    [("none", ""), ("lf", "\n"), ("crlf", "\r\n"), ("nul", "\0")];

fn address(value: &str) -> Result<SocketAddr, String> {
    value
        .parse()
        .map_err(|_| format!("must be ADDRESS:PORT, for example 127.0.0.1:10000, not '{value}'"))
}

/// The name is resolved once, at the start.
fn host(value: &str) -> Result<SocketAddr, String> {
    let found = value
        .to_socket_addrs()
        .map_err(|problem| format!("must be HOST:PORT, not '{value}': {problem}"))?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| format!("'{value}' has no address"))
}

fn store(value: &str) -> Result<String, String> {
    let bucket = value
        .strip_prefix("s3://")
        .map(|path| path.split('/').next().unwrap_or(path));
    match bucket {
        Some(bucket) if !bucket.is_empty() => Ok(value.into()),
        _ => Err(format!("must be s3://BUCKET/PREFIX, not '{value}'")),
    }
}

fn network(value: &str) -> Result<IpNet, String> {
    let host = || value.parse::<IpAddr>().map(IpNet::from);
    let network = value.parse::<IpNet>().or_else(|_| host());
    network.map_err(|_| format!("must be a network like 192.0.2.0/24, not '{value}'"))
}

fn count(value: &str, most: u32) -> Result<usize, String> {
    number::<u32>(value, 1, most).map(|count| count as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &[(&str, &str, &str)] = &[
        (
            "listen",
            "10000",
            "must be ADDRESS:PORT, for example 127.0.0.1:10000, not '10000'",
        ),
        (
            "allow",
            "10.0.0.0/33",
            "must be a network like 192.0.2.0/24, not '10.0.0.0/33'",
        ),
        (
            "rtp-ports",
            "9-8",
            "must be LOW-HIGH with ports from 1 to 65535, not '9-8'",
        ),
        ("format", "mp3", "must be phone or wav, not 'mp3'"),
        (
            "max-recordings",
            "0",
            "must be a number from 1 to 50000, not '0'",
        ),
        ("port", "1", "is not an option of this program"),
        #[cfg(feature = "s3")]
        (
            "store",
            "http://calls",
            "must be s3://BUCKET/PREFIX, not 'http://calls'",
        ),
        #[cfg(feature = "s3")]
        (
            "store",
            "s3:///calls",
            "must be s3://BUCKET/PREFIX, not 's3:///calls'",
        ),
        #[cfg(not(feature = "s3"))]
        (
            "store",
            "s3://calls",
            "is not in this build: make one with 'cargo build --release --features s3'",
        ),
    ];

    #[test]
    fn values_are_set() {
        let mut settings = RecordSettings::default();
        for (key, value) in [
            ("listen", "[::1]:5"),
            ("allow", "10.0.0.0/8"),
            ("allow", "fe80::1"),
            ("message-end", "nul"),
        ] {
            settings.set(key, value).unwrap();
        }
        assert_eq!(settings.listen.port(), 5);
        assert_eq!(settings.allow.len(), 2);
        assert_eq!(settings.message_end, "\0");
    }

    #[test]
    fn an_invalid_value_is_refused_with_what_would_be_valid() {
        let mut settings = RecordSettings::default();
        for (key, value, problem) in REFUSED {
            assert_eq!(settings.set(key, value), Err((*problem).into()));
        }
    }
}
