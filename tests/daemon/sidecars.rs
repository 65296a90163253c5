//! Sidecars: what they contain, when they are written, and that recordings do not depend on them.

use std::fs;

use crate::common::file::read;
use crate::common::{callrec, wait_for, Phone, Talker};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

fn checksum(phone: &Phone, name: &str) -> String {
    let digest = Sha256::digest(&fs::read(phone.stick().join(name)).unwrap()[76..]);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two datagrams that are not RTP, and one of a codec that is not recorded.
fn send_what_is_not_audio(port: u16) {
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let g729 = crate::common::rtp(18, 1, 160, 9, &[0; 20]);
    for datagram in [&b"no RTP"[..], &g729, b"nor this"] {
        stranger.send_to(datagram, ("127.0.0.1", port)).unwrap();
    }
}

/// The sidecar's start is the time in the recording's name; returns it.
fn assert_start<'a>(sidecar: &'a Value, name: &str) -> &'a str {
    let time = sidecar["start"].as_str().unwrap();
    let digits: String = time[..19].chars().filter(char::is_ascii_digit).collect();
    assert_eq!(
        format!("Record_{}_{}.wav", &digits[..8], &digits[8..]),
        name
    );
    time
}

#[test]
fn a_sidecar_has_the_call_the_pauses_and_the_checksum() {
    let mut phone = Phone::prepared("").somewhere("IST-5:30");
    phone.start();
    let start = phone
        .record("&legs=1&dir=in&remote_number=100&remote_name=Jos\u{e9} %26 \"Co\"&local_number=7");
    let begun = phone.sidecar(&start.value("file"), "}");
    assert_eq!(
        (&begun["remote_number"], &begun["end"]),
        (&json!("100"), &Value::Null)
    );
    // How long it will be, and what will be missing, is not known.
    for unknown in ["duration_ms", "frames", "pauses", "dropped", "heard"] {
        assert_eq!(begun[unknown], Value::Null, "{unknown}");
    }
    let talker = Talker::new(start.ports()[0], 7);
    send_what_is_not_audio(start.ports()[0]);
    talker.wait(20);
    assert!(phone
        .ask(&format!("cmd=RecordPauseRequest&id={}", start.id()))
        .success());
    talker.wait(40);
    assert!(phone
        .ask(&format!("cmd=RecordResumeRequest&id={}", start.id()))
        .success());
    talker.wait(60);
    drop(talker);
    let stop = phone.ask(&format!(
        "cmd=RecordStopRequest&id={}&local_name=Me&remote_number=200",
        start.id()
    ));
    let name = stop.value("files");
    let sidecar = phone.sidecar(&name, "sha256");
    let recording = read(&phone.stick().join(&name));
    let known = json!({
        "id": start.id(), "part": 1, "parts": 1, "file": name, "codec": "PCMU", "dir": "in", "remote_number": "200",
        "remote_name": "Jos\u{e9} & \"Co\"", "local_number": "7", "local_name": "Me", "clock_set": true,
        "frames": recording.frames.len(), "duration_ms": recording.frames.len() * 20, "end": "stopped",
        "sha256": checksum(&phone, &name), "pauses": sidecar["pauses"], "start": sidecar["start"],
        "dropped": {"not_rtp": 2, "unknown_payload": 1}, "device": sidecar["device"],
        "heard": "both", "heard_ms": sidecar["heard_ms"],
    });
    assert_eq!(sidecar, known);
    let heard = sidecar["heard_ms"]["1"].as_u64().unwrap();
    assert!((1180..2000).contains(&heard), "{sidecar}");
    assert_eq!(&assert_start(&sidecar, &name)[19..], "+05:30");
    let [at, length] = [0, 1].map(|n| sidecar["pauses"][0][n].as_u64().unwrap());
    assert!(
        (200..1000).contains(&at)
            && (200..1200).contains(&length)
            && sidecar["pauses"][1].is_null(),
        "{sidecar}"
    );
    let left: Vec<_> = fs::read_dir(phone.stick()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing else is left: {left:?}");
}

#[test]
fn verify_finds_a_single_wrong_bit() {
    let phone = Phone::new("");
    let names = [1, 2].map(|ssrc| {
        let start = phone.record("&legs=1");
        let talker = Talker::new(start.ports()[0], ssrc);
        talker.wait(120);
        drop(talker);
        phone.stop(&start.id()).value("files")
    });
    names
        .iter()
        .for_each(|name| drop(phone.sidecar(name, "sha256")));
    let verify = || callrec(&["verify", phone.stick().to_str().unwrap()]);
    let (whole, said) = (verify(), |output: Vec<u8>| {
        String::from_utf8(output).unwrap()
    });
    assert!(whole.status.success() && said(whole.stdout).matches(": ok\n").count() == 2);
    let path = phone.stick().join(&names[0]);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    for at in [76, 76 + 16 * 1024, last] {
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let damaged = verify();
        assert_eq!(damaged.status.code(), Some(1));
        let (out, err) = (said(damaged.stdout), said(damaged.stderr));
        assert!(
            err.contains(&format!("{}: damaged", names[0]))
                && out.contains(&format!("{}: ok", names[1])),
            "{err}"
        );
        bytes[at] ^= 1;
    }
    fs::write(&path, &bytes).unwrap();
    assert!(verify().status.success());
}

#[test]
fn names_of_callers_are_valid_json_whatever_they_contain() {
    let phone = Phone::new("");
    let names = [
        "\"},{\"sha256\":\"",
        "a%0A%0D%09%00%1B[2Jb",
        "\\\\u0022 \u{202e}\u{1F600}%26",
        "\u{fffd}",
    ];
    for (name, n) in names.iter().zip(1..) {
        let start = phone.record(&format!(
            "&legs=1&remote_name={name}&remote_number=+49%25{n}&local_name={name}"
        ));
        phone.stop(&start.id());
        let sidecar = phone.sidecar(&start.value("file"), "\"sha256\"");
        let name = name
            .replace("%0A%0D%09%00%1B", "\n\r\t\0\u{1b}")
            .replace("%26", "&");
        assert_eq!(
            (&sidecar["remote_name"], &sidecar["local_name"]),
            (&json!(name), &json!(name))
        );
        assert_eq!(sidecar["remote_number"], json!(format!("+49%{n}")));
        let listed = &phone.control().ask_lines("cmd=ListRequest")[0];
        assert_eq!(
            (listed.value("file"), listed.value("id")),
            (start.value("file"), start.id())
        );
        assert_eq!(listed.value("remote_number"), format!("+49%{n}"));
    }
    let listed = callrec(&["list", "--json", phone.stick().to_str().unwrap()]);
    let lines: Vec<Value> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), names.len());
    assert!(lines
        .iter()
        .all(|line| !line["remote_name"].is_null() && !line["duration_ms"].is_null()));
    let table =
        String::from_utf8(callrec(&["list", phone.stick().to_str().unwrap()]).stdout).unwrap();
    assert!(
        !table.contains(['\u{1b}', '\u{202e}']) && table.contains("+49%1"),
        "{table}"
    );
}

#[test]
fn recordings_that_end_at_once_all_get_their_sidecars() {
    let mut phone = Phone::new("maxRecordings = 12\nvoiceCodec = PCMA");
    let starts: Vec<_> = (0..12).map(|_| phone.record("&legs=1")).collect();
    let talker = Talker::new(starts[0].ports()[0], 1);
    talker.wait(20);
    let names: Vec<String> = starts.iter().map(|start| start.value("file")).collect();
    for start in &starts[..6] {
        phone.stop(&start.id());
    }
    for name in &names[..6] {
        assert_eq!(
            phone.sidecar(name, "sha256")["sha256"],
            json!(checksum(&phone, name))
        );
    }
    assert_eq!(phone.end(), Some(0));
    for name in &names[6..] {
        let sidecar = phone.sidecar(name, "\"end\"");
        assert_eq!(
            (&sidecar["end"], &sidecar["codec"]),
            (&json!("stopped"), &json!("PCMA"))
        );
        assert_eq!(
            sidecar["frames"],
            json!(read(&phone.stick().join(name)).frames.len())
        );
    }
}

#[test]
fn after_a_power_cut_there_is_what_was_known_at_the_beginning() {
    let mut phone = Phone::new("");
    let start = phone.record("&remote_name=Ann");
    let begun = phone.sidecar(&start.value("file"), "Ann");
    phone.kill();
    phone.start();
    assert_eq!(phone.sidecar(&start.value("file"), "Ann"), begun);
    assert_eq!(
        (&begun["end"], &begun["sha256"]),
        (&Value::Null, &Value::Null)
    );
    let listed = &phone.control().ask_lines("cmd=ListRequest")[0];
    assert_eq!(
        (listed.value("remote_name"), listed.value("id")),
        ("Ann".into(), start.id())
    );
}

#[test]
fn a_sidecar_that_cannot_be_written_harms_nothing() {
    let phone = Phone::new("");
    for _ in 0..2 {
        let start = phone.record("&legs=1");
        let name = start.value("file");
        phone.sidecar(&name, "}");
        let talker = Talker::new(start.ports()[0], 5);
        // A folder in its place makes every write fail.
        let path = phone.stick().join(&name).with_extension("json");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        talker.wait(30);
        let sent = talker.end();
        phone.stop(&start.id());
        read(&phone.stick().join(&name)).assert_holds(&sent.concat());
        assert!(path.is_dir());
    }
    wait_for("both to be counted", || phone.stat("sidecars_lost") == 2);
    assert_eq!(
        ["failed", "frames_lost", "bug"].map(|name| phone.stat(name)),
        [0, 0, 0]
    );
    let left = fs::read_dir(phone.stick()).unwrap().count();
    assert_eq!(left, 4, "no temporary file is left");
}

#[test]
fn a_recording_that_is_gone_gets_no_sidecar() {
    let phone = Phone::new("");
    let start = phone.record("");
    let name = start.value("file");
    phone.sidecar(&name, "}");
    fs::remove_file(phone.stick().join(&name)).unwrap();
    fs::remove_file(phone.stick().join(&name).with_extension("json")).unwrap();
    phone.stop(&start.id());
    wait_for("it to be counted", || phone.stat("sidecars_lost") == 1);
    assert_eq!(fs::read_dir(phone.stick()).unwrap().count(), 0);
}
