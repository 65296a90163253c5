//! The command lines of `callrec-sim`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::command::{command, CommandSpec};
use crate::wire::g711::Law;

pub(super) const CALL: CommandSpec = command! {
    "callrec-sim", "call", "",
    "makes a call and has it recorded";
    [
        ("s", "socket", "SOCKET",
            "the recorder's control socket [/var/run/callrec.sock]"),
        ("", "near", "AUDIO",
            "what the near party says"),
        ("", "far", "AUDIO",
            "what the far party says"),
        ("", "seconds", "N",
            "length of the call [that of the audio; 10 without any]"),
        ("", "sink", "local|server",
            "where it is recorded [as the recorder is configured]"),
        ("", "codec", "PCMU|PCMA",
            "the codec of the recording, and of legs that are not captures [PCMU]"),
        ("", "ptime", "MS",
            "packet time of legs that are not captures, 5 to 60 [20]"),
        ("", "one-port", "",
            "send all legs to the first leg port"),
        ("", "mixed", "",
            "send the legs to the port of the local stream, as RTP that is mixed already"),
        ("", "set", "KEY=VALUE",
            "add a key to the start request, for example --set remote_number=100"),
        ("q", "quiet", "",
            "show no progress"),
    ];
    "\
AUDIO is a RIFF/WAVE file, a recording, or a pcap or pcapng capture with RTP, in which each source is a leg with its own
timing. Without --near and --far two parties talk that can be told apart: the near one low, the far one high.";
    [
        "callrec-sim call --near /usr/share/sip-tester/g711a.pcap --codec PCMA --set dir=in",
    ]
};

pub(super) const LOAD: CommandSpec = command! {
    "callrec-sim", "load", "",
    "records with many phones at once to a recording server";
    [
        ("", "server", "ADDR:PORT",
            "the recording server; required"),
        ("", "phones", "N",
            "number of phones [100]"),
        ("", "seconds", "N",
            "how long they talk, 50 packets a second each [10]"),
        ("", "dir", "DIR",
            "the server's folder: check in the sidecars whether everything arrived"),
        ("", "pid", "PID",
            "the server's process: show its memory and processor time"),
        ("", "find-limit", "",
            "try 10 phones, then 100, 500, 1000 and so on, until a packet is lost"),
    ];
    "\
All phones have the same address: more than 256 need a server with --max-per-address.";
    [
        "callrec-server record --listen 127.0.0.1:10000 --dir recordings --max-per-address 500 &",
        "callrec-sim load --server 127.0.0.1:10000 --phones 500 --dir recordings",
    ]
};

/// The options of `call`.
#[derive(Debug)]
pub(super) struct CallOptions {
    pub(super) socket: String,
    pub(super) audio: Vec<PathBuf>,
    pub(super) seconds: Option<f64>,
    pub(super) sink: Option<String>,
    pub(super) codec: Option<Law>,
    pub(super) ptime_ms: u32,
    pub(super) one_port: bool,
    pub(super) mixed: bool,
    /// Further keys of the start request.
    pub(super) extra: Vec<(String, String)>,
    pub(super) quiet: bool,
}

/// The options of `load`.
#[derive(Debug)]
pub(super) struct LoadOptions {
    pub(super) server: SocketAddr,
    pub(super) phones: usize,
    pub(super) seconds: f64,
    pub(super) find_limit: bool,
    /// Where the server stores, to read its sidecars.
    pub(super) dir: Option<PathBuf>,
    /// The server's process, to show its memory and processor time.
    pub(super) pid: Option<u32>,
}

/// Reads the arguments of `call`; `None`: `--help` was given.
pub(super) fn call_options(arguments: &[OsString]) -> Result<Option<CallOptions>, lexopt::Error> {
    let mut options = CallOptions {
        socket: "/var/run/callrec.sock".into(),
        audio: vec![],
        seconds: None,
        sink: None,
        codec: None,
        ptime_ms: 20,
        one_port: false,
        mixed: false,
        extra: vec![],
        quiet: false,
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('s') | Long("socket") => options.socket = text(&mut parser)?,
            Long("near" | "far") => options.audio.push(parser.value()?.into()),
            Long("seconds") => {
                options.seconds = Some(number("seconds", &mut parser, 0.0, 86_400.0)?);
            }
            Long("sink") => options.sink = Some(text(&mut parser)?),
            Long("codec") => options.codec = Some(codec(&text(&mut parser)?)?),
            Long("ptime") => options.ptime_ms = number("ptime", &mut parser, 5.0, 60.0)? as u32,
            Long("one-port") => options.one_port = true,
            Long("mixed") => options.mixed = true,
            Long("set") => {
                let pair = text(&mut parser)?;
                let (key, value) = pair.split_once('=').ok_or("--set must be KEY=VALUE")?;
                options.extra.push((key.into(), value.into()));
            }
            Short('q') | Long("quiet") => options.quiet = true,
            Short('h') | Long("help") => return Ok(None),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

/// Reads the arguments of `load`; `None`: `--help` was given.
pub(super) fn load_options(arguments: &[OsString]) -> Result<Option<LoadOptions>, lexopt::Error> {
    let mut server = None;
    let mut phones = 100;
    let mut seconds = 10.0;
    let mut find_limit = false;
    let mut dir = None;
    let mut pid = None;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("server") => server = Some(text(&mut parser)?),
            Long("phones") => phones = number("phones", &mut parser, 1.0, 50_000.0)? as usize,
            Long("seconds") => seconds = number("seconds", &mut parser, 0.0, 86_400.0)?,
            Long("dir") => dir = Some(parser.value()?.into()),
            Long("pid") => pid = Some(number("pid", &mut parser, 1.0, 4e9)? as u32),
            Long("find-limit") => find_limit = true,
            Short('h') | Long("help") => return Ok(None),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    let server = server.ok_or("load: which --server ADDR:PORT?")?;
    let server = server
        .parse()
        .map_err(|_| format!("--server must be ADDR:PORT, not '{server}'"))?;
    Ok(Some(LoadOptions {
        server,
        phones,
        seconds,
        find_limit,
        dir,
        pid,
    }))
}

fn codec(name: &str) -> Result<Law, String> {
    match name {
        "PCMU" => Ok(Law::Mu),
        "PCMA" => Ok(Law::A),
        other => Err(format!("--codec must be PCMU or PCMA, not '{other}'")),
    }
}

pub(super) fn text(parser: &mut lexopt::Parser) -> Result<String, lexopt::Error> {
    Ok(parser.value()?.to_string_lossy().into_owned())
}

pub(super) fn number(
    name: &str,
    parser: &mut lexopt::Parser,
    least: f64,
    most: f64,
) -> Result<f64, lexopt::Error> {
    let text = text(parser)?;
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("--{name} must be a number from {least} to {most}, not '{text}'").into()),
    }
}
