//! Events, states and log entries as lines of the control socket.

use crate::proto::intercom::endpoint::output::{
    AlarmState, BoxState, CallInfo, CallState, Closed, CloudState, Direction, DoorState, Event,
    Outcome,
};
use crate::proto::intercom::endpoint::status::Status;
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::control::Writer;

/// The reasons that this version knows; any other is shown as `undefined`.
const REASONS: [&str; 31] = [
    "undefined",
    "line_busy",
    "call_denied",
    "app_offline",
    "declined",
    "no_answer",
    "cancelled",
    "unreachable",
    "lost",
    "timeout",
    "answered_elsewhere",
    "bad_request",
    "unauthorised",
    "max_duration",
    "hangup",
    "replaced",
    "cleared",
    "acked",
    "no_app",
    "",
    // Of calls through the cloud.
    "busy",
    "callee-offline",
    "caller-offline",
    "cloud-error",
    "cloud-timeout",
    "glare",
    "sid-in-use",
    "transport-failed",
    "transport-not-available",
    "unknown-device",
    "unknown-id",
];

/// Writes an event; returns its length, or `None` if it does not fit.
/// `recording` is the file of its call's recording, empty if there is none.
pub fn write_event(event: &Event, recording: &[u8], buffer: &mut [u8]) -> Option<usize> {
    match event {
        Event::Call(state, info, urls) => write_call(*state, info, (urls, recording), buffer),
        Event::Closed(closed) => {
            let mut writer = Writer::new(buffer, "CallEvent");
            let state = match closed.outcome {
                Outcome::Missed => "missed",
                Outcome::Failed => "failed",
                _ => "ended",
            };
            writer.bytes("sid", &closed.info.sid).pair("state", state);
            write_peer(&mut writer, &closed.info);
            writer.pair("reason", shown(&closed.reason));
            writer.pair("duration_ms", closed.duration_ms);
            write_given(&mut writer, "recording", recording);
            writer.finish()
        }
        Event::Door(state, sid, door, by, reason) => {
            let mut writer = Writer::new(buffer, "DoorEvent");
            writer
                .bytes("sid", sid)
                .pair("state", door_word(*state))
                .pair("door", door);
            write_given(&mut writer, "by", by);
            // The door's own words: they need not be reasons of a call.
            write_given(&mut writer, "reason", reason);
            writer.finish()
        }
        Event::Box(state, room_id, reason) => {
            let mut writer = Writer::new(buffer, "BoxEvent");
            writer.pair("state", box_word(*state));
            write_given(&mut writer, "room_id", room_id);
            if !reason.is_empty() {
                writer.pair("reason", shown(reason));
            }
            writer.finish()
        }
        Event::Alarm(state, alarm, by) => {
            let mut writer = Writer::new(buffer, "AlarmEvent");
            writer
                .bytes("alarm", &alarm.id)
                .pair("state", alarm_word(*state));
            writer.pair("port", alarm.port).bytes("name", &alarm.name);
            write_given(&mut writer, "message", &alarm.message);
            write_given(&mut writer, "by", by);
            writer.finish()
        }
        Event::Cloud(state) => {
            let mut writer = Writer::new(buffer, "CloudEvent");
            writer.pair("state", cloud_word(*state));
            writer.finish()
        }
    }
}

/// The same as what is now, for a program that subscribes.
pub fn write_present(event: &Event, recording: &[u8], buffer: &mut [u8]) -> Option<usize> {
    const NOW: &[u8] = b"&now=1";
    let len = write_event(event, recording, buffer)?;
    buffer.get_mut(len..len + NOW.len())?.copy_from_slice(NOW);
    Some(len + NOW.len())
}

fn write_call(
    state: CallState,
    info: &CallInfo,
    (urls, recording): (&Urls, &[u8]),
    buffer: &mut [u8],
) -> Option<usize> {
    let mut writer = Writer::new(buffer, "CallEvent");
    writer
        .bytes("sid", &info.sid)
        .pair("state", state_word(state));
    write_peer(&mut writer, info);
    if let CallState::Ending(left_ms) = state {
        writer.pair("left_ms", left_ms);
    }
    write_urls(&mut writer, urls);
    write_given(&mut writer, "recording", recording);
    writer.finish()
}

/// Adds the URLs that there are.
pub fn write_urls(writer: &mut Writer, urls: &Urls) {
    write_given(writer, "play_video", &urls.play_video);
    write_given(writer, "play_audio", &urls.play_audio);
    write_given(writer, "publish_audio", &urls.publish_audio);
    write_given(writer, "publish_video", &urls.publish_video);
}

/// Writes the line of a running call.
pub fn write_status(status: &Status, buffer: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::new(buffer, "CallStatus");
    let info = &status.info;
    writer
        .bytes("sid", &info.sid)
        .pair("state", state_word(status.state));
    write_peer(&mut writer, info);
    writer.pair("since_ms", status.since_ms);
    writer.finish()
}

/// Writes the line of a call in the log; `time` is when it began.
pub fn write_log(
    closed: &Closed,
    time: impl core::fmt::Display,
    recording: &[u8],
    buffer: &mut [u8],
) -> Option<usize> {
    let mut writer = Writer::new(buffer, "CallLog");
    writer.bytes("sid", &closed.info.sid).pair("time", time);
    write_peer(&mut writer, &closed.info);
    writer.pair("state", outcome_word(closed.outcome));
    writer.pair("reason", shown(&closed.reason));
    writer.pair("duration_ms", closed.duration_ms);
    write_given(&mut writer, "by", &closed.by);
    writer.pair("opened", closed.opened);
    write_given(&mut writer, "recording", recording);
    writer.finish()
}

fn write_peer(writer: &mut Writer, info: &CallInfo) {
    let direction = match info.direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    writer
        .pair("direction", direction)
        .bytes("peer", &info.peer);
    if info.via_cloud {
        writer.pair("via", "cloud");
    } else {
        writer.pair("peer_type", info.peer_type);
    }
}

fn write_given(writer: &mut Writer, key: &str, value: &[u8]) {
    if !value.is_empty() {
        writer.bytes(key, value);
    }
}

/// A reason that programs know.
pub fn shown(reason: &[u8]) -> &'static str {
    let known = REASONS.iter().find(|known| known.as_bytes() == reason);
    known.copied().unwrap_or("undefined")
}

fn state_word(state: CallState) -> &'static str {
    match state {
        CallState::Calling => "calling",
        CallState::Ringing => "ringing",
        CallState::Incoming => "incoming",
        CallState::Talking => "talking",
        CallState::Waiting => "waiting",
        CallState::Ending(_) => "ending",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Missed => "missed",
        Outcome::Rejected => "rejected",
        Outcome::Unanswered => "unanswered",
        Outcome::Busy => "busy",
        Outcome::Failed => "failed",
    }
}

/// The word of `CloudEvent`.
pub fn cloud_word(state: CloudState) -> &'static str {
    match state {
        CloudState::Online => "online",
        CloudState::Lost => "lost",
        CloudState::Refused => "refused",
        CloudState::Replaced => "replaced",
    }
}

fn door_word(state: DoorState) -> &'static str {
    match state {
        DoorState::Requested => "requested",
        DoorState::Opened => "opened",
        DoorState::Refused => "refused",
        DoorState::Unknown => "unknown",
    }
}

fn box_word(state: BoxState) -> &'static str {
    match state {
        BoxState::Joined => "joined",
        BoxState::Refused => "refused",
        BoxState::Replaced => "replaced",
        BoxState::Lost => "lost",
    }
}

fn alarm_word(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Raised => "raised",
        AlarmState::Cleared => "cleared",
        AlarmState::Acked => "acked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;
    use crate::wire::intercom::{text, Id, Reason};

    fn closed(reason: &str) -> Closed {
        Closed {
            info: CallInfo {
                sid: text("9f3c61d2a07be845"),
                direction: Direction::In,
                peer: text("2-1-1"),
                peer_type: 3,
                via_cloud: false,
            },
            outcome: Outcome::Missed,
            reason: text(reason),
            began_at: Instant::default(),
            duration_ms: 0,
            by: Id::new(),
            opened: 0,
        }
    }

    fn line(event: &Event) -> String {
        let mut buffer = [0; 4096];
        let len = write_event(event, b"", &mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn an_unknown_reason_is_shown_as_undefined() {
        let lines = ["timeout", "coffee"].map(|reason| line(&Event::Closed(closed(reason))));
        let start =
            "cmd=CallEvent&sid=9f3c61d2a07be845&state=missed&direction=in&peer=2-1-1&peer_type=3";
        assert_eq!(lines[0], format!("{start}&reason=timeout&duration_ms=0"));
        assert_eq!(lines[1], format!("{start}&reason=undefined&duration_ms=0"));
    }

    #[test]
    fn what_there_is_not_is_left_out() {
        let event = Event::Box(BoxState::Joined, text("2-1-201"), Reason::new());
        assert_eq!(line(&event), "cmd=BoxEvent&state=joined&room_id=2-1-201");
        let event = Event::Door(DoorState::Unknown, text("a"), 0, Id::new(), Reason::new());
        assert_eq!(line(&event), "cmd=DoorEvent&sid=a&state=unknown&door=0");
    }

    #[test]
    fn the_longest_log_line_fits() {
        let long = [0_u8; 64];
        let mut closed = closed("answered_elsewhere");
        closed.info.sid = long.iter().copied().collect();
        closed.info.peer = long.iter().copied().collect();
        closed.by = long.iter().copied().collect();
        closed.duration_ms = u64::MAX;
        let mut buffer = [0; crate::base::limits::endpoint::LOG_LINE_BYTES];
        let time = "2026-11-21T10:15:00+01:00";
        assert!(write_log(&closed, time, b"Record_20261121_101500.wav", &mut buffer).is_some());
    }
}
