//! Registrations and keep-alives: who is where, and which address counts.
//!
//! What is sealed can be repeated by whoever has heard it, from anywhere. So a new address counts only when it has
//! answered what the server has made for it (`challenges`); the earlier one counts until then.
//!
//! | REG of | from | |
//! | --- | --- | --- |
//! | anybody | the address that counts | 200, also when it is repeated |
//! | a phone of ours | any other | 200 with a nonce; it counts when a REG with the proof has come |
//! | all others | the first one | 200, it counts: they can prove nothing at once |
//! | a phone of another make | another than counts | 200 with an alias for `ped`; it counts when a keep-alive has repeated it |
//! | a caller | another than counts | nothing, until the earlier one is silent: what callers do takes seconds |
//! | anybody | another than counts, with the number of the last REG | nothing: it is a repeated one |

use core::net::SocketAddrV4;

use super::allocator::Place;
use super::{Server, GONE};
use crate::base::limits::rendezvous::{KEEP_INTERVAL, KEEP_LEAST, KEEP_STEP, SEALED_BYTES};
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::{name, Identity, Name, OURS};
use crate::wire::rendezvous::{parse_address, Attributes, Class, Kind, KEEP};

/// What a registration is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its address counts from now on.
    Counts,
    /// Its phone is to prove that it is there.
    Unproven,
    /// The same for a phone of another make, while another address counts.
    Claimed,
    /// It was heard and sent again by somebody else, as far as we know.
    Repeated,
}

impl Server {
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
        let place = Place {
            address: from,
            inside: sealed.value("ed").and_then(parse_address).unwrap_or(from),
            service: name(sealed.value("service"))?,
            invite: name(sealed.value("ic")).unwrap_or_default(),
            is_device: self.devices.contains_key(&me.cid),
            is_ours: sealed
                .value("version")
                .is_some_and(|version| version.ends_with(OURS)),
            mid,
            expires_at: now + GONE,
            connections: vec![],
        };
        let proof = sealed.value("proof").unwrap_or_default();
        match self.standing(now, &me, &place, proof) {
            Standing::Counts => self.register(&me, place),
            Standing::Unproven => {
                let nonce = self.challenges.nonce(now, &me.cid, from);
                self.confirm(&me, from, mid, from, nonce.text());
            }
            Standing::Claimed => self.claim(now, &me, place),
            Standing::Repeated => self.counts.repeated += 1,
        }
        Some(())
    }

    fn standing(&mut self, now: Instant, me: &Identity, place: &Place, proof: &[u8]) -> Standing {
        let known = self
            .places
            .of(&me.cid)
            .map(|known| (known.address, known.is_ours, known.mid));
        let is_there = known.is_some_and(|(address, is_ours, _)| {
            address == place.address && (is_ours || !place.is_ours)
        });
        if is_there || self.challenges.is_answered(now, me, place.address, proof) {
            return Standing::Counts;
        }
        match known {
            Some((address, _, mid)) if address != place.address && mid == place.mid => {
                Standing::Repeated
            }
            _ if place.is_ours && place.is_device => Standing::Unproven,
            Some((address, ..)) if address != place.address && place.is_device => Standing::Claimed,
            Some((address, ..)) if address != place.address => Standing::Repeated,
            _ => Standing::Counts,
        }
    }

    /// An endpoint is where it says, for the first time or still.
    fn register(&mut self, me: &Identity, mut place: Place) {
        let (address, mid) = (place.address, place.mid);
        // An endpoint that has proven itself is not made one that cannot by a message without its mark.
        place.is_ours |= self.places.of(&me.cid).is_some_and(|known| known.is_ours);
        let Some(is_new) = self.places.put(&me.cid, place) else {
            self.counts.too_many += 1;
            self.answer(address, Kind::Register, mid, 503);
            return;
        };
        self.counts.registered += u64::from(is_new);
        self.confirm(me, address, mid, address, b"");
        if is_new {
            self.hasten(me, address, self.settings.keep);
        }
    }

    /// An endpoint that can prove nothing itself claims to be elsewhere. Its next own address among the keep-alives tells;
    /// to hasten that, it is to send them more often.
    fn claim(&mut self, now: Instant, me: &Identity, place: Place) {
        let (address, mid) = (place.address, place.mid);
        let alias = self.challenges.alias(now, &me.cid, address);
        let is_new = self.challenges.claim(now, &me.cid, place);
        self.counts.claimed += u64::from(is_new);
        self.confirm(me, address, mid, alias, b"");
        if is_new && self.strangers.take(now, *address.ip()) {
            self.hasten(me, address, KEEP_LEAST);
        }
    }

    /// 200, and how the endpoint is seen.
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

    /// Has an endpoint shorten the usual time between its keep-alives to this one.
    fn hasten(&mut self, me: &Identity, to: SocketAddrV4, interval: Duration) {
        for _ in 0..KEEP_INTERVAL.saturating_sub(interval).millis() / KEEP_STEP.millis() {
            self.notify_at(to, me, None, b"keep_alive_change_dec", |_| {});
        }
    }

    /// A name and a key for who has none.
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
        if let Some((cid, place)) = self.challenges.take_answered(now, from, address) {
            return self.move_to(now, &cid, place);
        }
        let cid = self.places.cid_at(address)?.clone();
        if address == from {
            self.places.of(&cid)?.expires_at = now + GONE;
        } else if self.strangers.take(now, *from.ip()) {
            // Its NAT has another port for it now; this one lets our answer in.
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

    /// An endpoint has proven to be elsewhere; the alias that it has for its own address is replaced.
    fn move_to(&mut self, now: Instant, cid: &Name, place: Place) -> Option<()> {
        let address = place.address;
        self.places.put(
            cid,
            Place {
                expires_at: now + GONE,
                ..place
            },
        )?;
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
