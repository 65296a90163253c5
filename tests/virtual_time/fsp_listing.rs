//! Folders as FSP clients list them, in virtual time.

use std::collections::BTreeSet;

use crate::virtual_fsp::{peer, Service, Stick, TestClient};
use callrec::wire::fsp::{Command, DirEntry, EntryKind};

const DAY: &str = "Recorder/20260102";
const FILES: [(&str, usize); 5] = [
    ("Record_20260102_101500.wav", 10_000),
    ("Record_20260102_101500.json", 300),
    ("Record_20260103_101500_2.wav", 100),
    ("notes.txt", 50),
    ("System Volume Information", 50),
];

fn none(_: &mut Stick) {}

#[test]
fn there_is_a_folder_for_each_day() {
    let mut service = Service::with_files(1460, &FILES);
    let mut ann = TestClient::new(peer(1, 1000));
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
    let expected: BTreeSet<String> = service
        .stick
        .files
        .keys()
        .map(|name| format!("{name} 1"))
        .collect();
    assert_eq!(expected.len(), 3001);
    for (port, wish) in (1..).zip([0, 65, 512, 768, 1023, 1460, 7348, 14_708]) {
        let mut ann = TestClient::new(peer(1, port));
        for round in 0..2 {
            // From the second request on the address is proven, and blocks are longer.
            let names = ann.list(&mut service, DAY, wish, none);
            assert_eq!(names.len(), 3001, "wish {wish}, round {round}");
            assert!(names.into_iter().collect::<BTreeSet<_>>() == expected);
        }
    }
}

#[test]
fn a_folder_may_change_while_it_is_listed() {
    let mut service = thousands(500);
    let mut ann = TestClient::new(peer(1, 1000));
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
    let mut clients: Vec<TestClient> = (0..5).map(|n| TestClient::new(peer(1, 1000 + n))).collect();
    let (mut positions, mut names) = ([0u32; 5], [(); 5].map(|()| vec![]));
    let mut blocks = [0; 5];
    for _ in 0..60 {
        for (n, client) in clients.iter_mut().enumerate() {
            let answer = client.ask(&mut service, Command::GET_DIR, positions[n], DAY, 768);
            assert_eq!(answer.command, Command::GET_DIR, "{}", answer.text());
            let mut rest = &answer.data[..];
            while let Some(entry) =
                DirEntry::take(&mut rest).filter(|entry| entry.kind == EntryKind::FILE)
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
