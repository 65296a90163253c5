//! A stick and servers that fail as the input determines.

use std::collections::BTreeMap;

use crate::base::limits::DISK_BYTES_PER_TURN;
use crate::base::time::{Duration, Instant};
use crate::proto::media::receiver;
use crate::proto::record_client::event::{self as server, Input};
use crate::proto::recorder::reason::Reason;
use crate::proto::recorder::turn::Devices;
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::{DiskError, Done, Name, Op};
use crate::proto::recording::setup::Ports;
use crate::proto::recording::state::State;
use crate::wire::recording::{Header, HEADER_BYTES};

use super::extent::PLACES;
use super::sockets::{Day, VirtualSockets};

pub(super) struct VirtualDevices {
    pub(super) sockets: [VirtualSockets; PLACES],
    pub(super) servers: [Server; PLACES],
    pub(super) stick: Stick,
    /// The current time, which is later than the beginning of the turn if the stick has stalled.
    pub(super) now: Instant,
    day: Day,
}

impl VirtualDevices {
    pub(super) fn new(now: Instant) -> Self {
        let (sockets, servers) = (Default::default(), Default::default());
        Self {
            sockets,
            servers,
            stick: Stick::new(),
            now,
            day: Day::default(),
        }
    }

    pub(super) fn look(&mut self, place: usize, now: Instant) {
        self.now = now;
        self.sockets[place].look(now, &self.day);
    }

    pub(super) fn set_clock(&mut self, at: Instant, by_millis: i64) {
        self.day.set(at, by_millis);
    }
}

impl Devices for VirtualDevices {
    fn bind(&mut self, place: usize, legs: usize, now: Instant) -> Result<Ports, Reason> {
        self.sockets[place].open(now, legs + 1);
        let ports = 0..=legs as u16;
        Ok(ports.map(|number| 41_000 + 2 * number).collect())
    }

    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool {
        receiver::drain(&mut self.sockets[place], place, now, recorder)
    }

    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder) {
        self.servers[place].serve(place, now, recorder);
    }

    fn store(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool {
        let mut written = 0;
        while written < DISK_BYTES_PER_TURN {
            let Some(op) = recorder.disk_op(place, now) else {
                return false;
            };
            if let Op::Write(_, bytes) = &op {
                written += bytes.len();
                self.now = self.now + std::mem::take(&mut self.stick.stall);
            }
            let result = self.stick.call(place, &op);
            if matches!(result, Err(DiskError::Busy))
                && matches!(recorder.state(place), State::Running)
            {
                return false; // the daemon repeats the call in a later turn
            }
            recorder.handle_disk(place, now, result);
        }
        true
    }
}

/// How a server behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Manner {
    #[default]
    Accepts,
    Refuses,
    Silent,
    Unreachable,
    Dies,
    Stops,
    TakesNoFrames,
}

#[derive(Default)]
pub(super) struct Server {
    pub(super) manner: Manner,
    /// The number of frames that it has received.
    pub(super) frames: u64,
    answers: Vec<Vec<u8>>,
    connected: bool,
    id: String,
}

impl Server {
    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder) {
        if !recorder.talks(place) {
            return;
        }
        if std::mem::take(&mut self.connected) {
            recorder.handle_server(place, now, Input::Connected(([10, 0, 0, 9], 10_000).into()));
        }
        for answer in std::mem::take(&mut self.answers) {
            recorder.handle_server(place, now, Input::Bytes(&answer));
        }
        match self.manner {
            Manner::Dies => recorder.handle_server(place, now, Input::Lost(104)),
            Manner::Stops => {
                let stop = format!("cmd=RecordStopRequest&id={}&reason=x\n", self.id);
                recorder.handle_server(place, now, Input::Bytes(stop.as_bytes()));
                self.manner = Manner::Accepts;
            }
            _ => {}
        }
        recorder.handle_server(place, now, Input::Tick);
        self.carry_out(place, now, recorder);
    }

    fn carry_out(&mut self, place: usize, now: Instant, recorder: &mut Recorder) {
        while let Some(op) = recorder.server_op(place, now) {
            let mut done = server::Done::Yes;
            match op {
                server::Op::Frame(_) => {
                    let taken = !matches!(self.manner, Manner::TakesNoFrames);
                    self.frames += u64::from(taken);
                    recorder.handle_frame(place, now, taken, (!taken).then_some(111));
                    continue;
                }
                server::Op::Connect(_) => {
                    self.connected = !matches!(self.manner, Manner::Unreachable)
                }
                server::Op::Write(bytes) => {
                    done = server::Done::Wrote(bytes.len());
                    self.handle_message(&String::from_utf8_lossy(bytes));
                }
                _ => {}
            }
            recorder.handle_server_done(place, now, Ok(done));
        }
    }

    fn handle_message(&mut self, text: &str) {
        let Some(id) = super::laws::value(text, "id") else {
            return;
        };
        self.id = id.to_owned();
        let answer = match self.manner {
            Manner::Silent => return,
            _ if text.starts_with("cmd=RecordStopRequest") => {
                format!("cmd=RecordStopResponse&id={id}&result=success\n")
            }
            Manner::Refuses => {
                format!("cmd=RecordStartResponse&id={id}&result=failed&reason=full\n")
            }
            _ => format!("cmd=RecordStartResponse&id={id}&result=success&port=40000\n"),
        };
        self.answers.push(answer.into_bytes());
    }
}

pub(super) struct Stick {
    files: BTreeMap<String, Vec<u8>>,
    open: [Option<String>; PLACES],
    calls: u64,
    fails: Option<(u64, DiskError)>,
    pub(super) stall: Duration,
    pub(super) there: bool,
}

impl Stick {
    fn new() -> Self {
        let open = Default::default();
        Self {
            files: BTreeMap::new(),
            open,
            calls: 0,
            fails: None,
            stall: Duration::ZERO,
            there: true,
        }
    }

    /// Makes the call after `after` other calls fail.
    pub(super) fn fail(&mut self, after: u64, error: DiskError) {
        self.fails = Some((self.calls + after, error));
    }

    /// The whole frames in all files.
    pub(super) fn frames(&self) -> u64 {
        self.files.values().map(|bytes| frames(bytes)).sum()
    }

    pub(super) fn frames_of(&self, names: &[String]) -> u64 {
        names
            .iter()
            .filter_map(|name| self.files.get(name))
            .map(|bytes| frames(bytes))
            .sum()
    }

    fn call(&mut self, place: usize, op: &Op) -> Result<Done, DiskError> {
        self.calls += 1;
        if matches!(op, Op::Close) {
            self.open[place] = None; // closing never fails
            return Ok(Done::Yes);
        }
        if !self.there {
            return Err(DiskError::Lost);
        }
        if let Some((_, error)) = self.fails.take_if(|(number, _)| *number <= self.calls) {
            return Err(error);
        }
        if let Op::Create(_) = op {
            let name = format!("Record_{:06}.wav", self.calls);
            self.files.insert(name.clone(), vec![]);
            self.open[place] = Some(name.clone());
            return Ok(Done::Created(
                Name::try_from(name.as_str()).unwrap_or_default(),
            ));
        }
        let name = self.open[place].clone().unwrap_or_default();
        let file = self.files.get_mut(&name);
        match (op, file) {
            (Op::Space, _) => Ok(Done::Free(1 << 40)),
            (Op::MakeRoom, _) => Ok(Done::NothingToDelete),
            (Op::Write(at, bytes), Some(file)) => {
                let at = *at as usize;
                assert!(at <= file.len(), "no hole is written");
                // Every seventh call writes only half.
                let len = if self.calls % 7 == 0 {
                    bytes.len().div_ceil(2)
                } else {
                    bytes.len()
                };
                file.resize(file.len().max(at + len), 0);
                file[at..at + len].copy_from_slice(&bytes[..len]);
                Ok(Done::Wrote(len))
            }
            (Op::Truncate(bytes), Some(file)) => {
                file.truncate(*bytes as usize);
                Ok(Done::Yes)
            }
            (Op::Discard, _) => {
                self.files.remove(&name);
                self.open[place] = None;
                Ok(Done::Yes)
            }
            (Op::Reserve(_) | Op::Sync, Some(_)) => Ok(Done::Yes),
            (op, None) => panic!("{op:?} without a file"),
            (op, Some(_)) => panic!("{op:?} with a file"),
        }
    }
}

fn frames(bytes: &[u8]) -> u64 {
    let length = bytes.len() as u64;
    Header::parse(bytes).map_or(0, |header| {
        (length - HEADER_BYTES as u64) / u64::from(header.rtp_len)
    })
}
