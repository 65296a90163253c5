//! Several processes as one cloud: they share a PostgreSQL database, and notify each other through it.
//!
//! ```text
//! request --> a statement that changes the tables and notifies, in one transaction
//!                    |
//!                    v  in the order of the transactions, to all processes, this one included
//! follow.rs --> registry, revocations, webhooks, streams of this process
//! ```
//! A channel opens, and a message is sent, when its own notification comes back: so all processes see all
//! of it in one order. While the database is away requests that need it are refused (503); what is open
//! stays open. Whoever comes back, or comes new, reads from the tables what it has missed.
//!
//! | file | what |
//! | --- | --- |
//! | `link` | the connection |
//! | `schema` | the tables |
//! | `note` | notifications |
//! | `presence`, `publication` | channels, streams that come in, states |
//! | `outbox` | messages and acknowledgements |
//! | `tokens` | revocations, addresses of webhooks |
//! | `members` | the processes: heartbeats, and what is left of dead ones |

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::server::cloud::cluster::link::{Away, Event, Link, Session};
use crate::server::cloud::cluster::publication::Publication;
use crate::server::database_url::DatabaseUrl;

pub(super) mod link;
pub(super) mod members;
pub(super) mod note;
pub(super) mod outbox;
pub(super) mod presence;
mod publication;
mod schema;
pub(super) mod tokens;

/// The bits of a number that count within a process; those above are the number of the process.
const COUNTED_BITS: u32 = 32;
/// How long the own notification may take.
const OPEN_TIME: Duration = Duration::from_secs(2);

/// What a channel's reader gets.
pub(super) type Frames = mpsc::Receiver<Bytes>;

/// A channel whose notification has not come back yet.
pub(super) struct Expected {
    pub(super) peer: SocketAddr,
    pub(super) opened: oneshot::Sender<Frames>,
}

/// This process as a member.
pub(super) struct Cluster {
    link: Link,
    shown: String,
    /// How long a device counts as online after its channel has gone.
    presence: Duration,
    /// The number of this process; 0: the database has not given one yet.
    process: AtomicU64,
    counted: AtomicU64,
    /// Since when there has been a connection.
    opened_at: Mutex<Option<Instant>>,
    expected: Mutex<HashMap<u64, Expected>>,
    /// The streams that come in here: who publishes, and from where.
    publications: Mutex<HashMap<u64, Publication>>,
}

impl Cluster {
    /// A member that has no connection yet, and what the connection will bring.
    pub(super) fn new(
        url: &DatabaseUrl,
        presence: Duration,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let cluster = Self {
            link: Link::new(url.clone(), sender),
            shown: url.to_string(),
            presence,
            process: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            opened_at: Mutex::default(),
            expected: Mutex::default(),
            publications: Mutex::default(),
        };
        (cluster, receiver)
    }

    /// Keeps the connection, for ever.
    pub(super) async fn keep(&self) {
        self.link.keep().await;
    }

    /// What the database is called in the log.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The database can be asked.
    pub(super) fn is_linked(&self) -> bool {
        self.link.session().is_ok()
    }

    /// The connection that requests use.
    pub(super) fn session(&self) -> Result<Arc<Session>, Away> {
        self.link.session()
    }

    /// Requests use this one from now on; `None`: none, and what was expected will not come.
    pub(super) fn open(&self, session: Option<Session>) {
        if session.is_none() {
            lock(&self.expected).clear();
        }
        *lock(&self.opened_at) = session.as_ref().map(|_| Instant::now());
        self.link.open(session);
    }

    /// Waits until all that was notified so far has been applied here.
    pub(super) async fn settle(&self) -> Result<(), Away> {
        self.link.settle().await
    }

    /// A number that no other process has: of a channel, a message, a publication.
    pub(super) fn next_number(&self) -> u64 {
        let counted = self.counted.fetch_add(1, Ordering::Relaxed) + 1;
        (self.process() << COUNTED_BITS) | (counted & ((1 << COUNTED_BITS) - 1))
    }

    /// A number that this process has made.
    pub(super) fn is_own(&self, number: u64) -> bool {
        number >> COUNTED_BITS == self.process()
    }

    fn process(&self) -> u64 {
        self.process.load(Ordering::Relaxed)
    }

    /// The channel that was expected with this number.
    pub(super) fn take_expected(&self, number: u64) -> Option<Expected> {
        lock(&self.expected).remove(&number)
    }
}

/// As the database has numbers: cids, and ours, have less than 63 bits.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
