//! The intercom's requests on the control socket. The daemon offers each line here first; a line
//! with another command is the recorder's.

use core::net::IpAddr;

use crate::base::limits::endpoint::LISTED_CALLS;
use crate::proto::recorder::keys::text;
use crate::proto::recorder::line_check::{check_keys, Remarks};
use crate::proto::recorder::reason::{bad_request, reason, Reason as Refusal};
use crate::wire::control::{Message, Text};
use crate::wire::intercom::{text as word, Id, Reason, Sid};

/// A line that is the intercom's.
#[derive(Clone, Debug)]
pub struct Line {
    /// The command of the response.
    pub response: &'static str,
    /// What is asked, or what is wrong with it.
    pub request: Result<Request, Refusal>,
    /// What the response adds about the line's keys.
    pub remarks: Remarks,
}

/// `CallRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// The called device.
    pub to: Id,
    /// Its address; a screen's box may know it.
    pub ip: Option<IpAddr>,
    /// The usual one of its type if `None`.
    pub port: Option<u16>,
    /// The usual one if `None`.
    pub peer_type: Option<u8>,
    /// A picture is wanted.
    pub video: bool,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the keys of board/README.md
#[allow(clippy::large_enum_variant)] // one at a time for each client
pub enum Request {
    Call(CallRequest),
    Accept(Sid),
    Reject(Sid, Reason),
    Silence(Sid),
    /// Without a reason it is the one that fits.
    End(Sid, Reason),
    OpenDoor(Sid, u8),
    OpenResult {
        sid: Sid,
        door: u8,
        ok: bool,
        reason: Reason,
    },
    AlarmAck(u8),
    /// Of one call; of all if it is empty.
    Status(Sid),
    Log(usize),
}

/// Parses a line; `None` if its command is not one of the intercom.
pub fn parse(line: &[u8]) -> Option<Line> {
    let message = Message::parse(line).ok()?;
    let (response, keys) = command(message.name())?;
    let (request, remarks) = match check_keys(&message, keys) {
        Ok(remarks) => (request(&message), remarks),
        Err(refusal) => (Err(refusal), Remarks::new()),
    };
    Some(Line {
        response,
        request,
        remarks,
    })
}

/// The command of the response, and the keys of the request.
fn command(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "CallRequest" => ("CallResponse", "to ip port type video rtp codec"),
        "CallAcceptRequest" => ("CallAcceptResponse", "sid rtp codec"),
        "CallRejectRequest" => ("CallRejectResponse", "sid reason"),
        "CallSilenceRequest" => ("CallSilenceResponse", "sid"),
        "CallEndRequest" => ("CallEndResponse", "sid reason"),
        "OpenDoorRequest" => ("OpenDoorResponse", "sid door"),
        "OpenDoorResult" => ("OpenDoorResultResponse", "sid door ok reason"),
        "AlarmAckRequest" => ("AlarmAckResponse", "port"),
        "CallStatusRequest" => ("CallStatusResponse", "sid"),
        "CallLogRequest" => ("CallLogResponse", "limit"),
        _ => return None,
    })
}

fn request(message: &Message) -> Result<Request, Refusal> {
    let sid = |message: &Message| text(message, "sid");
    match message.name() {
        "CallRequest" => call(message).map(Request::Call),
        "CallAcceptRequest" => {
            refuse_media(message)?;
            Ok(Request::Accept(sid(message)?))
        }
        "CallRejectRequest" => Ok(Request::Reject(sid(message)?, reject_reason(message)?)),
        "CallSilenceRequest" => Ok(Request::Silence(sid(message)?)),
        "CallEndRequest" => Ok(Request::End(sid(message)?, text(message, "reason")?)),
        "OpenDoorRequest" => Ok(Request::OpenDoor(sid(message)?, door(message)?)),
        "OpenDoorResult" => Ok(Request::OpenResult {
            sid: sid(message)?,
            door: door(message)?,
            ok: switch(message, "ok")?.ok_or_else(|| bad_request(format_args!("ok is missing")))?,
            reason: text(message, "reason")?,
        }),
        "AlarmAckRequest" => match number(message, "port", 0, 7)? {
            Some(port) => Ok(Request::AlarmAck(port)),
            None => Err(bad_request(format_args!("port is missing"))),
        },
        "CallStatusRequest" => Ok(Request::Status(sid(message)?)),
        _ => {
            let limit = number(message, "limit", 1, 100_000)?;
            Ok(Request::Log(limit.unwrap_or(LISTED_CALLS)))
        }
    }
}

fn call(message: &Message) -> Result<CallRequest, Refusal> {
    refuse_media(message)?;
    let to: Id = text(message, "to")?;
    if to.is_empty() {
        return Err(bad_request(format_args!(
            "to is missing: the called device's id"
        )));
    }
    Ok(CallRequest {
        to,
        ip: address(message)?,
        port: number(message, "port", 1, 65_535)?,
        peer_type: number(message, "type", 1, 4)?,
        video: switch(message, "video")?.unwrap_or(true),
    })
}

/// A call's sound cannot be bridged yet: nobody would hear anything, so the keys are not ignored.
fn refuse_media(message: &Message) -> Result<(), Refusal> {
    if message.raw("rtp").or(message.raw("codec")).is_none() {
        return Ok(());
    }
    Err(reason(
        "disabled",
        format_args!("this version has no streams of its own: leave rtp and codec out, and play and publish the URLs"),
    ))
}

fn reject_reason(message: &Message) -> Result<Reason, Refusal> {
    let given: Reason = text(message, "reason")?;
    Ok(if given.is_empty() {
        word("declined")
    } else {
        given
    })
}

fn door(message: &Message) -> Result<u8, Refusal> {
    Ok(number(message, "door", 0, 255)?.unwrap_or(0))
}

fn address(message: &Message) -> Result<Option<IpAddr>, Refusal> {
    let given: Text<64> = text(message, "ip")?;
    if given.is_empty() {
        return Ok(None);
    }
    let address = core::str::from_utf8(&given)
        .ok()
        .and_then(|ip| ip.parse().ok());
    let words = format_args!("ip must be an IP address");
    address.map(Some).ok_or_else(|| bad_request(words))
}

fn switch(message: &Message, key: &str) -> Result<Option<bool>, Refusal> {
    match message.raw(key) {
        None => Ok(None),
        Some(b"0") => Ok(Some(false)),
        Some(b"1") => Ok(Some(true)),
        Some(_) => Err(bad_request(format_args!("{key} must be 0 or 1"))),
    }
}

fn number<T: TryFrom<u64>>(
    message: &Message,
    key: &str,
    least: u64,
    most: u64,
) -> Result<Option<T>, Refusal> {
    let refusal = || {
        bad_request(format_args!(
            "{key} must be a number from {least} to {most}"
        ))
    };
    let Some(number) = message.number::<u64>(key) else {
        return Ok(None);
    };
    let number = number.ok().filter(|number| (least..=most).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.map(Some).ok_or_else(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> String {
        parse(line.as_bytes())
            .unwrap()
            .request
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_line_of_the_recorder_is_left_to_it() {
        for line in ["cmd=StatsRequest", "cmd=CallStopRequest", "", "sid=1"] {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn a_call_takes_all_its_keys() {
        let line = "cmd=CallRequest&to=2-1-201&ip=11.0.1.22&port=7000&type=1&video=0&colour=red";
        let line = parse(line.as_bytes()).unwrap();
        assert_eq!(line.response, "CallResponse");
        assert_eq!(&line.remarks, "&ignored=colour");
        let expected = CallRequest {
            to: word("2-1-201"),
            ip: "11.0.1.22".parse().ok(),
            port: Some(7000),
            peer_type: Some(1),
            video: false,
        };
        assert_eq!(line.request, Ok(Request::Call(expected)));
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        for (line, expected) in [
            (
                "cmd=CallRequest",
                "bad-request: to is missing: the called device's id",
            ),
            (
                "cmd=CallRequest&to=x&ip=door",
                "bad-request: ip must be an IP address",
            ),
            (
                "cmd=CallRequest&to=x&port=0",
                "bad-request: port must be a number from 1 to 65535",
            ),
            (
                "cmd=CallRequest&to=x&type=5",
                "bad-request: type must be a number from 1 to 4",
            ),
            (
                "cmd=CallRequest&to=x&video=yes",
                "bad-request: video must be 0 or 1",
            ),
            ("cmd=AlarmAckRequest", "bad-request: port is missing"),
            ("cmd=OpenDoorResult&sid=1", "bad-request: ok is missing"),
            (
                "cmd=CallEndRequest&sid=1&sid=2",
                "bad-request: sid stands twice",
            ),
            (
                "cmd=CallLogRequest&limit=0",
                "bad-request: limit must be a number from 1 to 100000",
            ),
        ] {
            assert_eq!(refusal(line), expected, "{line}");
        }
        assert!(refusal("cmd=CallAcceptRequest&sid=1&rtp=127.0.0.1:4000").starts_with("disabled: "));
    }
}
