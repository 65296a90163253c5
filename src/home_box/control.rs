//! `callrec-box ctl` and `callrec-box watch`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::command::{command, CommandSpec};
use crate::cli::control::{self, ControlProgram};
use crate::cli::failure::Failure;

pub(super) const CTL: CommandSpec = command! {
    "callrec-box", "ctl", "MESSAGE...",
    "sends control messages and prints each reply on a line";
    [
        ("s", "socket", "SOCKET",
            "the box's control socket [/var/run/callrec-box.sock]"),
    ];
    "\
A message without 'cmd=' begins with the command. The exit status is 1 if a reply says that a request failed.";
    [
        "callrec-box ctl StatusRequest",
        "callrec-box ctl 'cmd=DndRequest&minutes=60'",
        "callrec-box ctl 'cmd=AlarmRequest&port=3&name=smoke'",
    ]
};

pub(super) const WATCH: CommandSpec = command! {
    "callrec-box", "watch", "",
    "prints events as they occur, one per line";
    [
        ("s", "socket", "SOCKET",
            "the box's control socket [/var/run/callrec-box.sock]"),
    ];
    "\
It ends when the box does.";
    [
        "callrec-box watch | grep JoinEvent",
    ]
};

const PROGRAM: ControlProgram = ControlProgram {
    name: "callrec-box",
    socket: "/var/run/callrec-box.sock",
    ctl_help: CTL.help,
    watch_help: WATCH.help,
};

pub(super) fn ctl(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    control::ctl(&PROGRAM, arguments)
}

pub(super) fn watch(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    control::watch(&PROGRAM, arguments)
}
