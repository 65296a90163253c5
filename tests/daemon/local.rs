//! Recording to the stick through the running daemon: requests, answers, events, and what is in the
//! files.

use std::net::Ipv6Addr;

use crate::common::file::{header, read};
use crate::common::{Phone, Talker, SILENCE};

#[test]
fn a_leg_is_stored_bit_exact_in_frames_with_header() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1&dir=in&remote_number=100");
    assert_eq!(start.value("cmd"), "RecordStartResponse");
    let talker = Talker::new(start.ports()[0], 1);
    talker.wait(60);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    assert_eq!(stop.value("files"), start.value("file"));
    let name = start.value("file");
    let digits = name
        .strip_prefix("Record_")
        .and_then(|n| n.strip_suffix(".wav"))
        .unwrap();
    assert!(digits.len() == 15 && digits.as_bytes()[8] == b'_', "{name}");
    assert!(
        digits.bytes().all(|b| b.is_ascii_digit() || b == b'_'),
        "{name}"
    );
    let recording = read(&phone.stick().join(&name));
    assert_eq!(recording.codec, "PCMU");
    recording.assert_holds(&sent.concat());
}

#[test]
fn frames_without_rtp_header_are_160_bytes() {
    let phone = Phone::new("recordRtpHeader = 0");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 1);
    talker.wait(30);
    let sent = talker.end().concat();
    let file = phone.stick().join(phone.stop(&start.id()).value("files"));
    let bytes = std::fs::read(&file).unwrap();
    let (codec, rtp_len, increment, data_size) = header(&bytes);
    assert_eq!((codec.as_str(), rtp_len, increment), ("PCMU", 160, 160));
    assert_eq!((data_size as usize, data_size % 160), (bytes.len() - 76, 0));
    assert!(bytes[76..].windows(sent.len()).any(|run| run == sent));
}

#[test]
fn events_come_in_order_and_name_the_recording() {
    let phone = Phone::new("");
    let (mut first, mut second) = (phone.watch(), phone.watch());
    let start = phone.record("");
    assert!(phone
        .ask(&format!("cmd=RecordPauseRequest&id={}", start.id()))
        .success());
    assert!(phone
        .ask(&format!("cmd=RecordResumeRequest&id={}", start.id()))
        .success());
    phone.stop(&start.id());
    for watch in [&mut first, &mut second] {
        for state in ["recording", "paused", "resumed", "stopped"] {
            let event = watch.next().unwrap();
            assert_eq!(
                (event.value("cmd").as_str(), event.value("state").as_str()),
                ("RecordEvent", state)
            );
            assert_eq!(event.id(), start.id());
            if state == "recording" {
                assert_eq!(event.value("file"), start.value("file"));
            }
        }
    }
}

#[test]
fn status_says_who_calls_whom_and_ends_with_a_count() {
    let phone = Phone::new("voiceCodec = PCMA");
    let one =
        phone.record("&dir=out&remote_number=+49 40%3D1&remote_name=Jos\u{e9} %26 Co&local_number=7&local_name=me");
    let two = phone.record("&codec=PCMU");
    let lines = phone.control().ask_lines("cmd=RecordStatusRequest");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(
        (
            lines[2].value("cmd").as_str(),
            lines[2].value("count").as_str()
        ),
        ("RecordStatusResponse", "2")
    );
    let line = lines.iter().find(|line| line.id() == one.id()).unwrap();
    let values = [
        "remote_number",
        "remote_name",
        "local_number",
        "local_name",
        "dir",
        "codec",
        "state",
        "file",
    ];
    let expected = [
        "+49 40=1",
        "Jos\u{e9} & Co",
        "7",
        "me",
        "out",
        "PCMA",
        "recording",
        &one.value("file"),
    ];
    assert_eq!(values.map(|key| line.value(key)), expected);
    let lines = phone
        .control()
        .ask_lines(&format!("cmd=RecordStatusRequest&id={}", two.id()));
    assert_eq!(
        (
            lines.len(),
            lines[0].value("codec").as_str(),
            lines[1].value("count").as_str()
        ),
        (2, "PCMU", "1")
    );
    phone.stop(&one.id());
    assert_eq!(phone.ask("cmd=RecordStatusRequest").value("count"), "1");
    assert_eq!(
        phone
            .ask(&format!("cmd=RecordStatusRequest&id={}", one.id()))
            .reason(),
        "unknown-id"
    );
}

#[test]
fn recordings_beside_each_other_do_not_mix_and_one_more_is_refused() {
    let phone = Phone::new("maxRecordings = 3");
    let starts: Vec<_> = (0..3).map(|_| phone.record("&legs=2")).collect();
    let mut ports: Vec<u16> = starts
        .iter()
        .flat_map(crate::common::Answer::ports)
        .collect();
    let talkers: Vec<Talker> = starts
        .iter()
        .zip(1..)
        .map(|(start, n)| Talker::new(start.ports()[1], n))
        .collect();
    assert_eq!(phone.ask("cmd=RecordStartRequest").reason(), "busy");
    talkers.iter().for_each(|talker| talker.wait(50));
    let sent: Vec<Vec<Vec<u8>>> = talkers.into_iter().map(Talker::end).collect();
    assert_eq!(phone.stat("recordings"), 3);
    for (start, sent) in starts.iter().zip(&sent) {
        let stop = phone.stop(&start.id());
        read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 9, "every port is somebody's own");
    assert_eq!(phone.files().len(), 3);
    phone.record("");
}

#[test]
fn every_number_of_legs_from_none_to_eight_has_its_ports() {
    let phone = Phone::new("");
    for legs in 0..=8 {
        let start = phone.record(&format!("&legs={legs}"));
        assert_eq!(start.ports().len(), legs + 1);
        assert!(
            phone
                .ask(&format!("cmd=RecordStartRequest&legs={}", legs + 9))
                .reason()
                == "bad-request"
        );
        phone.stop(&start.id());
    }
}

#[test]
fn ports_that_run_out_are_busy_and_come_back() {
    let phone = Phone::new("mediaPorts = 19990-19993\nmaxRecordings = 4");
    assert_eq!(phone.ask("cmd=RecordStartRequest&legs=4").reason(), "busy");
    let start = phone.record("&legs=3");
    let mut ports = start.ports();
    ports.sort_unstable();
    assert_eq!(ports, [19990, 19991, 19992, 19993]);
    assert_eq!(phone.ask("cmd=RecordStartRequest&legs=0").reason(), "busy");
    phone.stop(&start.id());
    phone.stop(&phone.record("&legs=3").id());
    assert_eq!(
        phone.files().len(),
        2,
        "a start that is refused leaves no file"
    );
}

#[test]
fn legs_are_heard_over_ipv6() {
    let phone = Phone::new("mediaAddr = ::1");
    let start = phone.record("&legs=1");
    let port = start.ports()[0];
    let talker = Talker::to((Ipv6Addr::LOCALHOST, port).into(), 4);
    talker.wait(10);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
}

#[test]
fn mixed_rtp_to_the_local_port_is_recorded_as_it_comes() {
    let phone = Phone::new("");
    let start = phone.record("&legs=0");
    assert_eq!(start.value("leg_ports"), "");
    let talker = Talker::new(start.value("local_port").parse().unwrap(), 3);
    talker.wait(40);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
}

#[test]
fn two_sources_on_one_port_are_two_legs() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 3);
    // The second source is as silent as mu-law can be: the first one stays bit-exact.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..40u16 {
        let silence = crate::common::rtp(0, n, u32::from(n) * 160, 99, &[SILENCE; 160]);
        socket
            .send_to(&silence, ("127.0.0.1", start.ports()[0]))
            .unwrap();
        talker.wait(u32::from(n) + 1);
    }
    let status = phone.control().ask_lines("cmd=RecordStatusRequest");
    assert_eq!(status[0].value("legs"), "2");
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
}

#[test]
fn a_refusal_begins_with_its_reason() {
    let phone = Phone::new("");
    for (request, reason) in [
        ("RecordStartRequest&sink=server", "no-server"),
        ("RecordStartRequest&sink=tape", "bad-request"),
        ("RecordStartRequest&codec=G729", "bad-request"),
        ("RecordStartRequest&legs=-1", "bad-request"),
        ("RecordStartRequest&dir=up", "bad-request"),
        ("RecordStopRequest", "bad-request"),
        ("RecordStopRequest&id=1", "unknown-id"),
        ("RecordStopRequest&id=99999999999999999999", "bad-request"),
        ("RecordPauseRequest&id=1", "unknown-id"),
        ("RecordResumeRequest&id=x", "bad-request"),
        ("RecordStatusRequest&id=5", "unknown-id"),
        ("Nonsense", "bad-request"),
    ] {
        let answer = phone.ask(&format!("cmd={request}"));
        assert_eq!(answer.reason(), reason, "{request}: {answer:?}");
        assert!(
            answer.value("reason").len() > reason.len() + 2,
            "no words: {answer:?}"
        );
    }
    assert_eq!(
        Phone::new("enabled = 0")
            .ask("cmd=RecordStartRequest")
            .reason(),
        "disabled"
    );
    assert_eq!(
        Phone::new("usbMount = /nowhere")
            .ask("cmd=RecordStartRequest")
            .reason(),
        "no-stick"
    );
    let plain = Phone::new("usbRequireMount = 1");
    assert_eq!(plain.ask("cmd=RecordStartRequest").reason(), "no-stick");
    assert!(plain.files().is_empty());
}

#[test]
fn a_name_that_exists_gets_a_number() {
    let phone = Phone::new("maxRecordings = 6");
    let names: Vec<String> = (0..6)
        .map(|_| phone.record("&legs=0").value("file"))
        .collect();
    let mut distinct = names.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 6, "{names:?}");
    // Six starts take well under two seconds: some share theirs.
    assert!(
        names.iter().any(|name| name.ends_with("_2.wav")),
        "{names:?}"
    );
}

#[test]
fn names_are_in_local_time() {
    // POSIX: 9 h ahead of UTC, no daylight saving time, no files of the system needed.
    let mut phone = Phone::prepared("").somewhere("JST-9");
    phone.start();
    let date = || {
        let output = std::process::Command::new("date")
            .arg("+Record_%Y%m%d_%H%M%S.wav")
            .env("TZ", "JST-9")
            .output();
        String::from_utf8(output.unwrap().stdout)
            .unwrap()
            .trim()
            .to_owned()
    };
    let before = date();
    let name = phone.record("").value("file");
    assert!(before <= name && name <= date(), "{before} {name}");
}

#[test]
fn hundreds_of_short_recordings_leave_nothing_open() {
    let phone = Phone::new("maxRecordings = 1");
    let mut control = phone.control();
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", phone.pid()))
            .unwrap()
            .count()
    };
    assert!(
        control.ask("cmd=StatsRequest").success(),
        "it has been let in"
    );
    let before = open();
    for _ in 0..300 {
        let start = control.ask("cmd=RecordStartRequest");
        assert!(start.success(), "{start:?}");
        assert!(control
            .ask(&format!("cmd=RecordStopRequest&id={}", start.id()))
            .success());
    }
    assert_eq!(phone.files().len(), 300);
    crate::common::wait_for("all descriptors to be given back", || open() <= before);
    for name in phone.files() {
        read(&phone.stick().join(name));
    }
}
