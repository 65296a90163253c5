//! Requests that come while the stick stalls, and what a failed roll-over loses, in virtual time.

use crate::virtual_phone::legs::numbered_leg;
use crate::virtual_phone::{ms, settings, value, Phone};
use callrec::proto::recorder::Settings;

/// A call on a stick that stalls for four seconds, once, after three.
fn call_on_a_stalling_stick() -> (Phone, u32) {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let (_, packets) = numbered_leg(phone.now, 0, 500);
    phone.send(packets);
    phone.stick.stall = Some((phone.now + ms(3000), ms(4000)));
    (phone, id)
}

/// The frames of such a call, when these requests are made so long after the stall began.
fn frames_with(lines: &[(u64, &str)], with_time: bool) -> usize {
    let (mut probe, _) = call_on_a_stalling_stick();
    probe.run_for(ms(9000));
    let began = probe.stick.stalled_at.expect("the stick stalls");
    let (mut phone, id) = call_on_a_stalling_stick();
    for (after, request) in lines {
        let at = began + ms(*after);
        let time = if with_time {
            format!("&at_ms={}", at.nanos() / 1_000_000)
        } else {
            String::new()
        };
        phone.request_at(at, &format!("cmd={request}&id={id}{time}"));
    }
    phone.run_for(ms(11_000));
    assert!(phone.recorder.is_idle() && phone.counted("bug") == 0);
    phone.audio().len() / 160
}

#[test]
fn what_is_asked_for_while_the_stick_stalls_counts_from_when_it_was_asked_for() {
    let stop = frames_with(&[(500, "RecordStopRequest")], true);
    let untimed = frames_with(&[(500, "RecordStopRequest")], false);
    assert!(
        (174..=176).contains(&(untimed - stop)),
        "{stop} frames, {untimed} without a time"
    );
    let lines = [
        (500, "RecordPauseRequest"),
        (1500, "RecordResumeRequest"),
        (2500, "RecordStopRequest"),
    ];
    let paused = frames_with(&lines, true);
    assert!(
        (49..=51).contains(&(paused - stop)),
        "{stop} frames, {paused} with a pause between"
    );
}

#[test]
fn a_time_that_cannot_be_true_is_the_time_of_reading() {
    for (name, at) in [("long ago", 0), ("never", u64::MAX), ("an hour ago", 5_000)] {
        let mut phone = Phone::new(settings());
        let id = phone.start("");
        phone.run_for(ms(2000));
        let answer = phone
            .request(&format!("cmd=RecordStopRequest&id={id}&at_ms={at}"))
            .unwrap();
        assert_eq!(value(&answer, "frames"), Some("100"), "{name}");
    }
}

/// Sidecars as they were written last, by file.
fn sidecars(phone: &mut Phone) -> std::collections::BTreeMap<String, serde_json::Value> {
    let mut buffer = [0; 4096];
    let mut last = std::collections::BTreeMap::new();
    while let Some(note) = phone.recorder.next_sidecar(&mut buffer) {
        last.insert(
            note.name.to_string(),
            serde_json::from_slice(note.line).unwrap(),
        );
    }
    last
}

#[test]
fn what_a_failed_roll_over_loses_is_missing_from_that_recording_alone() {
    let mut phone = Phone::new(Settings {
        limit: 1,
        ..settings()
    });
    let rolling = phone.start("&legs=1");
    // The other one has all the room that it wants.
    phone.recorder.set_settings(settings());
    let other = phone.start("&legs=1");
    let (_, packets) = numbered_leg(phone.now, 0, 200);
    phone.send(packets);
    phone.run_for(ms(1500));
    phone.stick.refuses_files = true;
    phone.run_for(ms(2500));
    assert!(phone
        .events
        .iter()
        .any(|event| event.contains(&format!("id={rolling}&state=failed"))));
    let stop = phone.stop(other);
    assert_eq!(value(&stop, "result"), Some("success"));
    let lost = phone.counted("frames_lost");
    assert!(lost > 0);
    let sidecars = sidecars(&mut phone);
    let of = |id: &str| -> Vec<&serde_json::Value> {
        sidecars.values().filter(|it| it["id"] == *id).collect()
    };
    let (failed, whole) = (of(&rolling.to_string()), of(&other.to_string()));
    let (last, nothing) = (failed.last().unwrap(), serde_json::json!({}));
    assert_eq!(
        (&last["end"], &last["dropped"]["frames_lost"]),
        (&"failed".into(), &lost.into()),
        "{last}"
    );
    for part in &failed[..failed.len() - 1] {
        assert_eq!(
            (&part["end"], &part["dropped"]),
            (&"rolled".into(), &nothing),
            "{part}"
        );
    }
    assert_eq!(
        (&whole[0]["end"], &whole[0]["dropped"]),
        (&"stopped".into(), &nothing),
        "{}",
        whole[0]
    );
}
