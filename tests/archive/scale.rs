//! The archive over a large catalogue of made-up calls: each search finds what it should, page by
//! page, and the times are printed. `scripts/bench archive` runs it with millions of rows.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use crate::common::archive::Archive;
use crate::common::folder;
use crate::common::made_calls::{fill_database, fill_file, MadeUp};
use crate::common::postgres::{database_options, Postgres};

/// Rows without another wish.
const ROWS: i64 = 20_000;
const REPEATS: usize = 20;

/// The pages of a device with many calls have each of them once, newest first, also if few of them are
/// searched for.
fn walk_through_one_device(archive: &Archive, token: &str, rows: i64) {
    // Long ones, which no index finds.
    let is_long = |number: &i64| number % 1000 >= 990;
    let calls = (0..rows).filter(is_long).map(MadeUp::new);
    let expected = calls.filter(|call| call.device == 0).count();
    let mut found: Vec<String> = vec![];
    let mut cursor = String::new();
    for _ in 0..rows {
        let search = "device=device0&min_ms=180990&limit=100&to=2026-01-02T20:26:40Z";
        let reply = archive.get(token, &format!("/api/v1/recordings?{search}{cursor}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        let listed = page["recordings"].as_array().unwrap();
        found.extend(listed.iter().map(|one| one["id"].to_string()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found.len(), expected);
    // Ids of made-up calls count up.
    assert!(
        found.windows(2).all(|pair| pair[0] > pair[1]),
        "newest first, each once"
    );
}

#[test]
#[allow(clippy::too_many_lines)] // most of it is a table
fn each_search_of_a_large_catalogue_finds_its_calls() {
    let rows = std::env::var("ARCHIVE_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let (home, _) = folder();
    let dir = home.join("recordings");
    std::fs::create_dir(&dir).unwrap();
    let postgres = std::env::var_os("ARCHIVE_POSTGRES").map(|_| Postgres::start());
    let options = postgres
        .as_ref()
        .map(|it| vec!["--database".into(), it.url()]);
    let options: Vec<String> = options.unwrap_or_else(|| database_options(&dir));
    let words: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut archive = Archive::new(&dir, &words);
    archive.kill();
    let began = Instant::now();
    if let Some(url) = options.get(1) {
        fill_database(url, rows);
        println!("{rows} rows in {:?}", began.elapsed());
    } else {
        let path = dir.join(".archive/catalogue.db");
        fill_file(&path, rows);
        let bytes = std::fs::metadata(&path).unwrap().len() / rows as u64;
        println!("{rows} rows in {:?}, {bytes} bytes a row", began.elapsed());
    }
    archive.start();
    let token = archive.token("bench", "admin", &[]);
    walk_through_one_device(&archive, &token, rows.min(ROWS));
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
