//! Connections: a caller's question, the FWD to the phone, what both have to say afterwards, the relay.

use core::net::SocketAddrV4;

use super::{object, Server};
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::{PEER_KNOWN, SEALED_BYTES};
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::{name, Identity, Name};
use crate::wire::rendezvous::{Attributes, Class, Kind};

/// A FWD that is not answered is sent again after this.
const FORWARD_AGAIN: Duration = Duration::from_millis(500);
/// The caller is told where the phone is when the phone has answered, and so has opened its NAT: what the caller sends
/// then is let in. After this it is told anyway: the SDK asks again after 400 ms.
const ANSWER: Duration = Duration::from_millis(300);
/// Times that it is sent.
const FORWARDS: u8 = 4;
/// Connections of one caller in a minute: it needs one.
const OF_CALLER: usize = 8;
/// Connections to one phone in a minute: it helps four at once.
const OF_PHONE: usize = 32;
/// News of one connection that are passed on: the SDK's ladder has seven.
const NOTICES: u8 = 24;

/// A connection in the making.
pub(super) struct Connection {
    caller: Name,
    phone: Name,
    service: Name,
    /// The caller's object, the phone's, and the invite code, as the FWD repeats them.
    words: [Name; 3],
    /// What both ends are told, so that the phone can prove who it is; empty if it cannot.
    secret: Name,
    /// The number of the caller's question, and when it is answered at the latest; `None`: it is.
    caller_mid: u32,
    answer_at: Option<Instant>,
    forward_mid: u32,
    forward_at: Instant,
    forwards: u8,
    /// The phone's answer to the FWD.
    answer: Option<u16>,
    notices: u8,
    pub(super) expires_at: Instant,
}

impl Connection {
    /// When there is something to do for it while the phone has not answered.
    pub(super) fn next_deadline(&self) -> Instant {
        self.answer_at
            .map_or(self.forward_at, |at| at.min(self.forward_at))
    }

    fn other(&self, cid: &Name) -> Option<&Name> {
        match cid {
            cid if *cid == self.caller => Some(&self.phone),
            cid if *cid == self.phone => Some(&self.caller),
            _ => None,
        }
    }
}

impl Server {
    pub(super) fn handle_connect(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let (me, mid, sealed) = self.open(now, from, Kind::Connect, clear, &mut buffer)?;
        // From where it has registered only: a repeated message must not say where the caller is.
        let known = self
            .places
            .of(&me.cid)
            .filter(|place| place.address == from)
            .map(|place| {
                place
                    .connections
                    .iter()
                    .find(|(asked, _)| *asked == mid)
                    .map(|(_, connid)| connid.clone())
            });
        let code = match known {
            None => 400,
            Some(Some(connid)) => {
                let is_answered = self.connections.get(&connid)?.answer_at.is_none();
                return if is_answered {
                    self.answer_connect(now, &connid)
                } else {
                    Some(())
                };
            }
            Some(None) => match self.connect(now, from, &me, mid, &sealed) {
                Ok(connid) => {
                    self.counts.connected += 1;
                    return self.forward(now, &connid);
                }
                Err(code) => code,
            },
        };
        self.answer(from, Kind::Connect, mid, code);
        Some(())
    }

    /// Checks what a caller asks for, and makes a connection of it; or the code of the refusal.
    fn connect(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        me: &Identity,
        mid: u32,
        sealed: &Attributes<'_>,
    ) -> Result<Name, u16> {
        let (phone, service) = (
            name(sealed.value("tid")).ok_or(404_u16)?,
            name(sealed.value("service")).ok_or(404_u16)?,
        );
        let place = self
            .places
            .of(&phone)
            .filter(|place| place.is_device && place.service == service);
        let Some(place) = place else {
            self.counts.unknown_phone += 1;
            return Err(404);
        };
        let wanted = self
            .devices
            .get(&phone)
            .and_then(|device| device.invite.as_ref())
            .unwrap_or(&place.invite);
        if !self.guesses.allows(now, *from.ip())
            || !is_equal(sealed.value("ic").unwrap_or_default(), wanted)
        {
            self.counts.wrong_invite += 1;
            self.guesses.take(now, *from.ip());
            return Err(403);
        }
        // Programs of other makes are sent nothing that they do not know, neither by us nor by the other end.
        let is_ours = place.is_ours && self.places.of(&me.cid).is_some_and(|caller| caller.is_ours);
        let connid = self.random.name();
        let secret = if is_ours {
            self.random.name()
        } else {
            Name::new()
        };
        for (cid, most) in [(&me.cid, OF_CALLER), (&phone, OF_PHONE)] {
            let place = self.places.of(cid).ok_or(404_u16)?;
            place
                .connections
                .retain(|(_, connid)| self.connections.contains_key(connid));
            if place.connections.len() >= most {
                self.counts.too_many += 1;
                return Err(503);
            }
        }
        for (cid, mid) in [(&me.cid, mid), (&phone, 0)] {
            if let Some(place) = self.places.of(cid) {
                place.connections.push((mid, connid.clone()));
            }
        }
        let word = |word: &[u8]| Name::from_slice(word).unwrap_or_default();
        let words = [
            object(sealed, "oid"),
            object(sealed, "toid"),
            sealed.value("ic").unwrap_or_default(),
        ]
        .map(word);
        let connection = Connection {
            caller: me.cid.clone(),
            phone,
            service,
            words,
            secret,
            caller_mid: mid,
            answer_at: Some(now + ANSWER),
            forward_mid: self.next_mid(),
            forward_at: now,
            forwards: 0,
            answer: None,
            notices: 0,
            expires_at: now + PEER_KNOWN,
        };
        self.connections.insert(connid.clone(), connection);
        self.unanswered.push(connid.clone());
        Ok(connid)
    }

    /// Tells the caller where the phone is, or that the phone does not want it.
    fn answer_connect(&mut self, now: Instant, connid: &Name) -> Option<()> {
        let connection = self.connections.get_mut(connid)?;
        connection.answer_at = None;
        let (mid, code) = (connection.caller_mid, connection.answer.unwrap_or(200));
        let (caller, phone) = (connection.caller.clone(), connection.phone.clone());
        let (service, toid) = (connection.service.clone(), connection.words[1].clone());
        let secret = connection.secret.clone();
        let to = self.places.of(&caller)?.address;
        if code != 200 {
            self.answer(to, Kind::Connect, mid, code);
            return Some(());
        }
        let key = self.key_of(now, &caller)?;
        let (inside, outside) = self
            .places
            .of(&phone)
            .map(|place| (place.inside, place.address))?;
        self.send(to, Class::Response, Kind::Connect, |writer| {
            let mark = writer
                .text("cid", &caller)
                .mid(mid)
                .text("connid", connid)
                .code(200)
                .mark();
            writer
                .text("tid", &phone)
                .text("service", &service)
                .text("toid", &toid);
            writer.address("ed", inside).address("ped", outside);
            writer.text("secret", &secret).seal(mark, &key);
        });
        Some(())
    }

    /// Tells the phone where the caller is.
    fn forward(&mut self, now: Instant, connid: &Name) -> Option<()> {
        let connection = self.connections.get_mut(connid)?;
        connection.forwards += 1;
        connection.forward_at = now + FORWARD_AGAIN;
        let (phone, mid) = (connection.phone.clone(), connection.forward_mid);
        let (caller, service, words) = (
            connection.caller.clone(),
            connection.service.clone(),
            connection.words.clone(),
        );
        let secret = connection.secret.clone();
        let to = self.places.of(&phone)?.address;
        let (inside, outside) = self
            .places
            .of(&caller)
            .map(|place| (place.inside, place.address))?;
        let key = self.key_of(now, &phone)?;
        self.send(to, Class::Request, Kind::Forward, |writer| {
            let mark = writer
                .text("cid", &phone)
                .mid(mid)
                .text("connid", connid)
                .mark();
            writer
                .text("tid", &caller)
                .text("service", &service)
                .text("oid", &words[0])
                .text("toid", &words[1]);
            writer
                .text("ic", &words[2])
                .address("ed", inside)
                .address("ped", outside);
            writer.text("secret", &secret).seal(mark, &key);
        });
        Some(())
    }

    /// Sends those FWDs again that are due, and answers callers that have waited; forgets the connections for which
    /// there is an answer, or will be none.
    pub(super) fn forward_again(&mut self, now: Instant) {
        let (mut forwards, mut answers) = (vec![], vec![]);
        self.unanswered.retain(|connid| {
            let Some(connection) = self.connections.get(connid) else {
                return false;
            };
            if connection.answer_at.is_some_and(|at| now >= at) {
                answers.push(connid.clone());
            }
            let is_due = now >= connection.forward_at;
            let gives_up = is_due && connection.forwards >= FORWARDS;
            self.counts.unanswered += u64::from(gives_up);
            if is_due && !gives_up {
                forwards.push(connid.clone());
            }
            !gives_up
        });
        for connid in &forwards {
            let _ = self.forward(now, connid);
        }
        for connid in &answers {
            let _ = self.answer_connect(now, connid);
        }
    }

    /// A phone has answered a FWD.
    pub(super) fn handle_forwarded(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        let (mid, code) = (clear.mid()?, clear.code()?);
        let cid = self.places.cid_at(from)?;
        let asked = |connid: &&Name| {
            self.connections
                .get(*connid)
                .is_some_and(|known| known.forward_mid == mid && known.phone == *cid)
        };
        let connid = self.unanswered.iter().find(asked)?.clone();
        let connection = self.connections.get_mut(&connid)?;
        connection.answer = Some(code);
        let waits = connection.answer_at.is_some();
        self.unanswered.retain(|known| *known != connid);
        self.counts.refused_by_phone += u64::from(code != 200);
        if waits {
            self.answer_connect(now, &connid)?;
        }
        Some(())
    }

    /// News for the other end of a connection, or a question for the relay.
    pub(super) fn handle_notice(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let (me, mid, sealed) = self.open(now, from, Kind::Notify, clear, &mut buffer)?;
        let connid = name(clear.value("connid"))?;
        // It may come from another port, but not from another host: a repeated one must not lead the other end elsewhere.
        self.places
            .of(&me.cid)
            .filter(|place| place.address.ip() == from.ip())?;
        let connection = self.connections.get_mut(&connid)?;
        let other = connection.other(&me.cid)?.clone();
        connection.notices += 1;
        let event = sealed
            .value("event")
            .filter(|_| connection.notices <= NOTICES)?;
        let (service, answer) = (connection.service.clone(), connection.answer);
        match event {
            b"ping_fork" | b"ping_change" => {
                let (oid, toid) = (object(&sealed, "oid"), object(&sealed, "toid"));
                let key = self.key_of(now, &other)?;
                self.notify(
                    &Identity { cid: other, key },
                    Some(&connid),
                    event,
                    |writer| {
                        writer
                            .text("service", &service)
                            .text("tid", &me.cid)
                            .text("oid", oid)
                            .text("toid", toid);
                        writer.address("ped", from);
                    },
                );
            }
            b"rtpp_open" => match (answer, self.open_relay(now, &connid)) {
                (Some(200), Some(())) => {}
                (Some(200), None) => self.answer(
                    from,
                    Kind::Notify,
                    mid,
                    if self.settings.relay.is_some() {
                        503
                    } else {
                        404
                    },
                ),
                _ => self.answer(from, Kind::Notify, mid, answer.unwrap_or(408)),
            },
            _ => return None,
        }
        Some(())
    }

    /// Gives a connection a port of the relay, and tells both ends.
    fn open_relay(&mut self, now: Instant, connid: &Name) -> Option<()> {
        let connection = self
            .connections
            .get(connid)
            .filter(|connection| connection.answer == Some(200))?;
        let ends = [connection.caller.clone(), connection.phone.clone()];
        let (first, ..) = self.settings.relay?;
        let tokens = [self.random.name(), self.random.name()];
        let (place, tokens) = self.relay.open(now, connid, tokens)?;
        let port = first.port().checked_add(u16::try_from(place).ok()?)?;
        for (cid, token) in ends.into_iter().zip(tokens) {
            let key = self.key_of(now, &cid)?;
            self.notify(
                &Identity { cid, key },
                Some(connid),
                b"rtpp_open",
                |writer| {
                    writer
                        .address("ped", SocketAddrV4::new(*first.ip(), port))
                        .text("token", &token);
                },
            );
        }
        Some(())
    }
}
