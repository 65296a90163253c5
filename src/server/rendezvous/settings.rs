//! The options of the rendezvous server.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use crate::base::time::Duration;
use crate::cli::command::{command, CommandSpec};
use crate::config::{number, ports};
use crate::proto::rendezvous::server::relay::Quota;
use crate::proto::rendezvous::server::RendezvousLimits;
use crate::server::options::{all, one, unknown, ServerOptions};

pub(in crate::server) const RENDEZVOUS: CommandSpec = command! {
    "callrec-server", "rendezvous", "",
    "connects callers with phones behind NAT";
    [
        ("c", "config", "FILE",
            "a file of 'key = value' lines; the keys are the long options without dashes"),
        ("", "devices", "FILE",
            "the phones: lines 'cid = key' or 'cid = key, invite code'; read again on SIGHUP; required"),
        ("", "listen", "ADDR:PORT",
            "the address for UDP, IPv4 [0.0.0.0:7042]"),
        ("", "metrics", "ADDR:PORT",
            "serve /metrics (Prometheus) and /healthz over HTTP [none]"),
        ("", "keep-seconds", "N",
            "the interval at which phones register again: 5, 10, 15 or 20 [20]"),
        ("", "max-callers", "N",
            "callers registered at once [4096]"),
        ("", "max-callers-of-one", "N",
            "callers from one address registered at once [64]"),
        ("", "relay", "ADDR",
            "this server's public IPv4 address; enables the relay, for NATs that allow no direct connection [none]"),
        ("", "relay-ports", "LO-HI",
            "UDP ports, one for each relayed connection [20000-20063]"),
        ("", "relay-megabytes", "N",
            "what a relayed connection may send and receive [256]"),
        ("", "relay-minutes", "N",
            "how long a relayed connection may last [60]"),
    ];
    "\
A key is 32 characters, the p2pKey of the phone. A device without an invite code in the file requires callers to know the
phone's p2pInviteCode.";
    [
        "callrec-server rendezvous --devices phones.conf --metrics 127.0.0.1:9101",
    ]
};

/// The options' values.
#[derive(Clone, Debug)]
pub(in crate::server) struct RendezvousSettings {
    pub(super) devices: Option<PathBuf>,
    pub(super) listen: SocketAddrV4,
    pub(super) metrics: Option<SocketAddr>,
    keep_seconds: u32,
    callers: u32,
    callers_of_one: u32,
    pub(super) relay: Option<Ipv4Addr>,
    pub(super) relay_ports: (u16, u16),
    relay_megabytes: u32,
    relay_minutes: u32,
}

impl Default for RendezvousSettings {
    fn default() -> Self {
        Self {
            devices: None,
            listen: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 7042),
            metrics: None,
            keep_seconds: 20,
            callers: 4096,
            callers_of_one: 64,
            relay: None,
            relay_ports: (20_000, 20_063),
            relay_megabytes: 256,
            relay_minutes: 60,
        }
    }
}

impl ServerOptions for RendezvousSettings {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "devices" => self.devices = Some(value.into()),
            "listen" => {
                let problem = |_| {
                    format!(
                        "must be ADDRESS:PORT with IPv4, for example 0.0.0.0:7042, not '{value}'"
                    )
                };
                self.listen = value.parse().map_err(problem)?;
            }
            "metrics" => {
                let problem =
                    |_| format!("must be ADDRESS:PORT, for example 127.0.0.1:9101, not '{value}'");
                self.metrics = Some(value.parse().map_err(problem)?);
            }
            "keep-seconds" => {
                self.keep_seconds = number(value, 5, 20)?;
                if self.keep_seconds % 5 != 0 {
                    return Err(format!("must be 5, 10, 15 or 20, not '{value}'"));
                }
            }
            "max-callers" => self.callers = number(value, 1, 1 << 20)?,
            "max-callers-of-one" => self.callers_of_one = number(value, 1, 1 << 20)?,
            "relay" => {
                let address: Option<Ipv4Addr> = value.parse().ok();
                let usable = address
                    .filter(|ip| !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast());
                self.relay = Some(usable.ok_or_else(|| {
                    format!(
                        "must be the IPv4 address at which phones reach this server, not '{value}'"
                    )
                })?);
            }
            "relay-ports" => self.relay_ports = ports(value)?,
            "relay-megabytes" => self.relay_megabytes = number(value, 1, 1 << 20)?,
            "relay-minutes" => self.relay_minutes = number(value, 1, 1440)?,
            _ => return unknown(),
        }
        Ok(())
    }

    fn pairs(&self) -> Vec<(&'static str, Vec<String>)> {
        let (low, high) = self.relay_ports;
        let devices = self.devices.as_ref().map(|path| path.display());
        vec![
            ("devices", all(devices)),
            ("listen", one(self.listen)),
            ("metrics", all(self.metrics)),
            ("keep-seconds", one(self.keep_seconds)),
            ("max-callers", one(self.callers)),
            ("max-callers-of-one", one(self.callers_of_one)),
            ("relay", all(self.relay)),
            ("relay-ports", one(format!("{low}-{high}"))),
            ("relay-megabytes", one(self.relay_megabytes)),
            ("relay-minutes", one(self.relay_minutes)),
        ]
    }
}

impl RendezvousSettings {
    /// The number of ports of the relay; 0 if it is off.
    pub(super) fn relay_port_count(&self) -> u16 {
        let (low, high) = self.relay_ports;
        self.relay.map_or(0, |_| high - low + 1)
    }

    /// The settings that the protocol needs.
    pub(super) fn config(&self) -> RendezvousLimits {
        let quota = Quota {
            bytes: u64::from(self.relay_megabytes) << 20,
            time: Duration::from_millis(u64::from(self.relay_minutes) * 60_000),
        };
        RendezvousLimits {
            callers: self.callers as usize,
            callers_of_one: self.callers_of_one as usize,
            keep: Duration::from_millis(u64::from(self.keep_seconds) * 1000),
            relay: self.relay.map(|ip| {
                (
                    SocketAddrV4::new(ip, self.relay_ports.0),
                    self.relay_port_count().into(),
                    quota,
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_and_refused_with_what_would_be_right() {
        let mut settings = RendezvousSettings::default();
        assert_eq!(
            (settings.config().relay, settings.relay_port_count()),
            (None, 0)
        );
        for (key, value) in [
            ("keep-seconds", "15"),
            ("relay", "203.0.113.9"),
            ("relay-ports", "30000-30009"),
        ] {
            settings.set(key, value).unwrap();
        }
        let (first, count, quota) = settings.config().relay.unwrap();
        assert_eq!(
            (first.to_string().as_str(), count, quota.bytes),
            ("203.0.113.9:30000", 10, 256 << 20)
        );
        assert_eq!(settings.config().keep.millis(), 15_000);
        for (key, value, problem) in [
            (
                "listen",
                "[::1]:5",
                "must be ADDRESS:PORT with IPv4, for example 0.0.0.0:7042, not '[::1]:5'",
            ),
            ("keep-seconds", "7", "must be 5, 10, 15 or 20, not '7'"),
            (
                "keep-seconds",
                "30",
                "must be a number from 5 to 20, not '30'",
            ),
            (
                "relay",
                "0.0.0.0",
                "must be the IPv4 address at which phones reach this server, not '0.0.0.0'",
            ),
            (
                "relay",
                "yes",
                "must be the IPv4 address at which phones reach this server, not 'yes'",
            ),
            ("dir", "x", "is not an option of this program"),
        ] {
            assert_eq!(settings.set(key, value), Err(problem.into()));
        }
    }
}
