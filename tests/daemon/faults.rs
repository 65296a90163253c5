//! The k-th call to the stick fails, for the first k, each call and each error that sticks are
//! known for: in the real daemon, by strace. It never dies, says what happened, leaves a file that
//! can be read, and makes the next recording as if nothing had been.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use crate::common::file::{read, read_unfinished};
use crate::common::{callrec, wait_for, Answer, Phone, Talker};

const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EROFS", "EINTR"];
const MOST: u32 = 6;
/// A sync, its header and a look at the free space lie within this.
const PACKETS: u32 = 70;

/// The phone's 32 bits have calls of their own for sizes of 64.
const FSTATFS: &str = if cfg!(target_pointer_width = "32") {
    "fstatfs64"
} else {
    "fstatfs"
};
const FTRUNCATE: &str = if cfg!(target_pointer_width = "32") {
    "ftruncate64"
} else {
    "ftruncate"
};

/// One failure: the k-th call of this name.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: &'static str,
    error: &'static str,
    k: u32,
}

/// How a recording ended, if the daemon says so.
#[derive(Debug)]
enum Outcome {
    Refused(String),
    Failed(String),
    Stopped(Answer),
}

fn traced(fault: Fault) -> Phone {
    let Fault { call, error, k } = fault;
    // Of the many files that are opened only what is done in the stick's folder counts.
    injected(call, &format!("error={error}:when={k}"), call == "openat")
}

/// A phone with one fault, in the stick's folder only or wherever the call is made.
fn injected(call: &str, fault: &str, in_folder: bool) -> Phone {
    let phone = Phone::prepared("");
    let stick = phone.stick().to_str().unwrap().to_owned();
    let log = phone.path("strace").to_str().unwrap().to_owned();
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{fault}"));
    let mut words = vec![
        "strace", "-D", "-f", "-qq", "-o", &log, "-e", &trace, "-e", &inject,
    ];
    if in_folder {
        words.extend(["-P", &stick]);
    }
    let mut phone = phone.behind(&words);
    phone.start();
    phone
}

/// A call with one party; what the daemon says became of it, and what was sent.
fn call(phone: &Phone) -> (Outcome, String, Vec<Vec<u8>>) {
    let mut watch = phone.watch();
    let start = phone.ask("cmd=RecordStartRequest&legs=1");
    if !start.success() {
        return (Outcome::Refused(start.reason()), String::new(), vec![]);
    }
    let talker = Talker::new(start.ports()[0], 5);
    talker.wait(PACKETS);
    let sent = talker.end();
    let stop = phone.ask(&format!("cmd=RecordStopRequest&id={}", start.id()));
    let last = loop {
        let event = watch.next().expect("an event tells of the end");
        assert_eq!(
            event.id(),
            if event.value("cmd") == "RecordEvent" {
                start.id()
            } else {
                String::new()
            }
        );
        if ["stopped", "failed"].contains(&event.value("state").as_str()) {
            break event;
        }
    };
    assert_eq!(
        stop.success(),
        last.value("state") == "stopped",
        "{stop:?} {last:?}"
    );
    let reason = last
        .value("reason")
        .split(':')
        .next()
        .unwrap_or_default()
        .to_owned();
    let outcome = if stop.success() {
        Outcome::Stopped(stop)
    } else {
        Outcome::Failed(reason)
    };
    (outcome, start.value("file"), sent)
}

fn assert_reason(error: &str, reason: &str) {
    let expected: &[&str] = if error == "ENOSPC" {
        &["disk-full"]
    } else {
        &["stick-error", "stick-lost"]
    };
    assert!(expected.contains(&reason), "{reason}");
}

/// Checks what became of one call; `true` if it was recorded to its end.
fn judge(fault: Fault, phone: &Phone) -> bool {
    let before = phone.files();
    let (outcome, name, sent) = call(phone);
    let path = phone.stick().join(&name);
    match &outcome {
        Outcome::Refused(reason) => {
            assert_reason(fault.error, reason);
            assert_eq!(
                phone.files(),
                before,
                "a start that is refused leaves no file"
            );
        }
        Outcome::Failed(reason) => {
            assert_reason(fault.error, reason);
            let (recording, size) = read_unfinished(&path);
            let kept: Vec<usize> = recording.numbers(&sent).into_iter().flatten().collect();
            assert!(
                kept.iter().zip(0..).all(|(n, i)| *n == i),
                "not the beginning of what was sent: {kept:?}"
            );
            assert!(size as usize <= recording.frames.len() * 172);
            assert!(callrec(&["info", path.to_str().unwrap()]).status.success());
        }
        Outcome::Stopped(stop) => {
            let recording = read(&path);
            assert_eq!(stop.value("frames"), recording.frames.len().to_string());
            recording.assert_holds(&sent.concat());
            return true;
        }
    }
    // Being interrupted is no failure, and space need not be reserved.
    assert!(
        fault.error != "EINTR" && fault.call != "fallocate",
        "{outcome:?}"
    );
    false
}

/// What the daemon made of one failure: one recording has it, in this call or the next; no other is
/// harmed.
fn survive(fault: Fault) {
    let mut phone = traced(fault);
    if !judge(fault, &phone) || !judge(fault, &phone) {
        assert!(judge(fault, &phone), "one failure ended two recordings");
    }
    assert_eq!(phone.stat("bug"), 0);
    assert!(phone.lives());
    assert_eq!(phone.end(), Some(0));
}

/// Every error at every k of one call, some at a time.
fn survive_all(call: &'static str) {
    let faults: Vec<Fault> = ERRORS
        .iter()
        .flat_map(|error| (1..=MOST).map(move |k| Fault { call, error, k }))
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = std::panic::catch_unwind(|| survive(*fault)) {
                        let words = why.downcast_ref::<String>().cloned();
                        let words = words
                            .or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("{fault:?}: {}", words.unwrap_or_default()));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        faults.len()
    );
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn every_write_may_fail() {
    survive_all("pwrite64");
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn every_sync_may_fail() {
    survive_all("fdatasync");
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn every_opening_may_fail() {
    survive_all("openat");
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn every_look_at_the_free_space_may_fail() {
    survive_all(FSTATFS);
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn every_cut_may_fail() {
    survive_all(FTRUNCATE);
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn every_reservation_may_fail() {
    survive_all("fallocate");
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn a_stick_that_fails_for_good_ends_every_recording_with_its_reason() {
    for (call_name, error, reason) in [
        ("pwrite64", "ENOSPC", "disk-full"),
        ("pwrite64", "EIO", "stick-error"),
        ("fdatasync", "EIO", "stick-error"),
    ] {
        let mut phone = injected(call_name, &format!("error={error}:when=2+"), false);
        for _ in 0..3 {
            match call(&phone).0 {
                Outcome::Refused(word) | Outcome::Failed(word) => assert_eq!(word, reason),
                Outcome::Stopped(stop) => panic!("{stop:?}"),
            }
        }
        assert!(phone.lives());
        assert_eq!(phone.end(), Some(0));
    }
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn a_stick_that_stalls_for_four_seconds_loses_nothing() {
    std::thread::scope(|scope| {
        for (name, k) in [
            ("pwrite64", 3),
            ("fdatasync", 1),
            ("fdatasync", 2),
            (FSTATFS, 4),
            ("fallocate", 1),
        ] {
            scope.spawn(move || {
                let phone = injected(name, &format!("delay_enter=3900000:when={k}"), false);
                let starts: Vec<Answer> = (0..2).map(|_| phone.record("&legs=1")).collect();
                let talkers: Vec<Talker> = starts
                    .iter()
                    .zip(1..)
                    .map(|(start, n)| Talker::new(start.ports()[0], n))
                    .collect();
                talkers.iter().for_each(|talker| talker.wait(370));
                for (start, talker) in starts.iter().zip(talkers) {
                    let sent = talker.end();
                    let stop = phone.stop(&start.id());
                    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
                }
                assert_eq!(
                    (phone.stat("frames_lost"), phone.stat("kernel_drop")),
                    (0, 0),
                    "{name} {k}"
                );
                let longest = phone.stat("longest_turn_us");
                assert!(
                    longest >= 3_900_000,
                    "{name} {k} did not stall: {longest} us"
                );
            });
        }
    });
}

#[test]
#[ignore = "needs the package strace: scripts/test installs it"]
fn nothing_that_fails_beside_a_recording_harms_it() {
    std::thread::scope(|scope| {
        for (name, error) in [
            ("renameat", "EIO"),
            ("fsync", "EROFS"),
            ("unlinkat", "EIO"),
            ("renameat", "ENOSPC"),
        ] {
            scope.spawn(move || {
                let mut phone = injected(name, &format!("error={error}:when=1+"), false);
                for _ in 0..2 {
                    let (Outcome::Stopped(stop), file, sent) = call(&phone) else {
                        panic!("{name}: {}", phone.log())
                    };
                    read(&phone.stick().join(&file)).assert_holds(&sent.concat());
                    assert_eq!(stop.value("files"), file);
                }
                assert_eq!((phone.stat("failed"), phone.stat("bug")), (0, 0));
                assert!(
                    name == "unlinkat" || phone.stat("sidecars_lost") > 0,
                    "{name} was not called"
                );
                assert_eq!(phone.end(), Some(0));
            });
        }
    });
}

#[test]
#[ignore = "needs the package strace: scripts/test installs it"]
fn a_daemon_that_is_killed_beside_a_recording_leaves_all_of_it() {
    std::thread::scope(|scope| {
        for name in ["renameat", "fsync", "unlinkat"] {
            // At a part's beginning, at its end, and with its sum.
            for k in 1..=3 {
                scope.spawn(move || {
                    let mut phone = injected(name, &format!("signal=KILL:when={k}"), false);
                    let start = phone.ask("cmd=RecordStartRequest&legs=1&remote_name=Ann");
                    let talker = Talker::new(start.ports()[0], 5);
                    talker.wait(PACKETS);
                    let sent = talker.end();
                    if k > 1 {
                        phone.stop(&start.id());
                    }
                    wait_for("its end", || !phone.lives());
                    phone.kill();
                    let mut phone = phone.behind(&[]);
                    phone.start();
                    assert_eq!(phone.files(), [start.value("file")], "{name} {k}");
                    let path = phone.stick().join(start.value("file"));
                    if k > 1 {
                        read(&path).assert_holds(&sent.concat());
                    }
                    let verified = callrec(&["verify", phone.stick().to_str().unwrap()]);
                    assert!(verified.status.success(), "{name} {k}: {verified:?}");
                    let beside =
                        std::fs::read_to_string(path.with_extension("json")).unwrap_or_default();
                    let whole = serde_json::from_str::<serde_json::Value>(&beside);
                    assert!(
                        beside.is_empty() && k == 1 || whole.unwrap()["remote_name"] == "Ann",
                        "{name} {k}: {beside}"
                    );
                    assert_eq!(phone.end(), Some(0));
                });
            }
        }
    });
}

#[test]
#[ignore = "needs the package strace: scripts/test installs it"]
fn reading_a_recording_back_from_a_slow_stick_costs_the_next_one_nothing() {
    let phone = injected("pread64", "delay_enter=300000:when=1+", false);
    let first = phone.record("&legs=1");
    let talker = Talker::new(first.ports()[0], 1);
    talker.wait(150);
    drop(talker);
    phone.stop(&first.id());
    let second = phone.record("&legs=1");
    let talker = Talker::new(second.ports()[0], 2);
    talker.wait(250);
    let sent = talker.end();
    phone.stop(&second.id());
    read(&phone.stick().join(second.value("file"))).assert_holds(&sent.concat());
    assert_eq!(
        (
            phone.stat("frames_lost"),
            phone.stat("kernel_drop"),
            phone.stat("sidecars_lost")
        ),
        (0, 0, 0)
    );
    phone.sidecar(&first.value("file"), "sha256");
}
