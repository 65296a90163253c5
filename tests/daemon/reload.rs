//! SIGHUP: the daemon reads its configuration again, and running recordings stay as they are.

use std::fs;

use crate::common::file::{header, read};
use crate::common::{wait_for, Phone, Talker};
use nix::sys::signal::Signal;

#[test]
fn sighup_reads_the_configuration_again_and_leaves_recordings_alone() {
    let mut phone = Phone::new("");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 9);
    talker.wait(20);
    phone.reconfigure("voiceCodec = PCMA\nrecordRtpHeader = 0");
    phone.signal(Signal::SIGHUP);
    wait_for("the reload", || {
        phone.log().contains("configuration reloaded")
    });
    talker.wait(60);
    let sent = talker.end();
    let second = phone.record("");
    phone.stop(&second.id());
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    let bytes = fs::read(phone.stick().join(second.value("file"))).unwrap();
    assert_eq!((header(&bytes).0.as_str(), header(&bytes).1), ("PCMA", 160));
    assert!(phone.lives());
}

#[test]
fn sighup_with_a_bad_configuration_changes_nothing_and_says_where() {
    let phone = Phone::new("voiceCodec = PCMA");
    phone.reconfigure("enabled = perhaps");
    phone.signal(Signal::SIGHUP);
    wait_for("the complaint", || phone.log().contains("line 1: enabled"));
    let start = phone.record("");
    assert_eq!(
        read(&phone.stick().join(phone.stop(&start.id()).value("files"))).codec,
        "PCMA"
    );
    fs::remove_file(phone.config()).unwrap();
    phone.signal(Signal::SIGHUP);
    wait_for("the complaint", || phone.log().contains("No such file"));
    phone.record("");
}

#[test]
fn sighup_that_changes_the_stick_leaves_a_running_recording_whole() {
    let phone = Phone::new("");
    let mut watch = phone.watch();
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 9);
    talker.wait(20);
    let other = phone.path("other");
    fs::create_dir(&other).unwrap();
    let text = fs::read_to_string(phone.config()).unwrap();
    let changed = text.replace(phone.stick().to_str().unwrap(), other.to_str().unwrap());
    fs::write(phone.config(), changed).unwrap();
    phone.signal(Signal::SIGHUP);
    wait_for("the reload", || {
        phone.log().contains("configuration reloaded")
    });
    let second = phone.record("");
    phone.stop(&second.id());
    assert!(
        phone.stick().join(second.value("file")).exists(),
        "as long as one runs, the stick stays"
    );
    let stop = phone.stop(&start.id());
    assert!(stop.success(), "{stop:?}");
    drop(talker);
    read(&phone.stick().join(start.value("file")));
    let third = phone.record("");
    phone.stop(&third.id());
    assert!(other.join(third.value("file")).exists());
    let states: Vec<String> = (0..8)
        .map(|_| watch.next().unwrap().value("state"))
        .collect();
    assert!(!states.contains(&"failed".to_owned()), "{states:?}");
}
