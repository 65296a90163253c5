//! `callrec-sim`: plays the phone's call application and media engine, for demos and tests.
#![allow(clippy::print_stdout, clippy::print_stderr)] // talking to a person is what it is for

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::wire::g711::Law;
use track::Track;

mod call;
mod capture;
mod load;
mod parties;
mod track;
mod wav;

const HELP: &str = "\
callrec-sim call [OPTIONS]: makes a call and has it recorded

  -s, --socket SOCKET    the daemon's control socket [/var/run/callrec.sock]
      --near AUDIO       what the near end says  } a RIFF/WAVE file, a recording of ours, or a pcap or pcapng
      --far AUDIO        what the far end says   } with RTP: each source in it is a leg, with its own timing
      --seconds N        length of the call [that of the audio; 10 without any]
      --sink SINK        local or server [as the daemon is configured]
      --codec CODEC      PCMU or PCMA, of the recording and of legs that are not captures [PCMU]
      --ptime MS         packet time of legs that are not captures: 5 to 60 [20]
      --one-port         all legs go to the first leg port
      --mixed            the legs go to the local stream's port, as already mixed RTP would
      --set KEY=VALUE    a key of the start request, for example --set remote_number=100
  -q, --quiet            no progress

Without --near and --far two parties talk that can be told apart: the near one low, the far one high.

Example: callrec-sim call --near /usr/share/sip-tester/g711a.pcap --codec PCMA --set dir=in

callrec-sim load --server ADDR:PORT [OPTIONS]: many phones at once, against a recording server

      --phones N         how many [100]; they come from one address: more than 256 need a server with --max-per-address
      --seconds N        how long they talk, 50 packets a second each [10]
      --dir DIR          the server's folder: each recording's sidecar is asked whether all of it came
      --pid PID          the server's process: its memory and processor time are shown
      --find-limit       10 phones, then 100, 500, 1000 and so on, up to the first packet that is lost

Example: callrec-server record --listen 127.0.0.1:10000 --dir recordings --max-per-address 500 &
         callrec-sim load --server 127.0.0.1:10000 --phones 500 --dir recordings
";

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    socket: String,
    audio: Vec<PathBuf>,
    seconds: Option<f64>,
    sink: Option<String>,
    codec: Option<Law>,
    ptime_ms: u32,
    one_port: bool,
    mixed: bool,
    extra: Vec<(String, String)>,
    quiet: bool,
}

/// How it ends: the message and the exit status.
type Failure = (String, u8);

/// Runs the command line; `arguments` without the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match command(arguments.into_iter().collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err((message, status)) => {
            eprintln!("callrec-sim: {message}");
            ExitCode::from(status)
        }
    }
}

fn command(arguments: Vec<OsString>) -> Result<(), Failure> {
    let Some((name, rest)) = arguments.split_first() else {
        return Err(("no command; 'callrec-sim --help' shows how".into(), 2));
    };
    if arguments
        .iter()
        .any(|argument| argument == "--version" || argument == "-V")
    {
        println!("callrec-sim {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    match name.to_str() {
        Some("call") => match options(rest).map_err(|error| (error.to_string(), 2))? {
            Some(options) => {
                call::call(&options, &tracks(&options)?).map_err(|message| (message, 1))
            }
            None => help(),
        },
        Some("load") => match load_options(rest).map_err(|error| (error.to_string(), 2))? {
            Some(options) => load::load(&options).map_err(|message| (message, 1)),
            None => help(),
        },
        Some("-h" | "--help" | "help") => help(),
        _ => Err((
            format!(
                "unknown command '{}'; 'callrec-sim --help' shows how",
                name.to_string_lossy()
            ),
            2,
        )),
    }
}

fn help() -> Result<(), Failure> {
    print!("{HELP}");
    Ok(())
}

fn options(arguments: &[OsString]) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
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
                options.seconds = Some(number("seconds", &text(&mut parser)?, 0.0, 86_400.0)?)
            }
            Long("sink") => options.sink = Some(text(&mut parser)?),
            Long("codec") => {
                options.codec = match text(&mut parser)?.as_str() {
                    "PCMU" => Some(Law::Mu),
                    "PCMA" => Some(Law::A),
                    other => {
                        return Err(format!("--codec must be PCMU or PCMA, not '{other}'").into())
                    }
                }
            }
            Long("ptime") => {
                options.ptime_ms = number("ptime", &text(&mut parser)?, 5.0, 60.0)? as u32
            }
            Long("one-port") => options.one_port = true,
            Long("mixed") => options.mixed = true,
            Long("set") => {
                let pair = text(&mut parser)?;
                let (key, value) = pair.split_once('=').ok_or("--set wants KEY=VALUE")?;
                options.extra.push((key.into(), value.into()));
            }
            Short('q') | Long("quiet") => options.quiet = true,
            Short('h') | Long("help") => return Ok(None),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn load_options(arguments: &[OsString]) -> Result<Option<load::Load>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut server, mut phones, mut seconds, mut find_limit, mut dir, mut pid) =
        (None, 100, 10.0, false, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("server") => server = Some(text(&mut parser)?),
            Long("phones") => {
                phones = number("phones", &text(&mut parser)?, 1.0, 50_000.0)? as usize
            }
            Long("seconds") => seconds = number("seconds", &text(&mut parser)?, 0.0, 86_400.0)?,
            Long("dir") => dir = Some(parser.value()?.into()),
            Long("pid") => pid = Some(number("pid", &text(&mut parser)?, 1.0, 4e9)? as u32),
            Long("find-limit") => find_limit = true,
            Short('h') | Long("help") => return Ok(None),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    let server = server.ok_or("load: which --server ADDR:PORT?")?;
    let server = server
        .parse()
        .map_err(|_| format!("--server must be ADDR:PORT, not '{server}'"))?;
    Ok(Some(load::Load {
        server,
        phones,
        seconds,
        find_limit,
        dir,
        pid,
    }))
}

fn text(parser: &mut lexopt::Parser) -> Result<String, lexopt::Error> {
    Ok(parser.value()?.to_string_lossy().into_owned())
}

fn number(name: &str, text: &str, least: f64, most: f64) -> Result<f64, lexopt::Error> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        format!("--{name} must be a number from {least} to {most}, not '{text}'").into()
    })
}

/// The legs of the call, in the order of their ports.
fn tracks(options: &Options) -> Result<Vec<Track>, Failure> {
    let law = options.codec.unwrap_or(Law::Mu);
    if options.audio.is_empty() {
        let seconds = options.seconds.unwrap_or(10.0);
        return Ok(vec![
            Track::of_samples(
                "near",
                &parties::near(seconds),
                law,
                options.ptime_ms,
                0x6E65_6172,
            ),
            Track::of_samples(
                "far",
                &parties::far(seconds),
                law,
                options.ptime_ms,
                0x0066_6172,
            ),
        ]);
    }
    let mut tracks = vec![];
    for path in &options.audio {
        let loaded = track::load(path, law, options.ptime_ms, tracks.len() as u32);
        tracks.extend(loaded.map_err(|problem| (format!("{}: {problem}", path.display()), 1))?);
    }
    Ok(tracks)
}
