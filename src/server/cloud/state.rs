//! The cloud: what all its requests share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, watch, Notify};
use tokio::time::Instant;

use crate::server::cloud::apps::{AppNumber, Apps, Device};
use crate::server::cloud::cluster::link;
use crate::server::cloud::cluster::Cluster;
use crate::server::cloud::events::{Event, EventKind};
use crate::server::cloud::messages::Delivery;
use crate::server::cloud::registry::Registry;
use crate::server::cloud::revocations::Revocations;
use crate::server::cloud::settings::{CloudSettings, Database};
use crate::server::cloud::store::Store;
use crate::server::cloud::streams::Streams;
use crate::server::cloud::views;
use crate::server::cloud::webhooks::Webhooks;
use crate::server::https_client::{HttpClient, LIMITS};
use crate::server::web::ids::unix_now;

/// Pushes whose acknowledgements can be asked for.
const MAX_DELIVERIES: usize = 10_000;
/// Ids of messages go on where those of an earlier start have ended.
const IDS_A_SECOND: u64 = 1 << 16;

/// The cloud.
pub(super) struct Cloud {
    pub(super) apps: Arc<Apps>,
    /// What devices are told as tracker and relay.
    pub(super) public: (String, u16),
    pub(super) storage: Storage,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) streams: Streams,
    registry: Mutex<Registry>,
    pub(super) revocations: Mutex<Revocations>,
    deliveries: Mutex<Deliveries>,
    /// A deadline has become an earlier one.
    pub(super) timer: Notify,
}

/// Where what outlasts this process is.
pub(super) enum Storage {
    /// In a file; all else is in memory, and this process is the only one.
    File(Store),
    /// In a database that several processes share, presence and messages as well.
    Shared(Box<Cluster>),
}

/// What the connection to a shared database brings.
pub(super) type ClusterEvents = mpsc::UnboundedReceiver<link::Event>;

#[derive(Default)]
struct Deliveries {
    by_request: HashMap<String, Tracked>,
    order: VecDeque<String>,
}

struct Tracked {
    app: AppNumber,
    receiver: watch::Receiver<Option<u64>>,
    sender: Weak<watch::Sender<Option<u64>>>,
}

impl Cloud {
    /// Opens the database, and takes from it what was before. One that is shared is taken from later:
    /// with the first of its events.
    pub(super) fn open(
        settings: &CloudSettings,
        public: (String, u16),
    ) -> Result<(Self, Option<ClusterEvents>), String> {
        let apps = Arc::new(Apps::open(&settings.apps)?);
        let webhooks = Arc::new(Webhooks::new(apps.clone(), HttpClient::new(LIMITS)));
        let presence = Duration::from_secs(settings.presence.into());
        let mut registry = Registry::new(presence, unix_now() * IDS_A_SECOND);
        let mut revocations = Revocations::default();
        let (storage, events) = match &settings.database {
            Database::File(file) => {
                let store = Store::open(file.as_ref())?;
                restore(&store, &apps, &mut registry, &mut revocations);
                (Storage::File(store), None)
            }
            Database::Shared(url) => {
                registry.is_shared = true;
                let (cluster, events) = Cluster::new(url, presence);
                (Storage::Shared(Box::new(cluster)), Some(events))
            }
        };
        let cloud = Self {
            apps,
            public,
            storage,
            webhooks,
            streams: Streams::default(),
            registry: Mutex::new(registry),
            revocations: Mutex::new(revocations),
            deliveries: Mutex::default(),
            timer: Notify::new(),
        };
        cloud.set_first_webhooks(settings);
        if let Storage::File(store) = &cloud.storage {
            cloud.restore_webhooks(store.webhooks());
        }
        Ok((cloud, events))
    }

    fn set_first_webhooks(&self, settings: &CloudSettings) {
        let first = [
            (EventKind::Message, &settings.webhook),
            (EventKind::State, &settings.state_webhook),
        ];
        for app in 0.. {
            if self.apps.id(app).is_empty() {
                break;
            }
            for (kind, address) in first {
                let address = address.as_deref().unwrap_or_default();
                self.webhooks.set_address(app, kind, address);
            }
        }
    }

    /// Addresses as the database has them: app, kind, address.
    pub(super) fn restore_webhooks(&self, known: Vec<(String, String, String)>) {
        for (app, kind, address) in known {
            let kinds = [EventKind::Message, EventKind::State].into_iter();
            let kind = kinds.into_iter().find(|known| known.word() == kind);
            if let (Some(app), Some(kind)) = (self.apps.number(&app), kind) {
                self.webhooks.set_address(app, kind, &address);
            }
        }
    }

    /// Does something with the devices; the webhooks and the database learn what has changed.
    pub(super) fn registry<T>(&self, action: impl FnOnce(&mut Registry, Instant) -> T) -> T {
        let (result, changes, added, forgotten, deadline_moved) = {
            let mut registry = lock(&self.registry);
            let before = registry.next_deadline();
            let result = action(&mut registry, Instant::now());
            let changes = std::mem::take(&mut registry.changes);
            let added = std::mem::take(&mut registry.added);
            let forgotten = std::mem::take(&mut registry.forgotten);
            (
                result,
                changes,
                added,
                forgotten,
                registry.next_deadline() != before,
            )
        };
        if deadline_moved {
            self.timer.notify_one();
        }
        let Storage::File(store) = &self.storage else {
            // The database knows of all processes' channels, and tells the changes.
            return result;
        };
        for device in forgotten {
            store.remove_device(self.apps.id(device.app), device.cid);
        }
        for device in added {
            store.add_device(self.apps.id(device.app), device.cid);
        }
        for change in changes {
            let data = views::state_event(&change.state, &self.public);
            self.webhooks
                .add(Event::new(change.device, EventKind::State, data));
        }
        result
    }

    /// Does what is due, for ever.
    pub(super) async fn run_timers(&self) {
        loop {
            let deadline = self.registry(|registry, now| {
                registry.handle_timeout(now);
                registry.next_deadline()
            });
            match deadline {
                Some(deadline) => {
                    let _ = tokio::time::timeout_at(deadline, self.timer.notified()).await;
                }
                None => self.timer.notified().await,
            }
        }
    }

    /// The acknowledgement of what this request pushes can be asked for. A request that pushes several
    /// messages has one.
    pub(super) fn track(&self, app: AppNumber, request_id: &str) -> Delivery {
        let mut deliveries = lock(&self.deliveries);
        let known = deliveries.by_request.get(request_id);
        if let Some(sender) = known.and_then(|known| known.sender.upgrade()) {
            return sender;
        }
        let (sender, receiver) = watch::channel(None);
        let sender = Arc::new(sender);
        if deliveries.order.len() >= MAX_DELIVERIES {
            if let Some(oldest) = deliveries.order.pop_front() {
                deliveries.by_request.remove(&oldest);
            }
        }
        deliveries.order.push_back(request_id.to_owned());
        let tracked = Tracked {
            app,
            receiver,
            sender: Arc::downgrade(&sender),
        };
        deliveries.by_request.insert(request_id.to_owned(), tracked);
        sender
    }

    /// What was asked to be tracked.
    pub(super) fn delivery(
        &self,
        app: AppNumber,
        request_id: &str,
    ) -> Option<watch::Receiver<Option<u64>>> {
        let deliveries = lock(&self.deliveries);
        let tracked = deliveries.by_request.get(request_id)?;
        (tracked.app == app).then(|| tracked.receiver.clone())
    }
}

fn restore(store: &Store, apps: &Apps, registry: &mut Registry, revocations: &mut Revocations) {
    store.forget_expired(unix_now());
    let device = |app: &str, cid| apps.number(app).map(|app| Device { app, cid });
    for (app, cid, _) in store.devices() {
        device(&app, cid)
            .into_iter()
            .for_each(|device| registry.remember(device));
    }
    for (app, cid, expire) in store.revocations() {
        device(&app, cid)
            .into_iter()
            .for_each(|device| revocations.restore(device, expire));
    }
    for (app, cid, expire) in store.reissues() {
        let device = device(&app, cid).into_iter();
        device.for_each(|device| revocations.restore_reissue(device, expire));
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
