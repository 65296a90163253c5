//! What an endpoint must answer before a new address of it counts: made of a secret of the server's, the endpoint's name, the
//! address and the time, so that nothing need be kept of those who do not answer, and nobody pushes out another's.

use core::net::SocketAddrV4;
use std::collections::HashMap;

use super::allocator::Place;
use super::guard::Random;
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::PROVE_WITHIN;
use crate::base::time::Instant;
use crate::proto::rendezvous::{registration_proof, Identity, Name};
use crate::wire::rendezvous::cipher::Key;

/// What a challenge is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// The proof in a registration of our own phones.
    Nonce,
    /// The address that an endpoint of another make takes for its own.
    Alias,
}

/// The challenges, and the endpoints of other makes that have one.
pub(super) struct Challenges {
    secret: Key,
    claims: HashMap<Name, (Place, Instant)>,
}

impl Challenges {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            secret: Key::of_bits(random.bytes()),
            claims: HashMap::new(),
        }
    }

    /// What a phone is to prove with its key.
    pub(super) fn nonce(&self, now: Instant, cid: &Name, address: SocketAddrV4) -> Key {
        Key::of_bits(self.word(Purpose::Nonce, period(now), cid, address))
    }

    /// The proof is of this phone's nonce for this address.
    pub(super) fn is_answered(
        &self,
        now: Instant,
        me: &Identity,
        address: SocketAddrV4,
        proof: &[u8],
    ) -> bool {
        !proof.is_empty()
            && recent(now).any(|period| {
                let nonce = Key::of_bits(self.word(Purpose::Nonce, period, &me.cid, address));
                is_equal(proof, registration_proof(&me.key, nonce.text()).text())
            })
    }

    /// An address that nobody guesses, told to an endpoint as its own.
    pub(super) fn alias(&self, now: Instant, cid: &Name, address: SocketAddrV4) -> SocketAddrV4 {
        self.alias_of(period(now), cid, address)
    }

    fn alias_of(&self, period: u64, cid: &Name, address: SocketAddrV4) -> SocketAddrV4 {
        let [a, b, c, d, e, f, ..] = self.word(Purpose::Alias, period, cid, address);
        // One that something could be sent to, or endpoints may not keep it.
        SocketAddrV4::new(
            [1 + a % 126, b, c, d].into(),
            u16::from_be_bytes([e, f]).max(1),
        )
    }

    /// An endpoint claims to be elsewhere; `true`: it is the first time that it does so there.
    pub(super) fn claim(&mut self, now: Instant, cid: &Name, place: Place) -> bool {
        let address = place.address;
        let before = self.claims.insert(cid.clone(), (place, now + PROVE_WITHIN));
        before.is_none_or(|(before, _)| before.address != address)
    }

    /// The endpoint whose alias has come from here, with its place.
    pub(super) fn take_answered(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        alias: SocketAddrV4,
    ) -> Option<(Name, Place)> {
        let is_its =
            |cid: &&Name| recent(now).any(|period| self.alias_of(period, cid, from) == alias);
        let cid = self.claims.keys().find(is_its)?.clone();
        let (place, _) = self.claims.remove(&cid)?;
        Some((
            cid,
            Place {
                address: from,
                ..place
            },
        ))
    }

    /// Forgets those that have not answered.
    pub(super) fn expire(&mut self, now: Instant) {
        self.claims.retain(|_, (_, expires_at)| now < *expires_at);
    }

    /// Forgets all of them: the phones may have other keys.
    pub(super) fn clear(&mut self) {
        self.claims.clear();
    }

    fn word(&self, purpose: Purpose, period: u64, cid: &Name, address: SocketAddrV4) -> [u8; 16] {
        let mut text = vec![purpose as u8];
        text.extend(period.to_be_bytes());
        text.extend(address.ip().octets());
        text.extend(address.port().to_be_bytes());
        text.extend(cid.iter());
        self.secret.mac(&text)
    }
}

fn period(now: Instant) -> u64 {
    now.nanos() / PROVE_WITHIN.nanos()
}

/// This period and the one before it.
fn recent(now: Instant) -> impl Iterator<Item = u64> {
    let now = period(now);
    now.saturating_sub(1)..=now
}
