//! Recording to a server through the running daemon: a server of the tests' own says what it likes.

use std::net::Shutdown;

use crate::common::scripted::Scripted;
use crate::common::uploads::{ask, record, stop, stream, wait_for_frames};
use crate::common::{in_time, wait_for, Phone, Talker};
use nix::sys::signal::Signal;

/// The status of the only recording, which goes to the server.
fn assert_status(phone: &Phone) {
    let status = phone.control().ask_lines("cmd=RecordStatusRequest");
    for (key, value) in [
        ("sink", "server"),
        ("server", "127.0.0.1"),
        ("state", "recording"),
        ("legs", "1"),
    ] {
        assert_eq!(status[0].value(key), value, "{status:?}");
    }
}

fn payloads(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let numbered = stream(packets).into_iter();
    numbered.map(|(_, payload)| payload).collect()
}

fn assert_holds(audio: &[u8], sent: &[u8]) {
    assert!(audio.windows(sent.len()).any(|run| run == sent));
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
        assert_status(&phone);
        if !talker.was_in_time() {
            return false;
        }
        let sent = talker.end();
        let mut control = phone.control();
        let request = format!("cmd=RecordStopRequest&id={}&remote_name=Bob", talk.id);
        control.send(format!("{request}&local_name=&reason=hangup\n").as_bytes());
        assert_eq!(talk.finish().0, request + "&reason=hangup");
        let stopped = control.next().unwrap();
        let frames: usize = stopped.value("frames").parse().unwrap();
        let packets = talk.packets(frames);
        assert_eq!(
            (packets.len(), stopped.value("files")),
            (frames, String::new())
        );
        let payloads: Vec<Vec<u8>> = payloads(&packets);
        assert_holds(&payloads.concat(), &sent.concat());
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
    // Another recording is the clock of the pause: while it goes on, nothing is sent for this one.
    let clock = phone.record("&sink=local");
    wait_for_frames(&phone, 25);
    talk.packets(10); // those from before the pause
    wait_for_frames(&phone, 25);
    assert!(talk.packets(0).is_empty());
    phone.stop(&clock.id());
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
    let mut control = ask(&phone, "");
    let _talk = server.accept();
    assert!(
        phone.ask("cmd=StatsRequest").success(),
        "others are answered meanwhile"
    );
    assert_eq!(control.next().unwrap().reason(), "server-timeout");
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
fn the_daemons_end_stops_the_recordings_at_the_server() {
    let server = Scripted::new();
    let mut phone = Phone::new(&server.config());
    let (mut talk, _) = record(&phone, &server);
    talk.packets(5);
    phone.signal(Signal::SIGTERM);
    talk.finish();
    assert!(talk.is_closed());
    assert_eq!(phone.end(), Some(0));
    // One that does not answer is not waited for.
    let mut phone = Phone::new(&server.config());
    let (mut silent, _) = record(&phone, &server);
    assert_eq!(phone.end(), Some(0));
    assert_eq!(silent.hear().value("cmd"), "RecordStopRequest");
}

#[test]
fn a_name_in_etc_hosts_is_looked_up() {
    let server = Scripted::new();
    let phone = Phone::new(&server.config().replace("127.0.0.1", "localhost"));
    let (mut talk, answer) = record(&phone, &server);
    assert_eq!(answer.value("server"), "127.0.0.1");
    stop(&phone, &mut talk);
}
