//! The recording server spread over processes and hosts.

use std::collections::BTreeSet;
use std::process::Command;

use crate::common::server::{RecordingPhone, Server};
use crate::common::{file, wait_for};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

/// The processes that this one has started.
fn children(pid: i32) -> Vec<i32> {
    let list =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

fn metric(server: &Server, name: &str) -> u64 {
    let body = server.page("/metrics").1;
    let line = body
        .lines()
        .find(|line| line.rsplit_once(' ').unwrap().0 == name);
    line.unwrap_or_else(|| panic!("no {name} in {body}"))
        .rsplit_once(' ')
        .unwrap()
        .1
        .parse()
        .unwrap()
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "under qemu-user no ARM program starts another"
)]
fn workers_share_an_address_and_one_that_dies_is_started_again() {
    let mut server = three_workers();
    let mut phones = record_on_all(&server);
    wait_for("all counters", || {
        metric(&server, "callrec_recordings") == PHONES
    });
    let workers = children(server.pid());
    assert_eq!(workers.len(), 3);
    kill(Pid::from_raw(workers[0]), Signal::SIGKILL).unwrap();
    for (n, phone) in phones.iter_mut().enumerate() {
        phone.send(25, false);
        let stop = format!("cmd=RecordStopRequest&id={n}\n");
        phone.line.send(stop.as_bytes());
    }
    let mut lost = 0;
    for (n, phone) in phones.iter_mut().enumerate() {
        let recorded = stopped_or_repaired(&server, &format!("d{n}"), phone);
        lost += u64::from(!recorded);
    }
    assert!(
        0 < lost && lost < PHONES,
        "{lost} of {PHONES} recordings were on the worker that died"
    );
    wait_for("three workers", || children(server.pid()).len() == 3);
    wait_for("health", || server.page("/healthz").0.ends_with("200 OK"));
    wait_for("all counters", || {
        metric(&server, "callrec_finished_total") == PHONES - lost
    });
    assert_sigterm_reaches_all(&mut server);
}

/// Recordings at once. The kernel shares connections out by chance: with so many, each worker has
/// some.
const PHONES: u64 = 24;

fn three_workers() -> Server {
    Server::new(&[
        "--workers",
        "3",
        "--metrics",
        "127.0.0.1:0",
        "--rtp-ports",
        "39500-39619", // each worker has ports for all phones
    ])
}

/// Starts all recordings; each has a port of its own, whichever worker it is on.
fn record_on_all(server: &Server) -> Vec<RecordingPhone> {
    let start = |n: u64| server.phone(&n.to_string(), &format!("&device=d{n}"));
    let mut phones: Vec<_> = (0..PHONES).map(start).collect();
    phones.iter_mut().for_each(|phone| phone.send(25, false));
    let ports: BTreeSet<u16> = phones.iter().map(|phone| phone.to.port()).collect();
    assert_eq!(ports.len(), phones.len());
    phones
}

/// A phone on a living worker has its stop confirmed: `true`. The connection of one on the worker
/// that died ends, and the worker in its place repairs the recording: `false`.
fn stopped_or_repaired(server: &Server, device: &str, phone: &mut RecordingPhone) -> bool {
    let Some(response) = phone.line.next() else {
        wait_for("a repair", || {
            server.sidecar(device)["end"] == "interrupted"
        });
        return false;
    };
    assert!(response.success(), "{response:?}");
    let recording = file::read(&server.file(device, ".wav"));
    assert_eq!(recording.frames, phone.payloads());
    true
}

fn assert_sigterm_reaches_all(server: &mut Server) {
    let mut phone = server.phone("x", "&device=x");
    let workers = children(server.pid());
    server.signal(Signal::SIGTERM);
    assert!(phone.line.next().unwrap().0.ends_with("reason=shutdown"));
    assert_eq!(server.wait(), Some(0));
    for pid in workers {
        let exists = kill(Pid::from_raw(pid), None);
        assert!(exists.is_err(), "{pid} still lives");
    }
    assert_eq!(server.sidecar("x")["end"], "shutdown");
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "under qemu-user no ARM program starts another"
)]
fn workers_end_with_the_process_that_started_them() {
    let mut server = Server::new(&["--workers", "2"]);
    let mut phone = server.phone("1", "&device=d");
    phone.send(30, false);
    let workers = children(server.pid());
    server.kill();
    assert!(phone.line.next().unwrap().0.ends_with("reason=shutdown"));
    wait_for("the workers' end", || {
        workers
            .iter()
            .all(|pid| kill(Pid::from_raw(*pid), None).is_err())
    });
    assert_eq!(
        file::read(&server.file("d", ".wav")).frames,
        phone.payloads()
    );
}

#[test]
fn connections_go_to_media_hosts_that_answer_and_end_with_them() {
    let mut media = Server::new(&["--trust", "127.0.0.1", "--message-end", "lf"]);
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let hosts = [dead.to_string(), media.address().to_string()];
    let control = Server::new(&[
        "--media",
        &hosts[0],
        "--media",
        &hosts[1],
        "--metrics",
        "127.0.0.1:0",
    ]);
    let mut phones: Vec<_> = (0..4)
        .map(|n| control.phone(&n.to_string(), &format!("&device=d{n}")))
        .collect();
    phones.iter_mut().for_each(|phone| phone.send(25, false));
    for (n, phone) in phones.iter_mut().enumerate().take(3) {
        assert!(phone.stop().success());
        assert_eq!(
            file::read(&media.file(&format!("d{n}"), ".wav")).frames,
            phone.payloads()
        );
    }
    assert!(
        metric(
            &control,
            &format!("callrec_media_failures_total{{host=\"{dead}\"}}")
        ) > 0
    );
    wait_for("the other host", || {
        metric(&control, "callrec_media_hosts_up") == 1
    });
    // The host dies: its phones are told by the end of their connections, new ones find nobody.
    media.kill();
    assert_eq!(phones[3].line.next(), None);
    let mut unlucky = control.connect();
    unlucky.send(b"cmd=RecordStartRequest&id=1\n");
    assert_eq!(unlucky.next(), None);
    assert!(metric(&control, "callrec_unplaced_total") > 0);
}

/// Hosts on a network of their own: namespaces, each with an address, on a bridge.
struct Hosts(Vec<String>);

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Hosts {
    fn new(count: usize) -> Self {
        let name = |n: usize| format!("callrec-{}-{n}", std::process::id());
        let hosts = Self((0..=count).map(name).collect());
        let switch = &hosts.0[0];
        ip(&format!("netns add {switch}"));
        ip(&format!("-n {switch} link add name br0 type bridge"));
        ip(&format!("-n {switch} link set br0 up"));
        for (n, host) in hosts.0.iter().enumerate().skip(1) {
            ip(&format!("netns add {host}"));
            ip(&format!(
                "-n {host} link add eth0 type veth peer name port{n} netns {switch}"
            ));
            ip(&format!("-n {switch} link set port{n} master br0 up"));
            ip(&format!("-n {host} addr add 10.77.0.{n}/24 dev eth0"));
            ip(&format!("-n {host} link set eth0 up"));
        }
        hosts
    }

    /// What to put before a command to run it on the n-th host.
    fn on(&self, n: usize) -> Vec<String> {
        ["ip", "netns", "exec", &self.0[n]]
            .map(String::from)
            .to_vec()
    }

    fn server(&self, n: usize, options: &str) -> Server {
        let listen = format!("10.77.0.{n}:10000");
        let mut words = vec!["--listen", &listen];
        words.extend(options.split_whitespace());
        let mut server = Server::prepared(&words);
        server.before = self.on(n);
        server.start();
        server
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in &self.0 {
            let _ = Command::new("ip").args(["netns", "del", host]).status();
        }
    }
}

#[test]
#[ignore = "needs root, python3 and iproute2"]
fn one_control_address_hands_recordings_to_two_media_hosts() {
    let hosts = Hosts::new(5);
    let media =
        [2, 3].map(|n| hosts.server(n, "--trust 10.77.0.1 --allow 10.77.0.4 --allow 10.77.0.5"));
    let _control = hosts.server(1, "--media 10.77.0.2:10000 --media 10.77.0.3:10000");
    // Each phone gives its own address, so each media host hears RTP from there and from nowhere
    // else.
    let phone = |n: usize, id: usize| {
        let words = hosts.on(4 + n % 2);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args([
            "python3",
            "tests/naive_phone.py",
            "10.77.0.1",
            "10000",
            "50",
        ]);
        command
            .args([format!("id={id}"), format!("device=phone{n}")])
            .stdout(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let running: Vec<_> = (0..6).map(|n| phone(n, n + 1)).collect();
    let mut at = [0; 2];
    for (n, phone) in running.into_iter().enumerate() {
        let output = phone.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let host = [2, 3]
            .iter()
            .position(|host| text.contains(&format!("&server=10.77.0.{host}&")));
        let host = host.unwrap_or_else(|| panic!("no media host in {text}"));
        at[host] += 1;
        let device = format!("phone{n}");
        let sidecar = media[host].sidecar(&device);
        assert_eq!(
            (&sidecar["received"], &sidecar["lost"]),
            (&50.into(), &0.into())
        );
        assert_eq!(sidecar["peer"], format!("10.77.0.{}", 4 + n % 2));
        assert!(media[1 - host].files(&device).is_empty());
    }
    assert_eq!(at, [3, 3], "each has as many as the other");
}
