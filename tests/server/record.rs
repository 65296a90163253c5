//! `callrec-server record` as phones see it: real processes, real sockets.

use std::process::Command;

use crate::common::server::{RecordingPhone, Server};
use crate::common::{file, wait_for};
use nix::sys::signal::Signal;

const DEVICE: &str = "&device=0c383e000001";

#[test]
fn a_recording_is_stored_as_it_was_sent_and_its_sidecar_says_all() {
    let server = Server::new(&[]);
    let keys = "&device=0c383e000001&remote_number=100&remote_name=Ann&local_number=200&local_name=&dir=in";
    let mut phone = server.phone("17", keys);
    phone.send(60, false);
    let stop = "cmd=RecordStopRequest&id=17&reason=hangup&remote_name=Bob&local_name=";
    assert_eq!(
        phone.line.ask(stop).0,
        "cmd=RecordStopResponse&id=17&result=success"
    );
    let recording = file::read(&server.file("0c383e000001", ".wav"));
    assert_eq!((recording.first, recording.ssrc), ((65_000, 7000), 0x5151));
    assert_eq!(recording.frames, phone.payloads());
    let sidecar = server.sidecar("0c383e000001");
    for (key, value) in [
        ("id", "17"),
        ("device", "0c383e000001"),
        ("codec", "PCMU"),
        ("dir", "in"),
        ("remote_number", "100"),
        ("remote_name", "Bob"),
        ("local_number", "200"),
        ("end", "stopped"),
        ("reason", "hangup"),
        ("result", "success"),
    ] {
        assert_eq!(sidecar[key], value, "{key}");
    }
    assert_eq!(
        (&sidecar["received"], &sidecar["lost"], &sidecar["late"]),
        (&60.into(), &0.into(), &0.into())
    );
    let start = sidecar["start"].as_str().unwrap();
    assert!(start.ends_with("+00:00") && start <= sidecar["end_time"].as_str().unwrap());
    assert!(
        server.log().contains(" received=60 lost=0 late=0 "),
        "{}",
        server.log()
    );
}

#[test]
#[ignore = "needs python3"]
fn a_phone_by_the_source_document_in_another_language_is_understood() {
    let server = Server::new(&[]);
    let address = server.address();
    let port = address.port().to_string();
    let mut command = Command::new("python3");
    let phone = command.args([
        "tests/naive_phone.py",
        "127.0.0.1",
        &port,
        "75",
        "id=99",
        "remote_name=Zo\u{eb} & co",
    ]);
    let output = phone.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let recording = file::read(&server.file("0c383e0badf0", ".wav"));
    let numbers: Vec<u32> = recording
        .frames
        .iter()
        .map(|frame| u32::from_be_bytes(frame[..4].try_into().unwrap()))
        .collect();
    assert_eq!(numbers, (0..75).collect::<Vec<_>>());
    let sidecar = server.sidecar("0c383e0badf0");
    assert_eq!(
        (&sidecar["remote_name"], &sidecar["received"]),
        (&"Bob".into(), &75.into())
    );
}

#[test]
fn loss_is_silence_and_the_length_stays_true() {
    let server = Server::new(&[]);
    let mut phone = server.phone("5", DEVICE);
    for n in (0..200).filter(|n| !(50..60).contains(n)) {
        phone.media.send_to(&phone.packet(n), phone.to).unwrap();
    }
    phone.sent = 200;
    phone.stop();
    let recording = file::read(&server.file("0c383e000001", ".wav"));
    let mut expected = phone.payloads();
    expected[50..60].fill(vec![0xFF; 160]);
    assert_eq!(recording.frames, expected);
    let sidecar = server.sidecar("0c383e000001");
    assert_eq!(
        (&sidecar["lost"], &sidecar["silence"]),
        (&10.into(), &10.into())
    );
}

#[test]
fn wav_files_are_what_players_know() {
    let server = Server::new(&["--format", "wav"]);
    let mut phone = server.phone("5", DEVICE);
    phone.send(100, false);
    let path = server.file("0c383e000001", ".wav");
    // The header follows what has been synced while the recording runs.
    let data_size =
        || u32::from_le_bytes(std::fs::read(&path).unwrap()[54..58].try_into().unwrap());
    wait_for("the header", || data_size() >= 80 * 160);
    phone.stop();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(
        (&bytes[..4], &bytes[8..16], bytes[20]),
        (&b"RIFF"[..], &b"WAVEfmt "[..], 7)
    );
    assert_eq!(
        (data_size(), bytes[58..].to_vec()),
        (16_000, phone.payloads().concat())
    );
}

#[test]
fn what_a_killed_server_leaves_is_valid_to_the_last_two_seconds_and_repaired() {
    for format in ["phone", "wav"] {
        let mut server = Server::new(&["--format", format]);
        let mut phone = server.phone("5", DEVICE);
        let _silent = server.phone("6", "&device=silent");
        phone.send(120, true);
        server.kill();
        let path = server.file("0c383e000001", ".wav");
        let (head, frame) = if format == "phone" {
            (76, 172)
        } else {
            (58, 160)
        };
        let frames = (std::fs::metadata(&path).unwrap().len() - head) / frame;
        assert!(frames >= 20, "{frames} of 120 frames");
        let unfinished = server.files("0c383e000001");
        assert!(unfinished[0].ends_with(".json.part"), "{unfinished:?}");
        server.start();
        let sidecar = server.sidecar("0c383e000001");
        assert_eq!(
            (&sidecar["end"], &sidecar["frames"]),
            (&"interrupted".into(), &frames.into())
        );
        assert_eq!(server.files("0c383e000001").len(), 2);
        assert_eq!(server.sidecar("silent")["frames"], 0);
        let bytes = std::fs::read(&path).unwrap();
        let said = if format == "phone" {
            &bytes[72..76]
        } else {
            &bytes[54..58]
        };
        assert_eq!(
            u64::from(u32::from_le_bytes(said.try_into().unwrap())),
            frames * frame
        );
        if format == "phone" {
            assert_eq!(
                file::read(&path).frames,
                phone.payloads()[..frames as usize]
            );
        }
    }
}

#[test]
fn a_phone_that_vanishes_leaves_a_finished_recording() {
    let server = Server::new(&[]);
    let mut phone = server.phone("5", DEVICE);
    phone.send(40, false);
    let payloads = phone.payloads();
    drop(phone);
    let sidecar = server.sidecar("0c383e000001");
    assert_eq!(
        (&sidecar["end"], &sidecar["result"]),
        (&"connection-lost".into(), &"failed".into())
    );
    assert_eq!(
        file::read(&server.file("0c383e000001", ".wav")).frames,
        payloads
    );
}

#[test]
fn sigterm_asks_the_phones_to_stop_and_finishes_what_does_not_answer() {
    let mut server = Server::new(&[]);
    let (mut good, mut deaf) = (
        server.phone("1", "&device=a"),
        server.phone("2", "&device=b"),
    );
    good.send(50, false);
    deaf.send(50, false);
    server.signal(Signal::SIGTERM);
    assert_eq!(
        good.line.next().unwrap().0,
        "cmd=RecordStopRequest&id=1&reason=shutdown"
    );
    good.line
        .send(b"cmd=RecordStopResponse&id=1&result=success");
    assert_eq!(server.wait(), Some(0));
    for device in ["a", "b"] {
        assert_eq!(
            file::read(&server.file(device, ".wav")).frames,
            good.payloads()
        );
        let sidecar = server.sidecar(device);
        assert_eq!(
            (&sidecar["end"], &sidecar["result"]),
            (&"shutdown".into(), &"success".into())
        );
    }
}

#[test]
fn two_recordings_on_one_connection_and_a_stop_without_an_end() {
    let server = Server::new(&[]);
    let mut first = server.phone("1", "&device=a");
    first
        .line
        .send(b"cmd=RecordStartRequest&id=2&device=b\ncmd=RecordStartRequest&id=1&device=b\n");
    let mut answers = String::new();
    while !answers.contains("id=2&result=success") || !answers.contains("id=1&result=failed") {
        answers += &first.line.next().unwrap().0;
    }
    first.send(30, false);
    assert_eq!(
        first.line.ask("cmd=RecordStopRequest&id=2").0,
        "cmd=RecordStopResponse&id=2&result=success"
    );
    first.send(30, false);
    assert!(first.stop().success());
    assert_eq!(
        file::read(&server.file("a", ".wav")).frames,
        first.payloads()
    );
    assert_eq!(server.sidecar("b")["received"], 0);
}

#[test]
fn whoever_ends_his_side_after_the_stop_still_hears_the_answer() {
    let server = Server::new(&[]);
    let mut phone = server.phone("1", DEVICE);
    phone.send(10, false);
    phone.line.send(b"cmd=RecordStopRequest&id=1");
    phone.line.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(
        phone.line.next().unwrap().0,
        "cmd=RecordStopResponse&id=1&result=success"
    );
    assert_eq!(phone.line.next(), None);
    assert_eq!(server.sidecar("0c383e000001")["end"], "stopped");
}

#[test]
fn a_stop_for_an_id_of_nobody_is_answered_however_it_ends() {
    let server = Server::new(&[]);
    let mut line = server.connect();
    for end in ["\n", ""] {
        let answer = line.ask(&format!("cmd=RecordStopRequest&id=5{end}"));
        assert_eq!(
            answer.0, "cmd=RecordStopResponse&id=5&result=success",
            "{end:?}"
        );
    }
    line.send(b"cmd=RecordStopRequest&id=6");
    line.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(
        line.next().unwrap().0,
        "cmd=RecordStopResponse&id=6&result=success"
    );
    assert_eq!(line.next(), None);
}

#[test]
fn the_metrics_tell_what_goes_on() {
    let server = Server::new(&["--metrics", "127.0.0.1:0", "--max-recordings", "1"]);
    let mut phone = server.phone("1", DEVICE);
    let refused = RecordingPhone::start(server.connect(), "2", DEVICE)
        .err()
        .unwrap();
    assert_eq!(refused.reason(), "busy");
    phone.send(20, false);
    let value = |name: &str| {
        let body = server.page("/metrics").1;
        let line = body
            .lines()
            .find(|line| line.rsplit_once(' ').unwrap().0 == name);
        line.unwrap_or_else(|| panic!("no {name} in {body}"))
            .rsplit_once(' ')
            .unwrap()
            .1
            .parse::<u64>()
            .unwrap()
    };
    wait_for("the packets", || {
        value("callrec_packets_total{verdict=\"audio\"}") == 20
    });
    assert_eq!(
        (
            value("callrec_recordings"),
            value("callrec_refused_total{reason=\"recordings\"}")
        ),
        (1, 1)
    );
    phone.stop();
    assert_eq!(
        (value("callrec_recordings"), value("callrec_finished_total")),
        (0, 1)
    );
    let healthy = server.page("/healthz");
    assert_eq!(healthy, ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
}

#[test]
fn a_pause_of_the_phone_is_silence_or_left_out() {
    for (pauses, silence) in [("silence", 20), ("skip", 0)] {
        let server = Server::new(&["--pauses", pauses]);
        let mut phone = server.phone("1", DEVICE);
        phone.send(10, false);
        // The timestamp runs on during the pause, the sequence number does not (spec, rule 12). All
        // of it is within the second that a stream may be ahead of the clock, so that the test need
        // not wait.
        for n in 10..20u32 {
            let mut packet = phone.packet(n);
            packet[4..8].copy_from_slice(&(7000 + (n + 20) * 160).to_be_bytes());
            phone.media.send_to(&packet, phone.to).unwrap();
        }
        phone.sent = 20;
        assert!(phone.stop().success());
        let recording = file::read(&server.file("0c383e000001", ".wav"));
        let mut expected = phone.payloads();
        expected.splice(10..10, vec![vec![0xFF; 160]; silence]);
        assert_eq!(recording.frames, expected, "{pauses}");
    }
}
