//! A daemon that something holds up, as a slow stick does: what is asked for meanwhile counts from
//! when it was asked for.

use std::io::Read;
use std::process::Stdio;

use crate::common::file::read;
use crate::common::{command, in_time, Phone, Talker};
use nix::sys::signal::Signal;

/// Packets before the daemon is held up, while it is, and after.
const BEFORE: u32 = 75;
const HELD_UP: u32 = 275;
const AFTER: u32 = 325;

/// `callrec ctl` asks for this in the middle of a call, and the daemon goes on four seconds later:
/// its answer when the call has gone on for a while, and how many packets had been sent when it was
/// asked for.
fn asked_while_held_up(phone: &Phone, request: &str, talker: &Talker) -> (String, u32) {
    talker.wait(BEFORE);
    phone.signal(Signal::SIGSTOP);
    let mut ctl = command(env!("CARGO_BIN_EXE_callrec"));
    ctl.args(["ctl", "-s", phone.socket().to_str().unwrap(), request]);
    let mut asked = ctl.stdout(Stdio::piped()).spawn().unwrap();
    let sent = talker.sent();
    talker.wait(HELD_UP);
    phone.signal(Signal::SIGCONT);
    talker.wait(AFTER);
    let mut answer = String::new();
    asked
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut answer)
        .unwrap();
    assert!(asked.wait().unwrap().success(), "{answer}");
    (answer, sent)
}

/// A call in which this is asked for while the daemon is held up ends, as far as it is recorded,
/// within a second of that.
fn assert_ends_where_asked(request: &str, ends_the_call: bool) {
    in_time(|| {
        let phone = Phone::new("");
        let start = phone.record("&legs=1");
        let talker = Talker::new(start.ports()[0], 7);
        let (answer, sent) =
            asked_while_held_up(&phone, &format!("cmd={request}&id={}", start.id()), &talker);
        let in_time = talker.was_in_time();
        let packets = talker.end();
        if !ends_the_call {
            phone.stop(&start.id());
        }
        let recording = read(&phone.stick().join(start.value("file")));
        let frames = format!("&frames={}&", recording.frames.len());
        assert!(!ends_the_call || answer.contains(&frames), "{answer}");
        let numbers: Vec<usize> = recording.numbers(&packets).into_iter().flatten().collect();
        let last = *numbers.last().unwrap() as u32;
        assert!(
            !in_time || (sent - 10..sent + 60).contains(&last),
            "asked for at {sent}, the last packet is {last}"
        );
        in_time
    });
}

#[test]
fn a_stop_cuts_the_recording_where_it_was_asked_for() {
    assert_ends_where_asked("RecordStopRequest", true);
}

#[test]
fn a_pause_begins_where_it_was_asked_for() {
    assert_ends_where_asked("RecordPauseRequest", false);
}
