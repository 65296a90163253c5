//! The relay's ports: two endpoints that have shown their tokens reach each other through one,
//! within a quota.
//!
//! Only what one side sends is passed to the other: a port is neither an amplifier nor an open
//! relay.

use core::net::SocketAddrV4;

use crate::base::constant_time::is_equal;
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::Name;
use crate::wire::rendezvous::{is_message, Class, Kind, Message, Writer};

/// A connection ends after this time without a datagram.
const IDLE: Duration = Duration::from_millis(60_000);

/// What one connection may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In both directions together.
    pub bytes: u64,
    /// From the opening, whatever is sent.
    pub time: Duration,
}

/// What is to be done with a datagram that a port has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayAction {
    /// Send it there, as it is.
    Forward(SocketAddrV4),
    /// Send this many bytes of the buffer back.
    Answer(usize),
    /// Nothing.
    Drop,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounts {
    /// Connections that were given a port.
    pub opened: u64,
    /// Requests for which no port was free.
    pub full: u64,
    /// Bytes relayed.
    pub bytes: u64,
    /// Datagrams of strangers, or before the other side has bound.
    pub dropped: u64,
    /// Connections whose quota was used up.
    pub exhausted: u64,
}

struct RelayedConnection {
    connid: Name,
    /// Of the caller and of the phone.
    tokens: [Name; 2],
    sides: [Option<SocketAddrV4>; 2],
    bytes_left: u64,
    ends_at: Instant,
    idle_at: Instant,
}

/// All ports, by their numbers from the first one.
pub struct Relay {
    ports: Vec<Option<RelayedConnection>>,
    /// Where the search for a free port begins. A phone may still have the session of a caller that
    /// has died, identified by address and port: so a port that was just released must be the last
    /// to be given again.
    next: usize,
    quota: Quota,
    /// The counters.
    pub counts: RelayCounts,
}

impl Relay {
    /// A relay with this number of ports.
    pub fn new(ports: usize, quota: Quota) -> Self {
        Self {
            ports: (0..ports).map(|_| None).collect(),
            next: 0,
            quota,
            counts: RelayCounts::default(),
        }
    }

    /// Connections that have a port.
    pub fn in_use(&self) -> usize {
        self.ports.iter().flatten().count()
    }

    /// Gives a connection a port, with the tokens of caller and phone; the same ones if it has a
    /// port already.
    pub(super) fn open(
        &mut self,
        now: Instant,
        connid: &Name,
        tokens: [Name; 2],
    ) -> Option<(usize, [Name; 2])> {
        self.expire(now);
        let known = |port: &Option<RelayedConnection>| {
            port.as_ref().is_some_and(|known| known.connid == *connid)
        };
        if let Some(number) = self.ports.iter().position(known) {
            return self.ports[number]
                .as_ref()
                .map(|connection| (number, connection.tokens.clone()));
        }
        let count = self.ports.len();
        let from_next = (0..count).map(|number| (self.next + number) % count);
        let Some(number) = from_next
            .into_iter()
            .find(|number| self.ports[*number].is_none())
        else {
            self.counts.full += 1;
            return None;
        };
        self.next = number + 1;
        self.counts.opened += 1;
        self.ports[number] = Some(RelayedConnection {
            connid: connid.clone(),
            tokens: tokens.clone(),
            sides: [None; 2],
            bytes_left: self.quota.bytes,
            ends_at: now + self.quota.time,
            idle_at: now + IDLE,
        });
        Some((number, tokens))
    }

    /// Handles a datagram that a port has received.
    pub fn handle(
        &mut self,
        now: Instant,
        number: usize,
        from: SocketAddrV4,
        datagram: &[u8],
        buffer: &mut [u8],
    ) -> RelayAction {
        let Some(connection) = self.ports.get_mut(number).and_then(Option::as_mut) else {
            return self.drop_one();
        };
        if now >= connection.ends_at || now >= connection.idle_at {
            self.ports[number] = None;
            return self.drop_one();
        }
        if let Some(len) = connection.bind(from, datagram, buffer) {
            return RelayAction::Answer(len);
        }
        let other = match connection.sides {
            [Some(one), Some(other)] if from == one => other,
            [Some(one), Some(other)] if from == other => one,
            _ => return self.drop_one(),
        };
        let Some(left) = connection.bytes_left.checked_sub(datagram.len() as u64) else {
            self.counts.exhausted += 1;
            self.ports[number] = None;
            return self.drop_one();
        };
        connection.bytes_left = left;
        connection.idle_at = now + IDLE;
        self.counts.bytes += datagram.len() as u64;
        RelayAction::Forward(other)
    }

    /// Ends the connections that are over.
    pub(super) fn expire(&mut self, now: Instant) {
        for port in &mut self.ports {
            port.take_if(|connection| now >= connection.ends_at || now >= connection.idle_at);
        }
    }

    fn drop_one(&mut self) -> RelayAction {
        self.counts.dropped += 1;
        RelayAction::Drop
    }
}

impl RelayedConnection {
    /// Binds a side to its address, which may change. Returns the response's length if the datagram
    /// contains its token.
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

    fn handle(relay: &mut Relay, at: u64, from: u16, datagram: &[u8]) -> RelayAction {
        let now = Instant::default() + Duration::from_millis(at);
        relay.handle(now, 0, address(from), datagram, &mut [0; 100])
    }

    #[test]
    fn two_with_tokens_reach_each_other_and_nobody_else() {
        let mut relay = opened();
        assert_eq!(handle(&mut relay, 0, 1, b"early"), RelayAction::Drop);
        assert!(
            matches!(handle(&mut relay, 0, 1, &bind(b"aa")), RelayAction::Answer(len) if len < bind(b"aa").len() + 8)
        );
        assert_eq!(
            handle(&mut relay, 0, 1, b"early"),
            RelayAction::Drop,
            "the other side has not come"
        );
        assert_eq!(handle(&mut relay, 0, 9, &bind(b"ab")), RelayAction::Drop);
        assert!(matches!(
            handle(&mut relay, 0, 2, &bind(b"bb")),
            RelayAction::Answer(_)
        ));
        assert_eq!(
            handle(&mut relay, 1, 1, b"hello"),
            RelayAction::Forward(address(2))
        );
        assert_eq!(
            handle(&mut relay, 1, 2, b"P2PNAT00 PING\r\n"),
            RelayAction::Forward(address(1))
        );
        assert_eq!(handle(&mut relay, 1, 3, b"hello"), RelayAction::Drop);
        assert!(
            matches!(
                handle(&mut relay, 2, 3, &bind(b"aa")),
                RelayAction::Answer(_)
            ),
            "its NAT has changed"
        );
        assert_eq!(
            handle(&mut relay, 2, 2, b"hello"),
            RelayAction::Forward(address(3))
        );
        assert_eq!(handle(&mut relay, 2, 1, b"hello"), RelayAction::Drop);
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
        assert!((0..10).all(|_| handle(&mut relay, 1, 1, &[0; 100]) != RelayAction::Drop));
        assert_eq!(handle(&mut relay, 1, 1, &[0; 1]), RelayAction::Drop);
        assert_eq!((relay.counts.exhausted, relay.in_use()), (1, 0));
        let mut relay = opened();
        both(&mut relay);
        assert!((1..20).all(|n| handle(&mut relay, n * 30_000, 1, b"x") != RelayAction::Drop));
        assert_eq!(handle(&mut relay, 600_000, 1, b"x"), RelayAction::Drop);
        let mut relay = opened();
        both(&mut relay);
        assert_eq!(handle(&mut relay, 60_000, 1, b"x"), RelayAction::Drop);
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
            let (number, _) = relay
                .open(at, &name(&at.nanos().to_string()), tokens())
                .unwrap();
            assert_eq!(number, expected);
            at = at + IDLE;
        }
    }
}
