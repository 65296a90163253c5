//! What a reader has: recordings on a stick, and a receiver of RTP.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::common::made::Made;
use crate::common::PATIENCE;

/// 2026-01-02 09:15:42 UTC.
pub const WRITTEN: Duration = Duration::from_secs(1_767_345_342);
/// Why programs are not built here: the reader builds what cargo has built for this test.
pub const BUILDS: &str = "builds for minutes";

/// Where a command sends RTP.
pub fn receiver() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// Two UDP ports that nobody has.
pub fn free_ports() -> [u16; 2] {
    let sockets = [receiver(), receiver()];
    sockets.map(|(socket, _)| socket.local_addr().unwrap().port())
}

pub fn assert_hears(socket: &UdpSocket) {
    let mut packet = [0; 2000];
    assert_eq!(socket.recv(&mut packet).unwrap(), 172, "a packet of 20 ms");
}

/// A finished recording on a stick, with the sidecar that a phone has written.
pub fn put(stick: &Path, name: &str, frames: u32, start: &str) {
    let ssrc = frames; // each call its own
    let made = Made {
        ssrc,
        frames,
        ..Made::default()
    };
    let bytes = made.bytes();
    let sum = Sha256::digest(&bytes[76..]);
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let sidecar = json!({"id": "1414468562", "part": 1, "parts": 1, "device": "0015651a2b3c", "dir": "in",
        "remote_number": "100", "remote_name": "Ann", "start": start, "clock_set": true, "end": "stopped",
        "frames": frames, "duration_ms": frames * 20, "heard": "both", "sha256": sum});
    for (ending, content) in [("wav", bytes), ("json", format!("{sidecar}\n").into())] {
        let path = stick.join(name).with_extension(ending);
        fs::write(&path, content).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + WRITTEN).unwrap();
    }
}

/// A recording that a power cut has left: its header knows nothing of its frames.
pub fn put_unfinished(stick: &Path, name: &str) {
    let made = Made {
        frames: 174,
        ..Made::default()
    };
    let mut bytes = made.bytes();
    bytes[72..76].fill(0);
    fs::write(stick.join(name), bytes).unwrap();
}

pub fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// The key of a phone and its rendezvous server.
pub const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

/// What a screen tells of a door's call, and of an alarm.
#[cfg(feature = "intercom")]
pub fn intercom_events() -> Vec<String> {
    use callrec::proto::intercom::endpoint::lines::write_event;
    use callrec::proto::intercom::endpoint::output::*;
    use callrec::proto::intercom::endpoint::urls::Urls;
    use callrec::wire::intercom::{text, Id, Reason, Words};

    let info = CallInfo {
        sid: text("9f3c61d2a07be845"),
        direction: Direction::In,
        peer: text("2-1-1"),
        peer_type: 3,
        via_cloud: false,
    };
    let sid = info.sid.clone();
    let urls = Urls {
        play_video: text("http://192.168.1.22:954/stream/b1f0c4"),
        ..Urls::default()
    };
    let closed = Closed {
        info: info.clone(),
        outcome: Outcome::Answered,
        reason: text("hangup"),
        began_at: callrec::base::time::Instant::default(),
        duration_ms: 21_500,
        by: Id::new(),
        opened: 1,
    };
    let alarm = Alarm {
        id: text("5b1e"),
        port: 3,
        name: text("smoke"),
        message: Words::new(),
    };
    let events = [
        Event::Call(CallState::Incoming, info, urls),
        Event::Closed(closed),
        Event::Door(DoorState::Opened, sid, 0, Id::new(), Reason::new()),
        Event::Box(BoxState::Joined, text("2-1-201"), Reason::new()),
        Event::Alarm(AlarmState::Raised, alarm, Id::new()),
    ];
    let line = |event: &Event| {
        let mut buffer = [0; 4096];
        let len = write_event(event, b"", &mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    };
    events.iter().map(line).collect()
}
