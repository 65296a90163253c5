//! Events as lines of the control socket, and of the program's log.

use log::info;

use crate::base::limits::MESSAGE_BYTES;
use crate::proto::intercom::home_box::output::BoxEvent;
use crate::proto::intercom::home_box::HomeBox;
use crate::proto::intercom::relay::{Relay, RelayEvent};
use crate::wire::control::Writer;

/// The line of an event.
pub(super) fn event_line(event: &BoxEvent) -> String {
    let mut buffer = [0; MESSAGE_BYTES];
    let len = match event {
        BoxEvent::Call { .. } => call_line(event, &mut buffer),
        BoxEvent::Join {
            state,
            device,
            device_type,
            address,
            reason,
        } => Writer::new(&mut buffer, "JoinEvent")
            .pair("state", state)
            .bytes("device", device)
            .pair("type", device_type)
            .pair("addr", address)
            .bytes("reason", reason)
            .finish(),
        BoxEvent::Door {
            sid,
            state,
            door,
            by,
        } => Writer::new(&mut buffer, "DoorEvent")
            .bytes("sid", sid)
            .pair("state", state)
            .pair("door", door)
            .bytes("by", by)
            .finish(),
        BoxEvent::Alarm {
            alarm,
            state,
            port,
            name,
            message,
            by,
        } => Writer::new(&mut buffer, "AlarmEvent")
            .bytes("alarm", alarm)
            .pair("state", state)
            .pair("port", port)
            .bytes("name", name)
            .bytes("message", message)
            .bytes("by", by)
            .finish(),
    };
    String::from_utf8_lossy(&buffer[..len.unwrap_or(0)]).into_owned()
}

fn call_line(event: &BoxEvent, buffer: &mut [u8]) -> Option<usize> {
    let BoxEvent::Call {
        sid,
        state,
        direction,
        peer,
        peer_type,
        reason,
        by,
        left_ms,
    } = event
    else {
        return None;
    };
    let mut writer = Writer::new(buffer, "CallEvent");
    writer
        .bytes("sid", sid)
        .pair("state", state)
        .pair("direction", direction)
        .bytes("peer", peer)
        .pair("peer_type", peer_type)
        .bytes("reason", reason)
        .bytes("by", by);
    if let Some(left_ms) = left_ms {
        writer.pair("left_ms", left_ms);
    }
    writer.finish()
}

/// The line of an event of a stream.
pub(super) fn stream_line(event: &RelayEvent) -> String {
    let mut buffer = [0; MESSAGE_BYTES];
    let len = Writer::new(&mut buffer, "StreamEvent")
        .pair("state", event.state)
        .bytes("id", &event.id)
        .pair("side", event.side)
        .pair("codec", event.codec)
        .finish();
    String::from_utf8_lossy(&buffer[..len.unwrap_or(0)]).into_owned()
}

/// What is now, for a client that subscribes.
pub(super) fn present_lines(router: &HomeBox, relay: &Relay) -> Vec<String> {
    let events = router.present().map(|event| event_line(&event));
    let streams = relay.present().map(|event| stream_line(&event));
    let lines = events.chain(streams);
    lines.map(|line| format!("{line}&now=1")).collect()
}

/// One line of the log for each event: `CallEvent` becomes `call:`.
pub(super) fn log_event(line: &str) {
    let line = line.strip_prefix("cmd=").unwrap_or(line);
    let (name, rest) = line.split_once('&').unwrap_or((line, ""));
    let name = name.strip_suffix("Event").unwrap_or(name);
    info!("{}: {}", name.to_lowercase(), rest.replace('&', " "));
}
