//! The lines that the devices print. Each is flushed at once, because tests and scripts wait for
//! them.

use crate::cli::console::{harmless, print};
use crate::wire::intercom::Message;

/// Prints a line. A reader that has gone away does not end the device.
pub(super) fn say(line: &str) {
    let _ = print(&format!("{line}\n"));
}

/// A text from the network, harmless for a terminal.
pub(super) fn shown(text: &[u8]) -> String {
    harmless(&String::from_utf8_lossy(text))
}

/// A reason from the network. Deployed peers often send none.
pub(super) fn reason_shown(reason: &[u8]) -> String {
    if reason.is_empty() {
        return "undefined".into();
    }
    shown(reason)
}

/// Prints a line if the message is about an alarm.
pub(super) fn say_alarm(message: &Message) {
    match message {
        Message::Emergency {
            alarm,
            port,
            name,
            message: words,
        } => say(&format!(
            "alarm port={port} name={} message={} alarm={}",
            shown(name),
            shown(words),
            shown(alarm)
        )),
        Message::SeczoneClear { port, reason, .. } => say(&format!(
            "alarm_cleared port={port} reason={}",
            reason_shown(reason)
        )),
        _ => {}
    }
}
