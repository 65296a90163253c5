//! Host names that are resolved by name servers of the test's own. `daemon_server` has one that
//! `/etc/hosts` knows.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use crate::common::scripted::Scripted;
use crate::common::Phone;

/// A name server that knows `record.test`; it counts the queries. Before each answer it sends one
/// with another id, as an attacker does who guesses.
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
            answer[2] = 0x81; // a response
            answer[3] = if known { 0x80 } else { 0x83 }; // no error, or no such name
            answer[7] = u8::from(known); // the number of addresses
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

/// A phone whose only name servers are these, and whose recording server is `host`.
fn phone_with_name_servers(addresses: &[&str], server: &Scripted, host: &str) -> Phone {
    let phone = Phone::prepared(&server.config().replace("127.0.0.1", host));
    let names = phone.path("resolv.conf");
    let lines: Vec<String> = addresses
        .iter()
        .map(|address| format!("nameserver {address}\n"))
        .collect();
    std::fs::write(&names, format!("# ours\n{}", lines.concat())).unwrap();
    let mount = format!(
        "mount --bind {} /etc/resolv.conf && exec \"$@\"",
        names.display()
    );
    let mut phone = phone.behind(&["unshare", "-m", "sh", "-c", &mount, "sh"]);
    phone.start();
    phone
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn names_are_found_at_the_next_name_server_when_the_first_is_silent() {
    let _silent = UdpSocket::bind("127.9.9.1:53").unwrap();
    let asked = name_server("127.9.9.2");
    let server = Scripted::new();
    let phone = phone_with_name_servers(&["127.9.9.1", "127.9.9.2"], &server, "record.test");
    let mut control = phone.control();
    control.send(b"cmd=RecordStartRequest\n");
    let mut talk = server.accept();
    // The server names the media host by name, too.
    talk.say(&talk.yes().replace("server=", "server=record.test"));
    let answer = control.next().unwrap();
    assert!(answer.success(), "{answer:?}");
    assert_eq!(answer.value("server"), "127.0.0.1");
    talk.packets(5);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn a_name_that_does_not_exist_is_refused() {
    let asked = name_server("127.9.9.3");
    let phone = phone_with_name_servers(&["127.9.9.3"], &Scripted::new(), "other.test");
    assert_eq!(phone.ask("cmd=RecordStartRequest").reason(), "no-server");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
#[ignore = "needs root: scripts/test runs it"]
fn silent_name_servers_delay_no_other_client() {
    let silent = UdpSocket::bind("127.9.9.4:53").unwrap();
    let phone = phone_with_name_servers(&["127.9.9.4"], &Scripted::new(), "record.test");
    let mut control = phone.control();
    control.send(b"cmd=RecordStartRequest\n");
    silent.recv(&mut [0; 512]).unwrap();
    // Answered before the start has failed.
    assert_eq!(phone.stat("failed"), 0);
    assert_eq!(control.next().unwrap().reason(), "server-timeout");
    assert_eq!(phone.stat("failed"), 1);
}
