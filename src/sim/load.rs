//! Many phones at once against a recording server: real handshakes, 50 packets a second each, and
//! at the end every recording's sidecar is asked whether all of it came.

use std::io::{IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{sendmmsg, MsgFlags, MultiHeaders, SockaddrStorage};

use crate::base::limits::{FRAME_SAMPLES, RTP_FRAME_BYTES};
use crate::io::descriptors::raise_limit;
use crate::sim::options::LoadOptions;
use crate::sim::process::{memory, processor};
use crate::wire::control::Message;
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

/// Datagrams sent in one call.
const AT_ONCE: usize = 64;
/// The phones' packets are spread over so many steps of a millisecond.
const STEPS: usize = 20;
/// For an answer, or a sidecar.
const PATIENCE: Duration = Duration::from_secs(20);
/// What `--find-limit` tries, up to the first round in which a packet is lost.
const ROUNDS: [usize; 10] = [10, 100, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000];

/// One phone that records.
struct SimulatedPhone {
    control: TcpStream,
    id: u64,
    device: String,
    to: SocketAddr,
    sent: u64,
}

/// How a round went.
struct Round {
    phones: usize,
    sent: u64,
    /// By the sidecars; `None`: nobody looked.
    received: Option<u64>,
    /// Recordings that are not just what was sent.
    wrong: usize,
    late: Duration,
    /// `None` without `--pid`, or if the process has ended.
    rss_kib: Option<u64>,
    cpu_percent: Option<f64>,
}

/// Runs the round, or rounds; an error when anything was lost.
pub(super) fn load(load: &LoadOptions) -> Result<(), String> {
    raise_limit();
    let idle = memory(load.pid);
    let rounds: &[usize] = if load.find_limit {
        &ROUNDS
    } else {
        &[load.phones]
    };
    println!("recordings    packets       lost  wrong  RSS KiB  KiB/recording  CPU %  latest ms");
    let mut limit = 0;
    for phones in rounds {
        let round = match round(load, *phones) {
            Err(problem) if limit > 0 => {
                println!("{phones:>10} {problem}");
                return summary(limit);
            }
            round => round?,
        };
        let lost = round.received.map_or("?".into(), |received| {
            round.sent.saturating_sub(received).to_string()
        });
        println!(
            "{phones:>10} {:>10} {lost:>10} {:>6} {:>8} {:>14} {:>6} {:>10}",
            round.sent,
            round.wrong,
            known(round.rss_kib, 0),
            known(per_recording(&round, idle), 1),
            known(round.cpu_percent, 1),
            round.late.as_millis(),
        );
        if round.wrong > 0 {
            return match load.find_limit {
                true if limit > 0 => summary(limit),
                _ => Err(format!(
                    "{} of {phones} recordings are not what was sent",
                    round.wrong
                )),
            };
        }
        limit = *phones;
    }
    if load.find_limit {
        return summary(limit);
    }
    Ok(())
}

/// KiB of each recording.
fn per_recording(round: &Round, idle: Option<u64>) -> Option<f64> {
    let more = round.rss_kib?.saturating_sub(idle?);
    Some(more as f64 / round.phones as f64)
}

/// A figure with these decimals; `-` if it was not measured.
fn known(figure: Option<impl std::fmt::Display>, decimals: usize) -> String {
    figure.map_or("-".into(), |figure| format!("{figure:.decimals$}"))
}

fn summary(limit: usize) -> Result<(), String> {
    println!("no packet was lost with {limit} recordings at once");
    Ok(())
}

fn round(load: &LoadOptions, count: usize) -> Result<Round, String> {
    let mut phones = vec![];
    for number in 0..count {
        phones.push(
            SimulatedPhone::start(load.server, number)
                .map_err(|problem| format!("phone {number}: {problem}"))?,
        );
    }
    let busy_before = processor(load.pid);
    let started = Instant::now();
    let late = talk(&mut phones, load.seconds)?;
    let busy = processor(load.pid).zip(busy_before);
    let elapsed = started.elapsed().as_secs_f64();
    let cpu_percent =
        busy.map(|(now, before)| 100.0 * now.saturating_sub(before).as_secs_f64() / elapsed);
    let rss_kib = memory(load.pid);
    let sent = phones.iter().map(|phone| phone.sent).sum();
    for phone in &mut phones {
        phone.say(&format!(
            "cmd=RecordStopRequest&id={}&reason=load\n",
            phone.id
        ))?;
    }
    let mut wrong = 0;
    let mut received = Some(0);
    for phone in &mut phones {
        let answered = phone
            .answer()
            .is_ok_and(|answer| answer.contains("result=success"));
        let came = load
            .dir
            .as_deref()
            .map(|dir| phone.received(dir))
            .transpose()?;
        wrong += usize::from(!answered || came.is_some_and(|came| came != phone.sent));
        received = received.zip(came).map(|(all, came)| all + came);
    }
    Ok(Round {
        phones: count,
        sent,
        received,
        wrong,
        late,
        rss_kib,
        cpu_percent,
    })
}

/// Sends every phone's packets in their time; how late the latest was.
fn talk(phones: &mut [SimulatedPhone], seconds: f64) -> Result<Duration, String> {
    let any = if phones.iter().any(|phone| phone.to.is_ipv6()) {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(any).map_err(|error| format!("UDP socket: {error}"))?;
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(AT_ONCE, None);
    let started = Instant::now();
    let mut late = Duration::ZERO;
    for step in 0..(seconds * 1000.0) as u32 {
        let due = started + Duration::from_millis(step.into());
        match due.checked_duration_since(Instant::now()) {
            Some(wait) => std::thread::sleep(wait),
            None => late = late.max(Instant::now() - due),
        }
        let mut mine: Vec<&mut SimulatedPhone> = phones
            .iter_mut()
            .skip(step as usize % STEPS)
            .step_by(STEPS)
            .collect();
        for batch in mine.chunks_mut(AT_ONCE) {
            send(&socket, &mut headers, batch)?;
        }
    }
    Ok(late)
}

/// Sends the next packet of each phone in one call.
fn send(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<SockaddrStorage>,
    phones: &mut [&mut SimulatedPhone],
) -> Result<(), String> {
    let packets: Vec<[u8; RTP_FRAME_BYTES]> = phones.iter().map(|phone| phone.packet()).collect();
    let slices: Vec<[IoSlice; 1]> = packets
        .iter()
        .map(|packet| [IoSlice::new(packet)])
        .collect();
    let to: Vec<Option<SockaddrStorage>> =
        phones.iter().map(|phone| Some(phone.to.into())).collect();
    let mut done = 0;
    while done < phones.len() {
        let sent = sendmmsg(
            socket.as_raw_fd(),
            headers,
            &slices[done..],
            &to[done..],
            [],
            MsgFlags::empty(),
        );
        done += sent.map_err(|error| format!("sendmmsg: {error}"))?.count();
    }
    phones.iter_mut().for_each(|phone| phone.sent += 1);
    Ok(())
}

impl SimulatedPhone {
    fn start(server: SocketAddr, number: usize) -> Result<Self, String> {
        let control = TcpStream::connect_timeout(&server, PATIENCE)
            .map_err(|error| format!("{server}: {error}"))?;
        let _ = control.set_nodelay(true);
        control
            .set_read_timeout(Some(PATIENCE))
            .map_err(|error| error.to_string())?;
        // Unique among rounds and runs, so that each sidecar is found.
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let id = since.as_micros() as u64;
        let mut phone = Self {
            control,
            id,
            device: format!("10ad{number:08x}"),
            to: server,
            sent: 0,
        };
        let device = &phone.device;
        let request = format!(
            "cmd=RecordStartRequest&id={id}&device={device}&remote_number={number}&remote_name=&local_number=1\
             &local_name=&dir=out&codec=PCMU\n"
        );
        let answer = phone.say(&request).and_then(|()| phone.answer());
        let answer = answer
            .map_err(|error| format!("{error} (is the server's --max-per-address high enough?)"))?;
        let message =
            Message::parse(answer.as_bytes()).map_err(|_| format!("no message: {answer}"))?;
        let port = message
            .number("port")
            .and_then(Result::ok)
            .filter(|_| message.raw("result") == Some(b"success"));
        let port = port.ok_or_else(|| format!("refused: {answer}"))?;
        let ip = message
            .raw("server")
            .and_then(|raw| String::from_utf8_lossy(raw).parse::<IpAddr>().ok());
        phone.to = SocketAddr::new(
            ip.filter(|ip| !ip.is_unspecified()).unwrap_or(server.ip()),
            port,
        );
        Ok(phone)
    }

    fn say(&mut self, text: &str) -> Result<(), String> {
        self.control
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string())
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut buffer = [0; 4096];
        match self.control.read(&mut buffer) {
            Ok(0) => Err("the server has closed the connection".into()),
            Ok(read) => Ok(String::from_utf8_lossy(&buffer[..read])
                .trim_end()
                .to_owned()),
            Err(error) => Err(format!("no answer: {error}")),
        }
    }

    fn packet(&self) -> [u8; RTP_FRAME_BYTES] {
        let header = Packet {
            marker: self.sent == 0,
            payload_type: Law::Mu.payload_type(),
            sequence: self.sent as u16,
            timestamp: (self.sent * FRAME_SAMPLES as u64) as u32,
            ssrc: self.id as u32,
            payload: &[],
        };
        let mut packet = [self.sent as u8; RTP_FRAME_BYTES];
        packet[..12].copy_from_slice(&header.emit_header());
        packet
    }

    /// The packets that the server says it received, by the recording's sidecar.
    fn received(&self, dir: &Path) -> Result<u64, String> {
        let folder = dir.join(&self.device);
        let ending = format!("_{}.json", self.id);
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.to_string_lossy().ends_with(&ending) {
                let bytes =
                    std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let object = crate::wire::json::Object::parse(&bytes).ok();
                let number = |key| object.as_ref().and_then(|object| object.number(key));
                let whole = number("frames") == number("received");
                return Ok(number("received").filter(|_| whole).unwrap_or(0));
            }
        }
        Ok(0) // the recording has not been finished
    }
}
