//! Host names, asked of name servers of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use common::scripted::Scripted;
use common::Phone;

/// A name server that knows `record.test`; it counts what it is asked. It answers the second question first with a
/// stranger's id, as someone would who guesses.
fn name_server(address: &str) -> Arc<AtomicU32> {
    let socket = UdpSocket::bind((address, 53)).unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut query) {
            count.fetch_add(1, Ordering::Relaxed);
            let known = query[12..len].starts_with(b"\x06record\x04test\0");
            let mut answer = query[..len].to_vec();
            (answer[2], answer[3], answer[7]) =
                (0x81, if known { 0x80 } else { 0x83 }, u8::from(known));
            if known {
                answer.extend(b"\xC0\x0C\x00\x01\x00\x01\x00\x00\x00\x3C\x00\x04\x7F\x00\x00\x01");
            }
            let mut forged = answer.clone();
            forged[0] ^= 1;
            forged[3] |= 3;
            socket.send_to(&forged, from).unwrap();
            socket.send_to(&answer, from).unwrap();
        }
    });
    asked
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn names_are_found_at_the_next_name_server_when_the_first_is_silent() {
    let _silent = UdpSocket::bind("127.9.9.1:53").unwrap();
    let asked = name_server("127.9.9.2");
    let server = Scripted::new();
    let mut phone = Phone::prepared(&server.config().replace("127.0.0.1", "record.test"));
    let names = phone.path("resolv.conf");
    std::fs::write(
        &names,
        "# ours\nnameserver 127.9.9.1\nnameserver 127.9.9.2\n",
    )
    .unwrap();
    let mount = format!(
        "mount --bind {} /etc/resolv.conf && exec \"$@\"",
        names.display()
    );
    phone = phone.behind(&["unshare", "-m", "sh", "-c", &mount, "sh"]);
    phone.start();
    let mut control = phone.control();
    control.send(b"cmd=RecordStartRequest\n");
    let mut talk = server.accept();
    // The answer names the media host by name, too.
    talk.say(&talk.yes().replace("server=", "server=record.test"));
    let answer = control.next().unwrap();
    assert_eq!(
        (answer.value("result"), answer.value("server")),
        ("success".into(), "127.0.0.1".into()),
        "{answer:?}"
    );
    talk.packets(5);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    // A name that nobody knows is refused as soon as that is said.
    phone.reconfigure("");
    let text = std::fs::read_to_string(phone.config())
        .unwrap()
        .replace("record.test", "other.test");
    std::fs::write(phone.config(), text).unwrap();
    phone.signal(nix::sys::signal::Signal::SIGHUP);
    common::wait_for("the new configuration", || {
        phone.log().contains("configuration reloaded")
    });
    assert_eq!(phone.ask("cmd=RecordStartRequest").reason(), "no-server");
}
