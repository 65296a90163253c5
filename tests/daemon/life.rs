//! How the daemon ends on SIGTERM, and how it starts where another one runs or has run.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use crate::common::file::read;
use crate::common::{callrec, rtp, wait_for, Flood, Phone, Talker};
use nix::sys::signal::Signal;

fn assert_files_are_whole(phone: &Phone) {
    for name in phone.files() {
        read(&phone.stick().join(name));
    }
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user has no SO_TIMESTAMPNS; scripts/phone runs it"
)]
fn sigterm_finishes_every_recording_and_says_so_by_status() {
    let mut phone = Phone::new("");
    let mut watch = phone.watch();
    let starts: Vec<_> = (0..4).map(|_| phone.record("&legs=1")).collect();
    let talkers: Vec<Talker> = starts
        .iter()
        .zip(1..)
        .map(|(start, n)| Talker::new(start.ports()[0], n))
        .collect();
    talkers.iter().for_each(|talker| talker.wait(40));
    assert_eq!(phone.end(), Some(0));
    for (start, talker) in starts.iter().zip(talkers) {
        let recording = read(&phone.stick().join(start.value("file")));
        let numbers: Vec<usize> = recording
            .numbers(&talker.end())
            .into_iter()
            .flatten()
            .collect();
        assert!(
            numbers.len() >= 40 && numbers.iter().zip(0..).all(|(n, i)| *n == i),
            "{numbers:?}"
        );
    }
    let mut stopped = 0;
    while let Some(event) = watch.next() {
        stopped += usize::from(event.value("state") == "stopped");
    }
    assert_eq!(stopped, 4, "who watches is told before the end");
}

#[test]
fn sigterm_in_a_flood_of_packets_ends_in_time() {
    let mut phone = Phone::new("");
    let start = phone.record("&legs=1");
    let flood = Flood::new(start.ports()[0], |_| rtp(0, 1, 160, 5, &[0x12; 160]));
    wait_for("the flood", || {
        phone.stat("duplicate") + phone.stat("late") > 1000
    });
    assert_eq!(phone.end(), Some(0));
    drop(flood);
    read(&phone.stick().join(start.value("file")));
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user has no SO_TIMESTAMPNS; scripts/phone runs it"
)]
fn a_daemon_that_did_not_run_for_seconds_loses_nothing() {
    let phone = Phone::new("");
    let start = phone.record("&legs=2");
    let talker = Talker::new(start.ports()[0], 9);
    talker.wait(30);
    phone.signal(Signal::SIGSTOP);
    talker.wait(30 + 190);
    phone.signal(Signal::SIGCONT);
    talker.wait(30 + 190 + 30);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    assert_eq!(phone.stat("kernel_drop"), 0);
}

#[test]
fn an_idle_daemon_and_a_paused_one_end_at_once() {
    for keys in [None, Some(""), Some("&legs=0")] {
        let mut phone = Phone::new("");
        if let Some(keys) = keys {
            let id = phone.record(keys).id();
            assert!(phone
                .ask(&format!("cmd=RecordPauseRequest&id={id}"))
                .success());
        }
        assert_eq!(phone.end(), Some(0));
        assert_files_are_whole(&phone);
    }
}

#[test]
fn a_start_that_comes_with_sigterm_delays_nothing() {
    let mut phone = Phone::new("");
    let mut control = phone.control();
    let mut other = phone.control();
    phone.signal(Signal::SIGSTOP);
    phone.signal(Signal::SIGTERM);
    control.send(b"cmd=RecordStartRequest\n");
    other.send(b"cmd=RecordStartRequest\ncmd=RecordStartRequest\n");
    phone.signal(Signal::SIGCONT);
    let status = phone.end();
    assert_eq!(status, Some(0), "{}", phone.log());
    assert_files_are_whole(&phone);
}

#[test]
fn a_second_daemon_on_the_same_socket_refuses_and_harms_nothing() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let second = callrec(&["run", "-c", phone.config().to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    let words = String::from_utf8(second.stderr).unwrap();
    assert!(words.contains(phone.socket().to_str().unwrap()), "{words}");
    let talker = Talker::new(start.ports()[0], 2);
    talker.wait(30);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
}

#[test]
fn a_stale_socket_is_replaced_and_anything_else_is_not() {
    let mut phone = Phone::new("");
    assert_eq!(
        fs::metadata(phone.socket()).unwrap().permissions().mode() & 0o777,
        0o660
    );
    phone.kill();
    assert!(
        fs::metadata(phone.socket())
            .unwrap()
            .file_type()
            .is_socket(),
        "left behind"
    );
    phone.start();
    phone.record("");
    phone.kill();
    fs::remove_file(phone.socket()).unwrap();
    fs::write(phone.socket(), "precious").unwrap();
    let refused = callrec(&["run", "-c", phone.config().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fs::read(phone.socket()).unwrap(), b"precious");
}

#[test]
fn a_plain_folder_that_appears_later_is_used() {
    let mut phone = Phone::prepared("");
    fs::remove_dir(phone.stick()).unwrap();
    phone.start();
    assert_eq!(phone.ask("cmd=RecordStartRequest").reason(), "no-stick");
    fs::create_dir(phone.stick()).unwrap();
    let start = phone.record("");
    phone.stop(&start.id());
    phone.sidecar(&start.value("file"), "sha256");
    fs::remove_dir_all(phone.stick()).unwrap();
    // The sidecar is complete, so the daemon is idle and looks for the folder when it is asked.
    // While it records it would find out by a call that fails: "stick-lost".
    assert_eq!(phone.ask("cmd=RecordStartRequest").reason(), "no-stick");
    fs::create_dir(phone.stick()).unwrap();
    let again = phone.record("");
    phone.stop(&again.id());
    assert_eq!(phone.files(), [again.value("file")]);
}

#[test]
fn the_daemons_file_is_left_alone_while_it_records() {
    let phone = Phone::new("");
    let recording = phone.record("");
    let ran = callrec(&["repair", phone.stick().to_str().unwrap()]);
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(
        ran.status.success() && said.contains("being recorded"),
        "{said}"
    );
    phone.stop(&recording.id());
    let ran = callrec(&["repair", phone.stick().to_str().unwrap()]);
    assert!(String::from_utf8(ran.stdout).unwrap().contains("is whole"));
}
