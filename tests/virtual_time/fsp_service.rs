//! The FSP server as its clients see it, in virtual time.

use crate::virtual_fsp::{content, datagram, peer, Reply, Service, TestClient};
use callrec::base::stats::Counter;
use callrec::wire::fsp::{Command, DirEntry, FspHeader, Packet};

const DAY: &str = "Recorder/20260102";
const FILE: &str = "Recorder/20260102/Record_20260102_101500.wav";
const FILES: [(&str, usize); 5] = [
    ("Record_20260102_101500.wav", 10_000),
    ("Record_20260102_101500.json", 300),
    ("Record_20260103_101500_2.wav", 100),
    ("notes.txt", 50),
    ("System Volume Information", 50),
];

#[test]
fn files_are_whole_with_payloads_of_any_length() {
    let mut service = Service::with_files(14_708, &FILES);
    for (port, wish) in (1000..).zip([0, 1, 512, 768, 1024, 1460, 14_708, u16::MAX]) {
        let mut ann = TestClient::new(peer(1, port));
        assert_eq!(
            ann.get(&mut service, FILE, wish),
            content(FILES[0].0, 10_000),
            "{wish}"
        );
        assert_eq!(
            ann.get(
                &mut service,
                "/Recorder/20260102/Record_20260102_101500.json",
                wish
            )
            .len(),
            300
        );
    }
}

#[test]
fn payloads_have_the_length_asked_for_once_the_address_is_proven() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    for (wish, length) in [(14_708, 512), (14_708, 1460), (0, 1024), (100, 100)] {
        assert_eq!(
            ann.ask(&mut service, Command::GET_FILE, 0, FILE, wish)
                .data
                .len(),
            length,
            "{wish}"
        );
    }
}

#[test]
fn the_vendors_request_with_two_more_nuls_is_accepted() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    let data = [FILE.as_bytes(), b"\nsecret\0\0\0"].concat();
    let head = FspHeader {
        command: Command::GET_FILE,
        key: 0,
        sequence: 0,
        position: 9_990,
    };
    let answer = ann.send(
        &mut service,
        &Packet {
            head,
            data: &data,
            extra: &[3, 0],
        },
    );
    assert_eq!(
        (answer.command, answer.position, answer.data.len()),
        (Command::GET_FILE, 9_990, 10)
    );
}

/// Sends each request at the position 77 and checks the error's text and position.
fn assert_errors(position: u32, requests: &[(Command, &str, &str)]) {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    for (command, name, text) in requests {
        let answer = ann.ask(&mut service, *command, 77, name, 0);
        assert_eq!(
            (answer.text().as_str(), answer.position),
            (*text, position),
            "{command:?} {name}"
        );
    }
}

const READ_ONLY: &str = "Server is running in read-only mode";

#[test]
fn errors_have_the_position_of_their_request_where_clients_look_at_it() {
    let absent = "Recorder/20260102/Record_20260102_101501.wav";
    assert_errors(
        77,
        &[
            (Command::GET_FILE, absent, "No such file"),
            (Command::GET_FILE, "../etc/passwd", "No such file"),
            (Command::GET_FILE, DAY, "Is a directory"),
            (Command::GET_FILE, "Recorder", "Is a directory"),
            (Command::GET_FILE, "Recorder/20260104", "No such file"),
            (Command::GET_DIR, FILE, "Not a directory"),
            (Command::GET_DIR, "Recorder/20260104", "No such directory"),
            (Command::GET_DIR, "voicefile_1", "No such directory"),
            (Command::UP_LOAD, "x", READ_ONLY),
            (Command::GRAB_FILE, FILE, READ_ONLY),
            (Command(0x11), "", "Unknown FSP command"),
        ],
    );
}

#[test]
fn errors_of_commands_without_a_position_have_the_position_0() {
    assert_errors(
        0,
        &[
            (Command::DEL_FILE, FILE, READ_ONLY),
            (Command::RENAME, FILE, READ_ONLY),
            (Command::GET_PRO, "Recorder/20260104", "No such directory"),
            (Command::ERROR, "", "Unknown FSP command"),
            (Command(0x81), "", "Unknown FSP command"),
        ],
    );
}

#[test]
fn a_listing_is_not_read_from_the_middle_of_an_entry() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    let answer = ann.ask(&mut service, Command::GET_DIR, 4, DAY, 0);
    assert_eq!(
        (answer.text().as_str(), answer.position),
        ("Invalid directory seek offset", 4)
    );
}

#[test]
fn a_path_ends_with_a_null_byte() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    let head = FspHeader {
        command: Command::GET_FILE,
        key: 0,
        sequence: 0,
        position: 5,
    };
    let request = Packet {
        head,
        data: b"Recorder",
        extra: b"",
    };
    let answer = ann.send(&mut service, &request);
    assert_eq!(
        (answer.text().as_str(), answer.position),
        ("Path must be null terminated", 5)
    );
}

#[test]
fn positions_beyond_the_end_get_empty_replies() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    let first = ann.ask(&mut service, Command::GET_DIR, 0, DAY, 768);
    assert_eq!(first.data.len(), 36 + 40 + 9);
    for position in [85, 86, 512, 768, u32::MAX] {
        let answer = ann.ask(&mut service, Command::GET_DIR, position, DAY, 768);
        assert_eq!(
            (answer.command, answer.position, answer.data.len()),
            (Command::GET_DIR, position, 0)
        );
    }
    for position in [10_000, 10_001, u32::MAX] {
        let answer = ann.ask(&mut service, Command::GET_FILE, position, FILE, 768);
        assert_eq!(
            (answer.command, answer.position, answer.data.len()),
            (Command::GET_FILE, position, 0)
        );
    }
}

#[test]
fn stat_and_protection() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    let mut stat = |name: &str| {
        let answer = ann.ask(&mut service, Command::STAT, 9, name, 0);
        assert_eq!(
            (answer.command, answer.position, answer.data.len()),
            (Command::STAT, 0, 9)
        );
        let entry = DirEntry::parse_head(&answer.data).unwrap();
        (entry.time, entry.size, entry.kind.0)
    };
    assert_eq!(stat(FILE), (1_460_707_200, 10_000, 1));
    assert_eq!(
        (stat(""), stat("/Recorder"), stat(DAY)),
        ((0, 0, 2), (0, 0, 2), (1_767_312_000, 0, 2))
    );
    for missing in [
        "Recorder/20260104",
        "Recorder/20260102/Record_20260102_101501.wav",
        "notes.txt",
        "..",
        "\u{1}",
    ] {
        assert_eq!(stat(missing), (0, 0, 0), "{missing}");
    }
    for folder in ["", "Recorder/", DAY] {
        let answer = ann.ask(&mut service, Command::GET_PRO, 0, folder, 0);
        let expected = Reply {
            command: Command::GET_PRO,
            position: 1,
            data: vec![],
            extra: vec![0x40],
        };
        assert_eq!(answer, expected, "{folder}");
    }
}

#[test]
fn version_and_bye_need_no_password() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    let ask = |command| FspHeader {
        command,
        key: 0,
        sequence: 0,
        position: 0,
    };
    let answer = ann.send(
        &mut service,
        &Packet {
            head: ask(Command::VERSION),
            data: b"",
            extra: b"",
        },
    );
    let text = concat!("callrec ", env!("CARGO_PKG_VERSION"), "\0")
        .as_bytes()
        .to_vec();
    let extra = vec![0x22, 0x05, 0xB4];
    assert_eq!(
        answer,
        Reply {
            command: Command::VERSION,
            position: 3,
            data: text,
            extra
        }
    );
    let answer = ann.send(
        &mut service,
        &Packet {
            head: ask(Command::BYE),
            data: b"",
            extra: b"",
        },
    );
    assert_eq!(
        answer,
        Reply {
            command: Command::BYE,
            position: 0,
            data: vec![],
            extra: vec![]
        }
    );
}

#[test]
fn a_pulled_stick_answers() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    ann.ask(&mut service, Command::GET_DIR, 0, DAY, 0);
    service.stick.pulled = true;
    service.server.handle_stick();
    let mut text = |command, name| ann.ask(&mut service, command, 0, name, 0).text();
    assert_eq!(text(Command::GET_FILE, FILE), "No such file");
    assert_eq!(text(Command::GET_DIR, DAY), "No such directory");
    assert_eq!(text(Command::GET_DIR, "Recorder"), "No such directory");
    assert_eq!(text(Command::GET_DIR, ""), "", "the root is ours");
    assert_eq!(
        ann.ask(&mut service, Command::STAT, 0, FILE, 0).data,
        [0; 9]
    );
}

/// Bytes of a recording before its first frame.
const HEAD_BYTES: usize = 76;
const FRAME_BYTES: usize = 172;

/// The length of a recording of this many frames.
fn length(frames: usize) -> u32 {
    (HEAD_BYTES + FRAME_BYTES * frames) as u32
}

/// A stick with one recording, of which so many frames are durable. On the stick its header still
/// holds other lengths.
fn with_recording_in_progress(frames: usize) -> Service {
    let mut service = Service::with_files(1460, &FILES[..1]);
    grow(&mut service, frames);
    service
}

fn grow(service: &mut Service, frames: usize) {
    service.stick.growing = Some((FILES[0].0.into(), length(frames)));
}

/// What a client gets of the recording in progress: its header tells the length that it has now.
fn durable(frames: usize) -> Vec<u8> {
    let mut bytes = content(FILES[0].0, 10_000);
    bytes.truncate(length(frames) as usize);
    let size = (FRAME_BYTES * frames) as u32;
    bytes[72..HEAD_BYTES].copy_from_slice(&size.to_le_bytes());
    bytes
}

#[test]
fn a_recording_in_progress_is_whole_as_far_as_it_is_durable() {
    let mut service = with_recording_in_progress(40);
    for (port, wish) in (1000..).zip([1460, 3, 74]) {
        let mut ann = TestClient::new(peer(1, port));
        let fetched = ann.get(&mut service, FILE, wish);
        assert_eq!(fetched, durable(40), "a header in pieces of {wish}");
    }
    let mut ann = TestClient::new(peer(1, 1003));
    for (command, name) in [(Command::STAT, FILE), (Command::GET_DIR, DAY)] {
        let answer = ann.ask(&mut service, command, 0, name, 0);
        let entry = DirEntry::parse_head(&answer.data).unwrap();
        assert_eq!(entry.size, length(40), "{command:?}");
    }
    service.stick.growing = None;
    let finished = ann.get(&mut service, FILE, 1460);
    assert_eq!(finished, content(FILES[0].0, 10_000));
}

#[test]
fn a_transfer_ends_where_the_recording_ended_when_it_began() {
    let mut service = with_recording_in_progress(20);
    let mut ann = TestClient::new(peer(1, 1000));
    let mut fetched = ann.ask(&mut service, Command::GET_FILE, 0, FILE, 1460).data;
    grow(&mut service, 40);
    loop {
        let position = fetched.len() as u32;
        let answer = ann.ask(&mut service, Command::GET_FILE, position, FILE, 1460);
        if answer.data.is_empty() {
            break;
        }
        fetched.extend(answer.data);
    }
    assert_eq!(fetched, durable(20));
    let mut bob = TestClient::new(peer(1, 1001));
    assert_eq!(bob.get(&mut service, FILE, 1460), durable(40));
}

#[test]
fn a_resumed_transfer_ends_with_the_durable_bytes() {
    let mut service = with_recording_in_progress(40);
    let mut ann = TestClient::new(peer(1, 1000));
    ann.ask(&mut service, Command::STAT, 0, FILE, 0);
    let answer = ann.ask(&mut service, Command::GET_FILE, length(39), FILE, 1460);
    assert_eq!(answer.data.len(), FRAME_BYTES);
}

#[test]
fn requests_and_dropped_datagrams_are_counted() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    ann.get(&mut service, FILE, 1460);
    assert_eq!(service.stats.of(Counter::FspRequests), 9);
    let head = FspHeader {
        command: Command::BYE,
        key: 0,
        sequence: 8,
        position: 0,
    };
    let whole = datagram(head, b"", b"");
    for cut in 0..12 {
        assert_eq!(service.take(0, peer(2, 1), &whole[..cut]), None);
    }
    assert_eq!(service.take(0, peer(1, 1000), &whole), None, "not its key");
    assert_eq!(
        (
            service.stats.of(Counter::FspRequests),
            service.stats.of(Counter::FspDropped)
        ),
        (9, 13)
    );
}
