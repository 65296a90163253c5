//! From a recording's start to its stop the daemon allocates nothing: the real event loop on a thread of
//! its own, real sockets, and an allocator that counts what that thread asks of it.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callrec::config::Config;
use callrec::daemon::EventLoop;
use callrec::wire::fsp::{Command, FspHeader, Packet, Toward, HEADER_BYTES};

struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting changes nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if WATCHED.with(Cell::get) {
            ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn request(client: &mut BufReader<UnixStream>, line: &str) -> String {
    client
        .get_mut()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    client.read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

fn value<'a>(message: &'a str, key: &str) -> &'a str {
    message
        .split('&')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
        .expect(message)
}

fn connect(socket: &str) -> BufReader<UnixStream> {
    for _ in 0..500 {
        if let Ok(stream) = UnixStream::connect(socket) {
            return BufReader::new(stream);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the daemon does not answer");
}

/// A recording server that takes one recording after the other, and leaves each alone after some packets.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = [0; 4096];
            let len = stream.read(&mut text).unwrap();
            let id = value(std::str::from_utf8(&text[..len]).unwrap(), "id").to_owned();
            let media = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = media.local_addr().unwrap().port();
            write!(
                stream,
                "cmd=RecordStartResponse&id={id}&result=success&port={port}"
            )
            .unwrap();
            (0..30).for_each(|_| assert_eq!(media.recv(&mut text).unwrap(), 172));
        }
    });
    port
}

/// Two legs of audio with loss and jumps, and on the same ports whatever else might come.
fn media(ports: &[u16]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..100u32 {
        for (port, ssrc) in ports.iter().zip(1u32..) {
            let mut packet = vec![0x80, [0, 8, 9, 13, 101][(n / 20) as usize], 0, n as u8];
            packet.extend(
                (n * 160)
                    .wrapping_add((n / 30).wrapping_mul(1_500_000_000))
                    .to_be_bytes(),
            );
            packet.extend(ssrc.to_be_bytes());
            packet.extend([n as u8; 160]);
            if n % 7 != 3 {
                socket.send_to(&packet, ("127.0.0.1", *port)).unwrap();
            }
            socket
                .send_to(&packet[..(n as usize * 5) % 172], ("127.0.0.1", *port))
                .unwrap();
            socket
                .send_to(&vec![n as u8; 2000], ("127.0.0.1", *port))
                .unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// FSP requests of all kinds, good and bad, some of them again and again.
fn fetch(file: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", 47_100)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(2000)))
        .unwrap();
    let (mut key, mut reply, mut answers) = (0, [0; 15_000], 0);
    let (day, path) = (
        format!("Recorder/{}", &file[7..15]),
        format!("Recorder/{}/{file}", &file[7..15]),
    );
    for round in 0..30u16 {
        for (command, name) in [
            (0x41, "Recorder"),
            (0x41, &day),
            (0x42, &path),
            (0x4D, &path),
            (0x47, &day),
            (0x10, ""),
            (0x45, "x"),
        ] {
            let mut datagram = [&[0; HEADER_BYTES][..], name.as_bytes(), b"\npw\0"].concat();
            let head = FspHeader {
                command: Command(command),
                key,
                sequence: round * 8,
                position: 0,
            };
            head.seal(&mut datagram, 0, Toward::Server);
            socket.send(&datagram[..datagram.len() - 1]).unwrap();
            socket.send(&datagram).unwrap();
            let length = socket.recv(&mut reply).unwrap();
            key = Packet::parse(&reply[..length], Toward::Client)
                .unwrap()
                .head
                .key;
            answers += 1;
        }
    }
    let mut datagram = [&[0; HEADER_BYTES][..], b"\npw\nother\0"].concat();
    FspHeader {
        command: Command::CH_PASSWD,
        key,
        sequence: 0,
        position: 0,
    }
    .seal(&mut datagram, 0, Toward::Server);
    socket.send(&datagram).unwrap();
    let length = socket.recv(&mut reply).unwrap();
    assert_eq!((reply[0], length, answers), (0x4F, 12, 210));
}

fn config(folder: &Path, socket: &str) -> Config {
    Config {
        usb_mount: Some(folder.display().to_string()),
        usb_require_mount: false,
        control_socket: socket.into(),
        media_ports: (47_000, 47_099),
        server_addr: "127.0.0.1".into(),
        server_port: server(),
        server_fallback: true,
        fsp: callrec::config::FspConfig {
            enabled: true,
            port: 47_100,
            password: "pw".into(),
            password_file: format!("{}/password", folder.display()),
            ..Default::default()
        },
        ..Config::default()
    }
}

#[test]
fn nothing_is_allocated_while_a_call_is_recorded() {
    let folder = std::env::temp_dir().join(format!("callrec-heap-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let socket = format!("{}/s", folder.display());
    let config = config(&folder, &socket);
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .init();
    std::thread::spawn(move || {
        let daemon = EventLoop::open(config).unwrap();
        WATCHED.with(|watched| watched.set(true));
        daemon.run(|| Err("never asked".into())).unwrap();
    });
    let mut client = connect(&socket);
    let mut other = connect(&socket);
    // The first recording warms up what is made once: the C library's time zone, the logger's buffer.
    let first = request(&mut client, "cmd=RecordStartRequest");
    request(
        &mut client,
        &format!("cmd=RecordStopRequest&id={}", value(&first, "id")),
    );
    std::thread::sleep(Duration::from_millis(300)); // the loop has gone back to sleep
    let mut old = [
        &b"PCMU"[..],
        &[0; 60],
        &[172, 0, 0, 0, 160, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    (0..1000).for_each(|_| old.extend([[0x80].as_slice(), &[0; 171]].concat()));
    std::fs::write(folder.join("old.wav"), old).unwrap();
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    assert!(
        before > 0,
        "the count counts: the list of events was allocated"
    );

    let start = request(
        &mut client,
        "cmd=RecordStartRequest&legs=2&remote_name=Someone",
    );
    let mut ports: Vec<u16> = value(&start, "leg_ports")
        .split(',')
        .map(|port| port.parse().unwrap())
        .collect();
    let id = value(&start, "id").to_owned();
    let to_server = request(&mut client, "cmd=RecordStartRequest&legs=2&sink=server");
    ports.extend(
        value(&to_server, "leg_ports")
            .split(',')
            .map(|port| port.parse::<u16>().unwrap()),
    );
    assert_eq!(value(&to_server, "server"), "127.0.0.1");
    let driver = std::thread::spawn(move || {
        for line in [
            "garbage",
            "",
            "cmd=X&id=%zz",
            "cmd=RecordStatusRequest",
            "cmd=StatsRequest",
            "cmd=SubscribeRequest",
        ] {
            if !line.is_empty() {
                request(&mut other, line);
            }
        }
        other.get_mut().write_all(&[b'x'; 10_000]).unwrap();
        other
    });
    let play = request(
        &mut client,
        "cmd=PlayStartRequest&file=old.wav&host=127.0.0.1&port=9",
    );
    assert_eq!(value(&play, "result"), "success");
    let fetching = value(&start, "file").to_owned();
    let fetcher = std::thread::spawn(move || fetch(&fetching));
    media(&ports);
    fetcher.join().unwrap();
    request(&mut client, &format!("cmd=RecordPauseRequest&id={id}"));
    request(&mut client, &format!("cmd=RecordResumeRequest&id={id}"));
    let stop = request(&mut client, &format!("cmd=RecordStopRequest&id={id}"));
    let on_the_stick = request(
        &mut client,
        &format!("cmd=RecordStopRequest&id={}", value(&to_server, "id")),
    );
    let after = ALLOCATIONS.load(Ordering::SeqCst);
    assert_eq!(
        value(&on_the_stick, "parts"),
        "1",
        "the server left it to the stick"
    );
    assert_eq!(value(&stop, "result"), "success");
    assert!(value(&stop, "frames").parse::<u32>().unwrap() >= 100);
    assert_eq!(after - before, 0, "allocations while recording");
    driver.join().unwrap();
    // The daemon may still write what stands beside a recording.
    while std::fs::remove_dir_all(&folder)
        .is_err_and(|error| error.kind() == ErrorKind::DirectoryNotEmpty)
    {}
}
