//! Calls through the cloud with the real phone: `callrec run` on both ends, both servers between.
#![cfg(all(feature = "cloud", feature = "cloud-server"))]

use crate::common::engine::{voice, Engine};
use crate::common::Answer;
use crate::harness::phone::{converse, held, CloudPhone, Conversation, Servers, A, B, C};
use crate::harness::KEY;

const RELAY: &str = "transport = relay\n";

/// A calls B, which rings; the sid.
fn ring(a: &mut CloudPhone, b: &mut CloudPhone, more: &str) -> (String, Answer) {
    let called = a.call(b.cid, more);
    let incoming = b.until("incoming");
    let sid = called.value("sid");
    assert_eq!(incoming.value("sid"), sid);
    assert_eq!(incoming.value("peer"), format!("cloud:{}", a.cid));
    assert_eq!(incoming.value("via"), "cloud");
    a.until("ringing");
    (sid, called)
}

fn rtp(engine: &Engine) -> String {
    format!("&rtp={}&codec=PCMU", engine.address())
}

fn reason(event: &Answer) -> String {
    event.value("reason")
}

#[test]
fn two_phones_talk_and_both_record_what_was_said() {
    let servers = Servers::new(RELAY);
    let (mut a, mut b) = (servers.phone(A, ""), servers.phone(B, ""));
    let engines = [Engine::new(), Engine::new()];
    let (sid, called) = ring(&mut a, &mut b, &rtp(&engines[0]));
    let accept = format!("cmd=CallAcceptRequest&sid={sid}{}", rtp(&engines[1]));
    let accepted = b.ask(&accept);
    for phone in [&mut a, &mut b] {
        phone.until("talking");
    }
    let Conversation { said, heard } = converse(&engines, [&called, &accepted]);
    assert!(heard[1].holds_most(&said[0]) && heard[0].holds_most(&said[1]));
    let status = a.phone.control().ask_lines("cmd=CallStatusRequest");
    assert!(
        status[0]
            .0
            .contains("state=talking&direction=out&peer=cloud:1000002&via=cloud"),
        "{status:?}"
    );
    a.act("CallEndRequest", &sid);
    for phone in [&mut a, &mut b] {
        let ended = phone.until("ended");
        assert_eq!(reason(&ended), "hangup");
        let (path, recording) = phone.recording(&ended);
        let sidecar = std::fs::read_to_string(path.with_extension("json")).unwrap();
        assert!(sidecar.contains(&format!("\"sid\":\"{sid}\"")), "{sidecar}");
        for (at, said) in said.iter().enumerate() {
            let (audio, said) = (recording.audio(), said.concat());
            assert_eq!(held(&audio, &said), said.len(), "{at} {}", path.display());
        }
    }
    for phone in [&a, &b] {
        let log = phone.phone.log();
        let digest = crate::harness::token(phone.cid)
            .rsplit('_')
            .next()
            .unwrap()
            .to_owned();
        assert!(
            !log.contains(&digest) && !log.contains(KEY),
            "a secret is in the log"
        );
        let calls = phone.phone.control().ask_lines("cmd=CallLogRequest");
        assert!(
            calls[0]
                .0
                .contains("&via=cloud&state=answered&reason=hangup"),
            "{calls:?}"
        );
    }
}

#[test]
fn a_call_ends_before_the_answer_in_every_way() {
    let servers = Servers::new(RELAY);
    let (mut a, mut b) = (servers.phone(A, ""), servers.phone(B, ""));
    let (sid, _) = ring(&mut a, &mut b, "");
    b.act("CallRejectRequest", &sid);
    assert_eq!(reason(&b.until("ended")), "declined");
    assert_eq!(reason(&a.until("ended")), "declined");

    let (sid, _) = ring(&mut a, &mut b, "");
    a.act("CallEndRequest", &sid);
    assert_eq!(reason(&a.until("ended")), "cancelled");
    assert_eq!(reason(&b.until("missed")), "cancelled");

    // A second caller: the first call goes on.
    let mut c = servers.phone(C, "");
    let (sid, _) = ring(&mut a, &mut b, "");
    b.act("CallAcceptRequest", &sid);
    a.until("talking");
    c.call(B, "");
    // The application server knows that B talks, and refuses by itself.
    assert_eq!(reason(&c.until("ended")), "busy");
    b.act("CallEndRequest", &sid);
    for phone in [&mut a, &mut b] {
        assert_eq!(reason(&phone.until("ended")), "hangup");
    }
}

#[test]
fn who_is_not_there_is_not_called() {
    let servers = Servers::new(RELAY);
    let mut a = servers.phone(A, "");
    a.call(B, "");
    assert_eq!(reason(&a.until("ended")), "callee-offline");
    a.call(2_000_001, "");
    assert_eq!(reason(&a.until("ended")), "unknown-device");
    let answer = a.ask("cmd=CallRequest&to=cloud:x");
    assert_eq!(answer.reason(), "bad-request");
    assert_eq!(a.ask("cmd=CallRequest&to=2-1-201").reason(), "disabled");
    assert_eq!(
        a.ask("cmd=CallEndRequest&sid=0123456789abcdef").reason(),
        "unknown-id"
    );
}

#[test]
fn nobody_answers() {
    let servers = Servers::new(RELAY);
    let mut a = servers.phone(A, "cloudRingTimeout = 1\n");
    let mut b = servers.phone(B, "cloudRingTimeout = 1\n");
    let (_, _) = ring(&mut a, &mut b, "");
    assert_eq!(reason(&b.until("missed")), "timeout");
    assert_eq!(reason(&a.until("ended")), "no_answer");
}

#[test]
fn both_call_each_other() {
    let servers = Servers::new(RELAY);
    let (mut a, mut b) = (servers.phone(A, ""), servers.phone(B, ""));
    // B's call is under way when A's, the lower one, replaces it.
    let called = b.call(A, "");
    let sid = a.call(B, "").value("sid");
    assert_ne!(called.value("sid"), sid);
    let incoming = b.until("incoming");
    assert_eq!(incoming.value("sid"), sid);
    a.until("ringing");
    b.act("CallAcceptRequest", &sid);
    a.until("talking");
    a.act("CallEndRequest", &sid);
    assert_eq!(reason(&b.until("ended")), "hangup");
}

#[test]
fn a_call_that_the_application_server_has_not_sent_does_not_ring() {
    let servers = Servers::new(RELAY);
    let mut b = servers.phone(B, "");
    let push = |sid: &str, url: &str| {
        let text = format!(r#"{{"t":"call","sid":"{sid}","from":{A},"url":"{url}"}}"#);
        let mut msg = String::new();
        callrec::wire::base64::emit(&mut msg, text.as_bytes());
        let body =
            format!(r#"{{"proxy":1,"payload":[{{"from":{A},"to":{B},"flag":2,"msg":"{msg}"}}]}}"#);
        let pushed = servers
            .cloud
            .manage("POST", "/v2/message/server/push", &body);
        assert_eq!(pushed.status, 200);
    };
    let here = format!("http://{}/stream/x", servers.cloud.address);
    push("aaaaaaaaaaaaaaaa", &here);
    push("bbbbbbbbbbbbbbbb", "http://203.0.113.1/stream/x");
    // A real call comes after them, alone.
    let mut a = servers.phone(A, "");
    ring(&mut a, &mut b, "");
    let status = b.phone.control().ask_lines("cmd=CallStatusRequest");
    assert_eq!(status.last().unwrap().value("count"), "1");
}

#[test]
fn the_cloud_goes_away_and_comes_back() {
    let mut servers = Servers::new(RELAY);
    let (mut a, mut b) = (servers.phone(A, ""), servers.phone(B, ""));
    let cloud = servers.cloud.address;
    servers.cloud.end();
    for phone in [&mut a, &mut b] {
        phone.events.until("CloudEvent", "lost");
    }
    servers.cloud.restart_at(cloud);
    for phone in [&mut a, &mut b] {
        phone.events.until("CloudEvent", "online");
    }
    // The application server goes while the call runs: the call ends here all the same.
    let (engine_a, engine_b) = (Engine::new(), Engine::new());
    let (sid, _) = ring(&mut a, &mut b, &rtp(&engine_a));
    b.act(&format!("CallAcceptRequest{}", rtp(&engine_b)), &sid);
    a.until("talking");
    engine_b.wait_for_sound();
    servers.calls.end();
    a.act("CallEndRequest", &sid);
    assert_eq!(reason(&a.until("ended")), "hangup");
    // B hears no more of A.
    assert_eq!(reason(&b.until("ended")), "lost");
}

#[test]
fn a_token_that_is_refused_is_read_again() {
    let servers = Servers::new(RELAY);
    let mut a = servers.phone(A, "");
    let file = a.phone.path("cloud.token");
    crate::harness::secret(&file, &crate::harness::token(A).replace('_', "_0"));
    let body = format!(r#"{{"cids":[{A}]}}"#);
    let revoked = servers
        .cloud
        .manage("POST", "/v2/devices/auth/cancellation", &body);
    assert_eq!(revoked.status, 200);
    a.events.until("CloudEvent", "refused");
    let log = a.phone.log();
    assert!(
        log.contains("has no token of 1000001 (cloudTokenFile)"),
        "{log}"
    );
    let newer = crate::harness::token_until(A, crate::harness::unix_now() + 9000);
    crate::harness::secret(&file, &newer);
    a.events.until("CloudEvent", "online");
}

/// A vendor's helper as a script: it keeps what it reads, says these lines, and waits for its end.
fn helper(phone: &crate::common::Phone, says: &str) -> String {
    let (path, heard) = (phone.path("helper"), phone.path("heard"));
    let script = format!(
        "#!/bin/sh\nheard={}\nread -r url; read -r init\n\
         echo \"$1 $url $init $CALLREC_RTP_IN $CALLREC_RTP_OUT\" >>$heard\n{says}\n\
         while read -r line; do echo \"$line\" >>$heard; done\necho gone >>$heard\n",
        heard.display()
    );
    std::fs::write(&path, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    path.display().to_string()
}

fn heard(phone: &CloudPhone) -> String {
    std::fs::read_to_string(phone.phone.path("heard")).unwrap_or_default()
}

fn with_helper(servers: &Servers, cid: u32, says: &str) -> CloudPhone {
    let phone = servers.prepared(cid, "");
    let init = phone.path("init");
    std::fs::write(&init, "[Config]\r\n").unwrap();
    let program = helper(&phone, says);
    phone.reconfigure(&format!(
        "cloudTransport = {program}\ncloudInitFile = {}\n",
        init.display()
    ));
    servers.started(phone)
}

#[test]
fn a_vendors_helper_opens_the_vendors_urls() {
    let servers = Servers::with("public = 203.0.113.1:80\n", "");
    let says =
        "echo noise; echo '{\"Name\":\"ConnectionAcceptted\",\"Message\":\"\"}'; echo StartPopData";
    let mut phones = [A, B].map(|cid| with_helper(&servers, cid, says));
    let [a, b] = &mut phones;
    let engine = Engine::new();
    let called = a.call(B, &rtp(&engine));
    let sid = b.until("incoming").value("sid");
    b.act("CallAcceptRequest", &sid);
    for phone in [&mut *a, &mut *b] {
        phone.until("talking");
    }
    let leg: u16 = called.value("leg_port").parse().unwrap();
    let words: Vec<String> = heard(a).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words[0], "wait");
    let token = std::fs::read_to_string(a.phone.path("cloud.token")).unwrap();
    assert_eq!(words[1], token.trim());
    assert_eq!(words[2], "W0NvbmZpZ10NCg==");
    let port = |at: usize| words[at].parse::<u16>().unwrap();
    let listening = std::net::UdpSocket::bind(("127.0.0.1", port(4))).unwrap();
    listening
        .set_read_timeout(Some(crate::common::PATIENCE))
        .unwrap();
    // The peer's sound comes from the helper, the engine's goes to it.
    let said = [voice(100, 0), vec![vec![0xFF; 160]; 60]].concat();
    let peer = voice(100, 9);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            crate::common::engine::send(
                port(3),
                &[vec![vec![0xFF; 160]; 130], peer.clone()].concat(),
            )
        });
        engine.talk(leg, &[said.clone(), vec![vec![0xFF; 160]; 90]].concat());
    });
    let mut buffer = [0; 2000];
    let len = listening.recv(&mut buffer).unwrap();
    assert_eq!(
        (len, &buffer[..2], &buffer[12..172]),
        (172, &[0x80, 0][..], &said[0][..])
    );
    a.act("CallEndRequest", &sid);
    let ended = a.until("ended");
    let (_, recording) = a.recording(&ended);
    for said in [&said[..100], &peer[..]] {
        let (audio, said) = (recording.audio(), said.concat());
        assert_eq!(held(&audio, &said), said.len());
    }
    assert_eq!(reason(&b.until("ended")), "hangup");
    for phone in &phones {
        crate::common::wait_for("the helper's end", || {
            heard(phone).ends_with("disconnect\ngone\n")
        });
    }
    assert!(heard(&phones[1]).starts_with("open topvdn://"));
}

#[test]
fn without_a_helper_or_with_one_that_ends_a_call_fails() {
    let servers = Servers::with("public = 203.0.113.1:80\n", "");
    let mut a = servers.phone(A, "");
    let mut b = servers.phone(B, "");
    a.call(B, "");
    assert_eq!(reason(&a.until("failed")), "transport-not-available");
    b.phone.end();
    let phone = servers.prepared(C, "");
    let program = helper(&phone, "exit 1");
    phone.reconfigure(&format!("cloudTransport = {program}\n"));
    let mut c = servers.started(phone);
    c.call(A, "");
    assert_eq!(reason(&c.until("failed")), "transport-failed");
    let log = c.phone.control().ask_lines("cmd=CallLogRequest");
    assert!(
        log[0].0.contains("&state=failed&reason=transport-failed"),
        "{log:?}"
    );
}
