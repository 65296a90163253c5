//! What a recording leaves on a stick that works: parts, limits, pauses, frames without headers.

use crate::virtual_phone::legs::numbered_leg;
use crate::virtual_phone::{ms, settings, value, Phone};
use callrec::proto::recorder::Settings;
use callrec::wire::recording::{Header, HEADER_BYTES};

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
            numbered_leg(begin, 0, 24_000)
                .1
                .into_iter()
                .chain(numbered_leg(begin, 1, 24_000).1),
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
    let (sent, stream) = numbered_leg(phone.now, 0, 500);
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
        let (sent, stream) = numbered_leg(phone.now, 0, 500);
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
    let (sent, stream) = numbered_leg(phone.now, 0, 100);
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
