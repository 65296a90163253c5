//! `Listen.html`, the page that the daemon keeps on the stick: when it is copied, and that
//! recordings do not depend on it.

use std::fs;
use std::path::PathBuf;

use crate::common::file::read;
use crate::common::sticky::Sticky;
use crate::common::{wait_for, Phone, Talker};

/// A page of this version that takes three pieces to copy.
fn page(version: u32) -> Vec<u8> {
    let mut page = format!("<!DOCTYPE html>\n<meta name=\"version\" content=\"{version:04}\">\n");
    page += &"<p>player\n".repeat(1000);
    page.into_bytes()
}

fn phone(config: &str, version: u32) -> Phone {
    let mut phone = Phone::prepared(config).with_page(&page(version));
    phone.start();
    phone
}

fn on_stick(phone: &Phone) -> PathBuf {
    phone.stick().join("Listen.html")
}

/// Makes a recording of at least 30 frames, whose audio must be whole.
fn record(phone: &Phone) {
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 5);
    talker.wait(30);
    let sent = talker.end();
    let name = phone.stop(&start.id()).value("files");
    read(&phone.stick().join(name)).assert_holds(&sent.concat());
}

/// Once the daemon has no deadline, everything is done.
fn assert_untouched(phone: &Phone, there: Option<&[u8]>) {
    record(phone);
    phone.wait_until_asleep();
    let found = fs::read(on_stick(phone)).ok();
    assert!(found.as_deref() == there, "{found:?}");
    assert!(!phone.stick().join("Listen.new").exists());
}

#[test]
fn the_page_comes_with_the_first_recording() {
    let phone = phone("", 1);
    phone.wait_until_asleep();
    assert!(!on_stick(&phone).exists(), "before there is a recording");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 5);
    wait_for("the page, during the recording", || {
        on_stick(&phone).exists()
    });
    assert_eq!(fs::read(on_stick(&phone)).unwrap(), page(1));
    let sent = talker.end();
    let name = phone.stop(&start.id()).value("files");
    read(&phone.stick().join(name)).assert_holds(&sent.concat());
    assert_untouched(&phone, Some(&page(1)));
}

#[test]
fn an_interrupted_copy_is_replaced() {
    let phone = phone("", 1);
    fs::write(phone.stick().join("Listen.new"), [7; 50_000]).unwrap();
    assert_untouched(&phone, Some(&page(1)));
}

#[test]
fn only_an_older_page_is_replaced() {
    for (there, stays) in [
        (page(1), false),
        (page(2), true),
        (page(10), true),
        (b"<title>my own page</title>".to_vec(), true),
    ] {
        let phone = phone("", 2);
        fs::write(on_stick(&phone), &there).unwrap();
        let expected = if stays { there } else { page(2) };
        assert_untouched(&phone, Some(&expected));
    }
    let marked = [page(2), b"<p>changed".to_vec()].concat();
    let phone = phone("", 2);
    fs::write(on_stick(&phone), &marked).unwrap();
    assert_untouched(&phone, Some(&marked));
}

#[test]
fn the_configuration_decides() {
    let phone = phone("stickPlayer = 0", 1);
    assert_untouched(&phone, None);
}

#[test]
fn a_page_that_cannot_be_copied_is_logged_once_and_harms_nothing() {
    for blocked in ["Listen.html", "Listen.new"] {
        let phone = phone("", 1);
        fs::create_dir(phone.stick().join(blocked)).unwrap();
        (0..2).for_each(|_| record(&phone));
        phone.wait_until_asleep();
        let lines = phone.log().matches("Listen.html: not copied").count();
        assert_eq!(lines, 1, "{blocked}: {}", phone.log());
        assert_eq!(["failed", "bug"].map(|name| phone.stat(name)), [0, 0]);
    }
}

#[test]
fn without_an_installed_page_there_is_a_word_in_the_log() {
    let phone = phone("", 1);
    fs::remove_file(phone.path("share/callrec/Listen.html")).unwrap();
    assert_untouched(&phone, None);
    assert!(phone.log().contains("Listen.html: not copied"));
}

#[test]
#[ignore = "mounts a file system: needs root"]
fn a_stick_without_room_for_the_page_is_recorded_on() {
    let large = [page(1), vec![b' '; 3 << 20]].concat();
    let sticky = Sticky::started(
        Phone::prepared("usbRequireMount = 1").with_page(&large),
        "size=2m",
    );
    record(&sticky.phone);
    sticky.phone.wait_until_asleep();
    assert!(!on_stick(&sticky.phone).exists());
    let log = sticky.phone.log();
    assert!(
        log.contains("Listen.html: not copied to the stick: No space"),
        "{log}"
    );
    assert_eq!(sticky.phone.stat("failed"), 0);
    // Another stick has room.
    sticky.unmount();
    sticky.mount("size=16m");
    wait_for("the larger stick", || {
        let state = sticky.phone.ask("cmd=RecordStartRequest&legs=1");
        state.success() && sticky.phone.stop(&state.id()).success()
    });
    wait_for("the page", || on_stick(&sticky.phone).exists());
}
