//! The other endpoints that one endpoint is about to reach: their ladders, the answers to their pings, and the
//! relay where nothing else helps.
//!
//! A PING is answered only when its connection is known, and a bounded number of times. The relay is an extension of
//! our own, for two endpoints whose NATs let nothing else through:
//!
//! ```text
//! caller -> server     NFY connid {event: rtpp_open}             sealed; the pings were in vain
//! server -> both       NFY connid {event: rtpp_open, ped, token} sealed; a port for this connection, a token for each
//! both   -> that port  BIND mid connid token                     this is where I am; answered with BIND mid code 200
//! caller -> phone      PING connid+"R", through the port         and then everything, as it is
//! ```

use core::net::SocketAddrV4;

use super::connectivity_check::{Ladder, Step, Tag};
use super::{name, pong_proof, write_notice, Datagram, Identity};
use crate::base::limits::rendezvous::{ANSWERS, NAME_BYTES, PEERS};
use crate::base::time::Instant;
use crate::wire::control::Text;
use crate::wire::rendezvous::{Attributes, Class, Kind, Message, Writer};

/// A connection's id with the tag of a PING.
type Tagged = Text<{ NAME_BYTES + 1 }>;

/// The other endpoints.
pub(super) struct Peers {
    mid: u32,
    ladders: heapless::Vec<Ladder, PEERS>,
    pongs: heapless::Deque<Pong, ANSWERS>,
}

/// The answer to a PING.
struct Pong {
    to: SocketAddrV4,
    mid: u32,
    tagged: Tagged,
}

impl Peers {
    /// None yet; `mid` is where messages begin to be numbered.
    pub(super) fn new(mid: u32) -> Self {
        Self {
            mid,
            ladders: heapless::Vec::new(),
            pongs: heapless::Deque::new(),
        }
    }

    /// The number of the next message.
    pub(super) fn next_mid(&mut self) -> u32 {
        self.mid = self.mid.wrapping_add(1);
        self.mid
    }

    /// The way to the other end of a connection.
    pub(super) fn find(&mut self, connid: &[u8]) -> Option<&mut Ladder> {
        self.ladders
            .iter_mut()
            .find(|ladder| ladder.connid == connid)
    }

    /// Begins to ping; `false` when there are too many of whom nothing has been heard yet.
    pub(super) fn follow(&mut self, ladder: Ladder) -> bool {
        if self.find(&ladder.connid).is_some() {
            return true; // the server asks again, because our answer was lost
        }
        if self.ladders.is_full() {
            let first = |free: fn(&Ladder) -> bool| self.ladders.iter().position(free);
            let Some(free) = first(Ladder::is_done).or_else(|| first(Ladder::is_answered)) else {
                return false;
            };
            self.ladders.remove(free);
        }
        self.ladders.push(ladder).is_ok()
    }

    /// The server has news of a connection; `None` when they make no sense.
    pub(super) fn handle_notice(
        &mut self,
        now: Instant,
        connid: &[u8],
        news: &Attributes<'_>,
    ) -> Option<()> {
        let mid = self.next_mid();
        let ladder = self.find(connid)?;
        match news.value("event")? {
            b"ping_fork" | b"ping_change" => ladder.handle_moved(now, news.address("ped")),
            b"rtpp_open" => {
                let relay = news.address("ped")?;
                ladder.token = name(news.value("token"))?;
                ladder.handle_relay(now, relay, mid);
            }
            _ => return None,
        }
        Some(())
    }

    /// Takes what comes from the other ends and the relay; `false`: it is nothing that was waited for.
    pub(super) fn handle(&mut self, from: SocketAddrV4, message: &Message<'_>) -> bool {
        match (message.class, message.kind) {
            (Class::Request, Kind::Ping) => self.handle_ping(from, &message.clear).is_some(),
            (Class::Response, Kind::Pong) => self.handle_pong(from, &message.clear).is_some(),
            (Class::Response, Kind::Bind) => {
                let mid = message.clear.mid();
                mid.is_some_and(|mid| {
                    self.ladders
                        .iter_mut()
                        .any(|ladder| ladder.handle_bound(from, mid))
                })
            }
            _ => false,
        }
    }

    fn handle_ping(&mut self, from: SocketAddrV4, clear: &Attributes<'_>) -> Option<()> {
        let tagged = Tagged::from_slice(clear.value("connid")?).ok()?;
        let (_, connid) = tagged.split_last()?;
        let mid = clear.mid()?;
        self.find(connid)?.handle_ping(from).then_some(())?;
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

    /// Writes what is to be sent now.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        identity: &Identity,
        server: SocketAddrV4,
        buffer: &mut [u8],
    ) -> Option<Datagram> {
        if let Some(Pong { to, mid, tagged }) = self.pongs.pop_front() {
            let connid = tagged.split_last().map_or(&[][..], |(_, connid)| connid);
            let secret = self.find(connid).map_or(&[][..], |ladder| &ladder.secret);
            let proof = pong_proof(secret, &tagged, mid, *to.ip());
            let mut pong = Writer::new(buffer, Class::Response, Kind::Pong);
            pong.mid(mid).text("connid", &tagged);
            if let Some(proof) = proof {
                pong.text("proof", proof.text());
            }
            return pong.finish().map(|len| Datagram::new(to, len));
        }
        self.ladders.retain(|ladder| !ladder.is_over(now));
        let (ladder, step) = self
            .ladders
            .iter_mut()
            .find_map(|ladder| ladder.poll(now).map(|step| (ladder, step)))?;
        self.mid = self.mid.wrapping_add(1);
        match step {
            Step::Ping { to, tag, opens } => {
                let len = write_ping(buffer, self.mid, &ladder.connid, tag)?;
                Some(Datagram { to, len, opens })
            }
            Step::Bind(relay, mid) => {
                let mut writer = Writer::new(buffer, Class::Request, Kind::Bind);
                let len = writer
                    .mid(mid)
                    .text("connid", &ladder.connid)
                    .text("token", &ladder.token)
                    .finish()?;
                Some(Datagram::new(relay, len))
            }
            Step::Fork => {
                let len = write_notice(buffer, identity, self.mid, &ladder.connid, b"ping_fork")?;
                Some(Datagram::new(server, len))
            }
        }
    }

    /// When `poll` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.ladders.iter().map(Ladder::next_deadline).min()
    }
}

/// A PING.
pub(super) fn write_ping(buffer: &mut [u8], mid: u32, connid: &[u8], tag: Tag) -> Option<usize> {
    let mut tagged = Tagged::from_slice(connid).ok()?;
    tagged.push(tag.letter()).ok()?;
    Writer::new(buffer, Class::Request, Kind::Ping)
        .mid(mid)
        .text("connid", &tagged)
        .finish()
}
