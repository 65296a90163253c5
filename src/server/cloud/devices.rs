//! What devices have open, and what is sent to them: known by this process alone, or by the database that
//! it shares with others.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::server::cloud::apps::{AppNumber, Device};
use crate::server::cloud::cluster::link::Away;
use crate::server::cloud::cluster::note::{Message, NamedDevice};
use crate::server::cloud::cluster::presence::Told;
use crate::server::cloud::cluster::Cluster;
use crate::server::cloud::device_entry::DeviceState;
use crate::server::cloud::events::{Event, EventKind};
use crate::server::cloud::outgoing::Outgoing;
use crate::server::cloud::state::{Cloud, Storage};
use crate::server::cloud::views;
use crate::server::web::answer::Answer;
use crate::server::web::ids::unix_now;

/// What a device has open; it is closed when this is dropped.
pub(super) struct Opened {
    pub(super) cloud: Arc<Cloud>,
    pub(super) device: Device,
    what: What,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Channel,
    Publication,
}

impl Drop for Opened {
    fn drop(&mut self) {
        let (cloud, device, what, number) =
            (self.cloud.clone(), self.device, self.what, self.number);
        cloud.registry(|registry, now| match what {
            What::Channel => registry.close_channel(now, device, number),
            What::Publication => registry.end_publication(now, device),
        });
        let (Storage::Shared(_), Ok(runtime)) = (&cloud.storage, Handle::try_current()) else {
            return;
        };
        // If the database is away, it learns of it when it is back.
        runtime.spawn(async move {
            let Storage::Shared(cluster) = &cloud.storage else {
                return;
            };
            let device = cloud.named(device);
            let left = match what {
                What::Channel => cluster.close_channel(&device, number).await,
                What::Publication => cluster.end_publication(&device, number).await,
            };
            if left.is_ok() {
                cloud.tell_state(cluster, &device).await;
            }
        });
    }
}

impl Cloud {
    /// A device by its app's id.
    pub(super) fn named(&self, device: Device) -> NamedDevice {
        NamedDevice {
            app: self.apps.id(device.app).into(),
            cid: device.cid,
        }
    }

    /// The device of this process' apps.
    pub(super) fn numbered(&self, device: &NamedDevice) -> Option<Device> {
        let app = self.apps.number(&device.app)?;
        let cid = device.cid;
        Some(Device { app, cid })
    }

    /// A device opens a channel.
    pub(super) async fn open_channel(
        self: &Arc<Self>,
        device: Device,
        peer: SocketAddr,
    ) -> Result<(Opened, mpsc::Receiver<Bytes>), Answer> {
        let full = || Answer::overloaded("there are too many channels or devices");
        let Storage::Shared(cluster) = &self.storage else {
            let opened = self.registry(|registry, now| registry.open_channel(now, device, peer));
            let (number, receiver) = opened.map_err(|_| full())?;
            return Ok((self.opened(device, What::Channel, number), receiver));
        };
        if !self.registry(|registry, _| registry.has_room()) {
            return Err(full());
        }
        let number = cluster.next_number();
        // From here on: whatever happens, it is closed again.
        let opened = self.opened(device, What::Channel, number);
        let named = self.named(device);
        let receiver = cluster.open_channel(&named, peer, number).await?;
        let receiver = receiver.map_err(|_| full())?;
        self.tell_state(cluster, &named).await;
        Ok((opened, receiver))
    }

    /// A device begins to publish a stream.
    pub(super) async fn begin_publication(
        self: &Arc<Self>,
        device: Device,
        peer: SocketAddr,
    ) -> Result<Opened, Answer> {
        let began = self.registry(|registry, now| registry.begin_publication(now, device, peer));
        began.map_err(|_| Answer::overloaded("there are too many devices"))?;
        let Storage::Shared(cluster) = &self.storage else {
            return Ok(self.opened(device, What::Publication, 0));
        };
        let number = cluster.next_number();
        let opened = self.opened(device, What::Publication, number);
        let named = self.named(device);
        cluster.begin_publication(&named, peer, number).await?;
        self.tell_state(cluster, &named).await;
        Ok(opened)
    }

    fn opened(self: &Arc<Self>, device: Device, what: What, number: u64) -> Opened {
        let cloud = self.clone();
        Opened {
            cloud,
            device,
            what,
            number,
        }
    }

    /// Messages for devices of an app; `request`: their acknowledgement can be asked for.
    pub(super) async fn push(
        &self,
        app: AppNumber,
        messages: Vec<Outgoing>,
        request: Option<&str>,
    ) -> Result<(), Away> {
        let Storage::Shared(cluster) = &self.storage else {
            let delivery = request.map(|request| self.track(app, request));
            self.registry(|registry, now| {
                for message in &messages {
                    registry.push(now, message, delivery.clone());
                }
            });
            return Ok(());
        };
        let numbered = messages.into_iter().map(|message| {
            let request = request.map(str::to_owned);
            let of_cluster = Message {
                id: cluster.next_number(),
                from: message.from,
                flag: message.flag,
                body: message.message,
                request,
            };
            (self.named(message.to), of_cluster)
        });
        cluster.push(numbered.collect()).await
    }

    /// A device has acknowledged a message.
    pub(super) async fn acknowledge(&self, device: Device, id: u64) -> Result<(), Away> {
        match &self.storage {
            Storage::File(_) => {
                self.registry(|registry, _| registry.acknowledge(device, id, unix_now()));
                Ok(())
            }
            Storage::Shared(cluster) => {
                let device = self.named(device);
                cluster.acknowledge(&device, id, unix_now()).await
            }
        }
    }

    /// The named cids of an app, or all that were seen, in their order: some of them, and how many there are.
    pub(super) async fn states(
        &self,
        app: AppNumber,
        cids: Option<Vec<u32>>,
        from: usize,
        most: usize,
    ) -> Result<(Vec<DeviceState>, usize), Away> {
        let Storage::Shared(cluster) = &self.storage else {
            let states = self.registry(|registry, now| registry.states(now, app, cids));
            let total = states.len();
            return Ok((states.into_iter().skip(from).take(most).collect(), total));
        };
        let Some(mut cids) = cids else {
            return cluster.states(self.apps.id(app), from, most).await;
        };
        cids.sort_unstable();
        cids.dedup();
        let total = cids.len();
        let page: Vec<u32> = cids.into_iter().skip(from).take(most).collect();
        let seen = cluster.states_of(self.apps.id(app), &page).await?;
        let state = |cid: u32| {
            let seen = seen.iter().find(|state| state.cid == cid).copied();
            seen.unwrap_or(DeviceState {
                cid,
                ..DeviceState::default()
            })
        };
        Ok((page.into_iter().map(state).collect(), total))
    }

    /// Webhooks learn the state of a device, if no process has told it.
    async fn tell_state(&self, cluster: &Cluster, device: &NamedDevice) {
        if let Ok(told) = cluster.told(device).await {
            self.report(told);
        }
    }

    /// Events for the webhooks.
    pub(super) fn report(&self, told: Vec<Told>) {
        for (device, state) in told {
            if let Some(device) = self.numbered(&device) {
                let data = views::state_event(&state, &self.public);
                self.webhooks
                    .add(Event::new(device, EventKind::State, data));
            }
        }
    }
}
