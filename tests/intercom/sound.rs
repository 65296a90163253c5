//! The sound of intercom calls through the real `callrec run`: both parties' streams end in the
//! recording sample for sample, also if connections stall; a media engine hears and is heard.

use crate::common::engine::{voice, Engine};
use crate::common::intercom_peer::{call_req, joined_with, Peer};
use crate::common::streams::{Played, Streams};
use crate::common::{file, wait_for, Control, Phone};
use serde_json::json;

const SID: &str = "9f3c61d2a07be845";
const MU_LAW: u8 = 8;
const A_LAW: u8 = 7;

fn silence(count: usize, format: u8) -> Vec<Vec<u8>> {
    let code = if format == MU_LAW { 0xFF } else { 0xD5 };
    vec![vec![code; 160]; count]
}

struct Call {
    phone: Phone,
    home: Peer,
    events: Control,
    streams: Streams,
    _listener: std::net::TcpListener,
}

/// A screen that is called by a door; its streams are at the test's server.
fn ringing(keys: &str) -> Call {
    let streams = Streams::new();
    let keys = format!("streamPort = {}\n{keys}", streams.port);
    let (phone, listener, mut home, mut events) = joined_with(&keys);
    home.say("call_req", call_req(SID));
    events.until("CallEvent", "incoming");
    Call {
        phone,
        home,
        events,
        streams,
        _listener: listener,
    }
}

impl Call {
    /// The door hangs up; returns what was recorded.
    fn end(&mut self) -> file::Recording {
        self.home.say("call_end", json!({"sid": SID}));
        let ended = self.events.until("CallEvent", "ended");
        let name = ended.value("recording");
        assert!(name.starts_with("Record_"), "{ended:?}");
        self.events.until("RecordEvent", "stopped");
        let path = self.phone.stick().join(&name);
        wait_for("the sidecar", || path.with_extension("json").exists());
        file::read(&path)
    }
}

/// Where these frames stand in a recording, in one piece.
fn place(recording: &file::Recording, sent: &[Vec<u8>]) -> usize {
    let audio = recording.audio();
    let sent = sent.concat();
    let found = audio.windows(sent.len()).position(|part| part == sent);
    found.unwrap_or_else(|| {
        let begin = audio.windows(160).position(|part| part == &sent[..160]);
        let equal = begin.map(|at| {
            audio[at..]
                .iter()
                .zip(&sent)
                .take_while(|(a, b)| a == b)
                .count()
        });
        panic!(
            "not in {} codes; begins at {begin:?}, equal {equal:?} of {}",
            audio.len(),
            sent.len()
        )
    })
}

#[test]
fn both_parties_are_recorded_though_their_connections_stall() {
    for (format, codec) in [(MU_LAW, "PCMU"), (A_LAW, "PCMA")] {
        let mut call = ringing(&format!("voiceCodec = {codec}"));
        // The door talks for 3 s, then the screen; both stall, once for more than a second.
        let (door, screen) = (voice(150, 0), voice(100, 5));
        call.streams.play(
            "b1f0c4",
            Played {
                format,
                frames: [door.clone(), silence(130, format)].concat(),
                stalls: vec![(20, 90), (110, 120), (160, 170)],
            },
        );
        call.streams.play(
            "c7d2e9",
            Played {
                format,
                frames: [silence(160, format), screen.clone(), silence(20, format)].concat(),
                stalls: vec![(30, 35), (190, 215)],
            },
        );
        let accepted = call.phone.ask(&format!("cmd=CallAcceptRequest&sid={SID}"));
        assert!(accepted.success(), "{accepted:?}");
        call.events.until("RecordEvent", "recording");
        wait_for("both to have talked", || {
            let status = call.phone.control().ask_lines("cmd=RecordStatusRequest");
            status[0].value("duration_ms").parse::<u64>().unwrap_or(0) > 5500
        });
        let recording = call.end();
        let (first, second) = (place(&recording, &door), place(&recording, &screen));
        assert!(second > first + 160 * 140, "{first} {second}");
        let name = call.phone.files()[0].clone();
        let sidecar = call.phone.sidecar(&name, "stopped");
        assert_eq!(
            (&sidecar["kind"], &sidecar["sid"], &sidecar["peer"]),
            (&json!("intercom"), &json!(SID), &json!("2-1-1"))
        );
        assert_eq!(
            (
                &sidecar["heard"],
                &sidecar["dir"],
                &sidecar["remote_number"]
            ),
            (&json!("both"), &json!("in"), &json!("2-1-1"))
        );
        let log = call.phone.control().ask_lines("cmd=CallLogRequest&limit=1");
        assert_eq!(log[0].value("recording"), name);
    }
}

#[test]
fn a_media_engine_hears_the_door_and_is_heard() {
    let mut call = ringing("");
    let (door, screen) = (voice(100, 0), voice(100, 5));
    call.streams.play(
        "b1f0c4",
        Played {
            format: MU_LAW,
            frames: [silence(10, MU_LAW), door.clone(), silence(200, MU_LAW)].concat(),
            stalls: vec![],
        },
    );
    let engine = Engine::new();
    let rtp = engine.address();
    let accepted = call.phone.ask(&format!(
        "cmd=CallAcceptRequest&sid={SID}&rtp={rtp}&codec=PCMU"
    ));
    let leg: u16 = accepted.value("leg_port").parse().unwrap();
    assert_eq!(
        accepted.value("publish_audio"),
        "",
        "the phone does it: {accepted:?}"
    );
    assert!(accepted.value("play_video").ends_with("/stream/b1f0c4"));
    // Nothing is said yet: silence is published, a tag each 100 ms.
    let quiet = call
        .streams
        .published("c7d2e9", |stream| stream.tags.len() >= 2);
    assert_eq!((quiet.format, quiet.tags[0].1.len()), (MU_LAW, 800));
    assert!(quiet.codes().iter().all(|code| *code == 0xFF));

    let said = [screen.clone(), silence(60, MU_LAW)].concat();
    let heard = engine.talk(leg, &said);
    assert!(heard.holds_most(&door), "{} codes", heard.0.len());
    let screen_codes = screen.concat();
    let published = call.streams.published("c7d2e9", |stream| {
        let codes = stream.codes();
        codes
            .windows(screen_codes.len())
            .any(|part| part == screen_codes)
    });
    let mut expected = published.tags[0].0;
    for (millis, codes) in &published.tags {
        // Between silence and the first packet time may have passed.
        assert!(*millis >= expected, "{millis} after {expected}");
        expected = millis + codes.len() as u32 / 8;
    }
    let recording = call.end();
    assert!(recording.audio().len() >= 160 * 150);
    let sidecar = call.phone.sidecar(&call.phone.files()[0], "stopped");
    assert_eq!(sidecar["heard"], "both");
    call.streams.published("c7d2e9", |stream| stream.ended);
    call.phone.wait_until_asleep();
}

#[test]
fn a_recording_of_a_call_that_another_has_answered_is_removed() {
    let mut call = ringing("");
    assert!(call
        .phone
        .ask(&format!("cmd=CallAcceptRequest&sid={SID}"))
        .success());
    call.events.until("RecordEvent", "recording");
    call.home.say(
        "call_end",
        json!({"sid": SID, "reason": "answered_elsewhere"}),
    );
    call.events.until("RecordEvent", "stopped");
    wait_for("it to be removed", || call.phone.files().is_empty());
    wait_for("its sidecar to be removed", || {
        std::fs::read_dir(call.phone.stick()).unwrap().all(|entry| {
            !entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("Record_")
        })
    });
}

#[test]
fn a_call_is_not_recorded_if_it_is_not_wanted() {
    let mut call = ringing("intercomRecord = 0");
    assert!(call
        .phone
        .ask(&format!("cmd=CallAcceptRequest&sid={SID}"))
        .success());
    call.events.until("CallEvent", "talking");
    call.home.say("call_end", json!({"sid": SID}));
    assert_eq!(
        call.events.until("CallEvent", "ended").value("recording"),
        ""
    );
    assert!(call.phone.files().is_empty());
}

#[test]
fn who_waits_for_a_recording_is_told_that_there_is_none() {
    let mut call = ringing("enabled = 0");
    assert!(call
        .phone
        .ask(&format!("cmd=CallAcceptRequest&sid={SID}"))
        .success());
    let failed = call.events.until("RecordEvent", "failed");
    assert_eq!(failed.value("sid"), SID);
    assert!(failed.value("reason").starts_with("disabled"), "{failed:?}");
}

#[cfg(feature = "server")]
#[test]
fn a_call_goes_to_the_recording_server_like_any_other() {
    let server = crate::common::server::Server::new(&[]);
    let address = server.address();
    let mut call = ringing(&format!(
        "recordType = server\nserverAddr = {}\nserverPort = {}\ndeviceMac = 0c383e0000fe",
        address.ip(),
        address.port()
    ));
    let door = voice(100, 0);
    call.streams.play(
        "b1f0c4",
        Played {
            format: MU_LAW,
            frames: [silence(30, MU_LAW), door.clone(), silence(100, MU_LAW)].concat(),
            stalls: vec![(60, 80)],
        },
    );
    assert!(call
        .phone
        .ask(&format!("cmd=CallAcceptRequest&sid={SID}"))
        .success());
    call.events.until("RecordEvent", "recording");
    wait_for("the door to have talked", || {
        let status = call.phone.control().ask_lines("cmd=RecordStatusRequest");
        status[0].value("duration_ms").parse::<u64>().unwrap_or(0) > 3000
    });
    call.home.say("call_end", json!({"sid": SID}));
    assert_eq!(
        call.events.until("CallEvent", "ended").value("recording"),
        "",
        "the server names its files"
    );
    call.events.until("RecordEvent", "stopped");
    let sidecar = server.sidecar("0c383e0000fe");
    assert_eq!(
        (&sidecar["kind"], &sidecar["sid"], &sidecar["remote_number"]),
        (&json!("intercom"), &json!(SID), &json!("2-1-1"))
    );
    let recording = file::read(&server.file("0c383e0000fe", ".wav"));
    place(&recording, &door);
}
