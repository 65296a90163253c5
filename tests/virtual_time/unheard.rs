//! Legs that are not heard, in virtual time: somebody is told, and the other leg is whole.

use crate::virtual_phone::legs::{leg, packets};
use crate::virtual_phone::{ms, rtp, settings, value, Arriving, Phone, Random};

/// 20 s of packets of any payload type, `len` random bytes each, `ticks` apart.
fn foreign(phone: &Phone, port: usize, payload_type: u8, len: u64, ticks: u32) -> Vec<Arriving> {
    let mut random = Random(len);
    let from = phone.now + ms(9);
    let packet = |n: u64| {
        let payload = random.bytes(len);
        let timestamp = n as u32 * ticks;
        let bytes = rtp(payload_type, n as u16, timestamp, 77, &payload);
        (from + ms(20 * n), port, bytes)
    };
    (0..1000).map(packet).collect()
}

/// The events of this state.
fn events<'a>(phone: &'a Phone, state: &str) -> Vec<&'a str> {
    let state = format!("&state={state}");
    let events = phone.events.iter().map(String::as_str);
    events
        .filter(|event| {
            event
                .split_once(&state)
                .is_some_and(|(_, rest)| !rest.starts_with('-'))
        })
        .collect()
}

/// Records a good leg on port 0, and what `other` sends on port 1; the stop's response and the
/// recorded audio.
fn beside_a_good_leg(
    start: &str,
    other: impl FnOnce(&Phone) -> Vec<Arriving>,
) -> (Phone, String, Vec<u8>) {
    let mut phone = Phone::new(settings());
    let id = phone.start(start);
    let sent = packets(1000, 160);
    let mut stream = leg(phone.now + ms(7), 0, 0, 5, &sent);
    stream.extend(other(&phone));
    phone.send(stream);
    phone.run_for(ms(20_500));
    let response = phone.stop(id);
    let whole = sent.concat();
    let audio = phone.audio();
    let found = audio.windows(whole.len()).any(|run| run == whole);
    assert!(found, "the good leg is not whole");
    (phone, response, audio)
}

#[test]
fn a_leg_of_another_codec_is_told_once_and_the_other_one_is_whole() {
    for (payload_type, len) in [
        (18, 20),
        (2, 80),
        (4, 24),
        (97, 38),
        (107, 80),
        (108, 31),
        (11, 160),
    ] {
        let (phone, response, _) =
            beside_a_good_leg("", |phone| foreign(phone, 1, payload_type, len, 160));
        let told = events(&phone, "unintelligible");
        assert_eq!(told.len(), 1, "{payload_type}: {:?}", phone.events);
        let reason = format!("payload type {payload_type} cannot be decoded");
        assert_eq!(value(told[0], "reason"), Some(&*reason));
        assert_eq!(value(told[0], "leg"), Some("41002"));
        assert_eq!(value(&response, "heard"), Some("one"));
        assert_eq!(events(&phone, "no-audio").len(), 1, "its port is silent");
    }
}

#[test]
fn an_encrypted_leg_is_muted_and_told() {
    for extra in [4, 10, 16, 14] {
        for payload_type in [0, 8, 9] {
            let (phone, response, audio) = beside_a_good_leg("", |phone| {
                foreign(phone, 1, payload_type, 160 + extra, 160)
            });
            let told = events(&phone, "unintelligible");
            assert_eq!(told.len(), 1, "{extra} {payload_type}");
            assert_eq!(value(told[0], "reason"), Some("encrypted"));
            assert_eq!(value(&response, "heard"), Some("one"));
            assert!(phone.counted("encrypted") > 990);
            // Nothing of it is mixed: after the good leg's audio there is silence.
            assert!(audio[audio.len() - 160..].iter().all(|code| *code == 0xFF));
        }
    }
}

#[test]
fn ciphertext_without_a_tag_is_muted_after_a_second() {
    for (formats, payload_type, len) in [
        ("", 0, 160),
        ("", 8, 160),
        ("", 9, 160),
        ("", 0, 80),
        ("&formats=96:L16/16000", 96, 640),
    ] {
        let mut phone = Phone::new(settings());
        let id = phone.start(formats);
        let sent = packets(1000, 160);
        let mut stream = leg(phone.now + ms(7), 0, 0, 5, &sent);
        let ticks = if payload_type == 96 { 320 } else { len as u32 };
        let mut other = foreign(&phone, 1, payload_type, len, ticks);
        if len == 80 {
            let from = phone.now + ms(9);
            let times = (0..).map(|n| from + ms(10 * n));
            let paced = other.into_iter().zip(times);
            other = paced
                .map(|((_, port, bytes), at)| (at, port, bytes))
                .collect();
        }
        stream.extend(other);
        phone.send(stream);
        phone.run_for(ms(20_500));
        phone.stop(id);
        let told = events(&phone, "unintelligible");
        assert_eq!(told.len(), 1, "{payload_type} {len}: {:?}", phone.events);
        assert_eq!(value(told[0], "reason"), Some("encrypted"));
        assert_eq!(value(told[0], "leg"), Some("41002"));
        assert!(events(&phone, "intelligible").is_empty());
        // A second is needed to tell; by then 300 ms of it are not mixed yet.
        let audio = phone.audio();
        let good = sent[50..].concat();
        assert!(audio.windows(good.len()).any(|run| run == good));
    }
}

#[test]
fn a_call_of_which_nothing_is_heard_is_told_and_marked() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let stream = foreign(&phone, 0, 18, 20, 160);
    phone.send(stream);
    phone.run_for(ms(20_500));
    let response = phone.stop(id);
    assert_eq!(value(&response, "heard"), Some("none"));
    let silent = events(&phone, "no-audio");
    assert_eq!(silent.len(), 1);
    assert_eq!(value(silent[0], "leg"), None);
    let mut buffer = [0; 4096];
    let mut lines = vec![];
    while let Some(line) = phone.recorder.next_sidecar(&mut buffer) {
        lines.push(String::from_utf8(line.line.to_vec()).unwrap());
    }
    let last: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(last["heard"], "none");
    assert_eq!(
        last["heard_ms"],
        serde_json::json!({"1": 0, "2": 0, "local": 0})
    );
    assert_eq!(last["unintelligible"], "payload type 18 cannot be decoded");
}

#[test]
fn a_leg_that_is_silent_beside_another_is_told_and_when_it_comes_back() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let sent = packets(1500, 160);
    let mut stream = leg(phone.now + ms(7), 0, 0, 5, &sent);
    stream.extend(leg(phone.now + ms(20_000), 1, 0, 6, &packets(450, 160)));
    phone.send(stream);
    phone.run_for(ms(30_000));
    let response = phone.stop(id);
    let silent = events(&phone, "no-audio");
    assert_eq!(silent.len(), 1, "{:?}", phone.events);
    assert_eq!(value(silent[0], "leg"), Some("41002"));
    let heard = events(&phone, "audio");
    assert_eq!(heard.len(), 1, "{:?}", phone.events);
    assert_eq!(value(heard[0], "leg"), Some("41002"));
    assert_eq!(value(&response, "heard"), Some("both"));
}

#[test]
fn a_pause_is_no_silence() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    phone.send(leg(phone.now + ms(7), 0, 0, 5, &packets(100, 160)));
    phone.run_for(ms(2000));
    phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
    phone.run_for(ms(1_800_000));
    assert!(events(&phone, "no-audio").is_empty(), "{:?}", phone.events);
    phone.stop(id);
}

#[test]
fn declared_formats_are_heard_from_the_first_packet_on() {
    let keys = "&formats=96:PCMA/8000,18:G729/8000,101:telephone-event/8000";
    let mut phone = Phone::new(settings());
    let answer = phone
        .request(&format!("cmd=RecordStartRequest{keys}"))
        .unwrap();
    assert_eq!(value(&answer, "undecodable"), Some("18:G729/8000"));
    assert_eq!(
        value(&answer, "formats"),
        Some("96:PCMA/8000,101:telephone-event/8000")
    );
    let id = value(&answer, "id").unwrap().to_owned();
    phone.send(leg(phone.now + ms(7), 0, 96, 5, &packets(100, 160)));
    phone.run_for(ms(3000));
    assert_eq!(phone.counted("audio"), 100);
    // There is no third leg.
    let line = format!("cmd=RecordFormatsRequest&id={id}&formats_3=97:PCMU/8000");
    let answer = phone.request(&line).unwrap();
    assert!(value(&answer, "reason")
        .unwrap()
        .starts_with("bad-request: formats_3 is for a leg"));
    // A re-INVITE.
    let line =
        format!("cmd=RecordFormatsRequest&id={id}&formats=97:PCMU/8000&formats_1=98:G722/8000");
    let answer = phone.request(&line).unwrap();
    assert_eq!(value(&answer, "result"), Some("success"));
    phone.send(leg(phone.now + ms(7), 0, 98, 6, &packets(100, 160)));
    phone.send(leg(phone.now + ms(7), 1, 97, 7, &packets(100, 160)));
    phone.send(leg(phone.now + ms(7), 1, 98, 8, &packets(100, 160)));
    phone.run_for(ms(3000));
    assert_eq!(phone.counted("audio"), 300);
    assert_eq!(phone.counted("unknown_payload"), 100);
}

#[test]
fn a_start_whose_audio_cannot_be_decoded_is_refused() {
    let mut phone = Phone::new(settings());
    for (formats, words) in [
        ("18:G729/8000,101:telephone-event/8000", "cannot be decoded"),
        ("PCMU", "formats must be a list"),
        ("200:PCMU/8000", "formats must be a list"),
        ("0:PCMU/8000&formats_3=96:PCMU/8000", "it has 2"),
        ("0:PCMU/8000&formats_8=96:PCMU/8000", "it has 2"),
        ("0:PCMU/8000&legs=0&formats_1=96:PCMU/8000", "it has 0"),
    ] {
        let answer = phone
            .request(&format!("cmd=RecordStartRequest&formats={formats}"))
            .unwrap();
        assert_eq!(value(&answer, "result"), Some("failed"));
        let reason = value(&answer, "reason").unwrap();
        assert!(
            reason.starts_with("bad-request") && reason.contains(words),
            "{reason}"
        );
    }
    assert!(phone.recorder.is_idle());
}
