//! The command lines of `door`, `screen` and `property`.

use std::ffi::OsString;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::{Long, Short};
use lexopt::{Error, Parser};

use crate::cli::command::{command, CommandSpec};
use crate::sim::intercom::callee::Reaction;
use crate::wire::intercom::peer_type;

pub(in crate::sim) const DOOR: CommandSpec = command! {
    "callrec-sim", "door", "",
    "plays a door unit that calls a home";
    [
        ("", "box", "HOST:PORT",
            "where the home's box takes calls; required"),
        ("", "stream-port", "PORT",
            "where the stream server listens beside it [954]"),
        ("", "id", "ID",
            "the door unit's id [2-1-1]"),
        ("", "to", "ID",
            "the home that is called [2-1-201]"),
        ("", "seconds", "N",
            "hang up after talking so long [10]"),
        ("", "open-door-expected", "",
            "fail if nobody opens the door"),
    ];
    "\
Prints a line for each thing that happens: calling, answered, rejected, opened, ended. The exit status is 0 when the call
was answered, and 1 otherwise.";
    [
        "callrec-sim door --box 11.0.1.22:7892 --to 2-1-201 --open-door-expected",
    ]
};

pub(in crate::sim) const SCREEN: CommandSpec = command! {
    "callrec-sim", "screen", "",
    "plays a screen that joins its home's box";
    [
        ("", "box", "HOST:PORT",
            "where the box lets screens join; required"),
        ("", "stream-port", "PORT",
            "where the stream server listens beside it [954]"),
        ("", "token-file", "FILE",
            "the token that the box has made for the screen"),
        ("", "id", "ID",
            "the screen's id; for boxes with joinPolicy=open it is enough"),
        ("", "answer", "",
            "answer calls; this is what it does by itself"),
        ("", "reject", "",
            "reject calls"),
        ("", "ignore", "",
            "let it ring"),
        ("", "open-door", "",
            "open the door as soon as somebody talks"),
        ("", "seconds", "N",
            "hang up after talking so long [never; 10 with --call]"),
        ("", "calls", "N",
            "end after so many calls [never]"),
        ("", "call", "ID[@IP[:PORT]]",
            "place a call instead of waiting for one"),
        ("", "type", "1|2|3|4",
            "what --call calls: 1 another home, 2 a screen of this home, 3 a door, 4 the property's phone [3]"),
    ];
    "\
Prints a line for each thing that happens: joined, refused, ringing, answered, ended, opened, alarm. PORT is 7892 for
homes and screens, 7895 for doors and the property's phone; without IP the box knows where ID is.";
    [
        "callrec-sim screen --box 192.168.1.22:7891 --token-file panel.token --answer --open-door",
        "callrec-sim screen --box 192.168.1.22:7891 --token-file panel.token --call 2-1-1@11.0.11.1",
    ]
};

pub(in crate::sim) const PROPERTY: CommandSpec = command! {
    "callrec-sim", "property", "",
    "plays the property's phone";
    [
        ("", "listen", "ADDR:PORT",
            "wait for calls here, and answer them"),
        ("", "call", "HOST:PORT",
            "call a home, whose box takes calls here"),
        ("", "stream-port", "PORT",
            "the stream server's port at the other side [954]"),
        ("", "to", "ID",
            "the home that is called"),
        ("", "id", "ID",
            "the phone's own id [property]"),
        ("", "open-door", "",
            "open the door of who calls"),
        ("", "seconds", "N",
            "hang up after talking so long [never; 10 with --call]"),
        ("", "calls", "N",
            "with --listen: end after so many calls [never]"),
    ];
    "\
Prints a line for each thing that happens: listening, ringing, calling, answered, busy, opened, ended.";
    [
        "callrec-sim property --listen 0.0.0.0:7895",
        "callrec-sim property --call 11.0.1.22:7892 --to 2-1-201",
    ]
};

/// Where a stream server listens unless something else is said.
const STREAM_PORT: u16 = 954;

/// The options of `door`.
#[derive(Debug)]
pub(super) struct DoorOptions {
    pub(super) box_address: String,
    pub(super) stream_port: u16,
    pub(super) id: String,
    pub(super) to: String,
    pub(super) talk_for: Duration,
    pub(super) open_door_expected: bool,
}

/// The options of `screen`.
#[derive(Debug)]
pub(super) struct ScreenOptions {
    pub(super) box_address: String,
    pub(super) stream_port: u16,
    pub(super) token_file: Option<PathBuf>,
    /// Empty if the token tells it.
    pub(super) id: String,
    pub(super) reaction: Reaction,
    pub(super) open_door: bool,
    pub(super) talk_for: Option<Duration>,
    /// End after so many; `None`: never.
    pub(super) calls: Option<u32>,
    /// Whom to call; `None`: wait for calls.
    pub(super) call: Option<Called>,
}

/// Who is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) id: String,
    pub(super) peer_type: u8,
    /// Empty if the box knows it.
    pub(super) ip: String,
    /// 0 if the box knows it.
    pub(super) port: u16,
}

/// The options of `property`.
#[derive(Debug)]
pub(super) struct PropertyOptions {
    pub(super) mode: PropertyMode,
    pub(super) stream_port: u16,
    pub(super) id: String,
    pub(super) open_door: bool,
    pub(super) talk_for: Option<Duration>,
    pub(super) calls: Option<u32>,
}

/// What the property's phone does.
#[derive(Debug)]
pub(super) enum PropertyMode {
    Listen(SocketAddr),
    Call { address: String, to: String },
}

/// Reads the arguments of `door`; `None`: `--help` was given.
pub(super) fn door_options(arguments: &[OsString]) -> Result<Option<DoorOptions>, Error> {
    let mut box_address = None;
    let mut id = String::from("2-1-1");
    let mut to = String::from("2-1-201");
    let mut talk_for = Duration::from_secs(10);
    let mut open_door_expected = false;
    let mut stream_port = STREAM_PORT;
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("box") => box_address = Some(host_and_port("box", &mut parser)?),
            Long("stream-port") => stream_port = port(&mut parser)?,
            Long("id") => id = device_id("id", &mut parser)?,
            Long("to") => to = device_id("to", &mut parser)?,
            Long("seconds") => talk_for = seconds(&mut parser)?,
            Long("open-door-expected") => open_door_expected = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(DoorOptions {
        box_address: box_address.ok_or("door: which --box HOST:PORT?")?,
        stream_port,
        id,
        to,
        talk_for,
        open_door_expected,
    }))
}

/// Reads the arguments of `screen`; `None`: `--help` was given.
pub(super) fn screen_options(arguments: &[OsString]) -> Result<Option<ScreenOptions>, Error> {
    let mut box_address = None;
    let mut token_file = None;
    let mut id = String::new();
    let mut reaction = Reaction::Answer;
    let mut open_door = false;
    let mut talk_for = None;
    let mut calls = None;
    let mut call = None;
    let mut called_type = peer_type::OUTER_BOX;
    let mut stream_port = STREAM_PORT;
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("box") => box_address = Some(host_and_port("box", &mut parser)?),
            Long("token-file") => token_file = Some(PathBuf::from(parser.value()?)),
            Long("stream-port") => stream_port = port(&mut parser)?,
            Long("id") => id = device_id("id", &mut parser)?,
            Long("answer") => reaction = Reaction::Answer,
            Long("reject") => reaction = Reaction::Reject,
            Long("ignore") => reaction = Reaction::Ignore,
            Long("open-door") => open_door = true,
            Long("seconds") => talk_for = Some(seconds(&mut parser)?),
            Long("calls") => calls = Some(count(&mut parser)?),
            Long("call") => call = Some(text(&mut parser)?),
            Long("type") => called_type = kind(&mut parser)?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    if token_file.is_none() && id.is_empty() {
        return Err("screen: which --token-file FILE, or which --id ID?".into());
    }
    let call = call.map(|text| called(&text, called_type)).transpose()?;
    Ok(Some(ScreenOptions {
        box_address: box_address.ok_or("screen: which --box HOST:PORT?")?,
        stream_port,
        token_file,
        id,
        reaction,
        open_door,
        talk_for,
        calls,
        call,
    }))
}

/// Reads the arguments of `property`; `None`: `--help` was given.
pub(super) fn property_options(arguments: &[OsString]) -> Result<Option<PropertyOptions>, Error> {
    let mut listen = None;
    let mut address = None;
    let mut to = None;
    let mut id = String::from("property");
    let mut open_door = false;
    let mut talk_for = None;
    let mut calls = None;
    let mut stream_port = STREAM_PORT;
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("listen") => listen = Some(listen_address(&mut parser)?),
            Long("call") => address = Some(host_and_port("call", &mut parser)?),
            Long("to") => to = Some(device_id("to", &mut parser)?),
            Long("stream-port") => stream_port = port(&mut parser)?,
            Long("id") => id = device_id("id", &mut parser)?,
            Long("open-door") => open_door = true,
            Long("seconds") => talk_for = Some(seconds(&mut parser)?),
            Long("calls") => calls = Some(count(&mut parser)?),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let mode = match (listen, address, to) {
        (Some(address), None, None) => PropertyMode::Listen(address),
        (None, Some(address), Some(to)) => PropertyMode::Call { address, to },
        (None, Some(_), None) => return Err("property: call whom? --to ID".into()),
        _ => return Err("property: either --listen ADDR:PORT or --call HOST:PORT --to ID".into()),
    };
    Ok(Some(PropertyOptions {
        mode,
        stream_port,
        id,
        open_door,
        talk_for,
        calls,
    }))
}

/// `ID[@IP[:PORT]]`.
fn called(text: &str, peer_type: u8) -> Result<Called, String> {
    let wrong = || format!("--call must be ID[@IP[:PORT]], not '{text}'");
    let (id, address) = match text.split_once('@') {
        Some((id, address)) => (id, address),
        None => (text, ""),
    };
    let usual_port = if peer_type::is_home(peer_type) {
        7892
    } else {
        7895
    };
    let (ip, port) = match address.split_once(':') {
        Some((ip, port)) => (ip, port.parse().map_err(|_| wrong())?),
        None => (address, usual_port),
    };
    let has_address = text.contains('@');
    let is_address = ip.parse::<std::net::Ipv4Addr>().is_ok();
    if id.is_empty() || has_address != is_address || port == 0 {
        return Err(wrong());
    }
    Ok(Called {
        id: id.into(),
        peer_type,
        ip: ip.into(),
        port: if has_address { port } else { 0 },
    })
}

fn text(parser: &mut Parser) -> Result<String, Error> {
    Ok(parser.value()?.to_string_lossy().into_owned())
}

fn host_and_port(name: &str, parser: &mut Parser) -> Result<String, Error> {
    let text = text(parser)?;
    let parts = text.split_once(':');
    let is_valid = parts.is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !is_valid {
        return Err(
            format!("--{name} must be HOST:PORT, a name or an IPv4 address, not '{text}'").into(),
        );
    }
    Ok(text)
}

fn listen_address(parser: &mut Parser) -> Result<SocketAddr, Error> {
    let text = text(parser)?;
    let address = text.parse::<SocketAddrV4>();
    address
        .map(SocketAddr::V4)
        .map_err(|_| format!("--listen must be ADDR:PORT, an IPv4 address, not '{text}'").into())
}

fn device_id(name: &str, parser: &mut Parser) -> Result<String, Error> {
    let text = text(parser)?;
    if text.is_empty() || text.len() > 64 {
        return Err(format!("--{name} must be 1 to 64 bytes long, not '{text}'").into());
    }
    Ok(text)
}

fn seconds(parser: &mut Parser) -> Result<Duration, Error> {
    let text = text(parser)?;
    match text.parse::<f64>() {
        Ok(number) if (0.0..=86_400.0).contains(&number) => Ok(Duration::from_secs_f64(number)),
        _ => Err(format!("--seconds must be a number from 0 to 86400, not '{text}'").into()),
    }
}

fn port(parser: &mut Parser) -> Result<u16, Error> {
    let text = text(parser)?;
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("--stream-port must be a number from 1 to 65535, not '{text}'").into()),
    }
}

fn count(parser: &mut Parser) -> Result<u32, Error> {
    let text = text(parser)?;
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("--calls must be a number from 1, not '{text}'").into()),
    }
}

fn kind(parser: &mut Parser) -> Result<u8, Error> {
    let text = text(parser)?;
    match text.parse() {
        Ok(kind @ 1..=4) => Ok(kind),
        _ => Err(format!("--type must be 1, 2, 3 or 4, not '{text}'").into()),
    }
}
