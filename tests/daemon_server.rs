//! Recording to a server through the running daemon: a server of the tests' own says what it likes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use common::scripted::{Scripted, Talk};
use common::{in_time, wait_for, Answer, Control, Phone, Talker};
use nix::sys::signal::Signal;

/// Asks for a recording on a connection of its own; its answer comes when the server has spoken.
fn ask(phone: &Phone, keys: &str) -> Control {
    let mut control = phone.control();
    control.send(format!("cmd=RecordStartRequest{keys}\n").as_bytes());
    control
}

/// A recording that the server takes.
fn record(phone: &Phone, server: &Scripted) -> (Talk, Answer) {
    let mut control = ask(phone, "&legs=1");
    let mut talk = server.accept();
    talk.agree();
    let answer = control.next().unwrap();
    assert!(answer.success(), "{answer:?}");
    (talk, answer)
}

/// Stops a recording while the server answers.
fn stop(phone: &Phone, talk: &mut Talk) -> Answer {
    let mut control = phone.control();
    control.send(format!("cmd=RecordStopRequest&id={}\n", talk.id).as_bytes());
    talk.finish();
    control.next().unwrap()
}

/// Checks that packets are one stream; their payloads by sequence number, counted from the first.
fn stream(packets: &[Vec<u8>]) -> Vec<(u16, Vec<u8>)> {
    let number = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
    for pair in packets.windows(2) {
        assert_eq!(number(&pair[1]), number(&pair[0]).wrapping_add(1));
        let time = |packet: &[u8]| u32::from_be_bytes(packet[4..8].try_into().unwrap());
        assert_eq!(time(&pair[1]), time(&pair[0]).wrapping_add(160));
        assert_eq!(pair[0][8..12], pair[1][8..12], "one source");
    }
    packets
        .iter()
        .map(|packet| (number(packet), packet[12..].to_vec()))
        .collect()
}

/// Those of `sent` that are not among the payloads.
fn lost(payloads: &[Vec<u8>], sent: &[Vec<u8>]) -> usize {
    sent.iter()
        .filter(|payload| !payloads.contains(payload))
        .count()
}

#[test]
fn a_call_reaches_the_server_bit_for_bit() {
    in_time(|| {
        let server = Scripted::new();
        let phone = Phone::new(&(server.config() + "deviceMac = 0c383e000001"));
        let mut watch = phone.watch();
        let mut control = ask(
            &phone,
            "&legs=1&codec=PCMU&dir=in&remote_number=100&remote_name=A%26B Müller",
        );
        let mut talk = server.accept();
        assert_eq!(
            talk.start.0,
            format!(
                "cmd=RecordStartRequest&id={}&device=0c383e000001&remote_number=100&remote_name=A%26B Müller\
             &local_number=&local_name=&dir=in&codec=PCMU",
                talk.id
            )
        );
        talk.agree();
        let answer = control.next().unwrap();
        let port = talk.media.local_addr().unwrap().port().to_string();
        assert_eq!(
            (answer.id(), answer.value("server"), answer.value("port")),
            (talk.id.clone(), "127.0.0.1".into(), port)
        );
        let talker = Talker::new(answer.ports()[0], 1);
        talker.wait(100);
        let status = phone.control().ask_lines("cmd=RecordStatusRequest");
        for (key, value) in [
            ("sink", "server"),
            ("server", "127.0.0.1"),
            ("state", "recording"),
            ("legs", "1"),
        ] {
            assert_eq!(status[0].value(key), value, "{status:?}");
        }
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let mut control = phone.control();
        control.send(
            format!(
                "cmd=RecordStopRequest&id={}&remote_name=Bob&local_name=&reason=hangup\n",
                talk.id
            )
            .as_bytes(),
        );
        let stop = talk.finish();
        assert_eq!(
            stop.0,
            format!(
                "cmd=RecordStopRequest&id={}&remote_name=Bob&reason=hangup",
                talk.id
            )
        );
        let stopped = control.next().unwrap();
        let frames: usize = stopped.value("frames").parse().unwrap();
        let packets = talk.packets(frames);
        assert_eq!(
            (packets.len(), stopped.value("files")),
            (frames, String::new())
        );
        let payloads: Vec<Vec<u8>> = stream(&packets)
            .into_iter()
            .map(|(_, payload)| payload)
            .collect();
        assert!(payloads
            .concat()
            .windows(sent.concat().len())
            .any(|run| run == sent.concat()));
        assert!(packets.iter().all(|packet| packet[..2] == [0x80, 0]));
        assert!(talk.is_closed());
        assert_eq!(watch.next().unwrap().value("state"), "recording");
        let event = watch.next().unwrap();
        assert_eq!(
            (event.value("state"), event.value("reason")),
            ("stopped".into(), "hangup".into())
        );
        assert!(phone.files().is_empty());
        true
    });
}

#[test]
fn alaw_goes_out_as_payload_type_8_and_a_pause_sends_nothing() {
    let server = Scripted::new();
    let phone = Phone::new(&(server.config() + "voiceCodec = PCMA"));
    let (mut talk, _) = record(&phone, &server);
    let before = talk.packets(20);
    assert!(before
        .iter()
        .all(|packet| packet[1] == 8 && packet[12..] == [0xD5; 160]));
    assert!(phone
        .ask(&format!("cmd=RecordPauseRequest&id={}", talk.id))
        .success());
    talk.packets(10); // those of the time before
    std::thread::sleep(Duration::from_millis(500));
    talk.packets(0);
    std::thread::sleep(Duration::from_millis(500));
    assert!(talk.packets(0).is_empty());
    assert!(phone
        .ask(&format!("cmd=RecordResumeRequest&id={}", talk.id))
        .success());
    assert_eq!(talk.packets(5)[0][1], 0x88, "the marker");
    stop(&phone, &mut talk);
}

#[test]
fn what_the_server_says_is_what_the_client_hears() {
    let server = Scripted::new();
    let phone = Phone::new(&server.config());
    for (said, reason) in [
        (
            "cmd=RecordStartResponse&id=ID&result=failed&reason=no license\n",
            "server-refused: no license",
        ),
        (
            "cmd=RecordStartResponse&id=ID&result=success&port=0\n",
            "server-refused: its answer has no port",
        ),
        (
            "cmd=RecordStartResponse&id=ID\n",
            "server-refused: its answer is not clear",
        ),
        ("", "server-lost: the connection has ended"),
    ] {
        let mut control = ask(&phone, "");
        let mut talk = server.accept();
        talk.say(&said.replace("ID", &talk.id));
        if said.is_empty() {
            talk.stream.shutdown(Shutdown::Both).unwrap();
        }
        let answer = control.next().unwrap();
        assert!(answer.value("reason").starts_with(reason), "{answer:?}");
    }
    wait_for("all places to be free again", || {
        phone.stat("recordings") == 0
    });
    let (mut talk, _) = record(&phone, &server);
    stop(&phone, &mut talk);
    assert_eq!(phone.stat("bug"), 0);
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_refused_in_time() {
    let server = Scripted::new();
    let phone = Phone::new(&server.config());
    let started = Instant::now();
    let mut control = ask(&phone, "");
    let _talk = server.accept();
    assert!(
        phone.ask("cmd=StatsRequest").success(),
        "others are answered meanwhile"
    );
    assert_eq!(control.next().unwrap().reason(), "server-timeout");
    assert!(started.elapsed() >= Duration::from_millis(4900));
    drop(server);
    assert_eq!(ask(&phone, "").next().unwrap().reason(), "no-server");
    let phone = Phone::new("recordType = server");
    assert_eq!(phone.ask("cmd=RecordStartRequest").reason(), "no-server");
    assert_eq!(
        phone
            .ask("cmd=RecordStartRequest&sink=local")
            .value("result"),
        "success"
    );
}

#[test]
fn either_side_may_stop_and_stops_may_cross() {
    let server = Scripted::new();
    let phone = Phone::new(&server.config());
    let mut watch = phone.watch();
    let (mut talk, _) = record(&phone, &server);
    talk.packets(5);
    talk.say("cmd=RecordStopRequest&id=1&reason=not yours\n");
    assert_eq!(talk.hear().0, "cmd=RecordStopResponse&id=1&result=success");
    talk.packets(5);
    talk.say(&format!(
        "cmd=RecordStopRequest&id={}&reason=enough",
        talk.id
    ));
    assert_eq!(
        talk.hear().0,
        format!("cmd=RecordStopResponse&id={}&result=success", talk.id)
    );
    assert!(talk.is_closed());
    assert_eq!(
        watch.until("RecordEvent", "stopped").value("reason"),
        "enough"
    );
    assert_eq!(
        phone
            .ask(&format!("cmd=RecordStopRequest&id={}", talk.id))
            .reason(),
        "unknown-id"
    );

    let (mut talk, _) = record(&phone, &server);
    let mut control = phone.control();
    control.send(format!("cmd=RecordStopRequest&id={}\n", talk.id).as_bytes());
    assert_eq!(talk.hear().value("cmd"), "RecordStopRequest");
    talk.say(&format!(
        "cmd=RecordStopRequest&id={}\n{}",
        talk.id,
        talk.stopped()
    ));
    assert_eq!(talk.hear().value("cmd"), "RecordStopResponse");
    assert!(control.next().unwrap().success() && talk.is_closed());
    watch.until("RecordEvent", "stopped");
    assert_eq!(phone.stat("recordings"), 0);
}

#[test]
fn a_server_that_dies_leaves_no_gap_between_its_part_and_the_sticks() {
    in_time(|| {
        let server = Scripted::new();
        let phone = Phone::new(&(server.config() + "serverFallback = local"));
        let mut watch = phone.watch();
        let (talk, answer) = record(&phone, &server);
        let talker = Talker::new(answer.ports()[0], 3);
        talker.wait(100);
        let theirs = talk.packets(60);
        let id = talk.id.clone();
        drop(talk);
        talker.wait(200);
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let stopped = phone.stop(&id);
        let rolled = watch.until("RecordEvent", "rolled");
        assert!(
            rolled.value("reason").starts_with("server-lost: "),
            "{rolled:?}"
        );
        assert_eq!(rolled.value("file"), stopped.value("files"));
        let recording = common::file::read(&phone.stick().join(stopped.value("files")));
        let mut whole: HashMap<u16, Vec<u8>> = stream(&theirs).into_iter().collect();
        for (n, frame) in recording.frames.iter().enumerate() {
            let number = recording.first.0.wrapping_add(n as u16);
            assert_eq!(
                whole.entry(number).or_insert_with(|| frame.clone()),
                frame,
                "the same in both"
            );
        }
        assert!(
            whole.contains_key(&recording.first.0.wrapping_sub(1))
                || theirs[0][2..4] == recording.first.0.to_be_bytes()
        );
        let payloads: Vec<Vec<u8>> = whole.into_values().collect();
        assert_eq!(lost(&payloads, &sent), 0);
        true
    });
}

#[test]
fn a_server_that_refuses_leaves_the_call_to_the_stick() {
    in_time(|| {
        let server = Scripted::new();
        let phone = Phone::new(&(server.config() + "serverFallback = local"));
        let mut watch = phone.watch();
        let mut control = ask(&phone, "&legs=1");
        let mut talk = server.accept();
        talk.say(&format!(
            "cmd=RecordStartResponse&id={}&result=failed&reason=full\n",
            talk.id
        ));
        let answer = control.next().unwrap();
        assert_eq!(
            answer.value("file"),
            watch.until("RecordEvent", "recording").value("file")
        );
        let talker = Talker::new(answer.ports()[0], 3);
        talker.wait(50);
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let status = phone.control().ask_lines("cmd=RecordStatusRequest");
        assert_eq!(status[0].value("sink"), "local");
        phone.stop(&answer.id());
        common::file::read(&phone.stick().join(answer.value("file"))).assert_holds(&sent.concat());
        phone.beside(&answer.value("file"), "sha256");
        std::fs::remove_dir_all(phone.stick()).unwrap();
        let mut control = ask(&phone, "");
        let mut talk = server.accept();
        talk.say(&format!(
            "cmd=RecordStartResponse&id={}&result=failed&reason=full\n",
            talk.id
        ));
        assert_eq!(
            control.next().unwrap().value("reason"),
            "server-refused: full",
            "no stick either"
        );
        true
    });
}

#[test]
fn servers_that_misbehave_hurt_nobody_else() {
    in_time(|| {
        let server = Scripted::new();
        let phone = Phone::new(&(server.config() + "maxRecordings = 8"));
        let (mut good, answer) = record(&phone, &server);
        let talker = Talker::new(answer.ports()[0], 9);
        // One answers byte by byte, one never reads and floods, one says 64 KiB without an end, one says nothing.
        let mut slow_control = ask(&phone, "");
        let mut slow = server.accept();
        let answering = std::thread::spawn(move || {
            for byte in slow.yes().bytes() {
                slow.say(&String::from(char::from(byte)));
                std::thread::sleep(Duration::from_millis(5));
            }
            slow
        });
        let (flood, _) = record(&phone, &server);
        let flooding = std::thread::spawn(move || {
            let (mut flood, started, mut bytes) = (flood, Instant::now(), 0);
            flood.stream.set_nonblocking(true).unwrap();
            while started.elapsed() < Duration::from_secs(3) {
                match flood.stream.write(
                    b"cmd=RecordStopRequest&id=1\ncmd=Hello\n"
                        .repeat(100)
                        .as_slice(),
                ) {
                    Ok(written) => bytes += written,
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
            }
            (flood, bytes)
        });
        let (mut endless, _) = record(&phone, &server);
        let _ = endless.stream.write_all(&[b'x'; 65_536]);
        assert!(endless.is_closed());
        let _silent = (ask(&phone, ""), server.accept());
        let before = (phone.stat("wakeups"), Instant::now());
        assert!(slow_control.next().unwrap().success());
        let mut slow = answering.join().unwrap();
        talker.wait(150);
        let woken = (phone.stat("wakeups") - before.0) as f64 / before.1.elapsed().as_secs_f64();
        assert!(woken < 2000.0, "{woken} wake-ups a second");
        stop(&phone, &mut slow);
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let mut control = phone.control();
        control.send(format!("cmd=RecordStopRequest&id={}\n", good.id).as_bytes());
        good.finish();
        let frames: usize = control.next().unwrap().value("frames").parse().unwrap();
        let payloads: Vec<Vec<u8>> = stream(&good.packets(frames))
            .into_iter()
            .map(|(_, payload)| payload)
            .collect();
        assert_eq!((payloads.len(), lost(&payloads, &sent)), (frames, 0));
        let (_flood, bytes) = flooding.join().unwrap();
        assert!(bytes > 0 && phone.stat("bug") == 0);
        true
    });
}

#[test]
fn the_daemons_end_stops_the_recordings_at_the_server() {
    let server = Scripted::new();
    let mut phone = Phone::new(&server.config());
    let (mut talk, _) = record(&phone, &server);
    talk.packets(5);
    phone.signal(Signal::SIGTERM);
    talk.finish();
    assert!(talk.is_closed());
    assert_eq!(phone.end().0, Some(0));
    // One that does not answer is not waited for.
    let mut phone = Phone::new(&server.config());
    let (mut silent, _) = record(&phone, &server);
    assert_eq!(phone.end().0, Some(0));
    assert_eq!(silent.hear().value("cmd"), "RecordStopRequest");
}

#[test]
fn a_name_is_looked_up_and_one_that_is_none_is_refused_in_time() {
    let server = Scripted::new();
    let phone = Phone::new(&server.config().replace("127.0.0.1", "localhost"));
    let (mut talk, answer) = record(&phone, &server);
    assert_eq!(answer.value("server"), "127.0.0.1");
    stop(&phone, &mut talk);
    let phone = Phone::new(&server.config().replace("127.0.0.1", "no-such-name.invalid"));
    let mut control = ask(&phone, "");
    let started = Instant::now();
    assert!(phone.ask("cmd=StatsRequest").success());
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "the loop does not wait for it"
    );
    let answer = control.next().unwrap();
    assert!(
        ["no-server", "server-timeout"].contains(&answer.reason().as_str()),
        "{answer:?}"
    );
}
