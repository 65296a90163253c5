//! The archive over a large catalogue of made-up calls: each search finds what it should, page by
//! page, and the times are printed. `scripts/bench archive` runs it with millions of rows.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use crate::common::archive::Archive;
use crate::common::folder;
use rusqlite::{params, Connection};
use serde_json::json;

/// Rows without another wish.
const ROWS: i64 = 20_000;
const DEVICES: i64 = 1000;
/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600;
const REPEATS: usize = 20;

/// One call every eight seconds; numbers and names that repeat as people's do.
struct MadeUp {
    number: i64,
    device: i64,
    remote: String,
    local: String,
    name: String,
}

impl MadeUp {
    fn new(number: i64) -> Self {
        let mixed = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) as u64) >> 24;
        Self {
            number,
            device: (mixed % DEVICES as u64) as i64,
            remote: format!("+49{:09}", mixed % 700_000_000),
            local: format!("{}", 1000 + mixed % 900),
            name: format!("name {}", ["ann", "bob", "zoe"][(mixed % 3) as usize]),
        }
    }

    fn id(&self) -> String {
        let mut rest = self.number as u64;
        let mut digits = [b'a'; 26];
        for digit in digits.iter_mut().rev() {
            *digit = b'a' + (rest % 26) as u8;
            rest /= 26;
        }
        String::from_utf8(digits.to_vec()).unwrap()
    }
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

/// Fills the catalogue that the archive has made.
fn fill(path: &std::path::Path, rows: i64) {
    let mut connection = Connection::open(path).unwrap();
    // One file, without a log: if it does not come to its end, the test has failed.
    for mode in ["DELETE", "OFF"] {
        connection
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
    }
    connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    connection
        .pragma_update(None, "cache_size", -200_000)
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for device in 0..DEVICES {
        let insert = "INSERT INTO folder(id, name) VALUES(?1, ?2)";
        transaction
            .execute(insert, params![device + 1, format!("device{device}")])
            .unwrap();
    }
    let mut insert = transaction
        .prepare(
            "INSERT INTO recording(key, id, folder, state, dir, remote, local, remote_back, local_back, names, words,
             duration, size, flawed, hold, document) VALUES(?1, ?2, ?3, 'finished', ?4, ?5, ?6, ?7, ?8, ?9, '', ?10, ?11, ?12, 0, ?13)",
        )
        .unwrap();
    let mut words = transaction
        .prepare("INSERT INTO search(rowid, words) VALUES(?1, ?2)")
        .unwrap();
    for number in 0..rows {
        let call = MadeUp::new(number);
        let key = (BEGIN + number * 8) << 24;
        let document = json!({
            "id": call.id(), "state": "finished", "place": "local", "remote_number": call.remote, "local_number": call.local,
            "remote_name": call.name, "start": "2026-01-01T00:00:00+00:00", "duration_ms": 180_000, "files": [],
        });
        let values = params![
            key,
            call.id(),
            call.device + 1,
            1 + number % 2,
            call.remote,
            call.local,
            reversed(&call.remote),
            reversed(&call.local),
            call.name,
            180_000 + number % 1000,
            1_500_000,
            number % 50 == 0,
            document.to_string()
        ];
        insert.execute(values).unwrap();
        let text = format!("{}\n{}\n{}\n", call.remote, call.local, call.name);
        words.execute(params![key, text]).unwrap();
    }
    drop((insert, words));
    transaction.commit().unwrap();
}

#[test]
#[allow(clippy::too_many_lines)] // most of it is a table
fn each_search_of_a_large_catalogue_finds_its_calls() {
    let rows = std::env::var("ARCHIVE_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let (home, _) = folder();
    let dir = home.join("recordings");
    std::fs::create_dir(&dir).unwrap();
    let mut archive = Archive::new(&dir, &[]);
    archive.kill();
    let began = Instant::now();
    let path = dir.join(".archive/catalogue.db");
    fill(&path, rows);
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!(
        "{rows} rows in {:?}, {} bytes a row",
        began.elapsed(),
        bytes / rows as u64
    );
    archive.start();
    let token = archive.token("bench", "admin", &[]);
    let some = MadeUp::new(rows / 2);
    let digits = &some.remote[3..];
    for (what, search) in [
        ("the newest page", String::new()),
        ("one device", format!("device=device{}", some.device)),
        (
            "a device and a day",
            format!(
                "device=device{}&from=2026-01-02&to=2026-01-03&tz=UTC",
                some.device
            ),
        ),
        (
            "an exact number",
            format!("number=%2B49{digits}&number_match=exact"),
        ),
        (
            "an extension",
            format!("number={}&number_match=exact", some.local),
        ),
        (
            "a beginning",
            format!("number=%2B49{}&number_match=begins", &digits[..6]),
        ),
        (
            "a common beginning",
            "number=%2B49&number_match=begins".into(),
        ),
        (
            "an ending",
            format!("number={}&number_match=ends", &digits[3..]),
        ),
        ("a common ending", "number=7&number_match=ends".into()),
        (
            "six digits in the middle",
            format!("number={}", &digits[1..7]),
        ),
        ("three digits", format!("number={}", &digits[1..4])),
        ("a number that nobody has", "number=999999999999".into()),
        ("a name", "name=zoe".into()),
        ("a name that nobody has", "name=xavier".into()),
        ("anything", format!("q={}", &digits[2..])),
        ("losses", "lost=1".into()),
        ("long calls of a name", "name=bob&min_ms=180990".into()),
        (
            "incoming calls of an extension",
            format!("number={}&number_match=exact&dir=in", some.local),
        ),
        ("a tag that nobody has", "tag=none".into()),
        ("running calls", "state=running".into()),
    ] {
        let mut times = vec![];
        let mut found = 0;
        for _ in 0..REPEATS {
            let began = Instant::now();
            let list = archive.list(&token, &search);
            times.push(began.elapsed());
            found = list.len();
        }
        times.sort();
        println!(
            "{what}: {:.1} ms, {found} found",
            times[REPEATS / 2].as_secs_f64() * 1000.0
        );
        let expects_none = ["nobody", "running"].iter().any(|word| what.contains(word));
        assert_eq!(found == 0, expects_none, "{what}");
    }
    let pid = archive.process().pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    println!(
        "memory: {}",
        peak.split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    );
    drop(archive);
    std::fs::remove_dir_all(home).unwrap();
}
