//! From a recording's start to its stop the daemon allocates nothing: the real event loop on a
//! thread of its own, real sockets, and an allocator that counts what that thread asks of it.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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

/// A control connection.
type Client = BufReader<UnixStream>;

fn request(client: &mut Client, line: &str) -> String {
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

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        let waited = started.elapsed();
        assert!(waited < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn connect(socket: &str) -> Client {
    let mut stream = None;
    wait_for("the control socket", || {
        stream = UnixStream::connect(socket).ok();
        stream.is_some()
    });
    BufReader::new(stream.unwrap())
}

/// A recording server that takes one recording after the other, and leaves each alone after some
/// packets.
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

/// A recording of 20 s that the daemon can play.
const OLD: &str = "old.wav";

fn put_recording(folder: &Path) {
    let mut bytes = b"PCMU".to_vec();
    bytes.extend([0; 60]);
    bytes.extend([172, 0, 0, 0, 160, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..1000 {
        bytes.push(0x80);
        bytes.extend([0; 171]);
    }
    std::fs::write(folder.join(OLD), bytes).unwrap();
}

/// Runs the daemon on a thread whose allocations are counted.
fn run_watched(config: Config) {
    callrec::cli::logger::init();
    std::thread::spawn(move || {
        let daemon = EventLoop::open(config).unwrap();
        WATCHED.with(|watched| watched.set(true));
        daemon.run(|| Err("never asked".into())).unwrap();
    });
}

/// The first recording allocates what is allocated once: the C library's time zone, the logger's
/// buffer. The daemon writes its sidecar after the response; when the sidecar has its checksum, the
/// daemon has no more to do.
fn warm_up(client: &mut Client, folder: &Path) {
    let start = request(client, "cmd=RecordStartRequest");
    let id = value(&start, "id");
    request(client, &format!("cmd=RecordStopRequest&id={id}"));
    let sidecar = folder.join(value(&start, "file")).with_extension("json");
    wait_for("the sidecar", || {
        std::fs::read_to_string(&sidecar).is_ok_and(|text| text.contains("sha256"))
    });
}

/// Requests of other kinds, good and bad, and at last one without an end, for which the daemon
/// closes the connection.
fn ask_oddly(mut client: Client) {
    for line in [
        "garbage",
        "cmd=X&id=%zz",
        "cmd=RecordStatusRequest",
        "cmd=StatsRequest",
        "cmd=SubscribeRequest",
    ] {
        request(&mut client, line);
    }
    client.get_mut().write_all(&[b'x'; 10_000]).unwrap();
}

/// A recording on the stick and one for the server, with requests, media, a player and FSP clients
/// beside them.
fn record_and_all_else(client: &mut Client, other: Client) {
    let to_stick = request(client, "cmd=RecordStartRequest&legs=2&remote_name=Someone");
    let to_server = request(client, "cmd=RecordStartRequest&legs=2&sink=server");
    assert_eq!(value(&to_server, "server"), "127.0.0.1");
    let asking = std::thread::spawn(move || ask_oddly(other));
    let play = format!("cmd=PlayStartRequest&file={OLD}&host=127.0.0.1&port=9");
    assert_eq!(value(&request(client, &play), "result"), "success");
    let file = value(&to_stick, "file").to_owned();
    let fetching = std::thread::spawn(move || fetch(&file));
    let ports = [leg_ports(&to_stick), leg_ports(&to_server)].concat();
    media(&ports);
    fetching.join().unwrap();
    asking.join().unwrap();
    let id = value(&to_stick, "id");
    request(client, &format!("cmd=RecordPauseRequest&id={id}"));
    request(client, &format!("cmd=RecordResumeRequest&id={id}"));
    let stopped = request(client, &format!("cmd=RecordStopRequest&id={id}"));
    assert_eq!(value(&stopped, "result"), "success");
    assert!(value(&stopped, "frames").parse::<u32>().unwrap() >= 100);
    let id = value(&to_server, "id");
    let fallen_back = request(client, &format!("cmd=RecordStopRequest&id={id}"));
    assert_eq!(
        value(&fallen_back, "parts"),
        "1",
        "the server left it to the stick"
    );
}

fn leg_ports(start: &str) -> Vec<u16> {
    let ports = value(start, "leg_ports").split(',');
    ports.map(|port| port.parse().unwrap()).collect()
}

#[test]
fn nothing_is_allocated_while_a_call_is_recorded() {
    let folder = std::env::temp_dir().join(format!("callrec-heap-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let socket = format!("{}/s", folder.display());
    run_watched(config(&folder, &socket));
    let mut client = connect(&socket);
    let other = connect(&socket);
    warm_up(&mut client, &folder);
    put_recording(&folder);
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    assert!(before > 0, "opening the daemon allocates, and is counted");
    record_and_all_else(&mut client, other);
    let after = ALLOCATIONS.load(Ordering::SeqCst);
    assert_eq!(after - before, 0, "allocations while recording");
    // The daemon may still write the sidecars.
    while std::fs::remove_dir_all(&folder)
        .is_err_and(|error| error.kind() == ErrorKind::DirectoryNotEmpty)
    {}
}
