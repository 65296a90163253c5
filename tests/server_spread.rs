//! The recording server spread over processes and hosts.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::server::Server;
use common::{file, wait_for};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

/// The processes that this one has started.
fn children(pid: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn metric(server: &Server, name: &str) -> u64 {
    let body = server.page("/metrics").1;
    let line = body.lines().find(|line| line.rsplit_once(' ').unwrap().0 == name);
    line.unwrap_or_else(|| panic!("no {name} in {body}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn workers_share_an_address_and_one_that_dies_is_started_again() {
    let mut server = Server::new(&["--workers", "3", "--metrics", "127.0.0.1:0"]);
    let mut phones: Vec<_> = (0..24).map(|n| server.phone(&n.to_string(), &format!("&device=d{n}"))).collect();
    phones.iter_mut().for_each(|phone| phone.send(25, false));
    // Each recording's port tells whose it is: every worker has its own.
    let workers = children(server.pid());
    assert_eq!(workers.len(), 3);
    let mut ports: Vec<u16> = phones.iter().map(|phone| phone.to.port()).collect();
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 24);
    wait_for("all counters", || metric(&server, "callrec_recordings") == 24);
    // One dies: its phones see their connections end, the others record on.
    kill(Pid::from_raw(workers[0]), Signal::SIGKILL).unwrap();
    let mut lost = 0;
    for (n, phone) in phones.iter_mut().enumerate() {
        phone.send(25, false);
        phone.line.send(format!("cmd=RecordStopRequest&id={n}\n").as_bytes());
    }
    for (n, phone) in phones.iter_mut().enumerate() {
        let answer = phone.line.next();
        let payloads = phone.payloads();
        lost += u64::from(answer.is_none());
        match answer {
            Some(answer) => {
                assert!(answer.success());
                assert_eq!(file::read(&server.file(&format!("d{n}"), ".wav")).frames, payloads);
            }
            // What came before is made whole by the one that takes its place.
            None => wait_for("a repair", || server.sidecar(&format!("d{n}"))["end"] == "interrupted"),
        }
    }
    assert!(0 < lost && lost < 24, "{lost} of 24 recordings were on the worker that died");
    wait_for("three workers", || children(server.pid()).len() == 3);
    wait_for("health", || server.page("/healthz").0.ends_with("200 OK"));
    wait_for("all counters", || metric(&server, "callrec_finished_total") == 24 - lost);
    // SIGTERM reaches all of them.
    let mut phone = server.phone("x", "&device=x");
    let workers = children(server.pid());
    server.signal(Signal::SIGTERM);
    assert!(phone.line.next().unwrap().0.ends_with("reason=shutdown"));
    assert_eq!(server.wait(), Some(0));
    workers.iter().for_each(|pid| assert!(kill(Pid::from_raw(*pid), None).is_err(), "{pid} still lives"));
    assert_eq!(server.sidecar("x")["end"], "shutdown");
}

#[test]
fn workers_end_with_the_process_that_started_them() {
    let mut server = Server::new(&["--workers", "2"]);
    let mut phone = server.phone("1", "&device=d");
    phone.send(30, false);
    let workers = children(server.pid());
    server.kill();
    assert!(phone.line.next().unwrap().0.ends_with("reason=shutdown"));
    wait_for("the workers' end", || workers.iter().all(|pid| kill(Pid::from_raw(*pid), None).is_err()));
    assert_eq!(file::read(&server.file("d", ".wav")).frames, phone.payloads());
}
