//! `callrec fetch`, `callrec-server rendezvous` and a phone of another vendor, which cannot prove
//! its identity.
#![cfg(all(feature = "server", feature = "tools"))]

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::common::{callrec, folder, wait_for, words_of, Phone};
use callrec::wire::rendezvous::cipher::Key;
use callrec::wire::rendezvous::{is_message, Class, Kind, Message, Writer};

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A rendezvous server that knows one phone.
struct Server {
    dir: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    fn new() -> Self {
        let ((dir, _), port) = (folder(), free_port());
        fs::write(dir.join("devices"), format!("phone1 = {KEY}\n")).unwrap();
        fs::write(dir.join("password"), "secret\n").unwrap();
        let mut words = words_of(env!("CARGO_BIN_EXE_callrec-server"));
        words.extend(["rendezvous", "--listen"].map(str::to_owned));
        words.extend([
            format!("127.0.0.1:{port}"),
            "--devices".into(),
            dir.join("devices").display().to_string(),
        ]);
        let child = Command::new(&words[0])
            .args(&words[1..])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { dir, port, child }
    }

    fn fetch(&self, options: &[&str]) -> Output {
        let (server, password) = (
            format!("127.0.0.1:{}", self.port),
            self.dir.join("password").display().to_string(),
        );
        let words = [
            "fetch",
            "--id",
            "phone1",
            "--server",
            &server,
            "--password-file",
            &password,
            "--timeout",
            "2",
        ];
        callrec(&[&words[..], options, &["ls"]].concat())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A phone of another vendor: it registers, answers FWD and PING, and keeps all other datagrams.
struct ForeignPhone {
    stop: Arc<AtomicBool>,
    registered: Arc<AtomicBool>,
    came: Arc<Mutex<Vec<Vec<u8>>>>,
    thread: Option<JoinHandle<()>>,
}

impl ForeignPhone {
    fn new(server: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let (stop, came) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(vec![])),
        );
        let registered = Arc::new(AtomicBool::new(false));
        let (stopped, kept, is_known) = (
            Arc::clone(&stop),
            Arc::clone(&came),
            Arc::clone(&registered),
        );
        let thread = std::thread::spawn(move || {
            let server = SocketAddr::from(([127, 0, 0, 1], server));
            let (mut buffer, mut mid) = ([0; 2048], 1);
            while !stopped.load(Ordering::Relaxed) {
                if !is_known.load(Ordering::Relaxed) {
                    mid += 1;
                    let _ = socket.send_to(&registration(mid), server);
                }
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let datagram = &buffer[..length];
                if !is_message(datagram) {
                    kept.lock().unwrap().push(datagram.to_vec());
                    continue;
                }
                let message = Message::parse(datagram).unwrap();
                match (message.class, message.kind) {
                    (Class::Response, Kind::Register) => is_known.store(true, Ordering::Relaxed),
                    (Class::Request, Kind::Forward) => {
                        let _ = socket.send_to(&answer(Kind::Forward, &message), from);
                    }
                    (Class::Request, Kind::Ping) => {
                        let _ = socket.send_to(&answer(Kind::Pong, &message), from);
                    }
                    _ => {}
                }
            }
        });
        let this = Self {
            stop,
            registered,
            came,
            thread: Some(thread),
        };
        wait_for("the registration", || {
            this.registered.load(Ordering::Relaxed)
        });
        this
    }
}

impl Drop for ForeignPhone {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn registration(mid: u32) -> Vec<u8> {
    let mut buffer = [0; 500];
    let mut writer = Writer::new(&mut buffer, Class::Request, Kind::Register);
    let mark = writer.text("cid", b"phone1").mid(mid).mark();
    writer
        .text("service", b"FSP")
        .text("oid", b"default")
        .text("version", b"1.1.16");
    let len = writer
        .seal(mark, &Key::new(KEY.as_bytes()).unwrap())
        .finish()
        .unwrap();
    buffer[..len].to_vec()
}

fn answer(kind: Kind, to: &Message<'_>) -> Vec<u8> {
    let mut buffer = [0; 500];
    let mut writer = Writer::new(&mut buffer, Class::Response, kind);
    writer
        .mid(to.clear.mid().unwrap())
        .code(200)
        .text("connid", to.clear.value("connid").unwrap_or_default());
    let len = writer.finish().unwrap();
    buffer[..len].to_vec()
}

#[test]
fn a_phone_that_cannot_prove_its_identity_gets_the_password_only_with_unproven() {
    let server = Server::new();
    let phone = ForeignPhone::new(server.port);
    let output = server.fetch(&[]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(
        words.contains("it cannot prove that it is the phone") && words.lines().count() == 1,
        "{words}"
    );
    assert!(
        phone.came.lock().unwrap().is_empty(),
        "no FSP datagram at all"
    );
    server.fetch(&["--unproven"]);
    let came = phone.came.lock().unwrap();
    assert!(came
        .iter()
        .any(|datagram| datagram.windows(6).any(|part| part == b"secret")));
}

#[test]
fn our_phone_proves_its_identity() {
    let server = Server::new();
    let mut phone = Phone::prepared(&format!(
        "fspEnabled = 1\nfspPassword = secret\nfspAddr = 127.0.0.1\nfspPort = {}\np2pServer = 127.0.0.1\np2pPort = {}\n\
         p2pCid = phone1\np2pKey = {KEY}\np2pInviteCode = sesame",
        free_port(),
        server.port
    ));
    let kept = phone.path("kept").display().to_string();
    phone.reconfigure(&format!("fspPasswordFile = {kept}"));
    phone.start();
    wait_for("the registration", || phone.log().contains("registered"));
    let output = server.fetch(&["--invite", "sesame"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Recorder"));
}
