//! One call: the start request, the legs' packets at their times, the stop request.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::sim::leg::Leg;
use crate::sim::options::CallOptions;
use crate::wire::control::Writer;

/// Makes the call and prints what the daemon says of its recording.
pub(super) fn call(options: &CallOptions, legs: &[Leg]) -> Result<(), String> {
    let ports_wanted = if options.one_port || options.mixed {
        legs.len().min(1)
    } else {
        legs.len()
    };
    let longest = legs.iter().map(Leg::length).max().unwrap_or_default();
    let length = options.seconds.map_or(longest, Duration::from_secs_f64);
    let mut control = ControlClient::open(&options.socket)?;
    // Before the call begins: milliseconds on a phone, by which the first packets would be late,
    // and then no others.
    let queue = queue(legs, length);
    let answer = control.request(&start_request(options, ports_wanted)?)?;
    let started = Instant::now();
    let id = value(&answer, "id")
        .ok_or("the daemon's answer names no id")?
        .to_owned();
    let targets = targets(options, legs.len(), &answer)?;
    println!(
        "recording {id}: {}",
        value(&answer, "file")
            .or(value(&answer, "server"))
            .unwrap_or("?")
    );
    for (leg, target) in legs.iter().zip(&targets) {
        println!(
            "  leg {:<24} {} packets -> {target}",
            leg.name,
            leg.packets.len()
        );
    }
    let played = play(&queue, &targets, started, length, options.quiet);
    let stopped = control.request(&format!("cmd=RecordStopRequest&id={id}&reason=hangup\n"))?;
    let field = |key| value(&stopped, key).unwrap_or("?");
    println!(
        "recorded {} frames, {} ms",
        field("frames"),
        field("duration_ms")
    );
    let files = value(&stopped, "files").unwrap_or_default();
    files
        .split(',')
        .filter(|file| !file.is_empty())
        .for_each(|file| println!("file {file}"));
    played
}

fn start_request(options: &CallOptions, ports: usize) -> Result<String, String> {
    let mut buffer = [0; 4096];
    let mut writer = Writer::new(&mut buffer, "RecordStartRequest");
    let ports = ports.to_string();
    for (key, value) in [
        ("legs", Some(ports.as_str())),
        ("sink", options.sink.as_deref()),
        ("codec", options.codec.map(|law| law.name())),
    ] {
        // A key that is set by hand replaces this one: it may stand once.
        let is_set = options.extra.iter().any(|(set, _)| set == key);
        if let Some(value) = value.filter(|_| !is_set) {
            writer.pair(key, value);
        }
    }
    for (key, value) in &options.extra {
        writer.pair(key, value);
    }
    let len = writer
        .finish()
        .ok_or("the start request would be longer than 4096 bytes")?;
    Ok(String::from_utf8_lossy(&buffer[..len]).into_owned() + "\n")
}

/// Where each leg is sent.
fn targets(options: &CallOptions, legs: usize, answer: &str) -> Result<Vec<SocketAddr>, String> {
    let key = if options.mixed {
        "local_port"
    } else {
        "leg_ports"
    };
    let ports = value(answer, key)
        .unwrap_or_default()
        .split(',')
        .filter(|port| !port.is_empty());
    let ports: Result<Vec<u16>, _> = ports.map(str::parse).collect();
    let ports = ports.map_err(|_| format!("the daemon's {key} is no list of ports: {answer}"))?;
    let port = |leg: usize| {
        ports.get(if options.one_port || options.mixed {
            0
        } else {
            leg
        })
    };
    let all: Option<Vec<SocketAddr>> = (0..legs)
        .map(|leg| port(leg).map(|port| SocketAddr::from(([127, 0, 0, 1], *port))))
        .collect();
    all.ok_or_else(|| format!("the daemon gave too few ports: {answer}"))
}

/// A packet of a leg, and when it is sent.
type Due<'a> = (Duration, usize, &'a [u8]);

/// The packets of all legs in the order in which they are sent.
fn queue(legs: &[Leg], length: Duration) -> Vec<Due<'_>> {
    let mut queue = vec![];
    for (number, leg) in legs.iter().enumerate() {
        // Only a length that was asked for cuts a leg; a packet of no length may stand at its end.
        let in_call = leg
            .packets
            .iter()
            .filter(|(at, _)| *at < length || *at == leg.length());
        queue.extend(in_call.map(|(at, bytes)| (*at, number, bytes.as_slice())));
    }
    queue.sort_by_key(|(at, number, _)| (*at, *number));
    queue
}

/// Sends every packet at its time, then waits for the call's end.
fn play(
    queue: &[Due],
    targets: &[SocketAddr],
    started: Instant,
    length: Duration,
    quiet: bool,
) -> Result<(), String> {
    let socket = |_| UdpSocket::bind("127.0.0.1:0").map_err(|error| format!("UDP socket: {error}"));
    let sockets: Vec<UdpSocket> = targets.iter().map(socket).collect::<Result<_, _>>()?;
    let mut progress = CallProgress::new(length, quiet);
    for (sent, (at, leg, bytes)) in queue.iter().enumerate() {
        sleep_until(started + *at);
        sockets[*leg]
            .send_to(bytes, targets[*leg])
            .map_err(|error| format!("{}: {error}", targets[*leg]))?;
        progress.show(*at, sent + 1);
    }
    while started.elapsed() < length {
        let step = Duration::from_millis(200).min(length.saturating_sub(started.elapsed()));
        std::thread::sleep(step);
        progress.show(started.elapsed(), queue.len());
    }
    progress.end();
    Ok(())
}

fn sleep_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}

/// A line that is written over on a terminal, and a line every five seconds elsewhere.
struct CallProgress {
    length: Duration,
    quiet: bool,
    terminal: bool,
    next: Duration,
}

impl CallProgress {
    fn new(length: Duration, quiet: bool) -> Self {
        Self {
            length,
            quiet,
            terminal: std::io::stderr().is_terminal(),
            next: Duration::ZERO,
        }
    }

    fn show(&mut self, at: Duration, packets: usize) {
        if self.quiet || at < self.next {
            return;
        }
        self.next = at + Duration::from_millis(if self.terminal { 200 } else { 5000 });
        let (at, length) = (at.as_secs_f64(), self.length.as_secs_f64());
        let (start, end) = if self.terminal {
            ("\r", "")
        } else {
            ("", "\n")
        };
        eprint!("{start}  call running: {at:5.1} s of {length:.1} s, {packets} packets sent{end}");
        let _ = std::io::stderr().flush();
    }

    fn end(&self) {
        if self.terminal && !self.quiet {
            eprintln!();
        }
    }
}

/// The control socket, as a phone's call application uses it.
struct ControlClient {
    path: String,
    lines: BufReader<UnixStream>,
}

impl ControlClient {
    fn open(path: &str) -> Result<Self, String> {
        let stream = UnixStream::connect(path)
            .map_err(|error| format!("{path}: {error}; is 'callrec run' running?"))?;
        Ok(Self {
            path: path.into(),
            lines: BufReader::new(stream),
        })
    }

    fn request(&mut self, line: &str) -> Result<String, String> {
        self.lines
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(|error| format!("{}: {error}", self.path))?;
        let mut answer = vec![];
        let read = self
            .lines
            .read_until(b'\n', &mut answer)
            .map_err(|error| format!("{}: {error}", self.path))?;
        let answer = String::from_utf8_lossy(answer.trim_ascii_end()).into_owned();
        match value(&answer, "result") {
            Some("success") => Ok(answer),
            _ if read == 0 => Err(format!("{}: the daemon closed the connection", self.path)),
            _ => Err(format!(
                "the daemon refused: {}",
                value(&answer, "reason").unwrap_or(&answer)
            )),
        }
    }
}

fn value<'a>(message: &'a str, key: &str) -> Option<&'a str> {
    message
        .split('&')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
        .filter(|value| !value.is_empty())
}
