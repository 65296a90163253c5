//! CON and FWD: a caller asks for a phone, the phone is told, and its response lets the caller be
//! told.

use core::net::SocketAddrV4;

use super::pending::{ConnectRequest, ForwardDue, PendingConnection};
use super::state::{object, RendezvousServer};
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::SEALED_BYTES;
use crate::base::time::Instant;
use crate::proto::rendezvous::{name, Identity, Name};
use crate::wire::rendezvous::{Attributes, Class, Kind};

/// Connections of one caller in a minute: it needs one.
const MAX_OF_CALLER: usize = 8;
/// Connections to one phone in a minute: it serves four at once.
const MAX_OF_PHONE: usize = 32;

/// How a CON stands to the ones before.
enum Known {
    /// The caller is not registered at this address.
    NotRegistered,
    New,
    /// It is repeated, and belongs to this connection.
    Repeated(Name),
}

impl RendezvousServer {
    pub(super) fn handle_connect(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let (me, mid, sealed) = self.open(now, from, Kind::Connect, clear, &mut buffer)?;
        let code = match self.find_connect(&me.cid, from, mid) {
            Known::NotRegistered => 400,
            Known::Repeated(connid) => {
                let is_answered = self.connections.get(&connid)?.respond_at.is_none();
                if is_answered {
                    self.answer_connect(now, &connid)?;
                }
                return Some(());
            }
            Known::New => match self.connect(now, from, &me, mid, &sealed) {
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

    /// Only the registered address counts: a message that somebody repeats must not tell him where
    /// the phone is.
    fn find_connect(&mut self, caller: &Name, from: SocketAddrV4, mid: u32) -> Known {
        let registration = self.registrations.of(caller);
        let Some(registration) = registration.filter(|known| known.address == from) else {
            return Known::NotRegistered;
        };
        let mut connections = registration.connections.iter();
        match connections.find(|(known, _)| *known == mid) {
            Some((_, connid)) => Known::Repeated(connid.clone()),
            None => Known::New,
        }
    }

    /// Checks a request, and creates a connection for it. The error is the code of the refusal.
    fn connect(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        me: &Identity,
        mid: u32,
        sealed: &Attributes<'_>,
    ) -> Result<Name, u16> {
        let word = |word: &[u8]| Name::from_slice(word).unwrap_or_default();
        let request = ConnectRequest {
            caller: me.cid.clone(),
            mid,
            phone: name(sealed.value("tid")).ok_or(404_u16)?,
            service: name(sealed.value("service")).ok_or(404_u16)?,
            caller_object: word(object(sealed, "oid")),
            phone_object: word(object(sealed, "toid")),
            invite: word(sealed.value("ic").unwrap_or_default()),
        };
        let invite = sealed.value("ic").unwrap_or_default();
        let phone_runs_ours = self.check_invite(now, from, &request, invite)?;
        // Programs of other makes are sent nothing that they do not know, neither by the server nor
        // by the other end.
        let caller = self.registrations.of(&me.cid);
        let is_ours = phone_runs_ours && caller.is_some_and(|caller| caller.is_ours);
        let connid = self.random.name();
        let secret = if is_ours {
            self.random.name()
        } else {
            Name::new()
        };
        let ends = [
            (&me.cid, mid, MAX_OF_CALLER),
            (&request.phone, 0, MAX_OF_PHONE),
        ];
        for (cid, _, max) in ends {
            let registration = self.registrations.of(cid).ok_or(404_u16)?;
            let connections = &mut registration.connections;
            connections.retain(|(_, connid)| self.connections.contains_key(connid));
            if connections.len() >= max {
                self.counts.too_many += 1;
                return Err(503);
            }
        }
        for (cid, mid, _) in ends {
            if let Some(registration) = self.registrations.of(cid) {
                registration.connections.push((mid, connid.clone()));
            }
        }
        let forward_mid = self.next_mid();
        let connection = PendingConnection::new(now, request, secret, forward_mid);
        self.connections.insert(connid.clone(), connection);
        self.unanswered.push(connid.clone());
        Ok(connid)
    }

    /// The phone is registered with this service, and the caller knows its invite code. Returns
    /// whether the phone runs this program; the error is the code of the refusal.
    fn check_invite(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        request: &ConnectRequest,
        invite: &[u8],
    ) -> Result<bool, u16> {
        let registered = self.registrations.of(&request.phone);
        let fits = |phone: &&mut super::registration_table::Registration| {
            phone.is_phone && phone.service == request.service
        };
        let Some(registered) = registered.filter(fits) else {
            self.counts.unknown_phone += 1;
            return Err(404);
        };
        let known = self.phones.get(&request.phone);
        let of_file = known.and_then(|phone| phone.invite.as_ref());
        let expected = of_file.unwrap_or(&registered.invite);
        if !self.guesses.allows(now, *from.ip()) || !is_equal(invite, expected) {
            self.counts.wrong_invite += 1;
            self.guesses.take(now, *from.ip());
            return Err(403);
        }
        Ok(registered.is_ours)
    }

    /// Tells the caller the phone's addresses, or that the phone has refused.
    fn answer_connect(&mut self, now: Instant, connid: &Name) -> Option<()> {
        let connection = self.connections.get_mut(connid)?;
        connection.respond_at = None;
        let ConnectRequest {
            caller,
            mid,
            phone,
            service,
            phone_object,
            ..
        } = &connection.request;
        let (caller, phone, mid) = (caller.clone(), phone.clone(), *mid);
        let (service, phone_object) = (service.clone(), phone_object.clone());
        let secret = connection.secret.clone();
        let code = connection.phone_code.unwrap_or(200);
        let to = self.registrations.of(&caller)?.address;
        if code != 200 {
            self.answer(to, Kind::Connect, mid, code);
            return Some(());
        }
        let key = self.key_of(now, &caller)?;
        let registered = self.registrations.of(&phone)?;
        let (inside, outside) = (registered.inside, registered.address);
        self.send(to, Class::Response, Kind::Connect, |writer| {
            writer.text("cid", &caller).mid(mid);
            let mark = writer.text("connid", connid).code(200).mark();
            writer.text("tid", &phone).text("service", &service);
            writer.text("toid", &phone_object);
            writer.address("ed", inside).address("ped", outside);
            writer.text("secret", &secret).seal(mark, &key);
        });
        Some(())
    }

    /// Tells the phone the caller's addresses.
    fn forward(&mut self, now: Instant, connid: &Name) -> Option<()> {
        let connection = self.connections.get_mut(connid)?;
        connection.note_forward(now);
        let ConnectRequest { caller, phone, .. } = &connection.request;
        let (caller, phone) = (caller.clone(), phone.clone());
        let to = self.registrations.of(&phone)?.address;
        let registered = self.registrations.of(&caller)?;
        let (inside, outside) = (registered.inside, registered.address);
        let key = self.key_of(now, &phone)?;
        let connection = self.connections.remove(connid)?; // out of the table while `send` borrows the server
        let request = &connection.request;
        self.send(to, Class::Request, Kind::Forward, |writer| {
            writer.text("cid", &phone).mid(connection.forward_mid);
            let mark = writer.text("connid", connid).mark();
            writer.text("tid", &caller);
            writer.text("service", &request.service);
            writer.text("oid", &request.caller_object);
            writer.text("toid", &request.phone_object);
            writer.text("ic", &request.invite);
            writer.address("ed", inside).address("ped", outside);
            writer.text("secret", &connection.secret).seal(mark, &key);
        });
        self.connections.insert(connid.clone(), connection);
        Some(())
    }

    /// Repeats the FWDs that are due, and responds to callers that have waited long enough.
    /// Connections whose phone does not respond are given up.
    pub(super) fn repeat_forwards(&mut self, now: Instant) {
        let mut forwards = vec![];
        let mut answers = vec![];
        self.unanswered.retain(|connid| {
            let Some(connection) = self.connections.get(connid) else {
                return false;
            };
            if connection.respond_at.is_some_and(|at| now >= at) {
                answers.push(connid.clone());
            }
            match connection.due(now) {
                ForwardDue::Nothing => true,
                ForwardDue::Forward => {
                    forwards.push(connid.clone());
                    true
                }
                ForwardDue::GiveUp => {
                    self.counts.unanswered += 1;
                    false
                }
            }
        });
        for connid in &forwards {
            let _ = self.forward(now, connid);
        }
        for connid in &answers {
            let _ = self.answer_connect(now, connid);
        }
    }

    /// Handles a phone's response to a FWD.
    pub(super) fn handle_forward_response(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        let mid = clear.mid()?;
        let code = clear.code()?;
        let cid = self.registrations.cid_at(from)?;
        let is_its = |connid: &&Name| {
            let connection = self.connections.get(*connid);
            connection.is_some_and(|known| known.forward_mid == mid && known.request.phone == *cid)
        };
        let connid = self.unanswered.iter().find(is_its)?.clone();
        let connection = self.connections.get_mut(&connid)?;
        connection.phone_code = Some(code);
        let caller_waits = connection.respond_at.is_some();
        self.unanswered.retain(|known| *known != connid);
        self.counts.refused_by_phone += u64::from(code != 200);
        if caller_waits {
            self.answer_connect(now, &connid)?;
        }
        Some(())
    }
}
