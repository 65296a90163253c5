//! Devices: who is online, and what is on its way to whom. Time is an argument.
//!
//! Where several processes share a database (`cluster`), this one knows the channels and streams that it has
//! itself, and all messages; who is online is known by the database then.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::server::cloud::apps::{AppNumber, Device};
use crate::server::cloud::device_entry::{device_state, Channel, DeviceState, Entry, StateChange};
use crate::server::cloud::frames;
use crate::server::cloud::messages::{Delivery, Due, Messages, Sent};
use crate::server::cloud::outgoing::Outgoing;

/// Channels at once.
pub(super) const MAX_CHANNELS: usize = 10_000;
/// Devices that are remembered.
const MAX_DEVICES: usize = 10_000;
/// Frames that wait in a channel which reads too slowly.
const CHANNEL_FRAMES: usize = 32;

/// All devices.
pub(super) struct Registry {
    presence: Duration,
    devices: HashMap<Device, Entry>,
    messages: Messages,
    due: BinaryHeap<Reverse<(Instant, Device, Timer)>>,
    last_number: u64,
    channels: usize,
    /// Other processes have channels, too.
    pub(super) is_shared: bool,
    /// For the webhooks.
    pub(super) changes: Vec<StateChange>,
    /// For the database: devices that are new, and those that were forgotten.
    pub(super) added: Vec<Device>,
    pub(super) forgotten: Vec<Device>,
    pub(super) counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Message(u64),
    Presence,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) pushed: u64,
    pub(super) sent: u64,
    /// No channel was open at that moment.
    pub(super) lost: u64,
    pub(super) acknowledged: u64,
    /// Not acknowledged after five sends.
    pub(super) unacknowledged: u64,
    /// Sixteen others waited.
    pub(super) displaced: u64,
    pub(super) replaced: u64,
}

/// There is no room for the device or its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Registry {
    /// Messages are numbered from `first_number`.
    pub(super) fn new(presence: Duration, first_number: u64) -> Self {
        Self {
            presence,
            devices: HashMap::new(),
            messages: Messages::default(),
            due: BinaryHeap::new(),
            last_number: first_number,
            channels: 0,
            is_shared: false,
            changes: vec![],
            added: vec![],
            forgotten: vec![],
            counts: Counts::default(),
        }
    }

    /// A device that was seen before the start.
    pub(super) fn remember(&mut self, device: Device) {
        self.devices.entry(device).or_default();
    }

    /// A device opens a channel; what it had is closed.
    pub(super) fn open_channel(
        &mut self,
        now: Instant,
        device: Device,
        peer: SocketAddr,
    ) -> Result<(u64, mpsc::Receiver<Bytes>), Full> {
        self.last_number += 1;
        let number = self.last_number;
        let receiver = self.open_numbered(now, device, peer, number)?;
        Ok((number, receiver))
    }

    /// The same with a number that others have chosen.
    pub(super) fn open_numbered(
        &mut self,
        now: Instant,
        device: Device,
        peer: SocketAddr,
        number: u64,
    ) -> Result<mpsc::Receiver<Bytes>, Full> {
        let had_one = self
            .devices
            .get(&device)
            .is_some_and(|it| it.channel.is_some());
        if self.channels >= MAX_CHANNELS && !had_one {
            return Err(Full);
        }
        self.make_room(now, device)?;
        let (sender, receiver) = mpsc::channel(CHANNEL_FRAMES);
        let _ = sender.try_send(frames::online());
        let entry = self.devices.entry(device).or_default();
        entry.peer = Some(peer);
        let old = entry.channel.replace(Channel { number, sender });
        match old {
            Some(old) => {
                self.counts.replaced += 1;
                let _ = old.sender.try_send(frames::replaced());
            }
            None => self.channels += 1,
        }
        self.tell(now, device);
        Ok(receiver)
    }

    /// There is room for one more channel.
    pub(super) fn has_room(&self) -> bool {
        self.channels < MAX_CHANNELS
    }

    /// The channels that are open, with their numbers.
    pub(super) fn open_channels(&self) -> Vec<(Device, u64, Option<SocketAddr>)> {
        let open = self.devices.iter().filter_map(|(device, entry)| {
            let channel = entry.channel.as_ref()?;
            Some((*device, channel.number, entry.peer))
        });
        open.collect()
    }

    /// A channel is gone.
    pub(super) fn close_channel(&mut self, now: Instant, device: Device, number: u64) {
        let Some(entry) = self.devices.get_mut(&device) else {
            return;
        };
        let is_it = |channel: &mut Channel| channel.number == number;
        if entry.channel.take_if(is_it).is_some() {
            self.channels -= 1;
            self.leave(now, device);
        }
    }

    /// Puts a device out: its tokens were revoked.
    pub(super) fn expel(&mut self, now: Instant, device: Device) {
        self.end_channel(now, device, frames::revoked());
    }

    /// The device has a newer channel at another process.
    pub(super) fn displace(&mut self, now: Instant, device: Device) {
        if self.end_channel(now, device, frames::replaced()) {
            self.counts.replaced += 1;
        }
    }

    fn end_channel(&mut self, now: Instant, device: Device, last: Bytes) -> bool {
        let entry = self.devices.get_mut(&device);
        let Some(channel) = entry.and_then(|entry| entry.channel.take()) else {
            return false;
        };
        let _ = channel.sender.try_send(last);
        self.channels -= 1;
        self.leave(now, device);
        true
    }

    /// A device begins to publish a stream.
    pub(super) fn begin_publication(
        &mut self,
        now: Instant,
        device: Device,
        peer: SocketAddr,
    ) -> Result<(), Full> {
        self.make_room(now, device)?;
        let entry = self.devices.entry(device).or_default();
        entry.publications += 1;
        entry.peer = Some(peer);
        self.tell(now, device);
        Ok(())
    }

    /// A device ends to publish a stream.
    pub(super) fn end_publication(&mut self, now: Instant, device: Device) {
        if let Some(entry) = self.devices.get_mut(&device) {
            entry.publications = entry.publications.saturating_sub(1);
            self.leave(now, device);
        }
    }

    /// A message for a device.
    pub(super) fn push(&mut self, now: Instant, message: &Outgoing, delivery: Option<Delivery>) {
        self.last_number += 1;
        let sent = Sent::own(self.last_number);
        self.push_numbered(now, message, sent, delivery);
    }

    /// The same with a number that others have chosen; maybe it was sent some times already. One that waits
    /// here is not taken twice.
    pub(super) fn push_numbered(
        &mut self,
        now: Instant,
        message: &Outgoing,
        sent: Sent,
        delivery: Option<Delivery>,
    ) {
        if self.messages.has(message.to, sent.id) {
            return;
        }
        let frame = frames::message(sent.id, message);
        self.counts.pushed += u64::from(sent.is_own);
        self.send(message.to, &frame);
        if message.flag == 2 {
            let timer = Timer::Message(sent.id);
            let (after, displaced) = self.messages.add(message.to, sent, frame, delivery);
            self.counts.displaced += u64::from(displaced);
            self.due.push(Reverse((now + after, message.to, timer)));
        }
    }

    /// A device has acknowledged a message.
    pub(super) fn acknowledge(&mut self, device: Device, id: u64, unix: u64) {
        let waited = self.messages.acknowledge(device, id, unix);
        self.counts.acknowledged += u64::from(waited);
    }

    /// Only these messages still wait.
    pub(super) fn retain_messages(&mut self, ids: &HashSet<u64>) {
        self.messages.retain(ids);
    }

    /// When `handle_timeout` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            let Some(Reverse((at, device, timer))) = self.due.pop() else {
                return;
            };
            match timer {
                Timer::Presence => self.tell(now, device),
                Timer::Message(id) => match self.messages.handle_due(device, id) {
                    Due::Again(frame, spacing) => {
                        self.send(device, &frame);
                        self.due.push(Reverse((at + spacing, device, timer)));
                    }
                    Due::Dropped(is_own) => {
                        self.counts.unacknowledged += u64::from(is_own);
                    }
                    Due::Over => {}
                },
            }
        }
    }

    /// The named cids of an app, or all that were seen; in their order.
    pub(super) fn states(
        &self,
        now: Instant,
        app: AppNumber,
        cids: Option<Vec<u32>>,
    ) -> Vec<DeviceState> {
        let cids = cids.unwrap_or_else(|| {
            let own = self.devices.keys().filter(|device| device.app == app);
            own.map(|device| device.cid).collect()
        });
        let states = cids
            .into_iter()
            .map(|cid| (cid, self.state(now, Device { app, cid })));
        let sorted: BTreeMap<u32, DeviceState> = states.collect();
        sorted.into_values().collect()
    }

    fn state(&self, now: Instant, device: Device) -> DeviceState {
        let entry = self.devices.get(&device);
        DeviceState {
            cid: device.cid,
            state: entry.map_or(device_state::OFFLINE, |it| it.state(now, self.presence)),
            is_seen: entry.is_some(),
            peer: entry.and_then(|entry| entry.peer),
        }
    }

    /// Channels that are open, devices that are known, messages that wait.
    pub(super) fn sizes(&self) -> [usize; 3] {
        [self.channels, self.devices.len(), self.messages.len()]
    }

    fn send(&mut self, device: Device, frame: &Bytes) {
        let channel = self.devices.get(&device).and_then(|it| it.channel.as_ref());
        if channel.is_none() && self.is_shared {
            // It may be open at another process.
            return;
        }
        let is_sent = channel.is_some_and(|it| it.sender.try_send(frame.clone()).is_ok());
        if is_sent {
            self.counts.sent += 1;
        } else {
            self.counts.lost += 1;
        }
    }

    /// Something of the device is gone.
    fn leave(&mut self, now: Instant, device: Device) {
        if let Some(entry) = self.devices.get_mut(&device) {
            if entry.is_idle() {
                entry.gone_at = Some(now);
                let due = (now + self.presence, device, Timer::Presence);
                self.due.push(Reverse(due));
            }
        }
        self.tell(now, device);
    }

    /// Notes the state if it has changed.
    fn tell(&mut self, now: Instant, device: Device) {
        let state = self.state(now, device);
        let Some(entry) = self.devices.get_mut(&device) else {
            return;
        };
        if std::mem::replace(&mut entry.told, state.state) != state.state {
            self.changes.push(StateChange { device, state });
        }
    }

    /// A device that is new takes the place of one that is offline.
    fn make_room(&mut self, now: Instant, device: Device) -> Result<(), Full> {
        if self.devices.contains_key(&device) {
            return Ok(());
        }
        if self.devices.len() >= MAX_DEVICES {
            let mut idle = self.devices.iter().filter(|(_, entry)| entry.is_idle());
            let is_offline = |entry: &Entry| entry.state(now, self.presence) == 0;
            let offline = idle.clone().find(|(_, entry)| is_offline(entry));
            let forgotten = offline.or_else(|| idle.next()).map(|(device, _)| *device);
            let forgotten = forgotten.ok_or(Full)?;
            self.devices.remove(&forgotten);
            self.forgotten.push(forgotten);
        }
        self.added.push(device);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
