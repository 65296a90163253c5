//! Media hosts behind one control address that hang, cannot store recordings, or come back.

use std::fs;
use std::net::TcpListener;

use crate::common::server::{RecordingPhone, Server};
use crate::common::{file, wait_for};
use nix::sys::signal::Signal;

/// A media host that trusts whoever is on this machine.
fn media() -> Server {
    Server::new(&["--trust", "127.0.0.1", "--message-end", "lf"])
}

/// What hands connections to these.
fn load_balancer(hosts: &[String]) -> Server {
    let mut options = vec!["--metrics", "127.0.0.1:0"];
    hosts
        .iter()
        .for_each(|host| options.extend(["--media", host.as_str()]));
    Server::new(&options)
}

fn health(server: &Server) -> String {
    server.page("/healthz").1
}

fn wait_for_health(server: &Server, words: &str) {
    wait_for(words, || health(server).starts_with(words));
}

/// Records as so many phones at once; which of the hosts had each.
fn record(control: &Server, hosts: [&Server; 2], name: &str, phones: usize) -> [usize; 2] {
    let device = |n: usize| format!("{name}{n}");
    let mut running: Vec<RecordingPhone> = (0..phones)
        .map(|n| control.phone("1", &format!("&device={}", device(n))))
        .collect();
    let mut at = [0; 2];
    for (n, phone) in running.iter_mut().enumerate() {
        phone.send(10, false);
        assert!(phone.stop().success());
        // One that hung may find the call that it has lost when it goes on: then it has a recording
        // without audio.
        let heard = |host: &Server| {
            host.dir.join("recordings").join(device(n)).exists()
                && host.sidecar(&device(n))["received"] == 10
        };
        let host = hosts.iter().position(|host| heard(host)).unwrap();
        assert_eq!(
            file::read(&hosts[host].file(&device(n), ".wav")).frames,
            phone.payloads()
        );
        at[host] += 1;
    }
    at
}

#[test]
fn a_media_host_that_hangs_loses_its_calls_to_the_other_one_until_it_answers() {
    let (first, second) = (media(), media());
    let control = load_balancer(&[first.address().to_string(), second.address().to_string()]);
    wait_for_health(&control, "2 of 2 media hosts");
    // Its kernel goes on to take connections.
    first.signal(Signal::SIGSTOP);
    assert_eq!(record(&control, [&first, &second], "hung", 12), [0, 12]);
    wait_for_health(&control, "1 of 2 media hosts");
    assert!(
        health(&control).contains(&format!("{}: does not answer", first.address())),
        "{}",
        health(&control)
    );
    assert!(control.page("/metrics").1.contains(&format!(
        "callrec_media_up{{host=\"{}\"}} 0",
        first.address()
    )));
    assert_eq!(record(&control, [&first, &second], "known", 4), [0, 4]);
    first.signal(Signal::SIGCONT);
    wait_for_health(&control, "2 of 2 media hosts");
    assert_eq!(record(&control, [&first, &second], "back", 4), [2, 2]);
    assert_eq!(control.log().matches(" is up again").count(), 1);
}

#[test]
fn a_media_host_that_cannot_store_recordings_gets_none() {
    let (first, second) = (media(), media());
    let control = load_balancer(&[first.address().to_string(), second.address().to_string()]);
    wait_for_health(&control, "2 of 2 media hosts");
    let folder = first.dir.join("recordings");
    fs::remove_dir(&folder).unwrap();
    wait_for_health(&control, "1 of 2 media hosts");
    assert!(
        health(&control).contains("says disk-error"),
        "{}",
        health(&control)
    );
    assert_eq!(record(&control, [&first, &second], "refused", 4), [0, 4]);
    fs::create_dir(&folder).unwrap();
    wait_for_health(&control, "2 of 2 media hosts");
    assert_eq!(record(&control, [&first, &second], "back", 4), [2, 2]);
}

#[test]
fn what_takes_connections_and_is_no_media_host_is_not_counted() {
    let host = media();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let control = load_balancer(&[
        silent.local_addr().unwrap().to_string(),
        host.address().to_string(),
    ]);
    // Also before it is known: the call is handed on with all that the phone has said.
    let mut phone = control.connect();
    phone.send(b"cmd=RecordStartRequest&id=1&device=a");
    phone.send(b"&codec=PCMA\ncmd=RecordStartRequest&id=2&device=b\n");
    let mut answers = String::new();
    while answers.matches("result=success").count() < 2 {
        answers += &phone.next().unwrap().0;
    }
    wait_for_health(&control, "1 of 2 media hosts");
    // A host that ends a connection without an answer loses the call as well.
    drop(silent);
    assert!(control.phone("1", "&device=c").stop().success());
}
