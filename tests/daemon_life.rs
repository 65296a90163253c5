//! The daemon's life: cut off at any moment, ended in order, told to read its configuration again, started
//! where another one is or was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::Duration;

use common::file::{header, read, read_unfinished};
use common::{callrec, wait_for, Phone, Talker};
use nix::sys::signal::Signal;

/// Frames that may be missing when the power goes: 2 s.
const AT_RISK: usize = 100;

/// A recording that is cut off after so many packets; what is left, and what the next start makes of it.
fn cut_off(packets: u32) {
    let mut phone = Phone::new("");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], packets);
    talker.wait(packets);
    phone.kill();
    let sent = talker.end();
    let path = phone.stick().join(start.value("file"));
    let (left, _) = read_unfinished(&path);
    let kept = left.numbers(&sent).iter().flatten().count();
    assert!(kept + AT_RISK >= packets as usize, "{kept} of {packets}");
    let info = callrec(&["info", "--json", path.to_str().unwrap()]);
    assert!(info.status.success(), "{info:?}");
    let json: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(json["frames"], left.frames.len());

    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    phone.start();
    wait_for("the repair", || {
        let bytes = fs::read(&path).unwrap();
        bytes.len() < 76 || 76 + header(&bytes).3 as usize == bytes.len()
    });
    let whole = read(&path);
    assert_eq!(
        whole.frames, left.frames,
        "no more and no less than was there"
    );
    wait_for("the time to be set back", || {
        fs::metadata(&path).unwrap().modified().unwrap() == modified
    });
    let again = phone.record("");
    assert_ne!(again.value("file"), start.value("file"));
}

#[test]
fn a_recording_cut_off_at_its_beginning_is_made_whole() {
    for packets in [0, 1, 7, 16, 31] {
        cut_off(packets);
    }
}

#[test]
fn a_recording_cut_off_before_the_first_sync_is_made_whole() {
    for packets in [58, 66] {
        cut_off(packets);
    }
}

#[test]
fn a_recording_cut_off_later_misses_two_seconds_at_most() {
    for packets in [130, 171] {
        cut_off(packets);
    }
}

#[test]
fn every_kind_of_torn_file_is_repaired_and_others_are_left_alone() {
    let mut phone = Phone::prepared("");
    let mut whole = vec![0; 76];
    whole[..4].copy_from_slice(b"PCMU");
    whole[64..72].copy_from_slice(&[172, 0, 0, 0, 160, 0, 0, 0]);
    for n in 0..5u16 {
        whole.extend(common::rtp(
            0,
            n,
            u32::from(n) * 160,
            1,
            &common::marked(1, n.into()),
        ));
    }
    let stick = phone.stick();
    let name = |cut: usize| stick.join(format!("Record_20200101_{cut:06}.wav"));
    (0..=whole.len()).for_each(|cut| fs::write(name(cut), &whole[..cut]).unwrap());
    let foreign: Vec<(_, Vec<u8>)> = [
        (
            "Record_20200101_900000.wav",
            b"RIFF....WAVEfmt and so on, longer than a header of ours is, I should say so.."
                .to_vec(),
        ),
        ("music.wav", whole[..300].to_vec()),
        ("Record_20200101_900001.txt", whole[..300].to_vec()),
    ]
    .map(|(name, bytes)| (phone.stick().join(name), bytes))
    .into();
    foreign
        .iter()
        .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    fs::create_dir(phone.stick().join("Record_20200101_910000.wav")).unwrap();
    std::os::unix::fs::symlink(
        phone.config(),
        phone.stick().join("Record_20200101_910001.wav"),
    )
    .unwrap();
    let config = fs::read(phone.config()).unwrap();
    phone.start();
    wait_for("the repairs", || {
        phone.stat("repaired") as usize >= whole.len() - 76
    });
    for cut in 0..=whole.len() {
        let bytes = fs::read(name(cut)).unwrap();
        if cut < 76 {
            assert_eq!(bytes, whole[..cut], "no header, no repair");
            continue;
        }
        let frames = (cut - 76) / 172;
        assert_eq!(
            (bytes.len(), header(&bytes).3 as usize),
            (76 + frames * 172, frames * 172),
            "cut at {cut}"
        );
        assert_eq!(bytes[76..], whole[76..76 + frames * 172]);
    }
    foreign.iter().for_each(|(path, bytes)| {
        assert_eq!(&fs::read(path).unwrap(), bytes, "{}", path.display())
    });
    assert_eq!(
        fs::read(phone.config()).unwrap(),
        config,
        "a link is not followed"
    );
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
    let (status, took) = phone.end();
    assert_eq!(status, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
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
    let port = start.ports()[0];
    let done = std::sync::atomic::AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = socket.send_to(
                    &common::rtp(0, 1, 160, 5, &[0x12; 160]),
                    ("127.0.0.1", port),
                );
            }
        });
        std::thread::sleep(Duration::from_millis(500));
        let ended = phone.end();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        ended
    });
    assert_eq!(ended.0, Some(0));
    assert!(ended.1 < Duration::from_secs(2), "{ended:?}");
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
        let (status, took) = phone.end();
        assert_eq!(status, Some(0));
        assert!(took < Duration::from_secs(2), "{took:?}");
        phone
            .files()
            .iter()
            .for_each(|name| drop(read(&phone.stick().join(name))));
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
    let mut log = String::new();
    phone.signal(Signal::SIGCONT);
    let (status, took) = phone.end();
    log += &phone.log();
    assert_eq!(status, Some(0), "{log}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    phone
        .files()
        .iter()
        .for_each(|name| drop(read(&phone.stick().join(name))));
}

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
    phone.beside(&start.value("file"), "sha256");
    fs::remove_dir_all(phone.stick()).unwrap();
    let refused = phone.ask("cmd=RecordStartRequest").reason();
    assert!(
        ["no-stick", "stick-lost"].contains(&refused.as_str()),
        "{refused}"
    );
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
