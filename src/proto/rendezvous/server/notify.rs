//! NFY: one end of a connection tells the other a new address, or asks for the relay.

use core::net::SocketAddrV4;

use super::state::{object, RendezvousServer};
use crate::base::limits::rendezvous::SEALED_BYTES;
use crate::base::time::Instant;
use crate::proto::rendezvous::{name, Identity, Name};
use crate::wire::rendezvous::{Attributes, Kind};

impl RendezvousServer {
    pub(super) fn handle_notice(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let (me, mid, sealed) = self.open(now, from, Kind::Notify, clear, &mut buffer)?;
        let connid = name(clear.value("connid"))?;
        // Another port is allowed, another host is not: a repeated message must not lead the other
        // end elsewhere.
        let registered = self.registrations.of(&me.cid)?;
        if registered.address.ip() != from.ip() {
            return None;
        }
        let connection = self.connections.get_mut(&connid)?;
        let other = connection.other(&me.cid)?.clone();
        if !connection.take_notice() {
            return None;
        }
        let event = sealed.value("event")?;
        let service = connection.request.service.clone();
        match event {
            b"ping_fork" | b"ping_change" => {
                let oid = object(&sealed, "oid");
                let toid = object(&sealed, "toid");
                let key = self.key_of(now, &other)?;
                let other = Identity { cid: other, key };
                self.notify(&other, Some(&connid), event, |writer| {
                    writer.text("service", &service).text("tid", &me.cid);
                    writer.text("oid", oid).text("toid", toid);
                    writer.address("ped", from);
                });
                Some(())
            }
            b"rtpp_open" => {
                let opened = self.open_relay(now, &connid);
                if let Err(code) = opened {
                    self.answer(from, Kind::Notify, mid, code);
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Gives a connection a port of the relay, and tells both ends. The error is the code of the
    /// refusal: 408 if the phone has not responded, the phone's own if it has refused, 404 without
    /// a relay, 503 if no port is free.
    fn open_relay(&mut self, now: Instant, connid: &Name) -> Result<(), u16> {
        let connection = self.connections.get(connid);
        let phone_code = connection.and_then(|connection| connection.phone_code);
        match phone_code {
            Some(200) => {}
            code => return Err(code.unwrap_or(408)),
        }
        let (first, ..) = self.config.relay.ok_or(404_u16)?;
        self.relay_both(now, connid, first).ok_or(503)
    }

    fn relay_both(&mut self, now: Instant, connid: &Name, first: SocketAddrV4) -> Option<()> {
        let request = &self.connections.get(connid)?.request;
        let ends = [request.caller.clone(), request.phone.clone()];
        let tokens = [self.random.name(), self.random.name()];
        let (number, tokens) = self.relay.open(now, connid, tokens)?;
        let port = first.port().checked_add(u16::try_from(number).ok()?)?;
        let address = SocketAddrV4::new(*first.ip(), port);
        for (cid, token) in ends.into_iter().zip(tokens) {
            let key = self.key_of(now, &cid)?;
            let end = Identity { cid, key };
            self.notify(&end, Some(connid), b"rtpp_open", |writer| {
                writer.address("ped", address).text("token", &token);
            });
        }
        Some(())
    }
}
