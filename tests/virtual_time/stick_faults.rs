//! What the stick does to a recording, in virtual time: stalls, failures at every call, power cuts,
//! roll-over, a full stick.

use crate::virtual_phone::legs::numbered_leg;
use crate::virtual_phone::{joined, missing, ms, settings, value, MemoryFile, Phone, Random};
use callrec::proto::recorder::Settings;
use callrec::proto::recording::file_writer::DiskError;
use callrec::wire::recording::{Header, HEADER_BYTES};

#[test]
fn stalls_of_the_stick_lose_nothing() {
    for stall in [500, 1000, 2000, 4000] {
        for begins in [1000, 1777, 5003] {
            let mut phone = Phone::new(settings());
            let id = phone.start("");
            let (sent, stream) = numbered_leg(phone.now, 0, 1000);
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
        let (sent, stream) = numbered_leg(phone.now, 0, 1000);
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

/// A call of ten seconds in parts of two, during which call number `fail` to the stick fails.
fn call_with_fault(fail: u64, error: DiskError, stays_broken: bool) -> (Phone, Vec<Vec<u8>>) {
    let mut phone = Phone::new(Settings {
        limit: 76 + 172 * 100,
        ..settings()
    });
    phone.stick.fail = Some((fail, error));
    phone.stick.stays_broken = stays_broken;
    phone.stick.longest_write = 1000;
    let (sent, stream) = numbered_leg(phone.now, 0, 500);
    let answer = phone.request("cmd=RecordStartRequest").expect("an answer");
    phone.send(stream);
    phone.run_for(ms(10_000));
    if let Some(id) = value(&answer, "id").filter(|_| phone.recorder.accepts_packets(0)) {
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
    let (sent, stream) = numbered_leg(phone.now, 0, 2000);
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
    let (sent, stream) = numbered_leg(phone.now, 0, 6000);
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
    phone.send(numbered_leg(phone.now, 0, 500).1);
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
    let (sent, stream) = numbered_leg(phone.now, 0, 100);
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
