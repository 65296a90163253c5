//! The configuration as a file.

use core::fmt::{self, Display};

use crate::config::pairs::write_pairs;
use crate::config::Config;
use crate::proto::recorder::request::Sink;

/// All keys with their values, as a file that `parse` accepts.
impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auto = |value: &Option<String>| value.clone().unwrap_or_else(|| "auto".into());
        let (low, high) = self.media_ports;
        let media_ports = format!("{low}-{high}");
        let pairs: [(&str, &dyn Display); 23] = [
            ("enabled", &u8::from(self.enabled)),
            ("recordType", &sink_name(self.record_type)),
            ("voiceCodec", &self.voice_codec.name()),
            ("fileSizeLimit", &self.file_size_limit),
            (
                "coverOlderRecordings",
                &u8::from(self.cover_older_recordings),
            ),
            ("recordRtpHeader", &u8::from(self.record_rtp_header)),
            ("pauseMode", &pause_name(self.pause_is_silence)),
            ("usbMount", &auto(&self.usb_mount)),
            ("usbRequireMount", &u8::from(self.usb_require_mount)),
            ("usbReserve", &self.usb_reserve),
            ("serverAddr", &self.server_addr),
            ("serverPort", &self.server_port),
            ("serverFallback", &fallback_name(self.server_fallback)),
            ("messageEnd", &self.message_end.name()),
            ("deviceMac", &auto(&self.device_mac)),
            ("controlSocket", &self.control_socket),
            ("mediaAddr", &self.media_addr),
            ("mediaPorts", &media_ports),
            ("maxRecordings", &self.max_recordings),
            ("maxMinutes", &self.max_minutes),
            ("idleMinutes", &self.idle_minutes),
            ("tapInterface", &"none"),
            ("stickPlayer", &u8::from(self.stick_player)),
        ];
        write_pairs(f, &pairs)?;
        #[cfg(feature = "fsp")]
        self.fsp.fmt(f)?;
        #[cfg(feature = "intercom")]
        self.intercom.fmt(f)?;
        #[cfg(feature = "cloud")]
        self.cloud.fmt(f)?;
        Ok(())
    }
}

fn sink_name(sink: Sink) -> &'static str {
    match sink {
        Sink::Local => "local",
        Sink::Server => "server",
    }
}

fn pause_name(is_silence: bool) -> &'static str {
    if is_silence {
        "silence"
    } else {
        "skip"
    }
}

fn fallback_name(is_local: bool) -> &'static str {
    if is_local {
        "local"
    } else {
        "none"
    }
}
