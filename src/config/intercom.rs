//! The keys of the building intercom: `intercom...`, `box...`, and the ports of streams.

use core::fmt::{self, Display};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::limits::PATH_BYTES;
use crate::base::time::Duration;
use crate::config::pairs::{write_pairs, MissingKey};
use crate::config::values::{absolute, number, one_of, switch};
use crate::proto::intercom::endpoint::settings::{Role, Settings};
use crate::wire::intercom::{text, Token};

/// The longest id.
const ID_BYTES: usize = 64;
/// A day: longer than any call.
const MAX_SECONDS: u32 = 86_400;

/// The configuration of the intercom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are keys of board/README.md
pub struct IntercomConfig {
    /// `None`: the phone is no intercom device.
    pub role: Option<Role>,
    /// Not empty if there is a role.
    pub id: String,
    pub addr: IpAddr,
    pub port: u16,
    /// `None`: none; a screen has one.
    pub box_addr: Option<IpAddr>,
    pub box_port: u16,
    pub box_token_file: String,
    pub stream_port: u16,
    pub box_stream_port: u16,
    pub central_port: u16,
    /// Seconds, as all of these four.
    pub keep: u32,
    pub keep_timeout: u32,
    pub ring_timeout: u32,
    /// 0: no limit
    pub max_call: u32,
    pub early_video: bool,
    pub open_early: bool,
    pub record: bool,
    /// The folder of the call log.
    pub state: String,
}

impl Default for IntercomConfig {
    fn default() -> Self {
        Self {
            role: None,
            id: String::new(),
            addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 7895,
            box_addr: None,
            box_port: 7891,
            box_token_file: "/etc/callrec.token".into(),
            stream_port: 954,
            box_stream_port: 954,
            central_port: 7894,
            keep: 3,
            keep_timeout: 10,
            ring_timeout: 65,
            max_call: 300,
            early_video: true,
            open_early: false,
            record: true,
            state: "/var/lib/callrec".into(),
        }
    }
}

/// The roles, as they are written.
const ROLES: [(&str, Option<Role>); 4] = [
    ("none", None),
    ("screen", Some(Role::Screen)),
    ("door", Some(Role::Door)),
    ("property", Some(Role::Property)),
];

impl IntercomConfig {
    /// Sets a key; `false` if it is not one of these keys.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let port = |value: &str| number(value, 1, 65_535);
        match key {
            "intercomRole" => self.role = one_of(value, &ROLES)?,
            "intercomId" => self.id = id(value)?,
            "intercomAddr" => self.addr = address(value)?,
            "intercomPort" => self.port = port(value)?,
            "boxAddr" if value == "none" => self.box_addr = None,
            "boxAddr" => self.box_addr = Some(address(value)?),
            "boxPort" => self.box_port = port(value)?,
            "boxTokenFile" => self.box_token_file = absolute(value, PATH_BYTES)?,
            "streamPort" => self.stream_port = port(value)?,
            "boxStreamPort" => self.box_stream_port = port(value)?,
            "centralPort" => self.central_port = port(value)?,
            "intercomKeep" => self.keep = number(value, 1, 60)?,
            "intercomKeepTimeout" => self.keep_timeout = number(value, 1, 600)?,
            "intercomRingTimeout" => self.ring_timeout = number(value, 1, 600)?,
            "intercomMaxCall" => self.max_call = number(value, 0, MAX_SECONDS)?,
            "intercomEarlyVideo" => self.early_video = switch(value)?,
            "intercomOpenEarly" => self.open_early = switch(value)?,
            "intercomRecord" => self.record = switch(value)?,
            "intercomState" => self.state = absolute(value, PATH_BYTES)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The first key that is missing.
    pub(super) fn missing(&self) -> Option<MissingKey> {
        let role = self.role?;
        let (needed_by, key, problem) = if self.id.is_empty() {
            let problem = "must be set when intercomRole is: the device's own id, such as 2-1-201";
            ("intercomRole", "intercomId", problem)
        } else if role == Role::Screen && self.box_addr.is_none() {
            let problem = "must be set for a screen: the address of the home's box";
            ("intercomRole", "boxAddr", problem)
        } else if self.keep_timeout <= self.keep {
            let problem = "must be longer than intercomKeep: one message may come late";
            ("intercomKeep", "intercomKeepTimeout", problem)
        } else {
            return None;
        };
        Some(MissingKey {
            needed_by,
            key,
            problem,
        })
    }

    /// The phone is a door unit.
    pub fn is_door(&self) -> bool {
        self.role == Some(Role::Door)
    }

    /// The endpoint's part of the configuration; `None` without a role.
    pub fn settings(&self) -> Option<Settings> {
        let seconds = |seconds: u32| Duration::from_millis(u64::from(seconds) * 1000);
        let box_addr = self.box_addr.map(|ip| SocketAddr::new(ip, self.box_port));
        Some(Settings {
            role: self.role?,
            id: text(&self.id),
            addr: self.addr,
            port: self.port,
            box_addr,
            stream_port: self.stream_port,
            box_stream_port: self.box_stream_port,
            central_port: self.central_port,
            keep: seconds(self.keep),
            keep_timeout: seconds(self.keep_timeout),
            ring_timeout: seconds(self.ring_timeout),
            max_call: seconds(self.max_call),
            early_video: self.early_video,
            open_early: self.open_early,
            token: Token::new(),
        })
    }
}

/// An address; the intercom's messages and networks have IPv4 only.
fn address(value: &str) -> Result<IpAddr, String> {
    let address = value.parse::<Ipv4Addr>();
    address
        .map(IpAddr::V4)
        .map_err(|_| format!("must be an IPv4 address, not '{value}'"))
}

/// An id, as messages and events carry it.
fn id(value: &str) -> Result<String, String> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && (1..=ID_BYTES).contains(&value.len()) {
        Ok(value.into())
    } else {
        Err(format!(
            "must be 1 to {ID_BYTES} characters without blanks, not '{value}'"
        ))
    }
}

impl Display for IntercomConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = ROLES.iter().find(|(_, role)| *role == self.role);
        let role = role.map_or("none", |(name, _)| name);
        writeln!(f, "intercomRole = {role}")?;
        if !self.id.is_empty() {
            writeln!(f, "intercomId = {}", self.id)?;
        }
        let box_addr: &dyn Display = match &self.box_addr {
            Some(addr) => addr,
            None => &"none",
        };
        let pairs: [(&str, &dyn Display); 16] = [
            ("intercomAddr", &self.addr),
            ("intercomPort", &self.port),
            ("boxAddr", box_addr),
            ("boxPort", &self.box_port),
            ("boxTokenFile", &self.box_token_file),
            ("streamPort", &self.stream_port),
            ("boxStreamPort", &self.box_stream_port),
            ("centralPort", &self.central_port),
            ("intercomKeep", &self.keep),
            ("intercomKeepTimeout", &self.keep_timeout),
            ("intercomRingTimeout", &self.ring_timeout),
            ("intercomMaxCall", &self.max_call),
            ("intercomEarlyVideo", &u8::from(self.early_video)),
            ("intercomOpenEarly", &u8::from(self.open_early)),
            ("intercomRecord", &u8::from(self.record)),
            ("intercomState", &self.state),
        ];
        write_pairs(f, &pairs)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::proto::intercom::endpoint::settings::Role;

    const SCREEN: &str = "intercomRole = screen\nintercomId = 2-1-201\nboxAddr = 192.168.1.22\n";

    #[test]
    fn keys_are_read_and_printed() {
        let text = format!(
            "{SCREEN}boxPort = 7000\nintercomMaxCall = 0\nintercomKeep=1\nintercomKeepTimeout=5\n\
             intercomRecord = 0\nintercomState = /tmp/calls\nstreamPort = 9540\n"
        );
        let config = Config::parse(&text).unwrap();
        assert_eq!(Config::parse(&config.to_string()), Ok(config.clone()));
        let settings = config.intercom.settings().unwrap();
        assert_eq!(settings.role, Role::Screen);
        assert_eq!(settings.box_addr, "192.168.1.22:7000".parse().ok());
        assert_eq!(
            (settings.keep.millis(), settings.max_call.millis()),
            (1000, 0)
        );
        assert_eq!(settings.stream_port, 9540);
        assert_eq!(Config::default().intercom.settings(), None);
    }

    #[test]
    fn errors_name_the_key() {
        for (text, message) in [
            (
                "intercomRole = box",
                "line 1: intercomRole must be none or screen or door or property, not 'box'",
            ),
            (
                "\nintercomRole = door",
                "line 2: intercomId must be set when intercomRole is: the device's own id, such as 2-1-201",
            ),
            (
                "intercomRole = screen\nintercomId = 2-1-201",
                "line 1: boxAddr must be set for a screen: the address of the home's box",
            ),
            (
                "intercomId = a b",
                "line 1: intercomId must be 1 to 64 characters without blanks, not 'a b'",
            ),
            (
                "boxAddr = box",
                "line 1: boxAddr must be an IPv4 address, not 'box'",
            ),
            (
                "boxAddr = fd00::1",
                "line 1: boxAddr must be an IPv4 address, not 'fd00::1'",
            ),
            (
                "intercomAddr = ::",
                "line 1: intercomAddr must be an IPv4 address, not '::'",
            ),
            (
                "intercomKeep = 0",
                "line 1: intercomKeep must be a number from 1 to 60, not '0'",
            ),
            (
                "intercomRole=door\nintercomId=d\nintercomKeep = 20",
                "line 3: intercomKeepTimeout must be longer than intercomKeep: one message may come late",
            ),
            (
                "intercomState = calls",
                "line 1: intercomState must be an absolute path, not 'calls'",
            ),
        ] {
            assert_eq!(Config::parse(text).unwrap_err().to_string(), message);
        }
    }
}
