//! More control clients than there are places, and no file descriptors left, in the real daemon.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::file::read;
use crate::common::{wait_for, Control, Phone, Talker};
use nix::sys::signal::Signal;

fn limit(phone: &Phone, number: usize) {
    let (pid, limit) = (phone.pid().to_string(), format!("--nofile={number}:"));
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Lets the daemon open nothing more, and leaves it what it has: control clients take the numbers
/// between.
fn exhaust(phone: &Phone) -> Vec<Control> {
    // Larger numbers are those of whoever runs the tests, inherited.
    let used =
        |number: &usize| fs::symlink_metadata(format!("/proc/{}/fd/{number}", phone.pid())).is_ok();
    let end = (0..100).rev().find(used).unwrap() + 1;
    let mut crowd = vec![];
    while !(0..end).all(|number| used(&number)) {
        let mut client = phone.control();
        assert!(client.ask("cmd=StatsRequest").success());
        crowd.push(client);
    }
    limit(phone, end);
    crowd
}

#[test]
fn lists_that_find_no_descriptor_are_refused_and_the_recording_goes_on() {
    let mut phone = Phone::new("");
    fs::write(phone.stick().join("Record_20200101_000000.wav"), "x").unwrap();
    let mut watch = phone.watch();
    let mut clients: Vec<_> = (0..6).map(|_| phone.control()).collect();
    clients
        .iter_mut()
        .for_each(|client| assert!(client.ask("cmd=ListRequest").success()));
    let start = start_one(&phone);
    let talker = Talker::new(start.1, 7);
    talker.wait(40);
    let crowd = exhaust(&phone);
    for client in &mut clients {
        client.send(b"cmd=ListRequest\n");
    }
    for client in &mut clients {
        let answer = client.next().expect("an answer");
        assert_eq!(
            (answer.value("cmd").as_str(), answer.reason().as_str()),
            ("ListResponse", "busy"),
            "{answer:?}"
        );
    }
    let refused = clients[0]
        .ask("cmd=PlayStartRequest&file=Record_20200101_000000.wav&host=127.0.0.1&port=9");
    assert!(!refused.success(), "{refused:?}");
    assert_eq!(
        clients[0].ask("cmd=RecordStartRequest&legs=0").reason(),
        "busy"
    );
    talker.wait(talker.sent() + 100); // syncs, and looks at the free space
    assert_eq!(clients[0].ask("cmd=StatsRequest").value("failed"), "0");
    limit(&phone, 1024);
    drop(crowd);
    assert!(clients[0].ask("cmd=ListRequest").success());
    let sent = talker.end();
    let stop = clients[0].ask(&format!("cmd=RecordStopRequest&id={}", start.0));
    assert!(stop.success(), "{stop:?}");
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    assert_eq!(watch.until("RecordEvent", "stopped").id(), start.0);
    assert!(phone.lives());
}

/// Starts a recording with one leg; its id and port.
fn start_one(phone: &Phone) -> (String, u16) {
    let start = phone.record("&legs=1");
    (start.id(), start.ports()[0])
}

/// A phone whose stick is a small tmpfs.
struct Small(Phone);

impl Small {
    fn new(config: &str) -> Self {
        let phone = Phone::prepared(config);
        let stick = phone.stick().display().to_string();
        let words = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", &stick];
        assert!(Command::new("mount")
            .args(words)
            .status()
            .unwrap()
            .success());
        let mut this = Self(phone);
        this.0.start();
        this
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.0.stick())
            .status();
    }
}

fn fill(path: &Path) {
    let chunk = vec![7; 64 * 1024];
    let mut file = fs::File::create(path).unwrap();
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
}

/// A walk over the folder needs a descriptor: one is kept for it.
#[test]
#[ignore = "needs root: scripts/test runs it"]
fn room_is_made_on_a_full_stick_when_no_descriptor_is_left() {
    let mut small = Small::new("coverOlderRecordings = 1\nusbReserve = 0");
    let phone = &mut small.0;
    let old = phone.stick().join("Record_20200101_000000.wav");
    fs::write(&old, vec![7; 2 << 20]).unwrap();
    let (id, port) = start_one(phone);
    let mut control = phone.control();
    assert!(control.ask("cmd=StatsRequest").success());
    let talker = Talker::new(port, 7);
    talker.wait(40);
    let crowd = exhaust(phone);
    fill(&phone.stick().join("holiday.mp4"));
    wait_for("the old recording to go", || !old.exists());
    assert_eq!(control.ask("cmd=StatsRequest").value("failed"), "0");
    talker.wait(talker.sent() + 100);
    let sent = talker.end();
    let stop = control.ask(&format!("cmd=RecordStopRequest&id={id}"));
    assert!(stop.success(), "{stop:?}");
    drop(crowd);
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    assert!(phone.lives());
}

#[test]
fn a_burst_of_clients_is_served_while_silent_ones_hold_places() {
    let mut phone = Phone::new("");
    // All come while the daemon cannot look at any of them: first sixteen that stay silent, then
    // those that speak.
    phone.signal(Signal::SIGSTOP);
    let silent: Vec<_> = (0..16).map(|_| phone.control()).collect();
    let mut burst: Vec<_> = (0..16).map(|_| phone.control()).collect();
    burst
        .iter_mut()
        .for_each(|control| control.send(b"cmd=StatsRequest\n"));
    phone.signal(Signal::SIGCONT);
    for (n, control) in burst.iter_mut().enumerate() {
        let answer = control
            .next()
            .unwrap_or_else(|| panic!("client {n} was closed"));
        assert!(answer.success(), "client {n}: {answer:?}");
    }
    for mut control in silent {
        assert_eq!(
            control.next().expect("a word before it is closed").reason(),
            "busy"
        );
    }
    assert_eq!(
        burst[0].ask("cmd=StatsRequest").value("too_many_clients"),
        "16"
    );
    assert!(phone.lives());
}
