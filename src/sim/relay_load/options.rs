//! The command line of `relay`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::command::{command, CommandSpec};
use crate::sim::options::{number, text};

pub(in crate::sim) const RELAY: CommandSpec = command! {
    "callrec-sim", "relay", "",
    "publishes a film to a stream relay, and plays it with many players at once";
    [
        ("", "film", "FILE",
            "an FLV file; required"),
        ("", "publish", "URL",
            "where it is published as fast as it plays [nobody publishes]"),
        ("", "play", "URL",
            "where it is played; required"),
        ("", "players", "N",
            "number of players [16]"),
        ("", "stall", "",
            "the first player reads nothing for 10 s"),
        ("", "pid", "PID",
            "the server's process: show its memory and processor time"),
    ];
    "\
Prints one line: how many players, besides the one that stalls, have got the film byte for byte (whole), how many tags that
one has got, and what the server has needed.";
    [
        "callrec-sim relay --film film.flv --publish http://11.0.1.22:954/stream/b1 --play http://192.168.1.22:954/stream/b1",
    ]
};

/// The options of `relay`.
#[derive(Debug)]
pub(super) struct RelayOptions {
    pub(super) film: PathBuf,
    pub(super) publish: Option<String>,
    pub(super) play: String,
    pub(super) players: usize,
    pub(super) stall: bool,
    pub(super) pid: Option<u32>,
}

/// Reads the arguments; `None`: `--help` was given.
pub(super) fn relay_options(arguments: &[OsString]) -> Result<Option<RelayOptions>, lexopt::Error> {
    let mut film = None;
    let mut publish = None;
    let mut play = None;
    let mut players = 16;
    let mut stall = false;
    let mut pid = None;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("film") => film = Some(parser.value()?.into()),
            Long("publish") => publish = Some(text(&mut parser)?),
            Long("play") => play = Some(text(&mut parser)?),
            Long("players") => players = number("players", &mut parser, 1.0, 10_000.0)? as usize,
            Long("stall") => stall = true,
            Long("pid") => pid = Some(number("pid", &mut parser, 1.0, 4e9)? as u32),
            Short('h') | Long("help") => return Ok(None),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(RelayOptions {
        film: film.ok_or("relay: which --film FILE?")?,
        publish,
        play: play.ok_or("relay: which --play URL?")?,
        players,
        stall,
        pid,
    }))
}
