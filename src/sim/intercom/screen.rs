//! A screen of a home: joins its box, then waits for calls, or places one.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::console;
use crate::io::random::Random;
use crate::sim::intercom::call::{random_key, random_stream};
use crate::sim::intercom::callee::take;
use crate::sim::intercom::caller::place;
use crate::sim::intercom::link::{Input, Link};
use crate::sim::intercom::options::{Called, ScreenOptions};
use crate::sim::intercom::output::{reason_shown, say, say_alarm, shown};
use crate::sim::intercom::streams::StreamPlan;
use crate::sim::intercom::talk::Plan;
use crate::wire::intercom::{peer_type, text, Id, Message, Party, Reason, Stream, Token};

/// A box answers `join_family` within this time.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The type of a wall panel in `join_family`.
const PAD: u8 = 1;
/// Where a home's box passes streams on to the community's stream server.
const CENTRAL_PORT: u16 = 7894;
/// How long a call that this screen has placed lasts if nothing is said about it.
const TALK_FOR: Duration = Duration::from_secs(10);

/// Runs the screen until it has had its calls; an error when the box does not want it, or is gone.
pub(super) fn run(options: &ScreenOptions) -> Result<(), String> {
    let token = match &options.token_file {
        Some(path) => read_token(path)?,
        None => Token::new(),
    };
    let mut link = Link::connect(&options.box_address)?;
    let room = join(&mut link, token, &options.id)?;
    let result = match &options.call {
        Some(called) => call(&mut link, called, &room, options),
        None => wait_for_calls(&mut link, options),
    };
    link.finish();
    result
}

fn read_token(path: &Path) -> Result<Token, String> {
    let shown = console::shown(path);
    let read = std::fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    let token = read.trim_ascii();
    if token.is_empty() {
        return Err(format!("{shown}: no token in it"));
    }
    Token::from_slice(token).map_err(|_| format!("{shown}: longer than any token"))
}

/// Joins; returns the id of the home.
fn join(link: &mut Link, token: Token, id: &str) -> Result<Id, String> {
    link.send(&Message::JoinFamily {
        token,
        id: text(id),
        device_type: PAD,
    });
    let until = Instant::now() + JOIN_TIMEOUT;
    loop {
        match link.next(Some(until)) {
            Input::Message(Message::JoinAccept { room_id }) => {
                say(&format!("joined room={}", shown(&room_id)));
                return Ok(room_id);
            }
            Input::Message(Message::JoinReject { reason }) => return Err(refused(&reason)),
            Input::Message(_) => {}
            Input::TimeUp => {
                let seconds = JOIN_TIMEOUT.as_secs();
                return Err(format!("the box did not let it join within {seconds} s"));
            }
            Input::Closed(why) => return Err(format!("the box did not let it join: {why}")),
        }
    }
}

/// The box does not want this screen, or no longer.
fn refused(reason: &Reason) -> String {
    let reason = reason_shown(reason);
    say(&format!("refused reason={reason}"));
    format!("the box refused this screen: {reason}")
}

fn wait_for_calls(link: &mut Link, options: &ScreenOptions) -> Result<(), String> {
    let server = stream_server(link, options);
    let own_id = text(&options.id);
    let mut count = 0;
    while options.calls.is_none_or(|calls| count < calls) {
        match link.next(None) {
            Input::Message(Message::CallReq { sid, src, dest }) => {
                let plan = Plan {
                    talk_for: options.talk_for,
                    open_door: options.open_door,
                    is_door: false,
                    streams: StreamPlan::new(&server, &dest, &src),
                };
                let put_out = take(link, &sid, &src.id, &own_id, options.reaction, &plan);
                if let Some(reason) = put_out {
                    return Err(refused(&reason));
                }
                count += 1;
            }
            Input::Message(Message::JoinReject { reason }) => return Err(refused(&reason)),
            Input::Message(other) => say_alarm(&other),
            Input::TimeUp => {}
            Input::Closed(why) => return Err(format!("the box is gone: {why}")),
        }
    }
    Ok(())
}

/// A screen's streams are at its box.
fn stream_server(link: &Link, options: &ScreenOptions) -> String {
    let box_ip = link.peer_address().map(|peer| peer.ip().to_string());
    format!("{}:{}", box_ip.unwrap_or_default(), options.stream_port)
}

fn call(
    link: &mut Link,
    called: &Called,
    room: &Id,
    options: &ScreenOptions,
) -> Result<(), String> {
    let mut random = Random::open();
    let sid = text(&random_key(&mut random));
    let (src, dest) = parties(link, called, room, &options.id, &mut random);
    let plan = Plan {
        talk_for: Some(options.talk_for.unwrap_or(TALK_FOR)),
        open_door: options.open_door,
        is_door: false,
        streams: StreamPlan::new(&stream_server(link, options), &src, &dest),
    };
    let placed = place(link, sid, src, dest, &plan)?;
    placed
        .put_out
        .map_or(Ok(()), |reason| Err(refused(&reason)))
}

/// Both ends of the call. A door's picture and sound are one stream, named by its video id; everyone
/// else has an audio id. Streams between two homes are at the community's server.
fn parties(
    link: &Link,
    called: &Called,
    room: &Id,
    id: &str,
    random: &mut Random,
) -> (Party, Party) {
    let own_ip = link.local_address().map(|own| own.ip().to_string());
    let box_ip = link.peer_address().map(|peer| peer.ip().to_string());
    let box_ip = box_ip.unwrap_or_default();
    let mut stream = || {
        let id = random_stream(random);
        if called.peer_type != peer_type::INNER_BOX {
            return id;
        }
        let id = shown(&id);
        text::<192>(&format!("http://{box_ip}:{CENTRAL_PORT}/stream/{id}"))
    };
    let src = Party {
        id: if id.is_empty() {
            room.clone()
        } else {
            text(id)
        },
        peer_type: peer_type::INNER_SCREEN,
        ip: text(&own_ip.unwrap_or_default()),
        audio: stream(),
        ..Party::default()
    };
    let far_stream = stream();
    let is_door = called.peer_type == peer_type::OUTER_BOX;
    let (audio, video) = if is_door {
        (Stream::new(), far_stream)
    } else {
        (far_stream, Stream::new())
    };
    let dest = Party {
        id: text(&called.id),
        peer_type: called.peer_type,
        ip: text(&called.ip),
        port: called.port,
        audio,
        video,
    };
    (src, dest)
}
