//! Peers that are away, hang, send what they should not, or have no certificate that is trusted: calls of
//! others are listed and heard meanwhile, and what cannot be heard says so.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::peer::{asking, audio, id_of, recording_host, url};
use crate::common::archive::{begin, read_head, Archive};
use crate::common::server::Server;
use crate::common::wait_for;
use serde_json::json;

/// What a relay does with its connections.
#[derive(Clone, Copy)]
enum Mode {
    /// It passes them on.
    To(SocketAddr),
    /// It takes what comes, and says nothing.
    Hang,
    /// It says so many bytes as an answer.
    Say(&'static str, usize),
}

/// A port in front of a peer.
struct Relay {
    url: String,
    mode: Arc<Mutex<Mode>>,
}

impl Relay {
    fn new(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mode = Arc::new(Mutex::new(mode));
        let of_thread = mode.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mode = *of_thread.lock().unwrap();
                std::thread::spawn(move || serve(client, mode));
            }
        });
        Self { url, mode }
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }
}

/// One connection: each has one request, so that a new mode counts at once.
fn serve(mut client: TcpStream, mode: Mode) {
    let mut request = vec![0; 16 * 1024];
    let read = client.read(&mut request).unwrap_or(0);
    match mode {
        Mode::To(to) => {
            let Ok(mut server) = TcpStream::connect(to) else {
                return;
            };
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            let once = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            let _ = server.write_all(once.as_bytes());
            let _ = std::io::copy(&mut server, &mut client);
        }
        Mode::Hang => {
            // Until the other side has had enough.
            let _ = client.read(&mut request);
        }
        Mode::Say(head, bytes) => {
            let _ = client.write_all(head.as_bytes());
            let piece = vec![b'x'; 64 * 1024];
            for _ in 0..bytes.div_ceil(piece.len()) {
                if client.write_all(&piece).is_err() {
                    return;
                }
            }
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

#[test]
fn peers_that_answer_wrongly_or_not_at_all_cost_the_others_nothing() {
    let server = Server::new(&[]);
    let host = recording_host(&server, &[]);
    let mut phone = server.phone("17", "&device=d1");
    phone.send(100, false);
    let gone = Relay::new(Mode::Hang)
        .url
        .replace("http://127.0.0.1", "http://127.0.0.2");
    let bad = [
        (Mode::Hang, "does not answer in 5 s"),
        (Mode::Say("garbage, and no HTTP\r\n\r\n", 0), "invalid HTTP"),
        (Mode::Say(OK, 10 << 20), "longer than 4 MiB"),
        (
            Mode::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0),
            "not signed with the key",
        ),
        (
            Mode::Say(
                "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
                0,
            ),
            "status 302",
        ),
    ];
    let relays = bad.map(|(mode, words)| (Relay::new(mode), words));
    let mut peers: Vec<String> = relays.iter().map(|(relay, _)| relay.url.clone()).collect();
    peers.extend([gone.clone(), url(&host)]);
    let (home, archive) = asking(&peers, &[]);
    let token = archive.token("test", "admin", &[]);
    let running = archive.wait_for(&token, "state=running", 1);
    let id = id_of(&running[0]);
    assert_eq!(audio(&archive, &token, &id, "bytes=0-1").status, 206);
    let failing = "callrec_archive_peers_failing 6\n";
    wait_for("the alarm", || archive.metrics().contains(failing));
    // Several more rounds: what the log has said once it does not say again.
    let seen = archive.log().matches("cannot be heard here").count();
    assert_eq!(seen, 6, "{}", archive.log());
    phone.send(100, true);
    phone.send(100, true);
    let log = archive.log();
    assert_eq!(log.matches("cannot be heard here").count(), 6, "{log}");
    for (relay, words) in &relays {
        let line = log.lines().find(|line| line.contains(&relay.url)).unwrap();
        assert!(line.contains(words), "{line}");
    }
    assert!(log.contains(&format!("peer {gone}: ")), "{log}");
    let page = archive.get(&token, "/settings").text();
    assert!(
        page.contains("rec-a") && page.contains("does not answer"),
        "{page}"
    );
    let list = archive.wait_for(&token, "state=running", 1);
    assert_eq!(
        (&list[0]["id"], &list[0]["place"]),
        (&json!(id), &json!("peer"))
    );
    phone.stop();
    drop(archive);
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_call_of_a_peer_that_is_away_says_so_and_is_heard_again_when_it_is_back() {
    let server = Server::new(&[]);
    let mut host = recording_host(&server, &[]);
    let relay = Relay::new(Mode::To(host.address()));
    let (home, archive) = asking(std::slice::from_ref(&relay.url), &[]);
    let token = archive.token("test", "admin", &[]);
    let mut phone = server.phone("17", "&device=d1");
    phone.send(100, true);
    let id = id_of(&archive.wait_for(&token, "state=running", 1)[0]);
    wait_for("some sound", || {
        audio(&archive, &token, &id, "bytes=44-").status == 206
    });
    let bearer = format!("Authorization: Bearer {token}");
    let path = format!("/api/v1/recordings/{id}");
    for mode in [Mode::Hang, Mode::Say(OK, 0)] {
        // Somebody listens; then the host goes.
        let request = format!("GET {path}/audio");
        let mut listener = begin(archive.address(), &request, &[&bearer], b"");
        assert_eq!(read_head(&mut listener).0, 200);
        if matches!(mode, Mode::Hang) {
            host.kill();
        }
        relay.set(mode);
        wait_for("the news", || {
            archive.get(&token, &path).json()["place"] == "away"
        });
        let call = archive.get(&token, &path).json();
        assert_eq!(
            (&call["state"], &call["host"]),
            (&json!("running"), &json!("rec-a"))
        );
        for what in ["audio", "audio?format=original", "waveform.svg", "peaks"] {
            let reply = archive.get(&token, &format!("{path}/{what}"));
            assert_eq!(
                (reply.status, &reply.json()["error"]),
                (503, &json!("away")),
                "{what}"
            );
            assert!(!reply.header("retry-after").is_empty());
        }
        let page = archive.get(&token, &format!("/call/{id}")).text();
        assert!(page.contains("its host does not answer"), "{page}");
        // Whoever has listened hears that it breaks off.
        let mut heard = vec![];
        let _ = listener.read_to_end(&mut heard);
        assert!(!heard.ends_with(b"\r\n0\r\n\r\n"));
        if matches!(mode, Mode::Hang) {
            host.start();
        }
        relay.set(Mode::To(host.address()));
        wait_for("its return", || {
            audio(&archive, &token, &id, "bytes=44-").status == 206
        });
        assert_eq!(archive.get(&token, &path).json()["place"], "peer");
    }
    assert!(archive.log().contains("answers again"));
    phone.stop();
    drop(archive);
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_peer_with_a_certificate_of_its_own_is_trusted_by_name_alone() {
    let server = Server::new(&[]);
    let host = recording_host(&server, &["--tlsSelfSigned", "1"]);
    let mut phone = server.phone("17", "&device=d1");
    phone.send(100, false);
    let peer = [format!("https://{}", host.address())];
    let certificate = host.dir.join(".archive/tls-cert.pem");
    let certificate = certificate.to_str().unwrap();
    let (home, archive) = asking(&peer, &["--peerCa", certificate]);
    let token = archive.token("test", "admin", &[]);
    let call = archive.wait_for(&token, "state=running", 1).remove(0);
    assert_eq!(
        audio(&archive, &token, &id_of(&call), "bytes=0-1").status,
        206
    );
    // Without its certificate it is a stranger, whatever key it has.
    let (other_home, other) = asking(&peer, &[]);
    let token = other.token("test", "admin", &[]);
    wait_for("the refusal", || {
        other.log().contains("cannot be heard here")
    });
    assert!(other.log().contains("certificate"), "{}", other.log());
    assert!(other.list(&token, "").is_empty());
    phone.stop();
    drop((archive, other));
    for home in [home, other_home] {
        fs::remove_dir_all(home).unwrap();
    }
}

#[test]
fn an_archive_that_is_its_own_peer_finds_out() {
    let server = Server::new(&[]);
    let key = super::peer::key_file(&server.dir);
    let relay = Relay::new(Mode::Hang);
    let options = ["--peer", &relay.url, "--peerKeyFile", key.to_str().unwrap()];
    let archive = Archive::new(&recordings_of(&server), &options);
    relay.set(Mode::To(archive.address()));
    let token = archive.token("test", "admin", &[]);
    let mut phone = server.phone("17", "&device=d1");
    phone.send(100, false);
    wait_for("the page", || {
        archive
            .get(&token, "/settings")
            .text()
            .contains("this host")
    });
    let running = archive.wait_for(&token, "state=running", 1);
    assert_eq!(running[0]["place"], "local");
    phone.stop();
    archive.wait_for(&token, "state=finished", 1);
}

fn recordings_of(server: &Server) -> std::path::PathBuf {
    crate::common::archive::recordings(server)
}
