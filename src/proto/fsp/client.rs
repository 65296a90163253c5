//! An FSP client: one request at a time, which is sent again until its reply arrives.

use crate::base::time::{Duration, Instant};
use crate::wire::fsp::{Command, FspHeader, Packet, Toward, HEADER_BYTES};

/// The first interval, which all clients use. Servers answer a resend only after a second.
const FIRST_WAIT: Duration = Duration::from_millis(1340);
/// The longest interval.
const LONGEST_WAIT: Duration = Duration::from_millis(30_000);
/// The bits of a sequence number that count resends.
const RESENDS: u16 = 7;

/// A session with a server.
#[derive(Debug)]
pub struct FspClient {
    head: FspHeader,
    datagram: Vec<u8>,
    extra: usize,
    wait: Duration,
    resend_at: Instant,
    give_up_at: Instant,
    /// The number of resends of all requests.
    pub resends: u64,
}

/// What is to be done while no reply has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Wait until this time.
    Wait(Instant),
    /// Send `FspClient::datagram` again.
    Resend,
    /// The request has timed out.
    GiveUp,
}

impl FspClient {
    /// A new session. Its first key is arbitrary.
    pub fn new(random: u32) -> Self {
        let head = FspHeader {
            command: Command::VERSION,
            key: random as u16,
            sequence: (random >> 16) as u16,
            position: 0,
        };
        Self {
            head,
            datagram: vec![],
            extra: 0,
            wait: Duration::ZERO,
            resend_at: Instant::default(),
            give_up_at: Instant::default(),
            resends: 0,
        }
    }

    /// Begins a request, which times out after `timeout`. `random` is for its sequence number.
    pub fn begin(&mut self, now: Instant, timeout: Duration, request: &Packet, random: u16) {
        // Two requests in a row must differ in more than the count of resends.
        let sequence = if (random ^ self.head.sequence) & !RESENDS == 0 {
            random ^ !RESENDS
        } else {
            random
        };
        self.head = FspHeader {
            key: self.head.key,
            sequence: sequence & !RESENDS,
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
        self.resend_at = now + FIRST_WAIT;
        self.give_up_at = now + timeout;
    }

    /// The datagram to send.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// Changes the payload length that the request asks for. The request must have one as its extra
    /// data.
    pub fn set_payload(&mut self, bytes: u16) {
        let end = self.datagram.len() - self.extra;
        self.datagram.truncate(end);
        self.datagram.extend_from_slice(&bytes.to_be_bytes());
        self.extra = size_of::<u16>();
        self.head
            .seal(&mut self.datagram, self.extra, Toward::Server);
    }

    /// Checks the time. If a resend is due, the datagram is prepared for it.
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

    /// Handles a datagram; `None` if it is not the expected reply.
    pub fn handle_datagram<'a>(&mut self, datagram: &'a [u8]) -> Option<Packet<'a>> {
        let reply = Packet::parse(datagram, Toward::Client).ok()?;
        let request = self.head;
        let command = reply.head.command;
        let is_expected = (reply.head.sequence ^ request.sequence) & !RESENDS == 0
            && (command == request.command || command == Command::ERROR)
            && (!request.command.has_position() || reply.head.position == request.position);
        if !is_expected {
            return None;
        }
        self.head.key = reply.head.key;
        Some(reply)
    }
}
