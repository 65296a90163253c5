//! The configuration file: `key = value` lines (board/README.md).

use core::fmt::{self, Display};
use core::net::{IpAddr, Ipv4Addr};

use crate::base::limits::{MAX_RECORDINGS, PATH_BYTES};
use crate::proto::recorder::request::Sink;
use crate::proto::recorder::Settings;
use crate::proto::recording::setup::{Device, Host, Server};
use crate::wire::g711::Law;

#[cfg(feature = "fsp")]
pub use fsp::Fsp;
#[cfg(feature = "fsp")]
pub use p2p::P2p;

#[cfg(feature = "fsp")]
mod fsp;
#[cfg(feature = "fsp")]
mod p2p;

/// The longest path of a Unix socket (`sun_path`), with its NUL.
const SOCKET_PATH_BYTES: usize = 107;

/// The effective configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are the keys of board/README.md
pub struct Config {
    pub enabled: bool,
    pub record_type: Sink,
    pub voice_codec: Law,
    /// MiB
    pub file_size_limit: u32,
    pub cover_older_recordings: bool,
    pub record_rtp_header: bool,
    pub pause_is_silence: bool,
    /// `None`: `auto`
    pub usb_mount: Option<String>,
    pub usb_require_mount: bool,
    /// MiB
    pub usb_reserve: u32,
    pub server_addr: String,
    pub server_port: u16,
    pub server_fallback: bool,
    pub message_end: MessageEnd,
    /// `None`: `auto`
    pub device_mac: Option<String>,
    pub control_socket: String,
    pub media_addr: IpAddr,
    pub media_ports: (u16, u16),
    pub max_recordings: usize,
    #[cfg(feature = "fsp")]
    pub fsp: Fsp,
}

/// What ends a control message to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MessageEnd {
    None,
    Lf,
    Crlf,
    Nul,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Counted from 1.
    pub line: usize,
    /// The key, if there is one.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            record_type: Sink::Local,
            voice_codec: Law::Mu,
            file_size_limit: 0,
            cover_older_recordings: false,
            record_rtp_header: true,
            pause_is_silence: false,
            usb_mount: None,
            usb_require_mount: true,
            usb_reserve: 1,
            server_addr: "0.0.0.0".into(),
            server_port: 10000,
            server_fallback: false,
            message_end: MessageEnd::None,
            device_mac: None,
            control_socket: "/var/run/callrec.sock".into(),
            media_addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
            media_ports: (41000, 41199),
            max_recordings: 4,
            #[cfg(feature = "fsp")]
            fsp: Fsp::default(),
        }
    }
}

impl Config {
    /// Reads a configuration's text. The first error ends it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut config = Self::default();
        each_pair(text, &[], |key, value| config.set(key, value))?;
        #[cfg(feature = "fsp")]
        if let Some((needs, key, problem)) = config.fsp.missing() {
            let line = 1 + text
                .lines()
                .position(|line| line.trim_start().starts_with(needs))
                .unwrap_or(0);
            return Err(Error {
                line,
                key: key.into(),
                problem: problem.into(),
            });
        }
        Ok(config)
    }

    /// The same with passwords and keys made unreadable, to be shown.
    #[cfg_attr(not(feature = "fsp"), allow(unused_mut))]
    pub fn without_secrets(mut self) -> Self {
        #[cfg(feature = "fsp")]
        self.fsp.hide();
        self
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "enabled" => self.enabled = switch(value)?,
            "recordType" => {
                self.record_type =
                    one_of(value, &[("local", Sink::Local), ("server", Sink::Server)])?
            }
            "voiceCodec" => {
                self.voice_codec = one_of(value, &[("PCMU", Law::Mu), ("PCMA", Law::A)])?
            }
            "fileSizeLimit" => self.file_size_limit = number(value, 0, 4095)?,
            "coverOlderRecordings" => self.cover_older_recordings = switch(value)?,
            "recordRtpHeader" => self.record_rtp_header = switch(value)?,
            "pauseMode" => {
                self.pause_is_silence = one_of(value, &[("skip", false), ("silence", true)])?
            }
            "usbMount" => {
                self.usb_mount = auto(value)
                    .map(|path| absolute(path, PATH_BYTES))
                    .transpose()?
            }
            "usbRequireMount" => self.usb_require_mount = switch(value)?,
            "usbReserve" => self.usb_reserve = number(value, 0, 1 << 20)?,
            "serverAddr" => self.server_addr = host(value)?,
            "serverPort" => self.server_port = number(value, 1, 65535)?,
            "serverFallback" => {
                self.server_fallback = one_of(value, &[("none", false), ("local", true)])?
            }
            "messageEnd" => {
                let ends = [
                    MessageEnd::None,
                    MessageEnd::Lf,
                    MessageEnd::Crlf,
                    MessageEnd::Nul,
                ];
                self.message_end = one_of(value, &ends.map(|end| (end.name(), end)))?;
            }
            "deviceMac" => self.device_mac = auto(value).map(mac).transpose()?,
            "controlSocket" => self.control_socket = absolute(value, SOCKET_PATH_BYTES)?,
            "mediaAddr" => {
                self.media_addr = value
                    .parse()
                    .map_err(|_| format!("must be an IP address, not '{value}'"))?;
            }
            "mediaPorts" => self.media_ports = ports(value)?,
            "maxRecordings" => self.max_recordings = number(value, 1, MAX_RECORDINGS as u32)?,
            #[cfg(feature = "fsp")]
            key => {
                return self
                    .fsp
                    .set(key, value)
                    .unwrap_or_else(|| Err("is an unknown key".into()))
            }
            #[cfg(not(feature = "fsp"))]
            _ => return Err("is an unknown key".into()),
        }
        Ok(())
    }

    /// The part that the recorder decides by.
    pub fn settings(&self) -> Settings {
        Settings {
            enabled: self.enabled,
            sink: self.record_type,
            law: self.voice_codec,
            limit: u64::from(self.file_size_limit) << 20,
            reserve: u64::from(self.usb_reserve) << 20,
            cover: self.cover_older_recordings,
            rtp_header: self.record_rtp_header,
            pause_is_silence: self.pause_is_silence,
            max_recordings: self.max_recordings,
            server: self.server(),
        }
    }

    /// The recording server; with `deviceMac = auto` its `device` is empty, to be filled in.
    fn server(&self) -> Option<Server> {
        let none = self
            .server_addr
            .parse()
            .is_ok_and(|address: IpAddr| address.is_unspecified());
        let mac = self.device_mac.as_deref().unwrap_or_default();
        Some(Server {
            host: Host::try_from(self.server_addr.as_str())
                .ok()
                .filter(|_| !none)?,
            port: self.server_port,
            message_end: self.message_end.bytes(),
            device: Device::try_from(mac).unwrap_or_default(),
            fallback: self.server_fallback,
        })
    }
}

impl MessageEnd {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
            Self::Nul => b"\0",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lf => "lf",
            Self::Crlf => "crlf",
            Self::Nul => "nul",
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.problem),
            key => write!(f, "line {}: {key} {}", self.line, self.problem),
        }
    }
}

/// All keys with their values, as a file that `parse` takes.
impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auto = |value: &Option<String>| value.clone().unwrap_or_else(|| "auto".into());
        writeln!(f, "enabled = {}", u8::from(self.enabled))?;
        writeln!(
            f,
            "recordType = {}",
            if self.record_type == Sink::Local {
                "local"
            } else {
                "server"
            }
        )?;
        writeln!(f, "voiceCodec = {}", self.voice_codec.name())?;
        writeln!(f, "fileSizeLimit = {}", self.file_size_limit)?;
        writeln!(
            f,
            "coverOlderRecordings = {}",
            u8::from(self.cover_older_recordings)
        )?;
        writeln!(f, "recordRtpHeader = {}", u8::from(self.record_rtp_header))?;
        writeln!(
            f,
            "pauseMode = {}",
            if self.pause_is_silence {
                "silence"
            } else {
                "skip"
            }
        )?;
        writeln!(f, "usbMount = {}", auto(&self.usb_mount))?;
        writeln!(f, "usbRequireMount = {}", u8::from(self.usb_require_mount))?;
        writeln!(f, "usbReserve = {}", self.usb_reserve)?;
        writeln!(f, "serverAddr = {}", self.server_addr)?;
        writeln!(f, "serverPort = {}", self.server_port)?;
        writeln!(
            f,
            "serverFallback = {}",
            if self.server_fallback {
                "local"
            } else {
                "none"
            }
        )?;
        writeln!(f, "messageEnd = {}", self.message_end.name())?;
        writeln!(f, "deviceMac = {}", auto(&self.device_mac))?;
        writeln!(f, "controlSocket = {}", self.control_socket)?;
        writeln!(f, "mediaAddr = {}", self.media_addr)?;
        writeln!(
            f,
            "mediaPorts = {}-{}",
            self.media_ports.0, self.media_ports.1
        )?;
        writeln!(f, "maxRecordings = {}", self.max_recordings)?;
        #[cfg(feature = "fsp")]
        self.fsp.fmt(f)?;
        Ok(())
    }
}

/// Gives each `key = value` line of a text to `set`, up to the first error. A key stands once, if it is not
/// `repeatable`.
pub(crate) fn each_pair(
    text: &str,
    repeatable: &[&str],
    mut set: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), Error> {
    let mut seen: Vec<(&str, usize)> = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let error = |key: &str, problem: String| Error {
            line: number,
            key: key.into(),
            problem,
        };
        let (key, value) = line
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
            .ok_or_else(|| error("", format!("expected 'key = value', found '{line}'")))?;
        if let Some((_, first)) = seen
            .iter()
            .find(|(known, _)| *known == key && !repeatable.contains(&key))
        {
            return Err(error(key, format!("is set already on line {first}")));
        }
        seen.push((key, number));
        set(key, value).map_err(|problem| error(key, problem))?;
    }
    Ok(())
}

pub(crate) fn switch(value: &str) -> Result<bool, String> {
    one_of(value, &[("0", false), ("1", true)])
}

pub(crate) fn one_of<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices
        .iter()
        .find(|(name, _)| *name == value)
        .map(|(_, choice)| *choice);
    found.ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("must be {}, not '{value}'", names.join(" or "))
    })
}

pub(crate) fn number<T: TryFrom<u32>>(value: &str, least: u32, most: u32) -> Result<T, String> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let number = value
        .parse()
        .ok()
        .filter(|number| digits && (least..=most).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("must be a number from {least} to {most}, not '{value}'"))
}

fn auto(value: &str) -> Option<&str> {
    (value != "auto").then_some(value)
}

fn absolute(path: &str, most: usize) -> Result<String, String> {
    match path.starts_with('/') {
        true if path.len() <= most => Ok(path.into()),
        true => Err(format!("must be at most {most} bytes long")),
        false => Err(format!("must be an absolute path, not '{path}'")),
    }
}

fn host(value: &str) -> Result<String, String> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b".-:_".contains(&b);
    match !value.is_empty() && value.len() <= 253 && value.bytes().all(known) {
        true => Ok(value.into()),
        false => Err(format!(
            "must be an IP address or a host name, not '{value}'"
        )),
    }
}

fn mac(value: &str) -> Result<String, String> {
    match value.len() == 12
        && value
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        true => Ok(value.into()),
        false => Err(format!(
            "must be auto or 12 lower-case hex digits, not '{value}'"
        )),
    }
}

pub(crate) fn ports(value: &str) -> Result<(u16, u16), String> {
    let range = value.split_once('-').and_then(|(low, high)| {
        Some((
            number(low.trim(), 1, 65535).ok()?,
            number(high.trim(), 1, 65535).ok()?,
        ))
    });
    match range {
        Some((low, high)) if low <= high => Ok((low, high)),
        _ => Err(format!(
            "must be LOW-HIGH with ports from 1 to 65535, not '{value}'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        let text = "voiceCodec=PCMA # comment\n\n# all\n usbMount = /mnt/usb\nmediaPorts = 5000 - 5010\nusbReserve=3\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(
            (config.voice_codec, config.usb_mount.as_deref()),
            (Law::A, Some("/mnt/usb"))
        );
        assert_eq!(config.media_ports, (5000, 5010));
        assert_eq!(Config::parse(&config.to_string()), Ok(config));
        assert_eq!(
            Config::parse(&Config::default().to_string()),
            Ok(Config::default())
        );
    }

    #[test]
    fn errors_name_line_and_key() {
        for (text, message) in [
            (
                "enabled = 1\nvoicecodec = PCMU",
                "line 2: voicecodec is an unknown key",
            ),
            ("enabled = yes", "line 1: enabled must be 0 or 1, not 'yes'"),
            (
                "\n\nenabled",
                "line 3: expected 'key = value', found 'enabled'",
            ),
            (
                "enabled=1\nenabled=1",
                "line 2: enabled is set already on line 1",
            ),
            (
                "maxRecordings = 0",
                "line 1: maxRecordings must be a number from 1 to 4096, not '0'",
            ),
            (
                "fileSizeLimit = -1",
                "line 1: fileSizeLimit must be a number from 0 to 4095, not '-1'",
            ),
            (
                "serverPort = +5",
                "line 1: serverPort must be a number from 1 to 65535, not '+5'",
            ),
            (
                "usbMount = mnt",
                "line 1: usbMount must be an absolute path, not 'mnt'",
            ),
            (
                "deviceMac = 00:11",
                "line 1: deviceMac must be auto or 12 lower-case hex digits, not '00:11'",
            ),
            (
                "mediaPorts = 9-8",
                "line 1: mediaPorts must be LOW-HIGH with ports from 1 to 65535, not '9-8'",
            ),
            (
                "voiceCodec =",
                "line 1: voiceCodec must be PCMU or PCMA, not ''",
            ),
        ] {
            assert_eq!(Config::parse(text).unwrap_err().to_string(), message);
        }
    }
}
