//! The FSP service in the real daemon: beside recordings, without a stick, and with strangers.

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::{file, in_time, wait_for, Talker};
use crate::fsp::{noise, read, Offering, DAY, FILE, NAME, PASSWORD};
use callrec::wire::fsp::{Command, DirEntry, EntryKind};

/// The recording's path for clients, from its name.
fn path_of(name: &str) -> String {
    format!("Recorder/{}/{name}", &name[7..15])
}

#[test]
fn while_fifty_megabytes_are_fetched_no_frame_is_late_or_lost() {
    in_time(fifty_megabytes_beside_a_recording);
}

fn fifty_megabytes_beside_a_recording() -> bool {
    let offering = Offering::new("fspMaxPayload = 14708");
    let whole = noise(1, 50_000_000);
    offering.put(NAME, &whole);
    let start = offering.phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 1);
    talker.wait(10);
    let fetched_from = talker.sent();
    let mut raw = offering.raw();
    // The smallest payloads are the most work.
    assert!(raw.get(FILE, 1024) == whole);
    talker.wait(fetched_from + 100);
    assert!(raw.get(FILE, 14_708) == whole);
    let was_in_time = talker.was_in_time();
    let sent = talker.end();
    let stop = offering.phone.stop(&start.id());
    if !was_in_time {
        return false;
    }
    let recording = file::read(&offering.phone.stick().join(start.value("file")));
    recording.assert_holds(&sent.concat());
    assert!(stop.value("frames").parse::<usize>().unwrap() >= sent.len());
    for counter in ["late", "kernel_drop", "concealed", "frames_lost", "bug"] {
        assert_eq!(offering.phone.stat(counter), 0, "{counter}");
    }
    true
}

#[test]
fn a_recording_in_progress_is_fetched_as_far_as_it_is_durable() {
    let offering = Offering::new("");
    let start = offering.phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 1);
    let name = start.value("file");
    let path = path_of(&name);
    let size = || {
        let lines = offering.fetch(&["ls", "--json", path.rsplit_once('/').unwrap().0]);
        let line = lines
            .lines()
            .find(|line| line.contains(&name))
            .unwrap_or_else(|| panic!("no {name}: {lines}"));
        serde_json::from_str::<serde_json::Value>(line).unwrap()["size"]
            .as_u64()
            .unwrap()
    };
    wait_for("a second of it to be durable", || size() > 76 + 172 * 50);
    let line = offering.fetch(&["--flat", "get", "--json", &path]);
    // A strict reader takes it: whole frames, as many as the header says.
    let first = file::read(&offering.to().join(&name)).frames.len();
    assert!(first >= 50, "{line}");
    talker.wait(talker.sent() + 100);
    assert_eq!(offering.fetch(&["--flat", "get", &path]).lines().count(), 1);
    let more = file::read(&offering.to().join(&name));
    assert!(more.frames.len() > first);
    talker.end();
    offering.phone.stop(&start.id());
    offering.fetch(&["--flat", "get", "--all-new"]);
    assert_eq!(
        read(&offering.to().join(&path)),
        read(&offering.phone.stick().join(&name))
    );
    assert_eq!(
        offering.fetch(&["--flat", "get", "--all-new"]),
        "",
        "it is finished"
    );
}

#[test]
fn a_missing_stick_gets_error_replies_and_one_that_returns_is_served() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 100_000));
    let mut raw = offering.raw();
    assert_eq!(
        raw.ask(Command::GET_FILE, FILE, PASSWORD).0,
        Command::GET_FILE
    );
    let (stick, away) = (offering.phone.stick(), offering.phone.path("away"));
    fs::rename(&stick, &away).unwrap();
    // The daemon closes its files when it looks for the stick, which a control client triggers.
    offering.phone.stat("wakeups");
    let text = |(command, data): (Command, Vec<u8>)| {
        assert_eq!(command, Command::ERROR);
        String::from_utf8(data).unwrap()
    };
    assert_eq!(
        text(raw.ask(Command::GET_FILE, FILE, PASSWORD)),
        "No such file\0"
    );
    assert_eq!(
        text(raw.ask(Command::GET_DIR, DAY, PASSWORD)),
        "No such directory\0"
    );
    assert_eq!(
        raw.ask(Command::STAT, FILE, PASSWORD),
        (Command::STAT, vec![0; 9])
    );
    fs::rename(&away, &stick).unwrap();
    // A plain folder raises no mount event: the first request that fails makes the daemon look.
    wait_for("the stick", || {
        offering
            .fetch_through(offering.port, &["--flat", "get", FILE])
            .status
            .success()
    });
    assert_eq!(read(&offering.to().join(NAME)), noise(1, 100_000));
}

#[test]
fn nothing_but_recordings_is_served() {
    let offering = Offering::new("");
    let stick = offering.phone.stick();
    offering.put("Record_20260102_000001.wav", b"mine");
    fs::write(offering.phone.path("secret"), "not mine").unwrap();
    symlink("/etc/passwd", stick.join("Record_20260102_000002.wav")).unwrap();
    symlink("../secret", stick.join("Record_20260102_000003.wav")).unwrap();
    fs::create_dir(stick.join("Record_20260102_000004.wav")).unwrap();
    nix::unistd::mkfifo(
        &stick.join("Record_20260102_000005.wav"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    symlink(
        "Record_20260102_000001.wav",
        stick.join("Record_20260102_000006.wav"),
    )
    .unwrap();
    fs::write(stick.join("Record_20260102.wav"), "no name of ours").unwrap();
    let listed = offering.fetch(&["ls", DAY]);
    assert!(
        listed.lines().count() == 1 && listed.contains("Record_20260102_000001.wav"),
        "{listed}"
    );
    let mut raw = offering.raw();
    for number in 2..=6 {
        let path = format!("{DAY}/Record_20260102_00000{number}.wav");
        assert_eq!(
            raw.ask(Command::GET_FILE, &path, PASSWORD),
            (Command::ERROR, b"No such file\0".to_vec()),
            "{path}"
        );
        assert_eq!(raw.ask(Command::STAT, &path, PASSWORD).1, [0; 9], "{path}");
    }
    for path in [
        "../secret",
        "Recorder/../../secret",
        "/etc/passwd",
        "Recorder/20260102/../../../secret",
        "secret",
    ] {
        assert_eq!(
            raw.ask(Command::GET_FILE, path, PASSWORD).0,
            Command::ERROR,
            "{path}"
        );
    }
}

#[test]
fn thousands_of_recordings_are_listed() {
    let offering = Offering::new("");
    for n in 0..4000 {
        offering.put(
            &format!("Record_202601{:02}_{:06}.wav", n % 2 + 1, n),
            b"12345",
        );
    }
    assert_eq!(offering.fetch(&["ls", DAY]).lines().count(), 2000);
    assert_eq!(offering.fetch(&["ls", "Recorder"]).lines().count(), 2);
}

#[test]
fn strangers_get_nothing_and_delay_nobody() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 200_000));
    let (mut good, mut other) = (offering.raw(), offering.raw());
    assert_eq!(good.ask(Command::GET_DIR, "", PASSWORD).0, Command::GET_DIR);
    // A bad checksum, half a datagram, one that is too long, a wrong key.
    for mischief in 0..4 {
        let mut datagram = other.datagram(
            Command::GET_DIR,
            0,
            format!("\n{PASSWORD}\0").as_bytes(),
            &[],
        );
        match mischief {
            0 => datagram[1] ^= 1,
            1 => datagram.truncate(11),
            2 => datagram = other.datagram(Command::GET_DIR, 0, &[7; 9000], &[]),
            _ => {
                // With the good client's own address.
                good.key ^= 0x55;
                let forged = good.datagram(
                    Command::GET_DIR,
                    0,
                    format!("\n{PASSWORD}\0").as_bytes(),
                    &[],
                );
                good.key ^= 0x55;
                good.socket.send(&forged).unwrap();
                continue;
            }
        }
        other.socket.send(&datagram).unwrap();
    }
    // Guesses from the same address as the good client's.
    for n in 0..50 {
        let mut guesser = offering.raw();
        let datagram =
            guesser.datagram(Command::GET_DIR, 0, format!("\nguess{n}\0").as_bytes(), &[]);
        guesser.socket.send(&datagram).unwrap();
    }
    // This client never resends: each of its two hundred requests is answered the first time.
    assert_eq!(good.get(FILE, 1024).len(), 200_000);
    // The daemon reads its socket in order, so that all of the above has been handled by now.
    assert!(other.receive(1).is_none());
    let wrong: u64 = offering.phone.stat("fsp_wrong_password");
    assert!(
        (5..=20).contains(&wrong),
        "{wrong} of 50 guesses were checked"
    );
    let log = offering.phone.log();
    let warnings = log.matches("wrong password from 127.0.0.1").count();
    assert_eq!(warnings, 1, "{log}");
}

#[test]
fn an_idle_service_closes_its_files_and_waits_without_a_timeout() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 100_000));
    let mut raw = offering.raw();
    raw.get(FILE, 1024);
    assert!(raw.ask(Command::GET_DIR, DAY, PASSWORD).0 == Command::GET_DIR);
    assert!(offering.held() > 0, "kept open between requests");
    assert!(
        !offering.polls_without_timeout(),
        "its files have a deadline"
    );
    wait_for("the files to be closed", || offering.held() == 0);
    wait_for("a poll without a timeout", || {
        offering.polls_without_timeout()
    });
}

#[test]
fn stat_and_listings_agree() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 12_345));
    let mut raw = offering.raw();
    let stat = raw.ask(Command::STAT, FILE, PASSWORD).1;
    let block = raw.ask(Command::GET_DIR, DAY, PASSWORD).1;
    let (stat, listed) = (
        DirEntry::parse_head(&stat).unwrap(),
        DirEntry::take(&mut &block[..]).unwrap(),
    );
    assert_eq!(
        (stat.size, stat.kind, listed.name),
        (12_345, EntryKind::FILE, NAME.as_bytes())
    );
    assert_eq!((listed.size, listed.time), (stat.size, stat.time));
    assert_eq!(raw.get(FILE, 700).len(), 12_345);
}
