//! What the stick does to a recording, in virtual time: stalls, failures at every call, power cuts,
//! roll-over, a full stick.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod virtual_phone;

use callrec::base::time::Instant;
use callrec::proto::recorder::Settings;
use callrec::proto::recording::file_writer::DiskError;
use callrec::wire::recording::{Header, HEADER_BYTES};
use virtual_phone::{
    joined, marked, missing, ms, rtp, settings, value, Arriving, MemoryFile, Phone, Random,
};

fn leg(begin: Instant, port: usize, count: u64) -> (Vec<Vec<u8>>, Vec<Arriving>) {
    let sent: Vec<Vec<u8>> = (0..count)
        .map(|n| marked((n * 10) as usize + port, 160))
        .collect();
    let stream = sent.iter().zip(0u64..).map(|(payload, n)| {
        (
            begin + ms(20 * n),
            port,
            rtp(0, n as u16, n as u32 * 160, 5 + port as u32, payload),
        )
    });
    let stream = stream.collect();
    (sent, stream)
}

#[test]
fn stalls_of_the_stick_lose_nothing() {
    for stall in [500, 1000, 2000, 4000] {
        for begins in [1000, 1777, 5003] {
            let mut phone = Phone::new(settings());
            let id = phone.start("");
            let (sent, stream) = leg(phone.now, 0, 1000);
            phone.send(stream);
            phone.stick.stall = Some((phone.now + ms(begins), ms(stall)));
            phone.run_for(ms(20_000));
            let answer = phone.stop(id);
            assert!(phone.stick.stall.is_none(), "the stall happened");
            assert_eq!(value(&answer, "frames"), Some("1000"));
            assert_eq!(phone.audio(), sent.concat(), "{stall} ms at {begins}");
        }
    }
}

#[test]
fn after_a_power_cut_all_but_two_seconds_is_there_and_can_be_made_whole() {
    let mut random = Random(5);
    for _ in 0..100 {
        let mut phone = Phone::new(settings());
        phone.start("");
        let (sent, stream) = leg(phone.now, 0, 1000);
        phone.send(stream);
        let length = 2000 + random.below(17_000);
        phone.run_for(ms(length));
        let file = phone.stick.files.values().next().unwrap();
        let header = Header::parse(&file.durable).unwrap();
        let extent = header.extent(file.durable.len() as u64);
        assert!(
            extent.frames * 20 + 2000 >= length,
            "{} frames of {length} ms",
            extent.frames
        );
        assert!(
            header.data_size <= extent.data_size,
            "the header never promises what is not there"
        );
        let mut whole = file.durable[..extent.file_bytes as usize].to_vec();
        whole[72..76].copy_from_slice(&extent.data_size.to_le_bytes());
        let frames = joined([whole.as_slice()]);
        let audio: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame[12..].to_vec())
            .collect();
        assert_eq!(audio, sent.concat()[..audio.len()]);
    }
}

#[test]
fn parts_joined_are_frame_for_frame_the_recording() {
    let record = |limit: u64| {
        let mut phone = Phone::new(Settings {
            limit,
            ..settings()
        });
        let id = phone.start("&legs=2");
        let begin = phone.now;
        phone.send(
            leg(begin, 0, 24_000)
                .1
                .into_iter()
                .chain(leg(begin, 1, 24_000).1),
        );
        phone.run_for(ms(480_000));
        let answer = phone.stop(id);
        (phone, answer)
    };
    let (whole, _) = record(0);
    let (rolled, answer) = record(1 << 20);
    assert_eq!((whole.stick.files.len(), rolled.stick.files.len()), (1, 4));
    assert!(rolled
        .stick
        .files
        .values()
        .all(|file| file.bytes.len() <= 1 << 20));
    let full = rolled.stick.files.values().next().unwrap();
    assert!(full.bytes.len() + 172 > 1 << 20, "a part is filled");
    assert_eq!(whole.audio(), rolled.audio());
    assert_eq!(rolled.frames().len(), 24_000);
    assert_eq!(value(&answer, "files").unwrap().split(',').count(), 4);
    assert_eq!(
        rolled
            .events
            .iter()
            .filter(|event| event.contains("state=rolled"))
            .count(),
        3
    );
}

#[test]
fn a_limit_below_a_second_counts_as_one() {
    let mut phone = Phone::new(Settings {
        limit: 1,
        ..settings()
    });
    let id = phone.start("");
    let (sent, stream) = leg(phone.now, 0, 500);
    phone.send(stream);
    phone.run_for(ms(10_000));
    phone.stop(id);
    assert_eq!(phone.stick.files.len(), 10);
    assert_eq!(phone.audio(), sent.concat());
}

#[test]
fn a_pause_is_left_out_or_silent() {
    for silence in [false, true] {
        let mut phone = Phone::new(Settings {
            pause_is_silence: silence,
            ..settings()
        });
        let id = phone.start("");
        let (sent, stream) = leg(phone.now, 0, 500);
        phone.send(stream);
        phone.run_for(ms(3000));
        phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
        phone.request(&format!("cmd=RecordPauseRequest&id={id}"));
        phone.run_for(ms(2000));
        phone.request(&format!("cmd=RecordResumeRequest&id={id}"));
        phone.run_for(ms(5000));
        let answer = phone.stop(id);
        let middle = if silence { vec![0xFF; 16_000] } else { vec![] };
        assert_eq!(
            phone.audio(),
            [sent[..150].concat(), middle, sent[250..].concat()].concat()
        );
        assert_eq!(
            value(&answer, "frames"),
            Some(if silence { "500" } else { "400" })
        );
        let states: Vec<_> = phone
            .events
            .iter()
            .filter_map(|event| value(event, "state"))
            .collect();
        assert_eq!(
            states,
            ["mounted", "recording", "paused", "resumed", "stopped"]
        );
    }
}

#[test]
fn payloads_alone_are_stored_when_configured() {
    let mut phone = Phone::new(Settings {
        rtp_header: false,
        ..settings()
    });
    let id = phone.start("");
    let (sent, stream) = leg(phone.now, 0, 100);
    phone.send(stream);
    phone.run_for(ms(2000));
    phone.stop(id);
    let file = phone.stick.files.values().next().unwrap();
    let header = Header::parse(&file.bytes).unwrap();
    assert_eq!(
        (header.rtp_len, header.increment, header.data_size),
        (160, 160, 16_000)
    );
    assert_eq!(file.bytes[HEADER_BYTES..], sent.concat());
}

/// A call of ten seconds in parts of two, during which call number `fail` to the stick fails.
fn call_with_fault(fail: u64, error: DiskError, stays_broken: bool) -> (Phone, Vec<Vec<u8>>) {
    let mut phone = Phone::new(Settings {
        limit: 76 + 172 * 100,
        ..settings()
    });
    phone.stick.fail = Some((fail, error));
    phone.stick.stays_broken = stays_broken;
    phone.stick.longest_write = 1000;
    let (sent, stream) = leg(phone.now, 0, 500);
    let answer = phone.request("cmd=RecordStartRequest").expect("an answer");
    phone.send(stream);
    phone.run_for(ms(10_000));
    if let Some(id) = value(&answer, "id").filter(|_| phone.recorder.listens(0)) {
        let line = format!("cmd=RecordStopRequest&id={id}");
        assert!(phone.request(&line).is_some(), "a stop is always answered");
    }
    (phone, sent)
}

#[test]
fn whichever_call_fails_what_was_written_is_valid_and_the_rest_is_counted() {
    let calls = call_with_fault(0, DiskError::Full, false).0.stick.calls;
    assert!(calls > 60);
    for error in [
        DiskError::Full,
        DiskError::Lost,
        DiskError::Failed(5),
        DiskError::Failed(30),
    ] {
        for stays_broken in [false, true] {
            for fail in 1..=calls {
                let (phone, sent) = call_with_fault(fail, error, stays_broken);
                check_fault(
                    &phone,
                    &sent,
                    &format!(
                        "{error:?} {stays_broken} at call {fail}: {:?}",
                        phone.stick.log.last()
                    ),
                );
            }
        }
    }
}

fn check_fault(phone: &Phone, sent: &[Vec<u8>], what: &str) {
    assert!(phone.recorder.is_idle(), "{what}: no recording hangs");
    assert_eq!(phone.counted("bug"), 0, "{what}");
    // As a reader takes them: the whole frames that are there.
    let mut audio = vec![];
    for MemoryFile { bytes, .. } in phone.stick.files.values() {
        let Ok(header) = Header::parse(bytes) else {
            assert!(
                bytes.len() < HEADER_BYTES,
                "{what}: a header that makes no sense"
            );
            continue;
        };
        let extent = header.extent(bytes.len() as u64);
        let frames = bytes[HEADER_BYTES..extent.file_bytes as usize].chunks_exact(172);
        audio.extend(frames.flat_map(|frame| frame[12..].to_vec()));
        assert!(
            u64::from(header.data_size) <= extent.frames * 172,
            "{what}: the header promises too much"
        );
    }
    assert_eq!(
        audio,
        sent.concat()[..audio.len()],
        "{what}: what is there is exact"
    );
    let failed = phone.counted("failed") > 0;
    let started = phone.counted("started") > 0;
    if failed && started {
        let event = phone
            .events
            .iter()
            .find(|event| event.contains("state=failed"))
            .expect(what);
        assert!(
            ["disk-full", "stick-lost", "stick-error"]
                .iter()
                .any(|word| event.contains(word)),
            "{event}"
        );
        let mixed = phone.counted("frames") as usize * 160;
        assert!(
            audio.len() <= mixed
                && phone.counted("frames_lost") * 160 >= (mixed - audio.len()) as u64,
            "{what}"
        );
    } else if started {
        assert_eq!(audio.len(), sent.len() * 160, "{what}: nothing is lost");
    } else {
        assert!(
            phone
                .answers
                .iter()
                .any(|answer| answer.contains("result=failed")),
            "{what}"
        );
    }
}

#[test]
fn a_full_stick_ends_the_recording_with_a_whole_file_and_the_next_one_is_refused() {
    let mut phone = Phone::new(settings());
    phone.stick.capacity = (1 << 20) + 200_000;
    phone.start("");
    let (sent, stream) = leg(phone.now, 0, 2000);
    phone.send(stream);
    phone.run_for(ms(40_000));
    assert!(
        phone
            .events
            .iter()
            .any(|event| event.contains("state=failed&reason=disk-full")),
        "{:?}",
        phone.events
    );
    assert!(phone
        .events
        .iter()
        .any(|event| event.starts_with("cmd=StickEvent&state=full")));
    let audio = phone.audio();
    assert!(audio.len() > 100_000 && audio == sent.concat()[..audio.len()]);
    assert!(
        phone.stick.files.values().next().unwrap().bytes.len() > 120_000,
        "up to the reserve"
    );
    let answer = phone.request("cmd=RecordStartRequest").unwrap();
    assert!(
        answer.contains("result=failed&reason=disk-full"),
        "{answer}"
    );
}

#[test]
fn covering_deletes_the_oldest_and_never_one_in_use() {
    let mut phone = Phone::new(Settings {
        cover: true,
        limit: 76 + 172 * 500,
        ..settings()
    });
    phone.stick.capacity = (1 << 20) + 400_000;
    for name in ["Record_000000_old.wav", "Record_000000_older.wav"] {
        phone.stick.files.insert(
            name.into(),
            MemoryFile {
                bytes: vec![0; 100_000],
                ..MemoryFile::default()
            },
        );
    }
    let id = phone.start("");
    let (sent, stream) = leg(phone.now, 0, 6000);
    phone.send(stream);
    phone.run_for(ms(120_000));
    let answer = phone.stop(id);
    assert_eq!(value(&answer, "result"), Some("success"));
    assert!(!phone.stick.files.keys().any(|name| name.contains("old")));
    assert!(
        phone.stick.files.len() <= 4,
        "of twelve parts those that have room"
    );
    let audio = phone.audio();
    assert!(audio.len() > 80_000);
    assert_eq!(
        audio,
        sent.concat()[sent.len() * 160 - audio.len()..],
        "the newest parts are kept"
    );
}

#[test]
fn covering_makes_room_for_a_name_where_the_folder_is_full() {
    let mut phone = Phone::new(Settings {
        cover: true,
        ..settings()
    });
    for name in ["Record_000000_old.wav", "Record_000000_older.wav"] {
        phone.stick.files.insert(name.into(), MemoryFile::default());
    }
    phone.stick.fail = Some((2, DiskError::Full));
    let id = phone.start("");
    assert_eq!(
        phone.stick.log[..5],
        ["space", "create", "make room", "space", "create"]
    );
    assert!(
        phone.stick.files.contains_key("Record_000000_older.wav") && phone.stick.files.len() == 2,
        "one was enough"
    );
    assert_eq!(value(&phone.stop(id), "result"), Some("success"));
}

#[test]
fn a_stick_that_is_pulled_ends_its_recordings_and_the_next_one_works() {
    let mut phone = Phone::new(settings());
    phone.start("");
    phone.send(leg(phone.now, 0, 500).1);
    phone.run_for(ms(5000));
    phone.recorder.handle_stick(phone.now, None, 0);
    while phone.turn() {}
    assert!(phone.recorder.is_idle());
    assert!(
        phone
            .events
            .iter()
            .any(|event| event.contains("state=failed&reason=stick-lost")),
        "{:?}",
        phone.events
    );
    assert!(phone
        .request("cmd=RecordStartRequest")
        .unwrap()
        .contains("reason=no-stick"));
    let stick = heapless::Vec::from_slice(b"/mnt/usb").unwrap();
    phone.recorder.handle_stick(phone.now, Some(stick), 1 << 30);
    phone.sockets[0].queue.clear();
    phone.stick.files.clear();
    let id = phone.start("");
    let (sent, stream) = leg(phone.now, 0, 100);
    phone.send(stream);
    phone.run_for(ms(2000));
    phone.stop(id);
    assert!(missing(&phone.audio(), &sent, 1000).is_empty());
}

#[test]
fn a_sync_that_fails_gives_up_what_came_since_the_last_good_one() {
    let syncs = |phone: &Phone| {
        let numbered = phone.stick.log.iter().zip(1u64..);
        numbered
            .filter(|(kind, _)| **kind == "sync")
            .map(|(_, number)| number)
            .collect::<Vec<_>>()
    };
    let second = syncs(&call_with_fault(0, DiskError::Full, false).0)[1];
    let (phone, sent) = call_with_fault(second, DiskError::Failed(5), false);
    let audio = phone.audio();
    assert!(audio.len() >= 160 * 30 && audio == sent.concat()[..audio.len()]);
    let file = phone.stick.files.values().next_back().unwrap();
    assert_eq!(
        file.bytes.len(),
        file.durable.len(),
        "only what a sync has covered is kept"
    );
    let mixed = phone.counted("frames");
    assert!(phone.counted("frames_lost") >= mixed - audio.len() as u64 / 160);
}

/// A call on a stick that stalls for four seconds, once, after three.
fn call_on_a_stalling_stick() -> (Phone, u32) {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let (_, packets) = leg(phone.now, 0, 500);
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
    while let Some(note) = phone.recorder.next_note(&mut buffer) {
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
    let (_, packets) = leg(phone.now, 0, 200);
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
