//! The FSP service in the real daemon: beside recordings, sticks that go, strangers, changed configurations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod fsp;

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::thread::sleep;
use std::time::{Duration, Instant};

use callrec::wire::fsp::{Command, Entry, Kind};
use common::{callrec, file, in_time, wait_for, Phone, Talker, PATIENCE};
use fsp::{noise, read, Offering, DAY, FILE, NAME, PASSWORD};
use nix::sys::signal::Signal;

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
    let line = offering.fetch(&["get", "--json", &path]);
    // A strict reader takes it: whole frames, as many as the header says.
    let first = file::read(&offering.to().join(&name)).frames.len();
    assert!(first >= 50, "{line}");
    talker.wait(talker.sent() + 100);
    assert_eq!(offering.fetch(&["get", &path]).lines().count(), 1);
    let more = file::read(&offering.to().join(&name));
    assert!(more.frames.len() > first);
    talker.end();
    offering.phone.stop(&start.id());
    offering.fetch(&["get", "--all-new"]);
    assert_eq!(
        read(&offering.to().join(&path)),
        read(&offering.phone.stick().join(&name))
    );
    assert_eq!(offering.fetch(&["get", "--all-new"]), "", "it is finished");
}

#[test]
fn a_stick_that_is_gone_answers_and_one_that_comes_back_is_served() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 100_000));
    let mut raw = offering.raw();
    assert_eq!(
        raw.ask(Command::GET_FILE, FILE, PASSWORD).0,
        Command::GET_FILE
    );
    let (stick, away) = (offering.phone.stick(), offering.phone.path("away"));
    fs::rename(&stick, &away).unwrap();
    // Its files are closed when the daemon looks for it, which a control client makes it do.
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
    // Nobody tells of a plain folder: the first request that fails makes the daemon look.
    wait_for("the stick", || {
        offering
            .fetch_through(offering.port, &["get", FILE])
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
fn a_changed_password_is_kept_until_the_configuration_is_changed() {
    let mut offering = Offering::new("");
    let change = |offering: &Offering, old: &str, new: &str| {
        let mut raw = offering.raw();
        let datagram = raw.datagram(
            Command::CH_PASSWD,
            0,
            format!("\n{old}\n{new}\0").as_bytes(),
            &[],
        );
        raw.socket.send(&datagram).unwrap();
        raw.receive(PATIENCE.as_millis() as u64).expect("an answer")
    };
    let works = |offering: &Offering, password: &str| {
        offering.raw().ask(Command::GET_DIR, "", password).0 == Command::GET_DIR
    };
    assert_eq!(change(&offering, "guess", "new").1, b"wrong password\0");
    assert_eq!(
        change(&offering, PASSWORD, "brand new"),
        (Command::CH_PASSWD, vec![])
    );
    assert!(works(&offering, "brand new") && !works(&offering, PASSWORD));
    offering.phone.kill();
    offering.start();
    assert!(works(&offering, "brand new") && !works(&offering, PASSWORD));
    let kept = fs::metadata(offering.phone.path("kept")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        change(&offering, "brand new", "newer"),
        (Command::CH_PASSWD, vec![])
    );
    assert!(works(&offering, "newer"));
    let text = fs::read_to_string(offering.phone.config()).unwrap();
    let changed = text.replace(
        &format!("fspPassword = {PASSWORD}"),
        "fspPassword = provisioned",
    );
    fs::write(offering.phone.config(), changed).unwrap();
    offering.phone.signal(Signal::SIGHUP);
    wait_for("the new configuration", || {
        offering.phone.log().contains("configuration reloaded")
    });
    assert!(works(&offering, "provisioned") && !works(&offering, "newer"));
    fs::write(offering.phone.config(), text).unwrap();
    offering.phone.kill();
    offering.start();
    assert!(
        works(&offering, PASSWORD) && !works(&offering, "newer"),
        "it does not come back"
    );
}

#[test]
fn a_configuration_without_a_password_is_refused_and_one_with_it_is_not_shown() {
    let phone = Phone::prepared("fspEnabled = 1");
    for command in [&["check"][..], &["run", "-c"]] {
        let output = callrec(&[command, &[phone.config().to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            words.contains("line 1: fspPassword must be set when fspEnabled is 1"),
            "{words}"
        );
    }
    phone.reconfigure("fspPassword = open sesame");
    let output = callrec(&["check", phone.config().to_str().unwrap()]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success()
            && shown.contains("fspPassword = ********")
            && !shown.contains("sesame")
    );
}

#[test]
fn it_is_switched_on_and_off_by_the_configuration() {
    let offering = Offering::new("");
    let taken = std::net::UdpSocket::bind(("127.0.0.1", offering.port));
    assert!(taken.is_err(), "the port is the daemon's");
    offering.phone.reconfigure("# nothing");
    let text = fs::read_to_string(offering.phone.config()).unwrap();
    fs::write(
        offering.phone.config(),
        text.replace("fspEnabled = 1", "fspEnabled = 0"),
    )
    .unwrap();
    offering.phone.signal(Signal::SIGHUP);
    wait_for("the port to be free", || {
        std::net::UdpSocket::bind(("127.0.0.1", offering.port)).is_ok()
    });
    fs::write(offering.phone.config(), text).unwrap();
    offering.phone.signal(Signal::SIGHUP);
    let mut listed = false;
    wait_for("the service", || {
        listed = listed
            || offering
                .fetch_through(offering.port, &["--timeout", "1", "ls"])
                .status
                .success();
        listed
    });
}

#[test]
fn a_port_that_was_taken_is_tried_again_with_a_signal() {
    let offering = Offering::new("");
    let text = fs::read_to_string(offering.phone.config()).unwrap();
    fs::write(
        offering.phone.config(),
        text.replace("fspEnabled = 1", "fspEnabled = 0"),
    )
    .unwrap();
    offering.phone.signal(Signal::SIGHUP);
    let mut other = None;
    wait_for("the port to be free", || {
        other = std::net::UdpSocket::bind(("127.0.0.1", offering.port)).ok();
        other.is_some()
    });
    fs::write(offering.phone.config(), text).unwrap();
    offering.phone.signal(Signal::SIGHUP);
    wait_for("a warning that the address is in use", || {
        offering.phone.log().contains("(os error 98)")
    });
    drop(other);
    // A program that another test is just starting may still hold the socket for a moment.
    wait_for("the service", || {
        offering.phone.signal(Signal::SIGHUP);
        offering
            .fetch_through(offering.port, &["--timeout", "1", "ls"])
            .status
            .success()
    });
}

#[test]
fn strangers_get_nothing_and_delay_nobody() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 200_000));
    let (mut good, mut other) = (offering.raw(), offering.raw());
    assert_eq!(good.ask(Command::GET_DIR, "", PASSWORD).0, Command::GET_DIR);
    // A bad checksum, a wrong key, half a datagram, one that is too long.
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
                // As if it came from the good client's own address.
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
    let started = Instant::now();
    let (payload, bytes) = (1024, good.get(FILE, 1024).len());
    assert_eq!(bytes, 200_000);
    // One resend would take 1.34 s, and there are two hundred requests.
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{payload}: {:?}",
        started.elapsed()
    );
    assert!(other.receive(50).is_none());
    let wrong: u64 = offering.phone.stat("fsp_wrong_password");
    assert!(
        (5..=20).contains(&wrong),
        "{wrong} of 50 guesses were looked at"
    );
    assert!(
        offering
            .phone
            .log()
            .matches("wrong password from 127.0.0.1")
            .count()
            == 1
    );
}

#[test]
fn an_idle_service_sleeps_and_lets_go_of_the_stick() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 100_000));
    let mut raw = offering.raw();
    raw.get(FILE, 1024);
    assert!(raw.ask(Command::GET_DIR, DAY, PASSWORD).0 == Command::GET_DIR);
    assert!(offering.held() > 0, "kept open between requests");
    wait_for("the stick to be let go", || offering.held() == 0);
    // A question wakes it: that it was connected, that it asked, that it has gone. So does anybody's mount, or its end.
    wait_for("three seconds of sleep", || {
        let before = offering.phone.stat("wakeups");
        sleep(Duration::from_secs(3));
        offering.phone.stat("wakeups") - before <= 6
    });
}

#[test]
fn sizes_are_the_same_wherever_they_stand() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 12_345));
    let mut raw = offering.raw();
    let stat = raw.ask(Command::STAT, FILE, PASSWORD).1;
    let block = raw.ask(Command::GET_DIR, DAY, PASSWORD).1;
    let (stat, listed) = (
        Entry::parse_head(&stat).unwrap(),
        Entry::take(&mut &block[..]).unwrap(),
    );
    assert_eq!(
        (stat.size, stat.kind, listed.name),
        (12_345, Kind::FILE, NAME.as_bytes())
    );
    assert_eq!((listed.size, listed.time), (stat.size, stat.time));
    assert_eq!(raw.get(FILE, 700).len(), 12_345);
}
