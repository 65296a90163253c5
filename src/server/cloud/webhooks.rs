//! Webhooks: events go out in order, a device and kind. A failed one is sent again after 1, 2, 4 ...
//! 30 s, for 10 minutes.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use log::{debug, warn};
use tokio::sync::Semaphore;
use tokio::time::{sleep, Instant};

use crate::server::cloud::apps::{AppNumber, Apps, Device};
use crate::server::cloud::events::{Event, EventKind};
use crate::server::https_client::HttpClient;

/// Events that wait for one device.
const MAX_WAITING: usize = 100;
/// From an event's first attempt to its last.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One request, connecting included.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Requests at once.
const MAX_REQUESTS: usize = 64;

/// The webhooks of all apps.
pub(super) struct Webhooks {
    apps: Arc<Apps>,
    client: HttpClient,
    addresses: Mutex<HashMap<(AppNumber, EventKind), String>>,
    queues: Mutex<HashMap<Device, Queues>>,
    places: Semaphore,
    pub(super) counts: WebhookCounts,
}

/// What was counted since the start.
#[derive(Default)]
pub(super) struct WebhookCounts {
    pub(super) delivered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// The events of one device that wait, and which kinds somebody sends now.
#[derive(Default)]
struct Queues {
    waiting: VecDeque<Event>,
    sending: Vec<EventKind>,
}

impl Webhooks {
    /// Without addresses.
    pub(super) fn new(apps: Arc<Apps>, client: HttpClient) -> Self {
        Self {
            apps,
            client,
            addresses: Mutex::default(),
            queues: Mutex::default(),
            places: Semaphore::new(MAX_REQUESTS),
            counts: WebhookCounts::default(),
        }
    }

    /// Where events of this kind go; empty: nowhere.
    pub(super) fn address(&self, app: AppNumber, kind: EventKind) -> String {
        lock(&self.addresses)
            .get(&(app, kind))
            .cloned()
            .unwrap_or_default()
    }

    /// From now on they go there.
    pub(super) fn set_address(&self, app: AppNumber, kind: EventKind, address: &str) {
        lock(&self.addresses).insert((app, kind), address.to_owned());
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.queues)
            .values()
            .map(|queues| queues.waiting.len())
            .sum()
    }

    /// An event has happened.
    pub(super) fn add(self: &Arc<Self>, event: Event) {
        if self.address(event.device.app, event.kind).is_empty() {
            return;
        }
        let (device, kind) = (event.device, event.kind);
        let mut all = lock(&self.queues);
        let queues = all.entry(device).or_default();
        if queues.waiting.len() >= MAX_WAITING {
            queues.waiting.pop_front();
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        queues.waiting.push_back(event);
        if !queues.sending.contains(&kind) {
            queues.sending.push(kind);
            tokio::spawn(self.clone().send_all(device, kind));
        }
    }

    /// Sends what waits, one after the other.
    async fn send_all(self: Arc<Self>, device: Device, kind: EventKind) {
        while let Some(event) = self.next(device, kind) {
            self.send(&event).await;
        }
    }

    /// The next event; `None`: nobody sends this kind any more.
    fn next(&self, device: Device, kind: EventKind) -> Option<Event> {
        let mut all = lock(&self.queues);
        let queues = all.get_mut(&device)?;
        let at = queues.waiting.iter().position(|event| event.kind == kind);
        if let Some(event) = at.and_then(|at| queues.waiting.remove(at)) {
            return Some(event);
        }
        queues.sending.retain(|sending| *sending != kind);
        if queues.waiting.is_empty() && queues.sending.is_empty() {
            all.remove(&device);
        }
        None
    }

    /// Sends an event until it was taken, or given up.
    async fn send(&self, event: &Event) {
        let give_up_at = Instant::now() + GIVE_UP_AFTER;
        let mut pause = FIRST_PAUSE;
        loop {
            let address = self.address(event.device.app, event.kind);
            if address.is_empty() {
                return;
            }
            let failure = match self.attempt(&address, event).await {
                Ok(()) => {
                    self.counts.delivered.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(failure) => failure,
            };
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            if Instant::now() + pause > give_up_at {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                warn!("webhook {}: given up: {failure}", event.kind.word());
                return;
            }
            debug!(
                "webhook {}: {failure}; again in {} s",
                event.kind.word(),
                pause.as_secs()
            );
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, address: &str, event: &Event) -> Result<(), String> {
        let Ok(_place) = self.places.acquire().await else {
            return Err("the server ends".into());
        };
        let app = event.device.app;
        let (body, headers) = event.request(self.apps.id(app), &self.apps.signing_key(app));
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let sent = self
            .client
            .send(Method::POST, address, &headers, body, REQUEST_TIME);
        match sent.await {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
            Ok(reply) => Err(format!("status {}", reply.status)),
            Err(problem) => Err(problem.to_string()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
