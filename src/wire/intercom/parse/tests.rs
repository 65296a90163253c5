//! The forms of deployed peers, and that what is emitted is read back as it was.

use super::*;
use crate::wire::intercom::{emit, FRAME_BYTES};

fn parsed(json: &str) -> Message {
    parse(json.as_bytes()).unwrap()
}

fn party(id: &str, peer_type: u8, ip: &str, port: u16, audio: &str, video: &str) -> Party {
    Party {
        id: text(id),
        peer_type,
        ip: text(ip),
        port,
        audio: text(audio),
        video: text(video),
    }
}

#[test]
fn reads_the_recommended_form() {
    let message = parsed(
        r#"{"id":"1","name":"call_req","values":{"sid":"9f3c61d2a07be845",
        "src":{"id":"2-1-1","type":3,"ip":"11.0.11.1","port":7895,"audio_stream_id":"","video_stream_id":"b1f0c4"},
        "dest":{"id":"2-1-201","type":1,"ip":"11.0.1.22","port":7892,"audio_stream_id":"c7d2e9","video_stream_id":""}}}"#,
    );
    let expected = Message::CallReq {
        sid: text("9f3c61d2a07be845"),
        src: party("2-1-1", 3, "11.0.11.1", 7895, "", "b1f0c4"),
        dest: party("2-1-201", 1, "11.0.1.22", 7892, "c7d2e9", ""),
    };
    assert_eq!(message, expected);
}

#[test]
fn reads_what_deployed_peers_send() {
    assert_eq!(
        parsed("{\n   \"id\" : \"\",\n   \"name\" : \"call_accept\"\n}\n"),
        Message::CallAccept {
            sid: text(""),
            by: text("")
        }
    );
    assert_eq!(
        parsed(r#"{"id":"","name":"call_reject","values":{"code":3,"message":"no app online"}}"#),
        Message::CallReject {
            sid: text(""),
            reason: text("app_offline")
        }
    );
    assert_eq!(
        parsed(
            r#"{"name":"call_req","values":{"sid":"","src":{"id":"2-1-1-1","type":2,"audio_stream_id":5678},
        "dest":{"ip":"127.0.0.1","port":"7895","type":"3","video_stream_id":5679}}}"#
        ),
        Message::CallReq {
            sid: text(""),
            src: party("2-1-1-1", 2, "", 0, "5678", ""),
            dest: party("", 3, "127.0.0.1", 7895, "", "5679"),
        }
    );
    assert_eq!(
        parsed(
            r#"{"id":"","name":"emergency","values":{"port":3,"name":"\u70df\u611f","message":""}}"#
        ),
        Message::Emergency {
            alarm: text(""),
            port: 3,
            name: text("烟感"),
            message: text("")
        }
    );
    assert_eq!(
        parsed(r#"{"name":"join_family","values":{"token":"","id":"","type":""}}"#),
        Message::JoinFamily {
            token: text(""),
            id: text(""),
            device_type: 0
        }
    );
    assert_eq!(
        parsed(r#"{"name":"call_end","values":[]}"#),
        Message::CallEnd {
            sid: text(""),
            reason: text("")
        }
    );
}

#[test]
fn reads_protocol_0_2_and_misspelt_keys() {
    assert_eq!(
        parsed(
            r#"{"id":"1000123","name":"call_in","values":{"token":"x","dest":"11.2.1.1","dest_id":"2-1-1-1",
            "audio_stream_url":"http://11.2.2.1:594/streaming/5542"}}"#
        ),
        Message::CallReq {
            sid: text(""),
            src: party("", 0, "", 0, "http://11.2.2.1:594/streaming/5542", ""),
            dest: party("2-1-1-1", 0, "11.2.1.1", 0, "", ""),
        }
    );
    for key in ["audiostreamid", "audio_tream_id", "audio_stream_id"] {
        let json = format!(r#"{{"name":"call_req","values":{{"dest":{{"{key}":"7"}}}}}}"#);
        let Message::CallReq { dest, .. } = parsed(&json) else {
            panic!("{json}");
        };
        assert_eq!(&dest.audio[..], b"7", "{key}");
    }
}

#[test]
fn refuses_what_is_no_message() {
    let deep = |depth: usize| {
        format!(
            "{{\"name\":\"x\",\"values\":{}{}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(parse(deep(7).as_bytes()), Ok(Message::Unknown));
    assert_eq!(parse(deep(8).as_bytes()), Err(NoMessage::NoObject));
    for bytes in ["x", "[]", "{\"name\":", "\"name\"", "17"] {
        assert_eq!(parse(bytes.as_bytes()), Err(NoMessage::NoObject), "{bytes}");
    }
    for bytes in ["{}", r#"{"name":""}"#, r#"{"name":7}"#] {
        assert_eq!(parse(bytes.as_bytes()), Err(NoMessage::NoName), "{bytes}");
    }
}

#[test]
fn what_makes_no_sense_is_not_guessed() {
    for door in ["99999", "256", "-1", "1.7", "\"abc\"", "true"] {
        let json = format!(r#"{{"name":"open_door","values":{{"door":{door}}}}}"#);
        assert_eq!(parsed(&json), Message::Unknown, "{door}");
    }
    for (door, expected) in [("7", 7), ("\"7\"", 7), ("\"\"", 0), ("null", 0)] {
        let json = format!(r#"{{"name":"open_door","values":{{"door":{door}}}}}"#);
        let Message::OpenDoor { door, .. } = parsed(&json) else {
            panic!("{json}");
        };
        assert_eq!(door, expected);
    }
    for values in ["[1]", "\"x\"", "5", "[{\"sid\":\"zz\"}]"] {
        for name in ["call_end", "open_door", "call_req"] {
            let json = format!(r#"{{"name":"{name}","values":{values}}}"#);
            assert_eq!(parsed(&json), Message::Unknown, "{json}");
        }
    }
    let long = "x".repeat(300);
    for values in [
        "{}".to_owned(),
        r#"{"src":"a"}"#.to_owned(),
        format!(r#"{{"sid":"{long}","src":{{"id":"a"}}}}"#),
        format!(r#"{{"src":{{"id":"a","video_stream_id":"{long}"}}}}"#),
    ] {
        let json = format!(r#"{{"name":"call_req","values":{values}}}"#);
        assert!(
            matches!(parsed(&json), Message::BadCallReq { .. }),
            "{json}"
        );
    }
}

/// Messages of a call.
fn call_messages() -> Vec<Message> {
    let sid: Sid = text("s\"\\1\u{1}");
    let reason: Reason = text("line_busy");
    let one = party(
        "2-1-1",
        3,
        "11.0.11.1",
        7895,
        "a",
        "http://11.0.1.22:954/stream/b",
    );
    vec![
        Message::CallReq {
            sid: sid.clone(),
            src: one.clone(),
            dest: one,
        },
        Message::CallAccept {
            sid: sid.clone(),
            by: text("pad"),
        },
        Message::CallReject {
            sid: sid.clone(),
            reason: reason.clone(),
        },
        Message::CallEnd {
            sid: sid.clone(),
            reason: text("no such word"),
        },
        Message::CallKeep { sid: sid.clone() },
        Message::OpenDoor {
            sid: sid.clone(),
            door: 2,
            ack: true,
        },
        Message::OpenDoorResult {
            sid,
            door: 2,
            ok: false,
            reason: text("no_app"),
        },
    ]
}

/// Messages that belong to no call.
fn home_messages() -> Vec<Message> {
    vec![
        Message::JoinFamily {
            token: text("t.t"),
            id: text("pad"),
            device_type: 1,
        },
        Message::JoinAccept {
            room_id: text("2-1-201"),
        },
        Message::JoinReject {
            reason: text("replaced"),
        },
        Message::Emergency {
            alarm: text("0a"),
            port: 7,
            name: text("烟感"),
            message: text("m"),
        },
        Message::SeczoneAck {
            alarm: text("0a"),
            by: text("pad"),
        },
        Message::SeczoneClear {
            alarm: text("0a"),
            port: 7,
            reason: text("cleared"),
        },
    ]
}

fn all() -> Vec<Message> {
    [call_messages(), home_messages()].concat()
}

#[test]
fn reads_back_what_is_emitted() {
    for message in all() {
        let mut buffer = [0; FRAME_BYTES];
        let len = emit(&message, 7, &mut buffer).unwrap();
        let (frame, end) = buffer[..len].split_at(len - 1);
        assert_eq!(end, b"\0");
        let json: serde_json::Value = serde_json::from_slice(frame).unwrap();
        assert_eq!(json["id"], "7");
        assert_eq!(parse(frame), Ok(message.clone()));
        for short in 0..len {
            assert_eq!(emit(&message, 7, &mut buffer[..short]), None, "{message:?}");
        }
    }
}

#[test]
fn no_byte_of_a_message_makes_the_reader_panic() {
    for message in all() {
        let mut buffer = [0; FRAME_BYTES];
        let len = emit(&message, 7, &mut buffer).unwrap() - 1;
        for at in 0..len {
            let _ = parse(&buffer[..at]);
            for bit in 0..8 {
                buffer[at] ^= 1 << bit;
                let _ = parse(&buffer[..len]);
                buffer[at] ^= 1 << bit;
            }
        }
    }
}
