//! The intercom's requests on the control socket. The daemon offers each line here first; a line
//! with another command is the recorder's.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::limits::endpoint::LISTED_CALLS;
use crate::proto::recorder::keys::Values;
use crate::proto::recorder::line_check::{check_keys, Remarks};
use crate::proto::recorder::reason::{bad_request, Reason as Refusal};
use crate::wire::control::{Message, Text};
use crate::wire::g711::Law;
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

/// Where the media engine takes part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp {
    /// Where it wants the peer's sound.
    pub to: SocketAddr,
    /// The codec of both directions; the configured one if `None`.
    pub law: Option<Law>,
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
    /// `None`: the application plays and publishes by itself.
    pub rtp: Option<Rtp>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the keys of board/README.md
#[allow(clippy::large_enum_variant)] // one at a time for each client
pub enum Request {
    Call(CallRequest),
    Accept(Sid, Option<Rtp>),
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

impl Request {
    /// Where the media engine takes part, if it does.
    pub fn rtp(&self) -> Option<Rtp> {
        match self {
            Self::Call(call) => call.rtp,
            Self::Accept(_, rtp) => *rtp,
            _ => None,
        }
    }
}

/// A command: its name, that of the response, the keys of the request, and how they are read.
struct Command {
    name: &'static str,
    response: &'static str,
    keys: &'static str,
    read: fn(&mut Values) -> Request,
}

const COMMANDS: [Command; 10] = [
    Command {
        name: "CallRequest",
        response: "CallResponse",
        keys: "to ip port type video rtp codec",
        read: call,
    },
    Command {
        name: "CallAcceptRequest",
        response: "CallAcceptResponse",
        keys: "sid rtp codec",
        read: |values| Request::Accept(values.text("sid"), values.rtp()),
    },
    Command {
        name: "CallRejectRequest",
        response: "CallRejectResponse",
        keys: "sid reason",
        read: |values| Request::Reject(values.text("sid"), reject_reason(values)),
    },
    Command {
        name: "CallSilenceRequest",
        response: "CallSilenceResponse",
        keys: "sid",
        read: |values| Request::Silence(values.text("sid")),
    },
    Command {
        name: "CallEndRequest",
        response: "CallEndResponse",
        keys: "sid reason",
        read: |values| Request::End(values.text("sid"), values.text("reason")),
    },
    Command {
        name: "OpenDoorRequest",
        response: "OpenDoorResponse",
        keys: "sid door",
        read: |values| Request::OpenDoor(values.text("sid"), values.door()),
    },
    Command {
        name: "OpenDoorResult",
        response: "OpenDoorResultResponse",
        keys: "sid door ok reason",
        read: open_result,
    },
    Command {
        name: "AlarmAckRequest",
        response: "AlarmAckResponse",
        keys: "port",
        read: |values| {
            let port = values.number("port", 0, 255);
            Request::AlarmAck(values.required(port, "port"))
        },
    },
    Command {
        name: "CallStatusRequest",
        response: "CallStatusResponse",
        keys: "sid",
        read: |values| Request::Status(values.text("sid")),
    },
    Command {
        name: "CallLogRequest",
        response: "CallLogResponse",
        keys: "limit",
        read: |values| {
            let limit = values.number("limit", 1, 100_000);
            Request::Log(limit.unwrap_or(LISTED_CALLS))
        },
    },
];

/// Parses a line; `None` if its command is not one of the intercom.
pub fn parse(line: &[u8]) -> Option<Line> {
    let message = Message::parse(line).ok()?;
    let name = message.name();
    let command = COMMANDS.iter().find(|command| command.name == name)?;
    let mut values = Values::new(&message);
    let remarks = check_keys(&message, command.keys).unwrap_or_else(|refusal| {
        values.refuse(refusal);
        Remarks::new()
    });
    let request = (command.read)(&mut values);
    Some(Line {
        response: command.response,
        request: values.into_refusal().map_or(Ok(request), Err),
        remarks,
    })
}

fn call(values: &mut Values) -> Request {
    let to: Id = values.text("to");
    if to.is_empty() {
        values.refuse(bad_request(&"to is missing: the called device's id"));
    }
    Request::Call(CallRequest {
        to,
        ip: values.address(),
        port: values.number("port", 1, 65_535),
        peer_type: values.number("type", 1, 4),
        video: values.switch("video").unwrap_or(true),
        rtp: values.rtp(),
    })
}

fn reject_reason(values: &mut Values) -> Reason {
    let given: Reason = values.text("reason");
    if given.is_empty() {
        word("declined")
    } else {
        given
    }
}

fn open_result(values: &mut Values) -> Request {
    let sid = values.text("sid");
    let door = values.door();
    let ok = values.switch("ok");
    Request::OpenResult {
        sid,
        door,
        ok: values.required(ok, "ok"),
        reason: values.text("reason"),
    }
}

impl Values<'_> {
    fn number<T: TryFrom<u64>>(&mut self, key: &str, least: u32, most: u32) -> Option<T> {
        let number = self.number_within(key, least, most)?;
        T::try_from(number).ok()
    }

    fn number_within(&mut self, key: &str, least: u32, most: u32) -> Option<u64> {
        let number = self.message.number::<u64>(key)?.ok();
        let range = u64::from(least)..=u64::from(most);
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.refuse(bad_request(&format_args!(
                "{key} must be a number from {least} to {most}"
            )));
        }
        number
    }

    fn switch(&mut self, key: &str) -> Option<bool> {
        match self.message.raw(key)? {
            b"0" => Some(false),
            b"1" => Some(true),
            _ => {
                self.refuse(bad_request(&format_args!("{key} must be 0 or 1")));
                None
            }
        }
    }

    /// A value that must be there.
    fn required<T: Default>(&mut self, value: Option<T>, key: &str) -> T {
        value.unwrap_or_else(|| {
            self.refuse(bad_request(&format_args!("{key} is missing")));
            T::default()
        })
    }

    fn door(&mut self) -> u8 {
        self.number("door", 0, 255).unwrap_or(0)
    }

    fn address(&mut self) -> Option<IpAddr> {
        let given: Text<64> = self.text("ip");
        if given.is_empty() {
            return None;
        }
        let given = core::str::from_utf8(&given).ok();
        let address = given.and_then(|ip| ip.parse::<Ipv4Addr>().ok());
        if address.is_none() {
            self.refuse(bad_request(&"ip must be an IPv4 address"));
        }
        address.map(IpAddr::V4)
    }

    /// `rtp` and `codec`.
    fn rtp(&mut self) -> Option<Rtp> {
        let law = self.law();
        let given: Text<64> = self.text("rtp");
        if given.is_empty() {
            if self.message.raw("codec").is_some() {
                let words = "codec needs rtp, where the media engine receives";
                self.refuse(bad_request(&words));
            }
            return None;
        }
        let given = core::str::from_utf8(&given).ok();
        let to = given.and_then(|to| to.parse::<SocketAddr>().ok());
        let Some(to) = to.filter(|to| to.port() != 0) else {
            let words = "rtp must be an address and a port, such as 127.0.0.1:4000";
            self.refuse(bad_request(&words));
            return None;
        };
        Some(Rtp { to, law })
    }
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
            rtp: None,
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
                "bad-request: ip must be an IPv4 address",
            ),
            (
                "cmd=CallRequest&to=x&ip=fd00::1",
                "bad-request: ip must be an IPv4 address",
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
                "cmd=CallAcceptRequest&sid=1&rtp=engine:4000",
                "bad-request: rtp must be an address and a port, such as 127.0.0.1:4000",
            ),
            (
                "cmd=CallAcceptRequest&sid=1&rtp=127.0.0.1:4000&codec=G722",
                "bad-request: codec must be PCMU or PCMA, not 'G722'",
            ),
            (
                "cmd=CallAcceptRequest&sid=1&codec=PCMU",
                "bad-request: codec needs rtp, where the media engine receives",
            ),
            (
                "cmd=CallLogRequest&limit=0",
                "bad-request: limit must be a number from 1 to 100000",
            ),
        ] {
            assert_eq!(refusal(line), expected, "{line}");
        }
    }

    #[test]
    fn a_media_engine_says_where_it_is_and_what_it_speaks() {
        let rtp = |keys: &str| {
            let line = format!("cmd=CallAcceptRequest&sid=1&{keys}");
            match parse(line.as_bytes()).unwrap().request.unwrap() {
                Request::Accept(_, rtp) => rtp,
                other => panic!("{other:?}"),
            }
        };
        let to = "127.0.0.1:4000".parse().unwrap();
        let (law, none) = (Some(Law::A), None);
        assert_eq!(rtp("rtp=127.0.0.1:4000&codec=pcma"), Some(Rtp { to, law }));
        assert_eq!(rtp("rtp=127.0.0.1:4000"), Some(Rtp { to, law: none }));
        assert_eq!(rtp(""), None);
    }
}
