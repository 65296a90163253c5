//! The box's connections.

use core::net::IpAddr;

use crate::base::time::Instant;
use crate::wire::intercom::Id;

/// The type of a phone's token; of a wall panel's it is 1.
pub(super) const PHONE: u8 = 2;

/// A connection. No number is used twice.
pub type LegId = u64;

/// Where a connection comes from, or leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Screens.
    Home,
    /// Door units, other homes, the property.
    Community,
}

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LegState {
    /// Of the home: it has not joined yet.
    Joining,
    /// Of the home: a screen.
    Joined { device: Id, device_type: u8 },
    /// No connection, but the owners' phones, which ring through the cloud. The device is the phone
    /// that spoke last.
    Cloud { device: Id },
    /// Of the community: it has not called yet.
    Waiting,
    /// Of the community: it belongs to the call.
    InCall,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) side: Side,
    pub(super) address: IpAddr,
    pub(super) state: LegState,
    pub(super) since: Instant,
    /// It has sent a message.
    pub(super) has_spoken: bool,
    /// Its latest message of the call, from its first `call_keep` in the call on: deployed screens
    /// send none.
    pub(super) heard_at: Option<Instant>,
}

impl Leg {
    pub(super) fn accepted(id: LegId, side: Side, address: IpAddr, now: Instant) -> Self {
        let state = match side {
            Side::Home => LegState::Joining,
            Side::Community => LegState::Waiting,
        };
        Self {
            id,
            side,
            address,
            state,
            since: now,
            has_spoken: false,
            heard_at: None,
        }
    }
}

/// The owners' phones in the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CloudLeg {
    pub(super) leg: LegId,
    /// They can be called.
    pub(super) is_online: bool,
}

/// All connections, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Legs {
    legs: Vec<Leg>,
}

impl Legs {
    pub(super) fn add(&mut self, leg: Leg) {
        self.legs.push(leg);
    }

    pub(super) fn remove(&mut self, id: LegId) -> Option<Leg> {
        let at = self.legs.iter().position(|leg| leg.id == id)?;
        Some(self.legs.remove(at))
    }

    pub(super) fn find(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    pub(super) fn find_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        self.legs.iter_mut()
    }

    /// Those of the community that have not called yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Leg> {
        let legs = self.legs.iter();
        legs.filter(|leg| leg.state == LegState::Waiting)
    }

    /// The number of those of the home that have not joined yet.
    pub(super) fn joining(&self) -> usize {
        let legs = self.legs.iter();
        legs.filter(|leg| leg.state == LegState::Joining).count()
    }

    /// Screens: leg, device and type.
    pub(super) fn joined(&self) -> impl Iterator<Item = (LegId, &[u8], u8)> {
        self.legs.iter().filter_map(|leg| match &leg.state {
            LegState::Joined {
                device,
                device_type,
            } => Some((leg.id, &device[..], *device_type)),
            _ => None,
        })
    }

    /// The screen of a device.
    pub(super) fn of_device(&self, device: &[u8]) -> Option<LegId> {
        let mut screens = self.joined();
        let found = screens.find(|(_, joined, _)| *joined == device);
        found.map(|(leg, ..)| leg)
    }

    pub(super) fn is_screen(&self, id: LegId) -> bool {
        let leg = self.find(id);
        leg.is_some_and(|leg| matches!(leg.state, LegState::Joined { .. }))
    }

    /// The device and type of a screen, or of the owners' phones.
    pub(super) fn device(&self, id: LegId) -> Option<(Id, u8)> {
        match &self.find(id)?.state {
            LegState::Joined {
                device,
                device_type,
            } => Some((device.clone(), *device_type)),
            LegState::Cloud { device } => Some((device.clone(), PHONE)),
            _ => None,
        }
    }
}
