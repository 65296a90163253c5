//! `callrec fetch` and a real daemon.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use crate::common::callrec;
use crate::fsp::{free_port, noise, read, Offering, DAY, FILE, NAME};

#[test]
fn folders_are_listed() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 5000));
    offering.put("Record_20260102_101500.json", b"{}");
    offering.put("Record_20260103_080000_2.wav", b"");
    offering.put("other.txt", b"");
    assert!(offering.fetch(&["ls"]).contains(" Recorder\n"));
    let days: Vec<String> = offering
        .fetch(&["ls", "Recorder"])
        .lines()
        .map(|line| line.split(' ').next_back().unwrap().into())
        .collect();
    assert_eq!(days, ["20260102", "20260103"]);
    let lines = offering.fetch(&["--json", "ls", DAY]);
    let items: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(items.len(), 2);
    assert_eq!(
        (items[0]["name"].as_str(), items[0]["size"].as_u64()),
        (Some(NAME), Some(5000))
    );
    assert_eq!(
        (&items[0]["v"], &items[0]["size_bytes"]),
        (&2.into(), &5000.into())
    );
    assert!(items[0]["time"].as_u64().unwrap() > 1_700_000_000 && items[0]["dir"] == false);
    // The root and its folders have no time, and the folder of a day has only a date.
    assert_eq!(
        offering.fetch(&["ls"]),
        format!("dir           -  {:26}  Recorder\n", "")
    );
    assert!(!offering.fetch(&["--json", "ls"]).contains("time"));
    assert!(offering
        .fetch(&["ls", "Recorder"])
        .starts_with(&format!("dir           -  {:26}  20260102\n", "2026-01-02")));
}

#[test]
fn times_have_the_offset_of_the_phone() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 5000));
    let at = |name: &str| {
        let file = fs::File::options()
            .write(true)
            .open(offering.phone.stick().join(name))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_767_348_942))
            .unwrap();
    };
    at(NAME);
    assert!(offering
        .fetch(&["ls", DAY])
        .contains("  2026-01-02 10:15:42 +00:00  Record_"));
    // From the newest sidecar of the phone, then from that of the folder.
    offering.put(
        "Record_20260301_000000.json",
        br#"{"start":"2026-03-01T00:00:00-02:30"}"#,
    );
    assert!(offering
        .fetch(&["ls", DAY])
        .contains("  2026-01-02 07:45:42 -02:30  Record_"));
    offering.put(
        "Record_20260102_101500.json",
        br#"{"start":"2026-01-02T10:15:00+01:00"}"#,
    );
    assert!(offering
        .fetch(&["ls", DAY])
        .contains("  2026-01-02 11:15:42 +01:00  Record_"));
    let line = offering.fetch(&["ls", "--json", DAY]);
    let modified = r#""modified":"2026-01-02T11:15:42+01:00""#;
    assert!(line.contains(modified), "{line}");
    // A fetched file has the same time, named alone or in its folder, fetched or kept.
    for (words, outcome) in [
        (&["get", "--json", FILE][..], "fetched"),
        (&["get", "--json", "--all-new"], "fetched"),
        (&["get", "--json", "--all-new"], "kept"),
    ] {
        let lines = offering.fetch(words);
        let line = lines.lines().find(|line| line.contains(FILE)).unwrap();
        assert!(line.contains(outcome) && line.contains(modified), "{line}");
    }
    // In a folder without a sidecar the phone's newest one counts.
    offering.put("Record_20260103_101500.wav", &noise(2, 100));
    at("Record_20260103_101500.wav");
    let line = offering.fetch(&["get", "--json", "Recorder/20260103"]);
    let modified = r#""modified":"2026-01-02T07:45:42-02:30""#;
    assert!(line.contains(modified), "{line}");
}

/// A phone with three files of two days.
fn three_files() -> Offering {
    let offering = Offering::new("fspMaxPayload = 14708");
    let names = [
        "Record_20260102_101500.wav",
        "Record_20260102_101500.json",
        "Record_20260103_080000_2.wav",
    ];
    for (n, name) in names.into_iter().enumerate() {
        offering.put(name, &noise(n as u32, n * 100_000));
    }
    offering
}

#[test]
fn files_and_folders_are_fetched() {
    let offering = three_files();
    offering.fetch(&["get", "Recorder/20260103/Record_20260103_080000_2.wav"]);
    assert_eq!(
        read(&offering.folder().join("Record_20260103_080000_2.wav")),
        noise(2, 200_000)
    );
    offering.fetch(&["get", "/Recorder/20260102/"]);
    assert_eq!(
        read(
            &offering
                .folder()
                .join("20260102/Record_20260102_101500.json")
        ),
        noise(1, 100_000)
    );
    assert_eq!(
        read(
            &offering
                .folder()
                .join("20260102/Record_20260102_101500.wav")
        ),
        b""
    );
}

#[test]
fn new_files_are_fetched_with_their_folders_and_times() {
    let offering = three_files();
    let text = offering.fetch(&["get", "--all-new"]);
    assert_eq!(text.lines().count(), 3);
    let fetched = offering
        .folder()
        .join("Recorder/20260103/Record_20260103_080000_2.wav");
    assert_eq!(read(&fetched), noise(2, 200_000));
    let stick = offering.phone.stick().join("Record_20260103_080000_2.wav");
    let times = [&fetched, &stick].map(|path| fs::metadata(path).unwrap().modified().unwrap());
    assert!(
        times[0] <= times[1] && times[1].duration_since(times[0]).unwrap() < Duration::from_secs(1)
    );
    // Only files that are new or have another size are fetched again.
    assert_eq!(offering.fetch(&["get", "--all-new"]), "");
    assert_eq!(
        offering.fetch(&[
            "get",
            "--all-new",
            DAY,
            "/Recorder//20260103/Record_20260103_080000_2.wav"
        ]),
        ""
    );
    offering.put("Record_20260102_101500.wav", &noise(5, 10_000));
    offering.put("Record_20260104_000000.wav", &noise(6, 10));
    let text = offering.fetch(&["get", "--all-new", "--json"]);
    let count = |outcome| text.matches(&format!("\"outcome\":\"{outcome}\"")).count();
    assert_eq!(
        (count("fetched"), count("kept"), count("resumed")),
        (2, 2, 0),
        "{text}"
    );
    assert_eq!(
        read(
            &offering
                .folder()
                .join("Recorder/20260102/Record_20260102_101500.wav")
        ),
        noise(5, 10_000)
    );
}

#[test]
fn errors_say_what_is_wrong() {
    let offering = Offering::new("");
    offering.put(NAME, b"x");
    assert!(offering
        .fail(1, &["ls", "Recorder/20260105"])
        .contains("No such directory"));
    let missing = offering.fail(
        1,
        &["get", "Recorder/20260102/Record_20260102_101501.wav", FILE],
    );
    assert!(
        missing.contains("Record_20260102_101501.wav: the phone says: No such file"),
        "{missing}"
    );
    assert_eq!(
        read(&offering.folder().join(NAME)),
        b"x",
        "the other one was fetched"
    );
    assert!(!offering
        .folder()
        .join("Record_20260102_101501.wav.part")
        .exists());
    assert!(offering
        .fail(1, &["get", "Recorder/20260105"])
        .contains("Recorder/20260105: the phone says: No such file"));
    fs::remove_file(offering.folder().join(NAME)).unwrap();
    fs::create_dir(offering.folder().join(NAME)).unwrap();
    assert!(offering
        .fail(1, &["get", FILE])
        .contains(&format!("{NAME}: is not a regular file")));
    fs::remove_dir(offering.folder().join(NAME)).unwrap();
    let closed = offering.fetch_through(free_port(), &["ls"]);
    assert_eq!(closed.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&closed.stderr).contains("connection refused"),
        "{closed:?}"
    );
}

#[test]
fn a_password_that_is_not_accepted_names_its_file() {
    let offering = Offering::new("");
    offering.put(NAME, b"x");
    let password = offering.phone.path("pw");
    fs::write(&password, "wrong").unwrap();
    let from = format!(
        "Invalid password; the password is from {}",
        password.display()
    );
    assert!(offering.fail(1, &["ls"]).contains(&from));
    let refused = offering.fail(1, &["get", FILE, FILE]);
    assert!(
        refused.contains(&from) && refused.lines().count() == 1,
        "{refused}"
    );
    fs::write(&password, "\nx").unwrap();
    let empty = offering.fail(2, &["ls"]);
    assert!(
        empty.contains(&format!("{}: its first line is empty", password.display())),
        "{empty}"
    );
    let ip = format!("127.0.0.1:{}", offering.port);
    let without = callrec(&["fetch", "--ip", &ip, "ls"]);
    let without = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(
        without.contains("You need a password; --password-file FILE names"),
        "{without}"
    );
}

#[test]
fn usage_errors_have_status_2() {
    for words in [
        &["fetch"][..],
        &["fetch", "ls"],
        &["fetch", "--ip", "127.0.0.1:9531:1", "ls"],
        &["fetch", "--ip", "127.0.0.1", "--as", "../x", "get", "x"],
        &[
            "fetch",
            "--ip",
            "127.0.0.1",
            "--as",
            "x",
            "--flat",
            "get",
            "x",
        ],
        &["fetch", "--ip", "127.0.0.1:0", "ls"],
        &["fetch", "--ip", "127.0.0.1:9531"],
        &["fetch", "--ip", "127.0.0.1:9531", "get"],
        &["fetch", "--ip", "127.0.0.1:9531", "put", "x"],
        &["fetch", "--ip", "127.0.0.1:9531", "ls", "a", "b"],
        &[
            "fetch",
            "--ip",
            "127.0.0.1:9531",
            "--max-payload",
            "511",
            "ls",
        ],
        &[
            "fetch",
            "--ip",
            "127.0.0.1:9531",
            "--password-file",
            "/no/such/file",
            "ls",
        ],
        &["fetch", "--id", "x", "ls"],
        &["fetch", "--id", "", "--server", "127.0.0.1", "ls"],
        &["fetch", "--id", "x", "--server", "127.0.0.1:port", "ls"],
        &[
            "fetch",
            "--id",
            "x",
            "--server",
            "127.0.0.1",
            "--ip",
            "127.0.0.1:9531",
            "ls",
        ],
        &["fetch", "--nonsense"],
    ] {
        let output = callrec(words);
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(2), 0),
            "{words:?}: {output:?}"
        );
        assert!(output.stderr.starts_with(b"callrec: "), "{output:?}");
    }
}

#[test]
fn help_has_examples() {
    let help = callrec(&["fetch", "--help"]);
    assert!(
        help.status.success()
            && String::from_utf8_lossy(&help.stdout).contains("Examples:\n  callrec fetch")
    );
}

#[test]
fn a_silent_phone_is_given_up() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ip = silent.local_addr().unwrap().to_string();
    let output = callrec(&["fetch", "--timeout", "2", "--ip", &ip, "ls"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("no answer for 2 s"),
        "{output:?}"
    );
}
