//! `callrec-server record` under attack: nothing that a stranger sends may affect another's
//! recording, a path outside the folder, or the server itself.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::time::Duration;

use crate::common::server::{Line, RecordingPhone, Server};
use crate::common::{file, marked, rtp, wait_for};

const DEVICE: &str = "&device=0c383e000001";

/// Its recording is what it sent, in spite of all.
fn assert_unharmed(server: &Server, mut phone: RecordingPhone) {
    phone.send(20, false);
    let payloads = phone.payloads();
    assert!(phone.stop().success());
    assert_eq!(
        file::read(&server.file("0c383e000001", ".wav")).frames,
        payloads
    );
}

#[test]
fn rtp_from_strangers_and_other_sources_is_counted_not_heard() {
    let server = Server::new(&[]);
    let mut phone = server.phone("1", DEVICE);
    let forged = rtp(0, 65_000, 7000, 0x5151, &marked(9, 9));
    let stranger = UdpSocket::bind("127.0.0.2:0").unwrap();
    (0..50).for_each(|_| assert_eq!(stranger.send_to(&forged, phone.to).unwrap(), 172));
    phone.send(20, false);
    // From the phone's address, but not its socket; from its socket, but not its source.
    let neighbour = UdpSocket::bind("127.0.0.1:0").unwrap();
    (0..50).for_each(|_| assert_eq!(neighbour.send_to(&forged, phone.to).unwrap(), 172));
    phone
        .media
        .send_to(&rtp(0, 65_020, 10_200, 0x5152, &marked(9, 9)), phone.to)
        .unwrap();
    phone.media.send_to(b"no RTP at all", phone.to).unwrap();
    phone.media.send_to(&[0x80; 3000], phone.to).unwrap();
    assert_unharmed(&server, phone);
    let dropped = server.sidecar("0c383e000001")["dropped"].clone();
    let expected =
        serde_json::json!({"stranger": 100, "other_source": 1, "not_rtp": 1, "oversize": 1});
    assert_eq!(dropped, expected);
}

/// Bytes that wait in the receive buffer of a local UDP port, from the kernel's table of sockets.
fn bytes_waiting(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let address = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(str::split_whitespace);
    // Column 1 is the local address, column 4 the queues as "sent:received".
    let queues = rows.filter_map(|mut row| {
        let is_port = row.nth(1)?.ends_with(&address);
        row.nth(2).filter(|_| is_port)
    });
    let received = queues.map(|queues| queues.split_once(':').unwrap().1);
    received
        .map(|bytes| u64::from_str_radix(bytes, 16).unwrap())
        .sum()
}

#[test]
fn a_datagram_that_waits_is_seen() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    assert_eq!(bytes_waiting(address.port()), 0);
    socket.send_to(&[1; 10], address).unwrap();
    assert!(bytes_waiting(address.port()) > 0);
    socket.recv_from(&mut [0; 10]).unwrap();
    assert_eq!(bytes_waiting(address.port()), 0);
}

#[test]
fn a_flood_from_a_stranger_and_one_from_another_phone_do_no_harm() {
    let server = Server::new(&[]);
    let phone = server.phone("1", DEVICE);
    let other = server.phone("2", "&device=b");
    let stranger = UdpSocket::bind("127.0.0.2:0").unwrap();
    for n in 0..20_000u32 {
        let _ = stranger.send_to(&[0x80; 172], phone.to);
        let _ = other.media.send_to(&other.packet(n), other.to);
        if n % 1000 == 0 {
            let response = server.connect().ask("cmd=RecordStopRequest&id=9\n");
            assert!(response.success(), "in the flood: {response:?}");
        }
    }
    // What the phone sends now finds room in its socket.
    wait_for("an empty socket", || bytes_waiting(phone.to.port()) == 0);
    assert_unharmed(&server, phone);
    drop(other);
    let flood = server.sidecar("b");
    let frames = flood["frames"].as_u64().unwrap();
    assert!(frames < 20_000 / 4, "{frames}: more than time had passed");
}

#[test]
fn names_of_strangers_stay_in_the_folder() {
    let server = Server::new(&[]);
    for (id, device, folder) in [
        ("../../../../tmp/evil", "../..", "_____"),
        ("x%26cmd%3DRecordStopRequest", "%00%0A/etc", "___etc"),
        ("\u{1F600}..", ".", "_"),
    ] {
        let mut phone = Line::connect(server.address());
        let answer = phone.ask(&format!("cmd=RecordStartRequest&id={id}&device={device}\n"));
        assert!(answer.success(), "{answer:?}");
        phone.ask(&format!("cmd=RecordStopRequest&id={id}\n"));
        assert_eq!(
            server.files(folder).len(),
            2,
            "{device}: {:?}",
            server.files(folder)
        );
    }
    let mut folders: Vec<_> = std::fs::read_dir(&server.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, ["log", "recordings"]);
}

#[test]
fn a_device_folder_that_is_a_link_is_not_followed() {
    let server = Server::new(&[]);
    let outside = server.dir.join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, server.dir.join("recordings/trap")).unwrap();
    let refused = RecordingPhone::start(server.connect(), "1", "&device=trap")
        .err()
        .unwrap();
    assert_eq!(refused.reason(), "disk-error");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn what_has_no_end_is_cut_off_and_says_nothing_to_others() {
    let server = Server::new(&[]);
    let phone = server.phone("1", DEVICE);
    let mut endless = server.connect();
    endless.send(&[b'x'; 65_536]);
    assert_eq!(endless.next(), None);
    let mut long = server.connect();
    long.send(
        format!(
            "cmd=RecordStartRequest&id=1&remote_name={}",
            "n".repeat(60_000)
        )
        .as_bytes(),
    );
    assert_eq!(long.next(), None);
    let mut odd = server.connect();
    for text in [
        "\0\0\n\r&&&=",
        "cmd=RecordStartRequest",
        "cmd=RecordStopRequest&id=1\n",
        "cmd=Nothing&id=1\n",
    ] {
        odd.send(text.as_bytes());
    }
    assert!(
        odd.next()
            .unwrap()
            .0
            .contains("cmd=RecordStopResponse&id=1&result=success"),
        "stopped here is nothing"
    );
    assert_unharmed(&server, phone);
}

#[test]
fn a_phone_that_asks_and_never_reads_is_cut_off() {
    let server = Server::new(&[]);
    let phone = server.phone("1", DEVICE);
    let mut deaf = server.connect();
    let many = "cmd=RecordStopRequest&id=7\n".repeat(1000);
    // A write that would block returns, so that `wait_for` can give up.
    deaf.0
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    wait_for("the end of who does not read", || {
        match deaf.0.write_all(many.as_bytes()) {
            Err(error) => matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ),
            Ok(()) => false,
        }
    });
    assert_unharmed(&server, phone);
}

#[test]
fn a_thousand_idle_connections_take_no_recordings_place() {
    let server = Server::new(&["--max-per-address", "1100", "--max-connections", "1050"]);
    let phone = server.phone("1", DEVICE);
    let idle: Vec<TcpStream> = (0..1000)
        .map(|_| TcpStream::connect(server.address()).unwrap())
        .collect();
    let other = server.phone("2", "&device=b");
    assert_unharmed(&server, phone);
    drop(other);
    // They are given up after ten seconds.
    let mut last = Line(idle.into_iter().next_back().unwrap());
    last.0
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert_eq!(last.next(), None);
}

#[test]
fn one_address_cannot_have_all_connections() {
    let server = Server::new(&["--max-per-address", "3"]);
    let phone = server.phone("1", DEVICE);
    let others: Vec<Line> = (0..2).map(|_| server.connect()).collect();
    let mut fourth = server.connect();
    assert_eq!(fourth.next(), None);
    drop(others);
    wait_for("a place", || {
        let mut line = server.connect();
        line.send(b"cmd=RecordStopRequest&id=7\n");
        line.next().is_some()
    });
    assert_unharmed(&server, phone);
}

/// A control connection from an address of this host's loopback network.
fn connect_from(ip: &str, server: &Server) -> Line {
    use nix::sys::socket::{bind, connect, socket, AddressFamily, SockFlag, SockType, SockaddrIn};
    use std::os::fd::AsRawFd;

    let std::net::SocketAddr::V4(to) = server.address() else {
        panic!("the server listens on IPv4")
    };
    let own = SocketAddrV4::new(ip.parse().unwrap(), 0);
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::from(own)).unwrap();
    connect(fd.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
    let stream = TcpStream::from(fd);
    stream
        .set_read_timeout(Some(crate::common::PATIENCE))
        .unwrap();
    Line(stream)
}

const START: &str = "cmd=RecordStartRequest&id=1&device=0c383e000001\n";
/// 127.0.0.8 to 127.0.0.15 are allowed, and the proxy.
const BEHIND_A_PROXY: [&str; 4] = ["--allow", "127.0.0.8/29", "--trust", "127.0.0.1"];

#[test]
fn only_allowed_networks_are_heard() {
    let server = Server::new(&BEHIND_A_PROXY);
    assert_eq!(connect_from("127.0.0.2", &server).next(), None);
    assert!(connect_from("127.0.0.9", &server).ask(START).success());
}

#[test]
fn media_comes_from_the_address_that_a_trusted_proxy_names() {
    let server = Server::new(&BEHIND_A_PROXY);
    let mut proxy = connect_from("127.0.0.1", &server);
    let answer = proxy.ask(&format!("PROXY TCP4 127.0.0.10 127.0.0.1 5 6\r\n{START}"));
    let to = ("127.0.0.1", answer.value("port").parse::<u16>().unwrap());
    for (source, name) in [("127.0.0.1", 8), ("127.0.0.10", 1)] {
        let media = UdpSocket::bind((source, 0)).unwrap();
        for n in 0..30u32 {
            let packet = rtp(0, n as u16, n * 160, 7, &marked(name, n));
            media.send_to(&packet, to).unwrap();
        }
    }
    proxy.ask("cmd=RecordStopRequest&id=1\n");
    let recording = file::read(&server.file("0c383e000001", ".wav"));
    let from_the_phone: Vec<_> = (0..30).map(|n| marked(1, n)).collect();
    assert_eq!(recording.frames, from_the_phone);
}

#[test]
fn a_proxy_is_cut_off_without_a_header_and_for_a_network_that_is_not_allowed() {
    let server = Server::new(&BEHIND_A_PROXY);
    for line in [
        "PROXY TCP4 192.0.2.1 127.0.0.1 5 6\r\n",
        "PROXY UNKNOWNS\r\n",
        START,
    ] {
        let mut proxy = connect_from("127.0.0.1", &server);
        proxy.send(line.as_bytes());
        assert_eq!(proxy.next(), None, "{line}");
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_asks_for_health_and_records_nothing() {
    let server = Server::new(&BEHIND_A_PROXY);
    let mut proxy = connect_from("127.0.0.1", &server);
    let answer = proxy.ask(&format!("PROXY UNKNOWN\r\n{START}cmd=HealthRequest&id=1\n"));
    assert_eq!(answer.0, "cmd=HealthResponse&id=1&reason=&result=success");
    assert!(server.files("0c383e000001").is_empty());
}

#[test]
fn without_descriptors_phones_are_told_to_come_later() {
    // A recording takes one for its port and one for its file: each is the one that is missing
    // once.
    for limit in ["--nofile=26", "--nofile=27"] {
        let mut server = Server::prepared(&[]);
        server.before = vec!["prlimit".to_owned(), limit.to_owned()];
        server.start();
        let first = server.phone("1", DEVICE);
        let mut line = server.connect();
        let ask =
            |line: &mut Line, id| line.ask(&format!("cmd=RecordStartRequest&id={id}&codec=PCMU\n"));
        let refusal = (2..=8)
            .map(|id| ask(&mut line, id))
            .find(|answer| !answer.success());
        assert_eq!(refusal.unwrap().reason(), "busy");
        assert!(line.ask("cmd=RecordStopRequest&id=2\n").success());
        assert!(ask(&mut line, 2).success());
        assert_unharmed(&server, first);
    }
}

#[test]
fn two_packets_far_apart_make_no_recording_of_seconds() {
    let server = Server::new(&[]);
    let phone = server.phone("1", DEVICE);
    let mut peer = server.phone("2", "&device=b");
    // Eight seconds of packets lie between them, as if the phone had recorded before it was
    // answered.
    for n in [0, 400] {
        peer.media.send_to(&peer.packet(n), peer.to).unwrap();
    }
    assert!(peer.stop().success());
    let frames = server.sidecar("b")["frames"].as_u64().unwrap();
    assert!((2..=60).contains(&frames), "{frames} frames in a moment");
    assert_unharmed(&server, phone);
}
