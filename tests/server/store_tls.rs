//! Uploads over TLS to a store whose certificate is issued by an authority of one's own.
#![cfg(all(feature = "s3", not(target_arch = "arm")))] // it runs on PCs

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::fake_store::{FakeStore, Reply};
use crate::common::server::Server;
use crate::common::{folder, run, stderr_of, wait_for};
use md5::{Digest, Md5};

/// An authority, and a certificate for 127.0.0.1 that it has issued.
const CERTIFICATES: &str = "
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=authority -days 30 \
    -keyout authority.key -out authority.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=stranger -days 30 \
    -keyout stranger.key -out stranger.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=store -keyout store.key -out store.csr
printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' >store.ext
openssl x509 -req -in store.csr -CA authority.pem -CAkey authority.key -days 30 -extfile store.ext -out store.pem
";

fn make_certificates(dir: &Path) {
    let output = Command::new("sh")
        .args(["-c", CERTIFICATES])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr_of(&output));
}

/// TLS in front of a store.
struct TlsRelay {
    child: Child,
    port: u16,
}

impl TlsRelay {
    fn new(dir: &Path, store: &FakeStore) -> Self {
        let mut child = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls_relay.py"))
            .args([dir.join("store.pem"), dir.join("store.key")])
            .arg(store.address.port().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for TlsRelay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(relay: &TlsRelay, authority: Option<&Path>) -> Server {
    let authority = authority.map(|path| path.display().to_string());
    let mut options = vec!["--store", "s3://calls"];
    options.extend(authority.iter().flat_map(|path| ["--store-ca", path]));
    let mut server = Server::prepared(&options);
    for (name, value) in [
        (
            "AWS_ENDPOINT_URL",
            format!("https://127.0.0.1:{}", relay.port),
        ),
        ("AWS_ACCESS_KEY_ID", "k".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "s".to_owned()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ] {
        server.environment.push((name.to_owned(), value));
    }
    let device = server.dir.join("recordings/a");
    fs::create_dir_all(&device).unwrap();
    fs::write(device.join("Record_20260101_000000_1.wav"), "audio").unwrap();
    fs::write(device.join("Record_20260101_000000_1.json"), "{}").unwrap();
    server.start();
    server
}

#[test]
#[ignore = "needs the packages openssl and python3: scripts/test installs them"]
fn only_a_store_of_the_named_authority_gets_recordings() {
    let (dir, _) = folder();
    make_certificates(&dir);
    let store = FakeStore::new(|request| {
        let md5: String = Md5::digest(&request.body)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Reply::Head(format!(
            "200 OK\r\nETag: \"{md5}\"\r\nContent-Length: 0\r\n"
        ))
    });
    let relay = TlsRelay::new(&dir, &store);
    for authority in [None, Some(dir.join("stranger.pem"))] {
        let server = server(&relay, authority.as_deref());
        wait_for("a failure", || server.log().contains("tried again in"));
        assert_eq!(server.files("a").len(), 2, "{authority:?}");
        assert!(store.asked("PUT").is_empty(), "{authority:?}");
    }
    let server = server(&relay, Some(&dir.join("authority.pem")));
    wait_for("the upload", || server.files("a").is_empty());
    assert_eq!(store.asked("PUT").len(), 2);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_file_without_certificates_is_a_mistake_in_the_configuration() {
    let (dir, _) = folder();
    let file = dir.join("ca.pem");
    let path = file.display().to_string();
    let program = env!("CARGO_BIN_EXE_callrec-server");
    let record = |words: &[&str]| {
        let all = [&["record", "--store-ca", &path], words].concat();
        let output = crate::common::command(program)
            .args(all)
            .env("AWS_ACCESS_KEY_ID", "k")
            .env("AWS_SECRET_ACCESS_KEY", "s")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr_of(&output));
        stderr_of(&output)
    };
    let store = ["--store", "s3://calls"];
    assert!(record(&store).contains(&format!("--store-ca {path}: No such file")));
    fs::write(&file, "text").unwrap();
    assert!(record(&store).contains(&format!("--store-ca {path}: has no certificate")));
    assert!(record(&[]).contains("--store-ca needs --store"));
    assert!(run(program, &["record", "--help"]).status.success());
    fs::remove_dir_all(dir).unwrap();
}
