//! Playing recordings through the running daemon: what a receiver hears, what clients are told.

use crate::common::file::read;
use crate::common::listener::{assert_heard, recording, Listener};
use crate::common::{callrec, Phone, Talker};

const FILE: &str = "Record_20260101_100000.wav";

#[test]
fn a_recording_is_heard_as_it_was_recorded() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 7);
    talker.wait(50);
    drop(talker);
    let name = phone.stop(&start.id()).value("files");
    let recorded = read(&phone.stick().join(&name));

    let mut watch = phone.watch();
    let listener = Listener::new();
    let answer = phone.play(&name, &listener, "");
    let length = recorded.frames.len() * 20;
    assert_eq!(answer.value("cmd"), "PlayStartResponse");
    assert_eq!(
        (answer.value("duration_ms"), answer.value("period_ms")),
        (length.to_string(), "20".into())
    );
    let heard = listener.take(recorded.frames.len());
    assert!(heard
        .iter()
        .map(|packet| &packet.payload)
        .eq(&recorded.frames));
    let first = heard[0].timestamp;
    assert!(heard
        .iter()
        .zip(0..)
        .all(|(packet, n)| packet.timestamp.wrapping_sub(first) >= n * 160));
    assert!(heard[0].marker && heard.iter().filter(|packet| packet.marker).count() >= 1);
    let states: Vec<_> = (0..2)
        .map(|_| watch.next().unwrap())
        .map(|e| (e.id(), e.value("state")))
        .collect();
    assert_eq!(
        states,
        [
            (answer.id(), "playing".into()),
            (answer.id(), "finished".into())
        ]
    );
    listener.assert_silent();
    assert_eq!(
        phone
            .ask(&format!("cmd=PlayStopRequest&id={}", answer.id()))
            .reason(),
        "unknown-id"
    );
    assert_eq!(phone.stat("played"), recorded.frames.len() as u64);
}

#[test]
fn pausing_jumping_and_stopping() {
    let phone = Phone::new("");
    phone.put(FILE, &recording(9, 0, 5000));
    let (mut control, mut watch) = (phone.control(), phone.watch());
    let listener = Listener::new();
    let id = phone.play(FILE, &listener, "&position_ms=1000").id();
    let mut ask = |request: &str| control.ask_lines(&format!("cmd={request}&id={id}"));
    assert_heard(&listener.take(10), 9, 50..60);
    let position = |answers: Vec<crate::common::Answer>| {
        answers[0].value("position_ms").parse::<u32>().unwrap()
    };
    let paused = position(ask("PlayPauseRequest"));
    assert_eq!(
        position(ask("PlayPauseRequest")),
        paused,
        "paused when paused"
    );
    // What was sent before the pause.
    let before = listener.take(paused as usize / 20 - 60);
    assert_heard(&before, 9, 60..paused / 20);
    listener.assert_silent();
    let status = ask("RecordStatusRequest");
    assert_eq!(status[0].value("cmd"), "PlayStatus");
    assert_eq!(
        (status[0].value("state"), status[0].value("position_ms")),
        ("paused".into(), paused.to_string())
    );
    assert_eq!(
        (status[0].value("duration_ms"), status[0].value("file")),
        ("100000".into(), FILE.into())
    );
    assert_eq!(
        (status[1].value("count"), status[1].value("players")),
        ("0".into(), "1".into())
    );
    ask("PlayResumeRequest");
    let heard = listener.take(1);
    assert!(heard[0].marker);
    assert_heard(&heard, 9, [paused / 20]);
    assert!(ask("PlaySeekRequest&position_ms=99999999")[0].reason() == "bad-request");
    assert!(ask("PlaySeekRequest&position_ms=80000")[0].success());
    let target = crate::common::marked(9, 4000);
    let jumped = (0..1000)
        .map(|_| listener.next())
        .find(|packet| packet.payload == target);
    assert!(jumped.unwrap().marker);
    let stopped = position(ask("PlayStopRequest"));
    listener.take(stopped as usize / 20 - 4001);
    listener.assert_silent();
    let states: Vec<_> = (0..5)
        .map(|_| watch.next().unwrap().value("state"))
        .collect();
    assert_eq!(
        states,
        ["playing", "paused", "playing", "playing", "stopped"]
    );
    assert_eq!(
        ask("PlaySeekRequest&position_ms=0")[0].reason(),
        "unknown-id"
    );
}

#[test]
fn parts_follow_each_other_without_a_gap() {
    let phone = Phone::new("");
    phone.put(FILE, &recording(9, 0, 60));
    phone.put("Record_20260101_100001.wav", &recording(8, 60, 60));
    phone.put("Record_20260101_100001_2.wav", &recording(9, 60, 50));
    phone.put("Record_20260101_100001_10.wav", &recording(9, 110, 40));
    (0..40).for_each(|n| phone.put(&format!("Record_20250101_1000{n:02}.wav"), b"other"));
    let mut watch = phone.watch();
    let listener = Listener::new();
    let start = phone.play(FILE, &listener, "");
    assert_eq!(start.value("duration_ms"), "3000");
    assert_heard(&listener.take(150), 9, 0..150);
    assert_eq!(
        watch.until("PlayEvent", "finished").value("position_ms"),
        "3000"
    );
    let id = phone.play(FILE, &listener, "&position_ms=2980").id();
    assert_heard(&listener.take(1), 9, [149]);
    watch.until("PlayEvent", "finished");
    assert_eq!(
        phone
            .ask(&format!("cmd=PlaySeekRequest&id={id}&position_ms=0"))
            .reason(),
        "unknown-id"
    );
    let id = phone.play(FILE, &listener, "&position_ms=2000").id();
    assert!(phone
        .ask(&format!("cmd=PlaySeekRequest&id={id}&position_ms=20"))
        .success());
    let heard = std::iter::repeat_with(|| listener.next()).take(100);
    assert!(
        heard
            .into_iter()
            .any(|packet| packet.payload == crate::common::marked(9, 1)),
        "back in the first part"
    );
}

/// What is on the stick but cannot be played, each under its name.
fn put_unplayable(phone: &Phone) {
    let stick = phone.stick();
    phone.put("notes.wav", b"hello");
    std::fs::create_dir(stick.join("folder.wav")).unwrap();
    std::fs::create_dir(stick.join("sub")).unwrap();
    std::fs::copy(stick.join(FILE), stick.join("sub/a.wav")).unwrap();
    std::fs::copy(stick.join(FILE), phone.path("outside.wav")).unwrap();
    std::os::unix::fs::symlink(phone.path("outside.wav"), stick.join("link.wav")).unwrap();
    nix::unistd::mkfifo(&stick.join("pipe.wav"), nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[test]
fn a_file_that_cannot_be_played_is_refused_and_nothing_is_sent() {
    let phone = Phone::new("");
    phone.put(FILE, &recording(9, 0, 50));
    put_unplayable(&phone);
    let listener = Listener::new();
    for (file, reason) in [
        ("missing.wav", "not-found"),
        ("notes.wav", "not-found"),
        ("folder.wav", "not-found"),
        ("link.wav", "not-found"),
        ("pipe.wav", "not-found"),
        ("sub/a.wav", "bad-request"),
        ("../outside.wav", "bad-request"),
        ("..", "bad-request"),
        ("", "bad-request"),
    ] {
        assert_eq!(phone.play(file, &listener, "").reason(), reason, "{file}");
    }
    listener.assert_silent();
    assert_eq!(phone.stat("played"), 0);
    let without_stick = Phone::new("usbMount = /nowhere");
    let answer = without_stick.play(FILE, &listener, "");
    assert_eq!(answer.reason(), "no-stick");
}

#[test]
fn a_wrong_request_is_refused_and_nothing_is_sent() {
    let phone = Phone::new("");
    phone.put(FILE, &recording(9, 0, 50));
    let listener = Listener::new();
    for position in ["1001", "x"] {
        let answer = phone.play(FILE, &listener, &format!("&position_ms={position}"));
        assert_eq!(answer.reason(), "bad-request", "{position}");
    }
    for to in [
        "host=&port=5",
        "host=phone.example&port=5",
        "host=::1",
        "host=::1&port=65536",
        "host=::1&port=0",
    ] {
        let answer = phone.ask(&format!("cmd=PlayStartRequest&file={FILE}&{to}"));
        assert_eq!(answer.reason(), "bad-request", "{to}");
    }
    let answer = phone.ask("cmd=PlayDanceRequest&id=1");
    assert_eq!(answer.reason(), "bad-request");
    listener.assert_silent();
    assert_eq!(phone.stat("played"), 0);
}

#[test]
fn nobody_listening_ends_nothing() {
    let phone = Phone::new("");
    phone.put(FILE, &recording(9, 0, 30));
    let mut watch = phone.watch();
    let answer = phone.play(FILE, &Listener::new(), "");
    assert!(answer.success());
    assert_eq!(
        watch.until("PlayEvent", "finished").value("position_ms"),
        "600"
    );
    assert_eq!(phone.stat("played") + phone.stat("play_drop"), 30);
}

#[test]
fn four_play_beside_a_recording_and_a_fifth_is_refused() {
    let phone = Phone::new("");
    phone.put(FILE, &recording(9, 0, 90));
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 3);
    talker.wait(10);
    let listeners: Vec<Listener> = (0..4).map(|_| Listener::new()).collect();
    let answers: Vec<_> = listeners
        .iter()
        .map(|listener| phone.play(FILE, listener, ""))
        .collect();
    assert_eq!(phone.play(FILE, &listeners[0], "").reason(), "busy");
    let mut sources = vec![];
    for (listener, answer) in listeners.iter().zip(&answers) {
        assert!(answer.success());
        let heard = listener.take(90);
        assert_heard(&heard, 9, 0..90);
        sources.push(heard[0].ssrc);
    }
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), 4, "each is a source of its own");
    talker.wait(talker.sent() + 10);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    assert_eq!(
        ["kernel_drop", "frames_lost", "bug"].map(|name| phone.stat(name)),
        [0, 0, 0]
    );
}

#[test]
fn the_recording_that_is_being_made_is_played_as_far_as_it_is() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 3);
    talker.wait(120);
    let listener = Listener::new();
    let answer = phone.play(&start.value("file"), &listener, "");
    let frames = answer.value("duration_ms").parse::<usize>().unwrap() / 20;
    assert!(frames >= 20, "{frames}");
    listener.take(frames);
    drop(talker);
    let stop = phone.stop(&start.id());
    assert!(callrec(&[
        "info",
        phone.stick().join(stop.value("files")).to_str().unwrap()
    ])
    .status
    .success());
}

#[test]
fn damaged_files_do_no_harm() {
    let phone = Phone::new("");
    let good = recording(9, 0, 8);
    let listener = Listener::new();
    let mut control = phone.control();
    let mut attempt = |bytes: &[u8]| {
        phone.put(FILE, bytes);
        let port = listener.port();
        let answer = control.ask(&format!(
            "cmd=PlayStartRequest&file={FILE}&host=127.0.0.1&port={port}"
        ));
        if answer.success() {
            // One of so few frames may have ended by now.
            let jumped = control.ask(&format!(
                "cmd=PlaySeekRequest&position_ms=0&id={}",
                answer.id()
            ));
            assert!(jumped.success() || jumped.reason() == "unknown-id");
            control.ask(&format!("cmd=PlayStopRequest&id={}", answer.id()));
        } else {
            assert!(
                ["not-found", "bad-request"].contains(&answer.reason().as_str()),
                "{answer:?}"
            );
        }
        let list = control.ask_lines("cmd=ListRequest");
        assert_eq!(
            (list.len(), list[0].value("file"), list[1].value("count")),
            (2, FILE.into(), "1".into())
        );
    };
    // Under an emulator every fifth will do.
    let each = if cfg!(target_arch = "arm") { 5 } else { 1 };
    (0..=good.len())
        .step_by(each)
        .for_each(|length| attempt(&good[..length]));
    for bit in (0..88 * 8)
        .chain((88 * 8..good.len() * 8).step_by(83))
        .step_by(each)
    {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        attempt(&flipped);
    }
    assert_eq!(phone.stat("bug"), 0);
}

#[test]
fn a_daemon_that_has_played_goes_back_to_sleep() {
    let mut phone = Phone::new("");
    phone.put(FILE, &recording(9, 0, 1000));
    let listener = Listener::new();
    let id = phone.play(FILE, &listener, "").id();
    listener.take(5);
    assert!(phone
        .ask(&format!("cmd=PlayPauseRequest&id={id}"))
        .success());
    phone.wait_until_asleep();
    phone.ask(&format!("cmd=PlayStopRequest&id={id}"));
    phone.wait_until_asleep();
    assert!(phone.play(FILE, &listener, "").success());
    assert_eq!(phone.end(), Some(0), "a player does not keep it");
}
