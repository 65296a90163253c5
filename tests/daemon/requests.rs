//! What the call application asks besides recording and playing: strict lines, all recordings at
//! once, the stick's state, deleting, and what is when it subscribes.

use crate::common::listener::{recording, Listener};
use crate::common::{wait_for, Answer, Phone, Talker};

#[test]
fn a_misspelt_key_is_told_in_the_response_to_its_line() {
    let phone = Phone::new("deviceMac = 0015651a2b3c");
    let mut control = phone.control();
    let start = control.ask("cmd=RecordStartRequest&remote_nr=100&legs=1&Codec=PCMA");
    assert!(start.success());
    assert_eq!(start.value("ignored"), "remote_nr,Codec");
    let id = start.id();
    // Also where the response comes later, or after other lines.
    let status = control.ask("cmd=RecordStatusRequest&ids=1");
    assert_eq!(
        (status.value("count"), status.value("ignored")),
        ("1".into(), "ids".into())
    );
    let list = control.ask("cmd=ListRequest&max=3");
    assert_eq!(list.value("ignored"), "max");
    let stop = control.ask(&format!(
        "cmd=RecordStopRequest&id={id}&wait=0&reason=5% off&remote_name=%zz"
    ));
    assert_eq!(
        (stop.value("ignored"), stop.value("warning")),
        ("wait".into(), "reason,remote_name".into()),
        "{stop:?}"
    );
    let stats = control.ask("cmd=StatsRequest");
    assert_eq!(stats.value("ignored"), "", "only that line's response");
    let sidecar = phone.sidecar(&stop.value("files"), "\"end\"");
    assert_eq!(sidecar["remote_name"], "%zz");
    assert_eq!(sidecar["device"], "0015651a2b3c");
}

#[test]
fn a_line_that_says_two_things_is_refused() {
    let phone = Phone::new("");
    for (line, reason) in [
        (
            "cmd=RecordStartRequest&legs=1&legs=2",
            "bad-request: legs stands twice",
        ),
        (
            "cmd=RecordStartRequest&cmd=StatsRequest",
            "bad-request: cmd stands twice",
        ),
        (
            "cmd=PlayStartRequest&file=100%.wav&host=::1&port=5004",
            "bad-request: % in file must be followed by two hex digits",
        ),
        (
            "cmd=RecordStartRequest&near=10.0.0.1:4000&far=10.0.0.2:4000",
            "bad-request: near and far need tapInterface, which this version does not have; send the legs' RTP to leg_ports",
        ),
    ] {
        let answer = phone.ask(line);
        assert_eq!(answer.value("reason"), reason, "{line}");
    }
    assert_eq!(phone.stat("recordings"), 0);
}

#[test]
fn all_recordings_are_stopped_with_a_line_for_each() {
    let phone = Phone::new("");
    let mut control = phone.control();
    let none = control.ask("cmd=RecordStopAllRequest");
    assert_eq!(none.0, "cmd=RecordStopAllResponse&result=success&count=0");
    let starts = [(); 3].map(|()| phone.record("&legs=1"));
    let talker = Talker::new(starts[1].ports()[0], 7);
    talker.wait(10);
    talker.end();
    // Its next line is answered after the response.
    control.send(b"cmd=RecordStopAllRequest&reason=panic\ncmd=StatsRequest\n");
    let mut ids = vec![];
    let last = loop {
        let line = control.next().unwrap();
        if line.value("cmd") != "RecordStopResponse" {
            break line;
        }
        assert!(line.success());
        ids.push(line.id());
    };
    assert_eq!(last.0, "cmd=RecordStopAllResponse&result=success&count=3");
    let stats = control.next().unwrap();
    assert_eq!(
        (stats.value("cmd"), stats.value("recordings")),
        ("StatsResponse".into(), "0".into())
    );
    let mut started = starts.each_ref().map(Answer::id);
    started.sort();
    ids.sort();
    assert_eq!(ids, started);
    // Those who have started them may stop them, too.
    let stop = phone.stop(&starts[1].id());
    assert_ne!(stop.value("frames"), "0");
    let sidecar = phone.sidecar(&stop.value("files"), "\"end\"");
    assert_eq!(sidecar["end"], "stopped");
}

#[test]
fn the_stick_s_state_says_how_many_hours_are_left() {
    let phone = Phone::new("usbReserve = 2");
    let status = phone.ask("cmd=StickStatusRequest");
    assert!(status.success());
    assert_eq!(status.value("state"), "mounted");
    assert_eq!(status.value("path"), phone.stick().to_str().unwrap());
    let free: u64 = status.value("free_mib").parse().unwrap();
    let hours: u64 = status.value("hours_left").parse().unwrap();
    let expected = (free << 20) / (3600 * 50 * 172);
    assert!(hours.abs_diff(expected) <= 1, "{hours} of {expected}");
    std::fs::remove_dir_all(phone.stick()).unwrap();
    let status = phone.ask("cmd=StickStatusRequest");
    assert_eq!(
        status.0,
        "cmd=StickStatusResponse&result=success&state=none"
    );
    let delete = phone.ask("cmd=DeleteRequest&file=Record_20260101_100000.wav");
    assert_eq!(delete.reason(), "no-stick");
}

#[test]
fn a_recording_is_deleted_with_its_sidecar_and_a_call_with_its_parts() {
    let phone = Phone::new("");
    let put = |name: &str, id: u32| {
        phone.put(&format!("{name}.wav"), &recording(1, 0, 50));
        let sidecar = format!(r#"{{"id":"{id}","part":1,"remote_number":"100"}}"#);
        phone.put(&format!("{name}.json"), sidecar.as_bytes());
    };
    for (name, id) in [
        ("Record_20260101_100000", 1),
        ("Record_20260101_110000", 2),
        ("Record_20260101_110500", 2),
        ("Record_20260101_111000", 2),
        ("Record_20260101_120000", 3),
    ] {
        put(name, id);
    }
    phone.put("Record_20260101_130000.wav", &recording(1, 0, 50));
    let mut control = phone.control();
    let missing = control.ask("cmd=DeleteRequest&file=Record_20260101_100001.wav");
    assert_eq!(missing.reason(), "not-found");
    let one = control.ask("cmd=DeleteRequest&file=Record_20260101_100000.wav");
    assert_eq!(one.0, "cmd=DeleteResponse&result=success&count=1");
    let call = control.ask("cmd=DeleteRequest&file=Record_20260101_110500.wav&parts=all");
    assert_eq!(call.0, "cmd=DeleteResponse&result=success&count=3");
    // One whose call is not known is deleted alone.
    let alone = control.ask("cmd=DeleteRequest&file=Record_20260101_130000.wav&parts=all");
    assert_eq!(alone.0, "cmd=DeleteResponse&result=success&count=1");
    let mut left: Vec<String> = std::fs::read_dir(phone.stick())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["Record_20260101_120000.json", "Record_20260101_120000.wav"]
    );
}

#[test]
fn what_is_in_use_is_not_deleted() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let delete = format!("cmd=DeleteRequest&file={}", start.value("file"));
    for parts in ["", "&parts=all"] {
        let refusal = phone.ask(&format!("{delete}{parts}"));
        assert_eq!(refusal.reason(), "busy", "{refusal:?}");
    }
    phone.put("Record_20260101_100000.wav", &recording(1, 0, 5000));
    let listener = Listener::new();
    let player = phone.play("Record_20260101_100000.wav", &listener, "");
    let played = phone.ask("cmd=DeleteRequest&file=Record_20260101_100000.wav");
    assert_eq!(played.reason(), "busy");
    assert!(phone
        .ask(&format!("cmd=PlayStopRequest&id={}", player.id()))
        .success());
    let played = phone.ask("cmd=DeleteRequest&file=Record_20260101_100000.wav");
    assert!(played.success(), "{played:?}");
    phone.stop(&start.id());
    assert!(phone.ask(&delete).success());
    assert!(phone.files().is_empty());
}

#[test]
fn a_subscriber_first_hears_what_is() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let paused = phone.record("&legs=1");
    assert!(phone
        .ask(&format!("cmd=RecordPauseRequest&id={}", paused.id()))
        .success());
    phone.put("Record_20260101_100000.wav", &recording(1, 0, 5000));
    let listener = Listener::new();
    let player = phone.play("Record_20260101_100000.wav", &listener, "");
    let mut watch = phone.control();
    assert!(watch.ask("cmd=SubscribeRequest").success());
    let now: Vec<Answer> = (0..4).map(|_| watch.next().unwrap()).collect();
    assert!(now.iter().all(|event| event.value("now") == "1"), "{now:?}");
    let states: Vec<[String; 3]> = now
        .iter()
        .map(|event| ["cmd", "id", "state"].map(|key| event.value(key)))
        .collect();
    let expected = [
        ["StickEvent", "", "mounted"],
        ["RecordEvent", &start.id(), "recording"],
        ["RecordEvent", &paused.id(), "paused"],
        ["PlayEvent", &player.id(), "playing"],
    ];
    assert_eq!(states, expected.map(|event| event.map(str::to_owned)));
    assert_eq!(now[0].value("path"), phone.stick().to_str().unwrap());
    assert_eq!(now[1].value("file"), start.value("file"));
    phone.stop(&start.id());
    let event = watch.next().unwrap();
    assert_eq!(
        ["id", "state", "now", "heard"].map(|key| event.value(key)),
        [&start.id(), "stopped", "", "none"]
    );
}

#[test]
fn what_happens_stands_in_the_log_once() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    phone.stop(&start.id());
    std::fs::rename(phone.stick(), phone.path("pulled")).unwrap();
    phone.ask("cmd=StatsRequest");
    let log = phone.log();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    let id = start.id();
    assert_eq!(
        lines(&format!("recording: id={id} state=recording ")),
        1,
        "{log}"
    );
    let stopped = format!("recording: id={id} state=stopped frames=");
    assert_eq!(lines(&stopped), 1);
    let line = log.lines().find(|line| line.contains(&stopped)).unwrap();
    assert!(
        line.starts_with("[INFO ") && line.contains("duration_ms=") && line.contains("heard=none"),
        "{line}"
    );
    assert_eq!(lines("stick: state=mounted path="), 1);
    assert_eq!(lines("stick: state=removed path="), 1);
    let mut bare = Phone::prepared("usbMount = /no/such/folder");
    bare.start();
    wait_for("the warning", || {
        let log = bare.log();
        log.contains("WARN") && log.contains("no USB stick is mounted")
    });
}
