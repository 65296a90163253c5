//! The box in the cloud, message by message.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::base::time::Duration;
use crate::proto::cloud::device::CloudDevice;
use crate::proto::cloud::posts::Outcome;
use crate::wire::base64;
use crate::wire::cloud::message::CallMessage;
use crate::wire::intercom::text;

const OWN: u32 = 1;
const ANN: u32 = 2;
const BOB: u32 = 3;
const SID: Sid = *b"0123456789abcdef";

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_millis(seconds * 1000)
}

/// A box on its channel.
fn home() -> HomeInCloud {
    let mut home = HomeInCloud::new(at(0), OWN, &[ANN, BOB], [7; 32]);
    home.handle_timeout(at(0));
    home.handle_channel_answered(at(0), 200, None);
    home.handle_channel_bytes(at(0), b"data: {\"Name\":\"Online\"}\n\n");
    assert!(home.is_online());
    outputs(&mut home);
    home
}

fn outputs(home: &mut HomeInCloud) -> Vec<Output> {
    std::iter::from_fn(|| home.poll_output()).collect()
}

fn rings(home: &mut HomeInCloud, sid: &str) -> Sid {
    let src = Party {
        video: text("b1f0c4.flv"),
        ..Party::default()
    };
    let dest = Party {
        audio: text("c7d2e9"),
        ..Party::default()
    };
    let sid = text(sid);
    home.handle_router(at(1), &Message::CallReq { sid, src, dest });
    let post = home.poll_post(at(100)).unwrap();
    assert_eq!((post.kind, &post.to[..]), (Kind::Call, &[ANN, BOB][..]));
    assert!(outputs(home).is_empty());
    post.sid
}

fn placed(home: &mut HomeInCloud) {
    let body = br#"{"url":"http://10.0.0.1:8080/stream/x"}"#;
    home.handle_outcome(at(1), Outcome::Answered(201), body);
}

fn says(home: &mut HomeInCloud, kind: Kind, sid: Sid, from: u32) -> Vec<Output> {
    let text = CallMessage::new(kind, sid, from).emit().unwrap();
    let mut message = String::new();
    base64::emit(&mut message, &text);
    let event = format!("data: {{\"Name\":\"PopMessage\",\"Message\":\"{message}\",\"SrcID\":{from},\"Flag\":3}}\n\n");
    home.handle_channel_bytes(at(2), event.as_bytes());
    outputs(home)
}

fn ends(reason: &str) -> Message {
    let (sid, reason) = (text("s1"), text(reason));
    Message::CallEnd { sid, reason }
}

fn posted(home: &mut HomeInCloud) -> (Kind, String) {
    let post = home.poll_post(at(100)).unwrap();
    home.handle_outcome(at(2), Outcome::Answered(200), b"");
    (post.kind, String::from_utf8(post.reason.to_vec()).unwrap())
}

#[test]
fn a_phone_answers_opens_the_door_and_hangs_up() {
    let mut home = home();
    let sid = rings(&mut home, "0123456789abcdef");
    assert_eq!(sid, SID, "the door's own key");
    placed(&mut home);
    assert_eq!(says(&mut home, Kind::Ringing, sid, ANN), []);
    let streams = Streams {
        sid,
        own: OWN,
        phone: BOB,
        door: text("b1f0c4"),
        heard: text("c7d2e9"),
    };
    let key = || text("0123456789abcdef");
    let accept = Message::CallAccept {
        sid: key(),
        by: text(""),
    };
    assert_eq!(
        says(&mut home, Kind::Accept, sid, BOB),
        [
            Output::Message(BOB, accept),
            Output::OpenStreams(streams.clone())
        ]
    );
    // Only who has the call has a say.
    assert_eq!(says(&mut home, Kind::OpenDoor, sid, ANN), []);
    let open = Message::OpenDoor {
        sid: key(),
        door: 0,
        ack: true,
    };
    assert_eq!(
        says(&mut home, Kind::OpenDoor, sid, BOB),
        [Output::Message(BOB, open)]
    );
    let result = |ok, reason| Message::OpenDoorResult {
        sid: key(),
        door: 0,
        ok,
        reason: text(reason),
    };
    home.handle_router(at(2), &result(true, ""));
    assert_eq!(posted(&mut home), (Kind::OpenDoorResult, String::new()));
    home.handle_router(at(2), &result(false, "jammed"));
    assert_eq!(posted(&mut home), (Kind::OpenDoorResult, "jammed".into()));
    let end = Message::CallEnd {
        sid: key(),
        reason: text("hangup"),
    };
    assert_eq!(
        says(&mut home, Kind::End, sid, BOB),
        [Output::Message(BOB, end), Output::CloseStreams]
    );
    assert!(home.has_told_all());
    // The application server knows that key already.
    assert_ne!(rings(&mut home, "0123456789abcdef"), SID);
}

#[test]
fn keep_alives_pass_both_ways() {
    let mut home = home();
    let sid = rings(&mut home, "s1");
    placed(&mut home);
    says(&mut home, Kind::Accept, sid, BOB);
    let keep = || Message::CallKeep { sid: text("s1") };
    home.handle_router(at(5), &keep());
    assert_eq!(home.poll_post(at(5)), None, "not each of them");
    home.handle_router(at(16), &keep());
    assert_eq!(home.poll_post(at(16)).unwrap().kind, Kind::Keep);
    home.handle_outcome(at(16), Outcome::Answered(200), b"");
    assert_eq!(
        says(&mut home, Kind::Keep, sid, BOB),
        [Output::Message(BOB, keep())]
    );
}

#[test]
fn a_screen_answers_before_the_call_is_placed() {
    let mut home = home();
    let sid = rings(&mut home, "s1");
    home.handle_router(at(1), &ends("answered_elsewhere"));
    placed(&mut home);
    assert_eq!(
        posted(&mut home),
        (Kind::End, "answered_elsewhere".to_owned())
    );
    // A phone that has accepted at the same moment hears of the end.
    assert_eq!(says(&mut home, Kind::Accept, sid, ANN), []);
}

#[test]
fn an_answer_may_overtake_the_reply_to_the_call() {
    let mut home = home();
    let sid = rings(&mut home, "s1");
    assert_eq!(says(&mut home, Kind::Accept, sid, ANN).len(), 2);
    home.handle_outcome(at(9), Outcome::TimedOut, b"");
    assert_eq!(outputs(&mut home), []);
    home.handle_stream_ended();
    assert_eq!(posted(&mut home), (Kind::End, "lost".to_owned()));
    assert_eq!(outputs(&mut home).len(), 2);
}

#[test]
fn nobody_rings() {
    for outcome in [
        Outcome::Failed,
        Outcome::Answered(424),
        Outcome::Answered(503),
    ] {
        let mut home = home();
        rings(&mut home, "s1");
        home.handle_outcome(at(2), outcome, b"{\"reason\":\"callee-offline\"}");
        assert_eq!(outputs(&mut home), [Output::NobodyRings], "{outcome:?}");
        assert!(home.has_told_all());
    }
    // It may have been placed.
    let mut home = home();
    rings(&mut home, "s1");
    home.handle_outcome(at(15), Outcome::TimedOut, b"");
    assert_eq!(outputs(&mut home), [Output::NobodyRings]);
    assert_eq!(posted(&mut home).0, Kind::End);
    // The vendor's cloud wants its own transport.
    rings(&mut home, "s1");
    let body = br#"{"url":"topvdn://10.0.0.1:80?protocolType=1"}"#;
    home.handle_outcome(at(1), Outcome::Answered(201), body);
    assert_eq!(outputs(&mut home), [Output::NobodyRings]);
    assert_eq!(posted(&mut home).1, "transport-not-available");
}

#[test]
fn the_last_phone_says_no() {
    let mut home = home();
    let sid = rings(&mut home, "s1");
    placed(&mut home);
    assert_eq!(says(&mut home, Kind::Decline, sid, 99), [], "a stranger");
    let (key, reason) = (text("s1"), text("declined"));
    let reject = Message::CallReject { sid: key, reason };
    assert_eq!(
        says(&mut home, Kind::Decline, sid, ANN),
        [Output::Message(ANN, reject)]
    );
    let sid = rings(&mut home, "s1");
    placed(&mut home);
    assert_eq!(says(&mut home, Kind::Busy, sid, ANN), [Output::NobodyRings]);
}
