//! The cloud: what all its requests share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, Uri};
use tokio::sync::{watch, Notify};
use tokio::time::Instant;

use crate::server::cloud::apps::{AppNumber, Apps, Device};
use crate::server::cloud::events::{Event, EventKind};
use crate::server::cloud::messages::Delivery;
use crate::server::cloud::registry::Registry;
use crate::server::cloud::revocations::Revocations;
use crate::server::cloud::settings::CloudSettings;
use crate::server::cloud::store::Store;
use crate::server::cloud::streams::Streams;
use crate::server::cloud::views;
use crate::server::cloud::webhooks::Webhooks;
use crate::server::web::answer::Answer;
use crate::server::web::client::HttpClient;
use crate::server::web::ids::unix_now;
use crate::server::web::json::query;

/// Pushes whose acknowledgements can be asked for.
const MAX_DELIVERIES: usize = 10_000;
/// Ids of messages go on where those of an earlier start have ended.
const IDS_A_SECOND: u64 = 1 << 16;

/// The cloud.
pub(super) struct Cloud {
    pub(super) apps: Arc<Apps>,
    /// What devices are told as tracker and relay.
    pub(super) public: (String, u16),
    pub(super) store: Store,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) streams: Streams,
    registry: Mutex<Registry>,
    revocations: Mutex<Revocations>,
    deliveries: Mutex<Deliveries>,
    /// A deadline has become an earlier one.
    pub(super) timer: Notify,
}

#[derive(Default)]
struct Deliveries {
    by_request: HashMap<String, (AppNumber, watch::Receiver<Option<u64>>)>,
    order: VecDeque<String>,
}

impl Cloud {
    /// Opens the database, and takes from it what was before.
    pub(super) fn open(settings: &CloudSettings, public: (String, u16)) -> Result<Self, String> {
        let apps = Arc::new(Apps::open(&settings.apps)?);
        let store = Store::open(settings.database.as_ref())?;
        store.forget_expired(unix_now());
        let webhooks = Arc::new(Webhooks::new(apps.clone(), HttpClient::new()));
        let presence = Duration::from_secs(settings.presence.into());
        let mut registry = Registry::new(presence, unix_now() * IDS_A_SECOND);
        let mut revocations = Revocations::default();
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
        let cloud = Self {
            apps,
            public,
            store,
            webhooks,
            streams: Streams::default(),
            registry: Mutex::new(registry),
            revocations: Mutex::new(revocations),
            deliveries: Mutex::default(),
            timer: Notify::new(),
        };
        cloud.restore_webhooks(settings);
        Ok(cloud)
    }

    fn restore_webhooks(&self, settings: &CloudSettings) {
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
        for (app, kind, address) in self.store.webhooks() {
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
        for device in forgotten {
            self.store
                .remove_device(self.apps.id(device.app), device.cid);
        }
        for device in added {
            self.store.add_device(self.apps.id(device.app), device.cid);
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

    /// The app that these headers prove.
    pub(super) fn app_of(&self, headers: &HeaderMap) -> Result<AppNumber, Answer> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let app = match (text("x-app-id"), text("x-app-key")) {
            (Some(id), Some(key)) => self.apps.of_credentials(id, key),
            _ => None,
        };
        app.ok_or_else(|| Answer::unauthorised("X-APP-ID and X-APP-Key name no app and its key"))
    }

    /// The device whose token a request has.
    pub(super) fn device_of(&self, headers: &HeaderMap, uri: &Uri) -> Result<Device, Answer> {
        let header = headers.get("x-client-token");
        let token = match header {
            Some(value) => value.to_str().ok().map(str::to_owned),
            None => query(uri.query(), "client_token"),
        };
        let device = token.and_then(|token| self.accept(&token));
        device.ok_or_else(|| Answer::unauthorised("there is no valid X-Client-Token"))
    }

    /// The device of a token that is signed, not expired and not revoked.
    pub(super) fn accept(&self, token: &str) -> Option<Device> {
        let (device, expire) = self.apps.of_token(token, unix_now())?;
        lock(&self.revocations)
            .accepts(device, expire)
            .then_some(device)
    }

    /// A token for a device; its end.
    pub(super) fn issue(&self, device: Device, expire: u32) -> u32 {
        let (expire, is_kept) = lock(&self.revocations).issue(device, expire);
        if is_kept {
            self.store
                .add_reissue(self.apps.id(device.app), device.cid, expire);
        }
        expire
    }

    /// Refuses the tokens of a device made so far, and puts it out.
    pub(super) fn revoke(&self, device: Device) {
        let now = u32::try_from(unix_now()).unwrap_or(u32::MAX);
        let until = lock(&self.revocations).revoke(device, now);
        self.store
            .revoke(self.apps.id(device.app), device.cid, until);
        self.registry(|registry, now| registry.expel(now, device));
        self.streams.end_of_device(device);
    }

    /// The acknowledgement of what this request pushes can be asked for.
    pub(super) fn track(&self, app: AppNumber, request_id: &str) -> Delivery {
        let (sender, receiver) = watch::channel(None);
        let mut deliveries = lock(&self.deliveries);
        if deliveries.order.len() >= MAX_DELIVERIES {
            if let Some(oldest) = deliveries.order.pop_front() {
                deliveries.by_request.remove(&oldest);
            }
        }
        deliveries.order.push_back(request_id.to_owned());
        deliveries
            .by_request
            .insert(request_id.to_owned(), (app, receiver));
        Arc::new(sender)
    }

    /// What was asked to be tracked.
    pub(super) fn delivery(
        &self,
        app: AppNumber,
        request_id: &str,
    ) -> Option<watch::Receiver<Option<u64>>> {
        let deliveries = lock(&self.deliveries);
        let (owner, receiver) = deliveries.by_request.get(request_id)?;
        (*owner == app).then(|| receiver.clone())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
