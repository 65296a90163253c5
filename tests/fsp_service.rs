//! The FSP server as its clients see it, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod virtual_fsp;

use callrec::base::stats::Counter;
use callrec::wire::fsp::{Command, DirEntry, FspHeader, Packet};
use virtual_fsp::{content, datagram, peer, Reply, Service, TestClient};

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

#[test]
fn errors_have_the_position_of_their_request_where_clients_look_at_it() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
    for (command, name, text, position) in [
        (
            Command::GET_FILE,
            "Recorder/20260102/Record_20260102_101501.wav",
            "No such file",
            77,
        ),
        (Command::GET_FILE, "../etc/passwd", "No such file", 77),
        (Command::GET_FILE, DAY, "Is a directory", 77),
        (Command::GET_FILE, "Recorder", "Is a directory", 77),
        (Command::GET_FILE, "Recorder/20260104", "No such file", 77),
        (Command::GET_DIR, FILE, "Not a directory", 77),
        (
            Command::GET_DIR,
            "Recorder/20260104",
            "No such directory",
            77,
        ),
        (Command::GET_DIR, "voicefile_1", "No such directory", 77),
        (Command::GET_DIR, DAY, "Invalid directory seek offset", 4),
        (
            Command::UP_LOAD,
            "x",
            "Server is running in read-only mode",
            77,
        ),
        (
            Command::GRAB_FILE,
            FILE,
            "Server is running in read-only mode",
            77,
        ),
        (Command(0x11), "", "Unknown FSP command", 77),
        (
            Command::DEL_FILE,
            FILE,
            "Server is running in read-only mode",
            0,
        ),
        (
            Command::RENAME,
            FILE,
            "Server is running in read-only mode",
            0,
        ),
        (
            Command::GET_PRO,
            "Recorder/20260104",
            "No such directory",
            0,
        ),
        (Command::ERROR, "", "Unknown FSP command", 0),
        (Command(0x81), "", "Unknown FSP command", 0),
    ] {
        let asked = if command == Command::GET_DIR && name == DAY {
            4
        } else {
            77
        };
        let answer = ann.ask(&mut service, command, asked, name, 0);
        assert_eq!(
            (answer.text().as_str(), answer.position),
            (text, position),
            "{command:?} {name}"
        );
    }
    let head = FspHeader {
        command: Command::GET_FILE,
        key: 0,
        sequence: 0,
        position: 5,
    };
    let answer = ann.send(
        &mut service,
        &Packet {
            head,
            data: b"Recorder",
            extra: b"",
        },
    );
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

#[test]
fn a_recording_in_progress_is_whole_as_far_as_it_is_durable() {
    let mut service = Service::with_files(1460, &FILES[..1]);
    let name = FILES[0].0;
    let header = service.stick.files[name][..72].to_vec();
    service.stick.growing = Some((name.into(), 76 + 172 * 20));
    let (mut ann, mut bob) = (
        TestClient::new(peer(1, 1000)),
        TestClient::new(peer(1, 1001)),
    );
    let mut fetched = ann.ask(&mut service, Command::GET_FILE, 0, FILE, 1460).data;
    // It grows for other clients; a client that has begun to read it reaches the end that it had
    // then.
    service.stick.growing = Some((name.into(), 76 + 172 * 40));
    loop {
        let more = ann
            .ask(
                &mut service,
                Command::GET_FILE,
                fetched.len() as u32,
                FILE,
                1460,
            )
            .data;
        if more.is_empty() {
            break;
        }
        fetched.extend(more);
    }
    let expected = |frames: u32| {
        let size = (172 * frames).to_le_bytes();
        [
            &header[..],
            &size,
            &content(name, 10_000)[76..76 + 172 * frames as usize],
        ]
        .concat()
    };
    assert_eq!(fetched, expected(20));
    let stat = |answer: Reply| DirEntry::parse_head(&answer.data).unwrap().size;
    assert_eq!(
        stat(ann.ask(&mut service, Command::STAT, 0, FILE, 0)),
        76 + 172 * 40
    );
    assert_eq!(
        stat(ann.ask(&mut service, Command::GET_DIR, 0, DAY, 0)),
        76 + 172 * 40
    );
    for wish in [1460, 3, 74] {
        assert_eq!(
            bob.get(&mut service, FILE, wish),
            expected(40),
            "a header in pieces of {wish}"
        );
    }
    // A transfer that is resumed ends with the durable bytes.
    let mut new = TestClient::new(peer(1, 1002));
    new.ask(&mut service, Command::STAT, 0, FILE, 0);
    assert_eq!(
        new.ask(&mut service, Command::GET_FILE, 76 + 172 * 39, FILE, 1460)
            .data
            .len(),
        172
    );
    service.stick.growing = None;
    assert_eq!(
        ann.get(&mut service, FILE, 1460),
        content(name, 10_000),
        "it is finished"
    );
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
