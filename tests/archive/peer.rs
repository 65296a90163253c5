//! Several recording hosts: calls that run on one are listed and heard through the archive of another, and
//! are one and the same recording once they are in the bucket. Who may hear them; requests of no peer.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::common::archive::{archive_command, begin, read_head, recordings, send, unchunked};
use crate::common::archive::{Archive, Reply};
use crate::common::server::{RecordingPhone, Server};
use crate::common::{folder, stderr_of, wait_for};
use hmac::{Hmac, Mac};
use serde_json::{json, Value};
use sha2::Sha256;

pub(crate) const KEY: &str = "a key of peers, which has 32 bytes";
const LIST: &str = "/peer/v1/running";

/// A file with the key.
pub(crate) fn key_file(dir: &Path) -> PathBuf {
    let path = dir.join("peer.key");
    fs::write(&path, format!("{KEY}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The archive of a host that serves its running calls alone.
pub(crate) fn recording_host(server: &Server, more: &[&str]) -> Archive {
    let key = key_file(&server.dir);
    let options = ["--runningOnly", "1", "--hostName", "rec-a", "--peerKeyFile"];
    let options = [&options[..], &[key.to_str().unwrap()], more].concat();
    Archive::new(&recordings(server), &options)
}

/// An archive that asks these peers; its folder is its own.
pub(crate) fn asking(peers: &[String], more: &[&str]) -> (PathBuf, Archive) {
    let (home, _) = folder();
    let dir = home.join("recordings");
    fs::create_dir(&dir).unwrap();
    let archive = asking_over(&dir, peers, more, vec![]);
    (home, archive)
}

fn asking_over(
    dir: &Path,
    peers: &[String],
    more: &[&str],
    environment: Vec<(String, String)>,
) -> Archive {
    let key = key_file(dir.parent().unwrap());
    let mut options = vec![
        "--hostName",
        "arch-b",
        "--peerKeyFile",
        key.to_str().unwrap(),
    ];
    for peer in peers {
        options.extend(["--peer", peer]);
    }
    options.extend(more);
    Archive::with(dir, &options, environment)
}

pub(crate) fn url(archive: &Archive) -> String {
    format!("http://{}", archive.address())
}

pub(crate) fn id_of(recording: &Value) -> String {
    recording["id"].as_str().unwrap().to_owned()
}

pub(crate) fn audio(archive: &Archive, token: &str, id: &str, range: &str) -> Reply {
    let request = format!("GET /api/v1/recordings/{id}/audio");
    let range = format!("Range: {range}");
    archive.ask(token, &request, &[&range], b"")
}

/// All that can be heard from a place on, once there is some.
fn to_the_edge(archive: &Archive, token: &str, id: &str, from: usize) -> Reply {
    let mut reply = audio(archive, token, id, &format!("bytes={from}-"));
    wait_for("more sound", || {
        reply = audio(archive, token, id, &format!("bytes={from}-"));
        reply.status == 206 && reply.body.len() > 44
    });
    reply
}

/// Listens on a thread of its own: the bytes, and whether the answer came to its end.
fn listen(archive: &Archive, token: &str, id: &str) -> std::thread::JoinHandle<(Vec<u8>, bool)> {
    let bearer = format!("Authorization: Bearer {token}");
    let request = format!("GET /api/v1/recordings/{id}/audio");
    let mut whole = begin(archive.address(), &request, &[&bearer], b"");
    assert_eq!(read_head(&mut whole).0, 200);
    std::thread::spawn(move || {
        let mut bytes = vec![];
        let _ = whole.read_to_end(&mut bytes);
        (unchunked(&bytes), bytes.ends_with(b"\r\n0\r\n\r\n"))
    })
}

/// The samples that a phone's packets have.
fn samples_of(phone: &RecordingPhone) -> Vec<u8> {
    let law = callrec::wire::g711::Law::Mu;
    let codes = phone.payloads().concat();
    let samples = codes.iter().map(|code| law.decode_one(*code).to_le_bytes());
    samples.flatten().collect()
}

#[cfg(all(feature = "s3", not(target_arch = "arm")))]
#[test]
#[ignore = "needs moto_server"]
fn a_call_of_another_host_is_heard_while_it_runs_and_is_the_same_in_the_bucket() {
    const STORE: [&str; 2] = ["--store", "s3://calls/pbx"];
    let mut storage = crate::common::storage::Storage::prepared();
    storage.start();
    let [server, other] = [(), ()].map(|()| {
        let mut server = Server::prepared(&STORE);
        server.environment.extend(storage.environment());
        server.start();
        server
    });
    let host = recording_host(&server, &[]);
    let environment = storage.environment();
    let archive = asking_over(&recordings(&other), &[url(&host)], &STORE, environment);
    let token = archive.token("test", "supervisor", &[]);
    let mut phone = server.phone("17", "&device=d1&remote_number=4930123&dir=in");
    let mut own = other.phone("18", "&device=d2");
    phone.send(50, true);
    own.send(10, false);
    let running = archive.wait_for(&token, "state=running", 2);
    let of = |device: &str| running.iter().find(|one| one["folder"] == device).unwrap();
    let (call, of_here) = (of("d1"), of("d2"));
    let facts = |call: &Value| (call["host"].clone(), call["place"].clone());
    assert_eq!(facts(call), (json!("rec-a"), json!("peer")));
    assert_eq!(facts(of_here), (json!("arch-b"), json!("local")));
    assert_eq!(call["remote_number"], "4930123");
    let id = id_of(call);
    let first = audio(&archive, &token, &id, "bytes=0-1");
    assert_eq!((first.status, &first.body[..]), (206, &b"RI"[..]));
    assert_eq!(first.header("content-range"), "bytes 0-1/*");
    let listener = listen(&archive, &token, &id);
    // At the edge the answer waits for more; what was heard can be heard again.
    let edge = to_the_edge(&archive, &token, &id, 0).body.len();
    let next = std::thread::scope(|scope| {
        let ask = || audio(&archive, &token, &id, &format!("bytes={edge}-"));
        let asked = scope.spawn(ask);
        phone.send(150, true);
        asked.join().unwrap()
    });
    assert_eq!(next.status, 206, "{}", next.text());
    let range = next.header("content-range");
    assert!(range.starts_with(&format!("bytes {edge}-")), "{range}");
    let expected = samples_of(&phone);
    let again = audio(&archive, &token, &id, "bytes=1044-2043");
    assert!(again.status == 206 && again.body == expected[1000..2000]);
    let path = |what: &str| format!("/api/v1/recordings/{id}/{what}");
    let picture = archive.get(&token, &path("waveform.svg"));
    assert!(picture.status == 200 && picture.text().contains("<svg"));
    let peaks = archive.get(&token, &path("peaks?points=10"));
    assert_eq!(peaks.json()["points"], 10);
    wait_for("its length", || {
        let call = archive.get(&token, path("").trim_end_matches('/')).json();
        call["duration_ms"].as_i64().unwrap() > 2000
    });
    phone.stop();
    // From the host's disk to the bucket it is never two, and never none.
    wait_for("the upload", || {
        let listed = archive.list(&token, "device=d1");
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(id_of(&listed[0]), id);
        listed[0]["place"] == "bucket"
    });
    let (heard, is_whole) = listener.join().unwrap();
    let finished = archive.get(&token, &path("audio"));
    assert_eq!(finished.status, 200);
    assert!(is_whole && heard[44..] == finished.body[44..]);
    assert!(heard[44..] == expected, "sample for sample");
    let ended = archive.list(&token, "device=d1").remove(0);
    assert_eq!(ended["state"], "finished");
    assert_eq!(ended.get("host"), None);
    assert!(server.files("d1").is_empty(), "it is in the bucket alone");
    own.stop();
}

/// A host that only serves its running calls has no pages, whoever asks.
fn shows_nothing(host: &Archive, token: &str) {
    for path in [
        "/",
        "/login",
        "/first",
        "/api/v1/recordings",
        "/static/style.css",
    ] {
        assert_eq!(host.get(token, path).status, 404, "{path}");
    }
    assert!(!host.dir.join(".archive/first-link").exists());
}

#[test]
fn rights_are_judged_where_somebody_asks_and_without_a_bucket_a_call_goes_at_its_end() {
    let server = Server::new(&[]);
    let host = recording_host(&server, &[]);
    let tenants = ["--tenant", "acme d1,d2", "--tenant", "other e*"];
    let (home, archive) = asking(&[url(&host)], &tenants);
    let mut phones =
        ["d1", "d2", "e1"].map(|device| server.phone(device, &format!("&device={device}")));
    phones.iter_mut().for_each(|phone| phone.send(100, false));
    let all = archive.token("all", "admin", &[]);
    let found = archive.wait_for(&all, "state=running", 3);
    for (name, role, more, sees) in [
        (
            "d1",
            "agent",
            &["--tenant", "acme", "--devices", "d1"][..],
            &["d1"][..],
        ),
        ("acme", "supervisor", &["--tenant", "acme"], &["d1", "d2"]),
        ("other", "admin", &["--tenant", "other"], &["e1"]),
        (
            "nobody",
            "admin",
            &["--tenant", "acme", "--devices", "x"],
            &[],
        ),
    ] {
        let token = archive.token(name, role, more);
        assert_eq!(archive.list(&token, "state=running").len(), sees.len());
        for call in &found {
            let status = match sees.iter().any(|device| call["folder"] == *device) {
                true => 200,
                false => 404,
            };
            for what in ["", "/waveform.svg", "/peaks", "/audio?format=original"] {
                let path = format!("/api/v1/recordings/{}{what}", id_of(call));
                let reply = archive.get(&token, &path);
                assert_eq!(reply.status, status, "{name} {path}: {}", reply.text());
            }
            let range = audio(&archive, &token, &id_of(call), "bytes=0-3");
            assert_eq!(range.status, if status == 200 { 206 } else { 404 });
        }
    }
    assert_eq!(archive.get("", "/api/v1/recordings").status, 401);
    shows_nothing(&host, &all);
    let of_d1 = found.iter().find(|call| call["folder"] == "d1").unwrap();
    let listener = listen(&archive, &all, &id_of(of_d1));
    phones.iter_mut().for_each(|phone| drop(phone.stop()));
    archive.wait_for(&all, "", 0);
    // Whoever was listening has heard its end.
    let (heard, is_whole) = listener.join().unwrap();
    assert!(is_whole && heard[44..].starts_with(&samples_of(&phones[0])));
    let is_listen = |line: &Value| line["what"] == "listen" && line["who"] == "token:d1";
    assert!(archive.audit_lines().iter().any(is_listen));
    drop(archive);
    fs::remove_dir_all(home).unwrap();
}

/// The header of a request by the letter of the protocol.
fn signed(key: &str, path: &str, age: i64, nonce: u32) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let time = since.unwrap().as_secs() as i64 - age;
    let nonce = format!("{nonce:032x}");
    let text = format!("callrec peer 1 request\nGET\n{path}\n{time}\n{nonce}\n");
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let mac = mac.finalize().into_bytes();
    let mac: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("Authorization: Callrec-Peer {time} {nonce} {mac}")
}

#[test]
fn requests_that_no_peer_makes_get_nothing() {
    let server = Server::new(&[]);
    let host = recording_host(&server, &[]);
    let mut phone = server.phone("17", "&device=d1");
    phone.send(100, false);
    let ask = |request: &str, header: &str| send(host.address(), request, &[header], b"");
    let mut nonce = 0;
    let mut get = |path: &str| {
        nonce += 1;
        ask(&format!("GET {path}"), &signed(KEY, path, 0, nonce))
    };
    let mut listed = get(LIST);
    wait_for("the call", || {
        listed = get(LIST);
        listed.json()["calls"].as_array().unwrap().len() == 1
    });
    let call = listed.json()["calls"][0].clone();
    let stem = call["stem"].as_str().unwrap();
    let piece = get(&format!("/peer/v1/audio?folder=d1&stem={stem}&from=0"));
    assert!(piece.status == 200 && piece.text().starts_with("{\"edge\":"));
    // Names only find what is recorded now.
    for query in [
        format!("folder=..%2Frecordings%2Fd1&stem={stem}&from=0"),
        "folder=d1&stem=..%2F..%2F..%2Fetc%2Fpasswd&from=0".into(),
        "folder=.archive&stem=accounts&from=0".into(),
        format!("folder=d2&stem={stem}&from=0"),
    ] {
        assert_eq!(
            get(&format!("/peer/v1/audio?{query}")).status,
            404,
            "{query}"
        );
    }
    let beyond = get(&format!(
        "/peer/v1/audio?folder=d1&stem={stem}&from={}",
        u64::MAX
    ));
    assert_eq!(beyond.status, 200);
    for query in ["", "folder=d1&from=0", "folder=d1&stem=x&from=-1"] {
        assert_eq!(
            get(&format!("/peer/v1/audio?{query}")).status,
            400,
            "{query}"
        );
    }
    let list = format!("GET {LIST}");
    let once = signed(KEY, LIST, 0, 1_000_000);
    assert_eq!(ask(&list, &once).status, 200);
    let admin = format!("Authorization: Bearer {}", host.token("a", "admin", &[]));
    let other_key = "another key, which has 32 bytes too";
    for (what, header) in [
        ("a second time", once),
        ("another key", signed(other_key, LIST, 0, 1_000_001)),
        ("too old", signed(KEY, LIST, 90, 1_000_002)),
        ("from the future", signed(KEY, LIST, -90, 1_000_003)),
        (
            "for another path",
            signed(KEY, "/peer/v1/audio", 0, 1_000_004),
        ),
        ("an administrator", admin),
        ("nobody", "Accept: */*".into()),
    ] {
        let reply = ask(&list, &header);
        assert_eq!(reply.status, 403, "{what}");
        assert!(!reply.text().contains("d1"), "{what}");
    }
    let post = ask(&format!("POST {LIST}"), &signed(KEY, LIST, 0, 1_000_005));
    assert_eq!(post.status, 403);
    let log = host.log();
    for words in [
        "answered before",
        "another key",
        "older than 60 s",
        "not signed",
    ] {
        assert_eq!(log.matches(words).count(), 1, "{words}: {log}");
    }
    // An archive without a key has no such routes.
    let (home, archive) = asking(&[], &[]);
    drop(archive);
    let archive = Archive::new(&home.join("recordings"), &[]);
    let reply = send(archive.address(), &list, &[&signed(KEY, LIST, 0, 1)], b"");
    assert_eq!(reply.status, 404);
    drop(archive);
    fs::remove_dir_all(home).unwrap();
    phone.stop();
}

#[test]
fn settings_that_would_let_others_listen_are_refused_before_anything_is_opened() {
    let (dir, _) = folder();
    let key = key_file(&dir);
    let [open, short] = ["open.key", "short.key"].map(|name| dir.join(name));
    fs::write(&open, KEY).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&short, "too short\n").unwrap();
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600)).unwrap();
    let [key, open, short] = [&key, &open, &short].map(|path| path.to_str().unwrap());
    let peer = "https://10.0.0.2:8090";
    for (options, words) in [
        (&["--peer", peer][..], "peerKeyFile"),
        (&["--runningOnly", "1"], "peerKeyFile"),
        (&["--peer", peer, "--peerKeyFile", open], "chmod 600"),
        (&["--peer", peer, "--peerKeyFile", short], "32"),
        (&["--peerKeyFile", "/nowhere"], "/nowhere"),
        (
            &["--peer", "http://10.0.0.2:80", "--peerKeyFile", key],
            "https://",
        ),
        (
            &["--peer", "10.0.0.2:80", "--peerKeyFile", key],
            "https://HOST:PORT",
        ),
        (&["--runningOnly", "2"], "runningOnly"),
    ] {
        let home = dir.join("recordings");
        let output = archive_command(&home, &[options, &["--listen", "127.0.0.1:0"]].concat());
        let text = stderr_of(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {text}");
        assert!(text.contains(words), "{options:?}: {text}");
        assert!(!home.exists());
    }
    fs::remove_dir_all(dir).unwrap();
}
