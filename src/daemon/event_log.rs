//! The log line of each event: what subscribers are told stands in the log, too.

use log::{log, Level};

use crate::proto::recorder::reason::LossyText;
use crate::wire::control::Message;

/// Logs an event: `recording id=17 state=stopped frames=500 ...`. Players are not logged: somebody
/// listens to them.
pub(super) fn log(event: &[u8]) {
    let Ok(message) = Message::parse(event) else {
        return;
    };
    let subject = match message.name() {
        "RecordEvent" => "recording",
        "StickEvent" => "stick",
        #[cfg(feature = "intercom")]
        "CallEvent" => "call",
        #[cfg(feature = "intercom")]
        "DoorEvent" => "door",
        #[cfg(feature = "intercom")]
        "BoxEvent" => "box",
        #[cfg(feature = "intercom")]
        "AlarmEvent" => "alarm",
        #[cfg(feature = "cloud")]
        "CloudEvent" => "cloud",
        _ => return,
    };
    let rest = event.splitn(2, |byte| *byte == b'&').nth(1);
    let level = level(message.raw("state").unwrap_or_default());
    log!(level, "{subject}: {}", Pairs(rest.unwrap_or_default()));
}

/// Nobody hears what these states mean unless he is told.
fn level(state: &[u8]) -> Level {
    let is_bad: [&[u8]; 5] = [
        b"failed",
        b"unintelligible",
        b"no-audio",
        b"removed",
        b"full",
    ];
    if is_bad.contains(&state) {
        Level::Warn
    } else {
        Level::Info
    }
}

/// The pairs of a message, with blanks between them; the values stay escaped.
struct Pairs<'a>(&'a [u8]);

impl core::fmt::Display for Pairs<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (number, pair) in self.0.split(|byte| *byte == b'&').enumerate() {
            f.write_str(if number > 0 { " " } else { "" })?;
            LossyText(pair).fmt(f)?;
        }
        Ok(())
    }
}
