//! The phone and the box with TLS (Cargo feature `tls`): through the shipped nginx configuration,
//! and with servers that are not who they should be.
#![cfg(all(feature = "tls", feature = "cloud-server"))]
#![cfg(all(feature = "archive", feature = "box-cloud"))]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::box_cloud::{answered_by_a_phone, Site as Home};
use crate::common::engine::Engine;
use crate::common::made::Folder;
use crate::common::{wait_for, wait_long_for, Phone};
use crate::harness::certificates::{self_signed, Authority, Files, Valid};
use crate::harness::nginx::{free_address, nginx, Ends, Site};
use crate::harness::phone::{converse, held, Conversation, Servers, A, B};
use crate::harness::{secret, token};

const RELAY: &str = "transport = relay\n";

/// What is before both servers.
struct Front {
    folder: Folder,
    listens: [String; 2],
    nginx: Option<Ends>,
}

impl Front {
    /// nginx does not run yet.
    fn new() -> Self {
        Self {
            folder: Folder::new(),
            listens: [free_address(), free_address()],
            nginx: None,
        }
    }

    /// The servers behind it.
    fn servers(&self) -> Servers {
        let public = self.listens[0].replace("127.0.0.1", "localhost");
        Servers::with(&format!("public = {public}\n"), RELAY)
    }

    /// Starts nginx, or starts it anew with another certificate.
    fn serve(&mut self, servers: &Servers, files: &Files) {
        self.nginx = None;
        let servers = [&servers.cloud, &servers.calls].map(|server| server.address.to_string());
        let site = Site {
            listens: [&self.listens[0], &self.listens[1]],
            servers: [&servers[0], &servers[1]],
            certificate: &files.certificate,
            key: &files.key,
        };
        self.nginx = Some(nginx(&self.folder, &site));
    }

    fn urls(&self) -> [String; 2] {
        let named = |listen: &String| listen.replace("127.0.0.1", "https://localhost");
        [named(&self.listens[0]), named(&self.listens[1])]
    }

    fn prepared(&self, cid: u32, ca: &str) -> Phone {
        prepared(&self.urls(), cid, ca)
    }
}

/// A phone that does not run yet.
fn prepared([cloud, calls]: &[String; 2], cid: u32, ca: &str) -> Phone {
    let phone = Phone::prepared("");
    let token_file = phone.path("cloud.token");
    secret(&token_file, &token(cid));
    phone.reconfigure(&format!(
        "cloudServer = {cloud}\ncloudCalls = {calls}\ncloudCid = {cid}\ncloudCa = {ca}\n\
         cloudTokenFile = {}\nintercomState = {}\n",
        token_file.display(),
        phone.path("state").display()
    ));
    phone
}

fn has_no_secret(log: &str, cid: u32) {
    let token = token(cid);
    let digest = token.rsplit('_').next().unwrap();
    assert!(!log.contains(digest), "a secret is in the log: {log}");
}

#[test]
#[ignore = "needs nginx-light"]
fn two_phones_talk_over_tls_and_both_record_what_was_said() {
    let mut front = Front::new();
    let servers = front.servers();
    let authority = Authority::new();
    let ca = authority.file(&front.folder);
    let files = authority.sign(&front.folder, "localhost", Valid::Now);
    front.serve(&servers, &files);
    let [mut a, mut b] = [A, B].map(|cid| servers.started(front.prepared(cid, &ca)));
    let engines = [Engine::new(), Engine::new()];
    let rtp = |engine: &Engine| format!("&rtp={}&codec=PCMU", engine.address());
    let called = a.call(B, &rtp(&engines[0]));
    // The push comes through the channel.
    let sid = b.until("incoming").value("sid");
    a.until("ringing");
    let accepted = b.ask(&format!(
        "cmd=CallAcceptRequest&sid={sid}{}",
        rtp(&engines[1])
    ));
    for phone in [&mut a, &mut b] {
        let talking = phone.until("talking");
        let url = talking.value("play_audio");
        assert!(url.starts_with("https://localhost:"), "{url}");
    }
    let Conversation { said, heard } = converse(&engines, [&called, &accepted]);
    assert!(heard[1].holds_most(&said[0]) && heard[0].holds_most(&said[1]));
    a.act("CallEndRequest", &sid);
    for phone in [&mut a, &mut b] {
        let ended = phone.until("ended");
        assert_eq!(ended.value("reason"), "hangup");
        let (path, recording) = phone.recording(&ended);
        for said in &said {
            let (audio, said) = (recording.audio(), said.concat());
            assert_eq!(held(&audio, &said), said.len(), "{}", path.display());
        }
        let log = phone.phone.log();
        has_no_secret(&log, phone.cid);
        assert!(!log.contains("no TLS with"), "{log}");
    }
}

#[test]
#[ignore = "needs nginx-light"]
fn a_door_rings_the_owners_over_tls() {
    let mut front = Front::new();
    // The phones of this home speak to the cloud in the clear.
    let servers = Servers::new(RELAY);
    let authority = Authority::new();
    let ca = authority.file(&front.folder);
    let files = authority.sign(&front.folder, "localhost", Valid::Now);
    front.serve(&servers, &files);
    let home = Home::through(servers, &front.urls(), &format!("cloudCa = {ca}\n"));
    answered_by_a_phone(home);
}

/// What is wrong with a server, and what the phone says of it.
type Wrong = (fn(&Authority, &Folder) -> Files, &'static str);

#[test]
#[ignore = "needs nginx-light"]
fn who_cannot_prove_its_name_gets_no_token() {
    let wrongs: [Wrong; 5] = [
        (
            |authority, folder| authority.sign(folder, "cloud.example.org", Valid::Now),
            "its certificate is for other names (cloud.example.org): ",
        ),
        (
            |_, folder| Authority::new().sign(folder, "localhost", Valid::Now),
            "its certificate is signed by nobody who is believed here",
        ),
        (
            |_, folder| self_signed(folder, "localhost", true, Valid::Now),
            "its certificate is signed by nobody who is believed here",
        ),
        (
            |authority, folder| authority.sign(folder, "localhost", Valid::Until2020),
            "its certificate has expired on 2020-01-01, and the clock of this device says 20",
        ),
        (
            |authority, folder| authority.sign(folder, "localhost", Valid::From2090),
            "its certificate is valid from 2090-01-01 on",
        ),
    ];
    for (wrong, expected) in wrongs {
        let mut front = Front::new();
        let servers = front.servers();
        let authority = Authority::new();
        let ca = authority.file(&front.folder);
        let files = wrong(&authority, &front.folder);
        front.serve(&servers, &files);
        let mut phone = front.prepared(A, &ca);
        phone.start();
        let server = front.urls()[0].replace("https://", "");
        let told = format!("cloud: no TLS with {server}: {expected}");
        wait_for(expected, || phone.log().contains(&told));
        let mut events = phone.control();
        events.ask("cmd=SubscribeRequest");
        events.until("CloudEvent", "lost");
        assert_eq!(servers.cloud.state(A), 0, "it was told a token");
        // The server is put right, and the phone goes on.
        let files = authority.sign(&front.folder, "localhost", Valid::Now);
        front.serve(&servers, &files);
        events.until("CloudEvent", "online");
        let log = phone.log();
        assert_eq!(log.matches(&told).count(), 1, "told once: {log}");
        has_no_secret(&log, A);
    }
}

#[test]
#[ignore = "needs nginx-light"]
fn a_certificate_of_the_keepers_own_is_believed_for_its_name() {
    for as_authority in [false, true] {
        let mut front = Front::new();
        let servers = front.servers();
        let files = self_signed(&front.folder, "localhost", as_authority, Valid::Now);
        front.serve(&servers, &files);
        let own = files.certificate.clone();
        drop(servers.started(front.prepared(A, &own)));
        for (name, valid, expected) in [
            ("localhost", Valid::Until2020, "has expired"),
            ("other.example", Valid::Now, "is for other names"),
        ] {
            let files = self_signed(&front.folder, name, as_authority, valid);
            front.serve(&servers, &files);
            let mut phone = front.prepared(A, &files.certificate);
            phone.start();
            wait_for(expected, || phone.log().contains(expected));
        }
    }
}

/// A server of one connection after the other, which is given to `serve`.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> [String; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    [(); 2].map(|()| format!("https://localhost:{port}"))
}

/// A phone whose cloud and application server are there.
fn phone_at(urls: &[String; 2]) -> Phone {
    let mut phone = prepared(urls, A, "auto");
    phone.start();
    phone
}

fn goes_on(phone: &Phone) {
    assert_eq!(phone.stat("frames"), 0);
    has_no_secret(&phone.log(), A);
}

#[test]
fn a_server_without_tls_is_told() {
    let servers = Servers::new(RELAY);
    let url = format!("https://{}", servers.cloud.address);
    let phone = phone_at(&[url.clone(), url]);
    wait_for("the log", || phone.log().contains("it answers without TLS"));
    goes_on(&phone);
    let urls = server(drop);
    let phone = phone_at(&urls);
    wait_for("the log", || {
        phone
            .log()
            .contains("it has closed the connection in the handshake")
    });
    goes_on(&phone);
}

#[test]
fn a_server_that_stops_in_the_handshake_is_left_and_asked_again() {
    let (send, come) = std::sync::mpsc::channel();
    let urls = server(move |mut stream| {
        let mut hello = [0; 16];
        let _ = stream.read(&mut hello);
        // The head of a record of the handshake, and a part of it.
        let _ = stream.write_all(&[0x16, 3, 3, 0, 0x7A, 2, 0, 0, 0x76]);
        let _ = send.send((hello, stream));
    });
    let phone = phone_at(&urls);
    let (hello, _stream) = come.recv().unwrap();
    assert_eq!(hello[0], 0x16, "{hello:?}");
    goes_on(&phone);
    wait_long_for("the log", || {
        phone
            .log()
            .contains("it does not finish the handshake in time")
    });
    let (again, _) = come.recv().unwrap();
    assert_eq!(again[0], 0x16, "it is asked again: {again:?}");
    goes_on(&phone);
}

#[test]
fn a_file_of_authorities_that_is_missing_stops_no_recorder() {
    let urls = server(drop);
    let mut phone = prepared(&urls, A, "/nowhere/ca.pem");
    phone.start();
    wait_for("the log", || {
        phone.log().contains("cloudCa /nowhere/ca.pem: ")
    });
    goes_on(&phone);
}
