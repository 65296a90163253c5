//! Calls to the recording server.

use super::*;
use callrec::proto::recording::setup::ServerSettings;

pub fn to_server(fallback: bool) -> Settings {
    let server = ServerSettings {
        host: "10.0.0.9".try_into().unwrap(),
        port: 10_000,
        message_end: b"",
        fallback,
    };
    Settings {
        sink: Sink::Server,
        server: Some(server),
        ..settings()
    }
}

/// A call under way: a leg whose n-th packet is `marked(n)`, from `from` on.
pub fn talk(phone: &mut Phone, packets: usize) -> Vec<Vec<u8>> {
    let payloads: Vec<Vec<u8>> = (0..packets).map(|n| marked(n, 160)).collect();
    let from = phone.now + ms(7);
    let packet = |(n, payload): (usize, &Vec<u8>)| {
        (
            from + ms(20 * n as u64),
            0,
            rtp(0, n as u16, n as u32 * 160, 0x5EED, payload),
        )
    };
    phone.send(payloads.iter().enumerate().map(packet).collect::<Vec<_>>());
    payloads
}

/// Starts a recording whose answer takes its time; its id.
pub fn start(phone: &mut Phone) -> u32 {
    let answers = phone.answers.len();
    phone.request("cmd=RecordStartRequest&remote_number=100");
    while phone.answers.len() == answers {
        phone.run_for(ms(1));
    }
    let answer = phone.answers.last().unwrap();
    value(answer, "id")
        .unwrap_or_else(|| panic!("{answer}"))
        .parse()
        .unwrap()
}

pub fn stop(phone: &mut Phone, id: u32) -> String {
    let answers = phone.answers.len();
    phone.request(&format!("cmd=RecordStopRequest&id={id}"));
    while phone.answers.len() == answers {
        phone.run_for(ms(1));
    }
    phone.run_for(ms(3000));
    assert!(phone.recorder.is_idle() && !phone.recorder.has_server(0));
    assert_eq!(phone.counted("bug"), 0);
    phone.answers.last().unwrap().clone()
}

pub fn audio(packets: &[(u16, u32, bool, Vec<u8>)]) -> Vec<u8> {
    packets
        .iter()
        .flat_map(|(.., payload)| payload.clone())
        .collect()
}

pub fn states(phone: &Phone) -> Vec<&str> {
    let events = phone
        .events
        .iter()
        .filter(|event| event.starts_with("cmd=RecordEvent"))
        // These calls have one party, which is silent at the end: that is told, and tested in
        // `unheard`.
        .filter(|event| !value(event, "state").unwrap().ends_with("audio"));
    events.map(|event| value(event, "state").unwrap()).collect()
}
