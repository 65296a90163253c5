//! The peers of one agent: their connectivity checks, the responses to their PINGs, and the relay.
//!
//! A PING is answered only if its connection is known, and a bounded number of times. The relay is
//! our own extension, for two peers whose NATs let nothing else through:
//!
//! ```text
//! caller -> server     NFY connid {event: rtpp_open}             sealed; the PINGs were in vain
//! server -> both       NFY connid {event: rtpp_open, ped, token} sealed; a port for this connection, a token for each
//! both   -> that port  BIND mid connid token                     registers the address; the response is BIND mid code 200
//! caller -> phone      PING connid+"R", through the port         then all datagrams, unchanged
//! ```

use core::net::SocketAddrV4;

use super::connectivity_check::{Candidate, CheckMessage, ConnectivityCheck};
use super::{name, pong_proof, write_notice, Datagram, Identity};
use crate::base::limits::rendezvous::{ANSWERS, NAME_BYTES, PEERS};
use crate::base::time::Instant;
use crate::wire::ascii;
use crate::wire::control::Text;
use crate::wire::rendezvous::{Attributes, Class, Kind, Message, Writer};

/// The id of a connection, followed by the letter of a candidate.
type TaggedId = Text<{ NAME_BYTES + 1 }>;

/// The peers.
pub(super) struct Peers {
    mid: u32,
    checks: heapless::Vec<ConnectivityCheck, PEERS>,
    pongs: heapless::Deque<Pong, ANSWERS>,
}

/// There is no room for another check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyPeers;

/// The response to a PING.
struct Pong {
    to: SocketAddrV4,
    mid: u32,
    tagged: TaggedId,
}

impl Peers {
    /// No peers. Messages are numbered from `mid` on.
    pub(super) fn new(mid: u32) -> Self {
        Self {
            mid,
            checks: heapless::Vec::new(),
            pongs: heapless::Deque::new(),
        }
    }

    /// The number of the next message.
    pub(super) fn next_mid(&mut self) -> u32 {
        self.mid = self.mid.wrapping_add(1);
        self.mid
    }

    /// The check of a connection.
    pub(super) fn find(&mut self, connid: &[u8]) -> Option<&mut ConnectivityCheck> {
        self.checks.iter_mut().find(|check| check.connid == connid)
    }

    /// Starts a check. It replaces a finished one, or one whose peer was answered; if there is
    /// none, too many peers have not been heard of yet.
    pub(super) fn start(&mut self, check: ConnectivityCheck) -> Result<(), TooManyPeers> {
        if self.find(&check.connid).is_some() {
            return Ok(()); // the server asks again because our response was lost
        }
        if self.checks.is_full() {
            let first =
                |is_free: fn(&ConnectivityCheck) -> bool| self.checks.iter().position(is_free);
            let free = first(ConnectivityCheck::is_finished)
                .or_else(|| first(ConnectivityCheck::has_answered))
                .ok_or(TooManyPeers)?;
            self.checks.remove(free);
        }
        self.checks.push(check).map_err(|_| TooManyPeers)
    }

    /// Handles a notification of the server about a connection; `None` if it is not understood.
    pub(super) fn handle_notice(
        &mut self,
        now: Instant,
        connid: &[u8],
        notice: &Attributes<'_>,
    ) -> Option<()> {
        let mid = self.next_mid();
        let check = self.find(connid)?;
        match ascii::word(notice.value("event")?) {
            "ping_fork" | "ping_change" => check.handle_moved(now, notice.address("ped")),
            "rtpp_open" => {
                let relay = notice.address("ped")?;
                let token = name(notice.value("token"))?;
                check.handle_relay(now, relay, token, mid);
            }
            _ => return None,
        }
        Some(())
    }

    /// Handles a message of a peer or the relay; `false`: it was not expected.
    pub(super) fn handle_message(&mut self, from: SocketAddrV4, message: &Message<'_>) -> bool {
        match (message.class, message.kind) {
            (Class::Request, Kind::Ping) => self.handle_ping(from, &message.clear).is_some(),
            (Class::Response, Kind::Pong) => self.handle_pong(from, &message.clear).is_some(),
            (Class::Response, Kind::Bind) => {
                let Some(mid) = message.clear.mid() else {
                    return false;
                };
                let mut checks = self.checks.iter_mut();
                checks.any(|check| check.handle_bound(from, mid))
            }
            _ => false,
        }
    }

    fn handle_ping(&mut self, from: SocketAddrV4, clear: &Attributes<'_>) -> Option<()> {
        let tagged = TaggedId::from_slice(clear.value("connid")?).ok()?;
        let (_, connid) = tagged.split_last()?;
        let mid = clear.mid()?;
        if !self.find(connid)?.handle_ping(from) {
            return None;
        }
        self.pongs
            .push_back(Pong {
                to: from,
                mid,
                tagged,
            })
            .ok()
    }

    fn handle_pong(&mut self, from: SocketAddrV4, clear: &Attributes<'_>) -> Option<()> {
        let (_, connid) = clear.value("connid")?.split_last()?;
        self.find(connid)?.handle_pong(from);
        Some(())
    }

    /// Writes the next message that is to be sent now.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        identity: &Identity,
        server: SocketAddrV4,
        buffer: &mut [u8],
    ) -> Option<Datagram> {
        if let Some(pong) = self.pongs.pop_front() {
            return self.write_pong(&pong, buffer);
        }
        self.checks.retain(|check| !check.is_expired(now));
        let (check, message) = self
            .checks
            .iter_mut()
            .find_map(|check| check.poll(now).map(|message| (check, message)))?;
        self.mid = self.mid.wrapping_add(1);
        let connid = &check.connid;
        match message {
            CheckMessage::Ping {
                to,
                candidate,
                opens,
            } => {
                let len = write_ping(buffer, self.mid, connid, candidate)?;
                Some(Datagram { to, len, opens })
            }
            CheckMessage::Bind(relay, mid) => {
                let mut writer = Writer::new(buffer, Class::Request, Kind::Bind);
                writer.mid(mid).text("connid", connid);
                let len = writer.text("token", check.token()).finish()?;
                Some(Datagram::new(relay, len))
            }
            CheckMessage::Fork => {
                let len = write_notice(buffer, identity, self.mid, connid, b"ping_fork")?;
                Some(Datagram::new(server, len))
            }
        }
    }

    fn write_pong(&mut self, pong: &Pong, buffer: &mut [u8]) -> Option<Datagram> {
        let connid = pong
            .tagged
            .split_last()
            .map_or(&[][..], |(_, connid)| connid);
        let secret = self.find(connid).map_or(&[][..], |check| &check.secret);
        let proof = pong_proof(secret, &pong.tagged, pong.mid, *pong.to.ip());
        let mut writer = Writer::new(buffer, Class::Response, Kind::Pong);
        writer.mid(pong.mid).text("connid", &pong.tagged);
        if let Some(proof) = proof {
            writer.text("proof", proof.text());
        }
        let len = writer.finish()?;
        Some(Datagram::new(pong.to, len))
    }

    /// When `poll` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.checks
            .iter()
            .map(ConnectivityCheck::next_deadline)
            .min()
    }
}

fn write_ping(buffer: &mut [u8], mid: u32, connid: &[u8], candidate: Candidate) -> Option<usize> {
    let mut tagged = TaggedId::from_slice(connid).ok()?;
    tagged.push(candidate.letter()).ok()?;
    Writer::new(buffer, Class::Request, Kind::Ping)
        .mid(mid)
        .text("connid", &tagged)
        .finish()
}
