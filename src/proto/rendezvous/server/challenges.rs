//! The challenges that an endpoint must answer before a new address of it is valid. They are
//! computed from a secret of the server, the endpoint's name, the address and the time. So nothing
//! is stored for endpoints that do not answer, and none can displace the challenge of another.

use core::net::SocketAddrV4;
use std::collections::HashMap;

use super::guard::SeededRandom;
use super::registration_table::Registration;
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::PROVE_WITHIN;
use crate::base::time::Instant;
use crate::proto::rendezvous::{registration_proof, Identity, Name};
use crate::wire::rendezvous::cipher::Key;

/// What a challenge is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// The proof in a registration of a phone with this program.
    Nonce,
    /// An address that an endpoint of another make takes for its own.
    Alias,
}

/// The challenges, and the claims of endpoints of other makes.
pub(super) struct Challenges {
    secret: Key,
    claims: HashMap<Name, (Registration, Instant)>,
}

impl Challenges {
    pub(super) fn new(random: &mut SeededRandom) -> Self {
        Self {
            secret: Key::of_bits(random.bytes()),
            claims: HashMap::new(),
        }
    }

    /// The nonce that a phone must confirm with its key.
    pub(super) fn nonce(&self, now: Instant, cid: &Name, address: SocketAddrV4) -> Key {
        Key::of_bits(self.word(Purpose::Nonce, period(now), cid, address))
    }

    /// The proof belongs to this phone's nonce for this address.
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

    /// An address that cannot be guessed; the endpoint is told that it is its own.
    pub(super) fn alias(&self, now: Instant, cid: &Name, address: SocketAddrV4) -> SocketAddrV4 {
        self.alias_of(period(now), cid, address)
    }

    fn alias_of(&self, period: u64, cid: &Name, address: SocketAddrV4) -> SocketAddrV4 {
        let [a, b, c, d, e, f, ..] = self.word(Purpose::Alias, period, cid, address);
        // A valid unicast address, or endpoints may not accept it.
        SocketAddrV4::new(
            [1 + a % 126, b, c, d].into(),
            u16::from_be_bytes([e, f]).max(1),
        )
    }

    /// An endpoint claims another address; `true`: its last claim was not for this one.
    pub(super) fn claim(&mut self, now: Instant, cid: &Name, registration: Registration) -> bool {
        let address = registration.address;
        let before = self
            .claims
            .insert(cid.clone(), (registration, now + PROVE_WITHIN));
        before.is_none_or(|(before, _)| before.address != address)
    }

    /// The endpoint whose alias was received from this address, and its registration there.
    pub(super) fn take_answered(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        alias: SocketAddrV4,
    ) -> Option<(Name, Registration)> {
        let is_its =
            |cid: &&Name| recent(now).any(|period| self.alias_of(period, cid, from) == alias);
        let cid = self.claims.keys().find(is_its)?.clone();
        let (registration, _) = self.claims.remove(&cid)?;
        Some((
            cid,
            Registration {
                address: from,
                ..registration
            },
        ))
    }

    /// Forgets the claims that were not answered in time.
    pub(super) fn expire(&mut self, now: Instant) {
        self.claims.retain(|_, (_, expires_at)| now < *expires_at);
    }

    /// Forgets all claims: the phones' keys may have changed.
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
