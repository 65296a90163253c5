//! Registrations and keep-alives: which address of an endpoint is valid.
//!
//! Whoever overhears a sealed message can repeat it from anywhere. So a new address becomes valid
//! only after it has answered a challenge (`challenges`); until then the earlier address stays
//! valid.
//!
//! | REG of | from | response |
//! | --- | --- | --- |
//! | any endpoint | its valid address | 200, also to a repetition |
//! | a phone with this program | any other address | 200 with a nonce; valid after a REG with the proof |
//! | another endpoint | its first address | 200, valid at once: it cannot prove anything yet |
//! | a phone of another make | another than the valid one | 200 with an alias as `ped`; valid after a keep-alive has repeated it |
//! | a caller | another than the valid one | none until the valid one expires: calls are established within seconds |
//! | any endpoint | another than the valid one, with the number of the last REG | none: it is a repetition |

use core::net::SocketAddrV4;

use super::registration_table::{Put, Registration};
use super::state::{RendezvousServer, REGISTERED_FOR};
use crate::base::limits::rendezvous::{KEEP_INTERVAL, KEEP_LEAST, KEEP_STEP, SEALED_BYTES};
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::{name, Identity, Name, OURS};
use crate::wire::rendezvous::{parse_address, Attributes, Class, Kind, KEEP};

/// What a registration proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its address is valid.
    Valid,
    /// The phone must prove its address.
    Unproven,
    /// The same for a phone of another make, while another address is valid.
    Claimed,
    /// It may have been overheard and repeated.
    Repeated,
}

impl RendezvousServer {
    pub(super) fn handle_registration(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        if clear.value("cid").is_none() {
            return self.issue(now, from, clear.mid()?);
        }
        let mut buffer = [0; SEALED_BYTES];
        let (me, mid, sealed) = self.open(now, from, Kind::Register, clear, &mut buffer)?;
        let registration = Registration {
            address: from,
            inside: sealed.value("ed").and_then(parse_address).unwrap_or(from),
            service: name(sealed.value("service"))?,
            invite: name(sealed.value("ic")).unwrap_or_default(),
            is_phone: self.phones.contains_key(&me.cid),
            is_ours: sealed
                .value("version")
                .is_some_and(|version| version.ends_with(OURS)),
            mid,
            expires_at: now + REGISTERED_FOR,
            connections: vec![],
        };
        let proof = sealed.value("proof").unwrap_or_default();
        match self.standing(now, &me, &registration, proof) {
            Standing::Valid => self.register(&me, registration),
            Standing::Unproven => {
                let nonce = self.challenges.nonce(now, &me.cid, from);
                self.confirm(&me, from, mid, from, nonce.text());
            }
            Standing::Claimed => self.claim(now, &me, registration),
            Standing::Repeated => self.counts.repeated += 1,
        }
        Some(())
    }

    fn standing(
        &mut self,
        now: Instant,
        me: &Identity,
        registration: &Registration,
        proof: &[u8],
    ) -> Standing {
        let known = self
            .registrations
            .of(&me.cid)
            .map(|known| (known.address, known.is_ours, known.mid));
        let is_there = known.is_some_and(|(address, is_ours, _)| {
            address == registration.address && (is_ours || !registration.is_ours)
        });
        if is_there
            || self
                .challenges
                .is_answered(now, me, registration.address, proof)
        {
            return Standing::Valid;
        }
        match known {
            Some((address, _, mid))
                if address != registration.address && mid == registration.mid =>
            {
                Standing::Repeated
            }
            _ if registration.is_ours && registration.is_phone => Standing::Unproven,
            Some((address, ..)) if address != registration.address && registration.is_phone => {
                Standing::Claimed
            }
            Some((address, ..)) if address != registration.address => Standing::Repeated,
            _ => Standing::Valid,
        }
    }

    /// Registers an endpoint at its valid address.
    fn register(&mut self, me: &Identity, mut registration: Registration) {
        let (address, mid) = (registration.address, registration.mid);
        // A message without the mark of this program does not take the proof away from an endpoint
        // that can give it.
        registration.is_ours |= self
            .registrations
            .of(&me.cid)
            .is_some_and(|known| known.is_ours);
        let put = self.registrations.put(&me.cid, registration);
        if put == Put::Full {
            self.counts.too_many += 1;
            self.answer(address, Kind::Register, mid, 503);
            return;
        }
        self.confirm(me, address, mid, address, b"");
        if put == Put::New {
            self.counts.registered += 1;
            self.shorten_keep_alives(me, address, self.config.keep);
        }
    }

    /// An endpoint that cannot answer a nonce claims another address. Its next keep-alive with its
    /// own address, which it takes the alias for, is the proof. It is asked to send keep-alives
    /// more often, so that the proof comes sooner.
    fn claim(&mut self, now: Instant, me: &Identity, registration: Registration) {
        let (address, mid) = (registration.address, registration.mid);
        let alias = self.challenges.alias(now, &me.cid, address);
        let is_new = self.challenges.claim(now, &me.cid, registration);
        self.counts.claimed += u64::from(is_new);
        self.confirm(me, address, mid, alias, b"");
        if is_new && self.strangers.take(now, *address.ip()) {
            self.shorten_keep_alives(me, address, KEEP_LEAST);
        }
    }

    /// Sends 200 with the endpoint's address as seen by the server.
    fn confirm(
        &mut self,
        me: &Identity,
        to: SocketAddrV4,
        mid: u32,
        seen: SocketAddrV4,
        nonce: &[u8],
    ) {
        self.send(to, Class::Response, Kind::Register, |writer| {
            let mark = writer.text("cid", &me.cid).mid(mid).code(200).mark();
            writer
                .address("ped", seen)
                .text("nonce", nonce)
                .seal(mark, &me.key);
        });
    }

    /// Asks an endpoint to shorten the interval of its keep-alives to this one.
    fn shorten_keep_alives(&mut self, me: &Identity, to: SocketAddrV4, interval: Duration) {
        for _ in 0..KEEP_INTERVAL.saturating_sub(interval).millis() / KEEP_STEP.millis() {
            self.notify_at(to, me, None, b"keep_alive_change_dec", |_| {});
        }
    }

    /// Sends 201 with a new name and its key.
    fn issue(&mut self, now: Instant, from: SocketAddrV4, mid: u32) -> Option<()> {
        if !self.strangers.take(now, *from.ip()) {
            self.counts.held_back += 1;
            return Some(());
        }
        self.counts.issued += 1;
        let identity = self.issuer.issue(now, &mut self.random);
        self.send(from, Class::Response, Kind::Register, |writer| {
            writer
                .mid(mid)
                .code(201)
                .text("cid", &identity.cid)
                .text("key", identity.key.swapped().text());
        });
        Some(())
    }

    pub(super) fn handle_keep(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        datagram: &[u8],
    ) -> Option<()> {
        let text = datagram.strip_suffix(b"\0").unwrap_or(datagram);
        let address = if text == KEEP {
            from
        } else {
            parse_address(text)?
        };
        if let Some((cid, registration)) = self.challenges.take_answered(now, from, address) {
            return self.move_to(now, &cid, registration);
        }
        let cid = self.registrations.cid_at(address)?.clone();
        if address == from {
            self.registrations.of(&cid)?.expires_at = now + REGISTERED_FOR;
        } else if self.strangers.take(now, *from.ip()) {
            // Its NAT has given it another port; the response is let in at that one.
            let key = self.key_of(now, &cid)?;
            self.notify_at(
                from,
                &Identity { cid, key },
                None,
                b"nat_change",
                |writer| {
                    writer.address("ped", from);
                },
            );
        }
        Some(())
    }

    /// An endpoint has proven its new address, which now replaces the alias that it takes for its
    /// own.
    fn move_to(&mut self, now: Instant, cid: &Name, registration: Registration) -> Option<()> {
        let address = registration.address;
        let registration = Registration {
            expires_at: now + REGISTERED_FOR,
            ..registration
        };
        if self.registrations.put(cid, registration) == Put::Full {
            return None;
        }
        let me = Identity {
            cid: cid.clone(),
            key: self.key_of(now, cid)?,
        };
        self.notify_at(address, &me, None, b"nat_check", |writer| {
            writer.address("ped", address);
        });
        Some(())
    }
}
