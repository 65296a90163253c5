//! The FSP service as its clients see it, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod virtual_fsp;

use callrec::base::stats::Counter;
use callrec::wire::fsp::{Command, Entry, Head, Kind, Packet};
use virtual_fsp::{at, content, datagram, peer, Answer, Service, Talk};

const DAY: &str = "Recorder/20260102";
const FILE: &str = "Recorder/20260102/Record_20260102_101500.wav";
const FILES: [(&str, usize); 5] = [
    ("Record_20260102_101500.wav", 10_000),
    ("Record_20260102_101500.json", 300),
    ("Record_20260103_101500_2.wav", 100),
    ("notes.txt", 50),
    ("System Volume Information", 50),
];

fn none(_: &mut virtual_fsp::Stick) {}

#[test]
fn folders_are_made_of_dates() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = Talk::new(peer(1, 1000));
    for root in ["", "/", "//"] {
        assert_eq!(ann.list(&mut service, root, 0, none), ["Recorder 2"]);
    }
    assert_eq!(
        ann.list(&mut service, "Recorder/", 768, none),
        ["20260102 2", "20260103 2"]
    );
    let day = ann.list(&mut service, DAY, 768, none);
    assert_eq!(
        day,
        [
            "Record_20260102_101500.wav 1",
            "Record_20260102_101500.json 1"
        ]
    );
    assert_eq!(
        ann.list(&mut service, "//Recorder/20260103/", 0, none),
        ["Record_20260103_101500_2.wav 1"]
    );
    service.stick.files.clear();
    assert_eq!(
        ann.list(&mut service, "Recorder", 0, none),
        [""; 0],
        "an empty stick"
    );
}

#[test]
fn files_come_whole_in_payloads_of_any_length() {
    let mut service = Service::with_files(14_708, &FILES);
    for (port, wish) in (1000..).zip([0, 1, 512, 768, 1024, 1460, 14_708, u16::MAX]) {
        let mut ann = Talk::new(peer(1, port));
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
fn a_payload_is_as_long_as_wished_once_the_address_is_proven() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = Talk::new(peer(1, 1000));
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
fn the_vendors_request_with_two_more_nuls_is_taken() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = Talk::new(peer(1, 1000));
    let data = [FILE.as_bytes(), b"\nsecret\0\0\0"].concat();
    let head = Head {
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
    let mut ann = Talk::new(peer(1, 1000));
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
    let head = Head {
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
fn what_is_behind_the_end_is_empty_and_no_error() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = Talk::new(peer(1, 1000));
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

fn thousands(count: usize) -> Service {
    let mut service = Service::new(14_708);
    for n in 0..count {
        let number = if n % 3 == 2 {
            format!("_{}", n % 900 + 2)
        } else {
            String::new()
        };
        let name = format!(
            "Record_20260102_{:06}{number}.{}",
            n * 7 % 240_000,
            if n % 5 == 4 { "json" } else { "wav" }
        );
        service.stick.files.insert(name, vec![]);
    }
    service
}

#[test]
fn thousands_of_entries_are_listed_once_each_whatever_the_block() {
    let mut service = thousands(3001);
    let expected: std::collections::BTreeSet<String> = service
        .stick
        .files
        .keys()
        .map(|name| format!("{name} 1"))
        .collect();
    assert_eq!(expected.len(), 3001);
    for (port, wish) in (1..).zip([0, 65, 512, 768, 1023, 1460, 7348, 14_708]) {
        let mut ann = Talk::new(peer(1, port));
        for round in 0..2 {
            // An address is proven from the second request on: blocks are longer then.
            let names = ann.list(&mut service, DAY, wish, none);
            assert_eq!(names.len(), 3001, "wish {wish}, round {round}");
            assert!(names.into_iter().collect::<std::collections::BTreeSet<_>>() == expected);
        }
    }
}

#[test]
fn a_folder_may_change_while_it_is_listed() {
    let mut service = thousands(500);
    let mut ann = Talk::new(peer(1, 1000));
    let expected: Vec<String> = service
        .stick
        .files
        .keys()
        .map(|name| format!("{name} 1"))
        .collect();
    let mut n = 0;
    let mut names = ann.list(&mut service, DAY, 768, |stick| {
        n += 1;
        stick
            .files
            .insert(format!("Record_20260102_000000_{}.wav", n + 1), vec![]);
        let last = stick.files.keys().next_back().unwrap().clone();
        stick.files.remove(&last);
    });
    names.sort();
    assert_eq!(names, expected);
}

#[test]
fn five_clients_list_at_once() {
    let mut service = thousands(300);
    let mut talks: Vec<Talk> = (0..5).map(|n| Talk::new(peer(1, 1000 + n))).collect();
    let (mut positions, mut names) = ([0u32; 5], [(); 5].map(|()| vec![]));
    let mut blocks = [0; 5];
    for _ in 0..60 {
        for (n, talk) in talks.iter_mut().enumerate() {
            let answer = talk.ask(&mut service, Command::GET_DIR, positions[n], DAY, 768);
            assert_eq!(answer.command, Command::GET_DIR, "{}", answer.text());
            let mut rest = &answer.data[..];
            while let Some(entry) = Entry::take(&mut rest).filter(|entry| entry.kind == Kind::FILE)
            {
                names[n].push(entry.name.to_vec());
            }
            blocks[n] = if positions[n] == 0 {
                answer.data.len()
            } else {
                blocks[n]
            };
            positions[n] += blocks[n] as u32;
        }
    }
    assert!(names
        .iter()
        .all(|names| names.len() == 300 && names.is_sorted_by_key(|name| &name[..22])));
}

#[test]
fn stat_and_protection() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = Talk::new(peer(1, 1000));
    let mut stat = |name: &str| {
        let answer = ann.ask(&mut service, Command::STAT, 9, name, 0);
        assert_eq!(
            (answer.command, answer.position, answer.data.len()),
            (Command::STAT, 0, 9)
        );
        let entry = Entry::parse_head(&answer.data).unwrap();
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
        let expected = Answer {
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
    let mut ann = Talk::new(peer(1, 1000));
    let ask = |command| Head {
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
        Answer {
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
        Answer {
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
    let mut ann = Talk::new(peer(1, 1000));
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
    let (mut ann, mut bob) = (Talk::new(peer(1, 1000)), Talk::new(peer(1, 1001)));
    let mut fetched = ann.ask(&mut service, Command::GET_FILE, 0, FILE, 1460).data;
    // It grows, for others: who has begun to read it comes to an end.
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
    let stat = |answer: Answer| Entry::parse_head(&answer.data).unwrap().size;
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
    // A resumed one, or one whose client was forgotten, is cut by what is durable.
    let mut new = Talk::new(peer(1, 1002));
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
fn counters_tell_what_came() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = Talk::new(peer(1, 1000));
    ann.get(&mut service, FILE, 1460);
    assert_eq!(service.stats.of(Counter::FspRequests), 9);
    let head = Head {
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
    let _ = at(0);
}
