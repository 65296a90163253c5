//! A small file system in the stick's place is mounted, unmounted, filled, exchanged and made
//! read-only.

use std::fs;

use crate::common::file::{read, read_unfinished};
use crate::common::sticky::{older, system, Sticky};
use crate::common::wait_for;
use nix::sys::signal::Signal;

const MIB: u64 = 1 << 20;

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn without_a_mount_nothing_is_written_and_with_one_it_works() {
    let sticky = Sticky::bare("");
    assert_eq!(
        sticky.phone.ask("cmd=RecordStartRequest").reason(),
        "no-stick"
    );
    assert!(
        sticky.phone.files().is_empty(),
        "nothing fills the root file system"
    );
    let mut watch = sticky.phone.watch();
    sticky.mount("size=2m");
    let event = watch.until("StickEvent", "mounted");
    assert_eq!(event.value("free_mib"), "2");
    let (start, talker) = sticky.start();
    talker.wait(20);
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    read(&sticky.path().join(stop.value("files"))).assert_holds(&sent.concat());
    sticky.unmount();
    watch.until("StickEvent", "removed");
    assert_eq!(
        sticky.phone.ask("cmd=RecordStartRequest").reason(),
        "no-stick"
    );
    assert!(sticky.phone.files().is_empty());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_pulled_ends_what_is_played_from_it() {
    let sticky = Sticky::new("");
    older("Record_20260101_100000.wav", &sticky, 5000);
    let mut watch = sticky.phone.watch();
    let listeners = [
        crate::common::listener::Listener::new(),
        crate::common::listener::Listener::new(),
    ];
    let ids = listeners
        .each_ref()
        .map(|to| sticky.phone.play("Record_20260101_100000.wav", to, "").id());
    assert!(sticky
        .phone
        .ask(&format!("cmd=PlayPauseRequest&id={}", ids[1]))
        .success());
    listeners[0].take(10);
    sticky.unmount();
    let events = [(); 2].map(|()| watch.until("PlayEvent", "failed"));
    assert!(
        events.iter().zip(&ids).all(|(event, id)| event.id() == *id),
        "{events:?}"
    );
    assert!(
        events
            .iter()
            .all(|event| event.value("reason").starts_with("stick-lost: ")),
        "{events:?}"
    );
    assert_eq!(
        sticky
            .phone
            .play("Record_20260101_100000.wav", &listeners[0], "")
            .reason(),
        "no-stick"
    );
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_pulled_ends_its_recordings_and_the_next_one_works() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    for _ in 0..3 {
        let (first, talker) = sticky.start();
        let second = sticky.phone.record("");
        talker.wait(30);
        sticky.unmount();
        assert_eq!(
            watch.until("StickEvent", "removed").value("path"),
            sticky.path().to_str().unwrap()
        );
        for start in [&first, &second] {
            let event = watch.until("RecordEvent", "failed");
            assert_eq!(
                event.value("reason").split(':').next(),
                Some("stick-lost"),
                "{event:?}"
            );
            assert!([first.id(), second.id()].contains(&event.id()));
            assert_eq!(
                sticky
                    .phone
                    .ask(&format!("cmd=RecordStopRequest&id={}", start.id()))
                    .reason(),
                "unknown-id"
            );
        }
        assert_eq!(
            sticky.phone.ask("cmd=RecordStartRequest").reason(),
            "no-stick"
        );
        assert!(
            sticky.phone.files().is_empty(),
            "nothing goes into the folder below"
        );
        sticky.mount("size=2m");
        watch.until("StickEvent", "mounted");
    }
    let (start, talker) = sticky.start();
    talker.wait(20);
    let sent = talker.end();
    read(
        &sticky
            .path()
            .join(sticky.phone.stop(&start.id()).value("files")),
    )
    .assert_holds(&sent.concat());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_exchanged_unseen_is_the_new_stick() {
    let sticky = Sticky::new("");
    let old = sticky.phone.record("&legs=0");
    let torn = sticky.path().join("torn");
    fs::write(&torn, "on the old one").unwrap();
    // The daemon sees both changes at once: the path is the same, the stick is not.
    sticky.phone.signal(Signal::SIGSTOP);
    sticky.unmount();
    sticky.mount("size=2m");
    older("Record_20200101_000000.wav", &sticky, 3);
    let cut = sticky.path().join("Record_20200101_000000.wav");
    fs::File::options()
        .append(true)
        .open(&cut)
        .unwrap()
        .set_len(76 + 172 + 9)
        .unwrap();
    sticky.phone.signal(Signal::SIGCONT);
    let _ = sticky
        .phone
        .ask(&format!("cmd=RecordStopRequest&id={}", old.id()));
    let (start, talker) = sticky.start();
    talker.wait(10);
    let sent = talker.end();
    let stop = sticky.phone.stop(&start.id());
    let path = sticky.path().join(stop.value("files"));
    assert!(
        path.exists(),
        "{} is not on the stick that is there",
        stop.value("files")
    );
    read(&path).assert_holds(&sent.concat());
    wait_for("the new stick's repair", || {
        fs::metadata(&cut).unwrap().len() == 76 + 172
    });
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_mounted_over_another_one_is_used() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    sticky.mount("size=3m");
    let (start, _talker) = sticky.start();
    let path = sticky.path().join(start.value("file"));
    assert!(path.exists(), "recorded below the stick that is seen");
    sticky.phone.stop(&start.id());
    sticky.unmount();
    watch.until("StickEvent", "mounted");
    let start = sticky.phone.record("");
    assert!(sticky.path().join(start.value("file")).exists());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn an_idle_daemon_lets_the_stick_be_unmounted() {
    let sticky = Sticky::new("");
    sticky.phone.stop(&sticky.phone.record("").id());
    system("umount", &[sticky.path().to_str().unwrap()]);
    sticky.mounts.set(0);
    wait_for("the removal", || {
        sticky.phone.ask("cmd=RecordStartRequest&legs=0").reason() == "no-stick"
    });
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn the_reserve_ends_a_recording_with_a_whole_file_and_the_daemon_goes_on() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    // 1 MiB of reserve, 64 KiB of elbow room, and two seconds of audio.
    sticky.leave_free(MIB + 64 * 1024 + 20 * 1024);
    let (start, talker) = sticky.start();
    watch.until("RecordEvent", "recording");
    let full = watch.until("StickEvent", "full");
    assert_eq!(full.value("path"), sticky.path().to_str().unwrap());
    assert_eq!(full.value("free_mib"), "1", "{full:?}");
    let failed = watch.until("RecordEvent", "failed");
    assert_eq!(
        (failed.id(), failed.value("file")),
        (start.id(), start.value("file"))
    );
    assert_eq!(failed.value("reason").split(':').next(), Some("disk-full"));
    assert!(sticky.free() >= MIB, "{} bytes are free", sticky.free());
    let sent = talker.end();
    let recording = read(&sticky.path().join(start.value("file")));
    let numbers: Vec<usize> = recording.numbers(&sent).into_iter().flatten().collect();
    assert!(
        numbers.len() > 50 && numbers.iter().zip(0..).all(|(n, i)| *n == i),
        "{numbers:?}"
    );
    assert_eq!(
        sticky.phone.ask("cmd=RecordStartRequest").reason(),
        "disk-full"
    );
    assert_eq!(
        sticky.phone.files().len(),
        2,
        "a start that is refused leaves no file"
    );
    fs::remove_file(sticky.path().join("holiday.mp4")).unwrap();
    let (start, talker) = sticky.start();
    talker.wait(10);
    let sent = talker.end();
    read(
        &sticky
            .path()
            .join(sticky.phone.stop(&start.id()).value("files")),
    )
    .assert_holds(&sent.concat());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_others_fill_to_the_last_byte_keeps_a_whole_file() {
    let sticky = Sticky::new("usbReserve = 0");
    let mut watch = sticky.phone.watch();
    let (start, talker) = sticky.start();
    talker.wait(40);
    let filler = sticky.path().join("holiday.mp4");
    let _ = fs::write(&filler, vec![1; 3 * MIB as usize]);
    let failed = watch.until("RecordEvent", "failed");
    assert_eq!(failed.value("reason").split(':').next(), Some("disk-full"));
    let sent = talker.end();
    let (recording, size) = read_unfinished(&sticky.path().join(start.value("file")));
    let whole = read(&sticky.path().join(start.value("file")));
    assert_eq!(
        (recording.frames.len(), size as usize),
        (whole.frames.len(), whole.frames.len() * 172)
    );
    assert!(whole
        .numbers(&sent)
        .into_iter()
        .flatten()
        .zip(0..)
        .all(|(n, i)| n == i));
    assert_eq!(
        sticky.phone.ask("cmd=RecordStartRequest").reason(),
        "disk-full"
    );
    fs::remove_file(filler).unwrap();
    sticky.phone.stop(&sticky.phone.record("").id());
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_stick_that_is_read_only_is_none_until_it_can_be_written() {
    let sticky = Sticky::new("");
    let mut watch = sticky.phone.watch();
    sticky.phone.stop(&sticky.phone.record("").id());
    let torn = older("Record_20200101_000000.wav", &sticky, 3);
    fs::File::options()
        .append(true)
        .open(&torn)
        .unwrap()
        .set_len(76 + 172 + 9)
        .unwrap();
    sticky.remount("ro");
    watch.until("StickEvent", "removed");
    assert_eq!(
        sticky.phone.ask("cmd=RecordStartRequest").reason(),
        "no-stick"
    );
    sticky.remount("rw");
    watch.until("StickEvent", "mounted");
    wait_for("the repair", || {
        fs::metadata(&torn).unwrap().len() == 76 + 172
    });
    sticky.phone.stop(&sticky.phone.record("").id());
    sticky.unmount();
    watch.until("StickEvent", "removed");
    sticky.mount("size=2m,ro");
    assert_eq!(
        sticky.phone.ask("cmd=RecordStartRequest").reason(),
        "no-stick"
    );
}
