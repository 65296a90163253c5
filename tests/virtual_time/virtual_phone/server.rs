//! A recording server, and the network to it, in virtual time: it can refuse, be slow, die and fall
//! silent.

use super::*;
use callrec::proto::record_client::event::{self as server, ClientInput};

/// How the server answers a start.
#[derive(Clone, Copy)]
pub enum Manner {
    Accepts,
    Refuses(&'static str),
    /// It takes the connection and says nothing.
    Silent,
    /// Nobody listens.
    Absent,
    /// Not even that is said.
    Unreachable,
}

pub struct Server {
    pub manner: Manner,
    /// From each of the phone's actions to what comes of it.
    pub delay: Duration,
    /// From then on nothing reaches it.
    pub dead_from: Option<Instant>,
    /// When the phone's system notices.
    pub noticed_at: Option<(Instant, i32)>,
    /// What UDP has to tell from then on.
    pub trouble_from: Option<(Instant, i32)>,
    /// What has come, by the recorder's places.
    pub frames: Vec<(usize, Instant, Vec<u8>)>,
    pub heard: Vec<String>,
    /// What will come to the phone.
    pending: Vec<(Instant, usize, Coming)>,
}

#[derive(Clone)]
enum Coming {
    Connected,
    Lost(i32),
    Text(String),
}

impl Server {
    pub fn new(manner: Manner) -> Self {
        let (frames, heard, pending) = (vec![], vec![], vec![]);
        Self {
            manner,
            delay: ms(3),
            dead_from: None,
            noticed_at: None,
            trouble_from: None,
            frames,
            heard,
            pending,
        }
    }

    /// Dies now; a system that hears nothing for 15 s notices.
    pub fn die(&mut self, now: Instant, noticed_after: Duration, errno: i32) {
        self.dead_from = Some(now);
        self.noticed_at = Some((now + noticed_after, errno));
    }

    /// Says something by itself.
    pub fn say(&mut self, now: Instant, place: usize, text: &str) {
        self.pending
            .push((now + self.delay, place, Coming::Text(text.into())));
    }

    /// The next time that something comes.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        let noticed = self.noticed_at.map(|(at, _)| at).filter(|at| *at > now);
        self.pending.iter().map(|(at, ..)| *at).chain(noticed).min()
    }

    /// One place's share of a turn.
    pub fn turn(&mut self, recorder: &mut Recorder, place: usize, now: Instant) {
        if !recorder.has_server(place) {
            return;
        }
        let mut come: Vec<Coming> = vec![];
        self.pending.retain(|(at, to, what)| {
            let comes = *to == place && *at <= now;
            comes.then(|| come.push(what.clone()));
            !comes
        });
        if let Some((_, errno)) = self.noticed_at.filter(|(at, _)| *at <= now) {
            come.push(Coming::Lost(errno));
        }
        for what in come {
            let input = match &what {
                Coming::Connected => ClientInput::Connected("10.0.0.9:10000".parse().unwrap()),
                Coming::Lost(errno) => ClientInput::Lost(*errno),
                Coming::Text(text) => ClientInput::Bytes(text.as_bytes()),
            };
            recorder.handle_server(place, now, input);
        }
        recorder.handle_server(place, now, ClientInput::Tick);
        while let Some(op) = recorder.server_op(place, now) {
            if let server::ClientOp::Frame(frame) = op {
                if self.dead_from.is_none_or(|at| now < at) {
                    self.frames.push((place, now, frame.to_vec()));
                }
                let errno = self
                    .trouble_from
                    .filter(|(at, _)| now >= *at)
                    .map(|(_, errno)| errno);
                recorder.handle_frame(place, now, true, errno);
                continue;
            }
            let mut done = server::ClientDone::Yes;
            match op {
                server::ClientOp::Connect(_) => self.connect(now, place),
                server::ClientOp::Write(bytes) => {
                    done = server::ClientDone::Wrote(bytes.len());
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    self.hear(now, place, text);
                }
                server::ClientOp::Close => self.pending.retain(|(_, to, _)| *to != place),
                _ => {}
            }
            recorder.handle_server_done(place, now, Ok(done));
        }
    }

    fn connect(&mut self, now: Instant, place: usize) {
        match self.manner {
            Manner::Absent => self
                .pending
                .push((now + self.delay, place, Coming::Lost(111))),
            Manner::Unreachable => {}
            _ => self
                .pending
                .push((now + self.delay, place, Coming::Connected)),
        }
    }

    fn hear(&mut self, now: Instant, place: usize, text: String) {
        if self.dead_from.is_some_and(|at| now >= at) {
            return;
        }
        let id = value(&text, "id").unwrap().to_owned();
        let answer = match (value(&text, "cmd").unwrap(), &self.manner) {
            ("RecordStartRequest", Manner::Accepts) => Some(format!(
                "cmd=RecordStartResponse&id={id}&result=success&port=40000\n"
            )),
            ("RecordStartRequest", Manner::Refuses(why)) => Some(format!(
                "cmd=RecordStartResponse&id={id}&result=failed&reason={why}\n"
            )),
            ("RecordStopRequest", Manner::Accepts) => {
                Some(format!("cmd=RecordStopResponse&id={id}&result=success\n"))
            }
            _ => None,
        };
        self.heard.push(text);
        self.pending
            .extend(answer.map(|text| (now + self.delay, place, Coming::Text(text))));
    }

    /// Sequence number, timestamp, marker and payload of what has come for a place.
    pub fn packets(&self, place: usize) -> Vec<(u16, u32, bool, Vec<u8>)> {
        let mine = self.frames.iter().filter(|(to, ..)| *to == place);
        mine.map(|(.., frame)| {
            let packet = Packet::parse(frame).unwrap();
            assert_eq!((frame.len(), packet.ssrc), (172, 0xABCD_0123));
            (
                packet.sequence,
                packet.timestamp,
                packet.marker,
                packet.payload.to_vec(),
            )
        })
        .collect()
    }
}
