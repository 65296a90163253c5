//! The configuration of the daemon (board/README.md): `Config::parse` reads a file, `Display`
//! writes one.
//!
//! `pairs` is the syntax of the file, `values` are parsers of values; `fsp`, `rendezvous`,
//! `intercom` and `cloud` have the keys of services that not all builds have.

use core::net::{IpAddr, Ipv4Addr};

use crate::base::limits::{FRAME, MAX_MINUTES, MAX_RECORDINGS, PATH_BYTES};
use crate::proto::recorder::request::Sink;
use crate::proto::recorder::Settings;
use crate::proto::recording::setup::{Device, Host, ServerSettings};
use crate::wire::g711::Law;

#[cfg(feature = "cloud")]
mod cloud;
#[cfg(feature = "cloud")]
mod cloud_urls;
#[cfg(feature = "fsp")]
mod fsp;
#[cfg(feature = "intercom")]
mod intercom;
mod message_end;
mod pairs;
mod printed;
#[cfg(feature = "fsp")]
mod rendezvous;
mod values;

#[cfg(feature = "cloud")]
pub use cloud::CloudConfig;
#[cfg(feature = "cloud")]
pub use cloud_urls::BaseUrl;
#[cfg(feature = "fsp")]
pub use fsp::FspConfig;
#[cfg(feature = "intercom")]
pub use intercom::IntercomConfig;
pub use message_end::MessageEnd;
pub use pairs::Error;
#[cfg(feature = "fsp")]
pub use rendezvous::RendezvousConfig;

#[cfg(any(feature = "server", feature = "box"))]
pub(crate) use {pairs::each_pair, values::number, values::one_of};

#[cfg(not(any(feature = "server", feature = "box")))]
use {pairs::each_pair, values::number, values::one_of};

#[cfg(feature = "box")]
pub(crate) use values::{absolute, host};

#[cfg(not(feature = "box"))]
use values::{absolute, host};

#[cfg(feature = "server")]
pub(crate) use values::ports;

#[cfg(not(feature = "server"))]
use values::ports;

use values::{auto, ip_address, mac, switch};

/// The longest path of a Unix socket: `sun_path` without its NUL.
const SOCKET_PATH_BYTES: usize = 107;
const UNKNOWN_KEY: &str = "is an unknown key";

/// The effective configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are the keys of board/README.md
pub struct Config {
    pub enabled: bool,
    pub record_type: Sink,
    pub voice_codec: Law,
    /// `voiceCodec` names a codec of the provisioning templates that recordings are not made with.
    pub codec_replaced: bool,
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
    /// 0: no limit
    pub max_minutes: u32,
    /// 0: no limit
    pub idle_minutes: u32,
    pub stick_player: bool,
    #[cfg(feature = "fsp")]
    pub fsp: FspConfig,
    #[cfg(feature = "intercom")]
    pub intercom: IntercomConfig,
    #[cfg(feature = "cloud")]
    pub cloud: CloudConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            record_type: Sink::Local,
            voice_codec: Law::Mu,
            codec_replaced: false,
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
            max_minutes: 0,
            idle_minutes: 60,
            stick_player: true,
            #[cfg(feature = "fsp")]
            fsp: FspConfig::default(),
            #[cfg(feature = "intercom")]
            intercom: IntercomConfig::default(),
            #[cfg(feature = "cloud")]
            cloud: CloudConfig::default(),
        }
    }
}

impl Config {
    /// Parses the text of a file, up to the first error.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut config = Self::default();
        each_pair(text, &["cloudRelay"], |key, value| config.set(key, value))?;
        #[cfg(feature = "fsp")]
        if let Some(missing) = config.fsp.missing() {
            return Err(missing.error(text));
        }
        #[cfg(feature = "intercom")]
        if let Some(missing) = config.intercom.missing() {
            return Err(missing.error(text));
        }
        #[cfg(feature = "cloud")]
        if let Some(missing) = config.cloud.missing() {
            return Err(missing.error(text));
        }
        Ok(config)
    }

    /// What the phone does otherwise than the file says; a person should know.
    pub fn warning(&self) -> Option<&'static str> {
        self.codec_replaced
            .then_some("voiceCodec: G729 is not recorded, PCMU is used instead")
    }

    /// The same with passwords and keys made unreadable, for printing.
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
            "voiceCodec" if value == "G729" => self.codec_replaced = true,
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
            "mediaAddr" => self.media_addr = ip_address(value)?,
            "mediaPorts" => self.media_ports = ports(value)?,
            "maxRecordings" => self.max_recordings = number(value, 1, MAX_RECORDINGS as u32)?,
            "tapInterface" => one_of(value, &[("none", ())]).map_err(|problem| {
                format!("{problem}: this version takes no legs from a network")
            })?,
            "maxMinutes" => self.max_minutes = number(value, 0, MAX_MINUTES)?,
            "idleMinutes" => self.idle_minutes = number(value, 0, MAX_MINUTES)?,
            "stickPlayer" => self.stick_player = switch(value)?,
            #[cfg(any(feature = "fsp", feature = "intercom"))]
            key => return self.set_service(key, value),
            #[cfg(not(any(feature = "fsp", feature = "intercom")))]
            _ => return Err(UNKNOWN_KEY.into()),
        }
        Ok(())
    }

    /// The keys of services that not all builds have.
    #[cfg(any(feature = "fsp", feature = "intercom"))]
    fn set_service(&mut self, key: &str, value: &str) -> Result<(), String> {
        #[cfg(feature = "intercom")]
        if self.intercom.set(key, value)? {
            return Ok(());
        }
        #[cfg(feature = "cloud")]
        if self.cloud.set(key, value)? {
            return Ok(());
        }
        #[cfg(feature = "fsp")]
        if let Some(outcome) = self.fsp.set(key, value) {
            return outcome;
        }
        Err(UNKNOWN_KEY.into())
    }

    /// The recorder's part of the configuration. With `deviceMac = auto`, its `device` is empty, and
    /// the caller fills it in.
    pub fn settings(&self) -> Settings {
        let mac = self.device_mac.as_deref().unwrap_or_default();
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
            max_frames: frames(self.max_minutes),
            idle_frames: frames(self.idle_minutes),
            device: Device::try_from(mac).unwrap_or_default(),
            server: self.server(),
        }
    }

    /// The recording server, if there is one.
    fn server(&self) -> Option<ServerSettings> {
        // 0.0.0.0, the default, means that there is no server.
        let address = self.server_addr.parse();
        if address.is_ok_and(|address: IpAddr| address.is_unspecified()) {
            return None;
        }
        Some(ServerSettings {
            host: Host::try_from(self.server_addr.as_str()).ok()?,
            port: self.server_port,
            message_end: self.message_end.bytes(),
            fallback: self.server_fallback,
        })
    }
}

/// The frames of so many minutes.
fn frames(minutes: u32) -> u64 {
    u64::from(minutes) * 60_000 / FRAME.millis()
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
    fn a_codec_of_provisioning_is_replaced_and_told() {
        let config = Config::parse("voiceCodec = G729").unwrap();
        assert_eq!(config.voice_codec, Law::Mu);
        assert!(config.warning().unwrap().starts_with("voiceCodec"));
        assert!(config.to_string().contains("voiceCodec = PCMU\n"));
        assert_eq!(Config::parse("voiceCodec = PCMA").unwrap().warning(), None);
        assert!(Config::parse("voiceCodec = G723").is_err());
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
                "tapInterface = auto",
                "line 1: tapInterface must be none, not 'auto': this version takes no legs from a network",
            ),
            (
                "serverAddr = 10.0.0.1:10000",
                "line 1: serverAddr must be an IP address or a host name, without a port, not '10.0.0.1:10000'",
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
