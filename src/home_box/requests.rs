//! The requests of the control socket.

use std::fmt::Display;

use crate::base::limits::home_box::LOGGED_CALLS;
use crate::base::limits::MESSAGE_BYTES;
use crate::base::time::{Duration, Instant};
use crate::home_box::parts::Parts;
use crate::home_box::tokens::{ChangeProblem, TokenKind};
use crate::home_box::wall_time::unix_seconds;
use crate::io::clock::Now;
use crate::proto::recorder::line_check::check_keys;
use crate::wire::control::{Message, Writer};
use crate::wire::intercom::{cut, Words};

/// Lines of the call log where the request does not say how many.
const CALLS: usize = 50;
/// The most lines of the call log that a request may ask for; the log has fewer.
const MAX_LISTED: u64 = 100_000;
/// The longest time of not being disturbed: a week.
const MAX_MINUTES: u64 = 7 * 24 * 60;
/// The validity of a token where the request does not say it.
const DAYS: u32 = 3650;

/// The keys of each request besides `cmd`.
const KEYS: [(&str, &str); 6] = [
    ("Token", "device type days"),
    ("TokenRevoke", "device"),
    ("Dnd", "minutes"),
    ("Alarm", "port name message"),
    ("AlarmClear", "port"),
    ("CallLog", "limit"),
];

/// Why a request is refused: a word for programs, and words for people.
pub(super) struct Refusal(String);

impl Refusal {
    fn bad(words: impl Display) -> Self {
        Self(format!("bad-request: {words}"))
    }
}

/// The lines that answer a request, the response last; and whether it subscribes.
pub(super) struct Answer {
    pub(super) lines: Vec<String>,
    pub(super) subscribes: bool,
}

/// Carries out a request; `line` is `None` if it was too long.
pub(super) fn answer(parts: &mut Parts, now: &Now, line: Option<&[u8]>) -> Answer {
    let message = line.map(Message::parse);
    let Some(Ok(message)) = message else {
        let words = match message {
            None => "bad-request: the line is too long",
            Some(_) => "bad-request: no cmd=",
        };
        return refused("Error", words);
    };
    let name = message.name();
    let Some(stem) = name.strip_suffix("Request") else {
        return refused("Error", "bad-request: unknown command");
    };
    let keys = KEYS.iter().find(|(known, _)| *known == stem);
    let remarks = match check_keys(&message, keys.map_or("", |(_, keys)| keys)) {
        Ok(remarks) => remarks,
        Err(reason) => return refused(stem, &reason),
    };
    match carry_out(parts, now, stem, &message) {
        Ok((mut lines, response)) => {
            lines.push(format!("{response}{remarks}"));
            Answer {
                lines,
                subscribes: stem == "Subscribe",
            }
        }
        Err(Refusal(reason)) => refused(stem, &reason),
    }
}

fn refused(stem: &str, reason: &str) -> Answer {
    let line = line_of(&format!("{stem}Response"), |writer| {
        writer.pair("result", "failed").pair("reason", reason);
    });
    Answer {
        lines: vec![line],
        subscribes: false,
    }
}

/// The lines before the response, and the response.
type Success = (Vec<String>, String);

fn carry_out(
    parts: &mut Parts,
    now: &Now,
    stem: &str,
    message: &Message,
) -> Result<Success, Refusal> {
    match stem {
        "Status" => Ok((vec![], status(parts, now.monotonic))),
        "Token" => make_token(parts, message),
        "TokenRevoke" => revoke_token(parts, now.monotonic, message),
        "Dnd" => do_not_disturb(parts, now.monotonic, message),
        "Alarm" => raise_alarm(parts, now.monotonic, message),
        "AlarmClear" => clear_alarm(parts, message),
        "CallLog" => list_calls(parts, message),
        "Stats" => Ok((vec![], stats(parts))),
        "Subscribe" => Ok((vec![], success("Subscribe", |_| {}))),
        _ => Err(Refusal::bad(format_args!("unknown command {stem}Request"))),
    }
}

fn line_of(name: &str, fill: impl FnOnce(&mut Writer)) -> String {
    let mut buffer = [0; MESSAGE_BYTES];
    let mut writer = Writer::new(&mut buffer, name);
    fill(&mut writer);
    let len = writer.finish().unwrap_or(0);
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

fn success(stem: &str, fill: impl FnOnce(&mut Writer)) -> String {
    line_of(&format!("{stem}Response"), |writer| {
        writer.pair("result", "success");
        fill(writer);
    })
}

fn status(parts: &Parts, now: Instant) -> String {
    let devices: Vec<&[u8]> = parts.router.devices().collect();
    let (call, sid) = parts.router.call_status();
    let disturbed_in = parts.router.do_not_disturb_until(now);
    let dnd_ms = disturbed_in.map_or(0, |until| until.since(now).millis());
    success("Status", |writer| {
        writer
            .pair("screens", devices.len())
            .bytes("devices", &devices.join(&b','))
            .pair("call", call)
            .bytes("sid", sid)
            .pair("streams", parts.published)
            .pair("dnd_s", dnd_ms.div_ceil(1000))
            .pair("alarms", parts.router.alarm_count());
    })
}

fn stats(parts: &Parts) -> String {
    let counts = parts.router.counts();
    success("Stats", |writer| {
        writer
            .pair("calls_in", counts.calls_in)
            .pair("calls_out", counts.calls_out)
            .pair("answered", counts.answered)
            .pair("busy", counts.busy)
            .pair("doors_opened", counts.doors_opened)
            .pair("joined", counts.joined)
            .pair("refused_joins", counts.refused_joins)
            .pair("refused_connections", counts.refused_connections)
            .pair("ignored_messages", counts.ignored_messages)
            .pair("unknown_messages", counts.unknown_messages)
            .pair("bad_frames", counts.bad_frames)
            .pair("urls_left_out", counts.urls_left_out)
            .pair("wakeups", parts.wakeups);
    })
}

/// A value that must be there, as text.
fn required(message: &Message, key: &str) -> Result<String, Refusal> {
    let text = message.text::<64>(key);
    let text = text.map_err(|_| Refusal::bad(format_args!("{key} is too long")))?;
    let text = String::from_utf8(text.to_vec());
    match text {
        Ok(text) if !text.is_empty() => Ok(text),
        Ok(_) => Err(Refusal::bad(format_args!("{key} is missing"))),
        Err(_) => Err(Refusal::bad(format_args!("{key} is not UTF-8"))),
    }
}

/// A number within limits.
fn number(message: &Message, key: &str, default: Option<u64>, most: u64) -> Result<u64, Refusal> {
    match message.number::<u64>(key) {
        Some(Ok(number)) if number <= most => Ok(number),
        Some(_) => Err(Refusal::bad(format_args!(
            "{key} must be a number from 0 to {most}"
        ))),
        None => default.ok_or_else(|| Refusal::bad(format_args!("{key} is missing"))),
    }
}

fn make_token(parts: &mut Parts, message: &Message) -> Result<Success, Refusal> {
    let device = required(message, "device")?;
    let kind = number(message, "type", Some(1), 2)?;
    let kind = TokenKind::from_number(kind)
        .ok_or_else(|| Refusal::bad("type must be 1 (pad) or 2 (phone)"))?;
    let days = number(message, "days", Some(DAYS.into()), u32::MAX.into())?;
    let days = u32::try_from(days).unwrap_or(DAYS);
    let token = parts.tokens.create(&device, kind, days, unix_seconds());
    let token = token.map_err(|problem| refusal_of(&problem))?;
    Ok((
        vec![],
        success("Token", |writer| {
            writer.pair("token", &token);
        }),
    ))
}

fn revoke_token(parts: &mut Parts, now: Instant, message: &Message) -> Result<Success, Refusal> {
    let device = required(message, "device")?;
    let revoked = parts.tokens.revoke(&device);
    revoked.map_err(|problem| refusal_of(&problem))?;
    parts
        .router
        .put_out_device(now, device.as_bytes(), "unauthorised");
    Ok((vec![], success("TokenRevoke", |_| {})))
}

fn refusal_of(problem: &ChangeProblem) -> Refusal {
    Refusal(format!("{}: {problem}", problem.word()))
}

fn do_not_disturb(parts: &mut Parts, now: Instant, message: &Message) -> Result<Success, Refusal> {
    let minutes = number(message, "minutes", None, MAX_MINUTES)?;
    let length = Duration::from_millis(minutes * 60_000);
    let until = (minutes > 0).then_some(now + length);
    parts.router.set_do_not_disturb(until);
    Ok((
        vec![],
        success("Dnd", |writer| {
            writer.pair("dnd_s", minutes * 60);
        }),
    ))
}

fn port(message: &Message) -> Result<u8, Refusal> {
    let port = number(message, "port", None, 7)?;
    Ok(u8::try_from(port).unwrap_or(0))
}

fn raise_alarm(parts: &mut Parts, now: Instant, message: &Message) -> Result<Success, Refusal> {
    let port = port(message)?;
    let words = |key| -> Result<Words, Refusal> {
        let text = message.text::<128>(key);
        let text = text.map_err(|_| Refusal::bad(format_args!("{key} is too long")))?;
        Ok(cut(&text))
    };
    let (name, text) = (words("name")?, words("message")?);
    let raised = parts.router.raise_alarm(now, port, name, text);
    let alarm = raised.map_err(|_| Refusal("busy: too many alarms".into()))?;
    Ok((
        vec![],
        success("Alarm", |writer| {
            writer.bytes("alarm", &alarm);
        }),
    ))
}

fn clear_alarm(parts: &mut Parts, message: &Message) -> Result<Success, Refusal> {
    let cleared = parts.router.clear_alarms(port(message)?);
    if cleared == 0 {
        return Err(Refusal("unknown-id: no alarm of this port".into()));
    }
    Ok((
        vec![],
        success("AlarmClear", |writer| {
            writer.pair("count", cleared);
        }),
    ))
}

fn list_calls(parts: &mut Parts, message: &Message) -> Result<Success, Refusal> {
    let limit = number(message, "limit", Some(CALLS as u64), MAX_LISTED)?;
    let limit = usize::try_from(limit).unwrap_or(LOGGED_CALLS);
    let lines: Vec<String> = parts.call_log.latest(limit).collect();
    let count = lines.len();
    Ok((
        lines,
        success("CallLog", |writer| {
            writer.pair("count", count);
        }),
    ))
}
