//! The running archive: what its scans, its requests and its rounds of deletion share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use log::warn;

use crate::server::archive::accounts::Accounts;
use crate::server::archive::audit::Audit;
use crate::server::archive::bucket_cache::BucketCache;
use crate::server::archive::catalogue::Catalogue;
use crate::server::archive::event_log::EventLog;
use crate::server::archive::id::IdKey;
use crate::server::archive::lock::lock;
use crate::server::archive::login_guard::LoginGuard;
#[cfg(feature = "oidc")]
use crate::server::archive::oidc::Oidc;
use crate::server::archive::parts::Change;
use crate::server::archive::peer::peers::Peers;
use crate::server::archive::pending_deletion::PendingDeletion;
use crate::server::archive::places::Places;
use crate::server::archive::recent_lines::RecentLines;
use crate::server::archive::records::Records;
use crate::server::archive::settings::ArchiveSettings;

/// The running archive.
pub(super) struct App {
    pub(super) settings: ArchiveSettings,
    pub(super) home: PathBuf,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) accounts: Accounts,
    /// Who signs people in from outside, if somebody does.
    #[cfg(feature = "oidc")]
    pub(super) oidc: Option<Oidc>,
    pub(super) audit: Audit,
    pub(super) key: IdKey,
    pub(super) records: Records,
    pub(super) cache: BucketCache,
    pub(super) peers: Peers,
    pub(super) places: Places,
    pub(super) events: EventLog,
    pub(super) logins: Mutex<LoginGuard>,
    pub(super) listens: Mutex<RecentLines>,
    /// Whom proxies have let in.
    pub(super) sign_ons: Mutex<RecentLines>,
    /// Changes of records and deletions: one after the other.
    pub(super) changing: Mutex<()>,
    /// Deletions that are not finished.
    pub(super) interrupted: Mutex<Vec<PendingDeletion>>,
    /// The first scan has ended.
    pub(super) is_ready: AtomicBool,
    /// A stopped round of deletion: how many recordings wait.
    pub(super) stopped_round: AtomicU64,
    pub(super) is_disk_low: AtomicBool,
    /// Buckets that could not be listed.
    pub(super) failing_buckets: AtomicU64,
}

impl App {
    pub(super) fn open(settings: ArchiveSettings) -> Result<Self, String> {
        let home = settings.home();
        let buckets = settings.buckets()?;
        let peers = Peers::open(&settings)?;
        let accounts = Accounts::of(&settings)?;
        Ok(Self {
            catalogue: Arc::new(Catalogue::open(&settings.database())?),
            key: accounts.id_key()?,
            audit: Audit::new(&home, &settings.host_name()),
            records: Records::new(&home, &buckets),
            cache: BucketCache::new(&home, buckets),
            peers,
            places: Places::open(&settings, &accounts)?,
            accounts,
            #[cfg(feature = "oidc")]
            oidc: Oidc::new(&settings)?,
            events: EventLog::default(),
            logins: Mutex::default(),
            listens: Mutex::default(),
            sign_ons: Mutex::default(),
            changing: Mutex::default(),
            interrupted: Mutex::default(),
            is_ready: AtomicBool::new(false),
            stopped_round: AtomicU64::new(0),
            is_disk_low: AtomicBool::new(false),
            failing_buckets: AtomicU64::new(0),
            home,
            settings,
        })
    }

    /// Tells what has happened to recordings, here and to other archives of the same database.
    pub(super) fn announce(&self, changes: Vec<Change>) {
        if let Err(problem) = self.catalogue.tell(&self.peers.instance, &changes) {
            warn!(
                "{problem}; other archives do not hear at once of {} changes",
                changes.len()
            );
        }
        self.events.add(changes);
    }

    /// A deletion that was interrupted will go on: nobody can change it any more.
    pub(super) fn is_being_deleted(&self, id: &str) -> bool {
        let interrupted = lock(&self.interrupted);
        interrupted.iter().any(|deletion| deletion.id == id)
    }
}
