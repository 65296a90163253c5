//! `callrec fetch` when a transfer is interrupted, and over a network that loses datagrams.

use std::fs;
use std::net::UdpSocket;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::common::{run, wait_for, Random};
use crate::fsp::{noise, read, Offering, DAY, FILE, NAME};

#[test]
fn an_interrupted_transfer_is_resumed() {
    let offering = Offering::new("");
    let whole = noise(1, 100_000);
    offering.put(NAME, &whole);
    let part = offering.folder().join(format!("{NAME}.part"));
    fs::create_dir_all(offering.folder()).unwrap();
    for (left, resumed_at) in [
        (whole[..60_000].to_vec(), 60_000),
        (whole.clone(), 100_000),
        // Too short to compare, another file's bytes, longer than the file.
        (whole[..500].to_vec(), 0),
        (noise(2, 60_000), 0),
        (noise(1, 100_001), 0),
    ] {
        // The header may be older than the rest: it has the length that a recording had then.
        let stale = [&[0xEE; 76][..], &left[76..]].concat();
        fs::write(&part, stale).unwrap();
        let line = offering.fetch(&["get", "--json", FILE]);
        assert!(
            line.contains(&format!("\"resumed_at\":{resumed_at}}}")),
            "{line}"
        );
        assert!(read(&offering.folder().join(NAME)) == whole, "{resumed_at}");
        assert!(!part.exists());
    }
}

#[test]
fn a_killed_client_leaves_a_part_that_the_next_one_resumes() {
    let offering = Offering::new("");
    let whole = noise(3, 30_000_000);
    offering.put(NAME, &whole);
    let (ip, password) = (
        format!("127.0.0.1:{}", offering.port),
        offering.phone.path("pw").display().to_string(),
    );
    let to = offering.to().display().to_string();
    let mut command = crate::common::command(env!("CARGO_BIN_EXE_callrec"));
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
    let part = offering.folder().join(format!("{NAME}.part"));
    wait_for("a part", || {
        fs::metadata(&part).is_ok_and(|entry| entry.len() > 1_000_000)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(part.exists(), "it was not killed in time");
    let line = offering.fetch(&["get", "--json", FILE]);
    assert!(line.contains("\"outcome\":\"resumed\""), "{line}");
    assert!(read(&offering.folder().join(NAME)) == whole);
}

/// A relay between client and phone that loses, duplicates and reorders datagrams, from a fixed
/// seed.
struct Relay {
    port: u16,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
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
        let client = Arc::new(Mutex::new(None));
        let threads = [true, false].map(|there| {
            let (near, far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let (stop, lost, client) = (Arc::clone(&stop), Arc::clone(&lost), Arc::clone(&client));
            std::thread::spawn(move || {
                let from = if there { &near } else { &far };
                from.set_read_timeout(Some(Duration::from_millis(20)))
                    .unwrap();
                let send = |bytes: &[u8]| {
                    if there {
                        let _ = far.send(bytes);
                    } else if let Some(client) = *client.lock().unwrap() {
                        let _ = near.send_to(bytes, client);
                    }
                };
                let mut buffer = [0; 15_000];
                let mut random = Random(u64::from(there));
                let mut held = None::<Vec<u8>>;
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
                    match random.below(128) {
                        0..=6 => _ = lost.fetch_add(1, Ordering::Relaxed), // 5.5 of 100
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
fn a_network_that_loses_duplicates_and_reorders_changes_nothing() {
    let offering = Offering::new("");
    offering.put(NAME, &noise(1, 30_000));
    offering.put("Record_20260102_101500.json", &noise(2, 300));
    let relay = Relay::new(offering.port);
    let output = offering.fetch_through(relay.port, &["get", "--all-new"]);
    assert!(output.status.success(), "{output:?}");
    assert!(relay.lost.load(Ordering::Relaxed) > 0);
    // The folder is named after the address that the phone was reached at.
    let place = format!("127.0.0.1_{}", relay.port);
    let folder = offering.to().join(place).join(DAY);
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
    let part = offering.folder().join(format!("{NAME}.part"));
    wait_for("a part", || {
        fs::metadata(&part).is_ok_and(|entry| entry.len() > 1_000_000)
    });
    offering.phone.kill();
    assert!(part.exists(), "it was fetched already");
    offering.phone.start();
    let output = client.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(read(&offering.folder().join(NAME)) == whole);
}
