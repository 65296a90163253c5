//! Where `callrec fetch` puts what it fetches: phones are kept apart, and no file is replaced by
//! other content.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::common::{callrec, folder, wait_for, Talker};
use crate::fsp::{noise, read, Offering, DAY, FILE, NAME};
use sha2::{Digest, Sha256};

const SIDECAR: &str = "Record_20260102_101500.json";

/// Puts a file on the stick that was written at this second.
fn put_at(phone: &Offering, name: &str, content: &[u8], second: u64) {
    phone.put(name, content);
    let path = phone.phone.stick().join(name);
    let file = fs::File::options().write(true).open(path).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_348_942 + second);
    file.set_modified(time).unwrap();
}

/// Fetches all from a phone into a folder; its standard output.
fn fetch_all(offering: &Offering, to: &Path, words: &[&str]) -> String {
    let output = attempt(offering, to, words);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn attempt(offering: &Offering, to: &Path, words: &[&str]) -> std::process::Output {
    let ip = format!("127.0.0.1:{}", offering.port);
    let password = offering.phone.path("pw").display().to_string();
    let to = to.display().to_string();
    let options = [
        "fetch",
        "--ip",
        &ip,
        "--password-file",
        &password,
        "--to",
        &to,
    ];
    callrec(&[&options[..], words, &["get", "--all-new"]].concat())
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn two_phones_with_the_same_names_are_kept_apart() {
    let (dir, _) = folder();
    let phones = [Offering::new(""), Offering::new(""), Offering::new("")];
    for (number, phone) in phones.iter().enumerate() {
        phone.put(NAME, &noise(number as u32, 5000));
    }
    phones[0].put(SIDECAR, br#"{"device":"0015651a2b3c","id":"1"}"#);
    phones[1].put(
        "Record_20260301_000000.json",
        br#"{"device":"0015651a2b3d"}"#,
    );
    for phone in &phones {
        fetch_all(phone, &dir, &[]);
    }
    let address = format!("127.0.0.1_{}", phones[2].port);
    let folders = ["0015651a2b3c", "0015651a2b3d", &address];
    assert_eq!(names(&dir), folders.map(str::to_owned));
    for (number, folder) in folders.into_iter().enumerate() {
        let file = dir.join(folder).join(FILE);
        assert_eq!(read(&file), noise(number as u32, 5000));
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{folder}");
    }
    fetch_all(&phones[0], &dir, &["--as", "Reception"]);
    assert_eq!(read(&dir.join("Reception").join(FILE)), noise(0, 5000));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_folder_of_the_old_kind_is_refused_unless_flat() {
    let (dir, _) = folder();
    let phone = Offering::new("");
    phone.put(NAME, &noise(1, 5000));
    for old in ["Recorder", NAME] {
        fs::create_dir(dir.join(old)).unwrap();
        let refused = attempt(&phone, &dir, &[]);
        let words = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{words}");
        assert!(
            words.contains(&format!("has {old} of an earlier fetch")) && words.contains("--flat"),
            "{words}"
        );
        assert_eq!(names(&dir), [old]);
        fetch_all(&phone, &dir, &["--flat"]);
        assert_eq!(read(&dir.join(FILE)), noise(1, 5000));
        fs::remove_dir_all(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn other_content_is_kept_beside_and_a_continuation_replaces() {
    let phone = Offering::new("");
    let folder = phone.folder().join(DAY);
    phone.put(NAME, &noise(1, 5000));
    phone.fetch(&["get", "--all-new"]);
    // Another recording of the same name and another length, then of the same length.
    for (number, content) in [(2, noise(2, 4000)), (3, noise(3, 4000))] {
        put_at(&phone, NAME, &content, 10 * number);
        let line = phone.fetch(&["get", "--all-new", "--json"]);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let file = folder.join(format!("Record_20260102_101500-{number}.wav"));
        assert_eq!(line["file"], *file.to_str().unwrap(), "{line}");
        assert_eq!(line["other_file"], *folder.join(NAME).to_str().unwrap());
        assert_eq!((&line["v"], &line["size_bytes"]), (&2.into(), &4000.into()));
        assert_eq!(read(&file), content);
        assert_eq!(read(&folder.join(NAME)), noise(1, 5000));
        assert_eq!(phone.fetch(&["get", "--all-new"]), "", "it is here now");
    }
    // The first one, grown, with the length in its header.
    let mut grown = noise(1, 9000);
    grown[72..76].fill(0xEE);
    phone.put(NAME, &grown);
    let line = phone.fetch(&["get", "--all-new"]);
    assert!(line.ends_with(&format!("{NAME} (9000 bytes)\n")), "{line}");
    assert_eq!(read(&folder.join(NAME)), grown);
    assert_eq!(names(&folder).len(), 3);
}

#[test]
fn a_later_sidecar_of_the_same_recording_replaces_and_another_one_does_not() {
    let phone = Offering::new("");
    let start = r#""start":"2026-01-02T10:15:00+01:00""#;
    let folder = phone.to().join("a").join(DAY);
    for sidecar in [
        format!(r#"{{"id":"1",{start}}}"#),
        format!(r#"{{"id":"1",{start},"end":"stopped"}}"#),
    ] {
        phone.put(SIDECAR, sidecar.as_bytes());
        phone.fetch(&["get", "--all-new", "--as", "a"]);
        assert_eq!(read(&folder.join(SIDECAR)), sidecar.as_bytes());
    }
    phone.put(SIDECAR, format!(r#"{{"id":"2",{start}}}"#).as_bytes());
    let line = phone.fetch(&["get", "--all-new", "--as", "a"]);
    assert!(
        line.contains("101500-2.json (") && line.contains("has other content and was kept"),
        "{line}"
    );
    assert_eq!(names(&folder).len(), 2);
}

#[test]
fn a_checksum_is_compared_after_the_transfer() {
    let phone = Offering::new("");
    let audio = noise(1, 5000);
    phone.put(NAME, &audio);
    let sum = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let sidecar = |sum: &str| format!(r#"{{"sha256":"{sum}"}}"#);
    phone.put(SIDECAR, sidecar(&sum(&audio[76..])).as_bytes());
    let lines = phone.fetch(&["get", "--json", FILE]);
    assert!(lines.contains(r#""verified":true"#), "{lines}");
    let folder = phone.folder();
    fs::rename(folder.join(NAME), folder.join("away")).unwrap();
    fs::create_dir_all(folder.join(DAY)).unwrap();
    fs::rename(folder.join("away"), folder.join(FILE)).unwrap();
    // The same file at another time is found by its checksum, and not transferred.
    put_at(&phone, NAME, &audio, 0);
    let lines = phone.fetch(&["--all-new", "get", "--json", FILE]);
    assert!(
        lines.contains(r#""outcome":"kept""#) && !lines.contains("verified"),
        "{lines}"
    );
    phone.put(SIDECAR, sidecar(&sum(&audio)).as_bytes());
    let words = phone.fail(1, &["get", "--as", "b", FILE]);
    assert!(
        words.contains("the file on the phone is damaged"),
        "{words}"
    );
    assert_eq!(read(&phone.to().join("b").join(NAME)), audio);
}

#[test]
fn a_folder_that_cannot_be_written_is_one_error() {
    let phone = Offering::new("");
    for day in 1..6 {
        phone.put(&format!("Record_2026010{day}_101500.wav"), b"x");
    }
    for to in ["/proc/nix", "/dev/null"] {
        let output = attempt(&phone, Path::new(to), &[]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(
            words.contains(&format!("nothing can be written to {to}")),
            "{words}"
        );
    }
}

#[test]
fn a_recording_of_the_daemon_is_verified() {
    let phone = Offering::new("deviceMac = 0015651a2b3c");
    let start = phone.phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 1);
    talker.wait(50);
    talker.end();
    phone.phone.stop(&start.id());
    let sidecar = phone
        .phone
        .stick()
        .join(start.value("file").replace(".wav", ".json"));
    wait_for("its checksum", || {
        fs::read_to_string(&sidecar).is_ok_and(|text| text.contains("sha256"))
    });
    let lines = phone.fetch(&["get", "--all-new", "--json"]);
    assert!(lines.contains(r#""verified":true"#), "{lines}");
    // The folder is that of the sidecar's device.
    assert!(phone.to().join("0015651a2b3c/Recorder").is_dir());
}
