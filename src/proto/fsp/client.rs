//! The client's side of FSP: one request at a time, sent again until its reply comes.

use crate::base::time::{Duration, Instant};
use crate::wire::fsp::{Command, Head, Packet, Toward, HEADER_BYTES};

/// The first wait for a reply, as all clients have it. Servers answer a resend after a second at the earliest.
const FIRST_WAIT: Duration = Duration::from_millis(1340);
/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_millis(30_000);
/// The counter of resends in a sequence number.
const RESENDS: u16 = 7;
/// One session with a server.
#[derive(Debug)]
pub struct Client {
    head: Head,
    datagram: Vec<u8>,
    extra: usize,
    wait: Duration,
    resend_at: Instant,
    give_up_at: Instant,
    /// Requests that were sent again.
    pub resends: u64,
}

/// What is to be done when no reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Wait on, until then.
    Wait(Instant),
    /// Send `Client::datagram` again.
    Resend,
    /// It has been long enough.
    GiveUp,
}

impl Client {
    /// A session's first key is arbitrary.
    pub fn new(random: u32) -> Self {
        let head = Head {
            command: Command::VERSION,
            key: random as u16,
            sequence: (random >> 16) as u16,
            position: 0,
        };
        let (zero, at) = (Duration::ZERO, Instant::default());
        Self {
            head,
            datagram: vec![],
            extra: 0,
            wait: zero,
            resend_at: at,
            give_up_at: at,
            resends: 0,
        }
    }

    /// Begins a request; `patience` is how long it may take. `random` is for its sequence number.
    pub fn begin(&mut self, now: Instant, patience: Duration, request: &Packet, random: u16) {
        let other = if (random ^ self.head.sequence) & !RESENDS == 0 {
            random ^ !RESENDS
        } else {
            random
        };
        self.head = Head {
            key: self.head.key,
            sequence: other & !RESENDS,
            ..request.head
        };
        self.datagram.clear();
        self.datagram.resize(HEADER_BYTES, 0);
        self.datagram.extend_from_slice(request.data);
        self.datagram.extend_from_slice(request.extra);
        self.extra = request.extra.len();
        self.head
            .seal(&mut self.datagram, self.extra, Toward::Server);
        self.wait = FIRST_WAIT;
        (self.resend_at, self.give_up_at) = (now + FIRST_WAIT, now + patience);
    }

    /// What is to be sent.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// Has the request wish for payloads of this length from now on; only one with a wish as its extra data.
    pub fn wish(&mut self, bytes: u16) {
        let end = self.datagram.len() - self.extra;
        self.datagram.truncate(end);
        self.datagram.extend_from_slice(&bytes.to_be_bytes());
        self.extra = size_of::<u16>();
        self.head
            .seal(&mut self.datagram, self.extra, Toward::Server);
    }

    /// Looks at the clock: the request is made ready to be sent again when it is time.
    pub fn handle_timeout(&mut self, now: Instant) -> Timeout {
        if now >= self.give_up_at {
            return Timeout::GiveUp;
        }
        if now < self.resend_at {
            return Timeout::Wait(self.resend_at.min(self.give_up_at));
        }
        self.wait = Duration::from_nanos((self.wait.nanos() * 3 / 2).min(LONGEST_WAIT.nanos()));
        self.resend_at = now + self.wait;
        self.resends += 1;
        let resend = self.head.sequence.wrapping_add(1) & RESENDS;
        self.head.sequence = self.head.sequence & !RESENDS | resend;
        self.head
            .seal(&mut self.datagram, self.extra, Toward::Server);
        Timeout::Resend
    }

    /// Takes a datagram; `None` when it is not the reply that is waited for.
    pub fn handle_datagram<'a>(&mut self, datagram: &'a [u8]) -> Option<Packet<'a>> {
        let reply = Packet::parse(datagram, Toward::Client).ok()?;
        let asked = self.head;
        let same = (reply.head.sequence ^ asked.sequence) & !RESENDS == 0
            && (reply.head.command == asked.command || reply.head.command == Command::ERROR)
            && (!asked.command.has_position() || reply.head.position == asked.position);
        if !same {
            return None;
        }
        self.head.key = reply.head.key;
        Some(reply)
    }
}
