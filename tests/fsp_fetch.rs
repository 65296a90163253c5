//! `callrec fetch` and the service, both real.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod fsp;

use std::fs;
use std::net::UdpSocket;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use common::{callrec, run, wait_for};
use fsp::{free_port, noise, read, Offering, DAY, FILE, NAME};

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
    assert!(items[0]["time"].as_u64().unwrap() > 1_700_000_000 && items[0]["dir"] == false);
}

#[test]
fn files_and_folders_are_fetched() {
    let offering = Offering::new("fspMaxPayload = 14708");
    for (n, name) in [
        "Record_20260102_101500.wav",
        "Record_20260102_101500.json",
        "Record_20260103_080000_2.wav",
    ]
    .into_iter()
    .enumerate()
    {
        offering.put(name, &noise(n as u32, n * 100_000));
    }
    offering.fetch(&["get", "Recorder/20260103/Record_20260103_080000_2.wav"]);
    assert_eq!(
        read(&offering.to().join("Record_20260103_080000_2.wav")),
        noise(2, 200_000)
    );
    offering.fetch(&["get", "/Recorder/20260102/"]);
    assert_eq!(
        read(&offering.to().join("20260102/Record_20260102_101500.json")),
        noise(1, 100_000)
    );
    assert_eq!(
        read(&offering.to().join("20260102/Record_20260102_101500.wav")),
        b""
    );
    let text = offering.fetch(&["get", "--all-new"]);
    assert_eq!(text.lines().count(), 3);
    let fetched = offering
        .to()
        .join("Recorder/20260103/Record_20260103_080000_2.wav");
    assert_eq!(read(&fetched), noise(2, 200_000));
    let stick = offering.phone.stick().join("Record_20260103_080000_2.wav");
    let times = [&fetched, &stick].map(|path| fs::metadata(path).unwrap().modified().unwrap());
    assert!(
        times[0] <= times[1] && times[1].duration_since(times[0]).unwrap() < Duration::from_secs(1)
    );
    // Only what is new or has grown comes again.
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
                .to()
                .join("Recorder/20260102/Record_20260102_101500.wav")
        ),
        noise(5, 10_000)
    );
}

#[test]
fn a_broken_transfer_goes_on_where_it_ended() {
    let offering = Offering::new("");
    let whole = noise(1, 100_000);
    offering.put(NAME, &whole);
    let part = offering.to().join(format!("{NAME}.part"));
    fs::create_dir(offering.to()).unwrap();
    for (left, resumed_at) in [
        (whole[..60_000].to_vec(), 60_000),
        (whole.clone(), 100_000),
        // Too short to tell, of another file, longer than the file.
        (whole[..500].to_vec(), 0),
        (noise(2, 60_000), 0),
        (noise(1, 100_001), 0),
    ] {
        // The head may be older than the rest: a recording's says how long it is.
        let stale = [&[0xEE; 76][..], &left[76..]].concat();
        fs::write(&part, stale).unwrap();
        let line = offering.fetch(&["get", "--json", FILE]);
        assert!(
            line.contains(&format!("\"resumed_at\":{resumed_at}}}")),
            "{line}"
        );
        assert!(read(&offering.to().join(NAME)) == whole, "{resumed_at}");
        assert!(!part.exists());
    }
}

#[test]
fn a_killed_client_leaves_a_part_and_nobody_waits_for_it() {
    let offering = Offering::new("");
    let whole = noise(3, 30_000_000);
    offering.put(NAME, &whole);
    let (ip, password) = (
        format!("127.0.0.1:{}", offering.port),
        offering.phone.path("pw").display().to_string(),
    );
    let to = offering.to().display().to_string();
    let mut command = common::command(env!("CARGO_BIN_EXE_callrec"));
    command.args([
        "fetch",
        "--ip",
        &ip,
        "--password-file",
        &password,
        "get",
        "--to",
        &to,
        FILE,
    ]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let part = offering.to().join(format!("{NAME}.part"));
    wait_for("a part", || {
        fs::metadata(&part).is_ok_and(|entry| entry.len() > 1_000_000)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(part.exists(), "it was not killed in time");
    let line = offering.fetch(&["get", "--json", FILE]);
    assert!(line.contains("\"outcome\":\"resumed\""), "{line}");
    assert!(read(&offering.to().join(NAME)) == whole);
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
        read(&offering.to().join(NAME)),
        b"x",
        "the other one was fetched"
    );
    assert!(!offering
        .to()
        .join("Record_20260102_101501.wav.part")
        .exists());
    assert!(offering
        .fail(1, &["get", "Recorder/20260105"])
        .contains("Recorder/20260105: the phone says: No such file"));
    fs::remove_file(offering.to().join(NAME)).unwrap();
    fs::create_dir(offering.to().join(NAME)).unwrap();
    assert!(offering
        .fail(1, &["get", FILE])
        .contains(&format!("{NAME}: Is a directory")));
    fs::remove_dir(offering.to().join(NAME)).unwrap();
    fs::write(offering.phone.path("pw"), "wrong").unwrap();
    assert!(offering.fail(1, &["ls"]).contains("Invalid password"));
    assert!(offering
        .fail(1, &["get", FILE])
        .contains("Invalid password"));
    fs::write(offering.phone.path("pw"), "").unwrap();
    assert!(offering.fail(1, &["ls"]).contains("You need a password"));
    let closed = offering.fetch_through(free_port(), &["ls"]);
    assert_eq!(closed.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&closed.stderr).contains("connection refused"),
        "{closed:?}"
    );
}

#[test]
fn bad_usage_is_told_from_failure() {
    for words in [
        &["fetch"][..],
        &["fetch", "ls"],
        &["fetch", "--ip", "127.0.0.1", "ls"],
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

/// Between client and phone: loses, doubles and reorders, seeded.
struct Relay {
    port: u16,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Relay {
    fn new(to: u16) -> Self {
        let (near, far) = (
            UdpSocket::bind("127.0.0.1:0").unwrap(),
            UdpSocket::bind("127.0.0.1:0").unwrap(),
        );
        far.connect(("127.0.0.1", to)).unwrap();
        let port = near.local_addr().unwrap().port();
        let (stop, lost) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let client = Arc::new(std::sync::Mutex::new(None));
        let threads = [true, false].map(|there| {
            let (near, far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let (stop, lost, client) = (Arc::clone(&stop), Arc::clone(&lost), Arc::clone(&client));
            std::thread::spawn(move || {
                let from = if there { &near } else { &far };
                from.set_read_timeout(Some(Duration::from_millis(20)))
                    .unwrap();
                let send = |bytes: &[u8]| match there {
                    true => drop(far.send(bytes)),
                    false => client
                        .lock()
                        .unwrap()
                        .map_or((), |client| drop(near.send_to(bytes, client))),
                };
                let (mut buffer, mut state, mut held) =
                    ([0; 15_000], u32::from(there) + 1, None::<Vec<u8>>);
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, source)) = from.recv_from(&mut buffer) else {
                        if let Some(late) = held.take() {
                            send(&late);
                        }
                        continue;
                    };
                    if there {
                        *client.lock().unwrap() = Some(source);
                    }
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    match state >> 16 & 0x7F {
                        0..=6 => _ = lost.fetch_add(1, Ordering::Relaxed), // 5.5 in a hundred
                        7..=12 => (0..2).for_each(|_| send(&buffer[..length])),
                        13..=18 => held = Some(buffer[..length].to_vec()),
                        _ => send(&buffer[..length]),
                    }
                }
            })
        });
        Self {
            port,
            stop,
            lost,
            threads: threads.into(),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads
            .drain(..)
            .for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_network_that_loses_doubles_and_reorders_changes_nothing() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 30_000));
    offering.put("Record_20260102_101500.json", &noise(2, 300));
    let relay = Relay::new(offering.port);
    let output = offering.fetch_through(relay.port, &["get", "--all-new"]);
    assert!(output.status.success(), "{output:?}");
    assert!(relay.lost.load(Ordering::Relaxed) > 0);
    let folder = offering.to().join(DAY);
    assert_eq!(read(&folder.join(NAME)), noise(1, 30_000));
    assert_eq!(
        read(&folder.join("Record_20260102_101500.json")),
        noise(2, 300)
    );
}

#[test]
fn a_transfer_survives_a_restart_of_the_daemon() {
    let mut offering = Offering::new("");
    let whole = noise(3, 30_000_000);
    offering.put(NAME, &whole);
    let words = [
        "fetch",
        "--ip",
        &format!("127.0.0.1:{}", offering.port),
        "--password-file",
    ]
    .map(String::from);
    let rest = [
        offering.phone.path("pw").display().to_string(),
        "get".into(),
        "--to".into(),
    ];
    let words = [
        &words[..],
        &rest,
        &[offering.to().display().to_string(), FILE.into()],
    ]
    .concat();
    let client = std::thread::spawn(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(env!("CARGO_BIN_EXE_callrec"), &words)
    });
    let part = offering.to().join(format!("{NAME}.part"));
    wait_for("a part", || {
        fs::metadata(&part).is_ok_and(|entry| entry.len() > 1_000_000)
    });
    offering.phone.kill();
    assert!(part.exists(), "it was fetched already");
    offering.phone.start();
    let output = client.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(read(&offering.to().join(NAME)) == whole);
}
