//! Parses control messages into requests. Every key is validated, and every refusal has a
//! description that a person can act on.

use crate::base::limits::{MAX_LEG_PORTS, NAME_BYTES, TEXT_BYTES};
use crate::base::time::Instant;
use crate::proto::playback::players::{self, Play};
use crate::proto::recorder::format_keys::{self, Declared};
use crate::proto::recorder::keys::Values;
use crate::proto::recorder::reason::{bad_request, Reason, Shown};
use crate::proto::recording::setup::Call;
use crate::wire::control::{Message, Text};
use crate::wire::g711::Law;
use crate::wire::recording::name::is_recording_name;

/// Where a recording goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// The USB stick.
    Local,
    /// The recording server.
    Server,
}

/// `RecordStartRequest`.
#[derive(Clone, Debug)]
pub struct RecordRequest {
    /// The configured sink if `None`.
    pub sink: Option<Sink>,
    /// The configured codec if `None`.
    pub law: Option<Law>,
    /// The number of leg ports.
    pub legs: usize,
    /// The name of the phone on the server; the configured one if empty.
    pub device: Text<TEXT_BYTES>,
    /// The call information.
    pub call: Call,
    /// What the payload types mean, if it says.
    pub declared: Declared,
}

/// A request of the control socket.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub enum Request {
    /// Begin a recording.
    Start(RecordRequest),
    /// Pause (`true`) or resume it, from the time of the request on if the client names it.
    Pause(u32, bool, Option<Instant>),
    /// From the next packet on, payload types mean this.
    Formats(u32, Declared),
    /// End it, likewise; non-empty values replace those of the start request.
    Stop(u32, Call, Option<Instant>),
    /// End all, likewise.
    StopAll(Text<TEXT_BYTES>, Option<Instant>),
    /// Something about the stick.
    Stick(StickRequest),
    /// Report the state of one or all.
    Status(Option<u32>),
    /// Report the counters.
    Stats,
    /// Send events from now on.
    Subscribe,
    /// List the recordings.
    List,
    /// A request about a player.
    Play(Play),
}

/// A request about the stick, which the daemon carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StickRequest {
    /// Report its state.
    Status,
    /// Delete this recording; `true`: with all its parts.
    Delete(Text<NAME_BYTES>, bool),
    /// End what uses it and unmount it.
    Eject,
}

/// Parses a message into a request, or returns what is wrong with it.
pub fn parse(message: &Message) -> Result<Request, Reason> {
    let mut values = Values::new(message);
    let request = read(&mut values);
    match (values.into_refusal(), request) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(request)) => Ok(request),
        (None, None) => Err(bad_request(&format_args!(
            "unknown command '{}'",
            Shown(message.command())
        ))),
    }
}

/// `None` also if the command is not known.
fn read(values: &mut Values) -> Option<Request> {
    Some(match values.message.name() {
        "RecordStartRequest" => Request::Start(start(values)),
        "RecordPauseRequest" => Request::Pause(values.id(), true, at(values)),
        "RecordResumeRequest" => Request::Pause(values.id(), false, at(values)),
        "RecordStopRequest" => Request::Stop(values.id(), call(values), at(values)),
        "RecordStopAllRequest" => Request::StopAll(values.text("reason"), at(values)),
        "StickStatusRequest" => Request::Stick(StickRequest::Status),
        "DeleteRequest" => Request::Stick(delete(values)),
        "EjectRequest" => Request::Stick(StickRequest::Eject),
        "RecordFormatsRequest" => Request::Formats(values.id(), formats(values)),
        "RecordStatusRequest" if values.message.raw("id").is_none() => Request::Status(None),
        "RecordStatusRequest" => Request::Status(Some(values.id())),
        "StatsRequest" => Request::Stats,
        "ListRequest" => Request::List,
        "SubscribeRequest" => Request::Subscribe,
        _ => Request::Play(players::read(values)?),
    })
}

/// The ports of a running recording are not known here: each key counts for its port.
fn formats(values: &mut Values) -> Declared {
    let declared = format_keys::read(values, MAX_LEG_PORTS);
    declared.unwrap_or_else(|| {
        values.refuse(bad_request(&"formats is missing"));
        Declared::default()
    })
}

fn delete(values: &mut Values) -> StickRequest {
    let file: Text<NAME_BYTES> = values.text("file");
    if !is_recording_name(&file) {
        values.refuse(bad_request(
            &"file must be the name of a recording, Record_....wav",
        ));
    }
    let parts = values.message.raw("parts");
    if let Some(other) = parts.filter(|parts| *parts != b"all") {
        values.refuse(bad_request(&format_args!(
            "parts must be all, not '{}'",
            Shown(other)
        )));
    }
    StickRequest::Delete(file, parts.is_some())
}

fn start(values: &mut Values) -> RecordRequest {
    let message = values.message;
    if message.raw("near").or(message.raw("far")).is_some() {
        // Without them nothing would be heard, so they are not merely ignored.
        values.refuse(bad_request(&"near and far need tapInterface, which this version does not have; send the legs' RTP to leg_ports"));
    }
    let sink = match message.raw("sink") {
        None => None,
        Some(b"local") => Some(Sink::Local),
        Some(b"server") => Some(Sink::Server),
        Some(other) => {
            values.refuse(bad_request(&format_args!(
                "sink must be local or server, not '{}'",
                Shown(other)
            )));
            None
        }
    };
    let law = values.law();
    let legs = match message.number::<usize>("legs") {
        None => 2,
        Some(Ok(legs)) if legs <= MAX_LEG_PORTS => legs,
        Some(_) => {
            values.refuse(bad_request(&format_args!(
                "legs must be a number from 0 to {MAX_LEG_PORTS}"
            )));
            0
        }
    };
    RecordRequest {
        sink,
        law,
        legs,
        device: values.text("device"),
        declared: format_keys::read(values, legs).unwrap_or_default(),
        call: call(values),
    }
}

fn call(values: &mut Values) -> Call {
    let incoming = match values.message.raw("dir") {
        None => None,
        Some(b"in") => Some(true),
        Some(b"out") => Some(false),
        Some(other) => {
            values.refuse(bad_request(&format_args!(
                "dir must be in or out, not '{}'",
                Shown(other)
            )));
            None
        }
    };
    Call {
        remote_number: values.text("remote_number"),
        remote_name: values.text("remote_name"),
        local_number: values.text("local_number"),
        local_name: values.text("local_name"),
        incoming,
        stop_reason: values.text("reason"),
        ..Call::default()
    }
}

/// `at_ms`: milliseconds of CLOCK_MONOTONIC.
fn at(values: &mut Values) -> Option<Instant> {
    let Ok(millis) = values.message.number::<u64>("at_ms")? else {
        values.refuse(bad_request(
            &"at_ms must be milliseconds of CLOCK_MONOTONIC",
        ));
        return None;
    };
    Some(Instant::from_nanos(millis.saturating_mul(1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(&Message::parse(text.as_bytes()).unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_start_takes_all_its_keys() {
        let text = "cmd=RecordStartRequest&sink=local&codec=pcma&dir=in&legs=3&remote_number=100&remote_name=A%26B";
        let Ok(Request::Start(start)) = parse(&Message::parse(text.as_bytes()).unwrap()) else {
            panic!()
        };
        assert_eq!(
            (start.sink, start.law, start.legs),
            (Some(Sink::Local), Some(Law::A), 3)
        );
        assert_eq!(
            (&start.call.remote_number[..], &start.call.remote_name[..]),
            (&b"100"[..], &b"A&B"[..])
        );
        assert_eq!(start.call.incoming, Some(true));
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        assert_eq!(
            refusal("cmd=Nonsense"),
            "bad-request: unknown command 'Nonsense'"
        );
        assert_eq!(
            refusal("cmd=RecordStartRequest&legs=9"),
            "bad-request: legs must be a number from 0 to 8"
        );
        assert_eq!(
            refusal("cmd=RecordStartRequest&codec=G729"),
            "bad-request: codec must be PCMU or PCMA, not 'G729'"
        );
        assert_eq!(
            refusal("cmd=RecordStopRequest"),
            "bad-request: id is missing"
        );
        assert_eq!(
            refusal("cmd=RecordStopRequest&id=1&at_ms=-5"),
            "bad-request: at_ms must be milliseconds of CLOCK_MONOTONIC"
        );
        assert_eq!(
            refusal("cmd=RecordPauseRequest&id=x"),
            "bad-request: id must be a decimal number"
        );
        assert_eq!(
            refusal("cmd=DeleteRequest&file=../etc/passwd"),
            "bad-request: file must be the name of a recording, Record_....wav"
        );
        assert_eq!(
            refusal("cmd=DeleteRequest&file=Record_20261121_101500.wav&parts=1"),
            "bad-request: parts must be all, not '1'"
        );
        let long = format!("cmd=RecordStartRequest&local_name={}", "n".repeat(129));
        assert_eq!(
            refusal(&long),
            "bad-request: local_name is longer than 128 bytes"
        );
        let hostile = format!("cmd={}", "\u{7f}\u{1}é".repeat(500));
        assert!(refusal(&hostile).starts_with("bad-request: unknown command '????"));
    }
}
