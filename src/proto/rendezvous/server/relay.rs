//! The relay's ports: two endpoints that have shown their tokens reach each other through one, for a while.
//!
//! Nothing goes out that did not come in from the other side: a port is no amplifier, and no open relay.

use core::net::SocketAddrV4;

use crate::base::constant_time::is_equal;
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::Name;
use crate::wire::rendezvous::{is_message, Class, Kind, Message, Writer};

/// A connection through which nothing has gone for so long is over.
const IDLE: Duration = Duration::from_millis(60_000);

/// What one connection may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Of both directions together.
    pub bytes: u64,
    /// Whatever is sent.
    pub time: Duration,
}

/// What is to be done with a datagram that came to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it there, as it is.
    Forward(SocketAddrV4),
    /// Send this many bytes of the buffer back.
    Answer(usize),
    /// Nothing.
    Drop,
}

/// What is only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were given a port.
    pub opened: u64,
    /// Requests for which there was none.
    pub full: u64,
    /// Bytes sent on.
    pub bytes: u64,
    /// Datagrams of strangers, or before the other side has come.
    pub dropped: u64,
    /// Connections whose quota was used up.
    pub exhausted: u64,
}

struct Connection {
    connid: Name,
    /// Of the caller and of the phone.
    tokens: [Name; 2],
    sides: [Option<SocketAddrV4>; 2],
    bytes_left: u64,
    ends_at: Instant,
    idle_at: Instant,
}

/// All ports, by their number counted from the first one.
pub struct Relay {
    places: Vec<Option<Connection>>,
    /// Where a free one is looked for first. The phone may still hold the session of a caller that has died, by address and
    /// port: a port that was just left must be the last to be given again.
    next: usize,
    quota: Quota,
    /// What is only counted.
    pub counts: Counts,
}

impl Relay {
    /// So many ports.
    pub fn new(ports: usize, quota: Quota) -> Self {
        Self {
            places: (0..ports).map(|_| None).collect(),
            next: 0,
            quota,
            counts: Counts::default(),
        }
    }

    /// Connections that have a port.
    pub fn in_use(&self) -> usize {
        self.places.iter().flatten().count()
    }

    /// A port for a connection, with the tokens of caller and phone; the same one when it asks again.
    pub(super) fn open(
        &mut self,
        now: Instant,
        connid: &Name,
        tokens: [Name; 2],
    ) -> Option<(usize, [Name; 2])> {
        self.expire(now);
        let known = |place: &Option<Connection>| {
            place.as_ref().is_some_and(|known| known.connid == *connid)
        };
        if let Some(place) = self.places.iter().position(known) {
            return self.places[place]
                .as_ref()
                .map(|connection| (place, connection.tokens.clone()));
        }
        let count = self.places.len();
        let from_next = (0..count).map(|place| (self.next + place) % count);
        let Some(place) = from_next
            .into_iter()
            .find(|place| self.places[*place].is_none())
        else {
            self.counts.full += 1;
            return None;
        };
        self.next = place + 1;
        self.counts.opened += 1;
        self.places[place] = Some(Connection {
            connid: connid.clone(),
            tokens: tokens.clone(),
            sides: [None; 2],
            bytes_left: self.quota.bytes,
            ends_at: now + self.quota.time,
            idle_at: now + IDLE,
        });
        Some((place, tokens))
    }

    /// A datagram has come to a port.
    pub fn handle(
        &mut self,
        now: Instant,
        place: usize,
        from: SocketAddrV4,
        datagram: &[u8],
        buffer: &mut [u8],
    ) -> Verdict {
        let Some(connection) = self.places.get_mut(place).and_then(Option::as_mut) else {
            return self.drop_one();
        };
        if now >= connection.ends_at || now >= connection.idle_at {
            self.places[place] = None;
            return self.drop_one();
        }
        if let Some(len) = connection.bind(from, datagram, buffer) {
            return Verdict::Answer(len);
        }
        let other = match connection.sides {
            [Some(one), Some(other)] if from == one => other,
            [Some(one), Some(other)] if from == other => one,
            _ => return self.drop_one(),
        };
        let Some(left) = connection.bytes_left.checked_sub(datagram.len() as u64) else {
            self.counts.exhausted += 1;
            self.places[place] = None;
            return self.drop_one();
        };
        connection.bytes_left = left;
        connection.idle_at = now + IDLE;
        self.counts.bytes += datagram.len() as u64;
        Verdict::Forward(other)
    }

    /// Forgets connections that are over.
    pub(super) fn expire(&mut self, now: Instant) {
        for place in &mut self.places {
            place.take_if(|connection| now >= connection.ends_at || now >= connection.idle_at);
        }
    }

    fn drop_one(&mut self) -> Verdict {
        self.counts.dropped += 1;
        Verdict::Drop
    }
}

impl Connection {
    /// A side has come, or come again from another port: the answer's length, when it has shown its token.
    fn bind(&mut self, from: SocketAddrV4, datagram: &[u8], buffer: &mut [u8]) -> Option<usize> {
        if !is_message(datagram) {
            return None;
        }
        let message = Message::parse(datagram).ok()?;
        let is_bind = (message.class, message.kind) == (Class::Request, Kind::Bind);
        let token = message.clear.value("token").filter(|_| is_bind)?;
        let side = self
            .tokens
            .iter()
            .position(|known| is_equal(token, known))?;
        self.sides[side] = Some(from);
        Writer::new(buffer, Class::Response, Kind::Bind)
            .mid(message.clear.mid()?)
            .code(200)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        bytes: 1000,
        time: Duration::from_millis(600_000),
    };

    fn address(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new([203, 0, 113, 9].into(), port)
    }

    fn bind(token: &[u8]) -> Vec<u8> {
        let mut buffer = [0; 200];
        let mut writer = Writer::new(&mut buffer, Class::Request, Kind::Bind);
        let len = writer
            .mid(7)
            .text("connid", b"c")
            .text("token", token)
            .finish()
            .unwrap();
        buffer[..len].to_vec()
    }

    fn name(text: &str) -> Name {
        Name::from_slice(text.as_bytes()).unwrap()
    }

    fn opened() -> Relay {
        let mut relay = Relay::new(2, QUOTA);
        assert!(relay
            .open(Instant::default(), &name("c"), [name("aa"), name("bb")])
            .is_some());
        relay
    }

    fn handle(relay: &mut Relay, at: u64, from: u16, datagram: &[u8]) -> Verdict {
        let now = Instant::default() + Duration::from_millis(at);
        relay.handle(now, 0, address(from), datagram, &mut [0; 100])
    }

    #[test]
    fn two_with_tokens_reach_each_other_and_nobody_else() {
        let mut relay = opened();
        assert_eq!(handle(&mut relay, 0, 1, b"early"), Verdict::Drop);
        assert!(
            matches!(handle(&mut relay, 0, 1, &bind(b"aa")), Verdict::Answer(len) if len < bind(b"aa").len() + 8)
        );
        assert_eq!(
            handle(&mut relay, 0, 1, b"early"),
            Verdict::Drop,
            "the other side has not come"
        );
        assert_eq!(handle(&mut relay, 0, 9, &bind(b"ab")), Verdict::Drop);
        assert!(matches!(
            handle(&mut relay, 0, 2, &bind(b"bb")),
            Verdict::Answer(_)
        ));
        assert_eq!(
            handle(&mut relay, 1, 1, b"hello"),
            Verdict::Forward(address(2))
        );
        assert_eq!(
            handle(&mut relay, 1, 2, b"P2PNAT00 PING\r\n"),
            Verdict::Forward(address(1))
        );
        assert_eq!(handle(&mut relay, 1, 3, b"hello"), Verdict::Drop);
        assert!(
            matches!(handle(&mut relay, 2, 3, &bind(b"aa")), Verdict::Answer(_)),
            "its NAT has changed"
        );
        assert_eq!(
            handle(&mut relay, 2, 2, b"hello"),
            Verdict::Forward(address(3))
        );
        assert_eq!(handle(&mut relay, 2, 1, b"hello"), Verdict::Drop);
        assert_eq!(relay.counts.bytes, 5 + 15 + 5);
    }

    #[test]
    fn a_connection_ends_when_its_bytes_or_its_time_are_used_up_or_nothing_comes() {
        let both = |relay: &mut Relay| {
            handle(relay, 0, 1, &bind(b"aa"));
            handle(relay, 0, 2, &bind(b"bb"));
        };
        let mut relay = opened();
        both(&mut relay);
        assert!((0..10).all(|_| handle(&mut relay, 1, 1, &[0; 100]) != Verdict::Drop));
        assert_eq!(handle(&mut relay, 1, 1, &[0; 1]), Verdict::Drop);
        assert_eq!((relay.counts.exhausted, relay.in_use()), (1, 0));
        let mut relay = opened();
        both(&mut relay);
        assert!((1..20).all(|n| handle(&mut relay, n * 30_000, 1, b"x") != Verdict::Drop));
        assert_eq!(handle(&mut relay, 600_000, 1, b"x"), Verdict::Drop);
        let mut relay = opened();
        both(&mut relay);
        assert_eq!(handle(&mut relay, 60_000, 1, b"x"), Verdict::Drop);
    }

    #[test]
    fn ports_are_bounded_and_come_back() {
        let (mut relay, start) = (opened(), Instant::default());
        let tokens = || [name("x"), name("y")];
        assert_eq!(
            relay.open(start, &name("c"), tokens()),
            Some((0, [name("aa"), name("bb")])),
            "it asks again"
        );
        assert_eq!(relay.open(start, &name("d"), tokens()), Some((1, tokens())));
        assert_eq!(relay.open(start, &name("e"), tokens()), None);
        assert_eq!((relay.counts.opened, relay.counts.full), (2, 1));
        assert!(relay.open(start + IDLE, &name("e"), tokens()).is_some());
    }

    #[test]
    fn a_port_that_was_left_is_given_again_last() {
        let (mut relay, tokens) = (Relay::new(3, QUOTA), || [name("x"), name("y")]);
        let mut at = Instant::default();
        for expected in [0, 1, 2, 0, 1] {
            let (place, _) = relay
                .open(at, &name(&at.nanos().to_string()), tokens())
                .unwrap();
            assert_eq!(place, expected);
            at = at + IDLE;
        }
    }
}
