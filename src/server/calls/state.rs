//! The application server: what all its requests share.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use log::{info, warn};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::constant_time::is_equal;
use crate::server::calls::book::message::When;
use crate::server::calls::book::Book;
use crate::server::calls::cloud_client::CloudClient;
use crate::server::calls::settings::{CallsSettings, Transport};
use crate::server::https_client::{HttpClient, LIMITS};
use crate::server::web::ids::unix_now;
use crate::server::web::secret_file;
use crate::wire::cloud::digests::{check_token, make_token, Verdict};
use crate::wire::cloud::token::{Token, MASK};
use crate::wire::cloud::url::{emit, Purpose};

/// The application server.
pub(super) struct CallServer {
    pub(super) settings: CallsSettings,
    pub(super) cloud: CloudClient,
    pub(super) client: HttpClient,
    keys: RwLock<Keys>,
    book: Mutex<Book>,
    /// A deadline has become an earlier one.
    pub(super) timer: Notify,
    /// A call has been placed, or has failed to be.
    pub(super) placed: Notify,
    pub(super) counts: Mutex<Counts>,
}

#[derive(Clone)]
struct Keys {
    app: String,
    api: String,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) placed: u64,
    pub(super) refused: BTreeMap<&'static str, u64>,
    pub(super) ended: BTreeMap<&'static str, u64>,
    pub(super) cloud_problems: u64,
    pub(super) hook_problems: u64,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A program of the operator: for all devices.
    Operator,
    /// A phone: for itself.
    Device(u32),
}

/// Reasons by which ends are counted; what phones make up is `other`.
const REASONS: [&str; 9] = [
    "busy",
    "callee-offline",
    "cancel",
    "decline",
    "end",
    "glare",
    "lost",
    "max_duration",
    "no_answer",
];

impl CallServer {
    pub(super) fn open(settings: CallsSettings) -> Result<Self, String> {
        let base = settings.cloud.clone().ok_or("cloud is missing")?;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let book = Book::new(
            seconds(settings.ring_seconds),
            seconds(settings.max_call_seconds),
        );
        Ok(Self {
            cloud: CloudClient::new(base, settings.app_id.clone()),
            client: HttpClient::new(LIMITS),
            keys: RwLock::new(read_keys(&settings.app_key_file, &settings.api_key_file)?),
            book: Mutex::new(book),
            timer: Notify::new(),
            placed: Notify::new(),
            counts: Mutex::default(),
            settings,
        })
    }

    /// Reads the keys again; if a file cannot be read, the old ones stay.
    pub(super) fn reload(&self) {
        match read_keys(&self.settings.app_key_file, &self.settings.api_key_file) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                info!("keys read again");
            }
            Err(problem) => warn!("keys: {problem}; the old ones stay"),
        }
    }

    fn keys(&self) -> Keys {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The app's key.
    pub(super) fn app_key(&self) -> String {
        self.keys().app
    }

    /// Who asks; `None`: nobody that is known.
    pub(super) fn asker(&self, headers: &HeaderMap) -> Option<Asker> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        });
        let keys = self.keys();
        if bearer.is_some_and(|key| is_equal(key.as_bytes(), keys.api.as_bytes())) {
            return Some(Asker::Operator);
        }
        let token = text("x-client-token")?.as_bytes();
        let is_valid = check_token(token, &[keys.app], unix_now()) == Verdict::Valid;
        let token = Token::parse(token).ok().filter(|_| is_valid)?;
        Some(Asker::Device(token.cid))
    }

    /// Does something with the calls.
    pub(super) fn book<T>(&self, action: impl FnOnce(&mut Book, When) -> T) -> T {
        let when = When {
            now: Instant::now(),
            unix: unix_now(),
        };
        let (result, endings) = {
            let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            let before = book.next_deadline();
            let result = action(&mut book, when);
            if book.next_deadline() != before {
                self.timer.notify_one();
            }
            (result, std::mem::take(&mut book.endings))
        };
        for ending in endings {
            let known = REASONS.iter().find(|reason| **reason == ending);
            self.count(|counts| *counts.ended.entry(known.unwrap_or(&"other")).or_default() += 1);
        }
        result
    }

    pub(super) fn count(&self, action: impl FnOnce(&mut Counts)) {
        action(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The URL of a call, and the same without the digest in it; `None`: the tracker is no IPv4
    /// address, which the vendor's URLs need.
    pub(super) fn url(
        &self,
        sid: &str,
        from: u32,
        tracker: &(String, u16),
    ) -> Option<(String, String)> {
        let (host, port) = tracker;
        if self.settings.transport == Transport::Relay {
            let url = format!("http://{host}:{port}/stream/{sid}-{from}");
            return Some((url.clone(), url));
        }
        let ip: Ipv4Addr = host.parse().ok()?;
        let expire = unix_now() + u64::from(self.settings.token_seconds);
        let expire = u32::try_from(expire).unwrap_or(u32::MAX);
        let token = make_token(
            self.app_key().as_bytes(),
            from,
            self.settings.control,
            expire,
        );
        let url = emit(Purpose::Call(ip, *port), &token)?;
        let url = String::from_utf8(url.to_vec()).ok()?;
        let digest = token.rsplit('_').next().unwrap_or_default();
        let shown = url.replace(digest, MASK);
        Some((url, shown))
    }
}

/// What tasks share.
pub(super) type Shared = Arc<CallServer>;

fn read_keys(app: &Path, api: &Path) -> Result<Keys, String> {
    Ok(Keys {
        app: secret_file::read_app_key(app)?,
        api: secret_file::read(api)?,
    })
}
