//! Recordings that nobody stops in particular, in virtual time: `maxMinutes`, `idleMinutes`, all at
//! once, an ejected stick.

use crate::virtual_phone::legs::{leg, packets};
use crate::virtual_phone::{ms, settings, value, Phone};
use callrec::proto::recorder::outbox::ClientId;
use callrec::proto::recorder::Settings;

const MINUTE: u64 = 60 * 50;

fn limited(max_frames: u64, idle_frames: u64) -> Phone {
    Phone::new(Settings {
        max_frames,
        idle_frames,
        ..settings()
    })
}

/// A party that talks from now on for so many packets of 20 ms.
fn talk(phone: &mut Phone, count: usize) {
    let stream = leg(phone.now + ms(7), 0, 0, 5, &packets(count, 160));
    phone.send(stream);
}

fn stopped(phone: &Phone) -> Option<&str> {
    let mut events = phone.events.iter().map(String::as_str);
    events.rfind(|event| value(event, "state") == Some("stopped"))
}

#[test]
fn a_recording_ends_after_its_longest_time_and_a_later_stop_has_its_figures() {
    let mut phone = limited(2 * MINUTE, 0);
    let id = phone.start("");
    talk(&mut phone, 4 * MINUTE as usize);
    phone.run_for(ms(119_000));
    assert_eq!(stopped(&phone), None);
    phone.run_for(ms(10_000));
    let event = stopped(&phone).expect("it ends").to_owned();
    assert_eq!(value(&event, "reason"), Some("max-minutes"));
    let frames: u64 = value(&event, "frames").unwrap().parse().unwrap();
    assert!((2 * MINUTE..2 * MINUTE + 50).contains(&frames), "{frames}");
    assert_eq!(phone.frames().len() as u64, frames);
    let response = phone.stop(id);
    assert_eq!(value(&response, "result"), Some("success"), "{response}");
    for key in ["frames", "duration_ms", "heard"] {
        assert_eq!(value(&response, key), value(&event, key), "{key}");
    }
    assert_eq!(value(&response, "files"), value(&event, "file"));
    assert_eq!(phone.stop(id), response, "and once more");
    assert!(phone.recorder.is_idle());
}

#[test]
fn a_pause_does_not_count() {
    for pause_is_silence in [false, true] {
        let mut phone = Phone::new(Settings {
            max_frames: MINUTE,
            idle_frames: MINUTE / 2,
            pause_is_silence,
            ..settings()
        });
        let id = phone.start("");
        talk(&mut phone, 20 * MINUTE as usize);
        phone.run_for(ms(20_000));
        phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
        phone.run_for(ms(600_000));
        assert_eq!(stopped(&phone), None);
        phone.request(&format!("cmd=RecordResumeRequest&id={id}"));
        phone.run_for(ms(39_000));
        assert_eq!(stopped(&phone), None);
        phone.run_for(ms(3_000));
        let event = stopped(&phone).expect("a minute was recorded");
        assert_eq!(value(event, "reason"), Some("max-minutes"));
    }
}

#[test]
fn a_call_that_nobody_ended_ends_when_nothing_is_heard() {
    let mut phone = limited(0, MINUTE);
    let id = phone.start("&legs=1");
    talk(&mut phone, 1500);
    phone.run_for(ms(30_000 + 59_000));
    assert_eq!(stopped(&phone), None);
    phone.run_for(ms(3_000));
    let event = stopped(&phone).expect("it is idle").to_owned();
    assert_eq!(value(&event, "reason"), Some("idle"));
    assert_eq!(value(&event, "heard"), Some("both"));
    let response = phone.stop(id);
    assert_eq!(value(&response, "result"), Some("success"));
    // It never began to talk.
    phone.start("");
    phone.run_for(ms(62_000));
    let event = stopped(&phone).unwrap();
    assert_eq!(value(event, "heard"), Some("none"));
}

#[test]
fn a_leg_that_sends_silence_is_not_idle() {
    let mut phone = limited(0, MINUTE);
    phone.start("");
    let silence = vec![vec![0xFF; 160]; 5 * MINUTE as usize];
    let stream = leg(phone.now + ms(7), 0, 0, 5, &silence);
    phone.send(stream);
    phone.run_for(ms(299_000));
    assert_eq!(stopped(&phone), None);
}

#[test]
fn a_recording_that_ends_already_keeps_its_reason() {
    let mut phone = limited(0, 0);
    let id = phone.start("");
    phone.request_at(
        phone.now,
        &format!("cmd=RecordStopRequest&id={id}&reason=hangup"),
    );
    phone.request("cmd=RecordStopAllRequest&reason=panic");
    assert_eq!(value(stopped(&phone).unwrap(), "reason"), Some("hangup"));
    let last = phone
        .answers
        .iter()
        .find(|answer| answer.contains("StopAll"));
    assert_eq!(value(last.unwrap(), "count"), Some("0"));
}

#[test]
fn a_recording_that_is_being_opened_does_not_hold_an_ejected_stick() {
    let mut phone = limited(0, 0);
    let line = b"cmd=RecordStartRequest";
    phone
        .recorder
        .handle_line(phone.now, ClientId(1), Some(line), [7; 3]);
    assert!(phone.recorder.handle_eject());
    let mut turns = 0;
    while !phone.recorder.end_on_stick(phone.now) && turns < 10 {
        phone.turn();
        // The sidecar's lines would be written to the stick.
        while phone.recorder.next_sidecar(&mut [0; 4096]).is_some() {}
        turns += 1;
    }
    assert!((1..10).contains(&turns), "{turns}");
    assert_eq!(value(stopped(&phone).unwrap(), "reason"), Some("ejected"));
}
